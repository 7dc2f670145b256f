"""Plain text, Markdown and Fountain; which charset bytes are written in is found, never assumed."""

from __future__ import annotations

import codecs
import re
import unicodedata

from models import EmptyDocument, UnknownCharset, UnsupportedDocument

FOUNTAIN = frozenset({".fountain", ".spmd"})
MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkd"})
NOTHING_FITS = "cp037"  # what the detector answers when nothing fits: nobody writes stories in EBCDIC
BOMS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WIDER = {  # what Windows wrote under the name of a standard: the same and more
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "shift-jis": "cp932",
    "shift-jis-2004": "cp932",
}
SAMPLE = 20_000  # characters looked at to tell whether a decoded text is one
MOST_STRANGE = 0.02  # the share of characters no writer types
LEAST_KNOWN = 0.95  # of UTF-16 without its mark: noise decodes too, into every script at once
MAX_TITLE_LINE = 80

_STRANGE = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd\ue000-\uf8ff]")
_MIXED_WORD = re.compile("[A-Za-z][\u0370-\u04ff]|[\u0370-\u04ff][A-Za-z]")
_LETTERS_OF_UTF16 = re.compile(
    "[\t\n\r -~\u00a0-\u024f\u0370-\u052f\u0590-\u06ff\u0900-\u097f\u0e00-\u0e7f\u2010-\u2030\u3000-\u30ff\u4e00-\u9fff"
    "\uac00-\ud7a3\uff01-\uff60]"
)
_FRONT_MATTER = re.compile(r"---[ \t]*\n((?:(?!(?:---|\.\.\.)[ \t]*\n).*\n){1,200}?)(?:---|\.\.\.)[ \t]*(?:\n|$)")
_FRONT_KEY = re.compile(r"^([A-Za-z][\w-]*)[ \t]*:[ \t]*(.*)$", re.MULTILINE)
_ATX = re.compile(r"#{1,6}[ \t]+(\S.*?)[ \t]*#*$")
_SENTENCE_END = re.compile(r"[.!?…。！？,;:]['\"”’»」]*$")
_TITLE_PAGE = re.compile(r"(?:[^\s:][^:\n]{0,40}:.*\n(?:(?:[ \t]{3,}|\t).*\n)*)+(?=\s*\n|\s*$)")
_TITLE_KEY = re.compile(r"^title:[ \t]*(.*(?:\n(?:[ \t]{3,}|\t).+)*)", re.IGNORECASE | re.MULTILINE)
_TITLE_PAGE_KEYS = re.compile(
    r"^(?:title|credit|authors?|source|notes|draft date|date|contact|copyright|revision)\s*:", re.IGNORECASE
)
_BONEYARD = re.compile(r"(?<!\\)/\*.*?(?:\*/|\Z)", re.DOTALL)
_NOTE = re.compile(r"(?<!\\)\[\[(?:[^\]\n]|\n(?!\n)|\](?!\]))*\]\]")
_FORCED_ACTION = re.compile(r"^!", re.MULTILINE)
_ESCAPED = re.compile(r"\\(?=\[\\?\[|/\*)")
_EMPHASIS = re.compile(r"[*_]+")
_GUTENBERG_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK[^\n]*\n", re.MULTILINE)
_GUTENBERG_END = re.compile(r"^\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK", re.MULTILINE)
_GUTENBERG_TITLE = re.compile(r"^Title: (\S.*)$", re.MULTILINE)


def decode(content: bytes) -> str:
    """The text in these bytes: by its byte order mark, as strict UTF-8, else as a detector reads it.

    Raises `UnknownCharset` rather than hand over mojibake, `UnsupportedDocument` for what is no text at all.
    """
    for mark, encoding in BOMS:
        if content.startswith(mark):
            return _checked(_strictly(content, encoding))
    if b"\x1b$" in content or b"\x1b(" in content:  # seven-bit Japanese is valid UTF-8 too
        text = _decoded(content, "iso2022_jp_2")
        if text is not None:
            return text
    text = None if b"\0" in content else _decoded(content, "utf-8")
    if text is not None:
        return _checked(text)
    return _detected(content)


def _detected(content: bytes) -> str:
    import chardet

    if b"\0" in content and (text := _wide(content)) is not None:
        return _checked(text)
    found = chardet.detect(content, compat_names=False, no_match_encoding=NOTHING_FITS)
    encoding = found["encoding"]
    if encoding is None or encoding == NOTHING_FITS:
        text = _wide(content)
        if text is not None:
            return text
        if encoding is None:
            raise UnsupportedDocument("The file is not a text, and nothing else that is read here.")
        raise UnknownCharset
    return _checked(_not_mixed(content, WIDER.get(encoding.lower().replace("_", "-"), encoding)))


