"""Remembers every session: the lock-guarded truth in memory, its versions, and waiting for the next one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from weakref import WeakValueDictionary

from pydantic import TypeAdapter

from models import (
    UNFINISHED,
    BudgetReached,
    DayBudgetReached,
    IdempotencyConflict,
    Scene,
    ScriptAnalysis,
    ServiceFull,
    Session,
    SessionNotFound,
    StorageUnavailable,
)

log = logging.getLogger(__name__)

MAX_RESIDENT_CHARS = 4_000_000  # story text of ended sessions kept in memory; the rest is read back from disk
MAX_RESIDENT_ENDED = 300  # ended sessions kept in memory
VERSION_GAP = 1000  # the least a version grows by when its session is read back
CENT_DUST = 1e-9  # sums of floats may differ from the cap by this much, in USD
MOST_A_CALL_COSTS = 1000.0  # USD: an answer that claims more tells no cost

SESSION_BODY = TypeAdapter(Session)  # a session as JSON, in the journal and in its folder
SCENE_BODY = TypeAdapter(Scene)
ELSEWHERE = {"story_text", "analysis", "scenes"}  # what is kept beside a session's head
SCENE_COUNT = "scene_count"  # in a session's head: how many scenes belong to it

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
    kind: Literal["text", "picture", "media"]
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

    def delete_drawing(self, owner: str, content_key: str, task_id: str) -> None:
        """Forget a drawing, unless another one with the same content stands there by now."""
        ...

    def save_answer(self, answer: Answer, at: datetime) -> None: ...

    def delete_answers(self, *, before: datetime) -> None: ...

    async def commit(self) -> None:
        """Return when everything written so far is on disk; raises `StorageUnavailable` when it is not."""
        ...

    def check(self) -> None:
        """Raises `StorageUnavailable` when it is known that nothing can be written now; never waits."""
        ...


class Archive(Journal, Protocol):
    """A journal that can be read back. The methods that read block for a moment: call them off the loop."""

    def load_session(self, session_id: str) -> Session | None: ...

    def spent_by(self, session_id: str) -> float: ...

    def find_answer(self, owner: str, content_key: str) -> Answer | None: ...

    def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None: ...

    def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[str]: ...

    def approved_versions(self) -> dict[str, int]: ...

    def list_untouched(self, since: datetime) -> list[str]: ...


class Accounts(Protocol):
    """Who has spent what, wherever it is kept: reserved before a call, settled after it. Sums in USD."""

    def today(self) -> str:
        """The day the budget counts by, in UTC."""
        ...

    async def reserve(self, charges: list[Charge], *, max_cost_usd: float | None) -> None:
        """Reserve all of them, of one session, or none; raises `BudgetReached`."""
        ...

    async def check_day(self, wanted: float) -> None:
        """Raises `DayBudgetReached` when today has no room for that much, even if all that is reserved came back."""
        ...

    async def reserved(self, prefix: str) -> str | None:
        """The id of a charge that begins like this and whose call has not been sent."""
        ...

    async def may_return(self, session_id: str) -> bool:
        """Whether money that a session lacks is only reserved somewhere, and may come back when that is settled."""
        ...

    async def mark_sent(self, charge_id: str) -> None:
        """The call this pays for is about to leave; raises `KeyError` for a charge that is not open."""
        ...

    async def settle(self, charge_id: str, cost_usd: float | None) -> Charge | None:
        """Close a charge with what it cost, None for an unknown cost; None when it was closed before."""
        ...

    async def release(self, charge_id: str) -> None:
        """Give back a reservation for a call that was never sent."""
        ...

    async def release_all(self, prefix: str, fence: str = "") -> None:
        """Give back all reservations that begin like this and whose call was never sent.

        With a fence of `Flights`: unless its lock has gone to somebody else, whose reservations they are now.
        """
        ...

    async def close_left(self, prefix: str) -> list[Charge]:
        """Close what somebody who is gone left open, but for drawings that can still be asked for.

        Returns what is settled because nobody will ever know what it cost.
        """
        ...

    async def settled(self, session_id: str) -> float:
        """What a session has spent, without what is reserved."""
        ...


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

    async def approve(self, session_id: str, change: ChangeSession) -> Session:
        """As `change`, once the approved work is wherever it outlives its session; raises `StorageUnavailable`."""
        ...

    async def restore(self, session: Session) -> Session:
        """Take in a session kept elsewhere, durably; the one that is here wins. Its version rises."""
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

    async def count_unfinished(self) -> int:
        """How many sessions have unfinished work; never waits for what is being written."""
        ...

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        """Approved sessions of an owner, newest approval first, those after `before` (approved_at, session_id).

        With a `query` those whose title or story has it, in any case and whatever stands between its words.
        """
        ...

    async def approved_versions(self) -> dict[str, int]:
        """The version of every approved session that is kept here, as it was last written."""
        ...

    async def list_untouched(self, since: datetime) -> list[str]:
        """The ids of ended, unapproved sessions not touched since then."""
        ...

    async def check_room(self, *, arriving: int = 0) -> None:
        """Raises `ServiceFull` when one more session with unfinished work would be too many, beside those arriving."""
        ...

    async def find_answer(self, owner: str, content_key: str) -> Answer | None:
        """A paid answer kept for that owner."""
        ...

    async def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        """A drawing that may be in the making or waits to be fetched."""
        ...

    async def claim_drawing(self, record: DrawingRecord, fence: str) -> bool:
        """Keep a drawing that is about to be sent, durably; False when another one stands there already, or when the
        lock of that fence has gone to somebody else."""
        ...

    async def commit(self) -> None:
        """Return when everything so far is on disk; raises `StorageUnavailable`."""
        ...

    async def check(self) -> None:
        """Raises `StorageUnavailable` when nothing can be written now; does not wait for what is being written."""
        ...


class Projects(Protocol):
    """Approved projects that outlive their sessions, for every instance; all of it raises `StorageUnavailable`."""

    async def save(self, session: Session) -> None:
        """Keep an approved session; one that is kept in a later version stays."""
        ...

    async def load(self, project_id: str) -> Session | None:
        """The session as it was saved."""
        ...

    async def versions(self, project_ids: Collection[str]) -> dict[str, int]:
        """The saved versions of those that are kept."""
        ...

    async def delete(self, project_id: str) -> None:
        """Forget it."""
        ...

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        """As `SessionStore.list_approved`."""
        ...

    async def check(self) -> None:
        """Raises `StorageUnavailable` when it is known that they cannot be reached now; never waits."""
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

    def delete_drawing(self, owner: str, content_key: str, task_id: str) -> None:
        """Nothing to forget."""

    def save_answer(self, answer: Answer, at: datetime) -> None:
        """Forget it."""

    def delete_answers(self, *, before: datetime) -> None:
        """Nothing to forget."""

    async def commit(self) -> None:
        """Nothing is kept, so nothing is at risk."""

    def check(self) -> None:
        """Nothing is kept, so nothing is in the way."""


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
        # Versions that were seen but lost in a crash are never given out twice: no session changes every millisecond,
        # so what an earlier process has counted to is behind the time at which this one began.
        self._first_version = int(clock().timestamp() * 1000)

    # -- making and finding

    def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        """Keep a new session, or give back the one that this key made before.

        Raises `ServiceFull` when `max_sessions` sessions have unfinished work, `IdempotencyConflict` when the key
        came with another body, `SessionNotFound` when the session it made has left memory.
        """
        with self._lock:
            if key is not None and (earlier := self.session_of_key(key)) is not None:
                return self.get(earlier)
            self.check_room()
            self._sessions[session.session_id] = session
            if key is not None:  # before the session: a crash between the two leaves a key of nothing, which is void
                self._keys[(key.owner, key.key)] = (key.body_hash, session.session_id)
                self._journal.save_idempotency(key, session.session_id, self._clock())
            self._journal.save_session(session)
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

    def forget_key(self, key: IdempotencyKey, session_id: str) -> None:
        """Let a key make a new session, unless it has: the one it made before is gone."""
        with self._lock:
            if self._keys.get((key.owner, key.key)) == (key.body_hash, session_id):
                del self._keys[(key.owner, key.key)]

    def restore(self, session: Session) -> Session:
        """Take in a session that was read back from disk; the one in memory wins when there is one already.

        Its version is higher than any that was given out before, by this process or an earlier one.
        """
        with self._lock:
            if session.session_id not in self._sessions:
                version = max(session.version + VERSION_GAP, self._first_version)
                self._sessions[session.session_id] = dataclasses.replace(session, version=version)
                self._make_room()
            return self.get(session.session_id)

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

    def check_room(self, *, arriving: int = 0) -> None:
        """Raises `ServiceFull` when `max_sessions` sessions have unfinished work or are about to."""
        if self.active_count() + arriving >= self._max_sessions:
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
            known = {scene.scene_id for scene in before.scenes}
            after = next_of(before, after, at=self._clock())
            self._sessions[session_id] = after
            if known <= {scene.scene_id for scene in after.scenes}:
                self._journal.save_progress(after, [scene for scene in after.scenes if scene.changed_in == version])
            else:  # a scene is gone: the journal has to forget it too
                self._journal.save_session(after)
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
        """The session as soon as its version differs from `version`, or as it is after `timeout` seconds.

        Raises `SessionNotFound` when it is deleted meanwhile, or has ended and left memory.
        """
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
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_set, changed)

    def _make_room(self) -> None:
        """Let ended sessions leave memory, least recently used first; they stay on disk."""
        if self._keeps_all:
            return
        ended = [s for s in self._sessions.values() if s.status not in UNFINISHED]
        count, chars = len(ended), sum(len(s.story_text) for s in ended)
        for session in ended[:-1]:
            if chars <= MAX_RESIDENT_CHARS and count <= MAX_RESIDENT_ENDED:
                return
            if session.session_id not in self._waiters:
                del self._sessions[session.session_id]
                count, chars = count - 1, chars - len(session.story_text)


def next_of(before: Session, after: Session, *, at: datetime) -> Session:
    """What a change made of a session, with the next version, which marks the scenes that differ."""
    version = before.version + 1
    known = {scene.scene_id: scene for scene in before.scenes}
    scenes = tuple(
        scene if known.get(scene.scene_id) is scene else dataclasses.replace(scene, changed_in=version)
        for scene in after.scenes
    )
    return dataclasses.replace(after, scenes=scenes, version=version, updated_at=at)


def day_budget_reached(now: datetime) -> DayBudgetReached:
    """Today's money is spent: tomorrow, in UTC, there is more."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return DayBudgetReached(retry_after=(midnight - now).total_seconds() + 1)


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
        self._forgotten: set[str] = set()  # deleted sessions whose last calls are still under way
        self._daily_budget_usd = daily_budget_usd
        self._journal = journal or NullJournal()
        self._clock = clock

    def today(self) -> str:
        """The day the budget counts by, in UTC."""
        return self._clock().strftime("%Y-%m-%d")

    def reserve(self, charges: list[Charge], *, max_cost_usd: float | None) -> None:
        """Reserve all of them or none; raises `BudgetReached`. A charge that is open already is not added again.

        They count for the day on which they are reserved: one that waited past midnight is not yesterday's any more.
        """
        with self._lock:
            today = self.today()
            new = {c.charge_id: dataclasses.replace(c, day=today) for c in charges if c.charge_id not in self._open}
            for session_id in {charge.session_id for charge in new.values()}:
                wanted = sum(charge.amount_usd for charge in new.values() if charge.session_id == session_id)
                self._check_session(session_id, wanted, max_cost_usd)
            self._check_day(sum(charge.amount_usd for charge in new.values()))
            for charge in new.values():
                self._open[charge.charge_id] = charge
                self._add(charge, charge.amount_usd)
                self._journal.save_charge(charge)

    def _check_session(self, session_id: str, wanted: float, max_cost_usd: float | None) -> None:
        if wanted <= 0 or max_cost_usd is None:
            return
        if self.committed(session_id) + wanted > max_cost_usd + CENT_DUST:
            raise BudgetReached("The next picture could cost more than is left of max_cost_usd.")

    def check_day(self, wanted: float) -> None:
        """Raises `DayBudgetReached` when today has no room for that much, even if all that is reserved came back."""
        with self._lock:
            today = self.today()
            self._check_day(wanted, returning=sum(c.amount_usd for c in self._open.values() if c.day == today))

    def _check_day(self, wanted: float, *, returning: float = 0.0) -> None:
        if wanted <= 0 or self._daily_budget_usd is None:
            return
        if self._by_day.get(self.today(), 0.0) - returning + wanted > self._daily_budget_usd + CENT_DUST:
            raise day_budget_reached(self._clock())

    def committed_today(self) -> float:
        """What all sessions together have spent and reserved today."""
        with self._lock:
            return self._by_day.get(self.today(), 0.0)

    def open_charge(self, charge_id: str) -> Charge | None:
        """The charge, while it is neither settled nor released."""
        with self._lock:
            return self._open.get(charge_id)

    def open_of(self, prefix: str) -> list[str]:
        """The ids of the open charges of one scene or session, by how they begin."""
        with self._lock:
            return [charge_id for charge_id in self._open if charge_id.startswith(prefix)]

    def may_return(self, session_id: str) -> bool:
        """Whether money that a session lacks is only reserved somewhere, and may come back when that is settled."""
        with self._lock:
            shared = self._daily_budget_usd is not None
            return any(shared or charge.session_id == session_id for charge in self._open.values())

    def mark_sent(self, charge_id: str) -> None:
        """The call this pays for is about to leave; raises `KeyError` for a charge that is not open."""
        with self._lock:
            charge = dataclasses.replace(self._open[charge_id], state="sent")
            self._open[charge_id] = charge
            self._journal.save_charge(charge)

    def settle(self, charge_id: str, cost_usd: float | None) -> Charge | None:
        """Close a charge with what it cost; an unknown cost (None, or one beyond belief) keeps the whole amount.

        None when it was closed before.
        """
        with self._lock:
            charge = self._open.pop(charge_id, None)
            if charge is None:
                return None
            known = cost_usd is not None and cost_usd <= MOST_A_CALL_COSTS
            paid = charge.amount_usd if cost_usd is None or not known else max(0.0, cost_usd)
            self._add(charge, paid - charge.amount_usd)
            settled = dataclasses.replace(charge, amount_usd=paid, state="settled", known=known)
            self._journal.save_charge(settled)
            self._forget_quiet(charge.session_id)
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
            self._forget_quiet(charge.session_id)

    def committed(self, session_id: str) -> float:
        """What a session has spent and reserved."""
        with self._lock:
            return self._by_session.get(session_id, 0.0)

    def settled(self, session_id: str) -> float:
        """What a session has spent: all that is committed but for what is still open."""
        with self._lock:
            reserved = sum(charge.amount_usd for charge in self._open.values() if charge.session_id == session_id)
            return self.committed(session_id) - reserved

    def restore(
        self, *, open_charges: Iterable[Charge], by_session: dict[str, float], by_day: dict[str, float]
    ) -> None:
        """Take in what was read back from disk; the sums include the open charges. A sum already here is newer."""
        with self._lock:
            self._open = {charge.charge_id: charge for charge in open_charges} | self._open
            self._by_session = by_session | self._by_session
            self._by_day = by_day | self._by_day

    def close_after_crash(self, still_running: set[str]) -> list[Charge]:
        """Settle what a crash left open: sent calls were perhaps billed, reservations were not. Returns the settled.

        `still_running` are the charges of drawings whose provider can still be asked.
        """
        settled: list[Charge] = []
        with self._lock:
            for charge in [c for c in self._open.values() if c.charge_id not in still_running]:
                if charge.state == "reserved":
                    self.release(charge.charge_id)
                elif (closed := self.settle(charge.charge_id, None)) is not None:
                    settled.append(closed)
        return settled

    def forget(self, session_id: str) -> None:
        """Drop a session's sum from memory once its last charge is closed; the days keep theirs."""
        with self._lock:
            self._forgotten.add(session_id)
            self._forget_quiet(session_id)

    def _forget_quiet(self, session_id: str) -> None:
        """A cap holds for a deleted session too, until nothing of it is under way."""
        if session_id not in self._forgotten or any(c.session_id == session_id for c in self._open.values()):
            return
        self._forgotten.discard(session_id)
        self._by_session.pop(session_id, None)

    def _add(self, charge: Charge, amount: float) -> None:
        self._by_session[charge.session_id] = self._by_session.get(charge.session_id, 0.0) + amount
        self._by_day[charge.day] = self._by_day.get(charge.day, 0.0) + amount


