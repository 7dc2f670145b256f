"""What every `Projects` promises, whatever it keeps them in; its tests inherit from it."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

from models import Anchor, ImageVersion, Problem, Scene, Session, StoryBible
from session_manager import Projects
from tests.session_store_contract import NOON, SEARCHED, SEARCHES, named, new_session


def new_project(session_id: str | None = None, **fields: Any) -> Session:
    wanted: dict[str, Any] = {"status": "completed", "approved_at": NOON} | fields
    return new_session(session_id, **wanted)


def everything() -> Session:
    """A session with something in every field that has a type of its own."""
    image = ImageVersion(
        version=1,
        file="s0-v1-00000000.jpg",
        prompt="A boat \0 at dawn, 紙の舟",
        prompt_source="edited",
        seed=7,
        model="m",
        quality="draft",
        width=32,
        height=18,
        content_key="key",
        cost_usd=0.1,
        created_at=NOON + timedelta(microseconds=1),
    )
    scene = Scene("s0", 0, 0, 5, "Mira", title="🚣🏽", versions=(image,), current_version=1, approved_version=1)
    made = new_project(
        owner="böse\\'\"; DROP TABLE x",
        title="A title with \0 nul and \\ and % and _",
        story_text="Nul\0nul \u2028 🚣🏽 القارب",
        anchors=(Anchor("a0", "Mira", 3),),
        story_bible=StoryBible(title="t", style="s"),
        error=Problem(code="c", message="m", retryable=True),
        approved_at=NOON + timedelta(microseconds=123_457),
        version=2**53,
        cost_usd=0.123456789,
    )
    return dataclasses.replace(made, scenes=(scene,))


class ProjectsContract:
    """Inherit and give it a fixture `projects`."""

    async def test_a_project_is_found_as_it_was_saved(self, projects: Projects) -> None:
        session = everything()

        await projects.save(session)

        assert await projects.load(session.session_id) == session
        assert await projects.list_approved(session.owner, before=None, limit=9) == [session]
        assert await projects.versions([session.session_id, "0" * 32]) == {session.session_id: 2**53}

    async def test_what_is_not_there_is_not_found(self, projects: Projects) -> None:
        assert await projects.load("0" * 32) is None
        assert await projects.versions(["0" * 32]) == {}
        assert await projects.versions([]) == {}
        assert await projects.list_approved("local", before=None, limit=9) == []
        await projects.delete("0" * 32)

    async def test_the_later_version_stays_whichever_comes_first(self, projects: Projects) -> None:
        first = new_project(version=3, title="first")
        second = dataclasses.replace(first, version=4, title="second")

        for session, kept in ((first, first), (second, second), (first, second)):
            await projects.save(session)

            assert await projects.load(first.session_id) == kept

    async def test_of_many_saves_at_once_the_latest_stays(self, projects: Projects) -> None:
        session = new_project()
        saves = [dataclasses.replace(session, version=n, title=str(n)) for n in range(1, 31)]

        await asyncio.gather(*(projects.save(one) for one in saves[::2] + saves[1::2]))

        assert await projects.load(session.session_id) == saves[-1]

    async def test_the_same_version_may_be_saved_again(self, projects: Projects) -> None:
        """An approval that was saved, but whose caller was told that it was not, is repeated in the same version."""
        session = new_project()
        await projects.save(session)
        repeated = dataclasses.replace(session, title="repeated")

        await projects.save(repeated)

        assert await projects.load(session.session_id) == repeated

    async def test_what_was_deleted_is_gone(self, projects: Projects) -> None:
        session, other = new_project(), new_project()
        for one in (session, other):
            await projects.save(one)

        await projects.delete(session.session_id)

        assert await projects.load(session.session_id) is None
        assert await projects.list_approved("local", before=None, limit=9) == [other]

    async def test_pages_are_whole_whatever_comes_and_goes_meanwhile(self, projects: Projects) -> None:
        """Keyset paging: what is approved or deleted between two pages neither repeats nor skips anything else."""
        made = [new_project(approved_at=NOON + timedelta(minutes=n // 3)) for n in range(20)]
        for one in made:
            await projects.save(one)
        await projects.save(new_project(owner="somebody else"))

        pages: list[Session] = []
        before = None
        while page := await projects.list_approved("local", before=before, limit=3):
            pages += page
            before = (page[-1].approved_at or NOON, page[-1].session_id)
            await projects.save(new_project(approved_at=NOON + timedelta(days=1)))
            await projects.delete(page[0].session_id)

        places = [(session.approved_at or NOON, session.session_id) for session in pages]
        assert places == sorted(places, reverse=True)
        assert {session.session_id for session in pages} == {session.session_id for session in made}
        assert len(pages) == len(made)

    async def test_projects_are_found_by_their_words(self, projects: Projects) -> None:
        for minute, (title, story) in enumerate(SEARCHED.values()):
            at = NOON + timedelta(minutes=minute)
            await projects.save(new_project(title=title, story_text=story, approved_at=at, scenes=0))
        await projects.save(new_project(owner="somebody else", title="A paper boat"))

        found = {words: await projects.list_approved("local", before=None, limit=99, query=words) for words in SEARCHES}

        assert {words: named(sessions) for words, sessions in found.items()} == SEARCHES

    async def test_what_is_reached_is_available(self, projects: Projects) -> None:
        await projects.check()
