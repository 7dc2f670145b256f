"""Sessions run as tasks: one run each at a time, none lost, none that takes the others with it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from adapters.local_runner import LocalRunner
from models import SessionNotFound

PATIENCE_SECONDS = 10.0


class Work:
    """What the runner runs: counts, waits for a go, and fails to order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.told: list[str] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.telling_error: Exception | None = None
        self.most_at_once = 0
        self._now = 0

    async def run(self, session_id: str) -> None:
        self.began.append(session_id)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await self.go.wait()
            if self.error is not None:
                raise self.error
        finally:
            self._now -= 1

    async def crashed(self, session_id: str) -> None:
        self.told.append(session_id)
        if self.telling_error is not None:
            raise self.telling_error


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture
async def runner(work: Work) -> LocalRunner:
    return LocalRunner(work.run, work.crashed)


async def idle(runner: LocalRunner) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while runner.running:  # noqa: ASYNC110 (a task's end has no event for strangers)
            await asyncio.sleep(0)


async def test_a_submitted_session_runs(runner: LocalRunner, work: Work) -> None:
    runner.start("a")
    work.go.set()

    await idle(runner)

    assert work.began == ["a"]


async def test_what_comes_during_a_run_makes_one_more(runner: LocalRunner, work: Work) -> None:
    runner.start("a")
    await asyncio.sleep(0)
    for _ in range(5):
        runner.start("a")
    work.go.set()

    await idle(runner)

    assert work.began == ["a", "a"]
    assert work.most_at_once == 1


async def test_sessions_run_side_by_side(runner: LocalRunner, work: Work) -> None:
    for session_id in "abc":
        runner.start(session_id)
    await asyncio.sleep(0)

    assert runner.running == 3
    work.go.set()
    await idle(runner)
    assert work.most_at_once == 3


async def test_who_waits_and_who_is_at_work_is_told(runner: LocalRunner, work: Work) -> None:
    for session_id in "aab":
        runner.start(session_id)

    assert runner.depth() == {"waiting": 1, "running": 2}
    work.go.set()
    await idle(runner)
    assert runner.depth() == {"waiting": 0, "running": 0}


async def test_a_crash_is_reported_once_with_its_session(work: Work) -> None:
    reported: list[tuple[BaseException, dict[str, str]]] = []
    runner = LocalRunner(work.run, work.crashed, report=lambda error, about: reported.append((error, dict(about))))
    work.error, work.telling_error = RuntimeError("a bug"), SessionNotFound()
    work.go.set()
    runner.start("a")

    await idle(runner)

    assert reported == [(work.error, {"where": "run", "session_id": "a", "request_id": ""})]


async def test_a_crash_is_told_and_logged(runner: LocalRunner, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    work.error = RuntimeError("a bug")
    work.go.set()
    runner.start("a")

    await idle(runner)

    assert work.told == ["a"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("error", [SessionNotFound(), RuntimeError("another")], ids=["gone", "bug"])
async def test_a_crash_that_cannot_be_told_ends_quietly(
    runner: LocalRunner, work: Work, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    work.error, work.telling_error = RuntimeError("a bug"), error
    work.go.set()
    runner.start("a")

    await idle(runner)

    assert len(caplog.records) == 2


async def test_stop_waits_for_what_is_in_flight(runner: LocalRunner, work: Work) -> None:
    runner.start("a")
    await asyncio.sleep(0)
    stopping = asyncio.create_task(runner.stop(grace=PATIENCE_SECONDS))
    await asyncio.sleep(0)

    assert runner.stopping
    assert not stopping.done()
    work.go.set()
    await stopping
    assert runner.running == 0
    assert work.told == []


async def test_stop_leaves_what_takes_too_long(runner: LocalRunner, work: Work) -> None:
    runner.start("a")
    await asyncio.sleep(0)

    await runner.stop(grace=0.0)
    await asyncio.sleep(0)

    assert runner.running == 0
    assert work.told == []


async def test_nothing_begins_after_a_stop(runner: LocalRunner, work: Work) -> None:
    runner.start("a")
    await asyncio.sleep(0)
    runner.start("a")
    await runner.stop(grace=0.0)

    runner.start("b")
    await asyncio.sleep(0)

    assert work.began == ["a"]
    assert runner.running == 0
