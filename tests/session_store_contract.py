"""What every `SessionStore` promises, whatever it keeps its sessions in; a store's tests inherit from it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from models import (
    GenerationSettings,
    IdempotencyConflict,
    Scene,
    SceneNotFound,
    ScriptAnalysis,
    ServiceFull,
    Session,
    SessionNotFound,
    SessionStatus,
)
from session_manager import IdempotencyKey, SessionStore
from utils import new_session_id

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STORY = "Mira found the boat. Tomas laughed. They set it on the water."
ANALYSIS = ScriptAnalysis(
    language="en",
    format="prose",
    characters_total=len(STORY),
    words=13,
    sentences=3,
    paragraphs=1,
    estimated_scenes=1,
    recommended_scenes=1,
    characters=(),
    locations=(),
    times=(),
    themes=(),
    complexity=2,
    reading_time_minutes=0.1,
)
SETTINGS = GenerationSettings(text_model="text/one", image_model="runware:1", draft_image_model="runware:2")
KEY = IdempotencyKey("local", "key-1", "hash")


def new_session(session_id: str | None = None, *, scenes: int = 3, **fields: Any) -> Session:
    """A session that waits to be drawn; its scenes are called `s0`, `s1`, …"""
    made = Session(
        session_id=session_id or new_session_id(),
        owner="local",
        title="0",
        story_text=STORY,
        settings=SETTINGS,
        analysis=ANALYSIS,
        scenes=tuple(Scene(f"s{n}", n, 5 * n, 5 * n + 5, STORY[5 * n : 5 * n + 5], title="0") for n in range(scenes)),
        created_at=NOON,
        updated_at=NOON,
    )
    return dataclasses.replace(made, **fields)


def to(status: SessionStatus) -> Callable[[Session], Session]:
    return lambda session: dataclasses.replace(session, status=status)


def approved(at: datetime) -> Callable[[Session], Session]:
    return lambda session: dataclasses.replace(session, approved_at=at)


def titled(title: str) -> Callable[[Scene], Scene]:
    return lambda scene: dataclasses.replace(scene, title=title)


def one_more(session: Session) -> Session:
    """A change that loses its count when another one gets in between."""
    return dataclasses.replace(session, title=str(int(session.title) + 1))


class OpenStore(Protocol):
    """Opens a store on the same storage every time, as a process does that starts."""

    def __call__(self, *, max_sessions: int = 100) -> AbstractAsyncContextManager[SessionStore]: ...


async def approve(store: SessionStore, at: datetime, **fields: Any) -> Session:
    """A finished session that is approved at that time."""
    session = await store.create(new_session(**{"status": "completed"} | fields))
    session = await store.approve(session.session_id, approved(at))
    await store.commit()
    return session


def named(sessions: list[Session]) -> str:
    """Which of `SEARCHED` these are."""
    names = {title: name for name, (title, _) in SEARCHED.items()}
    return "".join(names[session.title] for session in sessions)


async def caught_up(store: SessionStore, session: Session) -> bool:
    """Whether the store's list of approved versions has that one, once everything so far is written."""
    await store.commit()
    return (await store.approved_versions()).get(session.session_id) == session.version


# What is looked through, the title and the story of each, oldest first.
SEARCHED = {
    "a": ("The Paper Boat", STORY),
    "b": ("100% wool_en \\ knit", "A 50%-off sale; file_name; C:\\boats\\new."),
    "c": ("Straße nach Süden", "Über die Brücke. STRASSENBAHN. cafe\u0301"),
    "d": ("Ὀδυσσεύς", "Ο ΟΔΥΣΣΕΎΣ ΓΎΡΙΣΕ ΣΤΗΝ ΙΘΆΚΗ."),
    "e": ("紙の舟", "ミラは紙の舟を見つけた。ＡＢＣ ｶﾀｶﾅ"),
    "f": ("القارب الورقي", "وجدت ميرا القارب في القصب."),
    "g": ("Nothing", "first line\r\n  second line\n\nand\u00a0the\u2003third. Nul\0nul."),
    "h": ("İstanbul", "Бумажный КОРАБЛИК плыл. 𝔉𝔯𝔞𝔨𝔱𝔲𝔯. 🚣🏽 rows."),
}
SEARCHES = {
    "paper boat": "a",
    "PAPER BOAT": "a",
    "laughed.  They": "a",
    "boat": "ba",
    "boat. Tomas": "a",
    "boat mira": "",  # not over the border between the title and the story
    "100%": "b",
    "%": "b",
    "_": "b",
    "b_at": "",
    "p%r": "",
    "\\": "b",
    "c:\\boats": "b",
    "/": "",
    "strasse": "c",
    "straßenbahn": "c",
    "über": "c",
    "café": "c",
    "οδυσσεύς": "d",
    "ιθάκη": "d",
    "紙の舟": "e",
    "舟": "e",
    "abc カタカナ": "e",
    "القارب": "f",
    "line second": "g",
    "and the third": "g",
    "nul nul": "g",
    "кораблик": "h",
    "fraktur": "h",
    "🚣🏽": "h",
    "istanbul": "",  # İ is another letter than i
    "i̇stanbul": "h",
    "' OR 1=1 --": "",
}