def _not_mixed(content: bytes, encoding: str) -> str:
    """The text as detected, unless that is a Mac's charset or mixes alphabets within words: then as Windows has it.

    Short Western texts have few bytes beyond ASCII, and a detector takes them for whatever it likes.
    """
    name = encoding.lower()
    windows = _decoded(content, "cp1251" if "cyr" in name else "cp1252") if name.startswith("mac") else None
    text = _strictly(content, encoding) if windows is None else windows
    western = _decoded(content, "cp1252") if _MIXED_WORD.search(text) else None
    return text if western is None else western


def _wide(content: bytes) -> str | None:
    """UTF-16 without its mark, when almost every character is one of a living script."""
    for encoding in ("utf-16-le", "utf-16-be"):
        text = _decoded(content, encoding)
        sample = (text or "")[:SAMPLE]
        if text and len(_LETTERS_OF_UTF16.findall(sample)) >= LEAST_KNOWN * len(sample) and len(sample) > 8:
            return text
    return None


def _checked(text: str) -> str:
    """The text, when it reads like one; raises `EmptyDocument`, `UnknownCharset`, `UnsupportedDocument`."""
    sample = text[:SAMPLE]
    if not sample.strip():
        raise EmptyDocument
    if sample.count("\0") > MOST_STRANGE * len(sample):
        raise UnsupportedDocument("The file is not a text, and nothing else that is read here.")
    strange = len(_STRANGE.findall(sample)) + sum(unicodedata.category(c) == "Cn" for c in set(sample))
    if strange > max(2, MOST_STRANGE * len(sample)):
        raise UnknownCharset
    return text


def _strictly(content: bytes, encoding: str) -> str:
    text = _decoded(content, encoding)
    if text is None:
        raise UnknownCharset
    return text


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def read_plain(text: str, suffix: str) -> tuple[str, str]:
    """The title and the text of a plain file; nothing but front matter and licences is taken out of it."""
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if suffix in FOUNTAIN:
        return _read_fountain(text)
    if suffix in MARKDOWN:
        return _read_markdown(text)
    title, text = _without_licence(text)
    return title or _first_heading(text) or _first_line(text), text


def _read_markdown(text: str) -> tuple[str, str]:
    """Front matter gives the title and goes; all else stays as it is."""
    front = _FRONT_MATTER.match(text.lstrip())
    if front is None or not _FRONT_KEY.match(front.group(1)):
        return _first_heading(text), text
    keys = {key.lower(): value.strip().strip("\"'") for key, value in _FRONT_KEY.findall(front.group(1))}
    text = text.lstrip()[front.end() :]
    return keys.get("title", "") or _first_heading(text), text


def _read_fountain(text: str) -> tuple[str, str]:
    """What Fountain does not print goes: the title page (its `Title:` is the title), the boneyard, notes, marks."""
    text = _NOTE.sub("", _BONEYARD.sub("", text)).lstrip("\n")
    text = _ESCAPED.sub("", _FORCED_ACTION.sub("", text))
    page = _TITLE_PAGE.match(text + "\n")
    if page is None or not _TITLE_PAGE_KEYS.match(text):
        return _first_heading(text), text
    told = _TITLE_KEY.search(page.group())
    return _EMPHASIS.sub("", told.group(1)) if told else "", text[page.end() :]


def _without_licence(text: str) -> tuple[str, str]:
    """A Project Gutenberg text without what stands around the book, and the title its header names."""
    start, end = _GUTENBERG_START.search(text), _GUTENBERG_END.search(text)
    if start is None or end is None or end.start() < start.end():
        return "", text
    named = _GUTENBERG_TITLE.search(text, 0, start.start())
    return named.group(1) if named else "", text[start.end() : end.start()]


def _first_heading(text: str) -> str:
    """The Markdown heading a text begins with."""
    lines = text.lstrip().split("\n", 2)
    if found := _ATX.match(lines[0]):
        return found.group(1)
    underlined = len(lines) > 1 and re.fullmatch(r"={3,}\s*", lines[1])
    return lines[0].strip() if underlined and len(lines[0]) <= MAX_TITLE_LINE else ""


def _first_line(text: str) -> str:
    """The first line when it stands alone and is no sentence."""
    first, _, rest = text.lstrip().partition("\n")
    alone = rest.startswith(("\n", " \n")) and bool(rest.strip())
    line = first.strip()
    return line if alone and len(line) <= MAX_TITLE_LINE and not _SENTENCE_END.search(line) else ""
