"""The calls of the interface, as a client sees them."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.types import Message, Receive, Scope, Send

from adapters.metrics import Metrics
from adapters.middleware import BodyLimit, Crashes
from business_logic import Studio
from main import STATUS, TITLES, create_app, status_of
from models import StorageUnavailable, StoryError
from tests.conftest import STORY, FlatPainter, Json, client_of, draw, finished, open_small_studio, plain_settings

PROBLEM = "application/problem+json"
UNKNOWN = "0" * 32


def families(root: type[StoryError]) -> Iterator[type[StoryError]]:
    for child in root.__subclasses__():
        yield child
        yield from families(child)


# --- Errors


@pytest.mark.parametrize("kind", [StoryError, *families(StoryError)], ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_a_title_and_a_code(kind: type[StoryError]) -> None:
    status = status_of(kind())

    assert status in TITLES
    assert kind.code
    assert kind is StoryError or status != 500, "an error on purpose is not a crash"
    assert set(STATUS) <= {StoryError, *families(StoryError)}


async def test_a_crash_is_a_problem_with_its_request_id_and_nothing_else(app: FastAPI) -> None:
    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("zqxmark")

    async with client_of(app, origin="https://stories.example") as client:
        answer = await client.get("/boom", headers={"X-Request-ID": "given-by-me"})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "given-by-me"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "zqxmark" not in answer.text


async def test_a_stream_that_outlives_its_reader_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ExceptionGroup("of FastAPI's task group", [anyio.BrokenResourceError()])

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nothing is answered twice")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        assert message["type"] == "http.response.start"

    def report(error: BaseException, about: Mapping[str, str]) -> None:
        raise AssertionError("nobody is told")

    await Crashes(stream, answer=answer, report=report)(
        {"type": "http", "method": "GET", "path": "/events/1"}, receive, send
    )

    assert "crashed" not in caplog.text


@pytest.mark.parametrize("given", ["short", "a" * 65, "with space", "<script>alert(1)</script>", "ümlaut-id"])
async def test_a_request_id_that_is_not_one_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers={b"X-Request-ID": given.encode()})

    assert len(answer.headers["x-request-id"]) == 32


async def test_storage_that_takes_no_writes_is_503(settings: Any, painter: FlatPainter) -> None:
    class Full:
        def __getattr__(self, name: str) -> Any:
            async def refuse(*_: object, **__: object) -> None:
                raise StorageUnavailable

            return refuse

    async with open_small_studio(settings, painter, Metrics()) as studio:
        full = dataclasses.replace(studio, store=Full())
        async with client_of(create_app(settings, full)) as client:
            refused = await client.post("/generate", json={"story_text": STORY})
            unready = await client.get("/health/ready")
            alive = await client.get("/health/live")

    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (
        503,
        "storage_unavailable",
        True,
    )
    assert int(refused.headers["retry-after"]) >= 1
    assert (unready.status_code, alive.status_code) == (503, 204)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/generate", "POST"),
        ("POST", "/status/x", "GET, HEAD"),
        ("POST", "/events/x", "GET"),
        ("PUT", "/sessions/x/scenes/0", "GET, HEAD, PATCH"),
        ("GET", "/sessions/x", "DELETE"),
        ("POST", "/index.html", "GET, HEAD"),
        ("OPTIONS", "/download", "POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == "method_not_allowed"


async def test_a_body_that_drips_is_cut_off() -> None:
    answered: list[str] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        try:
            await receive()
        except Exception as error:
            answered.append(str(error))

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None: ...

    scope = {"type": "http", "method": "POST", "headers": []}
    await BodyLimit(app, max_bytes=10, seconds=0.01)(scope, never, send)

    assert answered == ["408: Request Timeout"]


async def test_a_body_that_does_not_say_its_length_is_counted(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 50_000

    answer = await client.post("/generate", content=pieces(), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


# --- A session


async def test_a_story_becomes_pictures_a_project_and_a_zip(client: httpx.AsyncClient) -> None:
    accepted = await client.post("/generate", json={"story_text": STORY, "num_scenes": 3})
    session_id = accepted.json()["session_id"]
    state = await finished(client, session_id)
    picture = await client.get(state["scenes"][1]["image_url"])
    approved = await client.post("/approve", json={"session_id": session_id, "approved_scenes": [2, 0, 0]})
    by_json = await client.post("/download", json={"session_id": session_id})
    by_form = await client.post("/download", data={"session_id": session_id, "format": "zip"})

    assert accepted.json() == {
        "session_id": session_id,
        "status": "processing",
        "message": "The story is accepted.",
    }
    assert accepted.headers["location"] == f"/status/{session_id}"
    assert state["status"] == "completed"
    assert "".join(STORY[scene["start"] : scene["end"]] for scene in state["scenes"]).split() == STORY.split()
    assert Image.open(io.BytesIO(picture.content)).size == (32, 18)
    assert approved.json()["approved_scenes"] == [0, 2]
    assert by_json.headers["content-type"] == "application/zip"
    assert by_json.headers["content-disposition"].startswith('attachment; filename="')
    names = zipfile.ZipFile(io.BytesIO(by_form.content)).namelist()
    assert sum(name.endswith(".jpg") for name in names) == 2
    assert by_json.content == by_form.content


async def test_status_has_every_documented_field(client: httpx.AsyncClient) -> None:
    state = (await client.get(f"/status/{await draw(client)}")).json()

    assert set(state) == {
        *("session_id", "title", "status", "progress", "analysis", "story_bible", "scenes", "cost_usd"),
        *("max_cost_usd", "offline", "error", "created_at", "updated_at", "consistency", "anchors", "settings"),
    }
    assert set(state["progress"]) == {"current_step", "total_steps", "percent", "description"}
    assert set(state["scenes"][0]) == {
        *("scene_id", "scene_number", "title", "description", "excerpt", "start", "end", "characters", "location"),
        *("time_of_day", "image_prompt", "prompt_source", "status", "stale", "redraw_cost_usd", "image_url"),
        *("image_path", "width", "height", "seed", "model", "cost_usd", "attempts", "approved", "error"),
        *("references", "checks", "unchecked"),
    }


@pytest.mark.parametrize("query", ["", "?wait=20"])
async def test_an_unchanged_session_is_304_also_when_it_has_ended(client: httpx.AsyncClient, query: str) -> None:
    session_id = await draw(client)
    etag = (await client.get(f"/status/{session_id}")).headers["etag"]

    for known in (etag, f"W/{etag}", f'"1", {etag}'):
        answer = await client.get(f"/status/{session_id}{query}", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    for other in ('"1"', "nonsense", ""):
        answer = await client.get(f"/status/{session_id}{query}", headers={"If-None-Match": other})
        assert answer.status_code == 200


async def test_waiting_answers_at_the_next_change(client: httpx.AsyncClient, painter: FlatPainter) -> None:
    painter.gate.clear()
    accepted = await client.post("/generate", json={"story_text": STORY, "num_scenes": 1})
    path = accepted.headers["location"]
    etag = await settled_etag(client, path)

    waiting = asyncio.create_task(client.get(f"{path}?wait=30", headers={"If-None-Match": etag}))
    await asyncio.sleep(0)
    painter.gate.set()
    answer = await waiting

    assert answer.status_code == 200
    assert answer.headers["etag"] != etag


async def test_waiting_in_vain_ends_in_304(client: httpx.AsyncClient, painter: FlatPainter) -> None:
    painter.gate.clear()
    accepted = await client.post("/generate", json={"story_text": STORY, "num_scenes": 1})
    path = accepted.headers["location"]
    etag = await settled_etag(client, path)

    answer = await client.get(f"{path}?wait=0.05", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.headers["etag"]) == (304, etag)


async def settled_etag(client: httpx.AsyncClient, path: str) -> str:
    """The ETag of a session whose scene is being drawn and stays so."""
    while True:
        answer = await client.get(path)
        if answer.json()["scenes"][0]["status"] == "drawing":
            etag: str = answer.headers["etag"]
            return etag
        await asyncio.sleep(0)


async def test_events_tell_every_scene_and_the_end_and_resume(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    last = (await client.get(f"/status/{session_id}")).headers["etag"].strip('"').partition("-")[0]

    whole = await client.get(f"/events/{session_id}")
    resumed = await client.get(f"/events/{session_id}", headers={"Last-Event-ID": last})

    assert whole.headers["content-type"].startswith("text/event-stream")
    assert whole.headers["x-accel-buffering"] == "no"
    assert whole.text.count("event: scene") == 3
    assert whole.text.count("event: done") == resumed.text.count("event: done") == 1
    assert f"id: {last}" in whole.text
    assert "event: scene" not in resumed.text
    assert (await client.get(f"/events/{UNKNOWN}")).status_code == 404


@pytest.mark.parametrize("key", ["k", "K" * 255, "ключ".encode().decode("latin-1")])
async def test_the_same_key_gives_the_same_session(client: httpx.AsyncClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    first = await client.post("/generate", json={"story_text": STORY}, headers=headers)
    again = await client.post("/generate", json={"story_text": STORY}, headers=headers)
    other = await client.post("/generate", json={"story_text": STORY + " The end."}, headers=headers)

    assert first.status_code == again.status_code == 202
    assert first.json()["session_id"] == again.json()["session_id"]
    assert again.headers["location"] == first.headers["location"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_an_edit_is_guarded_by_the_etag_that_was_read(client: httpx.AsyncClient) -> None:
    path = f"/sessions/{await draw(client)}/scenes/0"
    read = await client.get(path)

    edited = await client.patch(path, json={"title": "The boat"}, headers={"If-Match": read.headers["etag"]})
    stale = await client.patch(path, json={"title": "A boat"}, headers={"If-Match": read.headers["etag"]})
    anyway = await client.patch(path, json={"title": "A ship"}, headers={"If-Match": "*"})

    assert (edited.status_code, edited.json()["title"]) == (200, "The boat")
    assert edited.headers["etag"] != read.headers["etag"]
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert anyway.json()["title"] == "A ship"


async def test_a_download_before_its_time_says_when_to_come_back(
    client: httpx.AsyncClient, painter: FlatPainter
) -> None:
    painter.gate.clear()
    session_id = (await client.post("/generate", json={"story_text": STORY})).json()["session_id"]

    answer = await client.post("/download", json={"session_id": session_id})

    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert int(answer.headers["retry-after"]) >= 1


async def test_cancel_regenerate_continue_and_delete(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    again = await client.post("/regenerate", json={"session_id": session_id, "scene_number": 1})
    state = await finished(client, session_id)
    detail = (await client.get(f"/sessions/{session_id}/scenes/1")).json()
    calls = [await client.post(f"/{name}", json={"session_id": session_id}) for name in ("continue", "cancel")]
    deleted = await client.delete(f"/sessions/{session_id}")

    assert again.status_code == 202
    assert state["status"] == "completed"
    assert [version["version"] for version in detail["versions"]] == [1, 2]
    assert [call.status_code for call in calls] == [202, 202]
    assert {call.headers["location"] for call in [again, *calls]} == {f"/status/{session_id}"}
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await client.get(f"/status/{session_id}")).status_code == 404


async def test_projects_come_newest_first_a_page_at_a_time(client: httpx.AsyncClient) -> None:
    ids = [await draw(client, num_scenes=1) for _ in range(3)]
    for session_id in ids:
        await client.post("/approve", json={"session_id": session_id, "approved_scenes": [0]})

    first = (await client.get("/projects?limit=2")).json()
    rest = (await client.get("/projects", params={"limit": 2, "after": first["next"]})).json()

    listed = [project["project_id"] for project in first["projects"] + rest["projects"]]
    assert listed == ids[::-1]
    assert rest["next"] is None
    assert (await client.get(f"/projects/{ids[0]}")).json()["scenes"][0]["approved"]


async def test_a_refusal_names_every_field_of_ours(client: httpx.AsyncClient) -> None:
    scene = f"/sessions/{await draw(client)}/scenes/0"

    answers = [
        await client.post(f"{scene}/move", json={"to": "last"}),
        await client.post(f"{scene}/split", json={"at": "half"}),
        await client.patch(scene.replace("scenes/0", "bible"), json={"characters": [{"name": 5, "mine": 1}]}),
    ]

    where = [error["loc"] for answer in answers for error in answer.json()["errors"]]
    assert where == ["body.to", "body.at", "body.characters.0.name", "body.characters.0.?"]


# --- Pictures


async def test_a_picture_is_kept_for_ever_by_whoever_has_its_address(client: httpx.AsyncClient) -> None:
    state = await finished(client, await draw(client))
    url = state["scenes"][0]["image_url"]

    answer = await client.get(url)
    again = await client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    part = await client.get(url, headers={"Range": "bytes=0-1"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert (again.status_code, again.content) == (304, b"")
    assert (part.status_code, part.content) == (206, b"\xff\xd8")
    forged = url[:-1] + ("0" if url[-1] != "0" else "1")
    assert (await client.get(forged)).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "length"),
    [
        ("bytes=0-1", 206, 2),
        ("bytes=-2", 206, 2),
        ("bytes=9999999-", 200, None),
        ("bytes=-9999999", 200, None),
        ("bytes=5-1", 200, None),
        ("bytes=0-1,3-4", 200, None),
        ("bytes=x", 200, None),
        ("lines=0-1", 200, None),
        ("", 200, None),
        ("\u0663", 200, None),
    ],
)
async def test_a_part_of_a_picture_that_cannot_be_given_is_the_whole(
    client: httpx.AsyncClient, asked: str, status: int, length: int | None
) -> None:
    state = await finished(client, await draw(client, num_scenes=1))
    url = state["scenes"][0]["image_url"]
    whole = await client.get(url)

    part = await client.get(url, headers={b"Range": asked.encode()})

    assert (part.status_code, part.headers["content-type"]) == (status, "image/jpeg")
    assert len(part.content) == (len(whole.content) if length is None else length)


# --- HEAD and the page


async def test_head_is_get_without_the_body(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    state = (await client.get(f"/status/{session_id}")).json()

    for path in (f"/status/{session_id}", state["scenes"][0]["image_url"], "/health", "/projects", "/", "/page.js"):
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
    assert (await client.head("/generate")).status_code == 405
    assert (await client.head(f"/events/{session_id}")).status_code == 405


async def test_the_page_is_compressed_cached_and_strict(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/page.js", headers={"Accept-Encoding": "identity"})
    again = await client.get("/page.js", headers={"If-None-Match": plain.headers["etag"]})

    assert page.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert page.headers["cache-control"] == "no-cache"
    assert again.status_code == 304
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert "<script>" not in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize("part", ["bytes=0-10", "bytes=99999999-", "words", ""])
async def test_a_part_of_a_page_file_is_answered_with_the_whole(client: httpx.AsyncClient, part: str) -> None:
    whole = await client.get("/style.css")
    answer = await client.get("/style.css", headers={"Range": part})

    assert (answer.status_code, answer.content) == (200, whole.content)


async def test_every_answer_is_safe_to_open_in_a_browser(client: httpx.AsyncClient) -> None:
    for path in ("/", "/health", "/nowhere", "/docs", "/metrics", f"/status/{UNKNOWN}"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


# --- Who may


@pytest.fixture
async def two(tmp_path: Path, painter: FlatPainter) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two people with keys, on one service."""
    chosen = plain_settings(tmp_path / "projects", api_keys="ann:key-of-ann,ben:key-of-ben")
    async with open_small_studio(chosen, painter, Metrics()) as studio:
        app = create_app(chosen, studio)
        async with (
            client_of(app, **{"X-API-Key": "key-of-ann"}) as ann,
            client_of(app, Authorization="bearer key-of-ben") as ben,
        ):
            yield ann, ben