class SessionStoreContract:
    """Inherit and give it a fixture `open_store`. The clock of the store stands at `NOON`."""

    async def test_a_session_is_found_as_it_was_kept(self, open_store: OpenStore) -> None:
        session = new_session()
        async with open_store() as store:
            assert await store.create(session) == session

            assert await store.get(session.session_id) == session
            assert await store.list_active() == [session]

    async def test_what_is_not_there_is_not_found(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            session = await store.create(new_session())
            missing = new_session_id()

            for call in (
                store.get(missing),
                store.change(missing, one_more),
                store.change_scene(missing, "s0", titled("x")),
                store.wait(missing, 1, 0.01),
            ):
                with pytest.raises(SessionNotFound):
                    await call
            with pytest.raises(SceneNotFound):
                await store.change_scene(session.session_id, "s9", titled("x"))
            await store.delete(missing)
            assert await store.find_answer("local", "key") is None
            assert await store.find_drawing("local", "key") is None

    async def test_each_change_gets_the_next_version(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            session = await store.create(new_session())

            changed = await store.change(session.session_id, one_more)
            scene = await store.change_scene(session.session_id, "s1", titled("The market"))
            same = await store.change(session.session_id, lambda unchanged: unchanged)

            assert [changed.version, scene.version, same.version] == [2, 3, 3]
            assert [each.changed_in for each in scene.scenes] == [0, 3, 0]

    async def test_no_change_is_lost(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            session = await store.create(new_session())

            versions = [
                (await changed).version
                for changed in asyncio.as_completed([store.change(session.session_id, one_more) for _ in range(50)])
            ]

            assert (await store.get(session.session_id)).title == "50"
            assert sorted(versions) == list(range(2, 52))

    async def test_a_wait_ends_with_the_next_version(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            session = await store.create(new_session())
            waiting = [asyncio.create_task(store.wait(session.session_id, 1, 30)) for _ in range(3)]
            await asyncio.sleep(0.002)

            await store.change(session.session_id, one_more)

            assert [found.version for found in await asyncio.gather(*waiting)] == [2, 2, 2]
            assert (await store.wait(session.session_id, 1, 30)).version == 2
            assert (await store.wait(session.session_id, 2, 0.002)).version == 2

    async def test_a_wait_ends_when_the_session_is_deleted(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            session = await store.create(new_session())
            waiting = asyncio.create_task(store.wait(session.session_id, 1, 30))
            await asyncio.sleep(0.002)

            await store.delete(session.session_id)

            with pytest.raises(SessionNotFound):
                await waiting

    async def test_fifty_at_once_with_one_key_are_one_session(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            made = await asyncio.gather(*(store.create(new_session(), KEY) for _ in range(50)))

            assert len({session.session_id for session in made}) == 1
            assert await store.list_active() == [made[0]]

    async def test_a_key_with_another_body_is_a_conflict(self, open_store: OpenStore) -> None:
        other = dataclasses.replace(KEY, body_hash="another")
        async with open_store() as store:
            await store.create(new_session(), KEY)

            for call in (store.create(new_session(), other), store.find_by_key(other)):
                with pytest.raises(IdempotencyConflict):
                    await call
            assert await store.find_by_key(dataclasses.replace(other, owner="somebody else")) is None

    async def test_a_deleted_session_frees_its_key(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            first = await store.create(new_session(), KEY)
            await store.delete(first.session_id)

            assert await store.find_by_key(KEY) is None
            assert (await store.create(new_session(), KEY)).session_id != first.session_id

    async def test_only_so_many_have_unfinished_work(self, open_store: OpenStore) -> None:
        async with open_store(max_sessions=3) as store:
            made = await asyncio.gather(
                *(store.create(new_session()) for _ in range(10)),
                return_exceptions=True,
            )

            kept = [session for session in made if isinstance(session, Session)]
            assert len(kept) == 3
            assert sum(isinstance(error, ServiceFull) for error in made) == 7
            with pytest.raises(ServiceFull):
                await store.check_room()
            await store.change(kept[0].session_id, to("awaiting_review"))
            await store.check_room()

    async def test_a_repeated_key_is_answered_when_the_service_is_full(self, open_store: OpenStore) -> None:
        async with open_store(max_sessions=1) as store:
            first = await store.create(new_session(), KEY)

            assert await store.create(new_session(), KEY) == first

    async def test_everything_outlives_the_process(self, open_store: OpenStore) -> None:
        session = new_session()
        async with open_store() as store:
            await store.create(session, KEY)
            await store.change_scene(session.session_id, "s1", titled("The market"))
            seen = await store.change(session.session_id, to("completed"))
            await store.commit()

        async with open_store() as store:
            read = await store.get(session.session_id)

            assert read.version >= seen.version
            assert dataclasses.replace(read, version=seen.version) == seen
            assert await store.find_by_key(KEY) == read
            assert await store.create(new_session(), KEY) == read

    async def test_a_version_is_never_given_out_twice(self, open_store: OpenStore) -> None:
        session = new_session(status="completed")
        async with open_store() as store:
            await store.create(session)
        versions = []
        for _ in range(3):
            async with open_store() as store:
                versions.append((await store.get(session.session_id)).version)
                versions.append((await store.change(session.session_id, one_more)).version)
                await store.commit()

        assert len(set(versions[1::2])) == 3
        assert versions == sorted(versions)

    async def test_what_was_deleted_stays_deleted(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            session = await store.create(new_session(status="completed", approved_at=NOON), KEY)
            await store.delete(session.session_id)

        async with open_store() as store:
            with pytest.raises(SessionNotFound):
                await store.get(session.session_id)
            assert await store.find_by_key(KEY) is None
            assert await store.list_approved("local", before=None, limit=9) == []

    async def test_approved_work_comes_newest_first_page_by_page(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            for minute in (0, 1, 1, 2, 3):
                await approve(store, NOON + timedelta(minutes=minute))
            await approve(store, NOON, owner="somebody else")
            await store.create(new_session(status="completed"))

            pages: list[Session] = []
            before = None
            while page := await store.list_approved("local", before=before, limit=2):
                pages += page
                before = (page[-1].approved_at or NOON, page[-1].session_id)

            places = [(session.approved_at or NOON, session.session_id) for session in pages]
            assert len(places) == 5
            assert places == sorted(places, reverse=True)

    async def test_approved_work_is_found_by_its_words(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            for minute, (title, story) in enumerate(SEARCHED.values()):
                await approve(store, NOON + timedelta(minutes=minute), title=title, story_text=story, scenes=0)
            await approve(store, NOON, owner="somebody else", title="A paper boat")

            found = {
                words: await store.list_approved("local", before=None, limit=99, query=words) for words in SEARCHES
            }

            assert {words: named(sessions) for words, sessions in found.items()} == SEARCHES

    async def test_what_is_found_comes_page_by_page(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            made = [await approve(store, NOON + timedelta(minutes=n), title=f"{n % 2}") for n in range(60)]

            pages: list[Session] = []
            before = None
            while page := await store.list_approved("local", before=before, limit=7, query="1"):
                pages += page
                before = (page[-1].approved_at or NOON, page[-1].session_id)

            assert [s.session_id for s in pages] == [s.session_id for s in reversed(made) if s.title == "1"]

    async def test_an_approval_is_a_change(self, open_store: OpenStore) -> None:
        session = new_session(status="completed")
        async with open_store() as store:
            await store.create(session)

            seen = await store.approve(session.session_id, approved(NOON))

            assert (seen.version, seen.approved_at) == (2, NOON)
            assert await store.get(session.session_id) == seen
            assert await caught_up(store, seen)
            with pytest.raises(SessionNotFound):
                await store.approve(new_session_id(), approved(NOON))

    async def test_a_session_from_elsewhere_is_taken_in_whole_and_for_good(self, open_store: OpenStore) -> None:
        session = new_session(status="completed", approved_at=NOON, version=41, cost_usd=0.25)
        async with open_store() as store:
            taken = await store.restore(session)
            changed = await store.change(session.session_id, one_more)
            again = await store.restore(session)
            await store.commit()

            assert taken.version > 41
            assert dataclasses.replace(taken, version=41) == session
            assert again == changed

        async with open_store() as store:
            read = await store.get(session.session_id)

            assert dataclasses.replace(read, version=changed.version) == changed

    async def test_only_old_ended_unapproved_sessions_are_untouched(self, open_store: OpenStore) -> None:
        late = NOON + timedelta(hours=3)
        async with open_store() as store:
            old = await store.create(new_session(status="failed"))
            for session in (
                new_session(),
                new_session(status="processing"),
                new_session(status="completed", approved_at=NOON),
                new_session(status="completed", updated_at=late),
            ):
                await store.create(session)

            assert await store.list_untouched(NOON + timedelta(hours=1)) == [old.session_id]
            assert await store.list_untouched(NOON) == []
