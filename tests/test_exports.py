"""The files people take away, through the running service, opened by programs that are not ours."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from adapters.wiring import EXPORTS
from business_logic import StreamedExport
from models import Book, BookScene, DownloadFormat, ExportOptions
from tests.checks import PATIENCE_SECONDS
from tests.conftest import need_program, scale
from tests.fake_pictures import picture
from tests.fake_providers import IMAGE_KEY, TEXT_KEY, FakeProviders
from tests.service import Service, memory_mb, ready
from tests.stories import story

Json = dict[str, Any]

FORMATS: tuple[DownloadFormat, ...] = ("zip", "html", "epub", "cbz", "csv", "fountain", "json")
WITH_PICTURES: tuple[DownloadFormat, ...] = ("zip", "html", "epub", "cbz")
WITH_WORDS: tuple[DownloadFormat, ...] = ("zip", "html", "epub", "fountain", "json")
PAPER = (0xFA, 0xF6, 0xEE)
MOST_MORE_MB = scale(30, 60)  # that many scenes of a megabyte would be more than that, were they held
XHTML = "{http://www.w3.org/1999/xhtml}"
OPF = "{http://www.idpf.org/2007/opf}"

STORIES = {
    "en": story(1, 3),
    "ru": "На рассвете Мира нашла бумажный кораблик в камышах у мельницы.\n\n"
    "Она пронесла его через рынок, где старый Томас складывал груши.\n\n"
    "Ночью они вместе опустили его на чёрную воду, и фонарь не погас.",
    "zh": "黎明时分，米拉在磨坊边的芦苇丛里发现了一只纸船。\n\n"
    "她拿着它穿过集市，老托马斯正在那里堆梨。“这是一只海船，”他说。\n\n"
    "夜里，他们一起把它放在黑色的水面上，灯没有熄灭。",
    "ja": "夜明けに、ミラは水車小屋のそばの葦の中で紙の舟を見つけた。\n\n"
    "彼女はそれを持って市場を通り抜けた。「これは海の舟だ」と老人は言った。"
    "\n\n夜、二人はそれを黒い水の上に浮かべた。灯りは消えなかった。",
    "ar": "في صباح بارد وجدت ليلى قاربًا من الورق بين القصب قرب الطاحونة.\n\n"
    "حملته عبر السوق حيث كان العجوز سامي يرتب الكمثرى.\n\n"
    "في الليل وضعاه معًا على الماء الأسود، ولم ينطفئ الفانوس.",
    "hi": "भोर में मीरा को चक्की के पास सरकंडों में कागज़ की नाव मिली।\n\n"
    "वह उसे बाज़ार से होकर ले गई, जहाँ बूढ़ा तोमस नाशपातियाँ सजा रहा था।\n\n"
    "रात में उन्होंने उसे काले पानी पर रखा, और लालटेन नहीं बुझी।",
}
HOSTILE = (
    "<script>document.title='taken'</script> & ]]> at the mill, [[a note]] /* and bones */ one day.\r\n\r\n"
    "=1+1 was written on the wall, and \\[[y]] under it.\x00\x08\n\n.Hidden things! [[[x]]]\n\n"
    "CHAPTER ONE\n@home >quote <b onload=x>bold</b> --> \u202ebackwards\n\n"
    "# hash\n\n!bang went the door of the mill. INT. A lie.\nInt. of the house it was dark."
)
HOSTILE_WORDS = (
    "=HYPERLINK(\"http://x\")</title><script>document.title='taken'</script>",
    '\' onerror="x" <img src=http://x> & \\ ../../etc/passwd',
    "-" * 100 + "é" * 100,
    "]] */ [[",
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with (
        FakeProviders(text_ms=0, image_ms=0, picture_bytes=20_000) as fake,
        Service(fake, image_concurrency=8) as opened,
    ):
        yield opened


def drawn(service: Service, text: str, scenes: int = 3, **wishes: Any) -> Json:
    """A finished session; its scenes have their whole `words` and the bytes of their `picture` too."""
    state = service.wait(service.generate(text, num_scenes=scenes, **wishes), patience=PATIENCE_SECONDS)
    assert ready(state) == scenes
    for scene in state["scenes"]:
        scene["words"] = text[scene["start"] : scene["end"]]
        scene["picture"] = service.client.get(scene["image_url"]).content
    return state


def taken(service: Service, session_id: str, kind: DownloadFormat) -> bytes:
    answer = service.client.post("/download", json={"session_id": session_id, "format": kind})
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["content-type"].partition(";")[0] == EXPORTS[kind].media_type
    return answer.content


def as_read(words: str) -> str:
    """The words of a scene as a page or a book shows them."""
    ends = words.replace("\r\n", "\n")
    return re.sub("[\x00-\x08\x0e-\x1f]", "\ufffd", ends).strip("\n")


def whole(content: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive


class Page(HTMLParser):
    """What a reading page shows, as a parser of HTML reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._inside = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if self._inside and tag == "div":
            self._inside += 1
        elif attributes.get("class") == "text":
            self._inside = 1
            self.words.append("")

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == "div":
            self._inside -= 1

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.words[-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self) -> list[bytes]:
        """The pictures of the scenes, which have words for those who do not see them."""
        return [base64.b64decode(image["src"].partition(",")[2]) for image in self.all("img") if image["alt"]]


