"""Runs sessions as jobs in Redis, wherever a worker has room: one plans a session, one draws each of its scenes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from docket import ConcurrencyLimit, Docket, Perpetual, Worker

from adapters.redis_link import translated
from adapters.redis_store import RedisStore
from business_logic import Studio
from models import SessionNotFound, StorageUnavailable, StoreUnavailable
from utils import end_task, session_in_log

log = logging.getLogger(__name__)

DOCKET = "story-jobs"  # how the keys of its queue begin
AGAIN_SECONDS = 1.0  # between two tries while Redis does not answer
POLL_SECONDS = 0.05  # a worker looks this often whether it has room again
SPARE_CONNECTIONS = 100
SILENT_SHARE = 0.9  # of a lease: workers look every quarter of it, so that a job is taken up within one and a quarter
STOP_SECONDS = 5.0  # what is in flight may end; its ids are kept, so whoever goes on asks for them


class DocketRunner:
    """The `Runner` of an instance that draws nothing itself: it hands the work to whoever takes it."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._stopping = False
        docket.register(run)
        docket.register(draw)

    @property
    def stopping(self) -> bool:
        return self._stopping

    @property
    def apart(self) -> bool:
        return True

    def begin_stop(self) -> None:
        """Begin no new call from now on; may be called from a signal handler."""
        self._stopping = True

    async def submit(self, session_id: str) -> None:
        with translated():
            await self._docket.add("run", key=f"run:{session_id}")(session_id)

    async def scatter(self, session_id: str, scene_ids: list[str]) -> None:
        with translated():
            for scene_id in scene_ids:
                await self._docket.add("draw", key=_draw_key(session_id, scene_id))(session_id, scene_id)

    async def depth(self) -> dict[str, float]:
        """How many jobs wait and how many are at work, on all workers together."""
        with translated():
            async with self._docket.redis() as redis:
                length = int(await redis.xlen(self._docket.stream_key))
                groups = await redis.xinfo_groups(self._docket.stream_key) if length else []
        running = sum(int(group["pending"]) for group in groups)
        return {"waiting": max(0, length - running), "running": running}


async def run(session_id: str) -> None:
    """The name of a job; a worker has put its own in this place."""
    raise NotImplementedError("an instance without a worker runs no jobs")


async def draw(session_id: str, scene_id: str) -> None:
    """The name of a job; a worker has put its own in this place."""
    raise NotImplementedError("an instance without a worker runs no jobs")


def _draw_key(session_id: str, scene_id: str) -> str:
    return f"draw:{session_id}:{scene_id}"


@asynccontextmanager
async def open_docket(url: str, *, at_once: int) -> AsyncIterator[Docket]:
    """The queue of jobs, for a process that does so many at once; nothing of a job is kept once it has ended."""
    connections = f"max_connections={SPARE_CONNECTIONS + 2 * at_once}"  # redis-py's pool raises at its end
    url = f"{url}{'&' if '?' in url else '?'}{connections}"
    async with Docket(name=DOCKET, url=url, execution_ttl=timedelta(0)) as docket:
        yield docket


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a worker does. A job may begin again at any time, on any worker, and then continues."""

    studio: Studio
    store: RedisStore
    runner: DocketRunner
    docket: Docket
    lease_seconds: float
    max_tries: int
    clock: Callable[[], datetime]
    report: Callable[[BaseException, Mapping[str, str]], None]
    crashed: Callable[[str], None]

    async def run(self, session_id: str) -> None:
        """Plan a session and make a job of each of its scenes."""
        session_in_log.set(session_id)
        await self._do(
            f"run:{session_id}", lambda: self.studio.run(session_id), lambda: self.studio.crashed(session_id)
        )
        if self.runner.stopping:
            await self._hand_on("run", f"run:{session_id}", session_id)

    async def draw(self, session_id: str, scene_id: str) -> None:
        """Draw one scene."""
        session_in_log.set(session_id)
        await self._do(
            _draw_key(session_id, scene_id),
            lambda: self.studio.render_apart(session_id, scene_id),
            lambda: self.studio.scene_crashed(session_id, scene_id),
        )
        if self.runner.stopping:
            await self._hand_on("draw", _draw_key(session_id, scene_id), session_id, scene_id)

    async def nudge(self) -> None:
        """Begin again whatever has work left and has not moved for a lease: a job may have been lost."""
        with translated():
            for session_id in await self.store.unfinished(since=self.clock() - timedelta(seconds=self.lease_seconds)):
                await self.runner.submit(session_id)

    async def _do(self, key: str, work: Callable[[], Awaitable[None]], give_up: Callable[[], Awaitable[None]]) -> None:
        """Work until it has ended, through any outage of the store; give up what has been begun too often."""
        while True:
            try:
                if await self.store.count_try(key) > self.max_tries:
                    log.error("job given up: begun too often", extra={"job": key.partition(":")[0]})
                    await give_up()
                else:
                    await self._once(work, give_up)
                await self.store.forget_tries(key)
                return
            except StoreUnavailable:
                if self.runner.stopping:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)

    async def _once(self, work: Callable[[], Awaitable[None]], give_up: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreUnavailable:
            raise
        except SessionNotFound:
            log.info("session gone while it ran")
        except Exception as error:  # the last stand: whatever it was, the session must not be stuck
            log.exception("run crashed")
            self.crashed("run")
            self.report(error, {"where": "run", "session_id": session_in_log.get() or "", "request_id": ""})
            try:
                await give_up()
            except SessionNotFound:
                log.info("session gone while it ran")
            except StorageUnavailable as error:
                log.error("session left as it is", extra={"reason": error.code})
                raise

    async def _hand_on(self, name: str, key: str, *arguments: str) -> None:
        """Another worker takes up what stopping has cut short: under another key, for this job has not ended yet."""
        with translated():
            await self.docket.add(name, key=f"{key}:on")(*arguments)


@asynccontextmanager
async def working(jobs: Jobs, *, name: str, concurrency: int, in_all: int | None) -> AsyncIterator[None]:
    """Take jobs until this is left; what is under way then may end within a moment, the rest goes to another worker.

    `in_all` is how many scenes all workers together draw at once, None for no limit.
    """
    _register(jobs, in_all)
    async with Worker(
        jobs.docket,
        name=name,
        concurrency=concurrency,
        redelivery_timeout=timedelta(seconds=SILENT_SHARE * jobs.lease_seconds),
        reconnection_delay=timedelta(seconds=AGAIN_SECONDS),
        minimum_check_interval=timedelta(seconds=POLL_SECONDS),
    ) as worker:
        taking = asyncio.create_task(worker.run_forever())
        try:
            yield
        finally:
            jobs.runner.begin_stop()
            taking.cancel()  # take no more; those under way end
            await asyncio.wait([taking], timeout=STOP_SECONDS)
            await end_task(taking)  # their messages stay, and come back to whoever is there


def _register(jobs: Jobs, in_all: int | None) -> None:
    """Put the jobs into the places of their names."""

    every = Perpetual(every=timedelta(seconds=jobs.lease_seconds / 2), automatic=True)
    at_most = ConcurrencyLimit(max_concurrent=in_all or 1)

    async def nudge(perpetual: Perpetual = every) -> None:
        await jobs.nudge()

    async def limited(session_id: str, scene_id: str, limit: ConcurrencyLimit = at_most) -> None:
        await jobs.draw(session_id, scene_id)

    jobs.docket.register(jobs.run, names=["run"])
    jobs.docket.register(limited if in_all else jobs.draw, names=["draw"])
    jobs.docket.register(nudge, names=["nudge"])
