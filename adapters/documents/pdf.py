"""PDF: the lines that are on the pages, put together to paragraphs and headings again."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from adapters.documents.blocks import GAP, Block, first_heading, heading, paragraph, title_line, to_text
from models import BrokenDocument, DocumentTooLarge, EmptyDocument, EncryptedDocument, ScannedDocument

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage

MAX_PAGES = 3_000
MAX_PAGE_CHARS = 200_000  # of one page; a drawn map may hold more, a story does not
BARE_PAGE_CHARS = 10  # fewer characters than these are a page number, not text
BARE_SHARE = 0.7  # of bare pages, from which on a document is a scan
UNREADABLE_SHARE = 0.2  # of characters whose font does not say what they are
HEADING_SIZE = 1.2  # times the size of most text
NOTE_SIZE = 0.9
WIDE_GAP = 1.3  # times the usual distance of lines: another paragraph
SCENE_GAP = 1.5  # times the usual distance of paragraphs: perhaps another scene
EDGE_LINES = 2  # at the top and at the bottom of a page, where running heads stand
COLUMN_SHARE = 0.25  # of the page's width, between the left edges of two columns
LEAST_REPEATS = 3  # pages on which a running head stands
MARGIN = 0.1  # of the page's height, where a lone number is the page's
HYPHENS = "\x02\ufffe\u00ad"  # how the reader marks a word that goes on in the next line
LINE_ENDS = "\r\n\x02\ufffe"

_NUMBER = re.compile(r"\W*(\d{1,4})\W*")
_EDGE_NUMBER = re.compile(r"(\d{1,4})\W+(\S.*)|(\S.*?)\W+(\d{1,4})")
_ROMAN_NUMBER = re.compile(r"\W*[ivxl]{1,7}\W*")
_UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SLUGLINE = re.compile(r"(?:\d+[A-Z]?\.?\s+)?(?:INT|EXT|INT\.?/EXT|EXT\.?/INT|I/E|EST)[.\s]")
_NUMBERED_SLUGLINE = re.compile(r"(\d+[A-Z]?\.?)\s+(\S.*?)\s+\1")
_CONTINUED = re.compile(r"\(?(?:CONTINUED|MORE)\)?:?(?:\s*\(\d+\))?")
_SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’»」』)]*$")
_CONTENTS = re.compile(r".*(?:\.\s?){5,}\s*(?:\d+|[ivxl]+)")  # a title, a row of dots, its page
_NOTE = re.compile(r"(?:\d{1,3}|[*†‡])\s*\S")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text on a page; distances in points from the page's lower left corner, or from its lower right one,
    to the left of which all are negative, when the line is written from right to left."""

    text: str
    page: int
    left: float
    right: float
    y: float
    size: float
    first_word: float  # its width
    hyphenated: bool = False


def read_pdf(file: BinaryIO) -> tuple[str, str]:
    """The title and the text; raises `EncryptedDocument`, `ScannedDocument`, `BrokenDocument`, `DocumentTooLarge`."""
    document = _open(file)
    try:
        if len(document) > MAX_PAGES:
            raise DocumentTooLarge(f"The document has {len(document):,} pages; at most {MAX_PAGES:,} are read.")
        pages, heights = _pages(document)
        _refuse_scans(document, pages)
        title = document.get_metadata_value("Title")
    finally:
        document.close()
    body = _body_size(pages)
    kept = (line for page in _without_heads(pages, heights, body) for line in _without_notes(page, body))
    lines = [line for line in kept if not _CONTENTS.fullmatch(line.text)]
    _refuse_unreadable(lines)
    blocks = _script(lines) if _is_script(lines) else list(_prose(lines, body))
    return title_line(title) or first_heading(blocks), to_text(blocks)


def _open(file: BinaryIO) -> PdfDocument:
    import pypdfium2
    from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

    file.seek(0)
    try:
        return pypdfium2.PdfDocument(file.read())
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in (FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY):
            raise EncryptedDocument from error
        raise BrokenDocument("The file is cut off or damaged: it cannot be opened as a PDF.") from error


# --- Lines -----------------------------------------------------------------------------------------------------


