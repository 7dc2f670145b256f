"""Remembers every session: the lock-guarded truth in memory, its versions, and waiting for the next one."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from models import (
    UNFINISHED,
    BudgetReached,
    IdempotencyConflict,
    Scene,
    ServiceFull,
    Session,
    SessionNotFound,
)

log = logging.getLogger(__name__)

MAX_RESIDENT_CHARS = 4_000_000  # story text of ended sessions kept in memory; the rest is read back from disk
MAX_RESIDENT_ENDED = 300  # ended sessions kept in memory
VERSION_GAP = 1000  # added when a session is read back: versions lost in a crash are never given out twice
CENT_DUST = 1e-9  # sums of floats may differ from the cap by this much, in USD

ChangeSession = Callable[[Session], Session]
ChangeScene = Callable[[Scene], Scene]
ChargeState = Literal["reserved", "sent", "settled"]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key for one `POST /generate` and the SHA-256 of the body it came with."""

    owner: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Charge:
    """One amount of money: reserved (worst case), sent (may be billed), or settled (what it cost), in USD."""

    charge_id: str
    session_id: str
    owner: str
    provider: str
    model: str
    amount_usd: float
    day: str
    state: ChargeState = "reserved"
    known: bool = False


@dataclass(frozen=True, slots=True)
class DrawingRecord:
    """A picture that may be in the making at a provider: its id was committed before it was sent."""

    owner: str
    content_key: str
    task_id: str
    charge_id: str
    url: str | None = None
    seed: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A paid answer, kept by content key so that it is never bought again; `body` is JSON."""

    owner: str
    content_key: str
    kind: Literal["text", "picture"]
    body: str


class Journal(Protocol):
    """What stands on disk behind the memory. Writes queue up in order; `commit` waits until they are safe."""

    def save_session(self, session: Session) -> None: ...

    def save_progress(self, session: Session, scenes: Iterable[Scene]) -> None: ...

    def delete_session(self, session_id: str) -> None: ...

    def save_idempotency(self, key: IdempotencyKey, session_id: str, at: datetime) -> None: ...

    def save_charge(self, charge: Charge) -> None: ...

    def delete_charge(self, charge_id: str) -> None: ...

    def save_drawing(self, record: DrawingRecord) -> None: ...

    def delete_drawing(self, owner: str, content_key: str) -> None: ...

    def save_answer(self, answer: Answer, at: datetime) -> None: ...

    async def commit(self) -> None:
        """Return when everything written so far is on disk; raises `StorageUnavailable` when it is not."""
        ...


class Archive(Journal, Protocol):
    """A journal that can be read back. The methods that read block for a moment: call them off the loop."""

    def load_session(self, session_id: str) -> Session | None: ...

    def spent_by(self, session_id: str) -> float: ...

    def find_answer(self, owner: str, content_key: str) -> Answer | None: ...

    def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None: ...

    def list_approved(self, owner: str, *, before: tuple[datetime, str] | None, limit: int) -> list[str]: ...

    def list_untouched(self, since: datetime) -> list[str]: ...


class SessionStore(Protocol):
    """Sessions for the use cases, wherever they are kept."""

    async def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        """Keep a session durably, or give the one this key made; raises `ServiceFull`, `IdempotencyConflict`."""
        ...

    async def find_by_key(self, key: IdempotencyKey) -> Session | None:
        """The session this key made before; raises `IdempotencyConflict`."""
        ...

    async def get(self, session_id: str) -> Session:
        """The session; raises `SessionNotFound`."""
        ...

    async def change(self, session_id: str, change: ChangeSession) -> Session:
        """Swap a session for what a quick pure function makes of it; raises `SessionNotFound`."""
        ...

    async def change_scene(self, session_id: str, scene_id: str, change: ChangeScene) -> Session:
        """Swap one scene; raises `SessionNotFound`, `SceneNotFound`."""
        ...

    async def delete(self, session_id: str) -> None:
        """Forget it everywhere."""
        ...

    async def wait(self, session_id: str, version: int, timeout: float) -> Session:
        """The session at its next version, or as it is after `timeout` seconds."""
        ...

    async def list_active(self) -> list[Session]:
        """The sessions in memory, most recently used last."""
        ...

    async def list_approved(self, owner: str, *, before: tuple[datetime, str] | None, limit: int) -> list[Session]:
        """Approved sessions of an owner, newest approval first, those after `before` (approved_at, session_id)."""
        ...

    async def list_untouched(self, since: datetime) -> list[str]:
        """The ids of ended, unapproved sessions not touched since then."""
        ...

    async def check_room(self) -> None:
        """Raises `ServiceFull` when one more session with unfinished work would be too many."""
        ...

    async def find_answer(self, owner: str, content_key: str) -> Answer | None:
        """A paid answer kept for that owner."""
        ...

    async def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        """A drawing that may be in the making or waits to be fetched."""
        ...

    async def commit(self) -> None:
        """Return when everything so far is on disk; raises `StorageUnavailable`."""
        ...


class NullJournal:
    """A journal that forgets: for tests and for a manager that lives in memory alone."""

    def save_session(self, session: Session) -> None:
        """Forget it."""

    def save_progress(self, session: Session, scenes: Iterable[Scene]) -> None:
        """Forget it."""

    def delete_session(self, session_id: str) -> None:
        """Nothing to forget."""

    def save_idempotency(self, key: IdempotencyKey, session_id: str, at: datetime) -> None:
        """Forget it."""

    def save_charge(self, charge: Charge) -> None:
        """Forget it."""

    def delete_charge(self, charge_id: str) -> None:
        """Nothing to forget."""

    def save_drawing(self, record: DrawingRecord) -> None:
        """Forget it."""

    def delete_drawing(self, owner: str, content_key: str) -> None:
        """Nothing to forget."""

    def save_answer(self, answer: Answer, at: datetime) -> None:
        """Forget it."""

    async def commit(self) -> None:
        """Nothing is kept, so nothing is at risk."""


class SessionManager:
    """The sessions in memory. Every method is safe from any thread; none of them blocks on I/O.

    A session is an immutable value: `change` swaps in the next one, gives it the next `version` and wakes whoever
    waits for it. Unfinished sessions are always here; ended ones leave memory when there are many.
    """

    def __init__(
        self,
        *,
        max_sessions: int = 100,
        journal: Journal | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}  # least recently used first
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}
        self._waiters: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]]] = {}
        self._max_sessions = max_sessions
        self._journal = journal or NullJournal()
        self._keeps_all = journal is None  # nothing behind the memory to read an ended session back from
        self._clock = clock

    # -- making and finding

    def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        """Keep a new session, or give back the one that this key made before.

        Raises `ServiceFull` when `max_sessions` sessions have unfinished work, `IdempotencyConflict` when the key
        came with another body.
        """
        with self._lock:
            if key is not None and (earlier := self.session_of_key(key)) is not None:
                return self.get(earlier)
            self.check_room()
            self._sessions[session.session_id] = session
            self._journal.save_session(session)
            if key is not None:
                self._keys[(key.owner, key.key)] = (key.body_hash, session.session_id)
                self._journal.save_idempotency(key, session.session_id, self._clock())
            self._make_room()
            return session

    def session_of_key(self, key: IdempotencyKey) -> str | None:
        """The id of the session this key made, None for a new key; raises `IdempotencyConflict`."""
        with self._lock:
            known = self._keys.get((key.owner, key.key))
            if known is None:
                return None
            if known[0] != key.body_hash:
                raise IdempotencyConflict
            return known[1]

    def restore(self, session: Session) -> Session:
        """Take in a session that was read back from disk; the one in memory wins when there is one already."""
        with self._lock:
            if session.session_id not in self._sessions:
                self._sessions[session.session_id] = dataclasses.replace(session, version=session.version + VERSION_GAP)
                self._make_room()
            return self._sessions.get(session.session_id, session)

    def restore_keys(self, keys: Iterable[tuple[IdempotencyKey, str]]) -> None:
        """Take in idempotency keys that were read back from disk."""
        with self._lock:
            self._keys.update({(k.owner, k.key): (k.body_hash, session_id) for k, session_id in keys})

    def get(self, session_id: str) -> Session:
        """The session as it is now; raises `SessionNotFound` when it is not in memory."""
        with self._lock:
            session = self._sessions.pop(session_id, None)
            if session is None:
                raise SessionNotFound(session_id)
            self._sessions[session_id] = session  # most recently used last
            return session

    def all(self) -> list[Session]:
        """The sessions in memory, least recently used first."""
        with self._lock:
            return list(self._sessions.values())

    def active_count(self) -> int:
        """How many sessions have unfinished work."""
        with self._lock:
            return sum(session.status in UNFINISHED for session in self._sessions.values())

    def check_room(self) -> None:
        """Raises `ServiceFull` when `max_sessions` sessions have unfinished work."""
        if self.active_count() >= self._max_sessions:
            raise ServiceFull

    # -- changing

    def change(self, session_id: str, change: ChangeSession) -> Session:
        """Replace a session by what `change` makes of it; returns the new one with the next version.

        `change` runs under the lock: it must be quick and pure. When it gives back what it got, nothing happens.
        """
        with self._lock:
            before = self.get(session_id)
            after = change(before)
            if after is before:
                return before
            version = before.version + 1
            known = {scene.scene_id: scene for scene in before.scenes}
            scenes = tuple(
                scene if known.get(scene.scene_id) is scene else dataclasses.replace(scene, changed_in=version)
                for scene in after.scenes
            )
            after = dataclasses.replace(after, scenes=scenes, version=version, updated_at=self._clock())
            self._sessions[session_id] = after
            self._journal.save_progress(after, [scene for scene in scenes if scene.changed_in == version])
            if before.status in UNFINISHED and after.status not in UNFINISHED:
                self._make_room()
            self._wake(session_id)
            return after

    def change_scene(self, session_id: str, scene_id: str, change: ChangeScene) -> Session:
        """Replace one scene; raises `SceneNotFound`."""

        def apply(session: Session) -> Session:
            scene = session.scene(scene_id)
            changed = change(scene)
            return session if changed is scene else session.with_scene(changed)

        return self.change(session_id, apply)

    def delete(self, session_id: str) -> None:
        """Forget a session, here and in the journal; whoever waits for it learns that it is gone."""
        with self._lock:
            self._sessions.pop(session_id, None)
            self._keys = {k: v for k, v in self._keys.items() if v[1] != session_id}
            self._journal.delete_session(session_id)
            self._wake(session_id)

    def forget_ended(self, *, untouched_since: datetime) -> list[str]:
        """Delete what ended and was not touched since then; approved work stays. Returns the ids."""
        with self._lock:
            old = [
                s.session_id
                for s in self._sessions.values()
                if s.status not in UNFINISHED and s.approved_at is None and s.updated_at < untouched_since
            ]
            for session_id in old:
                self.delete(session_id)
            return old

    # -- waiting

    async def wait(self, session_id: str, version: int, timeout: float) -> Session:
        """The session as soon as its version differs from `version`, or as it is after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        changed: asyncio.Future[None] = loop.create_future()
        with self._lock:
            session = self.get(session_id)
            if session.version != version or timeout <= 0:
                return session
            self._waiters.setdefault(session_id, set()).add((loop, changed))
        try:
            await asyncio.wait([changed], timeout=timeout)
        finally:
            with self._lock:
                waiters = self._waiters.get(session_id, set())
                waiters.discard((loop, changed))
                if not waiters:
                    self._waiters.pop(session_id, None)
        return self.get(session_id)

    def _wake(self, session_id: str) -> None:
        for loop, changed in self._waiters.pop(session_id, ()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set, changed)

    def _make_room(self) -> None:
        """Let ended sessions leave memory, least recently used first; they stay on disk."""
        if self._keeps_all:
            return
        ended = [s for s in self._sessions.values() if s.status not in UNFINISHED]
        chars = sum(len(s.story_text) for s in ended)
        for position, session in enumerate(ended[:-1]):
            if chars <= MAX_RESIDENT_CHARS and len(ended) - position <= MAX_RESIDENT_ENDED:
                return
            if session.session_id not in self._waiters:
                del self._sessions[session.session_id]
                chars -= len(session.story_text)


