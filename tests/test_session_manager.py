"""Sessions in memory and money: from threads and loops, when the disk is slow, refuses or lies."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import session_manager
from adapters.sqlite_journal import SqliteJournal
from models import BudgetReached, DayBudgetReached, Scene, Session, SessionNotFound, StorageUnavailable
from session_manager import Charge, Ledger, LocalStore, NullJournal, SessionManager, SessionStore
from tests.session_store_contract import (
    KEY,
    NOON,
    STORY,
    OpenStore,
    SessionStoreContract,
    new_session,
    one_more,
    titled,
    to,
)

T = TypeVar("T")


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class Shelf(NullJournal):
    """An archive in memory whose disk can be slow or refuse: what is written is there after the next commit."""

    def __init__(self) -> None:
        self.queued: list[Callable[[], None]] = []
        self.sessions: dict[str, Session] = {}
        self.refuses = False
        self.commits = 0
        self.is_read = threading.Event()
        self.may_read = threading.Event()
        self.may_read.set()
        self.reads = 0

    def save_session(self, session: Session) -> None:
        self.queued.append(lambda: self.sessions.update({session.session_id: session}))

    def save_progress(self, session: Session, scenes: Iterable[Scene]) -> None:
        self.save_session(session)

    def delete_session(self, session_id: str) -> None:
        self.queued.append(lambda: void(self.sessions.pop(session_id, None)))

    async def commit(self) -> None:
        self.commits += 1
        await asyncio.sleep(0)
        if self.refuses:
            raise StorageUnavailable
        while self.queued:
            self.queued.pop(0)()

    def load_session(self, session_id: str) -> Session | None:
        found = self.sessions.get(session_id)
        self.reads += 1
        self.is_read.set()
        self.may_read.wait(10)
        return found

    def spent_by(self, session_id: str) -> float:
        return 0.0

    def find_answer(self, owner: str, content_key: str) -> None:
        return None

    def find_drawing(self, owner: str, content_key: str) -> None:
        return None

    def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[str]:
        found = [s for s in self.sessions.values() if s.approved_at and (not before or place(s) < before)]
        return [session.session_id for session in sorted(found, key=place, reverse=True)][:limit]

    def approved_versions(self) -> dict[str, int]:
        return {s.session_id: s.version for s in self.sessions.values() if s.approved_at}

    def list_untouched(self, since: datetime) -> list[str]:
        return [s.session_id for s in self.sessions.values() if s.updated_at < since and s.status == "completed"]


def void(_: object) -> None:
    """What a queued write gives back."""


def place(session: Session) -> tuple[datetime, str]:
    return session.approved_at or NOON, session.session_id


@dataclasses.dataclass
class Shop:
    """A store over a `Shelf`."""

    shelf: Shelf
    manager: SessionManager
    store: LocalStore

    async def evict(self, session_id: str) -> None:
        """Fill memory with other ended sessions until that one has left."""
        heavy = STORY * (session_manager.MAX_RESIDENT_CHARS // len(STORY))
        for _ in range(3):
            self.manager.create(new_session(scenes=1, story_text=heavy, status="completed"))
        assert session_id not in {session.session_id for session in self.manager.all()}


@pytest.fixture
def shop() -> Shop:
    shelf, clock = Shelf(), Clock()
    manager = SessionManager(journal=shelf, clock=clock)
    return Shop(shelf, manager, LocalStore(manager, Ledger(clock=clock), shelf))


@pytest.fixture
def manager() -> SessionManager:
    return SessionManager(clock=Clock())


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    together = threading.Barrier(count)

    def start(number: int) -> T:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(start, range(count)))


class TestLocalStore(SessionStoreContract):
    """The store of one process, over SQLite."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        starts = itertools.count()

        @asynccontextmanager
        async def opened(*, max_sessions: int = 100) -> AsyncIterator[SessionStore]:
            journal = SqliteJournal(tmp_path / "journal.db")
            journal.start()
            clock = Clock()
            clock.time += timedelta(seconds=next(starts))  # a process that starts later has a later clock
            manager = SessionManager(max_sessions=max_sessions, journal=journal, clock=clock)
            manager.restore_keys(journal.load_keys())
            try:
                yield LocalStore(manager, Ledger(journal=journal, clock=clock), journal)
            finally:
                journal.close()

        return opened


