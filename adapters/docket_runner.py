"""Runs sessions as jobs in Redis, wherever a worker has room: one plans a session, one draws each of its scenes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from docket import ConcurrencyLimit, Docket, Perpetual, Worker

from adapters.redis_link import ANSWER_SECONDS, translated
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
STOP_SECONDS = 60.0  # calls under way may end; what is left then comes back to another worker after its lease
THERE = (b"queued", b"scheduled", b"running")  # the states of a job that need not be added


class DocketRunner:
    """The `Runner` of an instance that draws nothing itself: it hands the work to whoever takes it."""

    def __init__(self, docket: Docket, store: RedisStore) -> None:
        self._docket = docket
        self._store = store
        self._stopping = False
        self.on_stop: list[Callable[[], object]] = []
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
        for tell in self.on_stop:
            tell()

    async def submit(self, session_id: str) -> None:
        await self._add("run", _run_key(session_id), session_id)

    async def scatter(self, session_id: str, scene_ids: list[str]) -> None:
        for scene_id in scene_ids:
            await self._add("draw", _draw_key(session_id, scene_id), session_id, scene_id)

    async def _add(self, name: str, key: str, *arguments: str) -> None:
        """Have that job done, now or again after the one under way.

        docket takes no second job of a key while one runs, and takes one that is parked at a limit twice: so whoever is
        there already is told that it is wanted again, and looks at that when it ends.
        """
        await self._store.want_again(key)
        async with _answered():
            async with self._docket.redis() as redis:
                there = await redis.hget(self._docket.runs_key(key), "state")
            if there not in THERE:
                await self._docket.add(name, key=key)(*arguments)

    async def hand_on(self, name: str, key: str, *arguments: str) -> None:
        """Have the job taken up by another: under a key of its own, for this one has not ended yet."""
        async with _answered():
            await self._docket.add(name, key=f"{key}:{uuid4().hex}")(*arguments)

    async def depth(self) -> dict[str, float]:
        """How many jobs wait, those parked at the limit among them, and how many are at work on all workers."""
        async with _answered(), self._docket.redis() as redis:
            length = int(await redis.xlen(self._docket.stream_key))
            groups = await redis.xinfo_groups(self._docket.stream_key) if length else []
            parked = int(await redis.xlen(f"{self._docket.prefix}:concurrency:draw:waiters"))
        running = sum(int(group["pending"]) for group in groups)
        return {"waiting": max(0, length - running) + parked, "running": running}


async def run(session_id: str) -> None:
    """The name of a job; a worker has put its own in this place."""
    raise NotImplementedError("an instance without a worker runs no jobs")


async def draw(session_id: str, scene_id: str) -> None:
    """The name of a job; a worker has put its own in this place."""
    raise NotImplementedError("an instance without a worker runs no jobs")


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """docket waits for Redis for as long as it takes: we do not."""
    with translated():
        async with asyncio.timeout(ANSWER_SECONDS):
            yield


def _run_key(session_id: str) -> str:
    return f"run:{session_id}"


def _draw_key(session_id: str, scene_id: str) -> str:
    return f"draw:{session_id}:{scene_id}"


@asynccontextmanager
async def open_docket(url: str, *, at_once: int) -> AsyncIterator[Docket]:
    """The queue of jobs, for a process that does so many at once; nothing of a job is kept once it has ended."""
    # redis-py's pool raises at its end; a link that is cut without a word is noticed by the system's own probes
    connections = f"max_connections={SPARE_CONNECTIONS + 2 * at_once}&socket_keepalive=yes"
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

        async def work() -> None:
            async with self.studio.flights("", f"run:{session_id}"):  # a run closes what an earlier one left open
                await self.studio.run(session_id)

        key = _run_key(session_id)
        await self._do(key, work, lambda: self.studio.crashed(session_id))
        await self._once_more("run", key, session_id)

    async def draw(self, session_id: str, scene_id: str) -> None:
        """Draw one scene."""
        session_in_log.set(session_id)
        key = _draw_key(session_id, scene_id)
        await self._do(
            key,
            lambda: self.studio.render_apart(session_id, scene_id),
            lambda: self.studio.scene_crashed(session_id, scene_id),
        )
        await self._once_more("draw", key, session_id, scene_id)

    async def nudge(self) -> None:
        """Begin again whatever has work left and has not moved for a lease: a job may have been lost."""
        with translated():
            for session_id in await self.store.unfinished(since=self.clock() - timedelta(seconds=self.lease_seconds)):
                await self.runner.submit(session_id)

    async def _do(self, key: str, work: Callable[[], Awaitable[None]], give_up: Callable[[], Awaitable[None]]) -> None:
        """Work until it has ended, through any outage of the store; give up what has been begun too often."""
        tries = 0
        while True:
            try:
                tries = tries or await self.store.count_try(key)  # an outage is no try: the same one goes on after it
                await self.store.is_wanted_again(key)  # what was wanted until now is seen by what follows
                if tries > self.max_tries:
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

    async def _once_more(self, name: str, key: str, *arguments: str) -> None:
        """Hand on what stopping has cut short, and what was wanted again while it was done."""
        if self.runner.stopping or await self.store.is_wanted_again(key):
            await self.runner.hand_on(name, key, *arguments)


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
        loop = asyncio.get_running_loop()
        jobs.runner.on_stop.append(lambda: loop.call_soon_threadsafe(taking.cancel))  # take no more at once
        try:
            yield
        finally:
            if not jobs.runner.stopping:
                jobs.runner.begin_stop()
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