class Ledger:
    """Who has spent what: reserved before a call, settled after it. Safe from any thread; sums in USD."""

    def __init__(
        self,
        *,
        daily_budget_usd: float | None = None,
        journal: Journal | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        self._lock = threading.RLock()
        self._open: dict[str, Charge] = {}
        self._by_session: dict[str, float] = {}
        self._by_day: dict[str, float] = {}
        self._daily_budget_usd = daily_budget_usd
        self._journal = journal or NullJournal()
        self._clock = clock

    def today(self) -> str:
        """The day the budget counts by, in UTC."""
        return self._clock().strftime("%Y-%m-%d")

    def reserve(self, charges: list[Charge], *, max_cost_usd: float | None) -> None:
        """Reserve all of them or none; raises `BudgetReached`. A charge that is open already is not added again."""
        with self._lock:
            new = [charge for charge in charges if charge.charge_id not in self._open]
            for session_id in {charge.session_id for charge in new}:
                wanted = sum(charge.amount_usd for charge in new if charge.session_id == session_id)
                self._check(session_id, wanted, max_cost_usd)
            for charge in new:
                self._open[charge.charge_id] = charge
                self._add(charge, charge.amount_usd)
                self._journal.save_charge(charge)

    def _check(self, session_id: str, wanted: float, max_cost_usd: float | None) -> None:
        if wanted <= 0:
            return
        if max_cost_usd is not None and self.committed(session_id) + wanted > max_cost_usd + CENT_DUST:
            raise BudgetReached("The next picture could cost more than is left of max_cost_usd.")
        if self._daily_budget_usd is None:
            return
        if self._by_day.get(self.today(), 0.0) + wanted > self._daily_budget_usd + CENT_DUST:
            raise BudgetReached("The next picture could cost more than is left of the service's budget for today.")

    def open_charge(self, charge_id: str) -> Charge | None:
        """The charge, while it is neither settled nor released."""
        with self._lock:
            return self._open.get(charge_id)

    def open_of(self, prefix: str) -> list[str]:
        """The ids of the open charges of one scene or session, by how they begin."""
        with self._lock:
            return [charge_id for charge_id in self._open if charge_id.startswith(prefix)]

    def mark_sent(self, charge_id: str) -> None:
        """The call this pays for is about to leave."""
        with self._lock:
            charge = dataclasses.replace(self._open[charge_id], state="sent")
            self._open[charge_id] = charge
            self._journal.save_charge(charge)

    def settle(self, charge_id: str, cost_usd: float | None) -> Charge | None:
        """Close a charge with what it cost; None (unknown) keeps the whole amount. None when it was closed before."""
        with self._lock:
            charge = self._open.pop(charge_id, None)
            if charge is None:
                return None
            paid = charge.amount_usd if cost_usd is None else max(0.0, cost_usd)
            self._add(charge, paid - charge.amount_usd)
            settled = dataclasses.replace(charge, amount_usd=paid, state="settled", known=cost_usd is not None)
            self._journal.save_charge(settled)
            return settled

    def release(self, charge_id: str) -> None:
        """Give back a reservation for a call that was never sent."""
        with self._lock:
            charge = self._open.get(charge_id)
            if charge is None or charge.state != "reserved":
                return
            del self._open[charge_id]
            self._add(charge, -charge.amount_usd)
            self._journal.delete_charge(charge_id)

    def committed(self, session_id: str) -> float:
        """What a session has spent and reserved."""
        with self._lock:
            return self._by_session.get(session_id, 0.0)

    def restore(
        self, *, open_charges: Iterable[Charge], by_session: dict[str, float], by_day: dict[str, float]
    ) -> None:
        """Take in what was read back from disk; the sums include the open charges."""
        with self._lock:
            self._open.update({charge.charge_id: charge for charge in open_charges})
            self._by_session.update(by_session)
            self._by_day.update(by_day)

    def close_after_crash(self, still_running: set[str]) -> None:
        """Settle what a crash left open: sent calls were perhaps billed, reservations were not.

        `still_running` are the charges of drawings whose provider can still be asked.
        """
        with self._lock:
            for charge in list(self._open.values()):
                if charge.charge_id in still_running:
                    continue
                if charge.state == "sent":
                    self.settle(charge.charge_id, None)
                else:
                    self.release(charge.charge_id)

    def forget(self, session_id: str) -> None:
        """Drop a session's sum from memory; the days keep theirs."""
        with self._lock:
            self._by_session.pop(session_id, None)

    def _add(self, charge: Charge, amount: float) -> None:
        self._by_session[charge.session_id] = self._by_session.get(charge.session_id, 0.0) + amount
        self._by_day[charge.day] = self._by_day.get(charge.day, 0.0) + amount


class LocalStore:
    """The `SessionStore` of one process: the manager in memory, the archive behind it."""

    def __init__(self, manager: SessionManager, ledger: Ledger, archive: Archive) -> None:
        self._manager = manager
        self._ledger = ledger
        self._archive = archive

    async def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        kept = self._manager.create(session, key)
        await self._archive.commit()
        return kept

    async def find_by_key(self, key: IdempotencyKey) -> Session | None:
        session_id = self._manager.session_of_key(key)
        return None if session_id is None else await self.get(session_id)

    async def get(self, session_id: str) -> Session:
        try:
            return self._manager.get(session_id)
        except SessionNotFound:
            return await self._read_back(session_id)

    async def _read_back(self, session_id: str) -> Session:
        session = await asyncio.to_thread(self._archive.load_session, session_id)
        if session is None:
            raise SessionNotFound(session_id)
        spent = await asyncio.to_thread(self._archive.spent_by, session_id)
        self._ledger.restore(open_charges=(), by_session={session_id: spent}, by_day={})
        return self._manager.restore(session)

    async def change(self, session_id: str, change: ChangeSession) -> Session:
        await self.get(session_id)
        return self._manager.change(session_id, change)

    async def change_scene(self, session_id: str, scene_id: str, change: ChangeScene) -> Session:
        await self.get(session_id)
        return self._manager.change_scene(session_id, scene_id, change)

    async def delete(self, session_id: str) -> None:
        self._manager.delete(session_id)
        self._ledger.forget(session_id)
        await self._archive.commit()

    async def wait(self, session_id: str, version: int, timeout: float) -> Session:
        await self.get(session_id)
        return await self._manager.wait(session_id, version, timeout)

    async def list_active(self) -> list[Session]:
        return self._manager.all()

    async def list_approved(self, owner: str, *, before: tuple[datetime, str] | None, limit: int) -> list[Session]:
        ids = await asyncio.to_thread(self._archive.list_approved, owner, before=before, limit=limit)
        return [await self.get(session_id) for session_id in ids]

    async def list_untouched(self, since: datetime) -> list[str]:
        return await asyncio.to_thread(self._archive.list_untouched, since)

    async def check_room(self) -> None:
        self._manager.check_room()

    async def find_answer(self, owner: str, content_key: str) -> Answer | None:
        return await asyncio.to_thread(self._archive.find_answer, owner, content_key)

    async def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        return await asyncio.to_thread(self._archive.find_drawing, owner, content_key)

    async def commit(self) -> None:
        await self._archive.commit()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