# --- Versions and threads --------------------------------------------------------------------------------------


def test_versions_rise_by_one_whatever_thread_changes(manager: SessionManager) -> None:
    session = manager.create(new_session())

    seen = in_threads(8, lambda _: [manager.change(session.session_id, one_more).version for _ in range(100)])

    assert sorted(version for mine in seen for version in mine) == list(range(2, 802))
    assert manager.get(session.session_id).title == "800"


def test_a_change_that_raises_changes_nothing(manager: SessionManager) -> None:
    session = manager.create(new_session())

    def broken(_: Session) -> Session:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        manager.change(session.session_id, broken)

    assert manager.get(session.session_id) is session


def test_versions_of_an_earlier_process_are_behind_the_clock() -> None:
    clock = Clock()
    first = SessionManager(clock=clock)
    lost = first.restore(new_session(version=3))
    for _ in range(500):
        lost = first.change(lost.session_id, one_more)
    clock.time += timedelta(seconds=1)

    after = SessionManager(clock=clock).restore(new_session(lost.session_id, version=3))

    assert after.version > lost.version


def test_threads_and_deletion_end_in_one_of_the_two(manager: SessionManager) -> None:
    for _ in range(20):
        session = manager.create(new_session(status="completed"))

        def race(number: int, session_id: str = session.session_id) -> None:
            if number == 0:
                manager.delete(session_id)
                return
            try:
                manager.change(session_id, one_more)
            except SessionNotFound:
                return

        in_threads(4, race)

        assert manager.all() == []


# --- Waiting ---------------------------------------------------------------------------------------------------


async def test_a_woken_waiter_leaves_nothing_behind_for_the_next(manager: SessionManager) -> None:
    session = manager.create(new_session())
    for version in range(1, 20):
        waiting = asyncio.create_task(manager.wait(session.session_id, version, 30))
        await asyncio.sleep(0)
        manager.change(session.session_id, one_more)

        assert (await waiting).version == version + 1


async def test_a_cancelled_wait_disturbs_nobody(manager: SessionManager) -> None:
    session = manager.create(new_session())
    first, second = (asyncio.create_task(manager.wait(session.session_id, 1, 30)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    manager.change(session.session_id, one_more)

    assert (await second).version == 2


def test_waiters_of_many_loops_in_many_threads_are_woken(manager: SessionManager) -> None:
    session = manager.create(new_session())
    ready = threading.Barrier(6)

    async def wait_here() -> int:
        waiting = [asyncio.create_task(manager.wait(session.session_id, 1, 30)) for _ in range(3)]
        await asyncio.sleep(0)
        ready.wait()
        return sum([found.version for found in await asyncio.gather(*waiting)])

    def wait_or_change(number: int) -> int:
        if number:
            return asyncio.run(wait_here())
        ready.wait()
        return manager.change(session.session_id, one_more).version

    assert in_threads(6, wait_or_change) == [2, 6, 6, 6, 6, 6]


def test_a_loop_that_was_closed_while_it_waited_stops_nobody(manager: SessionManager) -> None:
    session = manager.create(new_session())
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(manager.wait(session.session_id, 1, 30))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    assert manager.change(session.session_id, one_more).version == 2
    assert not waiting.done()


# --- Memory ----------------------------------------------------------------------------------------------------


def test_unfinished_sessions_and_those_somebody_waits_for_stay_in_memory() -> None:
    manager = SessionManager(max_sessions=1000, journal=Shelf(), clock=Clock())
    unfinished = manager.create(new_session())

    for _ in range(session_manager.MAX_RESIDENT_ENDED + 50):
        manager.create(new_session(status="completed"))

    assert manager.get(unfinished.session_id) is unfinished
    assert len(manager.all()) == session_manager.MAX_RESIDENT_ENDED + 1


async def test_whom_somebody_waits_for_does_not_leave(shop: Shop) -> None:
    session = shop.manager.create(new_session(status="completed"))
    waiting = asyncio.create_task(shop.manager.wait(session.session_id, 1, 0.02))
    await asyncio.sleep(0)

    for _ in range(session_manager.MAX_RESIDENT_ENDED + 50):
        shop.manager.create(new_session(status="completed"))

    assert await waiting is session


def test_without_a_journal_nothing_leaves(manager: SessionManager) -> None:
    for _ in range(session_manager.MAX_RESIDENT_ENDED + 50):
        manager.create(new_session(status="completed"))

    assert len(manager.all()) == session_manager.MAX_RESIDENT_ENDED + 50


def test_expiry_leaves_approved_and_unfinished_sessions(manager: SessionManager) -> None:
    gone = manager.create(new_session(status="awaiting_review"))
    kept = [
        manager.create(new_session(status="completed", approved_at=NOON)),
        manager.create(new_session(status="processing")),
        manager.create(new_session(status="failed", updated_at=NOON + timedelta(hours=2))),
    ]

    assert manager.forget_ended(untouched_since=NOON + timedelta(hours=1)) == [gone.session_id]
    assert manager.all() == kept


# --- The store, when things happen at once ---------------------------------------------------------------------


async def test_what_left_memory_is_read_back_with_its_last_change(shop: Shop) -> None:
    session = await shop.store.create(new_session())
    changed = await shop.store.change(session.session_id, to("completed"))
    await shop.evict(session.session_id)

    read = await shop.store.get(session.session_id)

    assert read.status == "completed"
    assert read.version > changed.version


async def test_many_who_ask_at_once_read_the_disk_once(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))
    await shop.evict(session.session_id)

    found = await asyncio.gather(*(shop.store.get(session.session_id) for _ in range(20)))

    assert shop.shelf.reads == 1
    assert len({id(each) for each in found}) == 1


async def test_what_is_deleted_while_it_is_read_does_not_come_alive(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))
    await shop.evict(session.session_id)
    shop.shelf.may_read.clear()
    reading = asyncio.create_task(shop.store.get(session.session_id))
    await asyncio.to_thread(shop.shelf.is_read.wait, 10)

    deleting = asyncio.create_task(shop.store.delete(session.session_id))
    await asyncio.sleep(0.002)
    shop.shelf.may_read.set()
    await asyncio.gather(reading, deleting)

    with pytest.raises(SessionNotFound):
        await shop.store.get(session.session_id)


