"""Who may what, over HTTP: other people's work does not exist, secrets never appear, production refuses to be open."""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.openapi import SCENE_ID, SESSION, operations
from tests.fake_providers import IMAGE_KEY, REPOSITORY, TEXT_KEY, FakeProviders
from tests.s3_server import KEYS, S3Server
from tests.service import Service
from tests.stories import story

PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured
GUESSES = int(os.environ.get("STORY_GUESSES", "2000"))
ANN, BEN, ADMIN = "zqx-key-of-ann", "zqx-key-of-ben", "zqx-key-of-admin"
PAGE = "https://stories.example"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Without providers: what is drawn here are drafts."""
    keys = f"ann:{ANN},ben:{BEN}"
    with Service(environment="staging", cors_origins=PAGE, api_keys=keys, admin_api_key=ADMIN) as running:
        yield running


@pytest.fixture(scope="module")
def work(service: Service) -> Json:
    """A finished and approved session of Ann's."""
    service.client.headers["X-API-Key"] = ANN
    state = service.wait(service.generate(story(1, 2), num_scenes=2), patience=PATIENCE_SECONDS)
    approval = {"session_id": state["session_id"], "approved_scenes": [0, 1]}
    service.client.post("/approve", json=approval).raise_for_status()
    state = service.status(state["session_id"])
    del service.client.headers["X-API-Key"]
    return state


@pytest.fixture
def ask(service: Service) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=PATIENCE_SECONDS) as client:
        yield client


def key(of: str) -> dict[str, str]:
    return {"X-API-Key": of}


# --- Other people's sessions -----------------------------------------------------------------------------------

MALFORMED = (
    "x",
    "0" * 31,
    "0" * 33,
    "A" * 32,
    str(uuid.UUID(int=7)),
    "g" * 32,
    "%00",
    "%F0%9F%A6%8A",
    "a" * 4000,
)


