"""What is taken away to be printed or shown opens in other people's programs, whole and in order."""

from __future__ import annotations

import io
import math
import re
import resource
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageStat
from pptx import Presentation

from adapters.export_pdf import write_pdf
from models import Book, BookScene, ExportOptions, PageLayout, PageSize
from tests.conftest import missing, need_program
from tests.service import Json, Service, children
from tests.stories import story

BREAK = "\n\n* * *\n\n"
BOAT = BREAK.join(
    (
        "Mira found the paper boat at dawn, stuck in the reeds below the mill. It was hardly wet.",
        "By noon Mira had carried it to the market, where Tomas turned the boat over in his brown fingers.\n\n"
        "“That is a sea boat,” said old Tomas. “Somebody ought to see it home.”",
        "In the afternoon the road went into the forest, and the rain came.",
        "It was night when Mira and Tomas stood on the beach. They put the boat on the black water together.",
    )
)
LONG_WORDS = [f"word{number}" for number in range(9000)]
HOSTILE = (
    '#import "/etc/passwd": * and #panic("now") said the $x^2$ sorcerer \\ and wrote *stars* _lines_ `code`.\n\n'
    "= Not a heading\n\n- not a list <label> @name // not a comment /* nor this */ ~ done\n\n"
    "[brackets] ]] }} {{ ''quotes'' C:\\temp\\new \\u{41} &amp; <b>bold</b> %s {0} _x0041_ "
    + "https://example.org/"
    + "a" * 400
)
STORIES = {
    "Arabic": "وجدت ميرا القارب الورقي عند الفجر بين القصب تحت الطاحونة.\n\nثم حملته إلى السوق في الساعة العاشرة.",
    "Hindi": "मीरा को भोर में कागज़ की नाव मिली, चक्की के नीचे।\n\nउसने दोनों हाथों से नाव उठाई, मानो वह सो रही हो।",
    "Chinese": "黎明时分，米拉在磨坊下的芦苇丛中发现了那只纸船。\n\n夜里他们一起把它放在黑色的水面上，灯笼没有熄灭。",
    "Japanese": "夜明けに、ミラは水車小屋の下で紙の船を見つけた。\n\n夜、二人はそれを黒い水に浮かべた。",
    "Russian": "На рассвете Мира нашла бумажный кораблик под мельницей.\n\nНочью его опустили на чёрную воду.",
    "Greek": "Η Μίρα βρήκε το χάρτινο καράβι την αυγή, κάτω από τον μύλο.\n\nΤη νύχτα το έβαλαν στο μαύρο νερό.",
}
FACES = {
    "Arabic": "NotoNaskhArabic", "Hindi": "NotoSerifDevanagari", "Chinese": "NotoSerifCJKsc",
    "Japanese": "NotoSerifCJKjp", "Russian": "LibertinusSerif", "Greek": "LibertinusSerif",
}  # fmt: skip
NOTO = (
    Path("/usr/share/fonts/truetype/noto/NotoNaskhArabic-Regular.ttf"),
    Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc"),
)
NO_FONTS = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>{folder}</dir></fontconfig>'
DOTS = 100  # an inch
SIZES = {"A4": (595, 842), "Letter": (612, 792), "square": (595, 595)}  # points


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(folder=tmp_path_factory.mktemp("service"), max_scenes=100) as running:
        yield running


@pytest.fixture(scope="module")
def boat(service: Service) -> Json:
    """A story of four scenes, three of them approved: all but the second."""
    state = drawn(service, BOAT, num_scenes=4, title="The Paper Boat")
    service.client.post(
        "/approve", json={"session_id": state["session_id"], "approved_scenes": [0, 2, 3]}
    ).raise_for_status()
    return service.status(state["session_id"])


