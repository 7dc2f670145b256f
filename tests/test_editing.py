"""Borders, order, bible and versions: edited without a model call, and nothing redone that need not be."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_services import Spending
from models import (
    ApproveRequest,
    BibleEdit,
    CharacterEdit,
    ContentBlocked,
    ContinueRequest,
    DownloadRequest,
    EditConflict,
    InvalidRequest,
    PlaceEdit,
    RegenerateRequest,
    Scene,
    SceneEdit,
    Session,
    StatusView,
    TextAnswer,
    TextRequest,
    VersionMismatch,
)
from tests.conftest import draw, finished
from tests.test_business_logic import OWNER, FakePainter, FakeText, House, open_house, statuses

BOATS = "Mira walked to the mill at dawn. Mira found a paper boat there.\n\n"
PEARS = "Old Tomas stacked pears in the market. Tomas laughed aloud.\n\n"
NIGHT = "At night Mira and Tomas rowed to the island. The lantern burned."
STORY = BOATS + PEARS + NIGHT
COAT = CharacterEdit(name="Mira", appearance="a girl of nine, green coat, black plait")


class CastText(FakeText):
    """A text model that knows two people and two places and says of a scene whom its text names."""

    async def answer(self, request: TextRequest, spending: Spending) -> TextAnswer:
        plain = await super().answer(request, spending)
        if request.schema_name != "scene":
            return TextAnswer(_BIBLE, request.model, self.cost)
        told = request.user.rpartition("The scene:")[2]
        mark = hashlib.sha256((request.user + request.system).encode()).hexdigest()[:8]
        said = plain.content | {
            "title": f"Titled {mark}",
            "image_prompt": f"Somebody at work, {mark}",
            "characters": [name for name in ("Mira", "Tomas") if name in told],
            "location": next((place for place in ("mill", "market") if place in told), ""),
        }
        return TextAnswer(said, request.model, self.cost)


_BIBLE = {
    "title": "The boat",
    "style": "Ink and watercolour",
    "characters": [
        {"name": "Mira", "aliases": ["the girl"], "appearance": "a girl of nine, red coat, black plait"},
        {"name": "Tomas", "aliases": [], "appearance": "an old man, straw hat, grey beard"},
    ],
    "places": [
        {"name": "mill", "description": "a stone mill with a mossy wheel"},
        {"name": "market", "description": "a market square under awnings"},
    ],
}


@pytest.fixture(params=["model", "offline"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose prompts are written by a model, and one whose prompts are written by rule."""
    async with open_house(tmp_path / "projects", text=CastText(), offline=request.param == "offline") as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "projects", text=CastText()) as opened:
        yield opened


async def drawn(house: House, **more: Any) -> Session:
    return await house.drawn(STORY, **({"num_scenes": 3} | more))


async def now(house: House, session: Session) -> Session:
    return await house.studio.store.get(session.session_id)


async def go_on(house: House, session: Session) -> Session:
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    return await house.ended(session.session_id)


async def split(house: House, session: Session, number: int, at: int, **more: Any) -> StatusView:
    return (await house.studio.split_scene(OWNER, session.session_id, number, at, **more))[1]


async def merge(house: House, session: Session, number: int) -> StatusView:
    return (await house.studio.merge_scene(OWNER, session.session_id, number))[1]


async def edit(house: House, session: Session, *people: CharacterEdit, **more: Any) -> StatusView:
    change = BibleEdit(characters=list(people), **more)
    return (await house.studio.edit_bible(OWNER, session.session_id, change))[1]


def stale(view: StatusView) -> list[bool]:
    return [scene.stale for scene in view.scenes]


def paid(house: House) -> tuple[int, int]:
    """How many questions and how many pictures were paid for."""
    return sum(house.text.paid.values()), sum(house.painter.world.paid.values())


def in_the_middle() -> int:
    return STORY.index("Mira found")


# --- Borders ---------------------------------------------------------------------------------------------------


