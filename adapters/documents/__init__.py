"""Reads the story out of a document: plain text, Markdown, Fountain, Final Draft, Word, PDF or EPUB."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import BinaryIO

from adapters.documents.blocks import clean, title_line
from models import BrokenDocument, Document, EmptyDocument, EncryptedDocument, StoryTooLong, UnsupportedDocument

HEAD_BYTES = 1024
LEAST_CHARS = 10  # the shortest story the service takes
BINARY_SUFFIXES = frozenset({".docx", ".pdf", ".epub"})
TAKEN = "Send a txt, md, fountain, fdx, docx, pdf or epub file."
FOREIGN = (  # what people send instead, by how it begins
    (b"{\\rtf", "RTF"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF89a", "a GIF picture"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
)
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Word before 2007, and every encrypted Office file


def read_document(file: BinaryIO, name: str, *, max_chars: int) -> Document:
    """The story in a document and its title ("" when neither the document nor its name has one).

    What it is, is found from what it holds; the ending of `name` only decides between the kinds of plain text.
    Chapters come out as Markdown headings, scene breaks as a line `* * *`, newlines as `\\n`. Blocks, and trusts no
    limit but its own counting: run it in a process that may be killed. Raises the document errors of `models`.
    """
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    title, text = _read(file, suffix)
    text = clean(text).strip("\n")
    if not any(character.isalnum() for character in text) or len(text.strip()) < LEAST_CHARS:
        raise EmptyDocument
    if len(text) > max_chars:
        raise StoryTooLong(f"The story has {len(text):,} characters; this service takes at most {max_chars:,}.")
    return Document(title=title_line(title) or title_line(_title_of(name)), story_text=text)


def _read(file: BinaryIO, suffix: str) -> tuple[str, str]:
    """The title and the text, by the reader for what the file holds; each reader is imported when it is needed."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head.startswith(ZIP):
        from adapters.documents.archive import Archive, read_archive

        return read_archive(Archive(file))
    if head.lstrip().startswith(b"%PDF-") or (suffix == ".pdf" and b"%PDF-" in head):
        from adapters.documents.pdf import read_pdf

        return read_pdf(file)
    _refuse_foreign(file, head)
    return _read_text(file, suffix)


def _read_text(file: BinaryIO, suffix: str) -> tuple[str, str]:
    from adapters.documents.plain import decode, read_plain

    file.seek(0)
    content = file.read()
    if not content.strip():
        raise EmptyDocument
    if b"\0" in content[:HEAD_BYTES] and suffix in BINARY_SUFFIXES:
        raise BrokenDocument(f"The file is not what its name says: it does not begin as a {suffix[1:]} file does.")
    text = decode(content)
    opening = text[:HEAD_BYTES].lstrip("\ufeff \t\r\n").lower()
    if opening.startswith(("<!doctype html", "<html")):
        raise UnsupportedDocument(f"The file is a web page. {TAKEN}")
    if opening.startswith("<?xml") or "<finaldraft" in opening:
        from adapters.documents.final_draft import read_final_draft

        return read_final_draft(content)
    return read_plain(text, suffix)


def _refuse_foreign(file: BinaryIO, head: bytes) -> None:
    """Raises for the kinds that are told by their first bytes and are not read here."""
    if head.startswith(OLE):
        file.seek(0)
        if "EncryptedPackage".encode("utf-16-le") in file.read():
            raise EncryptedDocument
        raise UnsupportedDocument("The file is an Office file of before 2007: save it as .docx and send that.")
    for magic, kind in FOREIGN:
        if head.startswith(magic):
            raise UnsupportedDocument(f"The file is {kind}. {TAKEN}")


def _title_of(name: str) -> str:
    """A file's name as a title: `the_paper-boat.final.txt` is `the paper boat.final`."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return re.sub(r"[_\s]+|(?<=\w)-(?=\w)", " ", stem) if any(c.isalpha() for c in stem) else ""
