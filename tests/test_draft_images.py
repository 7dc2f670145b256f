"""The offline painter: the same bytes for the same request, the same people in every scene, no word of the story."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import get_args

import pytest
import pytest_asyncio
import resvg_py
from PIL import Image

from adapters.draft_images import MODEL, SIZES, DraftImages, sketch_of
from adapters.paper_cut import Sketch, compose, paint
from adapters.paper_cut.colours import TIMES, WEATHERS
from adapters.paper_cut.places import PAINTERS
from adapters.paper_cut.props import PROPS
from adapters.paper_cut.words import PROPS as PROP_WORDS
from adapters.process_pool import ProcessPool, WorkerDied
from ai_services import ImageModel, Provider
from models import AspectRatio, BadImage, Depiction, Drawing, Figure, ImageRequest, MediaType, Quality, SceneFacts

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "</svg><script>alert(1)</script>&<image href='file:///etc/passwd'/>\"\x00"


class NoTask:
    """A drawing task nobody may touch: a draft costs nothing and is never asked for again."""

    @property
    def task_id(self) -> str | None:
        raise AssertionError("a draft needs no task")

    async def wanted(self) -> None:
        """It is."""

    async def new_id(self, worst_usd: float | None) -> str:
        raise AssertionError("a draft needs no task")

    async def failed(self, cost_usd: float | None) -> None:
        raise AssertionError("a draft needs no task")


class Unwanted(NoTask):
    """A drawing that was cancelled while it waited for its turn."""

    async def wanted(self) -> None:
        raise asyncio.CancelledError


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    pool = ProcessPool(max_workers=1)
    yield pool
    await pool.close()


def a_request(
    *, seed: int = 5, width: int = 512, height: int = 288, text: str = "", media: MediaType = "cinematic"
) -> ImageRequest:
    facts = SceneFacts(("Mira", "Tomas"), location="the mill", place_kind="river", time_of_day="dawn", weather="clear")
    figures = (Figure("Mira", "a girl with black braids, in a red coat"), Figure("Tomas"))
    depiction = Depiction(
        facts, figures, media, text or "Mira found the boat by the mill and lit her lantern.", story_seed=3
    )
    return ImageRequest("ignored", MODEL, width, height, seed, depiction)


def figures_in(svg: str) -> dict[int, tuple[str, str, str, str]]:
    found = re.findall(
        r'data-figure="(\d)" data-kind="(\w+)" data-cloth="(#\w+)" data-hair="(#\w+)" data-skin="(#\w+)"', svg
    )
    return {int(number): (kind, cloth, hair, skin) for number, kind, cloth, hair, skin in found}


# --- The image model -------------------------------------------------------------------------------------------


async def test_a_draft_is_a_jpeg_of_the_size_that_was_asked_for(pool: ProcessPool) -> None:
    drafts: ImageModel = DraftImages(pool)
    request = a_request()

    drawing = await drafts.draw(request, NoTask())
    picture = await drafts.fetch(drawing, request)

    assert (picture.suffix, picture.width, picture.height) == ("jpg", 512, 288)
    with Image.open(BytesIO(picture.content)) as image:
        assert (image.format, image.size) == ("JPEG", (512, 288))
        assert image.info["comment"] == b"draft:paper-cut"
    assert (drawing.cost_usd, drawing.seed, drafts.worst_cost(request)) == (0.0, 5, 0.0)


async def test_the_same_request_gives_the_same_bytes_and_another_seed_others(pool: ProcessPool) -> None:
    drafts = DraftImages(pool)

    first = await drafts.draw(a_request(), NoTask())
    again = await drafts.draw(a_request(), NoTask())
    other = await drafts.draw(a_request(seed=6), NoTask())

    assert first.content == again.content
    assert first.content != other.content


async def test_the_event_loop_goes_on_while_drafts_are_drawn(pool: ProcessPool) -> None:
    drafts = DraftImages(pool)
    await drafts.draw(a_request(), NoTask())
    pauses: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            pauses.append(time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(drafts.draw(a_request(seed=seed, width=1024, height=576), NoTask()) for seed in range(3)))
    watcher.cancel()

    assert len(pauses) > 5
    assert max(pauses) < 0.1  # one picture in this process would be a pause of about 0.2 s


async def test_a_drawing_without_a_picture_is_a_bad_image(pool: ProcessPool) -> None:
    with pytest.raises(BadImage):
        await DraftImages(pool).fetch(Drawing(seed=1, cost_usd=0.0, content=b"not a picture"), a_request())


def test_the_model_says_that_it_is_a_free_offline_draft() -> None:
    provider: Provider = DraftImages(ProcessPool(max_workers=1))

    (model,) = provider.models()

    assert (model.id, model.kind, model.price_usd, model.available) == ("draft:paper-cut", "image", "free", True)
    assert "draft" in model.description.lower()
    assert provider.health()[0] == "available"


@pytest.mark.parametrize("shape", get_args(AspectRatio))
@pytest.mark.parametrize("quality", get_args(Quality))
def test_every_shape_has_its_size_and_a_draft_is_half_of_it(shape: AspectRatio, quality: Quality) -> None:
    width, height = DraftImages(ProcessPool(max_workers=1)).size(MODEL, shape, quality)
    across, down = (int(part) for part in shape.split(":"))

    assert width * down == height * across
    assert width * height == pytest.approx(1024 * 576 / (1 if quality == "final" else 4), rel=0.05)


# --- The composer ----------------------------------------------------------------------------------------------


def test_somebody_wears_the_same_colours_in_every_scene_of_a_story() -> None:
    here = Sketch(
        512,
        288,
        seed=1,
        story_seed=9,
        place="forest",
        time="night",
        weather="snow",
        figures=(("Mira", ""), ("Tomas", "")),
    )
    there = Sketch(
        512,
        288,
        seed=2,
        story_seed=9,
        place="market",
        time="day",
        media="cinematic",
        figures=(("Mira", ""), ("Tomas", "")),
    )

    assert figures_in(compose(here)) == figures_in(compose(there))
    assert len(figures_in(compose(here))) == 2


def test_the_words_of_the_bible_decide_how_somebody_looks() -> None:
    sketch = Sketch(
        512,
        288,
        place="hills",
        figures=(("Ida", "an old woman with white hair in a green cloak"), ("Rusk", "a small red fox")),
    )

    figures = figures_in(compose(sketch))

    assert figures[0] == ("person", "#3f9a55", "#efece6", figures[0][3])
    assert figures[1][0] == "fox"


def test_a_captain_called_wren_is_a_person() -> None:
    svg = compose(Sketch(512, 288, place="hills", figures=(("Captain Wren", ""), ("Mr Fox", ""))))

    assert [kind for _, (kind, *_) in sorted(figures_in(svg).items())] == ["person", "fox"]


SETTINGS = list(itertools.product(PAINTERS, TIMES, WEATHERS))
SHAPES = list(SIZES.values())


@pytest.mark.parametrize("place", PAINTERS)
def test_every_place_time_and_weather_is_well_formed_svg(place: str) -> None:
    for number, (time_of_day, weather) in enumerate(itertools.product(TIMES, WEATHERS)):
        width, height = SHAPES[number % len(SHAPES)]
        media = get_args(MediaType)[number % 4]
        sketch = Sketch(
            width,
            height,
            seed=number,
            place=place,
            time=time_of_day,
            weather=weather,
            media=media,
            figures=(("Mo", ""),),
            text="a star, a key, a boat",
        )

        root = ElementTree.fromstring(compose(sketch))

        assert root.attrib["width"] == str(width)


@pytest.mark.parametrize(("place", "number"), [(place, number) for number, place in enumerate(PAINTERS)])
def test_resvg_takes_every_place_at_every_shape(place: str, number: int) -> None:
    width, height = SHAPES[number % len(SHAPES)]
    weather, time_of_day = list(WEATHERS)[number % len(WEATHERS)], list(TIMES)[number % len(TIMES)]
    sketch = Sketch(
        width // 4,
        height // 4,
        seed=number,
        place=place,
        time=time_of_day,
        weather=weather,
        figures=(("Mo", ""), ("Cat", "")),
    )

    with Image.open(BytesIO(paint(sketch))) as image:
        assert image.size == (width // 4, height // 4)
        colours = image.convert("RGB").resize((16, 16)).getcolors()
        assert colours is not None and len(colours) > 20


def test_every_thing_that_has_a_word_can_be_drawn() -> None:
    overhead = {"star", "moon", "sun", "lightning", "cloud"}

    assert set(PROP_WORDS.values()) - overhead <= set(PROPS)
    assert len(PROPS) > 60


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("She lit the lantern.", "lantern"), ("Sie nahm die Laterne.", "lantern"), ("Elle a la lanterne.", "lantern"),
        ("Он взял фонарь.", "lantern"), ("他提着灯笼。", "lantern"), ("彼は提灯を持った。", "lantern"),
        ("أخذ الفانوس", "lantern"), ("उसने लालटेन उठाई", "lantern"), ("Cogió el farol, la llave y el libro.", "key"),
    ],
)  # fmt: skip
def test_a_thing_is_recognised_in_many_languages(text: str, thing: str) -> None:
    bare = Sketch(512, 288, place="hills", time="day", weather="clear")

    assert compose(Sketch(512, 288, place="hills", time="day", weather="clear", text=text)) != compose(bare)
    assert thing in PROPS


@pytest.mark.parametrize(
    "text",
    [
        "They were like two halves of a tent.",
        "She lit the great red one and was glad of it.",
        "The voice rose, and she could not bear to hear the end of it.",
    ],
)
def test_what_is_only_compared_or_misread_is_not_drawn(text: str) -> None:
    def drawn(words: str) -> str:
        return compose(Sketch(512, 288, place="hills", time="day", weather="clear", mood="calm", text=words))

    assert drawn(text) == drawn("The and was of to nothing.")


def test_two_scenes_that_differ_in_one_word_of_fact_look_different() -> None:
    base = {"place": "village", "time": "day", "weather": "clear", "mood": "calm"}
    changes = [{}, {"place": "sea"}, {"time": "night"}, {"weather": "rain"}, {"mood": "angry"}]

    pictures = {compose(Sketch(512, 288, **{**base, **change})) for change in changes}  # type: ignore[arg-type]

    assert len(pictures) == len(changes)


@pytest.mark.parametrize("media", get_args(MediaType))
def test_no_word_of_the_story_reaches_the_svg(media: str) -> None:
    name = 'Zorblax"><script>'
    sketch = Sketch(
        512,
        288,
        media=media,
        place=HOSTILE,
        location=HOSTILE,
        mood=HOSTILE,
        time=HOSTILE,
        weather=HOSTILE,
        figures=((name, HOSTILE),),
        text=HOSTILE + name,
    )

    svg = compose(sketch)

    ElementTree.fromstring(svg)
    assert not re.search("zorblax|script|alert|passwd|file:|href|<image|<text", svg, re.IGNORECASE)
    assert resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)


def test_a_picture_of_nothing_known_is_still_a_picture() -> None:
    assert paint(Sketch(256, 144)).startswith(b"\xff\xd8\xff")


def test_a_request_travels_to_the_worker_as_plain_words() -> None:
    sketch = sketch_of(a_request())

    assert (sketch.place, sketch.time, sketch.story_seed) == ("river", "dawn", 3)
    assert sketch.figures == (("Mira", "a girl with black braids, in a red coat"), ("Tomas", ""))


# --- The process pool ------------------------------------------------------------------------------------------


async def test_the_pool_works_on_after_a_worker_was_killed(pool: ProcessPool) -> None:
    worker = await pool.run(os.getpid)
    os.kill(worker, signal.SIGKILL)

    assert await pool.run(abs, -3) == 3
    assert worker != os.getpid()


async def test_a_call_that_kills_its_worker_twice_is_an_error_and_the_next_one_works(pool: ProcessPool) -> None:
    with pytest.raises(WorkerDied):
        await pool.run(os._exit, 1)

    assert await pool.run(abs, -4) == 4


async def test_an_exception_in_a_worker_reaches_the_caller(pool: ProcessPool) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await pool.run(int, "no number")


async def test_a_closed_pool_refuses_and_leaves_no_process() -> None:
    pool = ProcessPool(max_workers=1)
    worker = await pool.run(os.getpid)

    await pool.close()
    await pool.close()

    with pytest.raises(RuntimeError, match="closed"):
        await pool.run(abs, -1)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_workers_leave_when_their_parent_was_killed() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import asyncio, os, signal, adapters.process_pool\n"
        "async def run():\n"
        "    pool = adapters.process_pool.ProcessPool(2)\n"
        "    print(await pool.run(os.getpid), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(run())\n"
    )

    # The workers hold the pipe, so this ends when the last one has left, and in a timeout if one stays.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=15)

    assert (done.returncode, done.stdout.strip().isdigit()) == (-signal.SIGKILL, True)


def test_importing_starts_nothing_and_workers_import_neither_main_nor_a_framework(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import asyncio, adapters.process_pool\n"
        "assert 'loky' not in sys.modules\n"
        "print('main imported')\n"
        "async def run():\n"
        "    pool = adapters.process_pool.ProcessPool(2)\n"
        "    from adapters.paper_cut import Sketch, paint\n"
        "    await pool.run(paint, Sketch(64, 36))\n"
        "    names = await pool.run(eval, \"sorted(__import__('sys').modules)\")\n"
        "    assert not {'fastapi', 'pydantic', 'models', 'main', 'starlette'} & set(names), names\n"
        "    await pool.close()\n"
        "asyncio.run(run())\n"
    )

    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "main imported\n"


async def test_a_draft_that_nobody_wants_any_more_is_not_drawn() -> None:
    pool = ProcessPool(max_workers=1)

    with pytest.raises(asyncio.CancelledError):
        await DraftImages(pool).draw(a_request(), Unwanted())

    assert not pool.started
    await pool.close()
