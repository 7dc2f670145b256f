"""A document comes in over HTTP, is read in a process of its own, and nothing it does there harms the service."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest
from starlette.types import Message, Scope

from adapters import middleware, sandbox
from adapters.metrics import Metrics
from adapters.middleware import BodyLimit
from adapters.sandbox import ROOT, Sandbox
from main import create_app
from models import BrokenDocument, DocumentTooLarge, ServiceFull, StoryError
from tests.conftest import FlatPainter, Json, client_of, finished, open_small_studio, plain_settings
from tests.make_documents import docx, epub, p, pdf, scanned_pdf, zipped

MARK = "zqxmark"  # whatever is sent carries it, no problem document may
REEDS = f"Mira {MARK} found the paper boat at dawn, stuck in the reeds by the mill."
MARKET = "She carried it through the market, where old Tomas was stacking pears."
MIB = 1024 * 1024
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
FORM = {"content-type": "multipart/form-data; boundary=x"}


async def send(client: httpx.AsyncClient, content: bytes, name: str = "boat.txt") -> httpx.Response:
    return await client.post("/upload", files={"file": (name, content)})


# --- What comes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"# The reeds\n\n{REEDS}\n\n# The market\n\n{MARKET}".encode("utf-16"), "boat.md"),
        (docx(p("# The reeds"), p(REEDS), p("# The market"), p(MARKET)), "boat.docx"),
        (epub([f"<h1>The reeds</h1><p>{REEDS}</p>", f"<h1>The market</h1><p>{MARKET}</p>"]), "boat.epub"),
        (pdf("# The reeds", REEDS, None, "# The market", MARKET), "boat.pdf"),
    ],
    ids=["md", "docx", "epub", "pdf"],
)
async def test_a_document_becomes_a_story_that_is_drawn(client: httpx.AsyncClient, content: bytes, name: str) -> None:
    answer = await send(client, content, name)

    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert set(found) == {"title", "story_text", "analysis"}
    assert found["story_text"] == f"# The reeds\n\n{REEDS}\n\n# The market\n\n{MARKET}"
    assert found["analysis"]["recommended_scenes"] == 2
    assert found["analysis"]["characters_total"] == len(found["story_text"])
    body = {"story_text": found["story_text"], "title": found["title"]}
    session = await client.post("/generate", json=body)
    state = await finished(client, session.json()["session_id"])
    assert [scene["title"] for scene in state["scenes"]] == ["The reeds", "The market"]


async def test_a_story_without_a_title_is_called_by_its_first_words(client: httpx.AsyncClient) -> None:
    answer = await send(client, MARKET.encode(), "1.txt")

    assert answer.json()["title"] == "She carried it through the market"


async def test_the_name_may_be_anything(client: httpx.AsyncClient) -> None:
    for name in ("../../etc/passwd", "-h", "a" * 1000, "日本 語.txt", 'quo"te.txt', "--help.md", "{}.txt", " "):
        answer = await send(client, REEDS.encode(), name)

        assert answer.status_code == 200, name
        assert len(answer.json()["title"]) <= 200


# --- What is refused -----------------------------------------------------------------------------------------------

LOCKED = pdf(REEDS, password="secret")
REFUSED = {
    "empty": (b"", 422, "empty_document"),
    "scan": (scanned_pdf(), 422, "scanned_document"),
    "encrypted": (LOCKED, 422, "encrypted_document"),
    "cut off": (docx(p(REEDS))[:300], 422, "broken_document"),
    "no text": (os.urandom(4096) + b"\0" * 99, 415, "unsupported_document"),
    "an archive": (zipped({"a.txt": REEDS}), 415, "unsupported_document"),
    "no charset": (b"\xef\xbb\xbf" + b"\xe0\xf1" * 400, 422, "unknown_charset"),
    "too long": (MARKET.encode() * 2_000, 422, "story_too_long"),
    "deep xml": (b"<?xml version='1.0'?>" + b"<FinalDraft>" * 9_999, 413, "document_too_large"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_is_a_short_problem_that_repeats_nothing(client: httpx.AsyncClient, case: str) -> None:
    content, status, code = REFUSED[case]

    answer = await send(client, content, f"{MARK}.txt")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["retryable"] is False
    assert MARK not in answer.text and len(answer.content) < 1_000


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"json": {"file": REEDS}}, 415, "unsupported_document"),
        ({"content": REEDS.encode(), "headers": {"content-type": "text/plain"}}, 415, "unsupported_document"),
        ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, 400, "bad_request"),
        ({"content": b"--x\r\nno", "headers": FORM}, 422, "invalid_request"),
        ({"content": b"--x--\r\n", "headers": FORM}, 422, "invalid_request"),
        ({"files": {"other": ("a.txt", REEDS)}}, 422, "invalid_request"),
        ({"files": {"file": (None, REEDS)}}, 422, "invalid_request"),
        ({"files": {"file": ("a.txt", REEDS)}, "data": {"title": "Boat"}}, 422, "invalid_request"),
        ({"files": [("file", ("a.txt", REEDS)), ("file", ("b.txt", REEDS))]}, 400, "bad_request"),
    ],
    ids=["json", "text", "no boundary", "cut off", "empty form", "other field", "no file", "more fields", "two files"],
)  # fmt: skip
async def test_a_body_that_is_no_form_with_a_file(client: httpx.AsyncClient, sent: Any, status: int, code: str) -> None:
    answer = await client.post("/upload", **sent)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_whoever_has_no_key_is_told_before_the_file_is_read(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield HEAD
        raise AssertionError("the body was read")

    settings = plain_settings(tmp_path, api_keys="ann:a-long-key")
    async with open_small_studio(settings, FlatPainter(), Metrics()) as studio:
        async with client_of(create_app(settings, studio)) as client:
            headers = {"content-type": "multipart/form-data; boundary=x"}
            answer = await client.post("/upload", content=endless(), headers=headers)

    assert answer.status_code == 401


# --- Size and pace -------------------------------------------------------------------------------------------------


async def test_a_file_of_200_mb_is_refused_at_once(client: httpx.AsyncClient) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        yield HEAD
        for _ in range(200):
            read += MIB
            yield b"a" * MIB

    declared = await client.post("/upload", content=pieces(), headers=FORM | {"content-length": str(200 * MIB)})
    at_first = read
    counted = await client.post("/upload", content=pieces(), headers=FORM)

    for answer in (declared, counted):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["connection"] == "close"
    assert at_first <= MIB
    assert read - at_first <= 21 * MIB


async def test_a_file_may_have_the_bytes_the_setting_says_and_not_one_more(tmp_path: Path) -> None:
    settings = plain_settings(tmp_path, max_upload_bytes=5_000, max_body_bytes=1_000)
    async with open_small_studio(settings, FlatPainter(), Metrics()) as studio:
        async with client_of(create_app(settings, studio)) as client:
            whole = await send(client, b"a boat " * 714 + b"ab")
            over = await send(client, b"a boat " * 714 + b"abc")
            elsewhere = await client.post("/analyze", json={"story_text": "a boat " * 200})

    assert whole.status_code == 200
    assert (over.status_code, over.json()["code"]) == (413, "body_too_large")
    assert elsewhere.status_code == 413


async def test_a_file_may_take_longer_than_other_bodies_but_not_fall_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "UPLOAD_SECONDS", 0.3)
    ended: list[str] = []

    async def drip(pause: float) -> None:
        async def app(scope: Scope, receive: Any, send: Any) -> None:
            try:
                while True:
                    await receive()
            except Exception as error:
                ended.append(f"{error} {time.monotonic() - began:.1f}")

        async def receive() -> Message:
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": b"a", "more_body": True}

        async def send(message: Message) -> None: ...

        began = time.monotonic()
        limit = BodyLimit(app, max_bytes=10, seconds=0.1, uploads={"/upload": 1000})
        await limit({"type": "http", "method": "POST", "path": "/upload", "headers": []}, receive, send)

    await drip(pause=0.02)
    await drip(pause=0.2)

    assert ended == ["408: Request Timeout 0.3", "408: Request Timeout 0.1"]


@pytest.fixture
def document() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(REEDS.encode())
        yield file


# --- A reader that misbehaves --------------------------------------------------------------------------------------


def reader(program: str) -> tuple[str, ...]:
    """Arguments for Python: the real limits, then this program instead of the reader."""
    limits = (
        "import json,sys;from adapters.documents.__main__ import _confine;"
        "g=json.loads(sys.argv[1]);_confine(g['memory_bytes'],g['seconds']);"
    )
    return ("-c", f"{limits}{program}")


MISBEHAVING = {
    "hangs": "import time; time.sleep(600)",
    "spins": "exec('while True: pass')",
    "eats memory": "x = [bytearray(1 << 24) for _ in range(1000)]",
    "talks without end": "exec('while True: print(1)')",
    "is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("case", MISBEHAVING)
async def test_a_reader_that_misbehaves_is_ended_and_answered(case: str, document: BinaryIO) -> None:
    began = time.monotonic()

    with pytest.raises(DocumentTooLarge):
        await Sandbox(max_chars=100, reader=reader(MISBEHAVING[case]), seconds=1, memory_bytes=200 * MIB).read(
            document, "a.txt"
        )

    assert time.monotonic() - began < 5
    assert not children()


async def test_a_reader_that_crashes_has_met_a_broken_document(document: BinaryIO) -> None:
    with pytest.raises(BrokenDocument):
        await Sandbox(max_chars=100, reader=reader("import os; os.abort()")).read(document, "a.txt")


async def test_the_loop_goes_on_while_a_document_is_read(document: BinaryIO) -> None:
    hanging = asyncio.create_task(
        Sandbox(max_chars=100, reader=reader(MISBEHAVING["spins"]), seconds=1).read(document, "a.txt")
    )
    longest = 0.0
    while not hanging.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)

    assert longest < 0.5
    with pytest.raises(DocumentTooLarge):
        await hanging


async def test_a_reader_whose_request_ends_is_ended_too(document: BinaryIO) -> None:
    reading = asyncio.create_task(Sandbox(max_chars=100, reader=reader(MISBEHAVING["hangs"])).read(document, "a.txt"))
    while not children():  # noqa: ASYNC110 (nobody tells of processes)
        await asyncio.sleep(0.01)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not children()


def test_a_reader_whose_service_is_gone_ends_by_itself() -> None:
    given = json.dumps({"memory_bytes": 200 * MIB, "seconds": 0})

    ended = subprocess.run([sys.executable, *reader(MISBEHAVING["hangs"]), given], cwd=ROOT, timeout=10)

    assert ended.returncode == -signal.SIGALRM


async def test_few_documents_are_read_at_once_and_few_wait(monkeypatch: pytest.MonkeyPatch, document: BinaryIO) -> None:
    monkeypatch.setattr(sandbox, "MAX_WAITING", 1)
    box = Sandbox(max_chars=100, reader=reader(MISBEHAVING["hangs"]), seconds=1)

    found = await asyncio.gather(*(box.read(document, "a.txt") for _ in range(5)), return_exceptions=True)

    kinds = [type(error) for error in found]
    assert kinds.count(ServiceFull) == 2 and kinds.count(DocumentTooLarge) == 3


async def test_the_reader_has_no_environment_and_no_descriptor_of_ours(tmp_path: Path, document: BinaryIO) -> None:
    program = (
        "import os; seen = [list(os.environ), os.listdir('/proc/self/fd')]; "
        "print(json.dumps({'title': '', 'story_text': json.dumps(seen)}))"
    )
    with (tmp_path / "ours").open("wb"):
        found = await Sandbox(max_chars=9_000, reader=reader(program)).read(document, "a.txt")

    environment, descriptors = json.loads(found.story_text)
    assert set(environment) <= {"LANG", "MALLOC_ARENA_MAX", "LC_CTYPE"}
    assert set(descriptors) <= {"0", "1", "2", "3"}


async def test_an_answer_that_is_none(document: BinaryIO) -> None:
    with pytest.raises(BrokenDocument):
        await Sandbox(max_chars=100, reader=reader("print('no json')")).read(document, "a.txt")


async def test_a_parser_that_stumbles_names_no_words_of_the_document(document: BinaryIO) -> None:
    program = "print(json.dumps({'code': 'broken_document', 'message': '', 'stumbled': 'KeyError'}))"

    with pytest.raises(StoryError) as raised:
        await Sandbox(max_chars=100, reader=reader(program)).read(document, "a.txt")

    assert str(raised.value) == BrokenDocument.__doc__


async def test_a_zip_bomb_takes_neither_room_nor_time(client: httpx.AsyncClient) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        with packed.open("word/document.xml", "w") as member:
            for _ in range(10):
                member.write(b"<w:p>" * 2_000_000)
    began = time.monotonic()

    answer = await send(client, content.getvalue(), "a.docx")

    assert (answer.status_code, answer.json()["code"]) == (413, "document_too_large")
    assert time.monotonic() - began < 5


def children() -> list[str]:
    """The living processes this one has started, but for those that other tests keep."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()
    return [pid for pid in listed if "memory_bytes" in _command(pid)]


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8")
    except OSError:
        return ""