async def test_what_is_being_deleted_is_not_read_back(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))

    deleting = asyncio.create_task(shop.store.delete(session.session_id))
    await asyncio.sleep(0)
    with pytest.raises(SessionNotFound):
        await shop.store.get(session.session_id)
    await deleting

    assert session.session_id not in {each.session_id for each in shop.manager.all()}


async def test_who_waits_sees_the_end_even_when_it_left_memory_at_once(shop: Shop) -> None:
    session = await shop.store.create(new_session())
    waiting = asyncio.create_task(shop.store.wait(session.session_id, 1, 30))
    await asyncio.sleep(0)

    shop.manager.change(session.session_id, to("completed"))
    await shop.evict(session.session_id)

    assert (await waiting).status == "completed"


async def test_a_session_the_disk_refused_was_never_made(shop: Shop) -> None:
    shop.shelf.refuses = True
    with pytest.raises(StorageUnavailable):
        await shop.store.create(new_session(), KEY)
    shop.shelf.refuses = False

    made = await shop.store.create(new_session(), KEY)
    await shop.store.commit()

    assert shop.manager.all() == [made]
    assert list(shop.shelf.sessions) == [made.session_id]


async def test_everybody_with_the_same_key_is_refused_with_it(shop: Shop) -> None:
    shop.shelf.refuses = True

    ended = await asyncio.gather(*(shop.store.create(new_session(), KEY) for _ in range(10)), return_exceptions=True)

    assert all(isinstance(error, StorageUnavailable) for error in ended)
    assert shop.manager.all() == []


async def test_a_key_of_a_session_that_cannot_be_read_makes_a_new_one(shop: Shop) -> None:
    lost = await shop.store.create(new_session(status="completed"), KEY)
    await shop.evict(lost.session_id)
    await shop.store.commit()
    del shop.shelf.sessions[lost.session_id]

    made = await shop.store.create(new_session(), KEY)

    assert made.session_id != lost.session_id
    assert await shop.store.find_by_key(KEY) == made