def _pages(document: PdfDocument) -> tuple[list[list[Line]], list[float]]:
    """The lines of each page, and its height; a page that cannot be read has none."""
    import pypdfium2

    pages: list[list[Line]] = []
    heights: list[float] = []
    broken = 0
    for number in range(len(document)):
        try:
            page = document[number]
            text = page.get_textpage()
            pages.append(list(_lines(text, number)))
            heights.append(page.get_height())
            text.close()
            page.close()
        except pypdfium2.PdfiumError:
            broken += 1
            pages.append([])
            heights.append(1.0)
    if broken == len(pages):
        raise BrokenDocument("No page of the document can be read.")
    return pages, heights


def _lines(page: PdfTextPage, number: int) -> Iterator[Line]:
    characters = _characters(page)
    start = 0
    for end in [*(i for i, c in enumerate(characters) if c in LINE_ENDS), len(characters)]:
        raw = characters[start : end + 1].rstrip("\r\n")
        words = raw.strip()
        if words.strip(HYPHENS):
            yield _line(page, number, start + len(raw) - len(raw.lstrip()), words)
        start = end + 1


def _characters(page: PdfTextPage) -> str:
    """The page's characters, each at its own index."""
    from pypdfium2.raw import FPDFText_GetUnicode

    count = page.count_chars()
    if count > MAX_PAGE_CHARS:
        raise DocumentTooLarge(f"A page of the document holds more than {MAX_PAGE_CHARS:,} characters.")
    text: str = page.get_text_range() if count else ""
    if len(text) == count:
        return text
    return "".join(chr(FPDFText_GetUnicode(page, i) % 0x110000) for i in range(count))


def _line(page: PdfTextPage, number: int, start: int, words: str) -> Line:
    left, bottom, after, top = page.get_charbox(start, loose=True)
    first = next((i for i, c in enumerate(words) if c.isspace()), len(words))
    word_left, _, word_right, _ = page.get_charbox(start + first - 1, loose=True)
    last_left, _, right, _ = page.get_charbox(start + len(words) - 1, loose=True)
    if last_left < left:  # written from right to left: the page is read in a mirror
        left, right, word_right = -after, -last_left, -word_left
    return Line(
        text=" ".join(words.rstrip(HYPHENS).translate(_LIGATURES).split()),
        page=number,
        left=left,
        right=right,
        y=bottom,
        size=max(1.0, top - bottom),
        first_word=max(0.0, word_right - left),
        hyphenated=words[-1] in HYPHENS or (words.endswith(("-", "‐")) and len(words) > 1 and words[-2].isalpha()),
    )


def _refuse_scans(document: PdfDocument, pages: list[list[Line]]) -> None:
    """Raises when most pages are pictures of text, or when there is nothing at all."""
    bare = [i for i, page in enumerate(pages) if sum(len(line.text) for line in page) < BARE_PAGE_CHARS]
    if pages and len(bare) <= BARE_SHARE * len(pages):
        return
    if any(_has_picture(document, number) for number in bare[:5]):
        raise ScannedDocument
    if len(bare) == len(pages):
        raise EmptyDocument


def _has_picture(document: PdfDocument, number: int) -> bool:
    from pypdfium2 import PdfiumError
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    try:
        return any(True for _ in document[number].get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=2))
    except PdfiumError:
        return False


def _refuse_unreadable(lines: list[Line]) -> None:
    text = "".join(line.text for line in lines)
    if len(_UNREADABLE.findall(text)) > UNREADABLE_SHARE * len(text):
        raise BrokenDocument("The document's fonts do not say which letters they draw; send its text in another form.")


# --- What is not the story -------------------------------------------------------------------------------------


