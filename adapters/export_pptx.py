"""Makes a PowerPoint file: a title, then a slide a scene with its picture, and its text in the notes."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

from adapters.book_pictures import as_jpeg, stand_in, standing_in
from models import DRAFTS, Book, BookScene, ExportOptions

INCH = 914_400  # EMU
WIDTH, HEIGHT = 12_192_000, 6_858_000  # 16:9, as PowerPoint begins
MARGIN = 457_200
WIDE = 1.6  # a picture of this ratio takes the whole slide
STRIP = 640_080  # what the title takes of such a picture, at its lower edge
TITLE_ONLY = 5  # this layout of the library's own template
PAPER, INK, FACE = "14161A", "F7F2E6", "Georgia"
SEE_THROUGH = "65000"  # thousandths of a percent
LETTER_EM = 0.55  # the width of an average letter
MOST_UNPARTED = 24  # letters of a word that should stay on one line
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: the same book gives the same file

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_pptx(book: Book, options: ExportOptions, path: Path) -> None:
    """Write the slides; raises `OSError`."""
    slides = io.BytesIO()
    set_slides(book).save(slides)
    with zipfile.ZipFile(slides) as made, zipfile.ZipFile(path, "w") as archive:
        for name in made.namelist():
            content, packing = made.read(name), zipfile.ZIP_DEFLATED
            if name.endswith(".jpg") and (number := standing_in(content)) is not None:
                content, packing = as_jpeg(book.scenes[number].picture)[0], zipfile.ZIP_STORED
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.compress_type = packing
            archive.writestr(entry, content)


def set_slides(book: Book) -> Any:
    """The presentation with a stand-in for every picture."""
    from pptx import Presentation

    slides: Any = Presentation()
    slides.slide_width, slides.slide_height = WIDTH, HEIGHT
    about = slides.core_properties
    about.title, about.author, about.last_modified_by = plain(book.title)[:255], "", ""
    about.created = about.modified = book.created_at.replace(tzinfo=None)
    about.revision = 1
    pictures = [stand_in(number, scene.picture.name) for number, scene in enumerate(book.scenes)]
    title_slide(slides, book, pictures[0])
    for scene, picture in zip(book.scenes, pictures, strict=True):
        scene_slide(slides, scene, picture)
    return slides


def title_slide(slides: Any, book: Book, picture: bytes) -> None:
    """The first picture, and under or beside it the title."""
    slide = new_slide(slides)
    first = book.scenes[0]
    ratio = first.width / first.height
    if ratio >= WIDE:
        put_picture(slide, picture, first, (0, 0, WIDTH, round(WIDTH / ratio)))
        put_title(slide, book.title, (0, HEIGHT - 3 * STRIP, WIDTH, 3 * STRIP), largest=44, see_through=True)
    else:
        width = round(HEIGHT * ratio)
        put_picture(slide, picture, first, (0, 0, width, HEIGHT))
        put_title(slide, book.title, (width, 0, WIDTH - width, HEIGHT), largest=44, see_through=False)
    if book.draft:
        put_text(slide.notes_slide.notes_text_frame, DRAFTS)


def scene_slide(slides: Any, scene: BookScene, picture: bytes) -> None:
    slide = new_slide(slides)
    ratio = scene.width / scene.height
    if ratio >= WIDE:
        height = round(WIDTH / ratio)
        put_picture(slide, picture, scene, (0, (HEIGHT - height) // 2, WIDTH, height))
        put_title(slide, scene.title, (0, HEIGHT - STRIP, WIDTH, STRIP), largest=20, see_through=True)
    else:
        width = round(HEIGHT * ratio)
        put_picture(slide, picture, scene, (0, 0, width, HEIGHT))
        put_title(slide, scene.title, (width, 0, WIDTH - width, HEIGHT), largest=28, see_through=False)
    put_text(slide.notes_slide.notes_text_frame, scene.text)


def new_slide(slides: Any) -> Any:
    slide = slides.slides.add_slide(slides.slide_layouts[TITLE_ONLY])
    slide.background.fill.solid()
    slide.background.fill.fore_color.rgb = colour(PAPER)
    return slide


def put_picture(slide: Any, picture: bytes, scene: BookScene, box: tuple[int, int, int, int]) -> None:
    """The picture, behind everything else, with words for who cannot see it."""
    shape = slide.shapes.add_picture(io.BytesIO(picture), *box)
    shape.name = f"Picture {scene.scene_number + 1}"
    shape.element.nvPicPr.cNvPr.set("descr", plain(scene.description or scene.title))
    slide.shapes.element.insert(2, shape.element)  # the first two children are the group's own properties


def put_title(slide: Any, words: str, box: tuple[int, int, int, int], *, largest: int, see_through: bool) -> None:
    """The slide's title, as large as the box allows; over a picture on a dark ground that lets it through."""
    from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE, PP_ALIGN
    from pptx.util import Pt

    title = slide.shapes.title
    title.left, title.top, title.width, title.height = box
    if see_through:
        title.fill.solid()
        title.fill.fore_color.rgb = colour(PAPER)
        (ground,) = title.element.xpath("./p:spPr/a:solidFill/a:srgbClr")
        ground.append(ground.makeelement(f"{{{ground.nsmap['a']}}}alpha", {"val": SEE_THROUGH}))
    frame = title.text_frame
    frame.word_wrap, frame.auto_size, frame.vertical_anchor = True, MSO_AUTO_SIZE.NONE, MSO_ANCHOR.MIDDLE
    frame.margin_left = frame.margin_right = MARGIN
    put_text(frame, " ".join(words.split()))
    paragraph = frame.paragraphs[0]
    paragraph.alignment = PP_ALIGN.CENTER
    paragraph.font.size = Pt(fitting(words, box[2] - 2 * MARGIN, box[3], largest))
    paragraph.font.name = FACE
    paragraph.font.color.rgb = colour(INK)


def fitting(words: str, width: int, height: int, largest: int) -> int:
    """The size in points at which the words fit the box, by the width of an average letter."""
    letters = breadth(words)
    longest = min(MOST_UNPARTED, max(map(breadth, words.split()), default=0))
    for size in range(largest, 7, -1):
        letter = size * INCH / 72 * LETTER_EM
        lines = max(1.0, height * 0.8 // (size * INCH / 72 * 1.2))
        if letters * letter <= lines * width * 0.9 and longest * letter <= width:
            return size
    return 7


def breadth(words: str) -> int:
    """How many letters wide the words are; those of Chinese, Japanese and Korean count twice."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in words)


def put_text(frame: Any, text: str) -> None:
    """The text, a paragraph a line; what is read from right to left stands on the right."""
    frame.text = plain(text)
    for paragraph in frame.paragraphs:
        directions = [unicodedata.bidirectional(char) for char in paragraph.text]
        if sum(each in ("R", "AL") for each in directions) > directions.count("L"):
            properties = paragraph._p.get_or_add_pPr()  # the library has no name for it
            properties.set("rtl", "1")
            properties.set("algn", "r")


def colour(code: str) -> Any:
    from pptx.dml import color

    made: Any = color.RGBColor
    return made(*bytes.fromhex(code))


def plain(text: str) -> str:
    """The text without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)
