"""Hands over a screenplay in Fountain: a heading a scene, the words as they are, notes on the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models import UNTITLED, Book, BookScene, ExportOptions
from utils import is_slugline, one_line, printable

HEADING_CHARS = 100
HEADING_LINES = 6  # within which a script has its own heading

_MARKUP = re.compile(r"\[(?=\[)|/(?=\*)")  # where Fountain begins what is not printed
_MEANS_MORE = re.compile(  # what a line of prose must not begin with
    r"[!@~>#=]|\.[^\W_]|(?:INT|EXT|EST|I/E)[. ]", re.IGNORECASE
)
_LEADING = re.compile(r"^[\W_]+")


def fountain_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The screenplay, scene by scene."""
    yield f"Title: {one_line(book.title) or UNTITLED}\nDraft date: {book.created_at:%Y-%m-%d}\n".encode()
    for number, scene in enumerate(book.scenes, 1):
        yield f"\n{_scene(number, scene)}\n".encode()


def _scene(number: int, scene: BookScene) -> str:
    """Heading, words, note: the note last, so that nothing but the scene's end grows where a reader leaves it out."""
    words = printable(scene.text).strip("\n")
    is_script = any(is_slugline(line.strip()) for line in words.lstrip().split("\n")[:HEADING_LINES])
    parts = [] if is_script else [f".{_heading(number, scene)}"]
    parts.append("\n".join(_line(line, is_script=is_script) for line in words.split("\n")))
    return "\n\n".join([*parts, _note(scene)]) + "\n"


def _heading(number: int, scene: BookScene) -> str:
    """The title, forced to be a heading; it begins with a letter or a digit, else it is none."""
    words = _LEADING.sub("", _MARKUP.sub("", one_line(scene.title)))[:HEADING_CHARS].rstrip(" #")
    return words or f"Scene {number}"


def _line(line: str, *, is_script: bool) -> str:
    """A line of the story: marked as action where it would be taken for something else."""
    words = _MARKUP.sub(r"\\\g<0>", line)
    shouted = not is_script and line.isupper()
    return f"!{words}" if shouted or (not is_script and _MEANS_MORE.match(line)) else words


def _note(scene: BookScene) -> str:
    told = (
        ("Location", scene.location or ""),
        ("Time", "" if scene.time_of_day == "unknown" else scene.time_of_day),
        ("Description", scene.description),
        ("Prompt", scene.image_prompt),
        ("Picture", scene.name),
    )
    lines = [f"{name}: {one_line(words)}" for name, words in told if words]
    return f"[[{_closed(chr(10).join(lines))}]]"


def _closed(words: str) -> str:
    """Without what would end the note, or begin another kind of what is not printed."""
    return re.sub(r"\](?=\])|\[(?=\[)|/(?=\*)|\*(?=/)", r"\g<0> ", words).removesuffix("]")