def _body_size(pages: list[list[Line]]) -> float:
    """The size most characters have."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _without_heads(pages: list[list[Line]], heights: list[float], body: float) -> list[list[Line]]:
    """The pages without running heads and page numbers: what repeats in its place, or counts with the pages."""
    seen: Counter[tuple[object, ...]] = Counter()
    for page in pages:
        seen.update({key for line in _edges(page, body) for key in _keys(line)})

    def repeats(line: Line) -> bool:
        for key in _keys(line):
            least = 2 if key[0] == "" else LEAST_REPEATS
            if seen[key] >= least:
                return True
        lone = len(pages) == 1 and _NUMBER.fullmatch(line.text)
        return bool(lone) and line.y < MARGIN * heights[0]

    kept = []
    for page in pages:
        dropped = {id(line) for line in _edges(page, body) if repeats(line)}
        kept.append([line for line in page if id(line) not in dropped])
    return kept


def _edges(page: list[Line], body: float) -> list[Line]:
    """The lines at the top and at the bottom of a page that are no headings."""
    ordered = sorted(page, key=lambda line: -line.y)
    edges = ordered if len(ordered) <= 2 * EDGE_LINES else ordered[:EDGE_LINES] + ordered[-EDGE_LINES:]
    return [line for line in edges if line.size < HEADING_SIZE * body]


def _keys(line: Line) -> Iterator[tuple[object, ...]]:
    """What a line would have in common with the running heads of other pages."""
    place = round(line.y / 4)
    if number := _NUMBER.fullmatch(line.text):
        yield "", place, int(number.group(1)) - line.page
        return
    if _ROMAN_NUMBER.fullmatch(line.text):
        yield "roman", place, "i"
        return
    yield line.text.casefold(), place, "text"
    if number := _EDGE_NUMBER.fullmatch(line.text):
        before, words, other, after = number.groups()
        yield (words or other).casefold(), place, int(before or after) - line.page


def _without_notes(page: list[Line], body: float) -> list[Line]:
    """The page without the footnotes at its end: small lines that begin with a mark."""
    end = len(page)
    while end and page[end - 1].size < NOTE_SIZE * body:
        end -= 1
    return page[:end] if end < len(page) and end and _NOTE.match(page[end].text) else page


# --- Paragraphs ------------------------------------------------------------------------------------------------


def _prose(lines: list[Line], body: float) -> Iterator[Block]:
    """Headings by their size, paragraphs by indents, gaps and lines that end early."""
    if not lines:
        return
    lines = _with_initials(lines)
    edges = _columns(lines)
    leading, apart = _distances(lines)
    known = _known_words(lines)
    open_lines = [lines[0]]
    for before, line in pairwise(lines):
        if _goes_on(before, line, edges, leading):
            open_lines.append(line)
            continue
        yield _closed(open_lines, body, known)
        fall = before.y - line.y
        if before.page == line.page and fall > max(2 * leading, SCENE_GAP * apart) and line.size < HEADING_SIZE * body:
            yield GAP
        open_lines = [line]
    yield _closed(open_lines, body, known)


def _closed(lines: list[Line], body: float, known: Counter[str]) -> Block:
    text = _joined(lines, known)
    sizes = [size for size in (lines[0].size / body, lines[-1].size / body) if size >= HEADING_SIZE]
    if len(sizes) == 2 and len(text) <= 200:
        return heading(text, 1 if sizes[0] >= 1.6 else 2)
    return paragraph(text)


def _goes_on(before: Line, line: Line, edges: dict[tuple[int, float], tuple[float, float]], leading: float) -> bool:
    """Whether a line continues the paragraph of the one before it."""
    if abs(line.size - before.size) > 0.15 * before.size:
        return False
    if before.hyphenated:
        return True
    fall = before.y - line.y
    if before.page == line.page and fall > WIDE_GAP * max(leading, 0.9 * line.size):
        return False
    edge, _ = edges[line.page, line.left]
    own, right = edges[before.page, before.left]
    indent, indent_before = line.left - edge, before.left - own
    if indent > 0.6 * line.size and (abs(indent - indent_before) > 2 or _SENTENCE_END.search(before.text)):
        return False
    return before.right + 0.2 * line.size + line.first_word > right - 1


def _columns(lines: list[Line]) -> dict[tuple[int, float], tuple[float, float]]:
    """(page, left of a line) → the left and the right edge of its column."""
    pages: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        pages[line.page].append(line)
    usual = max(line.right for line in lines) - min(line.left for line in lines)
    width = _width(lines)
    margins = [_margin([line for line in lines if line.page % 2 == side]) for side in (0, 1)]
    found: dict[tuple[int, float], tuple[float, float]] = {}
    for number, page in pages.items():
        lefts = Counter(round(line.left / 2) * 2 for line in page)
        edges: list[float] = []
        if 0 < min(lefts) - margins[number % 2] < 4 * page[0].size:
            edges.append(margins[number % 2])  # no line of this page begins where lines usually do
        for left, count in sorted(lefts.items()):
            if not edges or (left - edges[-1] > COLUMN_SHARE * usual and count >= max(4, 0.2 * len(page))):
                edges.append(left)
        for line in page:
            edge = max((edge for edge in edges if edge <= line.left + 2), default=edges[0])
            after = min((other for other in edges if other > edge), default=None)
            right = edge + width if after is None else max(other.right for other in page if other.left < after - 2)
            found[number, line.left] = edge, right
    return found


def _margin(lines: list[Line]) -> float:
    """The leftmost place at which a fair part of the lines begin."""
    lefts = Counter(round(line.left / 2) * 2 for line in lines)
    return min((left for left, count in lefts.items() if 50 * count >= len(lines)), default=0.0)


def _width(lines: list[Line]) -> float:
    """The width of a full line; on a page of few words none may be."""
    widths = sorted(line.right - line.left for line in lines)
    return widths[int(0.99 * (len(widths) - 1))]


def _distances(lines: list[Line]) -> tuple[float, float]:
    """The usual distance of lines, and of paragraphs."""
    falls = [a.y - b.y for a, b in pairwise(lines) if a.page == b.page and 0 < a.y - b.y < 6 * a.size]
    common = Counter(round(fall) for fall in falls)
    leading = float(min((fall for fall, count in common.items() if 10 * count >= len(falls)), default=0))
    wide = [fall for fall in falls if fall > WIDE_GAP * leading]
    return leading, statistics.median_low(wide) if len(wide) > 0.05 * len(falls) else leading


def _with_initials(lines: list[Line]) -> list[Line]:
    """The lines with a large initial put before the word it begins."""
    found: list[Line] = []
    for line in lines:
        before = found[-1] if found else None
        if before and len(before.text) == 1 and before.text.isalpha() and before.size > 1.8 * line.size:
            if line.y >= before.y - line.size and before.page == line.page:
                found[-1] = Line(before.text + line.text, line.page, line.left, line.right, line.y, line.size,
                                 line.first_word, line.hyphenated)  # fmt: skip
                continue
        found.append(line)
    return found


def _known_words(lines: list[Line]) -> Counter[str]:
    """Every word that stands whole in a line, compounds with their hyphen."""
    words: Counter[str] = Counter()
    for line in lines:
        words.update(found.casefold() for found in _WORD.findall(line.text))
    return words


def _joined(lines: list[Line], known: Counter[str]) -> str:
    text = lines[0].text
    for before, line in pairwise(lines):
        if before.hyphenated:
            text = _rejoined(text, line.text, known)
        elif _is_wide(text[-1]) and _is_wide(line.text[0]):
            text += line.text
        else:
            text += " " + line.text
    return text


def _rejoined(text: str, after: str, known: Counter[str]) -> str:
    """Two halves of a word: with the hyphen when the document writes it so elsewhere, or a name follows."""
    text = text.rstrip("-‐")
    first, second = re.search(r"[^\W\d_]*$", text), re.match(r"[^\W\d_]*", after)
    head, tail = first.group() if first else "", second.group() if second else ""
    compound = known[f"{head}-{tail}".casefold()] > known[f"{head}{tail}".casefold()]
    return f"{text}-{after}" if compound or tail[:1].isupper() or not tail else text + after


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


# --- Screenplays -----------------------------------------------------------------------------------------------


def _is_script(lines: list[Line]) -> bool:
    return sum(1 for line in lines if _SLUGLINE.match(line.text)) >= 2


def _script(lines: list[Line]) -> list[Block]:
    """A screenplay keeps its lines: a cue stands over its speech, and blank lines part what a gap parts."""
    lines = [line for line in lines if not _CONTINUED.fullmatch(line.text)]
    leading, _ = _distances(lines)
    blocks: list[Block] = []
    open_lines: list[str] = []
    for before, line in pairwise([None, *lines]):
        assert line is not None  # noqa: S101 (only the first is)
        apart = before is None or before.page != line.page or before.y - line.y > WIDE_GAP * leading
        if open_lines and (apart or _SLUGLINE.match(line.text)):
            blocks.append(paragraph("\n".join(open_lines)))
            open_lines = []
        numbered = _NUMBERED_SLUGLINE.fullmatch(line.text)
        open_lines.append(numbered.group(2) if numbered else line.text)
    if open_lines:
        blocks.append(paragraph("\n".join(open_lines)))
    return blocks
