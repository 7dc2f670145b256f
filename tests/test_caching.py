"""Every answer says what may be kept of it, and whoever has it already is told so in a few bytes."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from adapters.caching import Caching, is_known
from adapters.metrics import Metrics
from adapters.middleware import PageFiles
from ai_services import OpenRouterClient, scene_request
from business_logic import Readings, Studio, question_key
from main import create_app
from models import Event, GenerationSettings, ModelView, ProviderCall, SceneFacts, StoryBible, TextRequest
from tests.conftest import (
    STORY,
    FlatPainter,
    Json,
    Threads,
    client_of,
    draw,
    open_small_studio,
    plain_settings,
)
from tests.fake_providers import TEXT_KEY, FakeProviders
from tests.stories import story
from utils import StoryReading, read_story

WITH_MIRA = STORY.replace("She carried", "Mira carried")
KEYS = {"X-API-Key", "Authorization"}
MINE, OURS, NOW = "private, no-cache", "no-cache", "no-store"
FOR_EVER = "private, max-age=31536000, immutable"


class PricedPainter(FlatPainter):
    """One whose price may change."""

    price = "free"

    def models(self) -> list[ModelView]:
        return [model.model_copy(update={"price_usd": self.price}) for model in super().models()]


@dataclass(frozen=True)
class House:
    """Two people with keys on one service, and what ann has made of her story."""

    app: FastAPI
    studio: Studio
    painter: PricedPainter
    ann: httpx.AsyncClient
    ben: httpx.AsyncClient
    session_id: str
    picture: str
    signature: str

    def address(self, route: str) -> str:
        names = {"session_id": self.session_id, "project_id": self.session_id, "number": "0", "name": "Mira"}
        return route.format(**names, file=self.picture)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    chosen = plain_settings(tmp_path / "projects", api_keys="ann:key-of-ann,ben:key-of-ben")
    painter = PricedPainter()
    painter.takes = 4
    async with open_small_studio(chosen, painter, Metrics()) as studio:
        app = create_app(chosen, studio)
        async with (
            client_of(app, **{"X-API-Key": "key-of-ann"}) as ann,
            client_of(app, Authorization="Bearer key-of-ben") as ben,
        ):
            session_id = await draw(ann, story_text=WITH_MIRA)
            await ann.post("/approve", json={"session_id": session_id, "approved_scenes": [0]})
            url: str = (await ann.get(f"/status/{session_id}")).json()["scenes"][0]["image_url"]
            picture, _, signature = url.removeprefix(f"/images/{session_id}/").partition("?sig=")
            yield House(app, studio, painter, ann, ben, session_id, picture, signature)


Change = Callable[[House], Awaitable[Any]]


async def edited(house: House) -> None:
    await house.ann.patch(house.address("/sessions/{session_id}/scenes/0"), json={"title": "The reeds"})


async def approved_portrait(house: House) -> None:
    await house.ann.patch(house.address("/sessions/{session_id}/anchors/Mira"), json={"approved": True})


async def approved_more(house: House) -> None:
    await house.ann.post("/approve", json={"session_id": house.session_id, "approved_scenes": [1, 2]})


async def another_project(house: House) -> None:
    session_id = await draw(house.ann, num_scenes=1)
    await house.ann.post("/approve", json={"session_id": session_id, "approved_scenes": [0]})


async def dearer(house: House) -> None:
    house.painter.price = "$1 a picture"


async def nothing(house: House) -> None:
    """What never changes under its address, or only with the service."""


@dataclass(frozen=True)
class Line:
    """What a GET route says to caches; `change` makes another answer of it; `to_others` is what ben gets."""

    path: str
    keeps: str
    vary: frozenset[str] = frozenset()
    change: Change = nothing
    to_others: int = 200
    as_bytes: bool = True  # answered in one piece, with the same bytes each time


OF_A_CALLER = frozenset(KEYS)
PACKED = frozenset({"Accept-Encoding"})
ROUTES = [
    Line("/status/{session_id}", MINE, OF_A_CALLER, edited, 404),
    Line("/sessions/{session_id}/scenes/{number}", MINE, OF_A_CALLER, edited, 404),
    Line("/sessions/{session_id}/anchors/{name}", MINE, OF_A_CALLER, approved_portrait, 404),
    Line("/images/{session_id}/{file}", FOR_EVER, OF_A_CALLER, nothing, 404),
    Line("/projects", MINE, OF_A_CALLER, another_project),
    Line("/projects/{project_id}", MINE, OF_A_CALLER, approved_more, 404),
    Line("/models", MINE, OF_A_CALLER, dearer),
    Line("/openapi.json", OURS, PACKED),
    Line("/docs", OURS),
    Line("/docs/oauth2-redirect", OURS),
    Line("/", OURS, PACKED),
    Line("/page.js", OURS, PACKED),
    Line("/words/ar.js", OURS, PACKED),
    Line("/style.css", OURS, PACKED),
    Line("/cartoon.webp", OURS),
]
NEVER_KEPT = [
    "/events/{session_id}",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/debug/sessions",
    "/debug/config",
]


def by_path(route: Line) -> str:
    return route.path


def varies_with(answer: httpx.Response) -> set[str]:
    return {name.strip() for name in answer.headers.get("vary", "").split(",")} - {""}


def test_every_route_that_is_read_is_in_the_table(tmp_path: Path) -> None:
    routes = create_app(plain_settings(tmp_path)).routes
    read = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}

    assert len(read) > 14
    assert read - {line.path for line in ROUTES} == set(NEVER_KEPT)


@pytest.mark.parametrize("route", ROUTES, ids=by_path)
async def test_who_may_keep_an_answer_and_what_it_depends_on(house: House, route: Line) -> None:
    answer = await house.ann.get(house.address(route.path))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == route.keeps
    assert varies_with(answer) == route.vary | {"Origin"}
    assert answer.headers["etag"].startswith('"')
    assert "last-modified" not in answer.headers or route.keeps == FOR_EVER


@pytest.mark.parametrize("route", ROUTES, ids=by_path)
async def test_whoever_has_it_is_told_so_and_nothing_else(house: House, route: Line) -> None:
    address = house.address(route.path)
    first = await house.ann.get(address)
    etag = first.headers["etag"]

    for named in (etag, f"W/{etag}", f'"other", W/"7" , {etag}', "*"):
        again = await house.ann.get(address, headers={"If-None-Match": named})
        assert (again.status_code, again.content) == (304, b""), named
        assert "content-length" not in again.headers and "content-type" not in again.headers
        for name in ("etag", "cache-control", "x-request-id"):
            assert (again.headers[name] == first.headers[name]) or name == "x-request-id"
        assert varies_with(again) >= varies_with(first)
    two_lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
    assert (await house.ann.get(address, headers=two_lines)).status_code == 304


@pytest.mark.parametrize("route", ROUTES, ids=by_path)
async def test_whoever_has_something_else_gets_all_of_it(house: House, route: Line) -> None:
    address = house.address(route.path)
    first = await house.ann.get(address)
    unquoted = first.headers["etag"].strip('"')

    for other in ('"other"', "7", "", '"', 'W/"', '"a","b', unquoted, f'"{unquoted}x"', f'"{unquoted}'):
        again = await house.ann.get(address, headers={"If-None-Match": other})
        assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.change is not nothing], ids=by_path)
async def test_after_a_change_it_is_sent_again(house: House, route: Line) -> None:
    address = house.address(route.path)
    first = await house.ann.get(address)

    await route.change(house)
    again = await house.ann.get(address, headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 200
    assert again.content != first.content
    assert again.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.vary == OF_A_CALLER], ids=by_path)
async def test_an_etag_opens_nothing_to_others(house: House, route: Line) -> None:
    address = house.address(route.path)
    etag = (await house.ann.get(address)).headers["etag"]
    stranger = client_of(house.app)

    for named in (etag, "*"):
        foreign = await house.ben.get(address, headers={"If-None-Match": named})
        nobody = await stranger.get(address, headers={"If-None-Match": named})
        if route.to_others == 404:
            assert (foreign.status_code, foreign.headers["cache-control"]) == (404, NOW)
        else:  # it has an answer of its own; that of /models is everybody's
            assert foreign.status_code == 304 or foreign.headers["etag"] != etag
        assert (nobody.status_code, nobody.headers["cache-control"]) == (401, NOW)
        assert "etag" not in nobody.headers


@pytest.mark.parametrize("route", ROUTES, ids=by_path)
async def test_head_has_the_headers_of_get(house: House, route: Line) -> None:
    address = house.address(route.path)
    get, head = await house.ann.get(address), await house.ann.head(address)
    known = await house.ann.head(address, headers={"If-None-Match": get.headers["etag"]})

    assert (head.status_code, head.content) == (200, b"")
    assert _lasting(head) == _lasting(get)
    assert (known.status_code, known.content) == (304, b"")


def _lasting(answer: httpx.Response) -> dict[str, str]:
    return {name: text for name, text in answer.headers.items() if name != "x-request-id"}


@pytest.mark.parametrize("path", NEVER_KEPT)
async def test_what_is_true_for_a_moment_is_kept_by_nobody(house: House, path: str) -> None:
    answer = await house.ann.get(house.address(path), headers={"If-None-Match": "*"})

    assert answer.is_success
    assert answer.headers["cache-control"] == NOW
    assert "etag" not in answer.headers


async def test_errors_and_answers_to_writing_are_kept_by_nobody(house: House) -> None:
    session = {"session_id": house.session_id}
    answers = [
        await house.ann.get("/nowhere"),
        await house.ann.get("/nowhere.js"),
        await house.ann.get("/status/unknown"),
        await house.ann.delete("/generate"),
        await house.ann.post("/generate", json={}),
        await house.ann.post("/generate", json={"story_text": WITH_MIRA, "stop_at": "scenes"}),
        await house.ann.post("/analyze", json={"story_text": WITH_MIRA}),
        await house.ann.post("/continue", json=session),
        await house.ann.post("/approve", json=session | {"approved_scenes": [0]}),
        await house.ann.patch(house.address("/sessions/{session_id}/bible"), json={"style": "woodcut"}),
        await house.ann.patch(house.address("/sessions/{session_id}/scenes/0"), json={"title": "The mill"}),
        await house.ann.delete(house.address("/sessions/{session_id}")),
    ]

    assert [answer.headers["cache-control"] for answer in answers] == [NOW] * len(answers)


async def test_a_download_is_a_file_to_keep(house: House) -> None:
    answer = await house.ann.post("/download", json={"session_id": house.session_id})

    assert answer.status_code == 200
    assert "cache-control" not in answer.headers


# --- Tags of what has versions


async def test_an_edit_answers_with_the_tag_that_reading_gives(house: House) -> None:
    scene = house.address("/sessions/{session_id}/scenes/0")

    written = await house.ann.patch(scene, json={"title": "The mill"})
    styled = await house.ann.patch(house.address("/sessions/{session_id}/bible"), json={"style": "woodcut"})

    for address, edit in ((scene, written), (f"/status/{house.session_id}", styled)):
        read = await house.ann.get(address, headers={"If-None-Match": edit.headers["etag"]})
        assert read.status_code == (304 if edit is styled else 200), "the scene is stale since the style has changed"


async def test_a_scene_is_sent_again_when_only_its_portrait_has_changed(house: House) -> None:
    scene = house.address("/sessions/{session_id}/scenes/0")
    first = await house.ann.get(scene)

    await house.ann.post(house.address("/sessions/{session_id}/anchors/Mira/redraw"), json={"seed": 5})
    await _settled(house)
    again = await house.ann.get(scene, headers={"If-None-Match": first.headers["etag"]})

    assert (first.json()["stale"], again.json()["stale"]) == (False, True)
    version = first.headers["etag"].partition("-")[0]
    assert again.headers["etag"].startswith(f"{version}-"), "the scene itself is as it was: an edit may go on"
    edit = await house.ann.patch(scene, json={"title": "The mill"}, headers={"If-Match": first.headers["etag"]})
    assert edit.status_code == 200


async def _settled(house: House) -> None:
    etag = ""
    while True:
        answer = await house.ann.get(f"/status/{house.session_id}?wait=20", headers={"If-None-Match": etag})
        if answer.status_code == 200 and answer.json()["status"] not in ("pending", "processing"):
            return
        etag = answer.headers["etag"]


# --- Pictures


async def test_a_signed_picture_is_the_same_for_every_key(house: House) -> None:
    address = house.address("/images/{session_id}/{file}")
    signed = await client_of(house.app).get(f"{address}?sig={house.signature}")

    assert (signed.status_code, signed.headers["cache-control"]) == (200, FOR_EVER)
    assert varies_with(signed) == {"Origin"}


async def test_a_part_of_a_picture_has_the_tag_of_the_whole(house: House) -> None:
    address = house.address("/images/{session_id}/{file}")
    whole = await house.ann.get(address)
    etag, then = whole.headers["etag"], whole.headers["last-modified"]

    async def part(**headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await house.ann.get(address, headers={"Range": "bytes=2-5"} | named)

    given = [await part(), await part(If_Range=etag), await part(If_Range=then)]
    refused = [await part(If_Range='"other"'), await part(If_Range=f"W/{etag}"), await part(If_Range="yesterday")]
    known = await part(If_None_Match=etag)

    for answer in given:
        assert (answer.status_code, answer.content) == (206, whole.content[2:6])
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (etag, FOR_EVER)
    assert [(answer.status_code, answer.content) for answer in refused] == [(200, whole.content)] * 3
    assert known.status_code == 304


# --- The page


async def ask_page(folder: Path, app: PageFiles | None = None, **headers: str) -> httpx.Response:
    """The file `page.js` of a page that lies there."""
    page = app or page_of(folder)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://test") as client:
        return await client.get("/page.js", headers={"Accept-Encoding": "identity"} | named)


def page_of(folder: Path) -> PageFiles:
    return PageFiles(Caching(StaticFiles(directory=folder)), directory=folder)


async def test_a_page_file_is_tagged_by_its_content_not_by_its_time(tmp_path: Path) -> None:
    file, page = tmp_path / "page.js", page_of(tmp_path)
    file.write_text("let a = 1;" * 200)
    first = await ask_page(tmp_path, page)
    os.utime(file, (1, 1))
    touched = await ask_page(tmp_path, page, If_None_Match=first.headers["etag"])
    exchanged = tmp_path / "new"
    exchanged.write_text("let b = 2;" * 200)
    os.utime(exchanged, (1, 1))
    exchanged.replace(file)

    changed = await ask_page(tmp_path, page, If_None_Match=first.headers["etag"])
    by_time = await ask_page(tmp_path, page, If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT")

    assert touched.status_code == 304
    assert (changed.status_code, changed.text) == (200, "let b = 2;" * 200)
    assert by_time.status_code == 200, "the time of a file says nothing about its content"


async def test_the_packed_file_has_a_tag_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text("let a = 1;" * 200)

    plain = await ask_page(tmp_path)
    packed = await ask_page(tmp_path, Accept_Encoding="gzip")
    etag = packed.headers["etag"]

    assert packed.headers["content-encoding"] == "gzip"
    assert plain.headers["etag"] != etag
    assert (await ask_page(tmp_path, Accept_Encoding="gzip", If_None_Match=etag)).status_code == 304
    assert (await ask_page(tmp_path, If_None_Match=etag)).status_code == 200, "who takes no gzip has not got this one"


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/words/../../secret.txt"])
async def test_no_tag_tells_of_a_file_outside_the_page(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Message) -> None:
        sent.append(message)

    async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body"})

    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    await PageFiles(nowhere, directory=folder)(scope, receive, keep)

    assert sent[0]["status"] == 404
    assert not [name for name, _ in sent[0]["headers"] if name == b"etag"]


# --- What is not whole


async def test_what_comes_in_pieces_is_passed_on_as_it_comes() -> None:
    sent: list[Message] = []
    seen: list[int] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (b"ab", b"cd"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            seen.append(len(sent))
        await send({"type": "http.response.body"})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    await Caching(stream)({"type": "http", "method": "GET", "path": "/any", "headers": []}, receive, keep)

    assert seen == [2, 3], "the head and the first piece, then each piece"
    assert b"etag" not in dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("known", "is_it"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b","a"', True),
        ("*", True),
        (" * ", True),
        ('"b"', False),
        ("a", False),
        ('"A"', False),
        ('"b, "a', False),
        ("", False),
        (None, False),
    ],
)
def test_tags_are_compared_weakly_in_lists(known: str | None, is_it: bool) -> None:
    assert is_known('"a"', known) is is_it


# --- A text is read once


class CountingPool(Threads):
    """Counts what is read apart, and waits with it until it may."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, function: Callable[..., Any], *arguments: object) -> Any:
        self.done.append(function.__name__)
        self.begun.set()
        await self.gate.wait()
        return await super().run(function, *arguments)