async def test_a_foreign_session_is_as_unknown_as_one_that_never_was(
    two: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    ann, ben = two
    session_id = await draw(ann)
    image = (await ann.get(f"/status/{session_id}")).json()["scenes"][0]["image_url"]

    async def ask(method: str, path: str, body: Json | None = None) -> list[Json]:
        answers = []
        for wanted in (session_id, UNKNOWN):
            sent = json.loads(json.dumps(body).replace("ID", wanted)) if body else None
            answer = await ben.request(method, path.replace("ID", wanted), json=sent)
            assert answer.status_code == 404
            answers.append({k: v for k, v in answer.json().items() if k != "request_id"})
        return answers

    for method, path, body in (
        ("GET", "/status/ID", None),
        ("GET", "/events/ID", None),
        ("GET", "/sessions/ID/scenes/0", None),
        ("PATCH", "/sessions/ID/scenes/0", {"title": "mine"}),
        ("DELETE", "/sessions/ID", None),
        ("GET", "/projects/ID", None),
        ("GET", image.partition("?")[0].replace(session_id, "ID"), None),
        ("POST", "/cancel", {"session_id": "ID"}),
        ("POST", "/continue", {"session_id": "ID"}),
        ("POST", "/download", {"session_id": "ID"}),
        ("POST", "/approve", {"session_id": "ID", "approved_scenes": [0]}),
        ("POST", "/regenerate", {"session_id": "ID", "scene_number": 0}),
    ):
        foreign, unknown = await ask(method, path, body)
        assert foreign == unknown, path
    assert (await ben.get("/projects")).json()["projects"] == []
    assert (await ann.get(f"/status/{session_id}")).status_code == 200
    assert (await client_of_nobody(ann).get(image)).status_code == 200, "an <img> cannot send a key"


def client_of_nobody(known: httpx.AsyncClient) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=known._transport, base_url="http://test")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic key-of-ann"},
        {"X-API-Key": ""},
    ],
    ids=["none", "wrong", "wrong bearer", "not a bearer", "empty"],
)
async def test_without_a_key_there_is_nothing_but_health(
    two: tuple[httpx.AsyncClient, httpx.AsyncClient], headers: dict[str, str]
) -> None:
    stranger = client_of_nobody(two[0])

    for method, path in (
        ("GET", f"/status/{UNKNOWN}"),
        ("POST", "/generate"),
        ("GET", "/projects"),
        ("GET", "/models"),
    ):
        answer = await stranger.request(method, path, headers=headers, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert (await stranger.get("/health")).status_code == 200


async def test_work_is_rationed_and_reading_is_not(tmp_path: Path, studio: Studio) -> None:
    chosen = plain_settings(tmp_path / "other").model_copy(update={"rate_limit": "2/hour"})
    async with client_of(create_app(chosen, studio)) as client:
        answers = [await client.post("/analyze", json={"story_text": STORY}) for _ in range(3)]
        reads = [await client.get("/health") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "rate_limited"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 3600
    assert {read.status_code for read in reads} == {200}


async def test_a_full_service_says_when_to_come_back(tmp_path: Path, painter: FlatPainter) -> None:
    chosen = plain_settings(tmp_path / "projects", max_sessions=1)
    painter.gate.clear()
    async with open_small_studio(chosen, painter, Metrics()) as studio, client_of(create_app(chosen, studio)) as client:
        first = await client.post("/generate", json={"story_text": STORY})
        second = await client.post("/generate", json={"story_text": STORY})

    assert first.status_code == 202
    assert (second.status_code, second.json()["code"]) == (429, "service_full")
    assert int(second.headers["retry-after"]) >= 1


@pytest.mark.parametrize("words", ["   ", "\n\t\n", "a\u0000b", "a dragon\u202e", "\u001b[31mred"], ids=ascii)
@pytest.mark.parametrize("field", ["title", "image_prompt"])
async def test_words_are_words(client: httpx.AsyncClient, field: str, words: str) -> None:
    session_id = await draw(client)

    answer = await client.patch(f"/sessions/{session_id}/scenes/0", json={field: words})

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


async def test_any_etag_of_a_list_may_match(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    etag = (await client.get(f"/status/{session_id}")).headers["etag"]

    answer = await client.get(f"/status/{session_id}", headers={"If-None-Match": f'{etag}, "999999"'})

    assert answer.status_code == 304


async def test_a_weak_etag_does_not_guard_an_edit(client: httpx.AsyncClient) -> None:
    scene = f"/sessions/{await draw(client)}/scenes/0"
    etag = (await client.get(scene)).headers["etag"]

    answer = await client.patch(scene, json={"title": "New"}, headers={"If-Match": f"W/{etag}"})

    assert answer.status_code == 412
