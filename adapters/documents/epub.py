"""Books (.epub): the chapters in the order of the spine, without covers, contents, notes and navigation."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from adapters.documents.archive import Archive, attribute, child, children, local, target
from adapters.documents.blocks import (
    BREAK,
    GAP,
    Block,
    first_heading,
    heading,
    is_ornament,
    paragraph,
    title_line,
    to_text,
)
from adapters.documents.plain import decode
from models import BrokenDocument, EncryptedDocument

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_CHAPTERS = 5_000
FONT_MANGLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # hides fonts, not words
NOT_STORY = frozenset(  # kinds of parts and elements, as EPUB and its guide call them
    "toc landmarks page-list loi lot lov loa cover cover-page titlepage title-page halftitlepage copyright-page index "
    "colophon footnote footnotes endnote endnotes rearnote rearnotes noteref pagebreak backlink bibliography other-ms "
    "doc-toc doc-cover doc-noteref doc-footnote doc-endnote doc-endnotes doc-backlink doc-pagebreak doc-pagelist "
    "doc-index doc-colophon".split()
)
NOT_READ = frozenset("script style head nav svg math template rt rp rtc noscript object audio video iframe".split())
BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header "
    "hgroup li main ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
LINKED_SHARE = 0.6  # of a page of contents is links
LEAST_LINKS = 4

_HEADING = re.compile(r"h([1-6])$")
_BREAK_CLASS = re.compile(
    r"(?:scene|section|text|thought|space|line)[-_]?break|ornament|divider|fleuron|asterism|separator|\bhr\b", re.I
)
_NOTE_MARK = re.compile(r"[\[(]?(?:\d{1,3}|[*†‡§]{1,3}|[ivx]{1,5}|[a-z])[\])]?")
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding=["']([\w.:-]+)["']""")
_SPACES = re.compile(r"[ \t\r\n]+")

Titles = dict[str, tuple[str, int]]


def read_epub(archive: Archive) -> tuple[str, str]:
    """The title and the text."""
    _refuse_locked(archive)
    package_path = _package_path(archive)
    package = archive.xml(package_path)
    metadata = child(package, "metadata")
    title = next((found.text or "" for found in children(metadata, "title") if (found.text or "").strip()), "")
    skipped = _guide(package, package_path)
    titles = _contents(archive, package, package_path)
    blocks: list[Block] = []
    for path in _spine(package, package_path)[:MAX_CHAPTERS]:
        if path in archive.names and path not in skipped:
            blocks += chapter_blocks(_markup(archive.read(path)), titles.get(path, {}))
            blocks.append(GAP)
    return title_line(title) or first_heading(blocks), to_text(blocks)


def _refuse_locked(archive: Archive) -> None:
    """Raises for a book whose words are encrypted; mangled fonts do not matter."""
    if "META-INF/encryption.xml" not in archive.names:
        return
    for element in archive.xml("META-INF/encryption.xml").iter():
        if local(element) == "EncryptedData":
            method = child(element, "EncryptionMethod")
            if method is None or attribute(method, "Algorithm") not in FONT_MANGLING:
                raise EncryptedDocument("The book is locked (DRM); send a copy that is not.")


def _package_path(archive: Archive) -> str:
    for element in archive.xml("META-INF/container.xml").iter():
        if local(element) == "rootfile" and attribute(element, "full-path") in archive.names:
            return attribute(element, "full-path")
    raise BrokenDocument("The book does not say where its contents are.")


def _manifest(package: Element, package_path: str) -> dict[str, tuple[str, str]]:
    """Each item's id → its member and its properties."""
    return {
        attribute(item, "id"): (target(package_path, attribute(item, "href"))[0], attribute(item, "properties"))
        for item in children(child(package, "manifest"), "item")
    }


def _spine(package: Element, package_path: str) -> list[str]:
    items = _manifest(package, package_path)
    found = []
    for reference in children(child(package, "spine"), "itemref"):
        path, properties = items.get(attribute(reference, "idref"), ("", ""))
        if path and attribute(reference, "linear") != "no" and "nav" not in properties.split():
            found.append(path)
    return list(dict.fromkeys(found))


