"""Hands over a comic book: the pictures in order, for readers of comics, with a page about them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from models import DRAFTS, UNTITLED, Book, ExportOptions
from utils import guess_language, one_line, runs_right_to_left, stream_zip


def cbz_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The comic, chunk by chunk; its pages are named so that sorting by name gives their order."""
    digits = max(3, len(str(len(book.scenes))))
    pages: list[tuple[str, Path | bytes]] = [
        (f"{number:0{digits}d}{scene.picture.suffix}", scene.picture) for number, scene in enumerate(book.scenes, 1)
    ]
    yield from stream_zip([("ComicInfo.xml", _comic_info(book)), *pages])


def _comic_info(book: Book) -> bytes:
    """What ComicRack made the custom, its elements in the order of its schema, version 2.0."""
    language = guess_language(book.story_text)
    people = dict.fromkeys(one_line(name) for scene in book.scenes for name in scene.characters)
    places = dict.fromkeys(one_line(scene.location) for scene in book.scenes if scene.location)
    told = (
        ("Title", one_line(book.title) or UNTITLED),
        ("Summary", "\n".join(one_line(scene.title) for scene in book.scenes)),
        ("Notes", DRAFTS if book.draft else ""),
        ("Year", str(book.created_at.year)),
        ("Month", str(book.created_at.month)),
        ("Day", str(book.created_at.day)),
        ("PageCount", str(len(book.scenes))),
        ("LanguageISO", "" if language == "und" else language),
        ("Manga", "YesAndRightToLeft" if runs_right_to_left(book.story_text) else "No"),
        ("Characters", ", ".join(people)),
        ("Locations", ", ".join(places)),
    )
    lines = [f"<{name}>{escape(words, quote=False)}</{name}>" for name, words in told if words]
    pages = [
        f'<Page Image="{number}" Type="{"Story" if number else "FrontCover"}" ImageWidth="{scene.width}" '
        f'ImageHeight="{scene.height}" Bookmark="{escape(one_line(scene.title))}"/>'
        for number, scene in enumerate(book.scenes)
    ]
    body = "\n".join([*lines, "<Pages>", *pages, "</Pages>"])
    return f'<?xml version="1.0" encoding="utf-8"?>\n<ComicInfo>\n{body}\n</ComicInfo>\n'.encode()