class Volume:
    """What a book holds in the order of its spine, as a parser of XML reads it."""

    def __init__(self, content: bytes) -> None:
        self.archive = whole(content)
        self.package = ElementTree.fromstring(self.archive.read("EPUB/package.opf"))
        self.spine = next(self.package.iter(f"{OPF}spine"))
        hrefs = {item.get("id"): item.get("href") for item in self.package.iter(f"{OPF}item")}
        order = [hrefs[item.get("idref")] for item in self.spine]
        self.chapters = [ElementTree.fromstring(self.archive.read(f"EPUB/{name}")) for name in order[2:]]

    def words(self) -> list[str]:
        return ["".join(next(chapter.iter(f"{XHTML}div")).itertext()) for chapter in self.chapters]

    def images(self) -> list[ElementTree.Element]:
        return [image for chapter in self.chapters for image in chapter.iter(f"{XHTML}img")]

    def pictures(self) -> list[bytes]:
        return [self.archive.read(f"EPUB/{image.get('src')}") for image in self.images()]


def pictures_in(kind: DownloadFormat, content: bytes) -> list[bytes]:
    """The scenes' pictures in the order in which the file shows them."""
    if kind == "html":
        return Page(content.decode()).pictures()
    if kind == "epub":
        return Volume(content).pictures()
    archive = whole(content)
    names = [name for name in archive.namelist() if name.endswith(".jpg") and "/" not in name]
    assert names == sorted(names)
    return [archive.read(name) for name in names]


def words_in(service: Service, kind: DownloadFormat, content: bytes) -> list[str]:
    """The scenes' words in the order in which the file has them."""
    if kind == "html":
        return Page(content.decode()).words
    if kind == "epub":
        return Volume(content).words()
    if kind == "json":
        return [as_read(scene["text"]) for scene in json.loads(content)["scenes"]]
    if kind == "zip":
        scenes = json.loads(whole(content).read("scenes.json"))
        return [as_read(scene["text"]) for scene in scenes if scene["file"]]
    return [words for _, words in read_back(service, content)]


def read_back(service: Service, content: bytes) -> list[tuple[str, str]]:
    """The scenes the service itself finds in a screenplay: their headings and their words."""
    count = content.decode().count("Picture: scene_")
    uploaded = service.client.post("/upload", files={"file": ("taken.fountain", content)}).raise_for_status().json()
    state = service.wait(service.generate(uploaded["story_text"], num_scenes=count, stop_at="scenes"))
    found = []
    for scene in state["scenes"]:
        words = uploaded["story_text"][scene["start"] : scene["end"]].strip()
        heading, _, rest = words.partition("\n") if words.startswith(".") else ("", "", words)
        found.append((heading[1:], rest.strip("\n")))
    return found