async def test_a_split_scene_keeps_its_first_half_and_the_second_waits(house: House) -> None:
    session = await drawn(house)
    before, spent = session.scenes[0], paid(house)

    view = await split(house, session, 0, in_the_middle())

    session = await now(house, session)
    assert [session.text_of(scene) for scene in session.scenes] == [
        BOATS[:33],
        BOATS[33:],
        *(STORY[s.start : s.end] for s in session.scenes[2:]),
    ]
    assert [scene.scene_number for scene in session.scenes] == [0, 1, 2, 3]
    first, second = session.scenes[:2]
    assert (first.scene_id, first.versions, first.current) == (before.scene_id, before.versions, before.current)
    assert (second.versions, second.status) == ((), "pending")
    assert second.scene_id not in {scene.scene_id for scene in session.scenes if scene is not second}
    assert (second.title, second.facts.characters) == ("Mira found a paper boat there", ("Mira",))
    assert stale(view) == [True, False, False, False]
    assert view.scenes[0].image_prompt is None
    assert paid(house) == spent


async def test_continue_draws_both_halves_and_nothing_else(house: House) -> None:
    session = await drawn(house)
    questions, pictures = paid(house)
    await split(house, session, 0, in_the_middle())

    session = await go_on(house, session)

    assert paid(house) == (questions + 2, pictures + 2)
    assert [len(scene.versions) for scene in session.scenes] == [2, 1, 1, 1]
    assert not any(stale(house.studio.view(session)))


async def test_splitting_and_merging_back_costs_nothing(either: House) -> None:
    session = await drawn(either)
    first, spent = session.scenes[0], paid(either)

    await split(either, session, 0, in_the_middle())
    view = await merge(either, session, 0)
    session = await go_on(either, session)

    assert len(view.scenes) == 3
    assert paid(either) == spent
    assert session.scenes[0].image_prompt == first.image_prompt
    assert session.scenes[0].versions == first.versions
    assert (session.scenes[0].status, session.scenes[0].title) == ("ready", first.title)
    assert not any(stale(either.studio.view(session)))


async def test_merging_and_splitting_back_costs_nothing(either: House) -> None:
    session = await drawn(either)
    spent, border = paid(either), session.scenes[1].start

    await merge(either, session, 0)
    await split(either, session, 0, border)
    session = await go_on(either, session)

    assert paid(either) == spent
    assert statuses(session) == ["ready"] * 3
    assert not any(stale(either.studio.view(session)))


async def test_merged_scenes_keep_the_pictures_of_both(house: House) -> None:
    session = await drawn(house)
    first, second = session.scenes[:2]

    view = await merge(house, session, 0)

    session = await now(house, session)
    merged = session.scenes[0]
    assert (merged.scene_id, merged.start, merged.end) == (first.scene_id, first.start, second.end)
    assert [version.version for version in merged.versions] == [1, 2]
    assert [version.file for version in merged.versions] == [s.versions[0].file for s in (first, second)]
    assert (merged.current_version, view.scenes[0].stale, len(view.scenes)) == (1, True, 2)
    edit = SceneEdit(current_version=2)
    _, detail = await house.studio.edit_scene(OWNER, session.session_id, 0, edit)
    assert (detail.image_prompt, detail.seed, detail.stale) == (second.image_prompt, second.seed, False)
    await house.studio.picture(OWNER, session.session_id, merged.versions[1].file, None)


async def test_a_redraw_of_merged_scenes_overwrites_no_picture(house: House) -> None:
    session = await drawn(house)
    await merge(house, session, 0)

    session = await go_on(house, session)

    merged = session.scenes[0]
    assert [version.version for version in merged.versions] == [1, 2, 3]
    assert merged.current_version == 3
    assert len({version.file for version in merged.versions}) == 3