def _guide(package: Element, package_path: str) -> frozenset[str]:
    """The members that the guide of an older book calls a cover, a title page, contents and the like."""
    references = children(child(package, "guide"), "reference")
    kinds = ((attribute(r, "type"), target(package_path, attribute(r, "href"))) for r in references)
    return frozenset(path for kind, (path, fragment) in kinds if kind in NOT_STORY and not fragment)


def _markup(content: bytes) -> str:
    declared = _ENCODING.match(content[:200])
    if declared:
        try:
            return content.decode(declared.group(1).decode("ascii"))
        except (UnicodeDecodeError, LookupError):
            pass  # many books declare what they are not
    return decode(content) if content.strip() else ""


# --- The table of contents -------------------------------------------------------------------------------------


def _contents(archive: Archive, package: Element, package_path: str) -> dict[str, Titles]:
    """Member → fragment ("" for its beginning) → the title and the level that the contents give it."""
    found: defaultdict[str, Titles] = defaultdict(dict)
    for path, properties in _manifest(package, package_path).values():
        if path not in archive.names:
            continue
        if "nav" in properties.split():
            entries = _nav_entries(_markup(archive.read(path)))
        elif path.endswith(".ncx"):
            entries = _ncx_entries(_nav_map(archive, path), 1)
        else:
            continue
        for label, reference, level in entries:
            member, fragment = target(path, reference)
            found[member].setdefault(fragment, (label, level))
    return found


def _nav_map(archive: Archive, path: str) -> Element | None:
    try:
        return child(archive.xml(path), "navMap")
    except BrokenDocument:
        return None  # the book can be read without it


def _ncx_entries(element: Element | None, level: int) -> Iterator[tuple[str, str, int]]:
    for point in children(element, "navPoint"):
        words = child(point, "navLabel", "text")
        content = child(point, "content")
        if words is not None and content is not None:
            yield " ".join((words.text or "").split()), attribute(content, "src"), level
        yield from _ncx_entries(point, level + 1)


def _nav_entries(markup: str) -> Iterator[tuple[str, str, int]]:
    reader = _Contents()
    reader.feed(markup)
    reader.close()
    yield from reader.entries


