"""A few worker processes for work that would hold the GIL: they start on first use and outlive a killed worker."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

log = logging.getLogger(__name__)

Result = TypeVar("Result")

NICENESS = 10  # workers still take every core that nobody else wants
PARENT_CHECK_SECONDS = 2.0  # an orphan is gone this soon after a `kill -9` of the service


class WorkerDied(RuntimeError):
    """A worker process ended twice during the same call (killed, or out of memory)."""


class ProcessPool:
    """Runs module-level functions in up to `max_workers` processes that import those functions' modules, nothing else.

    Functions travel by name, arguments and results by pickle. `loky` starts workers afresh (no fork of a threaded
    parent) and, unlike `multiprocessing`'s spawn, without importing `__main__`; it is imported on the first `run`.
    """

    def __init__(self, max_workers: int) -> None:
        self.max_workers = max_workers
        self._lock = threading.Lock()
        self._executor: ProcessPoolExecutor | None = None
        self._closed = False

    async def run(self, fn: Callable[..., Result], *args: Any) -> Result:
        """`fn(*args)` from another process; raises what it raises.

        When a worker dies, the pool restarts and the call is made once more; after that it raises `WorkerDied`.
        So `fn` must be safe to repeat.
        """
        for last_try in (False, True):
            executor, future = await asyncio.to_thread(self._submit, fn, args)
            try:
                return await asyncio.wrap_future(future)
            except BrokenProcessPool as error:
                self._discard(executor)
                if last_try or self._closed:
                    raise WorkerDied("A worker process died during the call.") from error
                log.warning("worker process died, call repeated", extra={"function": fn.__qualname__})
        raise AssertionError("unreachable")

    @property
    def started(self) -> bool:
        """Whether there are worker processes by now."""
        return self._executor is not None

    async def close(self) -> None:
        """Ends the workers; calls in flight end with `WorkerDied`. May be repeated."""
        await asyncio.to_thread(self.shutdown)

    def shutdown(self) -> None:
        """`close` for callers without an event loop."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)

    def _submit(self, fn: Callable[..., Result], args: tuple[Any, ...]) -> tuple[ProcessPoolExecutor, Future[Result]]:
        with self._lock:
            if self._closed:
                raise RuntimeError("The process pool is closed.")
            if self._executor is None:
                self._executor = self._start()
            executor = self._executor
            try:
                return executor, executor.submit(fn, *args)
            except BrokenProcessPool:  # it broke while nobody was waiting for it
                self._executor = executor = self._start()
                return executor, executor.submit(fn, *args)

    def _start(self) -> ProcessPoolExecutor:
        from loky import ProcessPoolExecutor

        return ProcessPoolExecutor(self.max_workers, timeout=None, initializer=begin_work, initargs=(os.getpid(),))

    def _discard(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._executor is broken:  # several calls see the same death; the first one forgets the pool
                self._executor = None


def begin_work(parent: int) -> None:
    """The first thing a worker does: it steps back behind the service, whose answers must not wait for a drawing."""
    os.nice(NICENESS)
    leave_with_parent(parent)


def leave_with_parent(parent: int) -> None:
    """Ends this process soon after its parent has died, however it died; loky's workers would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, name="leave-with-parent", daemon=True).start()