async def test_a_prompt_that_a_person_wrote_outlives_its_borders(house: House) -> None:
    session = await drawn(house)
    words = SceneEdit(image_prompt="A red door.", title="Mine", description="Mine too")
    await house.studio.edit_scene(OWNER, session.session_id, 0, words)

    await split(house, session, 0, in_the_middle())
    session = await go_on(house, session)

    scene = session.scenes[0]
    assert (scene.image_prompt, scene.prompt_source) == ("A red door.", "edited")
    assert (scene.title, scene.description) == ("Mine", "Mine too")


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (STORY.index("walked") + 2, "within a word"),
        (len(BOATS) - 1, "without words"),
        (len(BOATS) + 5, "outside the scene"),
        (10**9, "outside the scene"),
    ],
    ids=["in a word", "before the blank line", "in the next scene", "nowhere"],
)
async def test_an_impossible_cut_is_refused_with_a_possible_one(house: House, at: int, why: str) -> None:
    session = await drawn(house)

    with pytest.raises(InvalidRequest, match=why) as refused:
        await split(house, session, 0, at)

    nearest = int(re.findall(r"\d+", str(refused.value))[-1])
    assert len((await split(house, session, 0, nearest)).scenes) == 4


async def test_a_session_has_at_most_max_scenes(house: House) -> None:
    session = await drawn(house, num_scenes=1)
    words = [match.start() for match in re.finditer(r"(?<= )\w", STORY)]
    for number, at in enumerate(words[:11]):
        await split(house, session, number, at)

    with pytest.raises(InvalidRequest, match="at most 12 scenes"):
        await split(house, session, 11, words[11])


async def test_a_moved_scene_keeps_everything_but_its_number(house: House) -> None:
    session = await drawn(house)
    ids = [scene.scene_id for scene in session.scenes]

    _, view = await house.studio.move_scene(OWNER, session.session_id, 2, 0)

    assert [scene.scene_id for scene in view.scenes] == [ids[2], ids[0], ids[1]]
    assert [scene.scene_number for scene in view.scenes] == [0, 1, 2]
    assert stale(view) == [False] * 3
    with pytest.raises(InvalidRequest, match="do not follow"):
        await merge(house, session, 0)
    with pytest.raises(InvalidRequest, match="no place 3"):
        await house.studio.move_scene(OWNER, session.session_id, 0, 3)
    with pytest.raises(InvalidRequest, match="last one"):
        await merge(house, session, 2)


async def test_a_scene_that_stays_where_it_is_changes_nothing(house: House) -> None:
    session = await drawn(house)

    version, _ = await house.studio.move_scene(OWNER, session.session_id, 1, 1)

    assert version == session.version


async def test_every_character_belongs_to_exactly_one_scene_whatever_is_done(house: House) -> None:
    session = await drawn(house)
    chance = random.Random(7)

    for _ in range(60):
        scenes = (await now(house, session)).scenes
        number = chance.randrange(len(scenes))
        try:
            match chance.choice(("split", "merge", "move")):
                case "split":
                    await split(house, session, number, chance.randint(scenes[number].start, scenes[number].end))
                case "merge":
                    await merge(house, session, number)
                case _:
                    await house.studio.move_scene(OWNER, session.session_id, number, chance.randrange(len(scenes)))
        except InvalidRequest:
            continue
        after = await now(house, session)
        told = sorted(after.scenes, key=lambda scene: scene.start)
        assert "".join(after.text_of(scene) for scene in told) == STORY
        assert [scene.scene_number for scene in after.scenes] == list(range(len(after.scenes)))
        for scene in after.scenes:
            numbers = [version.version for version in scene.versions]
            assert len(set(numbers)) == len(numbers)
            assert scene.current_version is None or scene.current is not None


async def test_a_session_walked_all_over_can_be_drawn_to_its_end(house: House) -> None:
    session = await drawn(house)
    await house.studio.move_scene(OWNER, session.session_id, 0, 2)
    await split(house, session, 2, in_the_middle())
    await merge(house, session, 0)

    session = await go_on(house, session)

    assert session.status == "completed"
    assert set(statuses(session)) == {"ready"}
    assert not any(stale(house.studio.view(session)))


# --- While something is made -----------------------------------------------------------------------------------


