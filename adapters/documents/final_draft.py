"""Final Draft scripts (.fdx), written as Fountain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapters.documents.archive import attribute, child, children, local, parse_xml
from models import UnsupportedDocument

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SLUGLINE = re.compile(r"(?:INT|EXT|EST|I/E|E/I)\b", re.IGNORECASE)
_SPEECH = frozenset({"Dialogue", "Parenthetical", "Lyrics"})


def read_final_draft(content: bytes) -> tuple[str, str]:
    """The title and the script; a heading that is neither INT nor EXT becomes a forced `.HEADING`."""
    root = parse_xml(content)
    if local(root) != "FinalDraft":
        raise UnsupportedDocument("The file is XML, but not a Final Draft script.")
    lines: list[str] = []
    for element in _paragraphs(child(root, "Content")):
        kind, words = attribute(element, "Type"), _words(element)
        if words:
            if lines and kind not in _SPEECH:
                lines.append("")
            lines.append(_line(kind, words))
    page = child(root, "TitlePage", "Content")
    title = next((words for element in children(page, "Paragraph") if (words := _words(element))), "")
    return title, "\n".join(lines)


def _paragraphs(content: Element | None) -> Iterator[Element]:
    """The script's paragraphs, those spoken at once one after the other; notes and summaries hang elsewhere."""
    for element in children(content, "Paragraph"):
        dual = child(element, "DualDialogue")
        if dual is not None:
            yield from children(dual, "Paragraph")
        else:
            yield element


def _words(element: Element) -> str:
    text = "".join(part.text or "" for part in children(element, "Text"))
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


def _line(kind: str, words: str) -> str:
    if kind == "Scene Heading":
        line = " ".join(words.split()).upper()
        return line if _SLUGLINE.match(line) else f".{line.lstrip('.')}"
    if kind == "Character":
        name = words.upper()
        return name if name != words.lower() else f"@{words}"  # scripts without capitals
    if kind in ("New Act", "End of Act"):
        return f"# {words}" if kind == "New Act" else f"> {words} <"
    if kind == "Transition":
        return words.upper() if words.upper().endswith("TO:") else f"> {words.upper()}"
    if kind == "Lyrics":
        return f"~{words}"
    if kind == "Parenthetical" and not words.startswith("("):
        return f"({words})"
    return words.upper() if kind == "Shot" else words
