"""The service under too much of everything: callers, half requests, slow readers, no descriptors, no disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.checks import metric
from tests.conftest import Json, missing, scale
from tests.fake_providers import FakeProviders
from tests.raw_http import (
    PATIENCE_SECONDS,
    Answer,
    Caller,
    answer_to,
    ask,
    exchange,
    json_request,
    parse,
    request_bytes,
)
from tests.service import Service, memory_mb, ready
from tests.stories import story

MAX_MORE_MB = 100.0  # what slow clients may cost
MAX_MORE_FILES = 60  # descriptors that may still be open a moment after everybody left
MAX_SESSIONS = 50
DISK = "5m"


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    """Providers of this test alone: what one leaves under way would be counted in the next."""
    with FakeProviders(picture_bytes=20_000) as started:
        yield started


def new_story(number: int, *, scenes: int = 1, headers: dict[str, str] | None = None) -> bytes:
    body = {"story_text": story(number, scenes), "num_scenes": scenes, "consistency": "prompt"}
    return json_request(b"/generate", body, headers)


async def until(reached: Callable[[], bool], what: str) -> None:
    """Wait for a state; fails when it does not come."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.02)


async def done(service: Service, session_id: str) -> Json:
    """A session's last state, without holding up the loop."""
    return await asyncio.to_thread(service.wait, session_id, patience=PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def watched(port: int, *targets: bytes) -> AsyncIterator[list[Answer]]:
    """Ask for these addresses in turn, again and again meanwhile; the answers."""
    answers: list[Answer] = []
    stop = asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            for target in targets:
                answers.append(await answer_to(port, request_bytes("GET", target)))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield answers
    finally:
        stop.set()
        await watching


def check_refusals(answers: list[Answer], status: int, code: str) -> None:
    """Every refusal is a problem document that says when to come back and repeats nothing."""
    for answer in answers:
        document = answer.problem()
        assert (answer.status, document["code"], document["retryable"]) == (status, code, True)
        assert int(answer.headers["retry-after"]) >= 1
        assert b"nobody spoke" not in answer.body  # words of every story


# --- Too many callers ------------------------------------------------------------------------------------------


async def test_what_is_too_much_is_refused_and_what_was_accepted_completes(fake: FakeProviders) -> None:
    fake.control(image_ms=scale(2000, 8000))  # nobody's place is free before the last has asked
    many = scale(400, 3000)
    with Service(fake, max_sessions=MAX_SESSIONS, image_concurrency=MAX_SESSIONS) as service:
        first = (await answer_to(service.port, new_story(0))).headers["location"].encode()
        async with watched(service.port, first, b"/health") as meanwhile:
            answers = await asyncio.gather(*(answer_to(service.port, new_story(number)) for number in range(1, many)))
        accepted = [json.loads(answer.body)["session_id"] for answer in answers if answer.status == 202]
        refused = [answer for answer in answers if answer.status != 202]
        states = [await done(service, session_id) for session_id in accepted]

    assert len(accepted) == MAX_SESSIONS - 1
    check_refusals(refused, 429, "service_full")
    assert {state["status"] for state in states} == {"completed"}
    assert {answer.status for answer in meanwhile} == {200}
    assert len(meanwhile) >= 2  # each of both was answered while the others asked


async def test_long_stories_that_come_at_once_are_not_read_for_nothing(fake: FakeProviders) -> None:
    fake.control(image_ms=2000)
    body = {"story_text": story(1, 20), "num_scenes": 1, "consistency": "prompt"}  # long enough for a thread
    with Service(fake, max_sessions=2) as service:
        sent = [json_request(b"/generate", body) for _ in range(40)]
        answers = await asyncio.gather(*(answer_to(service.port, request) for request in sent))

    assert Counter(answer.status for answer in answers) == {202: 2, 429: 38}


async def test_a_full_service_says_no_before_the_story_is_sent(fake: FakeProviders) -> None:
    fake.control(image_ms=2000)
    head, _, body = new_story(2).partition(b"\r\n\r\n")
    asks_first = head.replace(b"\r\n", b"\r\nExpect: 100-continue\r\n", 1) + b"\r\n\r\n"
    with Service(fake, max_sessions=1) as service:
        invited = parse((await exchange(service.port, asks_first, rest=body)).partition(b"\r\n\r\n")[2])
        refused = await exchange(service.port, asks_first)
        late = await exchange(service.port, head + b"\r\n\r\n", rest=body)  # a client that does not wait loses nothing

    assert invited is not None and invited.status == 202
    assert refused.startswith(b"HTTP/1.1 429")
    for received in (refused, late):
        answer = parse(received)
        assert answer is not None
        check_refusals([answer], 429, "service_full")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("headers", "proxies"),
    [
        ({}, ""),
        ({"X-API-Key": "a-long-key-of-alice"}, ""),
        ({"X-Forwarded-For": "10.0.0.{}"}, ""),
        ({"X-Forwarded-For": "2001:db8:0:7:{}::1"}, "127.0.0.1"),
    ],
    ids=["one address", "one key", "an address in a header", "one IPv6 network"],
)
async def test_one_caller_cannot_take_all(tmp_path: Path, headers: dict[str, str], proxies: str) -> None:
    keys = "alice:a-long-key-of-alice,bob:a-long-key-of-bob" if "X-API-Key" in headers else ""
    own = [{name: value.format(number) for name, value in headers.items()} for number in range(100)]
    with Service(folder=tmp_path, rate_limit="15/minute", trusted_proxies=proxies, api_keys=keys) as service:
        sent = [json_request(b"/analyze", {"story_text": story(3, 1)}, more) for more in own]
        answers = await asyncio.gather(*(answer_to(service.port, request) for request in sent))
        others = {"X-API-Key": "a-long-key-of-bob"} if keys else {"X-Forwarded-For": "2001:db8:0:8::1"}
        other = await answer_to(service.port, json_request(b"/analyze", {"story_text": story(3, 1)}, others))

    refused = [answer for answer in answers if answer.status != 200]
    assert len(refused) >= 80
    check_refusals(refused, 429, "rate_limited")
    assert other.status == (200 if keys or proxies else 429)