async def test_borders_of_a_scene_that_is_drawn_are_left_alone(house: House) -> None:
    house.painter.gate.close()
    session_id = await house.generate(STORY, num_scenes=3)
    await house.painter.gate.has(3)
    session = await house.studio.store.get(session_id)

    with pytest.raises(EditConflict):
        await split(house, session, 0, in_the_middle())
    with pytest.raises(EditConflict):
        await merge(house, session, 1)
    with pytest.raises(EditConflict):
        await house.studio.move_scene(OWNER, session_id, 0, 1)
    with pytest.raises(EditConflict):
        await edit(house, session, COAT)
    view = await edit(house, session, title="Another title")  # no picture depends on it
    house.painter.gate.open()
    session = await house.ended(session_id)

    assert (view.title, session.title, session.status) == ("Another title", "Another title", "completed")
    assert len((await split(house, session, 0, in_the_middle())).scenes) == 4


async def test_a_bible_in_use_by_a_question_is_left_alone(house: House) -> None:
    house.text.gate.close()
    session_id = await house.generate(STORY, num_scenes=3)
    await house.text.gate.has(1)
    session = await house.studio.store.get(session_id)

    with pytest.raises(EditConflict, match="not written yet"):
        await edit(house, session, COAT)
    house.text.gate.open()
    session = await house.ended(session_id)
    house.text.gate.close()
    await merge(house, session, 0)
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session_id))
    await house.text.gate.has(1)
    with pytest.raises(EditConflict):
        await edit(house, session, style="Pencil")


async def test_borders_moved_before_the_bible_is_written_are_drawn_as_moved(house: House) -> None:
    house.text.gate.close()
    session_id = await house.generate(STORY, num_scenes=3)
    await house.text.gate.has(1)
    session = await house.studio.store.get(session_id)

    await merge(house, session, 1)
    await split(house, session, 0, in_the_middle())
    house.text.gate.open()
    session = await house.ended(session_id)

    assert statuses(session) == ["ready"] * 3
    assert [session.text_of(scene) for scene in session.scenes][:2] == [BOATS[:33], BOATS[33:]]
    assert len(house.painter.sent) == 3


async def test_a_scene_split_beside_one_that_is_drawn_is_drawn_in_the_same_run(house: House) -> None:
    session = await drawn(house)
    house.painter.gate.close()
    request = RegenerateRequest(session_id=session.session_id, scene_number=2)
    await house.studio.regenerate(OWNER, request)
    await house.painter.gate.has(1)

    await split(house, session, 0, in_the_middle())
    house.painter.gate.open()
    session = await house.ended(session.session_id)

    assert statuses(session) == ["ready"] * 4


async def test_if_match_guards_an_edit(house: House) -> None:
    session = await drawn(house)
    seen, version = session.scenes[0].changed_in, session.version

    await split(house, session, 0, in_the_middle(), expected=seen)

    with pytest.raises(VersionMismatch):
        await split(house, session, 0, 11, expected=seen)
    with pytest.raises(VersionMismatch):
        await house.studio.edit_bible(OWNER, session.session_id, BibleEdit(title="Late"), expected=version)
    fresh = (await now(house, session)).version
    await house.studio.move_scene(OWNER, session.session_id, 0, 1, expected=fresh)


# --- The bible -------------------------------------------------------------------------------------------------


async def test_another_coat_marks_only_the_scenes_its_wearer_is_in(either: House) -> None:
    session = await drawn(either)
    spent, before = paid(either), [scene.image_prompt or "" for scene in session.scenes]

    view = await edit(either, session, COAT)

    assert stale(view) == [True, False, True]
    assert [scene.stale for scene in view.scenes] == ["Mira" in scene.characters for scene in view.scenes]
    assert ["green coat" in (scene.image_prompt or "") for scene in view.scenes] == [True, False, True]
    assert view.scenes[1].image_prompt == before[1]
    assert "red coat" not in (view.scenes[0].image_prompt or "")
    assert paid(either) == spent
    session = await go_on(either, session)
    assert paid(either) == (spent[0], spent[1] + 2)
    assert [len(scene.versions) for scene in session.scenes] == [2, 1, 2]
    assert not any(stale(either.studio.view(session)))