# --- Every format ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", STORIES)
def test_every_picture_and_every_word_is_there_in_any_script(service: Service, language: str) -> None:
    state = drawn(service, STORIES[language], title=STORIES[language][:60])
    for scene in state["scenes"]:
        scene["title"] = scene["words"].strip()[4:44].strip()
        place = f"/sessions/{state['session_id']}/scenes/{scene['scene_number']}"
        service.client.patch(place, json={"title": scene["title"]}).raise_for_status()
    files = {kind: taken(service, state["session_id"], kind) for kind in FORMATS}

    for kind in WITH_PICTURES:
        assert pictures_in(kind, files[kind]) == [scene["picture"] for scene in state["scenes"]], kind
    for kind in WITH_WORDS:
        found = [words.strip() for words in words_in(service, kind, files[kind])]
        assert found == [scene["words"].strip() for scene in state["scenes"]], kind
    for kind in ("html", "epub", "cbz", "csv", "fountain", "json"):
        text = " ".join(_texts(files[kind]).split())
        assert all(" ".join(scene["title"].split()) in text for scene in state["scenes"]), kind
    names = [name for name in whole(files["zip"]).namelist() if name.endswith(".jpg")]
    for name, scene in zip(names, state["scenes"], strict=True):
        first = re.split(r"[\s,，、،。]+", scene["title"].strip("，、"))[0]
        assert name.startswith(f"scene_{scene['scene_number']:02d}_{first}")


def _texts(content: bytes) -> str:
    """Everything in a file that is text."""
    if content.startswith(b"PK"):
        archive = whole(content)
        return "".join(archive.read(name).decode("utf-8", "ignore") for name in archive.namelist() if "jpg" not in name)
    return content.decode("utf-8-sig")


@pytest.mark.parametrize("kind", FORMATS)
def test_only_what_is_approved_is_handed_over_in_the_order_of_the_story(service: Service, kind: DownloadFormat) -> None:
    state = drawn(service, story(20 + FORMATS.index(kind), 4), 4)
    approval = {"session_id": state["session_id"], "approved_scenes": [3, 1]}
    service.client.post("/approve", json=approval).raise_for_status()
    chosen = [state["scenes"][1], state["scenes"][3]]

    content = taken(service, state["session_id"], kind)

    if kind in WITH_PICTURES:
        assert pictures_in(kind, content) == [scene["picture"] for scene in chosen]
    if kind in WITH_WORDS:
        assert [words.strip() for words in words_in(service, kind, content)] == [s["words"].strip() for s in chosen]
    if kind == "csv":
        assert [row["number"] for row in rows(content)] == ["2", "4"]


def test_the_same_project_gives_the_same_bytes_also_after_a_restart(tmp_path: Path) -> None:
    with Service(folder=tmp_path) as service:
        session_id = service.wait(service.generate(story(3, 2), num_scenes=2))["session_id"]
        first = {kind: taken(service, session_id, kind) for kind in FORMATS}
        service.stop()
        service.start()
        again = {kind: taken(service, session_id, kind) for kind in FORMATS}

    assert {kind for kind in FORMATS if first[kind] != again[kind]} == set()
    for kind in ("html", "epub", "cbz"):
        assert "Offline drafts" in _texts(first[kind]), kind


