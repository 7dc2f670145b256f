"""Sessions in Redis: any instance reads and changes any of them, and hears at once when another one did."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import uuid4

from pydantic import TypeAdapter
from redis.exceptions import RedisError

from adapters.redis_link import NANO, PREFIX, SUMS_KEPT, RedisLink
from models import UNFINISHED, IdempotencyConflict, ServiceFull, Session, SessionNotFound, StorageUnavailable
from session_manager import (
    SCENE_BODY,
    VERSION_GAP,
    Answer,
    ChangeScene,
    ChangeSession,
    DrawingRecord,
    IdempotencyKey,
    NullJournal,
    next_of,
    session_head,
    session_of_parts,
)
from utils import folded, search_text

log = logging.getLogger(__name__)

CHANGED = f"{PREFIX}changed"  # the channel on which every change is told: `{session_id} {version}`
ACTIVE = f"{PREFIX}active"  # the sessions with unfinished work
IDLE = f"{PREFIX}idle"  # ended and not approved, by when they were last changed
RECENT = f"{PREFIX}recent"  # all, by when they were last changed
STATUS = f"{PREFIX}status:"  # one set for each status
ANSWERS_KEPT = timedelta(days=30)  # paid answers and drawings, since they were last taken
KEYS_KEPT = timedelta(days=3)  # idempotency keys, at least
LIST_MOST = 300
AGAIN_KEPT_SECONDS = 3600
CACHE_CHARS = 4_000_000  # story text of the sessions read last, kept by their version
CACHE_SESSIONS = 300
LISTEN_AGAIN_SECONDS = 0.5
RECORD = TypeAdapter(DrawingRecord)

# A session is one hash: its version `v`, the token `w` of who wrote that version, its status `st`, its head, story and
# analysis, and a field for each scene. Each script below does all of its work or none.
INDEX = f"""
local function index(hash, id, owner, before, status, idle, approved, updated, ttl)
  if before ~= status then
    if before then redis.call('SREM', '{STATUS}' .. before, id) end
    redis.call('SADD', '{STATUS}' .. status, id)
    redis.call('HSET', hash, 'st', status)
  end
  if status == 'pending' or status == 'processing' then
    redis.call('SADD', '{ACTIVE}', id)
  else
    redis.call('SREM', '{ACTIVE}', id)
  end
  if idle == '1' then redis.call('ZADD', '{IDLE}', updated, id) else redis.call('ZREM', '{IDLE}', id) end
  redis.call('ZADD', '{RECENT}', updated, id)
  local list = '{PREFIX}approved:' .. owner
  if approved ~= '' then redis.call('ZADD', list, approved, id) else redis.call('ZREM', list, id) end
  if tonumber(ttl) > 0 then redis.call('EXPIRE', hash, ttl) else redis.call('PERSIST', hash) end
end
"""
CREATE = (
    INDEX
    + f"""
local hash, key = KEYS[1], KEYS[2]
local id, most, body_hash, key_ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
if key ~= '' then
  local known = redis.call('HMGET', key, 'hash', 'id')
  if known[1] then
    if known[1] ~= body_hash then return 'conflict' end
    if redis.call('EXISTS', '{PREFIX}session:' .. known[2]) == 1 then return known[2] end
  end
end
if redis.call('EXISTS', hash) == 1 then return id end
if most >= 0 and redis.call('SCARD', '{ACTIVE}') >= most then return 'full' end
redis.call('HSET', hash, unpack(ARGV, 12))
if key ~= '' then
  redis.call('HSET', key, 'hash', body_hash, 'id', id)
  redis.call('EXPIRE', key, key_ttl)
  redis.call('HSET', hash, 'key', key)
end
index(hash, id, ARGV[5], false, ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10])
redis.call('PUBLISH', '{CHANGED}', id .. ' ' .. ARGV[11])
return id
"""
)
SWAP = (
    INDEX
    + f"""
local hash = KEYS[1]
local id, expected, version, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = redis.call('HMGET', hash, 'v', 'w', 'st')
if not now[1] then return -1 end
if now[1] ~= expected then
  if now[1] == version and now[2] == token then return 1 end
  return 0