@pytest.fixture
def pool(studio: Studio) -> CountingPool:
    return CountingPool()


@pytest.fixture
async def reader(tmp_path: Path, studio: Studio, pool: CountingPool) -> AsyncIterator[httpx.AsyncClient]:
    """A service whose long stories are read in that pool."""
    opened = dataclasses.replace(studio, pool=pool)
    async with client_of(create_app(plain_settings(tmp_path / "other"), opened)) as client:
        yield client


LONG = story(7, 110)  # read in another process


async def analysis_of(client: httpx.AsyncClient, text: str = LONG, **more: Any) -> Json:
    answer = await client.post("/analyze", json={"story_text": text, **more})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_a_text_is_read_once_by_analyze_upload_and_generate(
    reader: httpx.AsyncClient, pool: CountingPool
) -> None:
    first = await analysis_of(reader)
    again = await analysis_of(reader, title="Another title", media_type="cartoon")
    uploaded = await reader.post("/upload", files={"file": ("story.txt", LONG.encode())})
    begun = await reader.post("/generate", json={"story_text": LONG, "stop_at": "scenes"})

    assert len(LONG) > 30_000
    assert pool.done.count("read_story") == 1
    assert first == again
    assert uploaded.json()["analysis"] == first["analysis"]
    state = (await reader.get(f"/status/{begun.json()['session_id']}")).json()
    assert state["analysis"] == first["analysis"]