def test_a_hostile_story_is_a_story_in_every_format(service: Service) -> None:
    state = drawn(service, HOSTILE, 4, title=HOSTILE_WORDS[0])
    for number, words in enumerate(HOSTILE_WORDS):
        edit = {"title": words, "description": words}
        service.client.patch(f"/sessions/{state['session_id']}/scenes/{number}", json=edit).raise_for_status()
    files = {kind: taken(service, state["session_id"], kind) for kind in FORMATS}
    told = [as_read(scene["words"]).strip() for scene in state["scenes"]]

    for kind in WITH_PICTURES:
        assert pictures_in(kind, files[kind]) == [scene["picture"] for scene in state["scenes"]], kind
    for kind in ("html", "epub"):
        assert [words.strip() for words in words_in(service, kind, files[kind])] == told, kind
    page = Page(files["html"].decode())
    assert [image["alt"] for image in page.all("img")] == [" ".join(words.split()) for words in HOSTILE_WORDS]
    assert len(page.all("script")) == 1
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes or "onload" in attributes]
    assert [image.get("alt") for image in Volume(files["epub"]).images()] == list(HOSTILE_WORDS)
    for row, words in zip(rows(files["csv"]), HOSTILE_WORDS, strict=True):
        assert row["title"] in (words, f"'{words}")
        assert row["title"][0] not in "=+-@"
    for name in whole(files["zip"]).namelist():
        assert re.fullmatch(r"(?:scene_\d\d_\w+\.jpg|index\.html|[a-z_]+\.(?:txt|json))", name), name
    assert "".join(words for _, words in read_back(service, files["fountain"])).split() == "".join(told).split()


def test_what_no_request_can_hold_breaks_no_format_either(tmp_path: Path) -> None:
    titles = ("", "\ud800", "\x00\x1b", "x" * 500, "\u202e\ufffe", "\n\n", "夜" * 500)
    scenes = []
    for number, title in enumerate(titles):
        path = tmp_path / f"{number}.{('jpg', 'png', 'webp')[number % 3]}"
        path.write_bytes(picture(64, 64, size_bytes=0, kind=("JPG", "PNG", "WEBP")[number % 3]))
        scenes.append(_scene(number, title, path))
    files = (("story.txt", b""), ("scenes.json", b"[]"), ("project_info.json", b'{"pictures": []}'))
    book = Book("\udfff", "\udfff\x00", tuple(scenes), files, "cartoon", False, datetime(2026, 1, 2, tzinfo=UTC))

    for kind in FORMATS:
        export = EXPORTS[kind]
        assert isinstance(export, StreamedExport)
        content = b"".join(export.chunks(book, ExportOptions()))
        if kind == "html":
            assert len(Page(content.decode()).pictures()) == len(titles)
        elif kind == "epub":
            for shown in Volume(content).pictures():
                Image.open(io.BytesIO(shown)).load()
            assert {item.get("media-type") for item in Volume(content).package.iter(f"{OPF}item")} == {
                "application/xhtml+xml",
                "text/css",
                "image/jpeg",
                "image/png",
            }
        elif kind == "cbz":
            ElementTree.fromstring(whole(content).read("ComicInfo.xml"))
        elif kind == "csv":
            assert len(rows(content)) == len(titles)
        elif kind == "fountain":
            assert content.decode().count("Picture: scene_") == len(titles)


def _scene(number: int, title: str, path: Path) -> BookScene:
    return BookScene(
        scene_number=number,
        title=title,
        description=title,
        text=title,
        image_prompt=title,
        characters=(title,),
        location=title,
        time_of_day="unknown",
        picture=path,
        name=f"scene_{number:02d}_x{path.suffix}",
        width=64,
        height=64,
    )


# --- ZIP -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "cbz", "epub"])
def test_unzip_finds_nothing_wrong_and_a_pipe_is_enough(service: Service, tmp_path: Path, kind: DownloadFormat) -> None:
    state = drawn(service, STORIES["hi"])
    path = tmp_path / f"taken.{kind}"
    path.write_bytes(taken(service, state["session_id"], kind))

    tested = subprocess.run([need_program("unzip"), "-t", str(path)], capture_output=True, text=True, check=False)

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert not any(entry.flag_bits & 8 for entry in whole(path.read_bytes()).infolist()), "a size stands after its data"


def test_a_zip_has_the_story_the_portraits_and_a_page_that_shows_the_pictures(service: Service) -> None:
    text = "\n\n".join(f"In the morning, Mira and Tomas came to the mill and counted {n} steps." for n in range(3))
    state = drawn(service, text, consistency="references")
    archive = whole(taken(service, state["session_id"], "zip"))

    assert archive.read("story.txt").decode() == text
    assert {anchor["name"] for anchor in state["anchors"]} == {"Mira", "Tomas"}
    assert [name for name in archive.namelist() if name.startswith("anchors/")] == [
        f"anchors/{number:02d}_{anchor['name']}.jpg" for number, anchor in enumerate(state["anchors"])
    ]
    assert [image["src"] for image in Page(archive.read("index.html").decode()).all("img")] == [
        scene["file"] for scene in json.loads(archive.read("scenes.json"))
    ]


