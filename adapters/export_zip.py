"""Hands over a ZIP: the pictures, a page that shows them, the story, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.export_html import page_beside
from models import Book, ExportOptions
from utils import stream_zip


def zip_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The ZIP, chunk by chunk: the pictures in order, the page, then everything else."""
    pictures: list[tuple[str, Path | bytes]] = [(scene.name, scene.picture) for scene in book.scenes]
    yield from stream_zip([*pictures, ("index.html", page_beside(book)), *book.files])
