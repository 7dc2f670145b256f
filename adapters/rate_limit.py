"""Limits how often one caller may ask for work."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from functools import cached_property
from typing import TYPE_CHECKING

from models import StoreUnavailable, TooManyRequests

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter as SharedRateLimiter
    from limits.strategies import RateLimiter


REDIS_SECONDS = 2.0  # to connect, and for an answer
IPV6_PREFIX = 64  # what one subscriber is given: whoever has one address of it has them all


def counted_address(address: str) -> str:
    """What an address counts as: itself, for IPv6 its /64; a name that is no address stays as it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))


class RateLimit:
    """`60/minute` for each caller; counted in this process, or in Redis for all of them.

    `limits` is imported in a thread, with `load` or the first request that counts: neither the start nor the event loop
    waits for it.
    """

    def __init__(self, setting: str, redis_url: str | None = None) -> None:
        self._setting = setting
        self._redis_url = redis_url

    async def load(self) -> None:
        """Import what counts."""
        await asyncio.to_thread(lambda: (self._limit, self._counter))

    async def hit(self, caller: str) -> None:
        """Count one request; raises `TooManyRequests` with the seconds to wait, `StoreUnavailable` without Redis."""
        if "_counter" not in self.__dict__:
            await self.load()
        if self._redis_url is None:
            taken = self._counter.hit(self._limit, caller)
            reset = 0.0 if taken else self._counter.get_window_stats(self._limit, caller).reset_time
        else:
            taken, reset = await self._hit_shared(caller)
        if not taken:
            raise TooManyRequests(f"At most {self._limit}.", retry_after=max(1.0, reset - time.time()))

    async def _hit_shared(self, caller: str) -> tuple[bool, float]:
        from limits.errors import StorageError

        try:
            if await self._shared.hit(self._limit, caller):
                return True, 0.0
            return False, (await self._shared.get_window_stats(self._limit, caller)).reset_time
        except StorageError as error:
            raise StoreUnavailable("The service cannot reach its store.") from error

    @cached_property
    def _limit(self) -> RateLimitItem:
        from limits import parse

        return parse(self._setting)

    @cached_property
    def _counter(self) -> RateLimiter:
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        return SlidingWindowCounterRateLimiter(MemoryStorage())

    @cached_property
    def _shared(self) -> SharedRateLimiter:
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter

        storage = RedisStorage(
            f"async+{self._redis_url}",
            implementation="redispy",
            key_prefix="story:rate",
            wrap_exceptions=True,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        return SlidingWindowCounterRateLimiter(storage)
