"""A session store whose approved work also lies in `Projects`, and comes back from there when the store has lost it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from datetime import datetime

from business_logic import fail_session
from models import UNFINISHED, Problem, Session, SessionNotFound, StorageUnavailable
from session_manager import (
    Answer,
    ChangeScene,
    ChangeSession,
    DrawingRecord,
    IdempotencyKey,
    Projects,
    SessionStore,
)

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.5  # changes of one session within that time are saved once
RETRY_SECONDS = 1.0  # the first pause after a save that failed; doubled each time
MOST_RETRY_SECONDS = 30.0
COMPARE_SECONDS = 600.0  # how often every approved session is compared with what is saved
COMPARED_AT_ONCE = 500
INTERRUPTED = Problem(
    code="interrupted",
    message="The session came back from the archive before its pictures were done; please continue.",
    retryable=True,
)


class ArchivedStore:
    """Any `SessionStore` in front of `Projects`. While the store has a session, what it says is what counts.

    An approval is saved first and seen afterwards. Later changes are seen at once and saved by `keep_saved`, which
    also finds at its start, and now and then, what an earlier process or an outage has left unsaved.

    A deletion is made in the projects, the store, and the projects again; whoever puts something into one of the two
    looks afterwards whether the other still has it. So nothing that was deleted comes alive, whoever comes in between,
    here or in another process.
    """

    def __init__(self, store: SessionStore, projects: Projects) -> None:
        self._store = store
        self._projects = projects
        self._unsaved: dict[str, None] = {}  # in this order; what fails goes to the end
        self._undeleted: set[str] = set()
        self._changed = asyncio.Event()

    # -- with the projects

    async def get(self, session_id: str) -> Session:
        try:
            return await self._store.get(session_id)
        except SessionNotFound:
            return await self._bring_back(session_id)

    async def _bring_back(self, session_id: str) -> Session:
        saved = await self._projects.load(session_id)
        if saved is None:
            raise SessionNotFound(session_id)
        if saved.status in UNFINISHED:  # nobody is at work on it any more
            saved = fail_session(saved, problem=INTERRUPTED)
        session = await self._store.restore(saved)
        if not await self._projects.versions([session_id]):  # deleted meanwhile
            await self._store.delete(session_id)
            raise SessionNotFound(session_id)
        log.info("session brought back from the archive", extra={"session_id": session_id})
        return session

    async def change(self, session_id: str, change: ChangeSession) -> Session:
        try:
            after = await self._store.change(session_id, change)
        except SessionNotFound:
            await self._bring_back(session_id)
            after = await self._store.change(session_id, change)
        return self._to_save(after)

    async def change_scene(self, session_id: str, scene_id: str, change: ChangeScene) -> Session:
        try:
            after = await self._store.change_scene(session_id, scene_id, change)
        except SessionNotFound:
            await self._bring_back(session_id)
            after = await self._store.change_scene(session_id, scene_id, change)
        return self._to_save(after)

    async def approve(self, session_id: str, change: ChangeSession) -> Session:
        before = await self.get(session_id)
        approved = dataclasses.replace(change(before), version=before.version + 1)
        try:
            await self._projects.save(approved)
            return await self._store.change(session_id, change)
        except SessionNotFound:  # deleted meanwhile
            await self._projects.delete(session_id)
            raise
        finally:  # it may be saved though we heard nothing, or be changed again by now
            self._note(session_id)

    async def restore(self, session: Session) -> Session:
        return await self._store.restore(session)

    async def delete(self, session_id: str) -> None:
        try:
            await self._projects.delete(session_id)
        except StorageUnavailable:
            if await self._is_approved(session_id):
                raise
        await self._store.delete(session_id)
        try:
            await self._projects.delete(session_id)
        except StorageUnavailable:  # most likely there is nothing to delete; `keep_saved` makes sure
            self._undeleted.add(session_id)
            self._note(session_id)

    async def _is_approved(self, session_id: str) -> bool:
        session = await self._find(session_id)
        return session is None or session.approved_at is not None  # one that is not here may be in the projects alone

    async def wait(self, session_id: str, version: int, timeout: float) -> Session:
        try:
            return await self._store.wait(session_id, version, timeout)
        except SessionNotFound:
            await self._bring_back(session_id)
            return await self._store.wait(session_id, version, timeout)

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        return await self._projects.list_approved(owner, before=before, limit=limit, query=query)

    # -- saving what has changed

    async def keep_saved(self) -> None:
        """Save approved work that changes, until cancelled. What cannot be saved is tried again until it is."""
        loop, compare_at, pause = asyncio.get_running_loop(), 0.0, RETRY_SECONDS
        while True:
            try:
                if loop.time() >= compare_at:
                    await self._compare()
                    compare_at = loop.time() + COMPARE_SECONDS
                await self._save_unsaved()
                pause = RETRY_SECONDS
            except StorageUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_RETRY_SECONDS)
                continue
            except Exception:  # the last stand: whatever it was, the others must be saved
                log.exception("project not saved")
                await asyncio.sleep(pause)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, compare_at - loop.time())):
                    await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)

    async def _compare(self) -> None:
        """Note what is saved in an earlier version than the store has, or not at all."""
        here = await self._store.approved_versions()
        ids = sorted(here)
        for start in range(0, len(ids), COMPARED_AT_ONCE):
            some = ids[start : start + COMPARED_AT_ONCE]
            saved = await self._projects.versions(some)
            for session_id in some:
                if saved.get(session_id, 0) < here[session_id]:
                    self._note(session_id)

    async def _save_unsaved(self) -> None:
        self._changed.clear()
        for session_id in list(self._unsaved):
            self._unsaved.pop(session_id, None)
            try:
                await self._save(session_id)
            except BaseException:
                self._note(session_id)
                raise

    async def _save(self, session_id: str) -> None:
        """Bring what is saved to what the store says; what the store has lost stays as it was saved."""
        if session_id in self._undeleted:
            await self._projects.delete(session_id)
            self._undeleted.discard(session_id)
            return
        session = await self._find(session_id)
        if session is None:
            return
        if session.approved_at is None:  # an approval that went half way: its caller was told that nothing has changed
            await self._projects.delete(session_id)
            if (now := await self._find(session_id)) is not None:
                self._to_save(now)  # repeated meanwhile
            return
        await self._projects.save(session)
        if await self._find(session_id) is None:  # deleted meanwhile
            await self._projects.delete(session_id)

    async def _find(self, session_id: str) -> Session | None:
        try:
            return await self._store.get(session_id)
        except SessionNotFound:
            return None

    def _to_save(self, session: Session) -> Session:
        if session.approved_at is not None:
            self._note(session.session_id)
        return session

    def _note(self, session_id: str) -> None:
        self._unsaved[session_id] = None
        self._changed.set()

    # -- as the store does it

    async def create(self, session: Session, key: IdempotencyKey | None = None) -> Session:
        return await self._store.create(session, key)

    async def find_by_key(self, key: IdempotencyKey) -> Session | None:
        return await self._store.find_by_key(key)

    async def list_active(self) -> list[Session]:
        return await self._store.list_active()

    async def count_unfinished(self) -> int:
        return await self._store.count_unfinished()

    async def approved_versions(self) -> dict[str, int]:
        return await self._store.approved_versions()

    async def list_untouched(self, since: datetime) -> list[str]:
        return await self._store.list_untouched(since)

    async def check_room(self, *, arriving: int = 0) -> None:
        await self._store.check_room(arriving=arriving)

    async def find_answer(self, owner: str, content_key: str) -> Answer | None:
        return await self._store.find_answer(owner, content_key)

    async def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        return await self._store.find_drawing(owner, content_key)

    async def claim_drawing(self, record: DrawingRecord, fence: str) -> bool:
        return await self._store.claim_drawing(record, fence)

    async def commit(self) -> None:
        await self._store.commit()

    async def check(self) -> None:
        await self._store.check()
