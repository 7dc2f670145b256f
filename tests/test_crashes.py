"""Killed, stopped, started on a torn journal: nothing finished is lost, nothing paid twice, none stuck."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.checks import (
    PATIENCE_SECONDS,
    check_listed,
    check_pictures,
    cost_of,
    drawings_under_way,
    open_charges,
    zip_of,
)
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.service import ENDED, Service, free_port, ready
from tests.stories import story

ROUNDS = int(os.environ.get("STORY_ROUNDS", "2"))
SESSIONS, SCENES = 20, 5
ENDED_SECONDS = 60.0  # after a restart: what is promised
STOP_LIMIT_SECONDS = 10.0  # what is promised for SIGTERM


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=20_000) as fake:
        yield fake


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    providers.reset()
    providers.control(text_ms=60, image_ms=250)
    return providers


# --- kill -9 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_kill_9_at_a_random_moment_loses_nothing_and_pays_nothing_twice(fake: FakeProviders, round_: int) -> None:
    chance = random.Random(round_)
    fake.control(text_ms=150, image_ms=600, spread=0.5)
    with Service(fake, image_concurrency=8) as service:
        ids = [service.generate(story(1000 * round_ + 10 * n, SCENES), num_scenes=SCENES) for n in range(SESSIONS)]
        time.sleep(chance.uniform(0.0, 4.0))
        asked = fake.counts()["now"].get("text", 0)
        service.kill()
        service.start()
        check_listed(service, [service.status(session_id) for session_id in ids])
        states = service.wait_all(ids, patience=ENDED_SECONDS)
        counts = fake.counts()

        assert [(state["status"], ready(state)) for state in states] == [("completed", SCENES)] * SESSIONS
        assert counts["pictures_paid_twice"] == 0
        assert counts["pictures_paid"] == SCENES * SESSIONS
        assert counts["text_paid_twice"] <= asked
        assert counts["violations"] == []
        assert cost_of(states) >= sum(counts["usd"].values()) - 1e-9  # never less than was billed
        assert open_charges(service) == 0
        check_pictures(service, states)


def test_killed_again_and_again_while_it_recovers(fake: FakeProviders) -> None:
    with Service(fake, image_concurrency=6) as service:
        ids = [service.generate(story(90_000 + 10 * n, 3), num_scenes=3) for n in range(6)]
        for moment in (0.1, 0.05, 0.3, 0.2, 0.02):  # seconds: bibles, prompts, drawings and fetches
            time.sleep(moment)
            service.kill()
            service.start()
        states = service.wait_all(ids, patience=ENDED_SECONDS)

        assert [(state["status"], ready(state)) for state in states] == [("completed", 3)] * 6
        assert (fake.counts()["pictures_paid"], fake.counts()["pictures_paid_twice"]) == (18, 0)
        check_pictures(service, states)


def test_no_caller_sees_a_version_twice_over_a_kill(fake: FakeProviders) -> None:
    with Service(fake, image_concurrency=2) as service:
        session_id = service.generate(story(91_000, 4), num_scenes=4)
        drawings_under_way(fake, 1)
        before = version(service, session_id)
        service.kill()
        service.start()
        after = version(service, session_id)

        assert after > before
        assert ready(service.wait(session_id)) == 4


def version(service: Service, session_id: str) -> int:
    """The version in the tag, `"version-digest"`."""
    tag: str = service.client.get(f"/status/{session_id}").headers["ETag"]
    return int(tag.strip('"').partition("-")[0])


# --- A torn journal --------------------------------------------------------------------------------------------


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def noise(path: Path) -> None:
    path.write_bytes(os.urandom(max(4096, path.stat().st_size)))


def torn(path: Path) -> None:
    """One page in the middle, as a disk that lied about a write leaves it."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(4096))


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [half, empty, noise, torn, gone])
@pytest.mark.parametrize("file", ["journal.db", "journal.db-wal"])
def test_a_damaged_journal_is_survived_and_finished_work_is_kept(
    fake: FakeProviders, damage: Callable[[Path], None], file: str, tmp_path: Path
) -> None:
    with Service(fake, folder=tmp_path, image_concurrency=8) as service:
        done = service.wait_all([service.generate(story(92_000 + 10 * n, 2), num_scenes=2) for n in range(4)])
        running = service.generate(story(92_500, 3), num_scenes=3)
        drawings_under_way(fake, 1)
        service.kill()
        damage(tmp_path / "projects" / file)
        service.start()

        after = [service.status(state["session_id"]) for state in done]
        assert [(state["status"], ready(state)) for state in after] == [("completed", 2)] * 4
        assert [scene["title"] for state in after for scene in state["scenes"]] == [
            scene["title"] for state in done for scene in state["scenes"]
        ]
        assert cost_of(after) == pytest.approx(cost_of(done), abs=1e-9)
        check_pictures(service, after)
        found = service.client.get(f"/status/{running}")
        if found.status_code == 404:  # it was only in what was lost, and nothing of it was finished
            assert "journal damaged" in service.log() or damage is gone or file == "journal.db-wal"
        else:
            assert service.wait(running, patience=ENDED_SECONDS)["status"] in ENDED
        new = service.wait(service.generate(story(92_600, 2), num_scenes=2))
        assert ready(new) == 2
        service.stop()
        service.start()
        assert ready(service.status(new["session_id"])) == 2


