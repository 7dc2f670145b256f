"""Limits how often one caller may ask for work."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from functools import cached_property
from typing import TYPE_CHECKING

from models import TooManyRequests

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter


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
    """`60/minute` for each caller; counted in this process.

    `limits` is imported in a thread, with `load` or the first request that counts: neither the start nor the event loop
    waits for it.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting

    async def load(self) -> None:
        """Import what counts."""
        await asyncio.to_thread(lambda: (self._limit, self._counter))

    async def hit(self, caller: str) -> None:
        """Count one request; raises `TooManyRequests` with the seconds to wait."""
        if "_counter" not in self.__dict__:
            await self.load()
        if self._counter.hit(self._limit, caller):
            return
        reset = self._counter.get_window_stats(self._limit, caller).reset_time
        raise TooManyRequests(f"At most {self._limit}.", retry_after=max(1.0, reset - time.time()))

    @cached_property
    def _limit(self) -> RateLimitItem:
        from limits import parse

        return parse(self._setting)

    @cached_property
    def _counter(self) -> RateLimiter:
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        return SlidingWindowCounterRateLimiter(MemoryStorage())
