"""One connection pool to Redis: scripts that may be sent again, and errors that are ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError, TimeoutError

from models import StorageUnavailable, StoreUnavailable
from utils import end_task

log = logging.getLogger(__name__)

T = TypeVar("T")

PREFIX = "story:"
NANO = 1_000_000_000  # money is kept as whole nano-dollars
SUMS_KEPT = timedelta(days=60)  # a session's and a day's sum of money, since they last changed
CONNECTIONS = 64  # a pool that waits: redis-py's own raises at its end
POOL_SECONDS = 5.0
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
TRIES = 2  # a connection that Redis has closed meanwhile is noticed by using it
CHECK_SECONDS = 1.0  # between two looks whether Redis answers


class RedisLink:
    """Redis as the stores see it. Whatever is sent may be sent twice: each command or script bears that."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=POOL_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),  # we try again ourselves, and know what that means
        )
        self.redis: Any = Redis.from_pool(pool)  # its types are unions of what any option could give
        self._hashes: dict[str, str] = {}
        self._down: str | None = None

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose()

    async def ask(self, command: Callable[[], Awaitable[T]]) -> T:
        """What Redis answers; raises `StoreUnavailable` when it does not, `StorageUnavailable` when it is full."""
        for last in (attempt == TRIES for attempt in range(1, TRIES + 1)):
            try:
                with translated():
                    return await command()
            except StoreUnavailable as error:
                if last:
                    self._down = str(error)
                    raise
        raise AssertionError("a loop that returns or raises")

    async def command(self, *parts: str | bytes | int | float) -> Any:
        """What Redis answers to one command, in bytes."""
        return await self.ask(lambda: self.redis.execute_command(*parts))

    async def run(self, script: str, keys: list[str], arguments: list[str | bytes | int | float]) -> Any:
        """What a Lua script answers; Redis keeps it by its hash and is told again when it has forgotten."""

        async def call() -> Any:
            digest = self._hashes.get(script) or await self._load(script)
            try:
                return await self.redis.evalsha(digest, len(keys), *keys, *arguments)
            except NoScriptError:
                return await self.redis.evalsha(await self._load(script), len(keys), *keys, *arguments)

        return await self.ask(call)

    async def _load(self, script: str) -> str:
        loaded = await self.redis.script_load(script)
        self._hashes[script] = loaded.decode() if isinstance(loaded, bytes) else str(loaded)
        return self._hashes[script]

    def check(self) -> None:
        """Raises `StoreUnavailable` when Redis did not answer the last time it was looked for; never waits."""
        if self._down is not None:
            raise StoreUnavailable(self._down)

    async def keep_looking(self) -> None:
        """Look now and then whether Redis answers, for ever: `check` tells what was seen."""
        while True:
            try:
                with translated():
                    await self.redis.ping()
            except StorageUnavailable as error:
                if self._down is None:
                    log.error("redis unavailable", extra={"reason": type(error.__cause__).__name__})
                self._down = str(error)
            else:
                if self._down is not None:
                    log.info("redis available")
                self._down = None
            await asyncio.sleep(CHECK_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """Redis' errors as ours; what it says never reaches a client, for it may hold keys and values."""
    try:
        yield
    except (ConnectionError, TimeoutError, OSError) as error:
        raise StoreUnavailable("The service cannot reach its store.") from error
    except ResponseError as error:  # OOM, MISCONF, READONLY: it reads, but writes nothing
        raise StorageUnavailable("The service's store takes nothing at the moment.") from error
    except RedisError as error:
        raise StoreUnavailable("The service cannot reach its store.") from error


@asynccontextmanager
async def open_link(url: str) -> AsyncIterator[RedisLink]:
    """A link that looks after itself until it is closed."""
    link = RedisLink(url)
    looking = asyncio.create_task(link.keep_looking())
    try:
        yield link
    finally:
        await end_task(looking)
        await link.close()
