"""A crash is reported once to whom `ERROR_DSN` names, by its ids, without a word of a story, a key or an address."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from adapters.error_tracking import ErrorTracker
from adapters.metrics import Metrics
from config import VERSION, Settings
from main import create_app
from models import ModelView, ServiceState
from tests.conftest import FlatPainter, client_of, finished, idle, open_small_studio, plain_settings
from tests.receivers import CrashDesk
from tests.test_metrics import read, value

MARK = "Xyzzyra"
KEY = "a-key-of-ann-that-nobody-may-see"
STORY = f"{MARK} walked to the sea, and the sea had gone out. She sat down in the sand and waited for it."


class Crashing:
    """A collaborator that breaks with the story in its hands, and with the key in the words of what broke first."""

    def __getattr__(self, name: str) -> Any:
        def crash(*given: object, **named: object) -> NoReturn:
            local_words = f"{given} {named} {STORY}"
            try:
                raise KeyError(f"Bearer {KEY}")
            except KeyError as first:
                first.add_note(STORY)
                raise RuntimeError(f"{local_words} at /images/x.jpg?sig={KEY}") from first

        return crash


class CrashingProvider:
    """A provider nobody can ask how it is."""

    def health(self) -> tuple[ServiceState, str]:
        raise RuntimeError(f"{STORY} {KEY}")

    def models(self) -> list[ModelView]:
        return []


@pytest.fixture
def desk() -> Iterator[CrashDesk]:
    with CrashDesk() as receiver:
        yield receiver


@asynccontextmanager
async def crashing_service(settings: Settings, metrics: Metrics, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The service with collaborators that crash; what is queued for the desk is sent at its end."""
    async with AsyncExitStack() as stack:
        assert settings.error_dsn is not None
        tracker = ErrorTracker(settings.error_dsn, version=VERSION, environment=settings.environment)
        stack.push_async_callback(tracker.aclose)
        studio = await stack.enter_async_context(
            open_small_studio(settings, FlatPainter(), metrics, tracker.report, **changes)
        )
        app = create_app(settings, studio, metrics)
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield await stack.enter_async_context(client_of(app, **{"X-API-Key": KEY}))


def settings_for(folder: Path, dsn: str) -> Settings:
    return plain_settings(folder / "projects", error_dsn=dsn, environment="staging", api_keys=f"ann:{KEY}")


async def test_a_crash_in_a_request_is_one_event_with_its_ids(desk: CrashDesk, tmp_path: Path) -> None:
    providers = {"openrouter": CrashingProvider()}
    async with crashing_service(settings_for(tmp_path, desk.dsn), Metrics(), providers=providers) as client:
        answer = await client.get("/health", params={"token": KEY, "sig": KEY, MARK: MARK})

    assert answer.status_code == 500
    assert len(desk.bodies) == 1
    [event] = desk.events()
    assert event["tags"]["request_id"] == answer.headers["x-request-id"]
    assert (event["tags"]["route"], event["tags"]["method"]) == ("/health", "GET")
    assert (event["release"], event["environment"]) == (VERSION, "staging")
    assert [broken["type"] for broken in event["exception"]["values"]] == ["RuntimeError"]
    assert event["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "health"


async def test_a_crash_in_a_run_is_one_event_with_its_session(desk: CrashDesk, tmp_path: Path) -> None:
    async with crashing_service(settings_for(tmp_path, desk.dsn), Metrics(), rules=Crashing()) as client:
        accepted = await client.post("/generate", json={"story_text": STORY, "num_scenes": 1})
        state = await finished(client, accepted.json()["session_id"])
        await idle()

    assert state["status"] == "failed"
    assert len(desk.bodies) == 1
    [event] = desk.events()
    assert event["tags"]["session_id"] == state["session_id"]
    assert event["tags"]["request_id"] == accepted.headers["x-request-id"]
    assert event["tags"]["where"] == "run"
    assert [broken["type"] for broken in event["exception"]["values"]] == ["KeyError", "RuntimeError"]


async def test_neither_story_nor_key_nor_address_is_reported(desk: CrashDesk, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, desk.dsn)
    changes = {"rules": Crashing(), "documents": Crashing()}
    async with crashing_service(settings, Metrics(), **changes) as client:
        accepted = await client.post("/generate", json={"story_text": STORY, "num_scenes": 1, "title": MARK})
        await finished(client, accepted.json()["session_id"])
        upload = await client.post("/upload", files={"file": (f"{MARK}.txt", STORY.encode())}, params={"sig": KEY})

    assert upload.status_code == 500
    assert len(desk.events()) == 2
    for secret in (MARK, KEY, "sig=", "walked to the sea", "local_words", str(tmp_path)):
        assert secret.encode() not in desk.everything, secret


async def test_crashes_are_counted_by_where_they_were(tmp_path: Path, desk: CrashDesk) -> None:
    metrics = Metrics()
    providers = {"openrouter": CrashingProvider()}
    async with crashing_service(settings_for(tmp_path, desk.dsn), metrics, providers=providers) as client:
        await client.get("/health")
        await client.get("/health/live")

    samples = read(metrics.render().decode())
    assert value(samples, "story_crashes_total", where="request") == 1
    assert value(samples, "story_crashes_total", where="run") == 0


async def test_a_refusal_is_no_crash(desk: CrashDesk, tmp_path: Path) -> None:
    async with crashing_service(settings_for(tmp_path, desk.dsn), Metrics()) as client:
        answers = [await client.get("/status/none"), await client.post("/generate", json={"story_text": "short"})]

    assert [answer.status_code for answer in answers] == [404, 422]
    assert desk.bodies == []


@pytest.mark.parametrize("silent", [False, True], ids=["nobody listens", "nobody answers"])
async def test_a_host_that_is_gone_changes_no_answer_and_holds_up_no_stop(tmp_path: Path, silent: bool) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if silent:
            deaf.listen(64)
        dsn = f"http://key@127.0.0.1:{deaf.getsockname()[1]}/7"
        providers = {"openrouter": CrashingProvider()}
        async with crashing_service(settings_for(tmp_path, dsn), Metrics(), providers=providers) as client:
            answers = [await client.get("/health") for _ in range(200)]  # more than the queue takes
            alive = await client.get("/health/live")

    assert {answer.status_code for answer in answers} == {500}
    assert alive.status_code == 204
