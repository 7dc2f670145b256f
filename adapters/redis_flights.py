"""One lock a key over all processes: whoever asks for the same thing anywhere waits and finds it done."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from adapters.redis_link import PREFIX, RedisLink, translated
from business_logic import LocalFlights

log = logging.getLogger(__name__)

RENEWALS = 3  # in one lease
LOOK_SECONDS = 0.05  # between two looks whether a lock is free


class RedisFlights:
    """The `Flights` of many processes. Whoever stops renewing (killed, frozen) loses its lock after `lease_seconds`.

    So two can hold one key for a moment: what they do must bear that, as `claim_drawing` and the versions do.
    """

    def __init__(self, link: RedisLink, *, lease_seconds: float) -> None:
        self._link = link
        self._lease_seconds = lease_seconds
        self._here = LocalFlights()  # those of one process wait here, and ask Redis one at a time

    @asynccontextmanager
    async def __call__(self, owner: str, key: str) -> AsyncIterator[str]:
        async with self._here(owner, key):
            name = f"{PREFIX}flight:{hashlib.sha256(f'{owner}/{key}'.encode()).hexdigest()}"
            lock = Lock(self._link.redis, name, timeout=self._lease_seconds, sleep=LOOK_SECONDS, thread_local=False)
            with translated():
                await lock.acquire()
            ended = asyncio.Event()
            renewing = asyncio.create_task(self._renew(lock, ended))
            try:
                yield f"{name} {lock.local.token.decode()}"
            finally:
                ended.set()  # not cancelled: redis-py may swallow that, and goes on
                await asyncio.gather(renewing, return_exceptions=True)
                with contextlib.suppress(RedisError, OSError):  # lost or out of reach: it ends by itself
                    await lock.release()

    async def _renew(self, lock: Lock, ended: asyncio.Event) -> None:
        while not await _set_within(ended, self._lease_seconds / RENEWALS):
            try:
                await lock.extend(self._lease_seconds, replace_ttl=True)
            except LockError:
                log.warning("lock lost: somebody else may be at it, too")
                return
            except (RedisError, OSError):  # it is still ours until its lease ends
                continue


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