async def test_another_text_or_number_of_scenes_is_read_again(reader: httpx.AsyncClient, pool: CountingPool) -> None:
    answers = [
        await analysis_of(reader),
        await analysis_of(reader, num_scenes=3),
        await analysis_of(reader, LONG + " The end."),
    ]

    assert pool.done.count("read_story") == 3
    assert answers[1]["num_scenes"] == 3
    assert answers[2]["analysis"]["words"] == answers[0]["analysis"]["words"] + 2


async def test_of_many_who_ask_at_once_one_reads(reader: httpx.AsyncClient, pool: CountingPool) -> None:
    pool.gate.clear()
    asking = [asyncio.create_task(analysis_of(reader)) for _ in range(8)]
    await pool.begun.wait()
    pool.gate.set()
    answers = await asyncio.gather(*asking)

    assert pool.done.count("read_story") == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_refused_text_is_refused_again(reader: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await reader.post("/analyze", json={"story_text": "A short story.", "num_scenes": 40})
        assert answer.status_code == 422


def reading_of(number: int) -> StoryReading:
    return read_story(story(number, 2), 2, 50)


def test_what_has_not_been_asked_for_longest_goes_first() -> None:
    kept = Readings(most=2)
    for number in (1, 2):
        kept.put((number,), reading_of(number))
    kept.get((1,))
    kept.put((3,), reading_of(3))

    assert [kept.get((number,)) is not None for number in (1, 2, 3)] == [True, False, True]
    assert len(kept) == 2


def test_what_is_kept_is_bounded_by_its_size_too() -> None:
    size = len(repr(reading_of(1)))
    kept = Readings(most_chars=3 * size)
    for number in range(20):
        kept.put((number,), reading_of(1))
        kept.put((number,), reading_of(1))

    assert (len(kept), kept.chars) == (3, 3 * size)
    Readings(most_chars=size - 1).put((1,), reading_of(1))  # larger than all there may be: not kept
    small = Readings(most_chars=size - 1)
    small.put((1,), reading_of(1))
    assert (len(small), small.chars) == (0, 0)


def test_a_reading_cannot_be_changed_by_those_who_share_it() -> None:
    reading = reading_of(1)

    hash(reading)  # all the way down: tuples, strings, numbers and frozen models
    with pytest.raises(ValueError, match="frozen"):
        reading.analysis.words = 7  # type: ignore[misc]


# --- OpenRouter's response cache


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=5_000) as opened:
        yield opened