# --- The reading page ------------------------------------------------------------------------------------------


def in_chromium(page: Path, *options: str) -> str:
    """What Chromium has of a page once its script has run, with the style of a light screen."""
    home = page.parent / "chromium"
    command = [need_program("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--disable-dev-shm-usage", f"--user-data-dir={home}", "--virtual-time-budget=3000", *options]
    done = subprocess.run(
        [*command, page.as_uri()],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_browser_shows_the_page_as_it_was_written(service: Service, tmp_path: Path, language: str) -> None:
    state = drawn(service, STORIES[language])
    path = tmp_path / "taken.html"
    path.write_bytes(taken(service, state["session_id"], "html"))

    page = Page(in_chromium(path, "--dump-dom"))

    assert page.words == [as_read(scene["words"]) for scene in state["scenes"]]
    assert page.pictures() == [scene["picture"] for scene in state["scenes"]]
    assert [image["alt"] for image in page.all("img") if image["alt"]] == [
        " ".join(scene["description"].split()) for scene in state["scenes"]
    ]
    assert len(page.all("img")) == 4, "its script ran: the cover has a picture"
    assert (page.all("html")[0]["lang"], page.all("html")[0]["dir"]) == (language, "rtl" if language == "ar" else "ltr")


def test_a_page_asks_nobody_for_anything(service: Service) -> None:
    page = Page(taken(service, drawn(service, STORIES["en"])["session_id"], "html").decode())
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)

    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for _, attributes in page.elements:
        assert not attributes.keys() & {"style", "onclick", "action", "srcset"}
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")


def test_a_hostile_page_runs_nothing_in_a_browser(service: Service, tmp_path: Path) -> None:
    state = drawn(service, HOSTILE, 2, title=HOSTILE_WORDS[0])
    path = tmp_path / "taken.html"
    path.write_bytes(taken(service, state["session_id"], "html"))

    text = in_chromium(path, "--dump-dom")

    assert "<title>taken</title>" not in text
    assert [words.strip() for words in Page(text).words] == [as_read(s["words"]).strip() for s in state["scenes"]]


# Put into a page without its policy: presses keys, and notes which page stands at the top after each.
PRESSING = """<script>
const keys = %s, seen = [];
function at_top() {
  return [...document.querySelectorAll(".page")].findIndex((page) => Math.abs(page.getBoundingClientRect().top) < 40);
}
function next() {
  if (seen.length === keys.length) { document.title = `seen ${seen}`; return; }
  dispatchEvent(new KeyboardEvent("keydown", { key: keys[seen.length] }));
  setTimeout(() => { seen.push(at_top()); next(); }, 100);
}
onload = next;
</script>"""


@pytest.mark.parametrize(("language", "on", "back"), [("en", "Right", "Left"), ("ar", "Left", "Right")])
def test_arrows_turn_the_pages_the_way_the_story_runs(
    service: Service, tmp_path: Path, language: str, on: str, back: str
) -> None:
    text = taken(service, drawn(service, STORIES[language])["session_id"], "html").decode()
    keys = [f"Arrow{key}" for key in (back, on, on, back, on, on, on)]
    page = tmp_path / "taken.html"
    page.write_text(re.sub("<meta http-equiv[^>]*>", "", text).replace("</body>", PRESSING % keys + "</body>"), "utf-8")

    shown = in_chromium(page, "--dump-dom", "--force-prefers-reduced-motion", "--window-size=1200,800")

    assert "<title>seen 0,1,2,1,2,3,3</title>" in shown


@pytest.mark.parametrize("kind", ["html", "zip"])
def test_the_style_and_the_pictures_are_seen(service: Service, tmp_path: Path, kind: DownloadFormat) -> None:
    content = taken(service, drawn(service, STORIES["en"])["session_id"], kind)
    page = tmp_path / ("taken.html" if kind == "html" else "index.html")
    if kind == "zip":
        whole(content).extractall(tmp_path)
    else:
        page.write_bytes(content)

    in_chromium(page, f"--screenshot={tmp_path / 'seen.png'}", "--window-size=1200,800")

    with Image.open(tmp_path / "seen.png") as seen:
        colours = seen.convert("RGB")
        assert colours.getpixel((5, 5)) == PAPER
        cover = [colours.getpixel((x, y)) for x in range(400, 800, 40) for y in range(100, 400, 30)]
    assert cover.count(PAPER) < len(cover) / 10


# --- The book --------------------------------------------------------------------------------------------------


def epubcheck(path: Path) -> str:
    """What the W3C's checker says; Debian's start script needs a kernel module, the Java archive does not."""
    archive = Path(need_program("epubcheck")).resolve()
    command = [need_program("java"), "-XX:TieredStopAtLevel=1", "-jar", str(archive), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("language", ["en", "ar"])
def test_epubcheck_has_neither_errors_nor_warnings(service: Service, tmp_path: Path, language: str) -> None:
    state = drawn(service, STORIES[language] + ("\n\n" + HOSTILE if language == "en" else ""), 3)
    path = tmp_path / "taken.epub"
    path.write_bytes(taken(service, state["session_id"], "epub"))
    book = Volume(path.read_bytes())

    assert "No errors or warnings detected" in epubcheck(path)
    assert book.archive.infolist()[0].filename == "mimetype"
    assert path.read_bytes()[30:58] == b"mimetypeapplication/epub+zip"
    assert book.spine.get("page-progression-direction") == ("rtl" if language == "ar" else "ltr")
    assert [image.get("alt") for image in book.images()] == [
        " ".join(scene["description"].split()) for scene in state["scenes"]
    ]


def test_a_book_can_be_read_here_again(service: Service) -> None:
    state = drawn(service, STORIES["ru"])
    files = {"file": ("taken.epub", taken(service, state["session_id"], "epub"))}

    read = service.client.post("/upload", files=files).raise_for_status().json()

    assert read["title"] == state["title"]
    assert all(scene["words"].strip() in read["story_text"] for scene in state["scenes"])


# --- The others ------------------------------------------------------------------------------------------------


def rows(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_shot_list_says_what_each_picture_shows(service: Service) -> None:
    state = drawn(service, STORIES["en"])

    for row, scene in zip(rows(taken(service, state["session_id"], "csv")), state["scenes"], strict=True):
        assert row["number"] == str(scene["scene_number"] + 1)
        assert row["title"] == scene["title"]
        assert (row["location"] or None, row["time of day"]) == (scene["location"], scene["time_of_day"])
        assert row["characters"] == ", ".join(scene["characters"])
        assert (row["description"], row["prompt"]) == (scene["description"], scene["image_prompt"])
        assert int(row["words"]) > 40
        assert row["picture"].startswith(f"scene_{scene['scene_number']:02d}_")


def test_a_comic_tells_what_it_is(service: Service) -> None:
    state = drawn(service, STORIES["ar"])
    archive = whole(taken(service, state["session_id"], "cbz"))
    told = ElementTree.fromstring(archive.read("ComicInfo.xml"))
    pages = list(told.iter("Page"))

    assert (told.findtext("Title"), told.findtext("PageCount")) == (state["title"], "3")
    assert (told.findtext("LanguageISO"), told.findtext("Manga")) == ("ar", "YesAndRightToLeft")
    assert [page.get("Bookmark") for page in pages] == [scene["title"] for scene in state["scenes"]]
    assert archive.namelist() == ["ComicInfo.xml", "001.jpg", "002.jpg", "003.jpg"]


@pytest.mark.parametrize("language", STORIES)
def test_a_screenplay_is_read_back_into_the_same_scenes(service: Service, language: str) -> None:
    state = drawn(service, STORIES[language])
    content = taken(service, state["session_id"], "fountain")

    assert content.decode().startswith(f"Title: {state['title']}\n")
    assert all(f"Prompt: {' '.join(scene['image_prompt'].split())}" in content.decode() for scene in state["scenes"])
    assert read_back(service, content) == [
        (scene["title"].rstrip(), scene["words"].strip("\n")) for scene in state["scenes"]
    ]


def test_a_screenplay_made_of_a_screenplay_keeps_its_own_headings(service: Service) -> None:
    text = (Path(__file__).parent.parent / "examples" / "the_last_ferry.fountain").read_text("utf-8")
    state = drawn(service, text, 6)

    found = read_back(service, taken(service, state["session_id"], "fountain"))

    assert [heading for heading, _ in found] == [""] * 6
    assert [words.strip() for _, words in found] == [scene["words"].strip() for scene in state["scenes"]]


def test_the_document_for_programs_is_whole_and_tells_nothing_it_should_not(service: Service) -> None:
    state = drawn(service, STORIES["en"])
    content = taken(service, state["session_id"], "json").decode()
    told = json.loads(content)

    assert (told["format"], told["title"], told["story_text"]) == (1, state["title"], STORIES["en"])
    assert told["settings"]["media_type"] == "cinematic"
    assert told["story_bible"]["style"]
    assert told["cost_usd"] == pytest.approx(state["cost_usd"])
    for scene, seen in zip(told["scenes"], state["scenes"], strict=True):
        assert [version["seed"] for version in scene["versions"]] == [seen["seed"]]
        assert [version["prompt"] for version in scene["versions"]] == [seen["image_prompt"]]
        assert sum(version["cost_usd"] for version in scene["versions"]) == pytest.approx(seen["cost_usd"])
    for secret in (TEXT_KEY, IMAGE_KEY, "owner", str(service.folder), "/images/", "sig="):
        assert secret not in content


# --- Weight ----------------------------------------------------------------------------------------------------


def test_many_large_pictures_are_never_held_together(tmp_path: Path) -> None:
    scenes = scale(60, 200)
    with (
        FakeProviders(text_ms=0, image_ms=0, picture_bytes=1_000_000) as fake,
        Service(fake, folder=tmp_path, image_concurrency=8, max_scenes=200) as service,
    ):
        state = service.wait(service.generate(story(5, scenes), num_scenes=scenes))
        assert ready(state) == scenes
        service.stop()
        service.start()  # what drawing took is not to be mistaken for what handing over takes
        service.client.post("/download", json={"session_id": state["session_id"], "format": "csv"}).raise_for_status()
        before = memory_mb(service.pid)
        sizes = {kind: _size(service, state["session_id"], kind) for kind in WITH_PICTURES}
        grown = memory_mb(service.pid, "VmHWM") - before

    assert all(size > scenes * 1_000_000 for size in sizes.values())
    assert grown < MOST_MORE_MB


def _size(service: Service, session_id: str, kind: DownloadFormat) -> int:
    asked = {"session_id": session_id, "format": kind}
    with service.client.stream("POST", "/download", json=asked) as answer:
        return sum(map(len, answer.iter_raw()))


def test_a_reader_who_leaves_midway_leaves_nothing_open(tmp_path: Path) -> None:
    with (
        FakeProviders(text_ms=0, image_ms=0, picture_bytes=1_000_000) as fake,
        Service(fake, folder=tmp_path, image_concurrency=8) as service,
    ):
        session_id = service.wait(service.generate(story(6, 8), num_scenes=8))["session_id"]
        _size(service, session_id, "zip")
        before = service.open_files()
        for kind in WITH_PICTURES:
            asked = {"session_id": session_id, "format": kind}
            with service.client.stream("POST", "/download", json=asked) as answer:
                next(answer.iter_raw())
        until = time.monotonic() + PATIENCE_SECONDS
        while service.open_files() > before and time.monotonic() < until:
            time.sleep(0.02)

        assert service.open_files() <= before
        assert "request crashed" not in service.log()
