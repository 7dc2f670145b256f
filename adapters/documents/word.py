"""Word documents (.docx): paragraphs, headings, lists and scene breaks; not what was deleted, hidden or noted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.documents.archive import Archive, attribute, child, children, local, target
from adapters.documents.blocks import BREAK, Block, first_heading, heading, paragraph, title_line, to_text
from models import BrokenDocument

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

BODY_LEVEL = 9  # an outline level that means none
MAX_STYLE_CHAIN = 20
_HEADING_NAME = re.compile(r"heading ([1-9])$")  # Word keeps the names of its own styles in English in any language
_DROPPED = frozenset(
    "del moveFrom instrText delText delInstrText footnoteReference endnoteReference commentReference annotationRef "
    "rPr pPr Fallback footnoteRef endnoteRef".split()
)
_SENTENCE_END = re.compile(r"[.!?…。！？:*\d]['\"”’»」)]*$")
_DASHES = frozenset("-–—―")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


def read_word(archive: Archive) -> tuple[str, str]:
    """The title and the text."""
    main = _main_part(archive)
    body = child(archive.xml(main), "body")
    if body is None:
        raise BrokenDocument("The document has no body.")
    reader = _Reader(_styles(archive, main), _numbering(archive, main))
    blocks = [block for element in body for block in reader.blocks(element)]
    return title_line(_core_title(archive)) or first_heading(blocks), to_text(blocks)


def _main_part(archive: Archive) -> str:
    """The member that holds the text: the package says which."""
    if "_rels/.rels" in archive.names:
        for relation in children(archive.xml("_rels/.rels"), "Relationship"):
            if attribute(relation, "Type").endswith("/officeDocument"):
                return target("", attribute(relation, "Target").lstrip("/"))[0]
    return "word/document.xml"


def _core_title(archive: Archive) -> str:
    if "docProps/core.xml" not in archive.names:
        return ""
    found = child(archive.xml("docProps/core.xml"), "title")
    return (found.text or "") if found is not None else ""


# --- Styles and lists ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str
    level: int | None
    numbered: Element | None


def _styles(archive: Archive, main: str) -> dict[str, _Style]:
    path = target(main, "styles.xml")[0]
    if path not in archive.names:
        return {}
    return {
        attribute(style, "styleId"): _Style(
            name=_value(child(style, "name")).lower(),
            based_on=_value(child(style, "basedOn")),
            level=_outline_level(child(style, "pPr")),
            numbered=child(style, "pPr", "numPr"),
        )
        for style in children(archive.xml(path), "style")
    }


def _value(element: Element | None) -> str:
    return attribute(element, "val") if element is not None else ""


def _outline_level(properties: Element | None) -> int | None:
    level = _value(child(properties, "outlineLvl"))
    return int(level) if level.isdecimal() and len(level) < 3 else None


@dataclass(frozen=True, slots=True)
class _List:
    """One level of a list: how its numbers are written and the words around them (`%1.`)."""

    form: str
    words: str
    start: int


def _numbering(archive: Archive, main: str) -> dict[tuple[str, str], _List]:
    """(list, level) → how it is numbered."""
    path = target(main, "numbering.xml")[0]
    if path not in archive.names:
        return {}
    root = archive.xml(path)
    kinds = {attribute(kind, "abstractNumId"): kind for kind in children(root, "abstractNum")}
    found: dict[tuple[str, str], _List] = {}
    for number in children(root, "num"):
        for level in children(kinds.get(_value(child(number, "abstractNumId"))), "lvl"):
            start = _value(child(level, "start"))
            found[attribute(number, "numId"), attribute(level, "ilvl")] = _List(
                form=_value(child(level, "numFmt")),
                words=_value(child(level, "lvlText")),
                start=int(start) if start.isdecimal() and len(start) < 6 else 1,
            )
    return found


# --- Paragraphs ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Words:
    """What is collected while one paragraph is read."""

    parts: list[str] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)  # text boxes anchored in it
    ruled: bool = False
    page_break: int | None = None  # how many parts stood before it


class _Reader:
    """Turns the elements of a body into blocks, counting lists on the way."""

    def __init__(self, styles: dict[str, _Style], lists: dict[tuple[str, str], _List]) -> None:
        self._styles = styles
        self._lists = lists
        self._counts: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._carried = ""
        self._ended = True  # whether the last words could end a scene

    def blocks(self, element: Element) -> Iterator[Block]:
        """The blocks in an element of the body: a paragraph, a table, a frame around others."""
        kind = local(element)
        if kind == "p":
            yield from self._paragraph(element)
        elif kind == "sdt":
            if "Table of Contents" not in _value(child(element, "sdtPr", "docPartObj", "docPartGallery")):
                yield from self._inside(child(element, "sdtContent"))
        elif kind == "AlternateContent":
            yield from self._inside(child(element, "Choice"))
        elif kind not in _DROPPED:
            yield from self._inside(element)

    def _inside(self, element: Element | None) -> Iterator[Block]:
        for inner in element if element is not None else ():
            yield from self.blocks(inner)

    def _paragraph(self, element: Element) -> Iterator[Block]:
        properties = child(element, "pPr")
        chain = self._chain(_value(child(properties, "pStyle")))
        words = _collect(element)
        if any(style.name.startswith("toc ") for style in chain):
            return
        text = self._carried + "".join(words.parts)
        self._carried = ""
        if _is_on(child(properties, "rPr", "del")):  # the paragraph's end was deleted: its words open the next one
            self._carried = text
            yield from self._boxes(words)
            return
        broken = self._breaks(properties, words)
        if broken == "before":
            yield BREAK
        yield self._block(text, properties, chain, words)
        if broken == "after":
            yield BREAK
        if text.strip():
            self._ended = bool(_SENTENCE_END.search(text.strip()))
        yield from self._boxes(words)

    def _boxes(self, words: _Words) -> Iterator[Block]:
        for box in words.boxes:
            yield from self._inside(box)

    def _breaks(self, properties: Element | None, words: _Words) -> str:
        """Where a page that somebody began by hand parts scenes: not in the middle of a sentence."""
        if _is_on(child(properties, "pageBreakBefore")):
            return "before" if self._ended else ""
        if words.page_break is not None:
            before = "".join(words.parts[: words.page_break]).strip()
            after = "".join(words.parts[words.page_break :]).strip()
            if not before:
                return "before" if self._ended else ""
            return "after" if not after and _SENTENCE_END.search(before) else ""
        section = child(properties, "sectPr")
        new_page = section is not None and _value(child(section, "type")) != "continuous"
        return "after" if new_page and self._ended else ""

    def _block(self, text: str, properties: Element | None, chain: list[_Style], words: _Words) -> Block:
        level = self._level(properties, chain)
        if not text.strip():
            return BREAK if words.ruled or child(properties, "pBdr", "bottom") is not None else paragraph("")
        label = self._label(properties, chain)
        if level is not None:
            return heading(f"{label} {text}" if label not in ("", "-") else text, level + 1)
        if label and paragraph(text).kind == "paragraph":
            return paragraph(f"{label} {text.strip()}")
        return paragraph(text)

    def _chain(self, style_id: str) -> list[_Style]:
        """The style and those it is based on."""
        chain: list[_Style] = []
        while (style := self._styles.get(style_id)) and len(chain) < MAX_STYLE_CHAIN:
            chain.append(style)
            style_id = style.based_on
        return chain

    def _level(self, properties: Element | None, chain: list[_Style]) -> int | None:
        """The outline level of a heading, from 0, whatever its style is called."""
        own = _outline_level(properties)
        if own is not None:
            return own if own < BODY_LEVEL else None
        for style in chain:
            if style.level is not None:
                return style.level if style.level < BODY_LEVEL else None
            if named := _HEADING_NAME.match(style.name):
                return int(named.group(1)) - 1
            if style.name == "title":
                return 0
        return None

    def _label(self, properties: Element | None, chain: list[_Style]) -> str:
        """The number or the dash that Word sets before a paragraph of a list."""
        numbered = next((n for n in (child(properties, "numPr"), *(s.numbered for s in chain)) if n is not None), None)
        if numbered is None:
            return ""
        number, level = _value(child(numbered, "numId")), _value(child(numbered, "ilvl")) or "0"
        kind = self._lists.get((number, level))
        if kind is None or number == "0" or kind.form == "none" or not level.isdecimal():
            return ""
        if kind.form == "bullet":
            return kind.words if kind.words in _DASHES else "-"
        return self._count(number, int(level), kind)

    def _count(self, number: str, level: int, kind: _List) -> str:
        counts = self._counts[number]
        for deeper in [other for other in counts if other > level]:
            del counts[deeper]
        counts[level] = counts.get(level, kind.start - 1) + 1

        def written(match: re.Match[str]) -> str:
            shown = int(match.group(1)) - 1
            form = self._lists.get((number, str(shown)), kind).form
            return _number(counts.get(shown, 1), form)

        return re.sub(r"%([1-9])", written, kind.words)


def _number(count: int, form: str) -> str:
    if form in ("upperRoman", "lowerRoman"):
        digits, left = "", count
        for value, letters in _ROMAN:
            digits += letters * (left // value)
            left %= value
        return digits.upper() if form == "upperRoman" else digits
    if form in ("upperLetter", "lowerLetter") and 1 <= count <= 26:
        return chr((64 if form == "upperLetter" else 96) + count)
    return str(count)


def _is_on(element: Element | None) -> bool:
    """Whether a switch is set: it is there, and does not say no."""
    return element is not None and _value(element) not in ("0", "false", "off")


def _collect(element: Element) -> _Words:
    """The words of a paragraph; a text box in it is kept apart, and the older drawing of the same box left out."""
    words = _Words()
    _walk(element, words)
    return words


def _walk(element: Element, words: _Words) -> None:
    for inner in element:
        kind = local(inner)
        if kind == "t":
            words.parts.append(inner.text or "")
        elif kind in _SIGNS:
            words.parts.append(_SIGNS[kind])
        elif kind == "br":
            _line_break(inner, words)
        elif kind == "txbxContent":
            words.boxes.append(inner)
        elif kind == "rect" and attribute(inner, "hr") in ("t", "true", "1"):
            words.ruled = True
        elif kind == "r" and _is_on(child(inner, "rPr", "vanish")):
            continue
        elif kind not in _DROPPED:
            _walk(inner, words)


_SIGNS = {"tab": "\t", "ptab": "\t", "cr": "\n", "noBreakHyphen": "\u2011", "softHyphen": ""}


def _line_break(element: Element, words: _Words) -> None:
    if attribute(element, "type") == "page":
        words.page_break = len(words.parts)
        words.parts.append(" ")
    elif attribute(element, "type") != "column":
        words.parts.append("\n")