@pytest.fixture
async def writer(fake: FakeProviders, events: list[Event]) -> AsyncIterator[OpenRouterClient]:
    """A client beside the fake OpenRouter, which keeps what it was asked with `X-OpenRouter-Cache`."""
    fake.reset()
    address = fake.env()["OPENROUTER_BASE_URL"]
    model = "google/gemini-3.1-flash-lite"
    client = OpenRouterClient(api_key=TEXT_KEY, base_url=address, default_model=model, observe=events.append)
    yield client
    await client.aclose()


@pytest.fixture
def events() -> list[Event]:
    return []


class Purse:
    """What is paid for."""

    def __init__(self) -> None:
        self.costs: list[float | None] = []

    async def before_call(self, worst_usd: float | None) -> str:
        return "charge"

    async def after_call(self, charge: str, cost_usd: float | None) -> None:
        self.costs.append(cost_usd)


def question(**changes: Any) -> TextRequest:
    """What a scene shows, asked of a model."""
    settings = GenerationSettings(
        text_model="google/gemini-3.1-flash-lite", image_model="runware:400@2", draft_image_model="draft:paper-cut"
    )
    bible = StoryBible(title="The paper boat", style="Ink and watercolour.")
    asked = {"seed": 1, "softened": False} | {name: changes.pop(name) for name in set(changes) & {"seed", "softened"}}
    return dataclasses.replace(scene_request(bible, STORY, SceneFacts(), settings, 1_900, **asked), **changes)