class _Contents(HTMLParser):
    """Reads the links of the `nav` that is the table of contents."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[str, str, int]] = []
        self._inside = False
        self._level = 0
        self._link: str | None = None
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "nav":
            self._inside = given.get("epub:type", "toc") == "toc"
        elif tag == "ol":
            self._level += 1
        elif tag == "a" and self._inside and given.get("href"):
            self._link, self._words = given["href"], []

    def handle_endtag(self, tag: str) -> None:
        if tag == "nav":
            self._inside = False
        elif tag == "ol":
            self._level -= 1
        elif tag == "a" and self._link is not None:
            self.entries.append((" ".join("".join(self._words).split()), self._link, max(1, self._level)))
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self._words.append(data)


# --- A chapter -------------------------------------------------------------------------------------------------


def chapter_blocks(markup: str, titles: Titles) -> list[Block]:
    """The blocks of one XHTML file, forgiving as a browser; a page that is mostly links has none.

    `titles` names places in it: a paragraph that is such a title becomes a heading, a title that is nowhere on the
    page (it may be in a picture) is set above what it names.
    """
    reader = _Chapter(titles)
    reader.feed(markup)
    reader.close()
    reader.flush()
    if reader.links >= LEAST_LINKS and reader.linked_chars > LINKED_SHARE * reader.chars:
        return []
    own = {_plain(block.text) for block in reader.blocks if block.kind == "heading" and block not in reader.added}
    return [block for block in reader.blocks if block not in reader.added or not _is_told(block.text, own)]


class _Chapter(HTMLParser):
    def __init__(self, titles: Titles) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.added: list[Block] = []  # headings that the page itself does not have
        self.links = self.linked_chars = self.chars = 0
        self._titles = titles
        self._title = titles.get("")
        self._parts: list[str] = []
        self._level = 0  # of the heading that is open
        self._linked = False
        self._raised: list[str] | None = None  # the words of a superscript: a note's mark, or not
        self._preformatted = 0
        self._skipping, self._depth = "", 0
        self._parting = self._empty_counts = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipping:
            self._depth += tag == self._skipping
            return
        given = {name: value or "" for name, value in attrs}
        self._notice_place(given)
        if _unwanted(tag, given):
            if tag not in VOID:
                self._skipping, self._depth = tag, 1
        elif found := _HEADING.match(tag):
            self.flush()
            self._level = int(found.group(1))
        elif tag in BLOCKS:
            self.flush()
            self._preformatted += tag == "pre"
            self._empty_counts = tag == "p"
            self._parting = bool(_BREAK_CLASS.search(given.get("class", "")))
            if tag == "li":
                self._parts.append("- ")
        else:
            self._inline(tag, given)

    def _inline(self, tag: str, given: dict[str, str]) -> None:
        if tag == "br":
            self._parts.append("\n")
        elif tag == "hr":
            self.flush()
            self.blocks.append(BREAK)
        elif tag == "img":
            self._parting = self._parting or bool(_BREAK_CLASS.search(given.get("class", "")))
        elif tag == "a":
            self._linked = bool(given.get("href"))
            self.links += self._linked
        elif tag == "sup" and self._raised is None:
            self._raised = []

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._depth -= tag == self._skipping
            if self._depth <= 0:
                self._skipping = ""
        elif _HEADING.match(tag) or tag in BLOCKS:
            self.flush()
            self._preformatted -= tag == "pre" and self._preformatted > 0
        elif tag == "a":
            self._linked = False
        elif tag == "sup" and self._raised is not None:
            raised, self._raised = "".join(self._raised), None
            if not _NOTE_MARK.fullmatch(raised.strip()):
                self._parts.append(raised)

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        words = len(data.strip())
        self.chars += words
        self.linked_chars += words * self._linked
        text = data if self._preformatted else _SPACES.sub(" ", data)
        (self._parts if self._raised is None else self._raised).append(text)

    def flush(self) -> None:
        """End the block that is open."""
        if self._raised:
            self._parts += self._raised
        self._raised = None
        raw = "".join(self._parts)
        text = "\n".join(line.strip(" ") for line in raw.split("\n")).strip()
        level, parting, counts = self._level, self._parting, self._empty_counts
        self._parts, self._level, self._parting, self._empty_counts = [], 0, False, False
        if text in ("", "-", "\u00a0"):
            if parting:
                self.blocks.append(BREAK)
            elif counts:
                self.blocks.append(GAP)
            return
        self._add(text, level)

    def _add(self, text: str, level: int) -> None:
        if is_ornament(text):
            self.blocks.append(BREAK)
            return
        title, self._title = self._title, None
        if level:
            self.blocks.append(heading(text, level))
        elif title and title[0]:
            self._add_titled(text, *title)
        else:
            self.blocks.append(paragraph(text))

    def _add_titled(self, text: str, title: str, level: int) -> None:
        """The first block at a place that the table of contents names."""
        words, wanted = _plain(text), _plain(title)
        if words and len(words) <= len(wanted) and words in wanted:
            self.blocks.append(heading(text, level))
        else:
            self.added.append(heading(title, level))
            self.blocks += [self.added[-1], paragraph(text)]

    def _notice_place(self, given: dict[str, str]) -> None:
        named = self._titles.get(given.get("id", "") or given.get("name", "") or " ")
        if named:
            if self._parts and "".join(self._parts).strip(" -"):
                return  # in the middle of a paragraph
            self._title = named


def _unwanted(tag: str, given: dict[str, str]) -> bool:
    kinds = f"{given.get('epub:type', '')} {given.get('role', '')}".split()
    if tag in NOT_READ or not NOT_STORY.isdisjoint(kinds):
        return True
    return "pg-boilerplate" in given.get("class", "") or "hidden" in given


def _is_told(title: str, headings: set[str]) -> bool:
    """Whether one of the page's own headings says what its title in the contents says."""
    return any(words and (words in _plain(title) or _plain(title) in words) for words in headings)


def _plain(words: str) -> str:
    return "".join(c for c in words.casefold() if c.isalnum())