end
local gone = tonumber(ARGV[11])
if gone > 0 then redis.call('HDEL', hash, unpack(ARGV, 12, 11 + gone)) end
redis.call('HSET', hash, 'v', version, 'w', token, unpack(ARGV, 12 + gone))
index(hash, id, ARGV[5], now[3], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10])
redis.call('PUBLISH', '{CHANGED}', id .. ' ' .. version)
return 1
"""
)
VERSIONS = """
local found = {}
for at, hash in ipairs(KEYS) do found[at] = redis.call('HGET', hash, 'v') or '' end
return found
"""
DELETE = f"""
local hash, id = KEYS[1], ARGV[1]
local now = redis.call('HMGET', hash, 'st', 'key', 'owner')
for _, status in ipairs({{'pending', 'processing', 'awaiting_review', 'completed', 'failed', 'cancelled'}}) do
  redis.call('SREM', '{STATUS}' .. status, id)  -- all: what went by itself has left no hash to say which
end
if now[2] then redis.call('DEL', now[2]) end
if now[3] then redis.call('ZREM', '{PREFIX}approved:' .. now[3], id) end
redis.call('SREM', '{ACTIVE}', id)
redis.call('ZREM', '{IDLE}', id)
redis.call('ZREM', '{RECENT}', id)
redis.call('DEL', hash)
redis.call('PUBLISH', '{CHANGED}', id .. ' 0')
"""
CLAIM = f"""
if KEYS[2] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[6] then return 0 end
local known = redis.call('GET', KEYS[1])
if known and cjson.decode(known)['task_id'] ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('HSET', '{PREFIX}drawn:' .. ARGV[4], ARGV[5], KEYS[1])
redis.call('EXPIRE', '{PREFIX}drawn:' .. ARGV[4], ARGV[3])
return 1
"""
SAVE_DRAWING = f"""
local known = redis.call('GET', KEYS[1])
if known and cjson.decode(known)['task_id'] ~= ARGV[5] then return end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('HSET', '{PREFIX}drawn:' .. ARGV[3], ARGV[4], KEYS[1])
redis.call('EXPIRE', '{PREFIX}drawn:' .. ARGV[3], ARGV[2])
"""
FORGET_DRAWING = f"""
local known = redis.call('GET', KEYS[1])
if not known or cjson.decode(known)['task_id'] ~= ARGV[1] then return end
local charge = cjson.decode(known)['charge_id']
redis.call('HDEL', '{PREFIX}drawn:' .. string.match(charge, '^[^:]*'), charge)
redis.call('DEL', KEYS[1])
"""

Command = tuple[str | bytes | int | float, ...]


def session_key(session_id: str) -> str:
    return f"{PREFIX}session:{session_id}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _answer_key(owner: str, content_key: str) -> str:
    return f"{PREFIX}answer:{_digest(owner, content_key)}"


def _drawing_key(owner: str, content_key: str) -> str:
    return f"{PREFIX}drawing:{_digest(owner, content_key)}"


def _idempotency_key(key: IdempotencyKey) -> str:
    return f"{PREFIX}key:{_digest(key.owner, key.key)}"


class RedisJournal(NullJournal):
    """The paid answers and drawings: what is saved waits here until `commit` has brought it to Redis, in order."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._waiting: list[Command] = []
        self._turn = asyncio.Lock()

    def save_drawing(self, record: DrawingRecord) -> None:
        key = _drawing_key(record.owner, record.content_key)
        self._waiting.append(("EVAL", SAVE_DRAWING, 1, key, *_drawing_arguments(record), record.task_id))

    def delete_drawing(self, owner: str, content_key: str, task_id: str) -> None:
        self._waiting.append(("EVAL", FORGET_DRAWING, 1, _drawing_key(owner, content_key), task_id))

    def save_answer(self, answer: Answer, at: datetime) -> None:
        kept = json.dumps([answer.kind, answer.body], ensure_ascii=False)
        key = _answer_key(answer.owner, answer.content_key)
        self._waiting.append(("SET", key, kept, "EX", int(ANSWERS_KEPT.total_seconds())))

    def check(self) -> None:
        self._link.check()

    async def commit(self) -> None:
        async with self._turn:
            taken, self._waiting = self._waiting, []
            if not taken:
                return
            try:
                await self._link.ask(lambda: self._write(taken))
            except StorageUnavailable:
                self._waiting = taken + self._waiting
                raise

    async def _write(self, commands: list[Command]) -> None:
        async with self._link.redis.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            await pipeline.execute()