def test_a_session_whose_row_is_torn_is_named_and_the_others_go_on(fake: FakeProviders, tmp_path: Path) -> None:
    with Service(fake, folder=tmp_path, image_concurrency=4) as service:
        ids = [service.generate(story(93_000 + 10 * n, 3), num_scenes=3) for n in range(3)]
        drawings_under_way(fake, 1)
        service.kill()
        with closing(sqlite3.connect(tmp_path / "projects" / "journal.db")) as db:
            db.execute("UPDATE sessions SET body = substr(body, 1, 40) WHERE session_id = ?", (ids[1],))
            db.commit()
        service.start()
        states = service.wait_all([ids[0], ids[2]], patience=ENDED_SECONDS)

        assert [ready(state) for state in states] == [3, 3]
        assert service.client.get(f"/status/{ids[1]}").status_code == 404
        assert any("session unreadable" in line and ids[1] in line for line in service.log().splitlines())


def test_half_written_files_are_never_listed(fake: FakeProviders, tmp_path: Path) -> None:
    with Service(fake, folder=tmp_path, image_concurrency=4) as service:
        state = service.wait(service.generate(story(94_000, 2), num_scenes=2))
        folder = tmp_path / "projects" / state["session_id"]
        (folder / "images" / ".new-abcdef").write_bytes(b"\xff\xd8half a picture")
        (folder / ".new-ghijkl").write_bytes(b"{")
        names = zip_of(service, state["session_id"]).namelist()

        assert not any(".new-" in name for name in names)
        assert service.client.get(f"/images/{state['session_id']}/.new-abcdef").status_code == 404


# --- Stopping --------------------------------------------------------------------------------------------------


def test_a_stop_is_announced_before_it_comes_and_everything_completes_after_it(fake: FakeProviders) -> None:
    fake.control(text_ms=200, image_ms=1500)
    with Service(fake, image_concurrency=8, drain_seconds=2) as service:
        ids = [service.generate(story(95_000 + 10 * n, SCENES), num_scenes=SCENES) for n in range(SESSIONS)]
        drawings_under_way(fake, 1)
        with ThreadPoolExecutor(1) as threads:
            stopping = threads.submit(_signalled_and_gone, service)
            answers = [_ready(service)]
            while answers[-1] != 503 and not stopping.done():
                answers.append(_ready(service))
            meanwhile = httpx.get(f"http://127.0.0.1:{service.port}/status/{ids[0]}", trust_env=False)
            took = stopping.result()
        service.stop()
        service.start()
        states = service.wait_all(ids, patience=ENDED_SECONDS)

        assert answers[-1] == 503
        assert meanwhile.status_code == 200  # whoever is being served goes on being served
        assert took <= STOP_LIMIT_SECONDS
        assert "Traceback" not in service.log()
        assert [(state["status"], ready(state)) for state in states] == [("completed", SCENES)] * SESSIONS
        assert (fake.counts()["pictures_paid_twice"], fake.counts()["text_paid_twice"]) == (0, 0)