async def test_the_same_question_again_is_the_same_bytes_and_costs_nothing(
    writer: OpenRouterClient, fake: FakeProviders, events: list[Event]
) -> None:
    purse, metrics = Purse(), Metrics()
    first = await writer.answer(question(), purse)
    again = await writer.answer(question(), purse)
    for event in events:
        metrics.observe(event)

    counts = fake.counts()
    assert again.content == first.content
    assert (counts["text_paid"], counts["text_cache_hits"], counts["violations"]) == (1, 1, [])
    assert purse.costs == [pytest.approx(counts["usd"]["openrouter"]), 0.0]
    assert [event.cached for event in events if isinstance(event, ProviderCall)] == [False, True]
    shown = metrics.render().decode()
    assert 'story_text_cache_hits_total{model="google/gemini-3.1-flash-lite"} 1.0' in shown
    assert f'direction="input",model="google/gemini-3.1-flash-lite"}} {counts["tokens"]["input"]}.0' in shown


async def test_a_question_that_must_have_another_answer_is_another_one(
    writer: OpenRouterClient, fake: FakeProviders
) -> None:
    purse = Purse()
    for asked in (question(), question(softened=True), question(seed=2), question(model="openai/gpt-6-luna")):
        await writer.answer(asked, purse)

    assert (fake.counts()["text_paid"], fake.counts()["text_cache_hits"]) == (4, 0)


async def test_a_question_whose_answer_was_of_no_use_is_asked_past_the_cache(
    writer: OpenRouterClient, fake: FakeProviders
) -> None:
    purse = Purse()
    await writer.answer(question(), purse)
    await writer.answer(question(fresh=True), purse)

    assert (fake.counts()["text_paid"], fake.counts()["text_cache_hits"]) == (2, 0)
    assert question_key(question(fresh=True)) == question_key(question()), "it is the same question"