# --- Slow clients ----------------------------------------------------------------------------------------------


async def test_slow_clients_cost_next_to_nothing(fake: FakeProviders) -> None:
    fake.control(picture_bytes=1_000_000)
    half = new_story(4)[:-100]
    nowhere = half.replace(b"/generate", b"/nowhere", 1)
    with Service(fake) as service:
        session_id = (await done(service, service.generate(story(5, 4), num_scenes=4)))["session_id"]
        files, tasks = service.open_files(), metric(service, "story_tasks")
        memory = memory_mb(service.pid)
        wanted = json_request(b"/download", {"session_id": session_id})
        readers = [await Caller.connect(service.port, wanted, buffer=4096) for _ in range(100)]
        halves = [await Caller.connect(service.port, half) for _ in range(scale(100, 200))]
        lost = [await Caller.connect(service.port, nowhere) for _ in range(20)]
        drips = [asyncio.create_task(reader.sip(1000)) for reader in readers]
        async with watched(service.port, b"/health") as meanwhile:
            timed_out = [parse(await half_body.closed()) for half_body in halves]
            not_found = [parse(await half_body.closed()) for half_body in lost]
        more = memory_mb(service.pid) - memory
        for drip in drips:
            drip.cancel()
        sipped = [got for got in await asyncio.gather(*drips, return_exceptions=True) if isinstance(got, Exception)]
        for reader in readers:
            reader.leave()
        await until(lambda: service.open_files() <= files + MAX_MORE_FILES, "descriptors stay open")
        await until(lambda: metric(service, "story_tasks") <= tasks, "tasks stay")
        again = await done(service, service.generate(story(6, 1), num_scenes=1))

    assert sipped == []
    for answers, status, code in ((timed_out, 408, "body_timeout"), (not_found, 404, "not_found")):
        for answer in answers:
            assert answer is not None
            assert (answer.status, answer.problem()["code"]) == (status, code)
    assert {answer.status for answer in meanwhile} == {200}
    assert more <= MAX_MORE_MB
    assert again["status"] == "completed"


async def test_clients_that_leave_in_the_middle_leave_nothing_behind(fake: FakeProviders) -> None:
    fake.control(picture_bytes=1_000_000, image_ms=100)
    many = scale(300, 2000)
    chance = random.Random(22)
    with Service(fake, max_sessions=many, image_concurrency=32) as service:
        finished = await done(service, service.generate(story(7, 2), num_scenes=2))
        fake.control(image_ms=20_000)
        drawing = service.generate(story(8, 1), num_scenes=1)
        version = (await answer_to(service.port, request_bytes("GET", f"/status/{drawing}".encode()))).headers["etag"]
        fake.control(image_ms=50, picture_bytes=20_000)
        files, tasks = service.open_files(), metric(service, "story_tasks")

        def requests(number: int) -> bytes:
            kinds = (
                new_story(1000 + number),
                new_story(1000 + number)[: -chance.randrange(1, 400)],
                request_bytes("GET", f"/status/{drawing}?wait=60".encode(), headers={"if-none-match": version}),
                request_bytes("GET", f"/events/{drawing}".encode()),
                json_request(b"/download", {"session_id": finished["session_id"]}),
            )
            return kinds[number % len(kinds)]

        async def leave(number: int) -> None:
            caller = await Caller.connect(service.port, requests(number), buffer=4096)
            await asyncio.sleep(chance.random() / 2)
            caller.leave()

        for begin in range(0, many, 200):
            await asyncio.gather(*(leave(number) for number in range(begin, min(many, begin + 200))))
        await until(lambda: _active(service) <= 1, "sessions of callers who left do not end")
        await until(lambda: service.open_files() <= files + MAX_MORE_FILES, "descriptors stay open")
        await until(lambda: metric(service, "story_tasks") <= tasks, "tasks stay")
        again = await done(service, service.generate(story(9, 2), num_scenes=2))

        assert (again["status"], ready(again)) == ("completed", 2)
        assert "Traceback" not in service.log()
    assert fake.counts()["pictures_paid_twice"] == 0


