"""Development, staging and production: what is open, what other origins may, what the log says and what it keeps."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.logs import set_up_logs
from adapters.metrics import Metrics
from business_logic import Studio
from config import Settings
from main import create_app
from tests.conftest import STORY, FlatPainter, Json, client_of, draw, finished, idle, open_small_studio, plain_settings

ROOT = Path(__file__).resolve().parent.parent
LISTED, UNLISTED = "https://stories.example", "https://elsewhere.example"
MARK = "zqxmark"
KEYS: Json = {
    "api_keys": f"ann:{MARK}-key-of-ann",
    "admin_api_key": f"{MARK}-admin",
    "signing_key": f"{MARK}-signing",
    "openrouter_api_key": f"{MARK}-openrouter",
    "runware_api_key": f"{MARK}-runware",
}


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Gives the log back to pytest afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


def production(folder: Path, **changes: Any) -> Settings:
    return plain_settings(folder, **{"environment": "production", "cors_origins": LISTED} | KEYS | changes)


# --- Debugging


@pytest.mark.parametrize("path", ["/debug/sessions", "/debug/config"])
async def test_debugging_is_open_in_development(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/debug/sessions", "/debug/config"])
@pytest.mark.parametrize("environment", ["staging", "production"])
async def test_elsewhere_debugging_needs_the_admin_key(
    tmp_path: Path, studio: Studio, environment: str, path: str
) -> None:
    chosen = production(tmp_path, environment=environment)
    async with client_of(create_app(chosen, studio)) as client:
        nobody = await client.get(path)
        nowhere = await client.get("/debug/nothing")
        wrong = await client.get(path, headers={"X-API-Key": f"{MARK}-key-of-ann"})
        admin = await client.get(path, headers={"X-API-Key": f"{MARK}-admin"})
        bearer = await client.get(path, headers={"Authorization": f"Bearer {MARK}-admin"})

    assert [answer.status_code for answer in (nobody, nowhere, wrong, admin, bearer)] == [404, 404, 404, 200, 200]
    assert without_id(nobody) == without_id(nowhere) == without_id(wrong)


async def test_without_an_admin_key_there_is_no_way_in(tmp_path: Path, studio: Studio) -> None:
    async with client_of(create_app(production(tmp_path, admin_api_key=None), studio)) as client:
        for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "None"}, {"Authorization": "Bearer "}):
            assert (await client.get("/debug/config", headers=headers)).status_code == 404


def without_id(answer: httpx.Response) -> Json:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


async def test_sessions_are_listed_without_their_stories(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)

    listed = (await client.get("/debug/sessions")).json()

    assert listed["count"] == 1
    assert (listed["sessions"][0]["session_id"], listed["sessions"][0]["ready"]) == (session_id, 3)
    assert "Mira" not in json.dumps(listed)


# --- Other origins


@pytest.fixture
async def from_page(tmp_path: Path, studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    chosen = plain_settings(tmp_path / "other", cors_origins=LISTED)
    async with client_of(create_app(chosen, studio), origin=LISTED) as client:
        yield client


async def test_a_page_on_a_listed_origin_can_generate_and_poll(from_page: httpx.AsyncClient) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-api-key, idempotency-key, if-none-match",
    }
    preflight = await from_page.options("/generate", headers=asked)
    accepted = await from_page.post("/generate", json={"story_text": STORY}, headers={"Idempotency-Key": "page"})
    status = await from_page.get(accepted.headers["location"])
    unchanged = await from_page.get(accepted.headers["location"], headers={"If-None-Match": '"1"'})

    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("content-type", "x-api-key", "idempotency-key", "if-none-match"))
    for answer in (preflight, accepted, status, unchanged):
        assert answer.headers["access-control-allow-origin"] == LISTED
        assert "access-control-allow-credentials" not in answer.headers
    exposed = {name.strip().lower() for name in status.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"etag", "location", "retry-after", "x-request-id"}
    assert "origin" in status.headers["vary"].lower()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_every_method_of_the_interface_passes_a_preflight(from_page: httpx.AsyncClient, method: str) -> None:
    answer = await from_page.options("/generate", headers={"Access-Control-Request-Method": method})

    assert answer.status_code == 200
    assert method in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    "origin", [UNLISTED, "null", LISTED + ".evil.example", "http://stories.example", LISTED + ":8443"]
)
async def test_a_page_on_an_unlisted_origin_cannot(from_page: httpx.AsyncClient, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = await from_page.options("/generate", headers=headers)
    read = await from_page.get("/health", headers={"Origin": origin})

    assert (preflight.status_code, preflight.json()["code"]) == (400, "cors_refused")
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in read.headers
    assert origin not in preflight.text


async def test_errors_too_can_be_read_by_a_listed_page(from_page: httpx.AsyncClient) -> None:
    for answer in (
        await from_page.get("/nowhere"),
        await from_page.post("/generate", json={}),
        await from_page.delete("/generate"),
    ):
        assert answer.headers["access-control-allow-origin"] == LISTED


async def test_any_origin_by_default_but_never_with_cookies(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health", headers={"Origin": UNLISTED, "Cookie": "a=b"})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_no_origins_means_none(tmp_path: Path, studio: Studio) -> None:
    async with client_of(create_app(plain_settings(tmp_path / "other", cors_origins=()), studio)) as client:
        answer = await client.get("/health", headers={"Origin": LISTED})

    assert "access-control-allow-origin" not in answer.headers


# --- The log


@pytest.mark.usefixtures("log")
async def test_staging_and_production_log_json_with_request_and_session(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(level="INFO", json_lines=True)
    session_id = await draw(client)
    await idle()
    await client.get(f"/status/{session_id}", headers={"X-Request-ID": "request-of-mine"})

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert all({"timestamp", "level", "logger", "event", "request_id", "session_id"} <= set(line) for line in lines)
    asked = next(line for line in lines if line["request_id"] == "request-of-mine")
    assert (asked["event"], asked["method"], asked["status"]) == ("request", "GET", 200)
    assert (asked["route"], asked["session_id"]) == ("/status/{session_id}", session_id)
    assert asked["ms"] >= 0
    begun = next(line for line in lines if line.get("route") == "/generate")
    assert begun["session_id"] == session_id
    ended = next(line for line in lines if line["event"] == "session ended")
    assert ended["session_id"] == session_id


@pytest.mark.usefixtures("log")
async def test_development_logs_readable_lines(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(level="INFO", json_lines=False)
    await client.get("/health/live", headers={"X-Request-ID": "request-of-mine"})

    line = capsys.readouterr().err.splitlines()[-1]

    assert "INFO" in line
    assert "http: request method=GET route=/health/live status=204 ms=" in line
    assert line.endswith("request_id=request-of-mine")


@pytest.mark.usefixtures("log")
async def test_the_level_decides_what_is_logged(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(level="WARNING", json_lines=True)
    await draw(client)

    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("log")
async def test_no_line_can_be_forged(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    for json_lines in (True, False):
        set_up_logs(level="INFO", json_lines=json_lines)
        await client.get("/status/x%0A2026-01-01%20ERROR%20forged")
        await client.get("/nowhere%0Aforged")

    lines = capsys.readouterr().err.splitlines()

    assert not [line for line in lines if line.startswith(("2026-01-01", "forged"))]


@pytest.mark.usefixtures("log")
async def test_a_whole_session_leaves_no_secret_and_no_story_behind(
    tmp_path: Path, painter: FlatPainter, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(level="INFO", json_lines=True)
    chosen = production(tmp_path / "projects", environment="staging")
    story, key, prompt = f"{MARK}story {STORY}", f"{MARK}-key-of-ann", f"{MARK}prompt of a boat"
    metrics = Metrics()
    answers: list[httpx.Response] = []
    async with open_small_studio(chosen, painter, metrics) as studio:
        async with client_of(create_app(chosen, studio, metrics), **{"X-API-Key": key}) as client:
            session_id = await draw(client, story_text=story, title=f"{MARK}title")
            body = {"session_id": session_id, "scene_number": 0, "image_prompt": prompt}
            answers.append(await client.post("/regenerate", json=body))
            await finished(client, session_id)
            answers.append(await client.post("/generate", json={"story_text": story, "num_scenes": f"{MARK}"}))
            answers.append(await client.post("/generate", content=story, headers={"content-type": "application/json"}))
            answers.append(await client.post("/approve", json={"session_id": session_id, "approved_scenes": [0]}))
            zipped = await client.post("/download", json={"session_id": session_id})
            for path in ("/openapi.json", "/metrics", "/health", "/models", f"/status/{MARK}", f"/{MARK}?key={key}"):
                answers.append(await client.get(path))
            for path in ("/debug/config", "/debug/sessions"):
                answers.append(await client.get(path, headers={"X-API-Key": f"{MARK}-admin"}))
            state = await client.get(f"/status/{session_id}")
            await idle()
            answers.append(await client.delete(f"/sessions/{session_id}"))

    for answer in answers:
        assert MARK not in answer.text, answer.request.url
        assert MARK not in str(answer.headers)
    logged = capsys.readouterr().err
    assert MARK not in logged
    assert "Mira" not in logged
    assert len(logged.splitlines()) > 15
    secrets = [value.split(":")[-1] for value in KEYS.values()]
    archive = zipfile.ZipFile(io.BytesIO(zipped.content))
    for content in (state.text, *(archive.read(name).decode("latin-1") for name in archive.namelist())):
        assert not [secret for secret in secrets if secret in content]
    for file in (tmp_path / "projects").rglob("*"):
        if file.is_file():
            assert not [secret for secret in secrets if secret.encode() in file.read_bytes()], file.name


# --- Starting


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python main.py` in that folder, until it ends by itself."""
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py")],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PORT": "0"} | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_refusal_to_start_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    ended = start(tmp_path, ENVIRONMENT="production")

    assert ended.returncode == 1
    assert ended.stderr == "Set CORS_ORIGINS to the origins of your pages: production does not start with *.\n"
    assert ended.stdout == ""


def test_a_folder_that_belongs_to_another_process_is_refused(tmp_path: Path) -> None:
    from adapters.wiring import claim

    with claim(tmp_path / "projects"):
        ended = start(tmp_path)

    assert ended.returncode == 1
    assert ended.stderr.startswith("PROJECTS_DIR: another process owns projects;")
    assert "REDIS_URL" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_application_is_made_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import main

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "staging")
    try:
        assert main.app.state.settings.environment == "staging"
    finally:
        root.handlers = handlers
        root.setLevel(level)
    with pytest.raises(AttributeError):
        main.nothing  # noqa: B018 (the reading is the test)