def calls_on_a_session(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every operation that names a session, in its address or its body, with a body that is right but for the id."""
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        sent: Json = {}
        for media_type, described in content.items():
            value = next(example["value"] for example in described["examples"].values() if "x-status" not in example)
            field = {"application/json": "json", "application/x-www-form-urlencoded": "data"}.get(media_type)
            sent = {field: value} if field else {"files": {name: (None, str(text)) for name, text in value.items()}}
            if field == "json":
                break
        if re.search(r"\{(session|project)_id\}", path) or SESSION in json.dumps(sent):
            if "files" in sent and "file" in sent["files"]:
                sent = {"files": {"file": ("me.png", b"no picture", "image/png")}}
            yield method, path, sent


def asked(client: httpx.Client, call: tuple[str, str, Json], wanted: str) -> tuple[int, Json, set[str]]:
    """What that call says about that id: status, problem, and which headers it has."""
    method, path, sent = call
    address = re.sub(r"\{(session|project)_id\}", wanted, path)
    for name, value in {"number": "0", "name": "Mira", "file": f"{SCENE_ID}-v1-9c56cc51.jpg"}.items():
        address = address.replace(f"{{{name}}}", value)
    if "json" in sent:
        sent = {"json": json.loads(json.dumps(sent["json"]).replace(SESSION, wanted))}
    answer = client.request(method.upper(), address, headers=key(BEN), **sent)
    problem = answer.json()
    assert re.fullmatch(r"[0-9a-f]{32}", problem.pop("request_id"))
    return answer.status_code, problem, set(answer.headers)


def test_every_call_says_the_same_of_a_foreign_and_of_an_unknown_session(
    service: Service, work: Json, ask: httpx.Client
) -> None:
    document = ask.get("/openapi.json").json()
    calls = list(calls_on_a_session(document))
    before = ask.get(f"/status/{work['session_id']}", headers=key(ANN)).content
    unknown = uuid.uuid4().hex

    for call in calls:
        status, problem, headers = asked(ask, call, unknown)
        assert status == 404, call
        assert problem["code"] in ("session_not_found", "project_not_found"), call
        assert asked(ask, call, work["session_id"]) == (status, problem, headers), call
        in_body = "_id}" not in call[1]
        for malformed in MALFORMED:
            found = asked(ask, call, malformed)
            assert found == (status, problem, headers) or (in_body and found[0] == 422), (call, malformed)

    assert len(calls) >= 20
    assert ask.get(f"/status/{work['session_id']}", headers=key(ANN)).content == before


def test_ids_are_random_and_guessing_finds_nothing(service: Service, work: Json, ask: httpx.Client) -> None:
    body = {"story_text": story(2, 1), "num_scenes": 1, "stop_at": "scenes"}
    ids = [ask.post("/generate", json=body, headers=key(ANN)).json()["session_id"] for _ in range(40)]
    near = [work["session_id"][:-1] + digit for digit in "0123456789abcdef" if digit != work["session_id"][-1]]
    guesses = near + [uuid.UUID(int=random.getrandbits(128), version=4).hex for _ in range(GUESSES - len(near))]

    def guess(wanted: str) -> int:
        return ask.get(f"/status/{wanted}", headers=key(ANN)).status_code

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(guess, guesses))

    assert all(uuid.UUID(session_id).version == 4 for session_id in ids)
    fixed = {12: 1, 16: 4}  # the digits that say version and variant: all others take any value
    seen = [len({session_id[place] for session_id in ids}) for place in range(32)]
    assert all(values <= fixed[place] if place in fixed else values >= 8 for place, values in enumerate(seen))
    assert set(answers) == {404}


def test_lists_show_nobody_elses_work(service: Service, work: Json, ask: httpx.Client) -> None:
    hers = ask.get("/projects", headers=key(ANN)).json()
    his = ask.get("/projects", headers=key(BEN)).json()
    listed = {name: ask.get("/debug/sessions", headers=key(name)) for name in (ANN, BEN, ADMIN)}

    assert [project["project_id"] for project in hers["projects"]] == [work["session_id"]]
    assert his == {"projects": [], "next": None}
    assert [answer.status_code for answer in listed.values()] == [404, 404, 200]
    assert work["session_id"] in listed[ADMIN].text
    assert ask.get("/projects", headers=key(ADMIN)).status_code == 401  # the admin key is no caller's


def test_a_signature_opens_its_own_picture_and_no_other(service: Service, work: Json, ask: httpx.Client) -> None:
    (first, one), (second, two) = (scene["image_url"].split("?sig=") for scene in work["scenes"])
    wrong = [two, one[:-1], one + "0", one.upper(), "", "0" * 32, one[:16], "%00", f"{one}%0a", f"{one}&sig={two}"]

    opened = [ask.get(f"{first}?sig={one}"), ask.get(f"{second}?sig={two}"), ask.get(first, headers=key(ANN))]
    refused = [ask.get(f"{first}?sig={signature}") for signature in wrong]
    elsewhere = [ask.get(f"{address}?sig={one}") for address in (second, first.replace("-v1-", "-v2-"))]

    assert [answer.status_code for answer in opened] == [200, 200, 200]
    assert {answer.status_code for answer in [*refused, *elsewhere]} <= {401, 404}
    assert ask.get(first).status_code == 401
    assert ask.get(first, headers=key(BEN)).status_code == 404


# --- What every answer carries ---------------------------------------------------------------------------------


def test_every_kind_of_answer_is_safe_to_open_and_closed_to_other_pages(
    service: Service, work: Json, ask: httpx.Client
) -> None:
    session_id, picture = work["session_id"], work["scenes"][0]["image_url"]
    mine = key(ANN)
    elsewhere = {"Origin": "https://elsewhere.example", "Cookie": "a=b"}
    etag = ask.get(f"/status/{session_id}", headers=mine).headers["ETag"]
    preflight = elsewhere | {"Access-Control-Request-Method": "POST"}
    answers = {
        "page": ask.get("/", headers=elsewhere),
        "documentation": ask.get("/docs", headers=elsewhere),
        "json": ask.get(f"/status/{session_id}", headers=mine | elsewhere),
        "not modified": ask.get(f"/status/{session_id}", headers=mine | {"If-None-Match": etag} | elsewhere),
        "stream": ask.get(f"/events/{session_id}", headers=mine | elsewhere),
        "picture": ask.get(picture, headers=elsewhere),
        "zip": ask.post("/download", json={"session_id": session_id}, headers=mine | elsewhere),
        "nothing": ask.get("/health/live", headers=elsewhere),
        "metrics": ask.get("/metrics", headers=elsewhere),
        "unauthorized": ask.get(f"/status/{session_id}", headers=elsewhere),
        "unknown": ask.get("/nowhere", headers=mine | elsewhere),
        "method": ask.delete("/generate", headers=mine | elsewhere),
        "invalid": ask.post("/generate", json={}, headers=mine | elsewhere),
        "not json": ask.post("/generate", content=b"{", headers=mine | elsewhere),
        "too large": ask.post("/generate", content=b"x" * 1_100_000, headers=mine | elsewhere),
        "preflight": ask.options("/generate", headers=preflight),
        "allowed preflight": ask.options("/generate", headers=preflight | {"Origin": PAGE}),
        "head": ask.head(f"/status/{session_id}", headers=mine | elsewhere),
    }

    for name, answer in answers.items():
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert "default-src 'none'" in headers["Content-Security-Policy"], name
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], name
        assert headers["X-Request-ID"], name
        assert "Server" not in headers, name
        assert "Set-Cookie" not in headers, name
        assert "Access-Control-Allow-Credentials" not in headers, name
        allowed = headers.get("Access-Control-Allow-Origin")
        assert allowed == (PAGE if name == "allowed preflight" else None), name


# --- Production ------------------------------------------------------------------------------------------------

SAFE = {
    "ENVIRONMENT": "production",
    "CORS_ORIGINS": PAGE,
    "API_KEYS": "ann:a-long-key-of-hers",
}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"API_KEYS": ""}, "API_KEYS"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
        ({"API_KEYS": "ann:mine,alice:change-me-to-a-long-random-key"}, "API_KEYS"),
        ({"ADMIN_API_KEY": "change-me-to-an-admin-key"}, "ADMIN_API_KEY"),
        ({"SIGNING_KEY": "change-me-to-a-signing-key"}, "SIGNING_KEY"),
    ],
    ids=["no keys", "every origin", "an example key", "the example admin key", "the example signing key"],
)
def test_production_refuses_to_start_open_in_one_sentence(tmp_path: Path, changes: dict[str, str], name: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(REPOSITORY / "main.py")],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PORT": "0"} | SAFE | changes,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert re.fullmatch(rf"Set {name}\b[^\n]+\.\n", ended.stderr)
    assert "change-me" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


# --- Secrets ---------------------------------------------------------------------------------------------------

SECRETS = {
    "API_KEYS": f"ann:{ANN},ben:{BEN}",
    "ADMIN_API_KEY": ADMIN,
    "SIGNING_KEY": "zqx-signing-key",
    "DATABASE_URL": "postgresql://user:zqx-database-password@127.0.0.1:1/stories",
    **KEYS,
}
MARKS = [ANN, BEN, ADMIN, "zqx-signing-key", "zqx-database", "zqx-storage", TEXT_KEY, IMAGE_KEY]
TOLD, DRAWN = "Zqxstoryword", "Zqxpromptword"  # of a story and of a prompt: never in the log


def tattling(origin: str) -> list[Json]:
    """Faults whose words, or whose addresses, hold the key they were called with."""
    text = f"Incorrect key {TEXT_KEY}: Authorization: Bearer {TEXT_KEY}"
    image = f"Incorrect key {IMAGE_KEY}: Authorization: Bearer {IMAGE_KEY}"
    address = f"{origin}/image/{IMAGE_KEY}.jpg?key={IMAGE_KEY}"
    return [
        {"on": "text", "kind": "status", "status": 400, "message": text, "skip": 3},
        {"on": "text", "kind": "error_in_200", "status": 502, "message": text, "skip": 4},
        {"on": "text", "kind": "refusal", "message": text, "skip": 5},
        {"on": "text", "kind": "finish_error", "message": text, "skip": 6},
        {"on": "draw", "kind": "task_error", "status": 400, "code": "invalidModel", "message": image},
        {"on": "draw", "kind": "error_object", "status": 500, "code": IMAGE_KEY, "message": image, "skip": 1},
        {"on": "task", "kind": "error", "code": "contentPolicyViolation", "message": image, "skip": 1},
        {"on": "task", "kind": "error", "code": IMAGE_KEY, "message": image, "skip": 2},
        {"on": "task", "kind": "bad_url", "value": address, "skip": 3},
        {"on": "task", "kind": "bad_url", "value": f"http://{IMAGE_KEY}@127.0.0.1:1/{IMAGE_KEY}.jpg", "skip": 4},
        {"on": "upload", "kind": "status", "status": 400, "message": image},
        {"on": "fetch", "kind": "redirect", "value": address, "skip": 1},
    ]


def test_no_secret_appears_anywhere_and_no_story_in_the_log(tmp_path: Path) -> None:
    told = story(3, 12, extra={0: f"The boat was called {TOLD}."})
    with FakeProviders(picture_bytes=5_000) as fake, S3Server() as s3:
        fake.control(faults=tattling(fake.origin))
        settings = {"environment": "staging", "log_level": "DEBUG", "retry_attempts": 2, "image_concurrency": 8}
        settings["storage_url"] = s3.url()
        with Service(fake, folder=tmp_path, **settings, **SECRETS) as service:  # type: ignore[arg-type]
            client = service.client
            client.headers["X-API-Key"] = ANN
            session_id = service.generate(told, num_scenes=12, consistency="references", title=f"{TOLD} in title")
            service.wait(session_id, patience=PATIENCE_SECONDS)
            redraw = {"session_id": session_id, "scene_number": 0, "image_prompt": f"A boat named {DRAWN}"}
            answers = [client.post("/regenerate", json=redraw)]
            service.wait(session_id, patience=PATIENCE_SECONDS)
            answers += everything(client, session_id)
            struck = sum(fake.counts()["faults_struck"].values())
            fake.control(
                clear_faults=True,
                faults=[
                    {"on": "text", "kind": "status", "status": 401, "message": f"Bad key {TEXT_KEY}", "times": None},
                    {"on": "draw", "kind": "status", "status": 401, "message": f"Bad key {IMAGE_KEY}", "times": None},
                ],
            )
            other = service.wait(service.generate(story(4, 2), num_scenes=2), patience=PATIENCE_SECONDS)
            answers += everything(client, other["session_id"])
            answers.append(client.post("/generate", json={"story_text": told, "num_scenes": TOLD}))
            answers.append(client.post("/generate", json={"story_text": told}, headers=key(f"{ANN}x")))
            health = client.get("/health").json()
            service.stop()
        log = service.log()

    assert struck == len(tattling(""))
    unavailable = dict.fromkeys(["openrouter", "runware", "database"], "unavailable")
    assert health["services"] == {"sessions": "available", "storage": "available"} | unavailable
    assert any("***" in shown(answer) for answer in answers), "the providers' words did not get that far"
    found = [(answer.request.url.path, mark) for answer in answers for mark in MARKS if mark in shown(answer)]
    found += [
        (str(path), mark)
        for path in tmp_path.rglob("*")
        if path.is_file()
        for mark in MARKS
        if mark.encode() in path.read_bytes()
    ]
    assert found == []
    assert not [word for word in (TOLD, DRAWN, "counted 3") if word in log]
    assert len(log.splitlines()) > 20


def everything(client: httpx.Client, session_id: str) -> list[httpx.Response]:
    """Every way to look at a session and at the service."""
    admin = key(ADMIN)
    paths = ["/health", "/metrics", "/openapi.json", "/models", "/projects", f"/status/{session_id}"]
    paths += [f"/events/{session_id}", *(f"/sessions/{session_id}/scenes/{number}" for number in range(2))]
    answers = [client.get(path) for path in paths]
    answers += [client.get(path, headers=admin) for path in ("/debug/sessions", "/debug/config")]
    answers.append(client.post("/analyze", json={"story_text": story(5, 2)}))
    answers.append(client.post("/approve", json={"session_id": session_id, "approved_scenes": [0]}))
    answers.append(client.post("/download", json={"session_id": session_id}))
    return answers


def shown(answer: httpx.Response) -> str:
    """All that an answer says: its headers and its body, unpacked."""
    body = answer.content.decode("latin-1")
    if answer.headers.get("Content-Type") == "application/zip":
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        body = "".join(archive.read(name).decode("latin-1") for name in archive.namelist()) + str(archive.namelist())
    return f"{answer.headers}{body}"
