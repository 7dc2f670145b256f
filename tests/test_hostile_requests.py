"""Whatever is sent, the answer is a short problem document that repeats nothing of it, and never a 5xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.types import Message, Scope

from adapters.metrics import Metrics
from main import create_app
from tests.conftest import STORY, FlatPainter, Json, client_of, draw, open_small_studio, plain_settings

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
UNKNOWN = "0" * 32
MARK = "zqxmark"  # whatever is sent carries it, nothing that comes back may
MAX_PROBLEM_BYTES = 8_000


@dataclass(frozen=True)
class Hostile:
    """A request as bytes, and the statuses that may answer it."""

    name: str
    method: str
    target: bytes
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (400, 404, 405, 413, 415, 422)


def story(**changes: Any) -> bytes:
    return json.dumps({"story_text": f"{MARK} {STORY}"} | changes).encode()


def raw_story(field_and_value: str) -> bytes:
    return b'{"story_text": "' + MARK.encode() + b' found a boat at dawn.", ' + field_and_value.encode() + b"}"


def generate(name: str, body: bytes, *statuses: int, headers: Mapping[str, str] = JSON) -> Hostile:
    return Hostile(f"generate {name}", "POST", b"/generate", body, headers, statuses or (400, 422))


def unreadable() -> list[Hostile]:
    """Bodies that are not JSON, or JSON that wants to hurt."""
    bodies = {
        "empty": b"",
        "white space": b" \n\t ",
        "binary": bytes(range(256)),
        "gzip": b"\x1f\x8b\x08\x00" + b"\x00" * 40,
        "not utf-8": b'{"story_text": "\xff\xfe' + MARK.encode() + b' found a boat"}',
        "utf-16": story().decode().encode("utf-16")[:301],
        "half": story()[:-5],
        "trailing comma": b'{"story_text": "' + MARK.encode() + b' found a boat",}',
        "single quotes": b"{'story_text': 'zqxmark found a boat'}",
        "two documents": story() + story(),
        "unquoted": b"{story_text: zqxmark}",
        "null bytes": b"\x00" * 500,
        "null byte in the middle": story()[:40] + b"\x00" + story()[40:],
        "100,000 brackets": b"[" * 100_000,
        "100,000 braces": b'{"a":' * 100_000,
        "100,000 brackets in a field": raw_story('"title": ' + "[" * 100_000 + "]" * 100_000),
        "5,000 digits": raw_story('"seed": ' + "9" * 5_000),
        "5,000 digits below zero": raw_story('"num_scenes": -' + "9" * 5_000),
        "100,000 keys": json.dumps({f"{MARK}{n}": n for n in range(50_000)}).encode(),
        "a long key": json.dumps({MARK * 10_000: 1}).encode(),
        "control characters": raw_story('"title": "a\x01b"'),
        "a bad escape": raw_story('"title": "\\x41"'),
        "half an escape": raw_story('"title": "\\u12"'),
    }
    bodies |= {name: text.encode() for name, text in {
        "null": "null", "true": "true", "a number": "5", "a string": f'"{MARK}"', "an array": "[]",
        "an array of stories": f'[{story().decode()}]', "NaN alone": "NaN", "Infinity alone": "-Infinity",
        "an empty object": "{}",
    }.items()}  # fmt: skip
    return [generate(name, body, 400, 413, 422) for name, body in bodies.items()]


def wrong_values() -> list[Hostile]:
    """JSON that is read, with values that no field takes."""
    numbers = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "true", '"5"', "5.0", "5.5", "[]", "{}", "1e2")
    cases = [generate(f"num_scenes {n}", raw_story(f'"num_scenes": {n}'), 422) for n in numbers]
    cases += [generate(f"num_scenes {n}", story(num_scenes=n), 422) for n in (0, -1, 51, 10**9, 2**63, 2**64, 10**30)]
    cases += [
        generate(f"seed {n}", raw_story(f'"seed": {n}'), 422) for n in ("-1", "2147483648", "true", "1e400", '"1"')
    ]
    money = ("NaN", "Infinity", "-Infinity", "1e400", "-0.01", "10001", '"1"', "true", "[1]")
    cases += [generate(f"max_cost_usd {n}", raw_story(f'"max_cost_usd": {n}'), 422) for n in money]
    words: dict[str, list[Any]] = {
        "media_type": ["", "Cinematic", MARK, 1, True, None, ["cinematic"], {"a": 1}],
        "aspect_ratio": ["16x9", "16:9 ", MARK, 1.7, None],
        "quality": ["best", 1, None],
        "stop_at": ["never", None],
        "consistency": ["none", 0],
        "check_images": [1, 0, "true", "yes", None, []],
        "title": ["", MARK * 100, 5, ["x"]],
        "style": ["", MARK * 200, {}],
        "text_model": ["", MARK, "../../" + MARK, "a" * 500, 5, "model\n" + MARK, "модель"],
        "image_model": ["", MARK, "http://127.0.0.1/" + MARK, "runware:1@1; drop table", 5],
    }
    cases += [
        generate(f"{name} {str(value)[:20]!r}", story(**{name: value}), 422)
        for name, values in words.items()
        for value in values
    ]
    texts: dict[str, Any] = {
        "null": None,
        "a number": 5,
        "an array": ["a story in a list"],
        "an object": {"text": MARK},
        "empty": "",
        "nine characters": "a" * 9,
        "white space only": " \n\t" * 500,
        "no-break spaces": "\u00a0" * 500,
        "too long": f"{MARK} " * 20_000,
    }
    cases += [
        generate(f"story {name}", json.dumps({"story_text": text}).encode(), 413, 422) for name, text in texts.items()
    ]
    surrogates = {"a lone surrogate": "\\ud800", "a low one": "\\udc00", "two high ones": "\\ud800\\ud800"}
    cases += [
        generate(f"story with {name}", f'{{"story_text": "{MARK} found {code} a boat"}}'.encode(), 422)
        for name, code in surrogates.items()
    ]
    cases += [generate(f"title with {name}", raw_story(f'"title": "{code}"'), 422) for name, code in surrogates.items()]
    cases += [
        generate("an unknown field", story(**{MARK: 1}), 422),
        generate("__proto__", story(__proto__={"admin": True}), 422),
        generate("a field in capitals", story(NUM_SCENES=3), 422),
        generate("an unknown surrogate field", raw_story('"\\ud800": 1'), 422),
        generate("a body over the limit", story(title="x" * 1_100_000), 413),
    ]
    return cases


def content_types() -> list[Hostile]:
    """The body of a good request under a name it does not have."""
    types = ("text/plain", "text/json", "application/xml", "application/octet-stream", "multipart/form-data", "*/*",
             "application", "application/jsonx", "/", ";", "json", "application/x-www-form-urlencoded", MARK * 500,
             "image/png", "text/html; charset=utf-8")  # fmt: skip
    cases = [generate(f"as {kind[:40]}", story(), 415, headers={"content-type": kind}) for kind in types]
    cases.append(generate("as nothing", story(), 415, headers={}))
    cases.append(
        generate(
            "as JSON in UTF-7", story()[:-1], 400, 422, headers={"content-type": "application/json; charset=utf-7"}
        )
    )
    forms = {
        "an empty form": b"",
        "no field we know": MARK.encode() + b"=1",
        "the field twice": b"session_id=" + MARK.encode() + b"&session_id=" + MARK.encode(),
        "300 fields": b"&".join(b"f%d=1" % n for n in range(300)),
        "broken escapes": b"session_id=%zz%" + MARK.encode(),
        "bytes": bytes(range(256)),
        "a long value": b"session_id=" + b"a" * 500_000,
        "an unknown session": b"session_id=" + UNKNOWN.encode(),
        "an unknown format": b"session_id=" + UNKNOWN.encode() + b"&format=" + MARK.encode(),
    }
    cases += [Hostile(f"download form {name}", "POST", b"/download", body, FORM) for name, body in forms.items()]
    boundary = {"content-type": "multipart/form-data; boundary=xx"}
    parts = {
        "no boundary": ({"content-type": "multipart/form-data"}, b"--xx\r\n"),
        "not closed": (boundary, b'--xx\r\nContent-Disposition: form-data; name="session_id"\r\n\r\nabc'),
        "a file": (
            boundary,
            b'--xx\r\nContent-Disposition: form-data; name="session_id"; filename="a"\r\n\r\nx\r\n--xx--\r\n',
        ),
        "no name": (boundary, b"--xx\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xx--\r\n"),
        "nothing": (boundary, b""),
        "another boundary": (boundary, b"--yy\r\n\r\n--yy--"),
        "many parts": (
            boundary,
            b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 500 + b"--xx--\r\n",
        ),
        "a long header": (boundary, b"--xx\r\nContent-Disposition: " + b"a" * 200_000 + b"\r\n\r\nx\r\n--xx--\r\n"),
    }
    cases += [Hostile(f"download multipart {n}", "POST", b"/download", body, kind) for n, (kind, body) in parts.items()]
    cases += [
        Hostile("download broken JSON", "POST", b"/download", b"{", JSON),
        Hostile("download NaN", "POST", b"/download", b"NaN", JSON),
        Hostile("download deep JSON", "POST", b"/download", b"[" * 100_000, JSON),
        Hostile("download surrogate", "POST", b"/download", b'{"session_id": "\\ud800"}', JSON),
        Hostile("download as text", "POST", b"/download", b'{"session_id": "x"}', {"content-type": "text/plain"}),
    ]
    return cases


MORE: dict[str, Json] = {"/approve": {"approved_scenes": [0]}, "/regenerate": {"scene_number": 0}}


def bodies_elsewhere() -> list[Hostile]:
    """The other calls that take a body."""
    ids: list[Any] = ["", MARK, "../" * 8, UNKNOWN.upper().replace("0", "A"), UNKNOWN + "0", 5, None, True, ["x"],
                      "\x00" * 32, f"{UNKNOWN[:-1]}\n", UNKNOWN]  # fmt: skip
    cases = []
    for call in ("/approve", "/continue", "/cancel", "/regenerate", "/download"):
        more: Json = MORE.get(call, {})
        for value in ids:
            body = json.dumps({"session_id": value} | more).encode()
            cases.append(Hostile(f"{call[1:]} id {value!r}", "POST", call.encode(), body, JSON, (404, 422)))
    known = {"session_id": "SESSION"}
    scenes: list[Any] = [
        [],
        [-1],
        [900],
        [10**30],
        ["0"],
        [True],
        [0.0],
        [None],
        "0",
        {"0": 1},
        [[0]],
        list(range(20_000)),
    ]
    cases += [
        Hostile(
            f"approve {str(n)[:30]}", "POST", b"/approve", json.dumps(known | {"approved_scenes": n}).encode(), JSON
        )
        for n in scenes
    ]
    numbers: list[Any] = [-1, 900, 10**30, "0", True, None, 0.5, []]
    cases += [
        Hostile(f"regenerate {n!r}", "POST", b"/regenerate", json.dumps(known | {"scene_number": n}).encode(), JSON)
        for n in numbers
    ]
    edits: list[Json] = [
        {"title": ""},
        {"title": 5},
        {"description": MARK * 1000},
        {"image_prompt": "x" * 3001},
        {"current_version": 0},
        {"current_version": 10**30},
        {"current_version": True},
        {MARK: 1},
    ]
    cases += [
        Hostile(f"edit {str(edit)[:40]}", "PATCH", b"/sessions/SESSION/scenes/0", json.dumps(edit).encode(), JSON)
        for edit in edits
    ]
    return cases


def addresses() -> list[Hostile]:
    """Ids, file names and paths that want to be somewhere else."""
    tricks = (b"..", b"%2e%2e", b"..%2f..%2fetc%2fpasswd", b"%00", b"a%00b", b"%ff%fe", b"%F0%9F%A6%8A", b"a" * 5_000,
              b"%0d%0aX-Evil:%201", b"'%20OR%201=1--", b"<script>", b"%25%32%65", b"con", b"~", b"*", b"{session_id}",
              b"%E2%80%AE", b"journal.db", b".lock", b".signing-key")  # fmt: skip
    cases = []
    for trick in tricks:
        label = trick[:24].decode("latin-1")
        for before, after in (
            (b"/status/", b""),
            (b"/projects/", b""),
            (b"/sessions/", b"/scenes/0"),
            (b"/events/", b""),
        ):
            cases.append(Hostile(f"{before.decode()}{label}", "GET", before + trick + after, statuses=(404, 422)))
        cases.append(Hostile(f"delete {label}", "DELETE", b"/sessions/" + trick, statuses=(404, 405, 422)))
        cases.append(Hostile(f"image {label}", "GET", b"/images/SESSION/" + trick, statuses=(404, 422)))
        cases.append(Hostile(f"image of {label}", "GET", b"/images/" + trick + b"/x.jpg", statuses=(404, 422)))
        cases.append(Hostile(f"page {label}", "GET", b"/" + trick, statuses=(404,)))
    numbers = (
        b"-1",
        b"900",
        b"1.0",
        b"1e3",
        b"0x1",
        b"%20",
        b"true",
        b"9" * 30,
        b"9" * 5_000,
        b"%D9%A3",
        b"NaN",
        b"None",
    )
    cases += [
        Hostile(f"scene {n[:12]!r}", "GET", b"/sessions/SESSION/scenes/" + n, statuses=(404, 422)) for n in numbers
    ]
    files = (b"/main.py", b"/.env", b"/static/../main.py", b"/..%2fmain.py", b"/%2e%2e/config.py", b"//etc/passwd",
             b"/projects/../main.py", b"/style.css%00.html", b"/style.css/x", b"/.git/config",
             b"/generate/", b"/status", b"/status/", b"/images", b"/wp-login.php", b"/" + b"a/" * 2_000)  # fmt: skip
    cases += [Hostile(f"file {f[:30].decode()}", "GET", f, statuses=(404, 405)) for f in files]
    return cases


def junk_around() -> list[Hostile]:
    """Queries, headers and methods."""
    waits = (
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"-1",
        b"61",
        b"abc",
        b"",
        b"1,5",
        b"0x10",
        b"%00",
        b"1e400",
        b"9" * 5_000,
    )
    cases = [Hostile(f"wait {w[:10]!r}", "GET", b"/status/SESSION?wait=" + w, statuses=(422,)) for w in waits]
    limits = (b"0", b"-1", b"101", b"abc", b"1.5", b"true", b"nan", b"9" * 40, b"9" * 5_000, b"%00", b"")
    cases += [Hostile(f"limit {n[:10]!r}", "GET", b"/projects?limit=" + n, statuses=(422,)) for n in limits]
    cursors = (b"zqxmark", b"_", b"2026-13-01_x", b"1_1", b"%00_%00", b"a" * 101, b"T_" + UNKNOWN.encode(), b"%ff")
    cases += [Hostile(f"after {c[:12]!r}", "GET", b"/projects?after=" + c, statuses=(422,)) for c in cursors]
    cases.append(Hostile("sig too long", "GET", b"/images/SESSION/x.jpg?sig=" + b"a" * 65, statuses=(404, 422)))
    cases += [
        Hostile(f"sig {s[:10]!r}", "GET", b"/images/SESSION/x.jpg?sig=" + s, statuses=(404,))
        for s in (b"zqxmark", b"0" * 32, b"%F0%9F%A6%8A", b"%00", b"%ff")
    ]
    for value in ("", "k" * 256):
        headers = JSON | {"idempotency-key": value}
        cases.append(generate(f"Idempotency-Key of {len(value)}", story(), 422, headers=headers))
    for match in ("zqxmark", '"900"', "W/zqxmark", '"1", "2"', "", '"99999999999999999999"', "\u0663"):
        headers = JSON | {"if-match": match}
        cases.append(
            Hostile(f"If-Match {match!r}", "PATCH", b"/sessions/SESSION/scenes/0", b'{"title": "x"}', headers, (412,))
        )
    methods = ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "GENERATE", "post", "OPTIONS", "GET", "HEAD")
    cases += [Hostile(f"{method} /generate", method, b"/generate", statuses=(405,)) for method in methods]
    cases += [Hostile(f"{method} /", method, b"/", statuses=(405,)) for method in ("POST", "DELETE", "ZQXMARK")]
    cases += [
        Hostile(f"{method} /nowhere", method, b"/nowhere", statuses=(404,)) for method in ("POST", "DELETE", "GET")
    ]
    cases += [
        Hostile(f"POST {path}", "POST", path.encode(), statuses=(405,)) for path in ("/health", "/status/x", "/metrics")
    ]
    return cases


CASES = [*unreadable(), *wrong_values(), *content_types(), *bodies_elsewhere(), *addresses(), *junk_around()]


async def send(app: FastAPI, case: Hostile, session_id: str) -> tuple[int, dict[str, str], bytes]:
    """The application's answer to exactly these bytes: a client would tidy them."""
    target, _, query = case.target.replace(b"SESSION", session_id.encode()).partition(b"?")
    body = case.body.replace(b"SESSION", session_id.encode())
    headers = {"host": "test", "content-length": str(len(body))} | dict(case.headers)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": case.method,
        "scheme": "http",
        "path": unquote(target.decode("ascii")),
        "raw_path": target,
        "query_string": query,
        "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8")) for name, value in headers.items()],
        "client": ("127.0.0.1", 5000),
        "server": ("test", 80),
    }
    sent: list[Message] = []
    asked: list[bool] = []

    async def receive() -> Message:
        if asked:
            await asyncio.Event().wait()  # a client that stays
        asked.append(True)
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, keep)
    answered = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])


@dataclass(frozen=True)
class Place:
    """An application with one finished session."""

    app: FastAPI
    session_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    settings, metrics = plain_settings(tmp_path_factory.mktemp("hostile")), Metrics()
    async with open_small_studio(settings, FlatPainter(), metrics) as studio:
        app = create_app(settings, studio, metrics)
        async with client_of(app) as client:
            yield Place(app, await draw(client, num_scenes=1))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_hostile_request_is_refused(place: Place, case: Hostile) -> None:
    status, headers, body = await send(place.app, case, place.session_id)

    assert status in case.statuses, body[:300]
    assert headers["x-request-id"]
    assert len(body) <= MAX_PROBLEM_BYTES
    if case.method != "HEAD":
        problem = json.loads(body)
        assert headers["content-type"] == "application/problem+json"
        assert problem["status"] == status
        assert {"type", "title", "status", "detail", "code", "retryable", "request_id"} <= set(problem)
        assert problem["request_id"] == headers["x-request-id"]
        assert MARK not in body.decode()
        assert "Traceback" not in body.decode()
    if status == 405:
        assert headers["allow"]