# --- PDF ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", SIZES)
def test_a_book_has_every_approved_picture_and_word_in_order(
    service: Service, boat: Json, page_size: PageSize, tmp_path: Path
) -> None:
    approved = [scene for scene in boat["scenes"] if scene["approved"]]

    made = saved(download(service, boat, "pdf", page_size=page_size), tmp_path / "book.pdf")

    assert page_size_of(made) == SIZES[page_size]
    pictures = [picture_of(service, scene) for scene in approved]
    assert pictures_in(made) == [pictures[0], *pictures]  # the first is on the cover, too
    pages = pages_of(made)
    assert len(pages) == 4
    assert squeezed(pages[0]) == "The Paper Boat Offline drafts"  # a draft is called a draft
    assert bookmarks_of(made) == [scene["title"] for scene in approved]
    for number, (page, scene) in enumerate(zip(pages[1:], approved, strict=True), start=1):
        assert letters(page) == letters(f"{text_of(BOAT, scene)} {number}")


@pytest.mark.parametrize("page_size", SIZES)
def test_a_board_has_six_panels_a_page_with_what_a_shot_needs(
    service: Service, page_size: PageSize, tmp_path: Path
) -> None:
    state = drawn(service, story(3, 14), num_scenes=14, quality="draft", title="Fourteen Shots")

    made = saved(download(service, state, "pdf", layout="board", page_size=page_size), tmp_path / "board.pdf")

    width, height = SIZES[page_size]
    assert page_size_of(made) == (max(width, height), min(width, height))
    assert pictures_in(made) == [picture_of(service, scene) for scene in state["scenes"]]
    pages = pages_of(made)
    assert [page.count("Fourteen Shots") for page in pages] == [1, 1, 1]
    for number, scene in enumerate(state["scenes"]):
        page = squeezed(pages[number // 6])
        assert squeezed(f"{number + 1} {scene['title']}")[:20] in page
        for fact in (scene["location"], scene["time_of_day"], *scene["characters"]):
            assert fact in (None, "unknown") or fact in page
        assert squeezed(scene["description"])[:24] in page


@pytest.mark.parametrize("ratio", ["16:9", "1:1", "9:16"])
@pytest.mark.parametrize("layout", ["book", "board"])
def test_a_picture_is_on_its_page_upright_and_undistorted(
    service: Service, ratio: str, layout: PageLayout, tmp_path: Path
) -> None:
    state = drawn(service, BOAT, num_scenes=2, aspect_ratio=ratio, quality="draft")

    made = saved(download(service, state, "pdf", layout=layout), tmp_path / "book.pdf")

    page, scenes = (1, state["scenes"]) if layout == "board" else (2, state["scenes"][:1])
    boxes = picture_boxes(made, page)
    assert len(boxes) == len(scenes)
    for box, scene in zip(boxes, scenes, strict=True):
        picture = Image.open(io.BytesIO(picture_of(service, scene))).convert("RGB")
        assert math.isclose((box[2] - box[0]) / (box[3] - box[1]), picture.width / picture.height, rel_tol=0.02)
        assert alike(rendered(made, page).crop(box), picture)


def test_a_very_long_scene_flows_on_from_page_to_page(service: Service, tmp_path: Path) -> None:
    state = drawn(service, " ".join(LONG_WORDS), num_scenes=1, quality="draft", title="Long")

    made = saved(download(service, state, "pdf"), tmp_path / "book.pdf")

    pages = pages_of(made)
    assert len(pages) > 20
    assert re.findall(r"word\d+", " ".join(unhyphenated(page) for page in pages)) == LONG_WORDS


def test_a_book_of_many_scenes_has_them_all(service: Service, tmp_path: Path) -> None:
    parts = [f"Number {number}: the boat came to the {number}th mill, and nobody was there." for number in range(64)]
    state = drawn(service, BREAK.join(parts), num_scenes=64, quality="draft", title="Many")

    book = saved(download(service, state, "pdf"), tmp_path / "book.pdf")
    slides = Presentation(io.BytesIO(download(service, state, "pptx").content))
    film = Image.open(io.BytesIO(download(service, state, "webp").content))

    assert [int(found) for found in re.findall(r"Number (\d+):", " ".join(pages_of(book)))] == list(range(64))
    assert len(set(pictures_in(book))) == len({picture_of(service, scene) for scene in state["scenes"]})
    assert len(slides.slides) == 65
    assert getattr(film, "n_frames", 1) == 64


def test_a_story_that_looks_like_code_is_shown_as_it_is(service: Service, tmp_path: Path) -> None:
    state = drawn(service, HOSTILE, num_scenes=1, quality="draft", title='#panic("title") $x$ \\ [b]')

    for layout in ("book", "board"):
        made = saved(download(service, state, "pdf", layout=layout), tmp_path / f"{layout}.pdf")
        text = squeezed(" ".join(pages_of(made)))
        assert '#panic("title") $x$ \\ [b]' in text
        if layout == "book":
            assert letters(HOSTILE) in letters(text)
    slides = Presentation(io.BytesIO(download(service, state, "pptx").content))
    assert slides.slides[1].notes_slide.notes_text_frame.text == HOSTILE


def test_a_title_of_500_characters_has_room(tmp_path: Path) -> None:
    words = "The long and winding title of a book about boats and lighthouses "
    title = (words * 8)[:500].strip()

    made = tmp_path / "book.pdf"
    write_pdf(small_book(tmp_path, title=title), ExportOptions("square"), made)

    assert squeezed(pages_of(made)[0]).removesuffix(" Offline drafts") == squeezed(title)


def test_pictures_of_every_kind_are_printed(tmp_path: Path) -> None:
    for name, mode, colour in (
        ("a.png", "RGBA", (255, 0, 0, 128)),
        ("b.jpg", "CMYK", (0, 255, 255, 0)),
        ("c.webp", "L", 90),
    ):
        Image.new(mode, (40, 30), colour).save(tmp_path / name)

        made = tmp_path / f"{mode}.pdf"
        write_pdf(small_book(tmp_path, picture=tmp_path / name), ExportOptions(), made)

        (_, shown) = pictures_in(made)
        assert Image.open(io.BytesIO(shown)).size == (40, 30)
        assert rendered(made, 2).getpixel((400, 200)) != (255, 255, 255)


@pytest.mark.parametrize("language", STORIES)
def test_every_script_is_set_in_a_face_that_has_it(service: Service, language: str, tmp_path: Path) -> None:
    if not all(font.is_file() for font in NOTO):
        missing("fonts-noto-core and fonts-noto-cjk are not installed: scripts/system-packages installs them")
    text = STORIES[language]
    state = drawn(service, text, num_scenes=1, quality="draft")

    made = saved(download(service, state, "pdf"), tmp_path / "book.pdf")

    fonts = output("pdffonts", made)
    assert FACES[language] in fonts
    assert " no " not in "".join(line[60:] for line in fonts.splitlines()[2:])  # embedded, with their letters' names
    if language == "Arabic":
        assert words_from_the_right(made)[0] in ("وجدت", "وجدت"[::-1])
    elif language != "Hindi":  # whose letters are not in the order of its sounds
        assert letters(" ".join(pages_of(made)[1:])) == letters(text) + "1"


def test_a_missing_font_is_named_and_never_a_box(tmp_path: Path) -> None:
    config = tmp_path / "fonts.conf"
    config.write_text(NO_FONTS.format(folder=tmp_path / "none"))

    with Service(fontconfig_file=str(config)) as bare:
        answers = {
            language: download(bare, drawn(bare, text, num_scenes=1, quality="draft"), "pdf")
            for language, text in STORIES.items()
        }

    for language in ("Russian", "Greek"):
        assert answers[language].status_code == 200
    for language, package in (
        ("Chinese", "fonts-noto-cjk"), ("Japanese", "fonts-noto-cjk"),
        ("Arabic", "fonts-noto-core"), ("Hindi", "fonts-noto-core"),
    ):  # fmt: skip
        problem = answers[language].json()
        assert (answers[language].status_code, problem["code"]) == (503, "font_missing")
        assert package in problem["detail"] and "U+" in problem["detail"]
        assert not set(STORIES[language]) & set(problem["detail"]) - set(" .,:\n")


# --- Slides ------------------------------------------------------------------------------------------------------


def test_slides_have_every_approved_picture_and_the_text_in_the_notes(service: Service, boat: Json) -> None:
    approved = [scene for scene in boat["scenes"] if scene["approved"]]

    slides = Presentation(io.BytesIO(download(service, boat, "pptx").content))

    first, *others = list(slides.slides)
    assert first.shapes.title is not None and first.shapes.title.text_frame.text == "The Paper Boat"
    assert slides.core_properties.title == "The Paper Boat"
    assert picture_on(first) == picture_of(service, approved[0])
    for slide, scene in zip(others, approved, strict=True):
        assert picture_on(slide) == picture_of(service, scene)
        assert slide.shapes.title is not None and slide.shapes.title.text_frame.text == scene["title"]
        assert slide.notes_slide.notes_text_frame is not None
        assert slide.notes_slide.notes_text_frame.text == text_of(BOAT, scene)
        for shape in slide.shapes:
            assert shape.left >= 0 and shape.left + shape.width <= (slides.slide_width or 0) + 1
            assert shape.top + shape.height <= (slides.slide_height or 0) + 1 or shape.shape_type == 13


# --- The animatic ------------------------------------------------------------------------------------------------


def test_an_animatic_shows_every_picture_as_long_as_its_text_is_read(service: Service, boat: Json) -> None:
    approved = [scene for scene in boat["scenes"] if scene["approved"]]

    film: Any = Image.open(io.BytesIO(download(service, boat, "webp").content))

    durations = []
    for number, scene in enumerate(approved):
        film.seek(number)
        film.load()
        durations.append(film.info["duration"] / 1000)
        assert alike(film.convert("RGB"), Image.open(io.BytesIO(picture_of(service, scene))).convert("RGB"))
    assert film.n_frames == len(approved) and film.info["loop"] == 0
    lengths = [scene["end"] - scene["start"] for scene in approved]
    assert [durations.index(each) for each in sorted(durations)] == [lengths.index(each) for each in sorted(lengths)]
    assert all(2 <= each <= 12 for each in durations)


# --- All of them -------------------------------------------------------------------------------------------------

EVERY_FILE = [("pdf", "book"), ("pdf", "board"), ("pptx", "book"), ("webp", "book")]


@pytest.mark.parametrize(("kind", "layout"), EVERY_FILE)
def test_the_same_story_gives_the_same_bytes_and_a_second_download_the_kept_file(
    service: Service, boat: Json, kind: str, layout: PageLayout
) -> None:
    first = download(service, boat, kind, layout=layout).content
    (kept,) = [path for path in exports_of(service, boat).iterdir() if path.read_bytes() == first]
    made_at = kept.stat().st_mtime_ns

    again = download(service, boat, kind, layout=layout).content
    unchanged = kept.stat().st_mtime_ns == made_at
    kept.unlink()
    anew = download(service, boat, kind, layout=layout).content

    assert first == again == anew
    assert unchanged and kept.stat().st_mtime_ns != made_at


@pytest.mark.parametrize(("kind", "layout"), EVERY_FILE)
def test_a_full_disk_is_said_and_leaves_nothing_half_made(
    service: Service, boat: Json, kind: str, layout: PageLayout
) -> None:
    state = drawn(service, BOAT, num_scenes=2, quality="draft", title=f"Full {kind} {layout}")
    workers = children(service.pid)

    limit_files(workers, 2000)
    try:
        refused = download(service, state, kind, layout=layout)
    finally:
        limit_files(workers, resource.RLIM_INFINITY)

    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert refused.headers["Retry-After"]
    assert list(exports_of(service, state).iterdir()) == []
    assert download(service, state, kind, layout=layout).status_code == 200


def test_a_zip_of_slides_says_no_time_of_its_own(service: Service, boat: Json) -> None:
    archive = zipfile.ZipFile(io.BytesIO(download(service, boat, "pptx").content))

    assert archive.testzip() is None
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


# --- Helpers -----------------------------------------------------------------------------------------------------


def drawn(service: Service, text: str, **more: Any) -> Json:
    state = service.wait(service.generate(text, **more))
    assert state["status"] == "completed", state
    return state


def download(service: Service, state: Json, kind: str, **more: str) -> httpx.Response:
    return service.client.post("/download", json={"session_id": state["session_id"], "format": kind} | more)


def saved(answer: httpx.Response, path: Path) -> Path:
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    return path


def exports_of(service: Service, state: Json) -> Path:
    return service.folder / "projects" / str(state["session_id"]) / "exports"


def text_of(story_text: str, scene: Json) -> str:
    return story_text[int(scene["start"]) : int(scene["end"])]


def picture_of(service: Service, scene: Json) -> bytes:
    return service.client.get(scene["image_url"]).raise_for_status().content


def picture_on(slide: Any) -> bytes:
    (picture,) = [shape for shape in slide.shapes if hasattr(shape, "image")]
    content: bytes = picture.image.blob
    return content


def small_book(folder: Path, *, title: str = "A book", picture: Path | None = None) -> Book:
    if picture is None:
        picture = folder / "picture.jpg"
        Image.new("RGB", (320, 180), (200, 90, 40)).save(picture)
    with Image.open(picture) as image:
        width, height = image.size
    scene = BookScene(0, title, "A wide shot.", "Once.", "", (), None, "unknown", picture, picture.name, width, height)
    return Book(title, "Once.", (scene,), (), "cinematic", True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def limit_files(processes: list[int], most_bytes: int) -> None:
    """The kernel refuses these processes any file that is larger."""
    for process in processes:
        _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most_bytes, hard))


def output(program: str, *arguments: str | Path) -> str:
    """What a program of poppler-utils prints."""
    run = [need_program(program), *map(str, arguments)]
    return subprocess.run(run, check=True, capture_output=True, timeout=60).stdout.decode()


def pages_of(made: Path) -> list[str]:
    return output("pdftotext", "-enc", "UTF-8", made, "-").split("\f")[:-1]


def page_size_of(made: Path) -> tuple[int, int]:
    found = re.search(r"Page size:\s+([\d.]+) x ([\d.]+)", output("pdfinfo", made))
    assert found is not None
    return round(float(found[1])), round(float(found[2]))


def pictures_in(made: Path) -> list[bytes]:
    """The JPEG files in a PDF, page by page."""
    folder = made.with_suffix(".pictures")
    folder.mkdir()
    output("pdfimages", "-all", made, folder / "p")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def rendered(made: Path, page: int) -> Image.Image:
    """A page as a printer would see it."""
    target = made.with_name(f"{made.stem}-{page}")
    output("pdftoppm", "-r", str(DOTS), "-f", str(page), "-l", str(page), "-singlefile", "-png", made, target)
    return Image.open(target.with_suffix(".png")).convert("RGB")


def picture_boxes(made: Path, page: int) -> list[tuple[int, int, int, int]]:
    """Where the pictures are on a page as `rendered` shows it: left, top, right, bottom."""
    with pypdfium2.PdfDocument(made) as document:
        sheet = document[page - 1]
        bounds = [each.get_bounds() for each in sheet.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])]
        height = sheet.get_height()
    scale = DOTS / 72
    return [
        (round(left * scale), round((height - top) * scale), round(right * scale), round((height - bottom) * scale))
        for left, bottom, right, top in bounds
    ]


