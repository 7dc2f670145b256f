"""The store in front of the projects: approvals are safe first, later changes follow, nothing deleted comes alive."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.archived_store import ArchivedStore
from adapters.postgres_projects import open_projects
from adapters.sqlite_journal import SqliteJournal
from models import Session, SessionNotFound, StorageUnavailable
from session_manager import Ledger, LocalStore, SessionManager, SessionStore
from tests.conftest import eventually
from tests.projects_contract import ProjectsContract
from tests.session_store_contract import (
    NOON,
    OpenStore,
    SessionStoreContract,
    approved,
    new_session,
    one_more,
    titled,
)
from utils import folded, search_text


class MemoryProjects:
    """Projects in memory that can be out of reach; `before_…` are called in the middle of things."""

    def __init__(self) -> None:
        self.kept: dict[str, Session] = {}
        self.refuses = False
        self.saves = 0
        self.before_versions: Callable[[], Awaitable[object]] | None = None
        self.after_save: Callable[[], Awaitable[object]] | None = None
        self.after_delete: Callable[[], Awaitable[object]] | None = None

    async def save(self, session: Session) -> None:
        await self.check()
        self.saves += 1
        kept = self.kept.get(session.session_id)
        if kept is None or kept.version <= session.version:
            self.kept[session.session_id] = session
        await self._call("after_save")

    async def load(self, project_id: str) -> Session | None:
        await self.check()
        return self.kept.get(project_id)

    async def versions(self, project_ids: Collection[str]) -> dict[str, int]:
        await self._call("before_versions")
        await self.check()
        return {each: self.kept[each].version for each in project_ids if each in self.kept}

    async def delete(self, project_id: str) -> None:
        await self.check()
        self.kept.pop(project_id, None)
        await self._call("after_delete")

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        await self.check()
        mine = [s for s in self.kept.values() if s.owner == owner and (before is None or place(s) < before)]
        words = folded(query or "")
        found = [s for s in mine if words in search_text(s.title, s.story_text)]
        return sorted(found, key=place, reverse=True)[:limit]

    async def check(self) -> None:
        if self.refuses:
            raise StorageUnavailable("out of reach")

    async def _call(self, name: str) -> None:
        """Once: what is called may come here again."""
        call = getattr(self, name)
        setattr(self, name, None)
        if call is not None:
            await call()


def place(session: Session) -> tuple[datetime, str]:
    return session.approved_at or NOON, session.session_id


class TestMemoryProjects(ProjectsContract):
    """The stand-in of this file keeps the same promises."""

    @pytest.fixture
    def projects(self) -> MemoryProjects:
        return MemoryProjects()


@asynccontextmanager
async def local_store(
    folder: Path, *, max_sessions: int = 100, later: timedelta = timedelta(0)
) -> AsyncIterator[LocalStore]:
    """The store of a process that starts so much later than the first."""
    journal = SqliteJournal(folder / "journal.db")
    journal.start()

    def clock() -> datetime:
        return NOON + later

    manager = SessionManager(max_sessions=max_sessions, journal=journal, clock=clock)
    manager.restore_keys(journal.load_keys())
    try:
        yield LocalStore(manager, Ledger(journal=journal, clock=clock), journal)
    finally:
        journal.close()


class TestArchivedStore(SessionStoreContract):
    """The store of one process with PostgreSQL behind it."""

    @pytest.fixture
    def open_store(self, tmp_path: Path, database_url: str) -> OpenStore:
        starts = itertools.count()

        @asynccontextmanager
        async def opened(*, max_sessions: int = 100) -> AsyncIterator[SessionStore]:
            later = timedelta(seconds=next(starts))
            async with (
                local_store(tmp_path, max_sessions=max_sessions, later=later) as store,
                open_projects(database_url) as projects,
            ):
                yield ArchivedStore(store, projects)

        return opened


@dataclasses.dataclass
class Shop:
    local: LocalStore
    projects: MemoryProjects
    store: ArchivedStore

    async def approved(self) -> Session:
        """A finished session that is approved."""
        session = await self.store.create(new_session(status="completed"))
        return await self.store.approve(session.session_id, approved(NOON))

    async def saved(self, session: Session) -> None:
        """Wait until that version is saved."""
        await eventually(lambda: self.projects.kept.get(session.session_id) == session)

    async def gone(self, session: Session) -> None:
        """Wait until it is not saved."""
        await eventually(lambda: session.session_id not in self.projects.kept)

    async def is_nowhere(self, session: Session) -> bool:
        with pytest.raises(SessionNotFound):
            await self.store.get(session.session_id)
        with pytest.raises(SessionNotFound):
            await self.local.get(session.session_id)
        return session.session_id not in self.projects.kept


@asynccontextmanager
async def shop_in(folder: Path, projects: MemoryProjects | None = None) -> AsyncIterator[Shop]:
    projects = projects or MemoryProjects()
    folder.mkdir(exist_ok=True)
    async with local_store(folder, later=timedelta(days=1)) as local:
        yield Shop(local, projects, ArchivedStore(local, projects))


@asynccontextmanager
async def kept_saved(shop: Shop) -> AsyncIterator[None]:
    task = asyncio.create_task(shop.store.keep_saved())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop_in(tmp_path) as opened:
        yield opened


# --- Approving -------------------------------------------------------------------------------------------------


async def test_an_approval_is_saved_when_it_returns(shop: Shop) -> None:
    session = await shop.approved()

    assert dataclasses.replace(shop.projects.kept[session.session_id], updated_at=session.updated_at) == session


async def test_an_approval_that_cannot_be_saved_changes_nothing(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))
    shop.projects.refuses = True

    with pytest.raises(StorageUnavailable):
        await shop.store.approve(session.session_id, approved(NOON))

    assert await shop.store.get(session.session_id) == session
    await shop.store.change_scene(session.session_id, "s0", titled("drawing goes on"))
    shop.projects.refuses = False
    assert (await shop.store.approve(session.session_id, approved(NOON))).approved_at == NOON


async def test_an_approval_that_got_through_unheard_is_taken_back(shop: Shop) -> None:
    """Saved, but the answer was lost: the caller was told no, so the list must not say yes."""
    session = await shop.store.create(new_session(status="completed"))

    async def lost() -> None:
        raise StorageUnavailable

    shop.projects.after_save = lost
    with pytest.raises(StorageUnavailable):
        await shop.store.approve(session.session_id, approved(NOON))
    assert session.session_id in shop.projects.kept

    async with kept_saved(shop):
        await shop.gone(session)

    assert (await shop.store.get(session.session_id)).approved_at is None


async def test_an_approval_of_what_is_deleted_meanwhile_leaves_nothing(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))
    shop.projects.after_save = lambda: shop.store.delete(session.session_id)

    with pytest.raises(SessionNotFound):
        await shop.store.approve(session.session_id, approved(NOON))

    assert await shop.is_nowhere(session)


# --- What changes afterwards -----------------------------------------------------------------------------------


async def test_later_changes_are_saved(shop: Shop) -> None:
    async with kept_saved(shop):
        session = await shop.approved()

        await shop.saved(await shop.store.change_scene(session.session_id, "s1", titled("a final picture")))
        await shop.saved(await shop.store.change(session.session_id, one_more))


async def test_many_changes_are_few_saves(shop: Shop) -> None:
    async with kept_saved(shop):
        session = await shop.approved()
        before = shop.projects.saves

        for _ in range(200):
            session = await shop.store.change(session.session_id, one_more)
        await shop.saved(session)

        assert shop.projects.saves - before < 20


async def test_changes_during_an_outage_are_saved_after_it(shop: Shop) -> None:
    async with kept_saved(shop):
        made = [await shop.approved() for _ in range(5)]
        shop.projects.refuses = True
        changed = [await shop.store.change(session.session_id, one_more) for session in made]
        await asyncio.sleep(0.6)  # the saver has tried in vain

        shop.projects.refuses = False

        for session in changed:
            await shop.saved(session)


async def test_what_an_earlier_process_could_not_save_is_saved(tmp_path: Path) -> None:
    projects = MemoryProjects()
    async with shop_in(tmp_path, projects) as shop:
        session = await shop.approved()
        projects.refuses = True
        changed = await shop.store.change(session.session_id, one_more)
        await shop.store.commit()
    projects.refuses = False

    async with shop_in(tmp_path, projects) as shop, kept_saved(shop):
        await eventually(lambda: projects.kept[session.session_id].title == changed.title)


async def test_what_was_approved_before_there_was_a_database_moves_there(tmp_path: Path) -> None:
    async with local_store(tmp_path) as local:
        made = [await local.create(new_session(status="completed", approved_at=NOON)) for _ in range(3)]
        await local.create(new_session(status="completed"))

    async with shop_in(tmp_path) as shop, kept_saved(shop):
        await eventually(lambda: len(shop.projects.kept) == 3)

        assert set(shop.projects.kept) == {session.session_id for session in made}


async def test_one_that_can_never_be_saved_holds_up_no_other(shop: Shop) -> None:
    class Picky(MemoryProjects):
        async def save(self, session: Session) -> None:
            if session.title == "bad":
                raise ValueError("half a surrogate pair")
            await super().save(session)

    shop.projects = Picky()
    shop.store = ArchivedStore(shop.local, shop.projects)
    bad, good = [await shop.approved() for _ in range(2)]

    async with kept_saved(shop):
        await shop.store.change(bad.session_id, lambda s: dataclasses.replace(s, title="bad"))
        await shop.saved(await shop.store.change(good.session_id, one_more))


# --- What the store has lost -----------------------------------------------------------------------------------


async def test_what_the_store_has_lost_comes_back_and_stays(tmp_path: Path) -> None:
    projects = MemoryProjects()
    async with shop_in(tmp_path / "first", projects) as shop:
        session = await shop.approved()

    async with shop_in(tmp_path / "second", projects) as shop:
        back = await shop.store.get(session.session_id)
        assert back.version > session.version
        assert back.scenes == session.scenes and back.approved_at == NOON
        waiting = asyncio.create_task(shop.store.wait(session.session_id, back.version, 60))
        await asyncio.sleep(0.002)
        changed = await shop.store.change_scene(session.session_id, "s2", titled("edited"))
        assert (await waiting).version == changed.version
        await shop.store.commit()
    projects.refuses = True

    async with shop_in(tmp_path / "second", projects) as shop:
        assert (await shop.store.get(session.session_id)).scene("s2").title == "edited"


@pytest.mark.parametrize("call", ["change", "change_scene", "wait", "approve"])
async def test_every_way_in_brings_it_back(tmp_path: Path, call: str) -> None:
    projects = MemoryProjects()
    async with shop_in(tmp_path / "first", projects) as shop:
        session_id = (await shop.approved()).session_id
    async with shop_in(tmp_path / "second", projects) as shop:
        ways: dict[str, Callable[[], Awaitable[Session]]] = {
            "change": lambda: shop.store.change(session_id, one_more),
            "change_scene": lambda: shop.store.change_scene(session_id, "s0", titled("x")),
            "wait": lambda: shop.store.wait(session_id, 0, 0),
            "approve": lambda: shop.store.approve(session_id, one_more),
        }

        assert (await ways[call]()).session_id == session_id


async def test_what_nobody_works_on_any_more_is_not_left_unfinished(tmp_path: Path) -> None:
    projects = MemoryProjects()
    async with shop_in(tmp_path / "first", projects) as shop:
        session = await shop.store.create(new_session(status="processing"))
        await shop.store.approve(session.session_id, approved(NOON))

    async with shop_in(tmp_path / "second", projects) as shop:
        back = await shop.store.get(session.session_id)

        assert back.status == "failed"
        assert back.error is not None and back.error.retryable


async def test_what_it_has_spent_is_still_spent(tmp_path: Path) -> None:
    projects = MemoryProjects()
    session = new_session(status="completed", approved_at=NOON, cost_usd=0.25)
    await projects.save(session)
    async with shop_in(tmp_path, projects) as shop:
        assert (await shop.store.get(session.session_id)).cost_usd == 0.25
        await shop.store.commit()

    async with local_store(tmp_path) as local:
        assert (await local.get(session.session_id)).cost_usd == 0.25


async def test_without_the_projects_nobody_knows_whether_it_is_there(shop: Shop) -> None:
    shop.projects.refuses = True

    with pytest.raises(StorageUnavailable):
        await shop.store.get("0" * 32)
    with pytest.raises(StorageUnavailable):
        await shop.store.list_approved("local", before=None, limit=9)


# --- Deleting --------------------------------------------------------------------------------------------------


async def test_what_was_deleted_is_gone_from_both(shop: Shop) -> None:
    session = await shop.approved()

    await shop.store.delete(session.session_id)

    assert await shop.is_nowhere(session)


async def test_approved_work_is_not_deleted_by_half(shop: Shop) -> None:
    session = await shop.approved()
    shop.projects.refuses = True

    with pytest.raises(StorageUnavailable):
        await shop.store.delete(session.session_id)

    assert await shop.store.get(session.session_id) == session


async def test_unapproved_work_is_deleted_without_the_projects(shop: Shop) -> None:
    session = await shop.store.create(new_session(status="completed"))
    shop.projects.kept[session.session_id] = session  # of an approval that got through unheard
    shop.projects.refuses = True

    await shop.store.delete(session.session_id)
    shop.projects.refuses = False

    async with kept_saved(shop):
        await shop.gone(session)
    assert await shop.is_nowhere(session)


async def test_what_is_deleted_while_it_is_saved_stays_deleted(shop: Shop) -> None:
    """The saver of one process has read it, then another one deletes it, then the saver saves."""
    session = await shop.approved()
    other = ArchivedStore(shop.local, shop.projects)
    changed = await shop.store.change(session.session_id, one_more)

    async def delete_and_save_late() -> None:
        await other.delete(session.session_id)
        shop.projects.kept[session.session_id] = changed

    shop.projects.after_save = delete_and_save_late
    async with kept_saved(shop):
        await shop.gone(session)
        await asyncio.sleep(0.6)

    assert await shop.is_nowhere(session)


async def test_what_is_deleted_while_it_comes_back_stays_deleted(tmp_path: Path) -> None:
    projects = MemoryProjects()
    async with shop_in(tmp_path / "first", projects) as shop:
        session = await shop.approved()
    async with shop_in(tmp_path / "second", projects) as shop:
        other = ArchivedStore(shop.local, projects)
        projects.before_versions = lambda: other.delete(session.session_id)

        with pytest.raises(SessionNotFound):
            await shop.store.get(session.session_id)

        assert await shop.is_nowhere(session)


async def test_what_is_saved_while_it_is_deleted_stays_deleted(shop: Shop) -> None:
    session = await shop.approved()
    shop.projects.after_delete = lambda: shop.projects.save(session)

    await shop.store.delete(session.session_id)

    assert await shop.is_nowhere(session)