def _signalled_and_gone(service: Service) -> float:
    """SIGTERM, and how many seconds the process took to end."""
    began = time.monotonic()
    os.kill(service.pid, signal.SIGTERM)
    service.ended(PATIENCE_SECONDS)
    return time.monotonic() - began


def _ready(service: Service) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{service.port}/health/ready", trust_env=False).status_code
    except httpx.HTTPError:
        return 0


def test_sigterm_ends_in_time_with_streams_and_waits_open_and_the_restart_completes(fake: FakeProviders) -> None:
    fake.control(image_ms=1500)
    with Service(fake, image_concurrency=4) as service, ThreadPoolExecutor(8) as threads:
        ids = [service.generate(story(200 + n, 3), num_scenes=3) for n in range(4)]
        drawings_under_way(fake, 4)
        listening = threading.Barrier(5)
        for session_id in ids[:2]:
            threads.submit(_listen, service, session_id, listening)
            threads.submit(_wait, service, session_id, listening)
        listening.wait(timeout=PATIENCE_SECONDS)

        took = service.stop()
        assert took <= STOP_LIMIT_SECONDS
        assert "Traceback" not in service.log()
        service.start()
        states = service.wait_all(ids, patience=PATIENCE_SECONDS)

        assert [ready(state) for state in states] == [3] * 4
        assert fake.counts()["pictures_paid_twice"] == 0
        assert fake.counts()["text_paid_twice"] == 0
        check_pictures(service, states)


def _listen(service: Service, session_id: str, listening: threading.Barrier) -> None:
    """Read events until the server ends the stream."""
    url = f"http://127.0.0.1:{service.port}/events/{session_id}"
    try:
        with httpx.stream("GET", url, timeout=PATIENCE_SECONDS, trust_env=False) as stream:
            listening.wait(timeout=PATIENCE_SECONDS)
            for _ in stream.iter_bytes():
                pass
    except httpx.HTTPError:
        return


def _wait(service: Service, session_id: str, listening: threading.Barrier) -> None:
    """Ask for a change that comes late, again and again until the server is gone."""
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=PATIENCE_SECONDS, trust_env=False) as client:
        etag = client.get(f"/status/{session_id}").headers["ETag"]
        listening.wait(timeout=PATIENCE_SECONDS)
        try:
            while True:
                reply = client.get(f"/status/{session_id}", params={"wait": 60}, headers={"If-None-Match": etag})
                etag = reply.headers.get("ETag", etag)
                if reply.status_code not in (200, 304):
                    return
        except httpx.HTTPError:
            return


def test_a_second_process_on_the_same_folder_refuses_in_one_sentence(tmp_path: Path) -> None:
    with Service(folder=tmp_path) as service:
        environment = service.environment | {"PORT": str(free_port())}
        second = subprocess.run(
            [sys.executable, str(REPOSITORY / "main.py")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

        assert second.returncode == 1
        assert "REDIS_URL" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
        assert service.client.get("/health").status_code == 200
        os.kill(service.pid, signal.SIGINT)  # from the keyboard: it ends as it does at a SIGTERM
        until = time.monotonic() + PATIENCE_SECONDS
        while "Finished server process" not in service.log():
            assert time.monotonic() < until, "it did not end"
            time.sleep(0.02)
        assert "Traceback" not in service.log()