async def test_prompts_name_who_is_in_the_scene_and_always_with_the_same_words(either: House) -> None:
    session = await drawn(either)
    assert session.story_bible is not None

    for person in session.story_bible.characters:
        described = [f"{person.name}: {person.appearance}." in (scene.image_prompt or "") for scene in session.scenes]
        assert described == [person.name in session.text_of(scene) for scene in session.scenes]


async def test_the_old_coat_back_is_nothing_stale_and_nothing_paid(either: House) -> None:
    session = await drawn(either)
    assert session.story_bible is not None
    looks = next(c.appearance for c in session.story_bible.characters if c.name == "Mira")
    old = CharacterEdit(name="mira", appearance=looks)

    await edit(either, session, COAT)
    assert stale(await edit(either, session, old)) == [False] * 3
    await edit(either, session, COAT)
    session = await go_on(either, session)
    spent = paid(either)
    assert stale(await edit(either, session, old)) == [True, False, True]
    session = await go_on(either, session)

    assert paid(either) == spent
    assert [scene.current_version for scene in session.scenes] == [1, 1, 1]
    assert [len(scene.versions) for scene in session.scenes] == [2, 1, 2]


async def test_a_draft_follows_the_bible_whoever_wrote_its_prompt(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    await client.patch(f"/sessions/{session_id}/scenes/1", json={"image_prompt": "Mine."})
    await client.post("/continue", json={"session_id": session_id})
    await finished(client, session_id)
    etag = (await client.get(f"/sessions/{session_id}/scenes/1")).headers["etag"]
    apron = {"name": "Tomas", "appearance": "an old man in a blue apron"}

    view = await client.patch(f"/sessions/{session_id}/bible", json={"characters": [apron]})

    scenes = view.json()["scenes"]
    assert [scene["stale"] for scene in scenes] == [False, True, True]  # he is not in the first
    assert scenes[1]["image_prompt"] == "Mine."
    assert (await client.get(f"/sessions/{session_id}/scenes/1")).headers["etag"] != etag


async def test_another_style_marks_every_scene_but_those_a_person_wrote(either: House) -> None:
    session = await drawn(either)
    await either.studio.edit_scene(OWNER, session.session_id, 1, SceneEdit(image_prompt="Only mine."))
    session = await go_on(either, session)

    view = await edit(either, session, style="Coarse  woodcut")

    assert stale(view) == [True, False, True]
    assert view.scenes[1].image_prompt == "Only mine."
    assert all("Coarse woodcut" in (view.scenes[n].image_prompt or "") for n in (0, 2))
    assert view.story_bible is not None and view.story_bible.style == "Coarse woodcut"


async def test_another_mill_marks_only_the_scene_at_the_mill(either: House) -> None:
    session = await drawn(either)

    view = await edit(either, session, places=[PlaceEdit(name="mill", description="a burnt mill on stilts")])

    assert stale(view) == [True, False, False]
    assert "a burnt mill on stilts" in (view.scenes[0].image_prompt or "")


async def test_a_character_who_leaves_the_bible_leaves_the_prompts(either: House) -> None:
    session = await drawn(either)

    view = await edit(either, session, CharacterEdit(name="Tomas", remove=True))

    assert stale(view) == [False, True, True]
    assert [scene.characters for scene in view.scenes] == [["Mira"], [], ["Mira"]]
    assert all("Tomas:" not in (scene.image_prompt or "") for scene in view.scenes)


async def test_a_new_character_joins_the_scenes_that_name_it(either: House) -> None:
    session = await drawn(either)
    lantern = CharacterEdit(name="Old Lamp", appearance="a brass lantern with a face", aliases=["lantern"])

    view = await edit(either, session, lantern)

    assert stale(view) == [False, False, True]
    assert "Old Lamp: a brass lantern with a face." in (view.scenes[2].image_prompt or "")
    assert "Old Lamp" in view.scenes[2].characters


@pytest.mark.parametrize(
    "change",
    [
        BibleEdit(characters=[CharacterEdit(name="Nobody", remove=True)]),
        BibleEdit(characters=[CharacterEdit(name="Nobody")]),
        BibleEdit(places=[PlaceEdit(name="Nowhere", remove=True)]),
        BibleEdit(places=[PlaceEdit(name="Nowhere")]),
        BibleEdit(style=" \n "),
        BibleEdit(characters=[CharacterEdit(name=f"N{n}", appearance="x") for n in range(11)]),
    ],
    ids=["remove nobody", "no looks", "remove nowhere", "nothing said", "blank", "too many"],
)
async def test_an_impossible_bible_is_refused(house: House, change: BibleEdit) -> None:
    session = await drawn(house)

    with pytest.raises(InvalidRequest):
        await house.studio.edit_bible(OWNER, session.session_id, change)

    assert (await now(house, session)).version == session.version


async def test_the_same_bible_again_changes_nothing(house: House) -> None:
    session = await drawn(house)
    same = CharacterEdit(name="Mira", appearance=" a girl of nine,  red coat, black plait")

    version, _ = await house.studio.edit_bible(OWNER, session.session_id, BibleEdit(characters=[same]))

    assert version == session.version


async def test_a_softened_prompt_stays_soft_under_a_new_bible(house: House) -> None:
    probe = await drawn(house, num_scenes=1)
    house.painter.errors[(probe.scenes[0].image_prompt or "")[:30]] = ContentBlocked("No.")
    session = await drawn(house, num_scenes=1, seed=5)
    assert session.scenes[0].prompt_source == "softened"
    armed = CharacterEdit(name="Mira", appearance="a girl of nine with a gun")

    view = await edit(house, session, armed)

    assert "with a torch" in (view.scenes[0].image_prompt or "")


async def test_a_chosen_version_is_recomposed_from_its_own_words(house: House) -> None:
    session = await drawn(house)
    first = session.scenes[0]
    request = RegenerateRequest(session_id=session.session_id, scene_number=0, image_prompt="A red door.")
    await house.studio.regenerate(OWNER, request)
    session = await house.ended(session.session_id)
    await house.studio.edit_scene(OWNER, session.session_id, 0, SceneEdit(current_version=1))

    view = await edit(house, session, COAT)

    assert view.scenes[0].image_prompt == (first.image_prompt or "").replace("red coat", "green coat")


# --- What is told, kept and paid -------------------------------------------------------------------------------


async def test_redraw_cost_counts_the_prompt_that_has_to_be_written_anew(house: House) -> None:
    session = await drawn(house)

    view = await split(house, session, 0, in_the_middle())

    assert [scene.redraw_cost_usd for scene in view.scenes] == pytest.approx([0.015, 0.015, 0.005, 0.005])


async def test_progress_says_what_waits(house: House) -> None:
    session = await drawn(house)

    view = await split(house, session, 0, in_the_middle())

    told = view.progress
    assert (view.status, told.current_step, told.total_steps) == ("completed", 8, 10)
    assert told.description == "3 of 4 pictures ready, 1 not drawn yet, 1 stale"
    session = await go_on(house, session)
    assert house.studio.view(session).progress.percent == 100
    assert house.studio.view(session).progress.description == "4 of 4 pictures ready"


async def test_the_project_files_follow_an_edit(house: House) -> None:
    session = await drawn(house)
    await split(house, session, 0, in_the_middle())
    await edit(house, session, title="Another title")

    scenes = json.loads((house.folder / session.session_id / "scenes.json").read_text())
    info = json.loads((house.folder / session.session_id / "project_info.json").read_text())

    assert [scene["text"] for scene in scenes][:2] == [BOATS[:33], BOATS[33:]]
    assert [scene["file"] is None for scene in scenes] == [False, True, False, False]
    assert (info["title"], info["story_bible"]["title"]) == ("Another title", "Another title")


async def test_events_tell_of_every_scene_an_edit_changed(house: House) -> None:
    session = await drawn(house)
    await merge(house, session, 1)

    events = [event async for event in house.studio.events(OWNER, session.session_id, after=session.version)]

    told = [(event.event, json.loads(event.data)) for event in events]
    assert [(kind, data["scene_number"]) for kind, data in told if kind == "scene"] == [("scene", 1)]
    assert told[-1][1]["scene_ids"] == [scene.scene_id for scene in session.scenes[:2]]
    assert "1 stale" in told[-1][1]["description"]


async def test_a_second_run_of_the_same_story_costs_nothing_whatever_was_edited_in_the_first(house: House) -> None:
    session = await drawn(house)
    await edit(house, session, COAT)
    await split(house, session, 0, in_the_middle())
    await go_on(house, session)
    spent = paid(house)

    again = await drawn(house)

    assert paid(house) == spent
    assert again.cost_usd == 0


async def test_the_same_picture_is_never_drawn_twice_for_one_owner(house: House) -> None:
    session = await drawn(house)
    await edit(house, session, COAT)
    await go_on(house, session)
    other = await drawn(house)
    await edit(house, other, COAT)
    await go_on(house, other)

    assert max(house.painter.world.paid.values()) == 1
    assert max(house.text.paid.values()) == 1


async def test_a_crash_between_edit_and_continue_loses_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path / "projects", text=CastText()) as house:
        session = await drawn(house)
        await split(house, session, 0, in_the_middle())
        await merge(house, session, 2)
        await house.studio.move_scene(OWNER, session.session_id, 2, 0)
        view = await edit(house, session, COAT)
        world, asked = house.painter.world, sum(house.text.paid.values())
    text = CastText()
    async with open_house(tmp_path / "projects", text=text, painter=FakePainter(world)) as restarted:
        after = restarted.studio.view(await restarted.studio.owned(OWNER, session.session_id))
        same = ("scenes", "story_bible", "title", "progress")
        assert {name: getattr(after, name) for name in same} == {name: getattr(view, name) for name in same}
        session = await go_on(restarted, session)

        assert set(statuses(session)) == {"ready"}
        assert (asked, sum(text.paid.values())) == (4, 3)


