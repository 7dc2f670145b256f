"""Hands over a shot list: a table of the scenes for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from models import Book, BookScene, ExportOptions
from utils import count_words, printable

COLUMNS = (
    "number", "title", "location", "time of day", "characters", "words", "description", "prompt", "picture",
)  # fmt: skip
BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes the file for the charset of its country
MOST_CHARS = 32_000  # in a cell; Excel takes 32,767

_FORMULA = re.compile("[=+\\-@\t\n\ufffd＝＋－＠]")  # what a spreadsheet may take the cell for, by its first sign


def csv_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The table in UTF-8, a row a scene, under a row of names."""
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(COLUMNS)
    table.writerows(map(_row, book.scenes))
    yield (BYTE_ORDER_MARK + out.getvalue()).encode()


def _row(scene: BookScene) -> list[str | int]:
    return [
        scene.scene_number + 1,
        _cell(scene.title),
        _cell(scene.location or ""),
        "" if scene.time_of_day == "unknown" else scene.time_of_day,
        _cell(", ".join(scene.characters)),
        count_words(scene.text),
        _cell(scene.description),
        _cell(scene.image_prompt),
        scene.name,
    ]


def _cell(text: str) -> str:
    """The words, which no spreadsheet takes for a formula."""
    words = printable(text)[:MOST_CHARS]
    return f"'{words}" if _FORMULA.match(words) else words
