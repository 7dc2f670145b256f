"""Redis behind the same promises as memory: sessions, money, locks; and what only many processes can do wrong."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.redis_accounts import RedisAccounts
from adapters.redis_flights import RedisFlights
from adapters.redis_link import RedisLink, open_link
from adapters.redis_store import RedisJournal, RedisStore
from models import BudgetReached, DayBudgetReached, StorageUnavailable, StoreUnavailable
from session_manager import Accounts, Answer, Charge, DrawingRecord, Ledger, LocalAccounts, SessionStore
from tests.conftest import need_program
from tests.redis_server import RedisServer
from tests.session_store_contract import NOON, OpenStore, SessionStoreContract, new_session, one_more, titled, to
from utils import end_task


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need_program("redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def link(server: RedisServer) -> AsyncIterator[RedisLink]:
    async with open_link(server.url) as opened:
        await opened.command("FLUSHDB")
        yield opened


@asynccontextmanager
async def opened_store(url: str, *, max_sessions: int = 100) -> AsyncIterator[RedisStore]:
    """A store as a process of its own has it: with its own connections, listening."""
    async with open_link(url) as link:
        store = RedisStore(
            link,
            RedisJournal(link),
            max_sessions=max_sessions,
            kept_for=timedelta(hours=24),
            keep_approved=True,
            clock=lambda: NOON,
        )
        ready = asyncio.Event()
        listening = asyncio.create_task(store.listen(ready))
        await ready.wait()
        try:
            yield store
        finally:
            await end_task(listening)


class TestRedisStore(SessionStoreContract):
    """The store of many processes."""

    @pytest.fixture
    def open_store(self, server: RedisServer, link: RedisLink) -> OpenStore:
        @asynccontextmanager
        async def opened(*, max_sessions: int = 100) -> AsyncIterator[SessionStore]:
            async with opened_store(server.url, max_sessions=max_sessions) as store:
                yield store

        return opened


# --- Many processes --------------------------------------------------------------------------------------------


async def test_two_processes_lose_no_change_of_each_other(server: RedisServer, link: RedisLink) -> None:
    async with opened_store(server.url) as one, opened_store(server.url) as other:
        session = await one.create(new_session())

        changes = [store.change(session.session_id, one_more) for store in (one, other) for _ in range(25)]
        await asyncio.gather(*changes)

        assert (await one.get(session.session_id)).title == "50"
        assert await other.get(session.session_id) == await one.get(session.session_id)


async def test_a_change_in_one_process_wakes_who_waits_in_another(server: RedisServer, link: RedisLink) -> None:
    async with opened_store(server.url) as one, opened_store(server.url) as other:
        session = await one.create(new_session())
        waiting = asyncio.create_task(other.wait(session.session_id, 1, 30))
        await asyncio.sleep(0.01)

        await one.change_scene(session.session_id, "s1", titled("The market"))

        seen = await waiting
        assert (seen.version, seen.scenes[1].title) == (2, "The market")


async def test_a_scene_that_was_merged_away_is_gone_everywhere(server: RedisServer, link: RedisLink) -> None:
    async with opened_store(server.url) as one, opened_store(server.url) as other:
        session = await one.create(new_session())

        await one.change(session.session_id, lambda now: dataclasses.replace(now, scenes=now.scenes[:1]))

        assert [scene.scene_id for scene in (await other.get(session.session_id)).scenes] == ["s0"]


async def test_only_quiet_unfinished_sessions_are_nudged(server: RedisServer, link: RedisLink) -> None:
    async with opened_store(server.url) as store:
        quiet = await store.create(new_session())
        ended = await store.create(new_session())
        await store.change(ended.session_id, to("completed"))

        assert await store.unfinished(since=NOON) == [quiet.session_id]
        assert await store.unfinished(since=NOON - timedelta(seconds=1)) == []
        assert await store.count_by_status(["pending", "completed", "failed"]) == {
            "pending": 1,
            "completed": 1,
            "failed": 0,
        }


async def test_unapproved_sessions_go_by_themselves_unfinished_and_approved_ones_stay(
    server: RedisServer, link: RedisLink
) -> None:
    async with opened_store(server.url) as store:
        lives = {}
        for name, session in {
            "unfinished": new_session(),
            "ended": new_session(status="failed"),
            "approved": new_session(status="completed", approved_at=NOON),
        }.items():
            await store.create(session)
            lives[name] = await link.command("TTL", f"story:session:{session.session_id}")

        assert (lives["unfinished"], lives["approved"]) == (-1, -1)
        assert 47 * 3600 < lives["ended"] <= 48 * 3600


async def test_what_is_saved_is_there_once_committed(server: RedisServer, link: RedisLink) -> None:
    answer = Answer("local", "key", "text", '{"a": 1}')
    record = DrawingRecord("local", "key", "task", "session:scene:1", url="https://im.example/1")
    async with opened_store(server.url) as store:
        journal = store._journal
        journal.save_answer(answer, NOON)
        journal.save_drawing(record)
        before = await store.find_answer("local", "key")
        await store.commit()

        assert before is None
        assert await store.find_answer("local", "key") == answer
        assert await store.find_drawing("local", "key") == record
        journal.delete_drawing("local", "key", "task")
        await store.commit()
        assert await store.find_drawing("local", "key") is None


async def test_the_first_drawing_of_a_picture_stands(server: RedisServer, link: RedisLink) -> None:
    first = DrawingRecord("local", "key", "task-1", "session:scene:1")
    second = dataclasses.replace(first, task_id="task-2")
    async with opened_store(server.url) as one, opened_store(server.url) as other:
        claimed = [
            await one.claim_drawing(first, ""),
            await other.claim_drawing(second, ""),
            await one.claim_drawing(first, ""),
        ]

        assert claimed == [True, False, True]
        assert await other.find_drawing("local", "key") == first


# --- Money -----------------------------------------------------------------------------------------------------


def charge(name: str, usd: float, session_id: str = "s") -> Charge:
    return Charge(f"{session_id}:{name}", session_id, "local", "runware", "runware:1", usd, "2026-05-04")


@pytest.fixture(params=["memory", "redis"])
def accounts(request: pytest.FixtureRequest, link: RedisLink) -> Accounts:
    if request.param == "memory":
        return LocalAccounts(Ledger(daily_budget_usd=1.0, clock=lambda: NOON))
    return RedisAccounts(link, daily_budget_usd=1.0, clock=lambda: NOON)


async def test_what_is_reserved_counts_until_it_is_settled(accounts: Accounts) -> None:
    await accounts.reserve([charge("a", 0.3), charge("b", 0.2)], max_cost_usd=0.5)
    with pytest.raises(BudgetReached):
        await accounts.reserve([charge("c", 0.1)], max_cost_usd=0.5)
    await accounts.reserve([charge("a", 0.3)], max_cost_usd=0.5)  # it is open already
    await accounts.mark_sent("s:a")

    settled = await accounts.settle("s:a", 0.1)

    assert settled is not None
    assert settled.amount_usd == pytest.approx(0.1)
    assert (settled.state, settled.known) == ("settled", True)
    assert await accounts.settled("s") == pytest.approx(0.1)
    await accounts.reserve([charge("c", 0.2)], max_cost_usd=0.5)
    assert await accounts.settle("s:a", 0.1) is None


async def test_an_unsent_reservation_comes_back_and_a_sent_one_does_not(accounts: Accounts) -> None:
    await accounts.reserve([charge("a:1", 0.3), charge("a:2", 0.2), charge("b:1", 0.1)], max_cost_usd=None)
    await accounts.mark_sent("s:a:1")

    found = await accounts.reserved("s:a")
    await accounts.release_all("s:a")

    assert found == "s:a:2"
    assert await accounts.reserved("s:a") is None
    assert await accounts.reserved("s:b") == "s:b:1"
    assert await accounts.may_return("s")
    await accounts.settle("s:a:1", None)
    await accounts.release("s:b:1")
    assert await accounts.settled("s") == pytest.approx(0.3)
    assert not await accounts.may_return("s")
    with pytest.raises(KeyError):
        await accounts.mark_sent("s:b:1")


@pytest.mark.parametrize(("told", "paid", "known"), [(-5.0, 0.0, True), (None, 0.25, False), (1e9, 0.25, False)])
async def test_a_cost_beyond_belief_keeps_the_reservation(
    accounts: Accounts, told: float | None, paid: float, known: bool
) -> None:
    await accounts.reserve([charge("a", 0.25)], max_cost_usd=None)

    settled = await accounts.settle("s:a", told)

    assert settled is not None
    assert settled.amount_usd == pytest.approx(paid)
    assert settled.known is known


async def test_the_day_has_one_budget_for_all_sessions(accounts: Accounts) -> None:
    await accounts.reserve([charge("a", 0.6, "one")], max_cost_usd=None)
    with pytest.raises(DayBudgetReached) as refused:
        await accounts.reserve([charge("a", 0.5, "two")], max_cost_usd=None)

    await accounts.check_day(0.9)
    await accounts.settle("one:a", 0.6)
    with pytest.raises(DayBudgetReached):
        await accounts.check_day(0.5)
    await accounts.check_day(0.4)
    assert refused.value.retry_after == 12 * 3600 + 1


async def test_two_processes_never_spend_the_same_cent(server: RedisServer, link: RedisLink) -> None:
    async with open_link(server.url) as other:
        both = [RedisAccounts(each, daily_budget_usd=None, clock=lambda: NOON) for each in (link, other)]
        wanted = [
            purse.reserve([charge(f"{number}:{place}", 0.01)], max_cost_usd=0.25)
            for number in range(40)
            for place, purse in enumerate(both)
        ]

        outcomes = await asyncio.gather(*wanted, return_exceptions=True)

    assert sum(outcome is None for outcome in outcomes) == 25
    assert sum(isinstance(outcome, BudgetReached) for outcome in outcomes) == 55


async def test_what_a_dead_worker_left_is_closed_but_not_a_drawing_that_can_be_asked_for(
    server: RedisServer, link: RedisLink
) -> None:
    accounts = RedisAccounts(link, daily_budget_usd=None, clock=lambda: NOON)
    async with opened_store(server.url) as store:
        await accounts.reserve(
            [charge("x:text", 0.1), charge("x:picture", 0.2), charge("x:unsent", 0.4)], max_cost_usd=1.0
        )
        await accounts.mark_sent("s:x:text")
        await accounts.mark_sent("s:x:picture")
        await store.claim_drawing(DrawingRecord("local", "key", "task", "s:x:picture"), "")

        settled = await accounts.close_left("s:x:")

        assert [(each.charge_id, each.amount_usd, each.known) for each in settled] == [("s:x:text", 0.1, False)]
        assert await accounts.settled("s") == pytest.approx(0.1)
        assert await accounts.may_return("s")


# --- Locks -----------------------------------------------------------------------------------------------------


async def test_one_lock_a_key_over_all_processes(server: RedisServer, link: RedisLink) -> None:
    inside, most = 0, 0
    async with open_link(server.url) as other:
        flights = [RedisFlights(each, lease_seconds=5) for each in (link, other)]

        async def fly(number: int) -> None:
            nonlocal inside, most
            async with flights[number % 2]("local", "key"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.002)
                inside -= 1

        await asyncio.gather(*(fly(number) for number in range(12)))

    assert most == 1


async def test_a_lock_is_renewed_while_it_is_held_and_ends_with_its_holder(
    server: RedisServer, link: RedisLink
) -> None:
    async with open_link(server.url) as other:
        dead = RedisFlights(other, lease_seconds=0.3)
        alive = RedisFlights(link, lease_seconds=0.3)
        order = []

        async def second() -> None:
            async with alive("local", "key"):
                order.append("second")

        async with dead("local", "key"):
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.6)  # two leases
            order.append("first")
        await waiting

    assert order == ["first", "second"]


async def test_whoever_has_lost_its_lock_claims_no_drawing(server: RedisServer, link: RedisLink) -> None:
    flights = RedisFlights(link, lease_seconds=30)
    record = DrawingRecord("local", "key", "task", "session:scene:1")
    async with opened_store(server.url) as store, flights("local", "key") as fence:
        await link.command("SET", fence.partition(" ")[0], "somebody else's")
        stolen = await store.claim_drawing(record, fence)
        await link.command("SET", *fence.split(" "))
        held = await store.claim_drawing(record, fence)

        assert (stolen, held) == (False, True)


# --- Without Redis ---------------------------------------------------------------------------------------------


async def test_without_redis_everything_says_so_and_comes_back(tmp_path: Path) -> None:
    need_program("redis-server")
    with RedisServer(tmp_path) as server:
        async with opened_store(server.url) as store, open_link(server.url) as link:
            accounts = RedisAccounts(link, daily_budget_usd=None, clock=lambda: NOON)
            session = await store.create(new_session())
            waiting = asyncio.create_task(store.wait(session.session_id, 1, 30))
            server.kill()
            for call in (
                store.get(session.session_id),
                store.create(new_session()),
                accounts.reserve([charge("a", 0.1)], max_cost_usd=None),
            ):
                with pytest.raises(StoreUnavailable):
                    await call
            with pytest.raises(StoreUnavailable):
                await waiting
            store._journal.save_answer(Answer("local", "key", "text", "{}"), NOON)
            with pytest.raises(StoreUnavailable):
                await store.commit()
            with pytest.raises(StoreUnavailable):
                await store.check()
            server.start()

            assert await store.get(session.session_id) == session
            await store.commit()
            assert await store.find_answer("local", "key") is not None
            async with asyncio.timeout(30):
                while True:
                    try:
                        await store.check()
                        break
                    except StorageUnavailable:
                        await asyncio.sleep(0.05)
            waiting = asyncio.create_task(store.wait(session.session_id, 1, 30))
            await asyncio.sleep(0.7)  # it listens again
            await store.change(session.session_id, one_more)
            assert (await waiting).version == 2


async def test_a_full_redis_is_read_but_takes_nothing(tmp_path: Path) -> None:
    need_program("redis-server")
    with RedisServer(tmp_path) as server:
        async with opened_store(server.url) as store, open_link(server.url) as link:
            session = await store.create(new_session())
            await link.command("CONFIG", "SET", "maxmemory", "1mb")

            assert await store.get(session.session_id) == session
            with pytest.raises(StorageUnavailable) as refused:
                await store.create(new_session())

    assert not isinstance(refused.value, StoreUnavailable)