class LocalAccounts:
    """The `Accounts` of one process. What a crash left open is closed when the next process starts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def today(self) -> str:
        return self._ledger.today()

    async def reserve(self, charges: list[Charge], *, max_cost_usd: float | None) -> None:
        self._ledger.reserve(charges, max_cost_usd=max_cost_usd)

    async def check_day(self, wanted: float) -> None:
        self._ledger.check_day(wanted)

    async def reserved(self, prefix: str) -> str | None:
        opened = (self._ledger.open_charge(charge_id) for charge_id in self._ledger.open_of(prefix))
        return next((charge.charge_id for charge in opened if charge and charge.state == "reserved"), None)

    async def may_return(self, session_id: str) -> bool:
        return self._ledger.may_return(session_id)

    async def mark_sent(self, charge_id: str) -> None:
        self._ledger.mark_sent(charge_id)

    async def settle(self, charge_id: str, cost_usd: float | None) -> Charge | None:
        return self._ledger.settle(charge_id, cost_usd)

    async def release(self, charge_id: str) -> None:
        self._ledger.release(charge_id)

    async def release_all(self, prefix: str, fence: str = "") -> None:
        for charge_id in self._ledger.open_of(prefix):
            self._ledger.release(charge_id)

    async def close_left(self, prefix: str) -> list[Charge]:
        return []

    async def settled(self, session_id: str) -> float:
        return self._ledger.settled(session_id)


class LocalStore:
    """The `SessionStore` of one process and one event loop: the manager in memory, the archive behind it.

    Reading a session back and deleting it take turns: what was read before a deletion never comes alive after it.
    """

    def __init__(self, manager: SessionManager, ledger: Ledger, archive: Archive) -> None:
        self._manager = manager
        self._ledger = ledger
        self._archive = archive
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        if key is not None and (earlier := await self.find_by_key(key)) is not None:
            return earlier
        kept = self._manager.create(session, key)
        try:
            await self._archive.commit()
        except StorageUnavailable:
            if kept.session_id == session.session_id:  # the caller is told no: nothing may come of it afterwards
                self._manager.delete(kept.session_id)
            raise
        return kept

    async def find_by_key(self, key: IdempotencyKey) -> Session | None:
        session_id = self._manager.session_of_key(key)
        if session_id is None:
            return None
        try:
            await self.get(session_id)
            await self._archive.commit()
            return await self.get(session_id)  # its maker has withdrawn it when it could not be written
        except SessionNotFound:
            self._manager.forget_key(key, session_id)
            return None

    async def get(self, session_id: str) -> Session:
        try:
            return self._manager.get(session_id)
        except SessionNotFound:
            return await self._read_back(session_id)

    async def _read_back(self, session_id: str) -> Session:
        """From disk, once everything that was written is there: what left memory may still have been in the queue."""
        async with self._turn(session_id):
            with contextlib.suppress(SessionNotFound):
                return self._manager.get(session_id)  # somebody else has just read it
            await self._archive.commit()
            session = await asyncio.to_thread(self._archive.load_session, session_id)
            if session is None:
                raise SessionNotFound(session_id)
            spent = await asyncio.to_thread(self._archive.spent_by, session_id)
            self._ledger.restore(open_charges=(), by_session={session_id: spent}, by_day={})
            return self._manager.restore(session)

    def _turn(self, session_id: str) -> asyncio.Lock:
        return self._turns.setdefault(session_id, asyncio.Lock())

    async def change(self, session_id: str, change: ChangeSession) -> Session:
        await self.get(session_id)
        return self._manager.change(session_id, change)

    async def change_scene(self, session_id: str, scene_id: str, change: ChangeScene) -> Session:
        await self.get(session_id)
        return self._manager.change_scene(session_id, scene_id, change)

    async def approve(self, session_id: str, change: ChangeSession) -> Session:
        return await self.change(session_id, change)

    async def restore(self, session: Session) -> Session:
        async with self._turn(session.session_id):
            with contextlib.suppress(SessionNotFound):
                return self._manager.get(session.session_id)
            spent = await asyncio.to_thread(self._archive.spent_by, session.session_id)
            if (lost := session.cost_usd - spent) > CENT_DUST:
                self._archive.save_charge(lost_charge(session, lost))
            self._ledger.restore(
                open_charges=(), by_session={session.session_id: max(spent, session.cost_usd)}, by_day={}
            )
            restored = self._manager.restore(session)
            self._archive.save_session(restored)
            await self._archive.commit()
            return restored

    async def delete(self, session_id: str) -> None:
        async with self._turn(session_id):
            self._manager.delete(session_id)
            self._ledger.forget(session_id)
            await self._archive.commit()

    async def wait(self, session_id: str, version: int, timeout: float) -> Session:
        await self.get(session_id)
        try:
            return await self._manager.wait(session_id, version, timeout)
        except SessionNotFound:  # deleted, or ended and gone from memory before we could look
            return await self.get(session_id)

    async def list_active(self) -> list[Session]:
        return self._manager.all()

    async def count_unfinished(self) -> int:
        return self._manager.active_count()

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        found: list[Session] = []
        while len(found) < limit:
            ids = await asyncio.to_thread(self._archive.list_approved, owner, before=before, limit=limit, query=query)
            readable = [session for session_id in ids if (session := await self._find(session_id)) is not None]
            found += readable
            if len(ids) < limit or not readable:
                break
            last = readable[-1]
            before = (last.approved_at or last.updated_at, last.session_id)
        return found[:limit]

    async def approved_versions(self) -> dict[str, int]:
        return await asyncio.to_thread(self._archive.approved_versions)

    async def _find(self, session_id: str) -> Session | None:
        try:
            return await self.get(session_id)
        except SessionNotFound:
            return None

    async def list_untouched(self, since: datetime) -> list[str]:
        await self._archive.commit()  # somebody may have come back to an old session a moment ago
        return await asyncio.to_thread(self._archive.list_untouched, since)

    async def check_room(self, *, arriving: int = 0) -> None:
        self._manager.check_room(arriving=arriving)

    async def find_answer(self, owner: str, content_key: str) -> Answer | None:
        return await asyncio.to_thread(self._archive.find_answer, owner, content_key)

    async def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        return await asyncio.to_thread(self._archive.find_drawing, owner, content_key)

    async def claim_drawing(self, record: DrawingRecord, fence: str) -> bool:
        self._archive.save_drawing(record)
        await self._archive.commit()
        return True

    async def commit(self) -> None:
        await self._archive.commit()

    async def check(self) -> None:
        self._archive.check()


def lost_charge(session: Session, amount_usd: float) -> Charge:
    """What a session has spent that no charge says any more; it counts for the day on which it was last changed."""
    return Charge(
        charge_id=f"{session.session_id}:lost",
        session_id=session.session_id,
        owner=session.owner,
        provider="unknown",
        model="unknown",
        amount_usd=amount_usd,
        day=session.updated_at.strftime("%Y-%m-%d"),
        state="settled",
    )


# The story and its analysis never change, the scenes have places of their own: a step writes only what it changed.


def session_head(session: Session) -> str:
    """Everything of a session but its story, analysis and scenes, as JSON."""
    fields = SESSION_BODY.dump_python(session, mode="json", exclude=ELSEWHERE) | {SCENE_COUNT: len(session.scenes)}
    return json.dumps(fields, ensure_ascii=False)


def session_of_parts(head: bytes, story: bytes, analysis: bytes, scenes: list[bytes]) -> Session:
    """The session whose parts these are, its scenes in any order; raises ValueError when some of it is missing."""
    found = sorted((SCENE_BODY.validate_json(scene) for scene in scenes), key=lambda scene: scene.scene_number)
    fields = json.loads(head)
    if fields.pop(SCENE_COUNT, len(found)) != len(found):
        raise ValueError("some of its scenes are lost")
    fields |= {
        "story_text": story.decode(),
        "analysis": ScriptAnalysis.model_validate_json(analysis),
        "scenes": tuple(found),
    }
    return SESSION_BODY.validate_python(fields)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
