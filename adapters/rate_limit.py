"""Limits how often one caller may ask for work."""

from __future__ import annotations

import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from models import TooManyRequests


class RateLimit:
    """`60/minute` for each caller; counted in this process."""

    def __init__(self, setting: str) -> None:
        self._limit = parse(setting)
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit(self, caller: str) -> None:
        """Count one request; raises `TooManyRequests` with the seconds to wait."""
        if self._counter.hit(self._limit, caller):
            return
        reset = self._counter.get_window_stats(self._limit, caller).reset_time
        raise TooManyRequests(f"At most {self._limit}.", retry_after=max(1.0, reset - time.time()))
