"""Hands over a ZIP: the pictures, the story, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models import Book, ExportOptions
from utils import stream_zip


def zip_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The ZIP, chunk by chunk: the pictures in order, then everything else."""
    pictures: list[tuple[str, Path | bytes]] = [(scene.name, scene.picture) for scene in book.scenes]
    yield from stream_zip([*pictures, *book.files])