async def test_an_approved_picture_stays_approved_through_a_split(house: House) -> None:
    session = await drawn(house)
    await house.studio.approve(OWNER, ApproveRequest(session_id=session.session_id, approved_scenes=[0, 1]))

    await split(house, session, 0, in_the_middle())
    await merge(house, session, 1)

    approved: list[Scene] = [s for s in (await now(house, session)).scenes if s.approved_image]
    assert [scene.scene_number for scene in approved] == [0, 1]
    await house.studio.download(OWNER, DownloadRequest(session_id=session.session_id))


# --- Over HTTP -------------------------------------------------------------------------------------------------


async def test_structure_is_edited_over_http(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    address = f"/sessions/{session_id}/scenes"
    etag = (await client.get(f"/status/{session_id}")).headers["etag"]

    halves = await client.post(f"{address}/0/split", json={"at": 35}, headers={"If-Match": etag})
    late = await client.post(f"{address}/0/merge", headers={"If-Match": etag})
    whole = await client.post(f"{address}/0/merge", headers={"If-Match": halves.headers["etag"]})
    moved = await client.post(f"{address}/0/move", json={"to": 2})
    state = await client.get(f"/status/{session_id}")

    assert [answer.status_code for answer in (halves, late, whole, moved)] == [200, 412, 200, 200]
    assert [len(answer.json()["scenes"]) for answer in (halves, whole, moved)] == [4, 3, 3]
    assert state.json() == moved.json()
    assert state.headers["etag"] == moved.headers["etag"]


async def test_what_cannot_be_edited_is_refused_over_http(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    scenes, bible = f"/sessions/{session_id}/scenes", f"/sessions/{session_id}/bible"

    answers = [
        await client.post(f"{scenes}/0/split", json={"at": True}),
        await client.post(f"{scenes}/0/split", json={"at": 0}),
        await client.post(f"{scenes}/0/split", json={"at": 10**30}),
        await client.post(f"{scenes}/2/merge"),
        await client.post(f"{scenes}/9/merge"),
        await client.post(f"{scenes}/0/move", json={"to": -1}),
        await client.patch(bible, content=b'{"title": "\\ud83d"}', headers={"Content-Type": "application/json"}),
        await client.patch(bible, json={"scenes": []}),
        await client.patch(f"/sessions/{'0' * 32}/bible", json={"title": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 404, 422, 422, 422, 404]