async def test_an_unreadable_project_does_not_hide_the_others(shop: Shop) -> None:
    for number in range(6):
        at = NOON + timedelta(minutes=number)
        await shop.store.create(new_session(f"{number:032x}", status="completed", approved_at=at))
    torn = f"{4:032x}"
    await shop.evict(torn)
    listed = shop.shelf.sessions[torn]
    shop.shelf.load_session = lambda session_id: (  # type: ignore[method-assign]
        None if session_id == torn else shop.shelf.sessions.get(session_id)
    )

    found = await shop.store.list_approved("local", before=None, limit=5)

    assert listed.approved_at is not None
    assert [int(session.session_id, 16) for session in found] == [5, 3, 2, 1, 0]


async def test_whoever_comes_back_to_an_old_session_keeps_it(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))
    later = NOON + timedelta(days=2)
    assert await shop.store.list_untouched(later) == [session.session_id]

    await shop.store.change(session.session_id, to("processing"))

    assert await shop.store.list_untouched(later) == []


async def test_a_sum_in_memory_is_newer_than_the_one_on_disk(shop: Shop) -> None:
    ledger = Ledger(clock=Clock())
    ledger.reserve([charge("one", 0.3)], max_cost_usd=None)

    ledger.restore(open_charges=[], by_session={"session": 0.1}, by_day={ledger.today(): 0.1})

    assert ledger.committed("session") == 0.3


# --- Money -----------------------------------------------------------------------------------------------------


def charge(charge_id: str, usd: float, session_id: str = "session", day: str = "2026-05-04") -> Charge:
    return Charge(charge_id, session_id, "local", "runware", "runware:1", usd, day)


Step = tuple[str, int, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "send", "settle", "settle unknown", "release", "restore"]),
        st.integers(0, 5),
        st.floats(0, 0.6),
    ),
    max_size=40,
)


@given(STEPS)
def test_no_order_of_steps_passes_the_cap_or_loses_a_cent(steps: list[Step]) -> None:
    ledger = Ledger(daily_budget_usd=0.9, clock=Clock())
    spent: dict[str, float] = {}
    for step, number, usd in steps:
        charge_id = str(number)
        known = ledger.open_charge(charge_id)
        take(ledger, step, charge_id, usd)
        if step == "reserve" and known is None and ledger.open_charge(charge_id):
            spent[charge_id] = spent.get(charge_id, 0.0) + usd
        elif known and step == "settle":
            spent[charge_id] += min(usd, known.amount_usd) - known.amount_usd
        elif known and step == "release" and known.state == "reserved":
            spent[charge_id] -= known.amount_usd

        assert ledger.committed("session") <= 0.5 + 1e-6
        assert ledger.committed("session") == pytest.approx(sum(spent.values()), abs=1e-9)


def take(ledger: Ledger, step: str, charge_id: str, usd: float) -> None:
    """One step; what is settled never costs more than was reserved."""
    known = ledger.open_charge(charge_id)
    match step:
        case "reserve":
            try:
                ledger.reserve([charge(charge_id, usd)], max_cost_usd=0.5)
            except BudgetReached:
                return
        case "send" if known:
            ledger.mark_sent(charge_id)
        case "settle":
            ledger.settle(charge_id, min(usd, known.amount_usd) if known else usd)
        case "settle unknown":
            ledger.settle(charge_id, None)
        case "release":
            ledger.release(charge_id)
        case "restore":
            ledger.restore(open_charges=[], by_session={"session": 0.0}, by_day={})


def test_threads_never_pass_the_cap_of_a_session_or_of_the_day() -> None:
    ledger = Ledger(daily_budget_usd=1.0, clock=Clock())

    def spend(number: int) -> float:
        mine = 0.0
        for turn in range(100):
            one = charge(f"{number}:{turn}", 0.01, session_id=f"session {number % 3}")
            try:
                ledger.reserve([one], max_cost_usd=0.4)
            except BudgetReached:
                continue
            if turn % 2:
                ledger.mark_sent(one.charge_id)
                settled = ledger.settle(one.charge_id, 0.004)
                mine += settled.amount_usd if settled else 0.0
            else:
                ledger.release(one.charge_id)
        return mine

    total = sum(in_threads(8, spend))

    sums = [ledger.committed(f"session {number}") for number in range(3)]
    assert all(each <= 0.4 + 1e-6 for each in sums)
    assert sum(sums) == pytest.approx(total)
    assert total <= 1.0 + 1e-6