def _active(service: Service) -> int:
    active: int = service.client.get("/health").json()["active_sessions"]
    return active


# --- Nothing left to work with ---------------------------------------------------------------------------------


async def test_without_descriptors_it_degrades_and_recovers(fake: FakeProviders) -> None:
    fake.control(image_ms=300)
    with Service(fake, image_concurrency=4) as service:
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (256, 256))
        before = await done(service, service.generate(story(10, 2), num_scenes=2))
        under_way = [service.generate(story(20 + number, 4), num_scenes=4) for number in range(4)]
        callers = await asyncio.gather(*(Caller.connect(service.port, b"GET /hea") for _ in range(500)))
        await until(lambda: service.open_files() >= 250, "the descriptors are not used up")
        await asyncio.sleep(scale(2, 10))  # the load lasts; nothing tells from outside when it has hurt
        for caller in callers:
            caller.leave()
        left = time.monotonic()
        healthy = None
        while healthy is None or healthy.status != 200:
            assert time.monotonic() - left < 5.0, "it does not recover"
            healthy = await ask(service.port, request_bytes("GET", b"/health"))
        states = [await _completed(service, session_id) for session_id in under_way]
        after = await asyncio.to_thread(service.status, before["session_id"])

        assert [ready(state) for state in states] == [4] * 4
        assert ready(after) == 2
        assert "no descriptor left" in service.log()
        assert "Traceback" not in service.log()  # asyncio would write thousands
        assert (await _zip_entries(service, before["session_id"])) == 2
    counts = fake.counts()
    assert (counts["pictures_paid"], counts["pictures_paid_twice"]) == (18, 0)
    assert counts["violations"] == []


async def _completed(service: Service, session_id: str) -> Json:
    """The session's last state, continued when it ended without all of its pictures."""
    state = await done(service, session_id)
    if any(scene["status"] != "ready" for scene in state["scenes"]):
        service.client.post("/continue", json={"session_id": session_id}).raise_for_status()
        state = await done(service, session_id)
    return state


async def _zip_entries(service: Service, session_id: str) -> int:
    answer = await asyncio.to_thread(service.client.post, "/download", json={"session_id": session_id})
    return (
        answer.raise_for_status().content.count(b"PK\x01\x02") - 4
    )  # without the page, the story and the two JSON files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose `projects` is a disk of 5 MB."""
    projects = tmp_path / "projects"
    projects.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(projects)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("a disk of 5 MB takes the right to mount one")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(projects)], check=True)


async def test_a_full_disk_pays_for_nothing_it_cannot_keep_and_recovers(fake: FakeProviders, small_disk: Path) -> None:
    fake.control(picture_bytes=150_000)
    filler = small_disk / "projects" / "filler"
    with Service(fake, folder=small_disk, image_concurrency=4) as service:
        kept = await done(service, service.generate(story(30, 2), num_scenes=2))
        begun = await done(service, service.generate(story(31, 8), num_scenes=8, stop_at="prompts"))
        _fill(filler, leave=400_000)
        answer = await answer_to(service.port, json_request(b"/continue", {"session_id": begun["session_id"]}))
        hurt = await done(service, begun["session_id"])
        _fill(filler, leave=0)
        paid_before = fake.counts()["pictures_paid"]
        refused = [await answer_to(service.port, new_story(number)) for number in (32, 33)]
        full = await asyncio.to_thread(service.status, begun["session_id"])
        shown = [scene for scene in full["scenes"] if scene["image_url"]]
        for scene in shown:
            picture = await asyncio.to_thread(service.client.get, scene["image_url"])
            assert len(picture.raise_for_status().content) >= 150_000
        zipped = await _zip_entries(service, begun["session_id"]) if shown else 0
        ready_now = await answer_to(service.port, request_bytes("GET", b"/health/ready"))
        paid_while_full = fake.counts()["pictures_paid"] - paid_before

        filler.unlink()
        await until(lambda: service.client.get("/health/ready").status_code == 204, "it does not recover")
        state = await _completed(service, begun["session_id"])
        counts = fake.counts()
        states = [state, await asyncio.to_thread(service.status, kept["session_id"])]
        known = sum(each["cost_usd"] for each in states)

        assert answer.status in (202, 503)
        assert ready(hurt) < 8
        assert {scene["error"]["code"] for scene in hurt["scenes"] if scene["error"]} <= {"storage_unavailable"}
        assert zipped == len(shown)
        check_refusals([*refused, ready_now], 503, "storage_unavailable")
        assert paid_while_full == 0
        assert (ready(state), ready(states[1])) == (8, 2)
        assert (counts["pictures_paid"], counts["pictures_paid_twice"]) == (10, 0)
        assert known == pytest.approx(sum(counts["usd"].values()), abs=1e-9)
        assert await _zip_entries(service, begun["session_id"]) == 8
        assert "Traceback" not in service.log()


def _fill(path: Path, *, leave: int) -> None:
    """Write until only so many bytes are left on the disk."""
    with path.open("ab", buffering=0) as file:
        while (room := shutil.disk_usage(path.parent).free - leave) > 0:
            try:
                file.write(bytes(min(room, 65536)))
            except OSError:
                return