def bookmarks_of(made: Path) -> list[str]:
    with pypdfium2.PdfDocument(made) as document:
        return [mark.get_title() for mark in document.get_toc()]


def alike(shown: Image.Image, picture: Image.Image) -> bool:
    """Whether two pictures look the same at a glance, in place and colour."""
    small = (24, 24)
    difference = ImageChops.difference(
        shown.resize(small, Image.Resampling.BOX), picture.resize(small, Image.Resampling.BOX)
    )
    return max(ImageStat.Stat(difference).mean) < 8


def unhyphenated(page: str) -> str:
    """A page's text without its number, words that were parted at a line's end joined."""
    return re.sub(r"[-\u00ad\u2010]\n", "", page.rstrip().rpartition("\n")[0])


def words_from_the_right(made: Path) -> list[str]:
    """The words of the first line of text in a book, from the right edge of the page to the left."""
    found = re.findall(
        r'<word xMin="([\d.]+)" yMin="([\d.]+)"[^>]*>(.*?)</word>', output("pdftotext", "-bbox", "-f", "2", made, "-")
    )
    top = min(float(y) for _, y, _ in found)
    line = [(float(x), word) for x, y, word in found if float(y) < top + 5]
    return [word for _, word in sorted(line, reverse=True)]


def letters(text: str) -> str:
    """The text without its spaces."""
    return "".join(text.split()).replace("\u200b", "")


def squeezed(text: str) -> str:
    return " ".join(text.split())
