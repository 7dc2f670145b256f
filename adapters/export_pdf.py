"""Makes a PDF, a picture book or a board of six panels a page; it opens everywhere and for ever (PDF/A-2b).

Typst sets the pages with a stand-in of one dot for every picture, for it would hold all of them decoded. The pictures
take their places while the file is written, one at a time.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.book_pictures import as_jpeg, on_white, stand_in, standing_in
from models import DRAFTS, Book, BookScene, ExportOptions, FontMissing, PageSize
from utils import guess_language, is_slugline, runs_right_to_left

Json = dict[str, Any]

TEMPLATE = Path(__file__).with_suffix(".typ")
PAGES: dict[PageSize, tuple[float, float]] = {"A4": (210, 297), "Letter": (215.9, 279.4), "square": (210, 210)}  # mm
FORGETTING = 12  # Typst remembers the steps of its last ten documents, some 60 MB each for 200 scenes
LONG_TEXT = 3000  # characters that no picture leaves room for
LONG_WORD = 40  # letters; a longer one may be parted anywhere
WRAPPED_LINE = 45  # characters: paragraphs of such lines were broken by a program, shorter ones by a poet

# The faces for a language, best first, and those of other scripts; after them comes whatever is installed.
SERIF = "Libertinus Serif"  # Latin, Greek, Cyrillic: Typst brings it
FACES = {"zh": "Noto Serif CJK SC", "ja": "Noto Serif CJK JP", "ko": "Noto Serif CJK KR"}
OTHER_FACES = (
    "Noto Naskh Arabic", "Noto Serif Devanagari", "Noto Serif Hebrew", "Noto Serif Thai", "Noto Serif Bengali",
    "Noto Serif Tamil", "Noto Serif Telugu", "Noto Serif Gujarati", "Noto Serif Gurmukhi", "Noto Serif Kannada",
    "Noto Serif Malayalam", "Noto Serif Sinhala", "Noto Serif Khmer", "Noto Serif Lao", "Noto Serif Myanmar",
    "Noto Serif Armenian", "Noto Serif Georgian", "Noto Serif Ethiopic", "Noto Serif CJK SC", "Noto Color Emoji",
)  # fmt: skip
SYMBOLS_ONLY = ("New Computer Modern", "New Computer Modern Math", "DejaVu Sans Mono")  # they join no letters
REGIONS = {"zh": "cn", "ja": "jp", "ko": "kr"}
LEADING = {"zh": 0.9, "ja": 0.9, "ko": 0.9, "ar": 1.05, "hi": 0.95}  # em: scripts without capitals stand closer
LATIN_LEADING = 0.72

_DASHES = re.compile(r"\W{1,9}")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_LONG_WORD = re.compile(f"[^\\s{_UNSPACED}]{{{LONG_WORD},}}")
_NO_FORM = {"Cn", "Co", "Cs"}  # unassigned, private: no font that everybody has shows them
_UNSHOWN = re.compile('the text `"(.+?)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
_ENTRY = re.compile(rb"(\d{10}) 00000 n")


def write_pdf(book: Book, options: ExportOptions, path: Path) -> None:
    """Write the book; raises `FontMissing`, which says what to install, and `OSError`."""
    pages = set_pages(as_data(book, options))
    with path.open("wb") as file:
        for part in with_pictures(pages, [scene.picture for scene in book.scenes]):
            file.write(part)


def set_pages(data: Json) -> bytes:
    """The PDF with a stand-in for every picture."""
    import typst

    fonts = typst.Fonts()
    families = [family for family in fonts.families() if family not in SYMBOLS_ONLY]
    content = json.dumps(data | {"fonts": data["fonts"] + sorted(set(families) - set(data["fonts"]))})
    try:
        pages = typst.compile(
            TEMPLATE.read_bytes(),
            font_paths=fonts,
            ignore_system_fonts=True,  # they are in `fonts` already
            sys_inputs={"book": content},
            pdf_standards=["a-2b"],
            timestamp=0,
        )
    except typst.TypstError as error:
        if unshown := letters_in("".join(_UNSHOWN.findall(error.diagnostic))):
            raise FontMissing(font_advice(unshown)) from None  # the cause quotes the story
        raise RuntimeError("Typst could not set the pages.") from error
    finally:
        for _ in range(FORGETTING):
            typst.compile(b"", font_paths=fonts, ignore_system_fonts=True)
    return pages


# --- The words ---------------------------------------------------------------------------------------------------


def as_data(book: Book, options: ExportOptions) -> Json:
    """What the template needs to know."""
    language = guess_language(book.story_text)
    made = book.created_at
    return {
        "layout": options.layout,
        "page": PAGES[options.page_size],
        "title": line(book.title),
        "drafts": DRAFTS if book.draft else "",
        "lang": language,
        "region": REGIONS.get(language),
        "rtl": runs_right_to_left(book.story_text),
        "fonts": [SERIF, *([FACES[language]] if language in FACES else []), *OTHER_FACES],
        "leading": LEADING.get(language, LATIN_LEADING),
        "date": [made.year, made.month, made.day, made.hour, made.minute, made.second],
        "cover": cover_colours(book.scenes[0].picture),
        "scenes": [scene_data(number, scene, book.title) for number, scene in enumerate(book.scenes)],
    }


def scene_data(number: int, scene: BookScene, title: str) -> Json:
    facts = [scene.location, scene.time_of_day, ", ".join(scene.characters)]
    return {
        "number": scene.scene_number + 1,
        "title": line(scene.title),
        "alt": showable(scene.description or scene.title),
        "ratio": scene.width / scene.height,
        "picture": list(stand_in(number, scene.picture.name)),
        "blocks": blocks_of(scene.text, title),
        "long": len(scene.text) > LONG_TEXT,
        "facts": line(" · ".join(fact for fact in facts if fact and fact != "unknown")),
        "notes": line(scene.description),
    }


def line(text: str) -> Json:
    """A text without paragraphs."""
    return {"rtl": runs_right_to_left(text), "text": showable(text)}


def blocks_of(text: str, title: str) -> list[Json]:
    """The paragraphs of a text, each as what it is."""
    paragraphs = re.split(r"\n[^\S\n]*\n\s*", "\n".join(text.splitlines()).strip())
    return [block_of([showable(line.strip()) for line in each.split("\n")], title) for each in paragraphs if each]


def block_of(lines: list[str], title: str) -> Json:
    first, *others = lines
    if not others and first.casefold() == title.strip().casefold():
        kind = "title"
    elif not others and _DASHES.fullmatch(first):
        kind = "break"
    elif not others and is_slugline(first):
        kind = "slugline"
    elif others and first.isupper() and len(first) < WRAPPED_LINE:
        kind = "speech"
    else:
        kind = "prose"
        if others and all(len(line) >= WRAPPED_LINE for line in lines[:-1]):
            lines = [" ".join(lines)]
    return {"kind": kind, "rtl": runs_right_to_left("".join(lines)), "lines": lines}


def showable(text: str) -> str:
    """The text without what has no form on paper; words that no line would hold may be parted."""
    shown = "".join(_shown(char) for char in text)
    return _LONG_WORD.sub(lambda found: "\u200b".join(re.findall(f".{{1,{LONG_WORD // 2}}}", found[0])), shown)


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cc":
        return " " if char in "\t\n\r" else ""
    return "\ufffd" if category in _NO_FORM else char


def letters_in(quoted: str) -> set[str]:
    """The letters of a text as Typst quotes it; marks and joiners only where there is nothing else."""
    found = set(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), quoted))
    return {char for char in found if unicodedata.category(char) not in ("Mn", "Cf")} or found


def font_advice(unshown: set[str]) -> str:
    """Which Debian packages have these letters, without quoting the story."""
    packages = sorted({package_with(char) for char in unshown})
    names = [f"U+{ord(char):04X}" for char in sorted(unshown)]
    some = " ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"No font here has the story's {some}. Install {' and '.join(packages)} (Debian) and ask again."


def package_with(char: str) -> str:
    if "\U0001f000" <= char <= "\U0001faff":
        return "fonts-noto-color-emoji"
    return "fonts-noto-cjk" if unicodedata.east_asian_width(char) in "WF" else "fonts-noto-core"


# --- The pictures ------------------------------------------------------------------------------------------------


def with_pictures(pages: bytes, pictures: list[Path]) -> Iterator[bytes]:
    """The PDF, part by part, with the pictures in the places of their stand-ins.

    Typst writes its objects one after the other and a plain table of where they begin; the table is written anew.
    """
    table = pages.rindex(b"\nxref\n") + 1
    starts = sorted(int(start) for start in _ENTRY.findall(pages, table))
    yield pages[: starts[0]]
    written, offsets = starts[0], []
    for start, end in zip(starts, [*starts[1:], table], strict=True):
        offsets.append(written)
        for part in _object(pages[start:end], pictures):
            yield part
            written += len(part)
    trailer = pages[pages.index(b"trailer\n", table) : pages.rindex(b"startxref\n")]
    yield b"xref\n0 %d\n0000000000 65535 f\r\n" % (len(offsets) + 1)
    yield b"".join(b"%010d 00000 n\r\n" % offset for offset in offsets)
    yield trailer + b"startxref\n%d\n%%%%EOF\n" % written


def _object(content: bytes, pictures: list[Path]) -> Iterator[bytes]:
    head, stream, body = content.partition(b"stream\n")
    number = standing_in(body) if b"/DCTDecode" in head else None
    if number is None:
        yield content
        return
    jpeg, width, height = as_jpeg(pictures[number])
    for name, value in ((b"Length", len(jpeg)), (b"Width", width), (b"Height", height)):
        head = re.sub(rb"/%s \d+" % name, b"/%s %d" % (name, value), head, count=1)
    yield head + stream
    yield jpeg
    yield body[body.rindex(b"\nendstream") :]


def cover_colours(picture: Path) -> Json:
    """A dark paper of the picture's liveliest hue, and an ink for it."""
    import colorsys

    from PIL import Image

    with Image.open(picture) as image:
        image.draft("RGB", (64, 64))
        image.thumbnail((64, 64))
        colours = on_white(image).quantize(8).convert("RGB").getcolors() or []

    _, (red, green, blue) = max(
        ((count**0.5 * (max(dot) - min(dot)), dot) for count, dot in colours if isinstance(dot, tuple)),
    )
    hue, _, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    paper = colorsys.hls_to_rgb(hue, 0.2, min(0.4, saturation))
    return {"paper": "#" + "".join(f"{round(channel * 255):02x}" for channel in paper), "ink": "#f7f2e6"}