def test_charges_of_two_sessions_share_the_day() -> None:
    ledger = Ledger(daily_budget_usd=1.0, clock=Clock())

    with pytest.raises(BudgetReached):
        ledger.reserve([charge("a", 0.6, "one"), charge("b", 0.6, "two")], max_cost_usd=None)

    assert ledger.committed("one") == ledger.committed("two") == 0.0


def test_settling_and_releasing_may_be_repeated() -> None:
    ledger = Ledger(clock=Clock())
    ledger.reserve([charge("a", 0.5), charge("b", 0.5)], max_cost_usd=None)

    first, second = ledger.settle("a", None), ledger.settle("a", 0.1)
    for _ in range(3):
        ledger.release("b")
    ledger.release("a")

    assert first is not None and (first.amount_usd, first.known) == (0.5, False)
    assert second is None
    assert ledger.committed("session") == 0.5


def test_what_is_not_open_cannot_be_sent() -> None:
    with pytest.raises(KeyError):
        Ledger(clock=Clock()).mark_sent("never reserved")


async def test_the_daily_budget_holds_over_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.start()
    ledger = Ledger(daily_budget_usd=1.0, journal=journal, clock=clock)
    ledger.reserve([charge("settled", 0.4), charge("sent", 0.3), charge("reserved", 0.2)], max_cost_usd=None)
    ledger.settle("settled", 0.35)
    ledger.mark_sent("sent")
    journal.close()

    again = SqliteJournal(tmp_path / "journal.db")
    again.start()
    ledger = Ledger(daily_budget_usd=1.0, journal=again, clock=clock)
    ledger.restore(
        open_charges=again.load_open_charges(),
        by_session={"session": again.spent_by("session")},
        by_day={ledger.today(): again.spent_on(ledger.today())},
    )
    settled = ledger.close_after_crash(set())

    assert [closed.charge_id for closed in settled] == ["sent"]
    assert ledger.committed("session") == pytest.approx(0.65)
    with pytest.raises(BudgetReached):
        ledger.reserve([charge("more", 0.36)], max_cost_usd=None)
    clock.time = datetime(2026, 5, 5, tzinfo=UTC)
    ledger.reserve([charge("more", 0.36, day=ledger.today())], max_cost_usd=None)
    again.close()


def test_a_removed_scene_is_forgotten_by_the_journal_too(shop: Shop) -> None:
    session = shop.manager.create(new_session())
    asyncio.run(shop.store.commit())

    shop.manager.change(session.session_id, lambda s: dataclasses.replace(s, scenes=s.scenes[:2]))
    shop.manager.change_scene(session.session_id, "s1", titled("The market"))
    asyncio.run(shop.store.commit())

    assert [scene.title for scene in shop.shelf.sessions[session.session_id].scenes] == ["0", "The market"]


def test_what_waited_past_midnight_counts_for_the_new_day() -> None:
    clock = Clock()
    clock.time = datetime(2026, 5, 4, 23, 59, 59, tzinfo=UTC)
    ledger = Ledger(daily_budget_usd=1.0, clock=clock)
    waited = charge("late", 0.75)
    clock.time += timedelta(seconds=2)

    ledger.reserve([waited], max_cost_usd=None)

    with pytest.raises(DayBudgetReached) as refused:
        ledger.reserve([charge("next", 0.75)], max_cost_usd=None)
    assert refused.value.retry_after == pytest.approx(24 * 3600, abs=2)


def test_a_day_is_spent_when_not_even_what_is_reserved_could_pay() -> None:
    ledger = Ledger(daily_budget_usd=1.0, clock=Clock())
    ledger.reserve([charge("a", 0.5), charge("b", 0.5)], max_cost_usd=None)

    ledger.check_day(0.75)
    ledger.mark_sent("a")
    ledger.settle("a", 0.5)

    ledger.check_day(0.5)
    ledger.check_day(0.0)
    with pytest.raises(DayBudgetReached):
        ledger.check_day(0.75)


@pytest.mark.parametrize("claimed", [None, 1e300, float("inf")])
def test_a_cost_beyond_belief_keeps_what_was_reserved(claimed: float | None) -> None:
    ledger = Ledger(clock=Clock())
    ledger.reserve([charge("a", 0.5)], max_cost_usd=None)

    settled = ledger.settle("a", claimed)

    assert settled is not None
    assert (settled.amount_usd, settled.known) == (0.5, False)
