"""Paragraphs, headings and breaks as documents hold them, and how they are written as the text of a story."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

MAX_TITLE_CHARS = 200
BREAK_LINE = "* * *"
MAX_LEVEL = 6
_ORNAMENT = re.compile(  # the lines that `utils` takes for a break, and the ones that stand alone in a paragraph
    r"(?:[*#~⁂❧☙✻✽❦❖•·◇◆○●☆★※†‡=_+–—.\-]\s*){3,40}|(?:[*#~⁂❧☙✻✽❦❖◇◆○●☆★※•·—–]\s*){1,2}|[oO0]\s?[oO0]\s?[oO0]"
)
_ELLIPSIS = re.compile(r"[.\s]+")  # a row of dots alone is somebody's silence

_UNPRINTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\ufeff]")
_NEWLINE = re.compile("\r\n?|[\v\f\x85\u2028]")
_JUNK_TITLE = re.compile(
    r"(?:microsoft word - .*|untitled.*|unknown|title|no ?title|.*\.(?:docx?|rtf|odt|txt|pdf|indd|tex|qxd|pages)|"
    r"document ?\d*|\(?(?:anonymous|unspecified)\)?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a document: `gap` is an empty paragraph; `level` (from 1) is a heading's."""

    kind: Literal["paragraph", "heading", "break", "gap"]
    text: str = ""
    level: int = 0


BREAK = Block("break")
GAP = Block("gap")


def heading(text: str, level: int) -> Block:
    """A heading in one line, or a gap when it has no words."""
    words = " ".join(text.split())
    return Block("heading", words, min(max(level, 1), MAX_LEVEL)) if words else GAP


def paragraph(text: str) -> Block:
    """A paragraph; one without words is a gap, one of ornaments alone a break."""
    words = "\n".join(line.strip(" \t") for line in text.strip().split("\n"))
    if not words:
        return GAP
    return BREAK if is_ornament(words) else Block("paragraph", words)


def is_ornament(words: str) -> bool:
    """Whether a line is there only to part scenes."""
    return bool(_ORNAMENT.fullmatch(words.strip())) and not _ELLIPSIS.fullmatch(words)


def to_text(blocks: Iterable[Block]) -> str:
    """The story: blocks between blank lines, headings as Markdown, breaks as `* * *`.

    An empty paragraph where there usually is none becomes one blank line more; at a heading or a break, and at either
    end, breaks and gaps say nothing.
    """
    written, usual = _with_gaps(blocks)
    parts: list[str] = []
    for i, (block, gap) in enumerate(written):
        if i:
            apart = min(2, max(0, gap - usual)) if {block.kind, written[i - 1][0].kind} == {"paragraph"} else 0
            parts.append("\n\n" + "\n" * apart)
        parts.append(_as_text(block))
    return "".join(parts)


def _as_text(block: Block) -> str:
    if block.kind == "heading":
        return f"{'#' * block.level} {block.text}"
    return BREAK_LINE if block.kind == "break" else block.text


def _with_gaps(blocks: Iterable[Block]) -> tuple[list[tuple[Block, int]], int]:
    """What is to be written, each with the empty paragraphs before it, and how many of those are usual here."""
    found: list[tuple[Block, int]] = []
    gap, broken = 0, False
    for block in blocks:
        if block.kind == "gap":
            gap += 1
        elif block.kind == "break":
            broken = True
        else:
            if broken and found and block.kind != "heading" and found[-1][0].kind != "heading":
                found.append((BREAK, 0))
            found.append((block, gap))
            gap, broken = 0, False
    gaps = Counter(gap for (before, _), (block, gap) in pairwise(found) if before.kind == block.kind == "paragraph")
    return found, gaps.most_common(1)[0][0] if gaps else 0


def clean(text: str) -> str:
    """The text with `\\n` for every kind of newline and without characters that nobody can see or send."""
    return _UNPRINTED.sub("", _NEWLINE.sub("\n", text).replace("\u2029", "\n\n"))


def title_line(words: str) -> str:
    """A title in one line, or "" for what programs write where a title should stand."""
    line = " ".join(clean(words).split())
    return "" if _JUNK_TITLE.match(line) else line[:MAX_TITLE_CHARS].rstrip()


def first_heading(blocks: Iterable[Block]) -> str:
    """The heading a document begins with, or ""."""
    first = next((block for block in blocks if block.kind in ("heading", "paragraph")), None)
    return first.text if first and first.kind == "heading" else ""