def _drawing_arguments(record: DrawingRecord) -> Command:
    session_id = record.charge_id.partition(":")[0]
    return (RECORD.dump_json(record), int(ANSWERS_KEPT.total_seconds()), session_id, record.charge_id)


class RedisStore:
    """The `SessionStore` of many processes. Sessions are kept whole or not at all, changed by comparing versions.

    `changed` hears of every change, also of other processes: run `listen` as long as the store is in use.
    """

    def __init__(
        self,
        link: RedisLink,
        journal: RedisJournal,
        *,
        max_sessions: int,
        kept_for: timedelta,
        keep_approved: bool,
        clock: Callable[[], datetime],
    ) -> None:
        """Unapproved sessions go by themselves `kept_for` after their last change, approved ones unless
        `keep_approved`."""
        self._link = link
        self._redis = link.redis
        self._journal = journal
        self._max_sessions = max_sessions
        self._kept_for = kept_for
        self._keep_approved = keep_approved
        self._clock = clock
        self._cache: OrderedDict[str, Session] = OrderedDict()
        self._cached_chars = 0
        self._versions = _Versions(link)
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    # -- one session

    async def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        return await self._keep(session, key, most=self._max_sessions)

    async def restore(self, session: Session) -> Session:
        """Take in a session that was kept elsewhere; the one that is here wins when there is one already.

        Its version is higher than any that was given out before, and what it has spent counts as spent.
        """
        version = max(session.version + VERSION_GAP, int(self._clock().timestamp() * 1000))
        spent, kept_for = round(session.cost_usd * NANO), int(SUMS_KEPT.total_seconds())
        await self._link.command("SET", f"{PREFIX}spent:{session.session_id}", spent, "EX", kept_for, "NX")
        return await self._keep(dataclasses.replace(session, version=version), None, most=-1)

    async def _keep(self, session: Session, key: IdempotencyKey | None, *, most: int) -> Session:
        named = "" if key is None else _idempotency_key(key)
        fields = [*_head_fields(session), "story", session.story_text, "analysis", session.analysis.model_dump_json()]
        fields += ["v", str(session.version), "w", uuid4().hex, "owner", session.owner]
        fields += [part for scene in session.scenes for part in _scene_fields(scene.scene_id, scene)]
        key_ttl = int(max(KEYS_KEPT, 2 * self._kept_for).total_seconds())
        found = await self._link.run(
            CREATE,
            [session_key(session.session_id), named],
            [
                session.session_id,
                most,
                key.body_hash if key else "",
                key_ttl,
                *self._places(session),
                str(session.version),
                *fields,
            ],
        )
        match found.decode():
            case "conflict":
                raise IdempotencyConflict
            case "full":
                raise ServiceFull
            case session_id:
                return await self.get(session_id)

    async def find_by_key(self, key: IdempotencyKey) -> Session | None:
        known = await self._link.command("HMGET", _idempotency_key(key), "hash", "id")
        if known[0] is None:
            return None
        if known[0].decode() != key.body_hash:
            raise IdempotencyConflict
        try:
            return await self.get(known[1].decode())
        except SessionNotFound:
            return None

    async def get(self, session_id: str) -> Session:
        kept = self._cache.get(session_id)
        if kept is not None and await self._versions(session_id) == kept.version:
            if session_id in self._cache:
                self._cache.move_to_end(session_id)
            return kept
        fields = await self._link.command("HGETALL", session_key(session_id))
        if not fields:
            self._forget(session_id)
            raise SessionNotFound(session_id)
        return self._remember(_session_of(fields, kept))

    def _remember(self, session: Session) -> Session:
        self._forget(session.session_id)
        self._cache[session.session_id] = session
        self._cached_chars += len(session.story_text)
        while len(self._cache) > CACHE_SESSIONS or (self._cached_chars > CACHE_CHARS and len(self._cache) > 1):
            self._forget(next(iter(self._cache)))
        return session

    def _forget(self, session_id: str) -> None:
        gone = self._cache.pop(session_id, None)
        if gone is not None:
            self._cached_chars -= len(gone.story_text)

    async def change(self, session_id: str, change: ChangeSession) -> Session:
        async with self._turn(session_id):  # those of one process need not race each other
            while True:
                before = await self.get(session_id)
                after = change(before)
                if after is before:
                    return before
                after = next_of(before, after, at=self._clock())
                if await self._swap(before, after):
                    return self._remember(after)

    async def _swap(self, before: Session, after: Session) -> bool:
        """Whether `after` is kept; False when somebody else has changed the session since."""
        gone = {scene.scene_id for scene in before.scenes} - {scene.scene_id for scene in after.scenes}
        changed = [scene for scene in after.scenes if scene.changed_in == after.version]
        written = await self._link.run(
            SWAP,
            [session_key(after.session_id)],
            [
                after.session_id,
                str(before.version),
                str(after.version),
                uuid4().hex,
                *self._places(after),
                len(gone),
                *(f"s:{scene_id}" for scene_id in gone),
                *_head_fields(after),
                *(part for scene in changed for part in _scene_fields(scene.scene_id, scene)),
            ],
        )
        if written == -1:
            self._forget(after.session_id)
            raise SessionNotFound(after.session_id)
        return bool(written)

    def _places(self, session: Session) -> list[str | bytes | int | float]:
        """Owner, status, whether it is idle, when it was approved and changed, and for how many seconds it stays."""
        unfinished = session.status in UNFINISHED
        approved = session.approved_at
        stays = unfinished or (approved is not None and self._keep_approved)
        return [
            session.owner,
            session.status,
            "0" if unfinished or approved else "1",
            repr(approved.timestamp()) if approved else "",
            repr(session.updated_at.timestamp()),
            0 if stays else max(1, int(2 * self._kept_for.total_seconds())),
        ]

    @contextlib.asynccontextmanager
    async def _turn(self, session_id: str) -> AsyncIterator[None]:
        lock, users = self._turns.get(session_id, (asyncio.Lock(), 0))
        self._turns[session_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._turns.pop(session_id)
            if users > 1:
                self._turns[session_id] = (lock, users - 1)

    async def change_scene(self, session_id: str, scene_id: str, change: ChangeScene) -> Session:
        def apply(session: Session) -> Session:
            scene = session.scene(scene_id)
            changed = change(scene)
            return session if changed is scene else session.with_scene(changed)

        return await self.change(session_id, apply)

    async def delete(self, session_id: str) -> None:
        self._forget(session_id)
        await self._link.run(DELETE, [session_key(session_id)], [session_id])

    # -- waiting

    async def wait(self, session_id: str, version: int, timeout: float) -> Session:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(session_id, set()).add(changed)  # before the look: no change falls in between
        try:
            session = await self.get(session_id)
            if session.version != version or timeout <= 0:
                return session
            await asyncio.wait([changed], timeout=timeout)
        finally:
            waiting = self._waiters.get(session_id, set())
            waiting.discard(changed)
            if not waiting:
                self._waiters.pop(session_id, None)
        return await self.get(session_id)

    async def listen(self, ready: asyncio.Event | None = None) -> None:
        """Wake whoever waits for a session when it changes, for ever; what was missed meanwhile wakes everybody."""
        while True:
            try:
                await self._listen(ready)
            except (RedisError, OSError) as error:
                log.warning("not told of changes", extra={"reason": type(error).__name__})
                self._wake(*self._waiters)
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _listen(self, ready: asyncio.Event | None) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(CHANGED)
            if ready is not None:
                ready.set()
            self._wake(*self._waiters)
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
                if message is not None:
                    self._wake(message["data"].decode().partition(" ")[0])

    def _wake(self, *session_ids: str) -> None:
        for session_id in session_ids:
            for changed in self._waiters.pop(session_id, ()):
                if not changed.done():
                    changed.set_result(None)

    # -- many sessions

    async def list_active(self) -> list[Session]:
        """The sessions that were changed last, the newest at the end."""
        ids = await self._link.command("ZRANGE", RECENT, -LIST_MOST, -1)
        return await self._found([session_id.decode() for session_id in ids])

    async def count_unfinished(self) -> int:
        self._link.check()
        return int(await self._link.command("SCARD", ACTIVE))

    async def count_by_status(self, statuses: Iterable[str]) -> dict[str, float]:
        """How many sessions there are of each status."""

        async def count() -> Any:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for status in statuses:
                    pipeline.scard(STATUS + status)
                return await pipeline.execute()

        return dict(zip(statuses, await self._link.ask(count), strict=True))

    async def unfinished(self, *, since: datetime) -> list[str]:
        """The ids of the sessions with unfinished work that have not changed since then."""

        async def look() -> Any:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.smembers(ACTIVE)
                pipeline.zrangebyscore(RECENT, "-inf", since.timestamp())
                return await pipeline.execute()

        active, quiet = await self._link.ask(look)
        return sorted(session_id.decode() for session_id in set(active) & set(quiet))

    async def approve(self, session_id: str, change: ChangeSession) -> Session:
        return await self.change(session_id, change)

    async def approved_versions(self) -> dict[str, int]:
        names = [name async for name in self._redis.scan_iter(f"{PREFIX}approved:*", count=1000)]
        found: dict[str, int] = {}
        for name in names:
            ids = [session_id.decode() for session_id in await self._link.command("ZRANGE", name, 0, -1)]
            for session_id in ids:
                version = await self._link.command("HGET", session_key(session_id), "v")
                if version is not None:
                    found[session_id] = int(version)
                else:  # it went by itself: its places are left
                    await self._link.command("ZREM", name, session_id)
                    await self.delete(session_id)
        return found

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        found: list[Session] = []
        while len(found) < limit:
            ids = await self._approved_before(owner, before, limit)
            sessions = await self._found([session_id for session_id, _ in ids])
            approved = [session for session in sessions if session.approved_at is not None]
            wanted = "" if query is None else folded(query)
            found += [session for session in approved if wanted in search_text(session.title, session.story_text)]
            if len(ids) < limit:
                break
            last_id, at = ids[-1]
            before = (datetime.fromtimestamp(at, tz=self._clock().tzinfo), last_id)
        return found[:limit]

    async def _approved_before(
        self, owner: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[tuple[str, float]]:
        """Ids and times, newest first; of equal times the higher id comes first, as Redis sorts them."""
        listed = f"{PREFIX}approved:{owner}"
        at = "+inf" if before is None else repr(before[0].timestamp())
        found: list[tuple[str, float]] = []
        start = 0
        while len(found) < limit:
            look = partial(self._redis.zrevrangebyscore, listed, at, "-inf", start=start, num=limit, withscores=True)
            page = await self._link.ask(look)
            pairs = [(member.decode(), float(score)) for member, score in page]
            if before is None:
                found += pairs
            else:
                place = (before[0].timestamp(), before[1])
                found += [(session_id, score) for session_id, score in pairs if (score, session_id) < place]
            if len(page) < limit:
                break
            start += limit
        return found[:limit]

    async def _found(self, session_ids: list[str]) -> list[Session]:
        """Those of the sessions that are still there."""
        found = await asyncio.gather(*map(self.get, session_ids), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, SessionNotFound):
                raise error
        return [session for session in found if isinstance(session, Session)]

    async def list_untouched(self, since: datetime) -> list[str]:
        ids = await self._link.command("ZRANGEBYSCORE", IDLE, "-inf", f"({since.timestamp()!r}")
        listed = [session_id.decode() for session_id in ids]
        there = [await self._link.command("EXISTS", session_key(session_id)) for session_id in listed]
        for session_id in (each for each, exists in zip(listed, there, strict=True) if not exists):
            await self.delete(session_id)  # gone by itself: its places are left
        return [session_id for session_id, exists in zip(listed, there, strict=True) if exists]

    async def check_room(self, *, arriving: int = 0) -> None:
        if await self._link.command("SCARD", ACTIVE) + arriving >= self._max_sessions:
            raise ServiceFull

    # -- what was paid for

    async def find_answer(self, owner: str, content_key: str) -> Answer | None:
        kept = await self._link.command("GET", _answer_key(owner, content_key))
        return None if kept is None else Answer(owner, content_key, *json.loads(kept))

    async def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        kept = await self._link.command("GET", _drawing_key(owner, content_key))
        return None if kept is None else RECORD.validate_json(kept)

    async def claim_drawing(self, record: DrawingRecord, fence: str) -> bool:
        await self._journal.commit()
        body, kept_for, session_id, charge_id = _drawing_arguments(record)
        lock, _, token = fence.partition(" ")
        claimed = await self._link.run(
            CLAIM,
            [_drawing_key(record.owner, record.content_key), lock],
            [record.task_id, body, kept_for, session_id, charge_id, token],
        )
        return bool(claimed)

    async def commit(self) -> None:
        await self._journal.commit()

    async def check(self) -> None:
        self._link.check()

    async def shared_secret(self, fresh: str) -> bytes:
        """One value for all instances: the first one that any of them offered."""

        await self._link.command("SET", f"{PREFIX}secret", fresh, "NX")
        return cast(bytes, await self._link.command("GET", f"{PREFIX}secret"))

    async def count_try(self, job: str, *, by: int = 1) -> int:
        """How often a job has been begun and did not end, with this time; forgotten a day after the last time."""

        async def count() -> int:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.incrby(f"{PREFIX}tries:{job}", by)
                pipeline.expire(f"{PREFIX}tries:{job}", int(timedelta(days=1).total_seconds()))
                return int((await pipeline.execute())[0])

        return await self._link.ask(count)

    async def want_again(self, job: str) -> None:
        """Whoever is at that job does it once more when it ends."""
        await self._link.command("SET", f"{PREFIX}again:{job}", "1", "EX", AGAIN_KEPT_SECONDS)

    async def is_wanted_again(self, job: str) -> bool:
        """Whether the job was wanted again since the last time this was asked."""
        return bool(await self._link.command("GETDEL", f"{PREFIX}again:{job}"))

    async def forget_tries(self, job: str) -> None:
        """The job has ended."""
        await self._link.command("DEL", f"{PREFIX}tries:{job}")


class _Versions:
    """The versions of sessions as they are now. Whoever asks while a question is under way shares the next one.

    A command costs our side several times what it costs Redis: under load one of them serves many readers.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._wanted: dict[str, asyncio.Future[int | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, session_id: str) -> int | None:
        """The version, None when there is no such session; raises `StoreUnavailable`."""
        answer = self._wanted.get(session_id)
        if answer is None:
            answer = self._wanted[session_id] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(answer)

    async def _ask(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                found = await self._link.run(VERSIONS, [session_key(session_id) for session_id in wanted], [])
            except Exception as error:
                for answer in wanted.values():
                    answer.set_exception(error)
                    answer.exception()  # somebody may have stopped waiting
            else:
                for answer, version in zip(wanted.values(), found, strict=True):
                    answer.set_result(int(version) if version else None)
        self._asking = None


def _head_fields(session: Session) -> list[str | bytes]:
    return ["head", session_head(session)]


def _scene_fields(scene_id: str, scene: object) -> list[str | bytes]:
    return [f"s:{scene_id}", SCENE_BODY.dump_json(cast(Any, scene))]


def _session_of(fields: dict[bytes, bytes], kept: Session | None) -> Session:
    """The session that a hash holds; its story is the one that was read earlier, where there is one."""
    scenes = [value for name, value in fields.items() if name.startswith(b"s:")]
    session = session_of_parts(fields[b"head"], fields[b"story"], fields[b"analysis"], scenes)
    story = kept.story_text if kept is not None else session.story_text
    return dataclasses.replace(session, version=int(fields[b"v"]), story_text=story)
