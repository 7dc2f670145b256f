"""Runs sessions as tasks of this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from models import StoryError
from utils import request_in_log, session_in_log

log = logging.getLogger(__name__)

Run = Callable[[str], Awaitable[None]]
Report = Callable[[BaseException, Mapping[str, str]], None]


def report_nobody(error: BaseException, about: Mapping[str, str]) -> None:
    """The log has it: nobody else is told."""


class LocalRunner:
    """The `Runner` of one process: holds a task for each session at work, and runs none twice at a time."""

    def __init__(self, run: Run, crashed: Run, *, report: Report = report_nobody) -> None:
        """`run` does a session's work, `crashed` is told when it raised what nobody expected, `report` what it was."""
        self._run = run
        self._crashed = crashed
        self._report = report
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        return self._stopping

    @property
    def apart(self) -> bool:
        return False

    async def scatter(self, session_id: str, scene_ids: list[str]) -> None:
        """Never asked: a run draws all its scenes itself."""
        raise NotImplementedError

    async def submit(self, session_id: str) -> None:
        """Start a run; while one is under way, make it go round once more."""
        self.start(session_id)

    def start(self, session_id: str) -> None:
        """What `submit` does: a task of this process needs no waiting."""
        if self._stopping:
            return
        if session_id in self._tasks:
            self._again.add(session_id)
            return
        task = asyncio.create_task(self._work(session_id), name=f"run {session_id}")
        self._tasks[session_id] = task
        task.add_done_callback(lambda _: self._done(session_id))

    def _done(self, session_id: str) -> None:
        self._tasks.pop(session_id, None)
        if session_id in self._again:
            self._again.discard(session_id)
            self.start(session_id)

    async def _work(self, session_id: str) -> None:
        session_in_log.set(session_id)
        try:
            await self._run(session_id)
        except Exception as error:  # the last stand: whatever it was, the session must not be stuck
            log.exception("run crashed", extra={"session_id": session_id})
            about = {"where": "run", "session_id": session_id, "request_id": request_in_log.get() or ""}
            self._report(error, about)
            await self._tell(session_id)

    async def _tell(self, session_id: str) -> None:
        try:
            await self._crashed(session_id)
        except StoryError as error:
            log.error("session left as it is", extra={"session_id": session_id, "reason": error.code})
        except Exception:  # nobody is behind us to hear of it
            log.exception("session left as it is", extra={"session_id": session_id})

    def begin_stop(self) -> None:
        """Begin no new call from now on; may be called from a signal handler."""
        self._stopping = True

    async def stop(self, *, grace: float) -> None:
        """Begin no new call; wait `grace` seconds for what is in flight; the rest continues after the restart."""
        self.begin_stop()
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def depth(self) -> dict[str, float]:
        """How many sessions are at work, and how many wait to be taken up once more."""
        return {"waiting": len(self._again), "running": len(self._tasks)}

    @property
    def running(self) -> int:
        """How many sessions are at work."""
        return len(self._tasks)
