"""Archives and the XML in them, read without trusting a word of what they say about their sizes."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast
from urllib.parse import unquote
from xml.etree.ElementTree import Element, TreeBuilder

from models import BrokenDocument, DocumentTooLarge, EncryptedDocument, UnsupportedDocument

MAX_MEMBERS = 10_000
MAX_INFLATED_BYTES = 64_000_000  # of all members that are read, together
MAX_DEPTH = 200  # of elements in each other
CHUNK_BYTES = 65_536
ENCRYPTED = 0x1  # a flag of a member


class Archive:
    """A ZIP of which members are read whole, counted while they are inflated."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise BrokenDocument("The file is cut off or damaged: its archive has no readable index.") from error
        if len(self._zip.infolist()) > MAX_MEMBERS:
            raise DocumentTooLarge(f"The archive holds more than {MAX_MEMBERS:,} files.")
        self.names = frozenset(self._zip.namelist())
        self._left = MAX_INFLATED_BYTES

    def read(self, name: str) -> bytes:
        """A member, whole. Raises `BrokenDocument`, `EncryptedDocument`, `DocumentTooLarge`."""
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise BrokenDocument("A part of the document is missing.") from None
        if info.flag_bits & ENCRYPTED:
            raise EncryptedDocument
        parts = []
        try:
            with self._zip.open(info) as member:
                while chunk := member.read(CHUNK_BYTES):
                    parts.append(chunk)
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise DocumentTooLarge(f"The document unpacks to more than {MAX_INFLATED_BYTES:,} bytes.")
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
            raise BrokenDocument("The file is cut off or damaged.") from error
        return b"".join(parts)

    def xml(self, name: str) -> Element:
        """A member parsed as XML."""
        return parse_xml(self.read(name))


def read_archive(archive: Archive) -> tuple[str, str]:
    """The title and the text of a DOCX or an EPUB, told apart by what they hold."""
    if "META-INF/container.xml" in archive.names:
        from adapters.documents.epub import read_epub

        return read_epub(archive)
    if "[Content_Types].xml" in archive.names and any(name.startswith("word/") for name in archive.names):
        from adapters.documents.word import read_word

        return read_word(archive)
    if "mimetype" in archive.names and b"opendocument" in archive.read("mimetype")[:100]:
        raise UnsupportedDocument("The file is an OpenDocument file: save it as .docx and send that.")
    raise UnsupportedDocument("The file is an archive, but neither a DOCX nor an EPUB; send what is in it.")


def parse_xml(content: bytes) -> Element:
    """The root element. A DOCTYPE may stand there (NCX files have one), entities of its own may not."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    parser = DefusedXMLParser(target=_Shallow(), forbid_entities=True, forbid_external=True)
    try:
        parser.feed(content)
        return cast(Element, parser.close())
    except DefusedXmlException as error:
        raise BrokenDocument("The document declares XML entities, which are not expanded here.") from error
    except (ParseError, ValueError, LookupError) as error:
        raise BrokenDocument("The document holds XML that cannot be read.") from error


class _Shallow(TreeBuilder):
    """Builds a tree of limited depth."""

    depth = 0

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise DocumentTooLarge(f"The document's elements are nested deeper than {MAX_DEPTH}.")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(tag)


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """The attribute of that name in whatever namespace, or ""."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return ""


def child(element: Element | None, *names: str) -> Element | None:
    """The first child of that name, or the child of that child."""
    for name in names:
        if element is None:
            return None
        element = next((found for found in element if local(found) == name), None)
    return element


def children(element: Element | None, name: str) -> Iterator[Element]:
    """All children of that name."""
    return (found for found in (element if element is not None else ()) if local(found) == name)


def target(base: str, reference: str) -> tuple[str, str]:
    """The member and the fragment that a reference in the member `base` means."""
    path, _, fragment = reference.partition("#")
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(path))) if path else base, fragment
