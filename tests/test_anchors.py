"""Reference pictures: drawn once, sent with who is in the scene, edited by hand, never paid for twice."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.metrics import Metrics
from ai_services import WORST_PICTURE, DrawingTask, Spending, name_references, portrait_prompt, prepare_reference
from config import Settings
from main import create_app
from models import (
    AnalyzeRequest,
    AnchorEdit,
    AnchorNotFound,
    AnchorRedraw,
    BadImage,
    BibleCharacter,
    BibleEdit,
    CharacterEdit,
    ContentBlocked,
    ContinueRequest,
    DownloadRequest,
    Drawing,
    EditConflict,
    ImageRequest,
    InvalidRequest,
    NotReady,
    ProviderRefused,
    ProviderUnavailable,
    ReferenceLost,
    RegenerateRequest,
    SceneEdit,
    Session,
    SessionNotFound,
    StoryBible,
    TextAnswer,
    TextRequest,
)
from tests.conftest import FlatPainter, client_of, draw, finished, open_small_studio
from tests.test_business_logic import OWNER, FakePainter, FakeText, House, Photographer, World, names_in, open_house

LOOKS = {"Mira": "a girl of nine, red coat", "Tomas": "an old man, white beard", "Elin": "a tall woman, green hat"}
TALE = "\n\n".join(
    (
        "At dawn Mira walked to the mill. There she found an iron key.",
        "Tomas stacked his pears at the market and waited. Nobody came to him all day.",
        "In the evening Mira met Tomas on the bridge. They looked at the key together.",
        "Rain fell on the empty harbour. The boats knocked against the wall.",
    )
)


class NamingText(FakeText):
    """Writes a bible with everybody of `LOOKS`, and for each scene who is named in it."""

    async def answer(self, request: TextRequest, spending: Spending) -> TextAnswer:
        answer = await super().answer(request, spending)
        named = [name for name in LOOKS if re.search(rf"\b{name}\b", _story_in(request))]
        people: list[Any] = list(named)
        if request.schema_name != "scene":
            people = [{"name": name, "aliases": [], "appearance": LOOKS[name]} for name in named]
        return dataclasses.replace(answer, content=answer.content | {"characters": people})


def _story_in(request: TextRequest) -> str:
    return request.user.partition("\n<story-")[2]


class Portraitist(FakePainter):
    """A painter that draws after references, has to be given them first, and can lose them."""

    def __init__(self, world: World | None = None) -> None:
        super().__init__(world)
        self.takes = 4
        self.portrait_worst = 0.005
        self.reference_worst = 0.0
        self.media: dict[str, bytes] = {}
        self.uploads = 0
        self.lost: set[str] = set()

    def worst_cost(self, request: ImageRequest) -> float | None:
        portrait = request.prompt.startswith("Character portrait")
        worst = self.portrait_worst if portrait else super().worst_cost(request)
        return None if worst is None else worst + self.reference_worst * len(request.references)

    def references(self, model: str) -> int:
        return self.takes

    async def keep_reference(self, content: bytes, suffix: str) -> str:
        self.uploads += 1
        name = f"media-{self.uploads}"
        self.media[name] = content
        return name

    async def draw(self, request: ImageRequest, task: DrawingTask) -> Drawing:
        for reference in request.references:
            assert reference.media in self.media
            if reference.media in self.lost:
                raise ReferenceLost
        return await super().draw(request, task)

    def portraits(self) -> list[ImageRequest]:
        return [request for request in self.sent if request.prompt.startswith("Character portrait")]

    def scenes(self) -> list[ImageRequest]:
        return [request for request in self.sent if not request.prompt.startswith("Character portrait")]


@pytest.fixture
def painter() -> Portraitist:
    return Portraitist()


@pytest.fixture
async def house(tmp_path: Path, painter: Portraitist) -> AsyncIterator[House]:
    async with open_house(tmp_path / "projects", text=NamingText(), painter=painter) as house:
        yield house


async def told(house: House, **more: Any) -> Session:
    return await house.drawn(TALE, num_scenes=4, **more)


def names_sent(session: Session, painter: Portraitist) -> list[list[str]]:
    """Whose references went with each scene, in the order of the scenes."""
    by_seed = {request.seed: [reference.name for reference in request.references] for request in painter.scenes()}
    return [by_seed[scene.seed] for scene in session.scenes]


def stale(house: House, session: Session) -> list[int]:
    return [scene.scene_number for scene in house.studio.view(session).scenes if scene.stale]


def png(colour: str = "navy", size: tuple[int, int] = (90, 80)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


# --- A run -----------------------------------------------------------------------------------------------------


async def test_each_scene_is_drawn_after_who_is_in_it_and_nobody_else(house: House, painter: Portraitist) -> None:
    session = await told(house)

    assert session.status == "completed"
    assert names_sent(session, painter) == [["Mira"], ["Tomas"], ["Mira", "Tomas"], []]
    assert [anchor.wanted_version for anchor in session.anchors or ()] == [2, 2]
    assert [list(view.references) for view in house.studio.view(session).scenes] == names_sent(session, painter)
    for request in painter.scenes():
        for reference in request.references:
            assert painter.media[reference.media] == house.studio.files.read_picture(reference.kept)


async def test_references_are_named_by_their_position_with_the_bibles_words(house: House, painter: Portraitist) -> None:
    session = await told(house)

    both = next(request for request in painter.scenes() if len(request.references) == 2)
    assert "Mira is the one from the first reference image" in both.prompt
    assert "Tomas is the one from the second reference image" in both.prompt
    assert LOOKS["Mira"] in both.prompt
    assert LOOKS["Tomas"] in both.prompt
    assert all("reference" not in (scene.image_prompt or "") for scene in session.scenes)


async def test_a_character_of_one_scene_gets_no_anchor(house: House, painter: Portraitist) -> None:
    session = await house.drawn(TALE + "\n\nElin closed the shutters of the inn.", num_scenes=5)

    assert [anchor.name for anchor in session.anchors or ()] == ["Mira", "Tomas"]
    assert len(painter.portraits()) == 2


@pytest.mark.parametrize(("takes", "wanted"), [(4, 2), (1, 1), (0, 0)])
async def test_a_model_gets_no_more_references_than_it_takes(
    house: House, painter: Portraitist, takes: int, wanted: int
) -> None:
    painter.takes = takes

    session = await told(house)

    view = house.studio.view(session)
    assert view.consistency == ("references" if takes else "prompt")
    assert len(view.anchors) == wanted
    assert max(len(request.references) for request in painter.scenes()) == wanted


async def test_consistency_by_prompt_is_taken_at_its_word(house: House, painter: Portraitist) -> None:
    session = await told(house, consistency="prompt")

    assert (session.consistency, session.anchors, painter.uploads) == ("prompt", None, 0)
    assert not any(request.references for request in painter.sent)


async def test_only_scenes_with_an_anchored_character_wait_for_anchors(house: House, painter: Portraitist) -> None:
    painter.gate.close()
    await house.generate(TALE, num_scenes=4)
    await painter.gate.has(3)

    assert len(painter.portraits()) == 2
    assert [request.references for request in painter.scenes()] == [()]
    assert sum(count for key, count in house.text.paid.items() if key.startswith("scene ")) == 4


async def test_pictures_under_review_are_not_drawn_before_the_scenes(house: House, painter: Portraitist) -> None:
    session = await told(house, stop_at="prompts")

    assert session.status == "awaiting_review"
    assert [anchor.status for anchor in session.anchors or ()] == ["pending", "pending"]
    assert painter.sent == []


async def test_a_failed_anchor_does_not_sink_its_scenes_and_they_say_so(house: House, painter: Portraitist) -> None:
    painter.errors["Character portrait. Mira"] = ContentBlocked("No.")

    session = await told(house)

    view = house.studio.view(session)
    assert session.status == "completed"
    assert [anchor.status for anchor in view.anchors] == ["failed", "ready"]
    assert view.anchors[0].error is not None
    assert view.anchors[0].error.code == "content_blocked"
    assert [scene.references for scene in view.scenes] == [[], ["Tomas"], ["Tomas"], []]


async def test_an_upload_that_fails_fails_the_scene_with_its_reason(house: House, painter: Portraitist) -> None:
    async def refuse(content: bytes, suffix: str) -> str:
        raise ProviderUnavailable("No uploads today.")

    painter.keep_reference = refuse  # type: ignore[method-assign]

    session = await told(house)

    assert [scene.status for scene in session.scenes] == ["failed", "failed", "failed", "ready"]
    assert session.scenes[0].error is not None
    assert session.scenes[0].error.message == "No uploads today."


# --- Money -----------------------------------------------------------------------------------------------------


async def test_what_a_session_with_anchors_cost_is_what_was_charged(house: House) -> None:
    session = await told(house)

    assert session.cost_usd == pytest.approx(5 * 0.001 + (4 + 2) * 0.004, abs=1e-9)
    assert house.on_disk(session.session_id) == pytest.approx(session.cost_usd, abs=1e-9)
    assert sum(anchor.cost_usd for anchor in session.anchors or ()) == pytest.approx(2 * 0.004)
    assert house.ledger.open_of(session.session_id) == []
    assert house.journal.load_drawing_charges() == set()


async def test_a_picture_the_provider_does_not_take_leaves_the_words(house: House, painter: Portraitist) -> None:
    async def refuse(content: bytes, suffix: str) -> str:
        raise ProviderRefused("Unknown task.")

    painter.keep_reference = refuse  # type: ignore[method-assign]

    session = await told(house)

    assert [scene.status for scene in session.scenes] == ["ready"] * 4
    assert not any(names_sent(session, painter))
    assert session.anchors is not None
    assert {anchor.error.code for anchor in session.anchors if anchor.error} == {"reference_refused"}
    assert house.ledger.open_of(session.session_id) == []


async def test_a_repeated_story_draws_and_uploads_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path / "p", text=NamingText(), painter=(painter := Portraitist())) as house:
        await told(house)
        sent, uploads = len(painter.sent), painter.uploads
    async with open_house(tmp_path / "p", text=NamingText(), painter=painter) as house:
        again = await told(house)

        assert again.status == "completed"
        assert again.cost_usd == 0
        assert [anchor.status for anchor in again.anchors or ()] == ["ready", "ready"]
        assert (len(painter.sent), painter.uploads, uploads) == (sent, 2, 2)


async def test_two_sessions_at_once_upload_a_portrait_once(house: House, painter: Portraitist) -> None:
    ids = [await house.generate(TALE, num_scenes=4) for _ in range(2)]
    for session_id in ids:
        assert (await house.ended(session_id)).status == "completed"

    assert painter.uploads == 2
    assert set(painter.world.paid.values()) == {1}


async def test_when_the_money_ends_at_an_anchor_its_scenes_are_not_sent(house: House, painter: Portraitist) -> None:
    painter.portrait_worst = 1.0
    session = await told(house, max_cost_usd=0.5)

    assert painter.portraits() == []
    assert [scene.status for scene in session.scenes] == ["failed", "failed", "failed", "ready"]
    assert {scene.error.code for scene in session.scenes if scene.error} == {"budget_reached"}
    assert session.error is not None
    more = ContinueRequest(session_id=session.session_id, max_cost_usd=5.0)
    await house.studio.continue_(OWNER, more)
    session = await house.ended(session.session_id)
    assert [scene.status for scene in session.scenes] == ["ready"] * 4
    assert names_sent(session, painter)[2] == ["Mira", "Tomas"]


async def test_no_prompt_is_paid_whose_picture_with_references_is_too_dear(house: House, painter: Portraitist) -> None:
    painter.reference_worst = 1.0

    session = await told(house, max_cost_usd=0.5)

    assert {scene.error.code for scene in session.scenes if scene.error} == {"budget_reached"}
    assert not any(question.startswith("scene ") for question in house.text.paid)


async def test_the_estimate_counts_anchors_and_is_never_exceeded(house: House) -> None:
    body = AnalyzeRequest(story_text=TALE, num_scenes=4)
    plain = AnalyzeRequest(story_text=TALE, num_scenes=4, consistency="prompt")

    estimate = (await house.studio.analyze(body)).estimate
    without = (await house.studio.analyze(plain)).estimate
    session = await told(house)

    assert estimate.worst_usd is not None
    assert without.worst_usd is not None
    assert estimate.worst_usd == pytest.approx(without.worst_usd + 4 * 3 * 0.005)
    assert estimate.least_usd == pytest.approx((4 + 2) * 0.005 / WORST_PICTURE)
    assert session.cost_usd <= estimate.worst_usd


# --- What a provider loses -------------------------------------------------------------------------------------


async def test_a_reference_the_provider_has_lost_is_uploaded_again_once(house: House, painter: Portraitist) -> None:
    session = await told(house)
    painter.lost = set(painter.media)
    await house.studio.redraw_anchor(OWNER, session.session_id, "Mira", AnchorRedraw())
    session = await house.ended(session.session_id)
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))

    session = await house.ended(session.session_id)

    assert session.status == "completed"
    assert stale(house, session) == []
    assert painter.uploads == 2 + 1 + 2  # Mira's new picture, and both once more: nobody says which was lost


async def test_what_two_scenes_lose_at_once_is_uploaded_again_once(house: House, painter: Portraitist) -> None:
    session = await told(house)
    painter.lost = set(painter.media)
    for number in (0, 2):
        again = RegenerateRequest(session_id=session.session_id, scene_number=number)
        await house.studio.regenerate(OWNER, again)

    session = await house.ended(session.session_id)

    assert [scene.status for scene in session.scenes] == ["ready"] * 4
    assert painter.uploads == 2 + 2


async def test_a_provider_that_loses_every_reference_fails_the_scene(house: House, painter: Portraitist) -> None:
    painter.lost = {f"media-{number}" for number in range(50)}

    session = await told(house)

    assert [scene.status for scene in session.scenes] == ["failed", "failed", "failed", "ready"]
    assert session.scenes[0].error is not None
    assert session.scenes[0].error.code == "reference_lost"


# --- Edits by hand ---------------------------------------------------------------------------------------------


async def test_another_portrait_makes_exactly_its_scenes_stale(house: House, painter: Portraitist) -> None:
    session = await told(house)

    await house.studio.redraw_anchor(OWNER, session.session_id, "Mira", AnchorRedraw(prompt="Mira, older"))
    session = await house.ended(session.session_id)

    assert stale(house, session) == [0, 2]
    assert [request.prompt for request in painter.sent[6:]] == ["Mira, older"]
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)
    assert stale(house, session) == []
    assert len(painter.sent) == 6 + 1 + 2
    assert (await house.studio.anchor(OWNER, session.session_id, "Mira")).prompt == "Mira, older"


async def test_a_redrawn_portrait_has_another_seed_and_needs_approval_again(house: House) -> None:
    session = await told(house)
    before = await house.studio.edit_anchor(OWNER, session.session_id, "Mira", AnchorEdit(approved=True))

    await house.studio.redraw_anchor(OWNER, session.session_id, "Mira", AnchorRedraw())
    after = house.studio.view(await house.ended(session.session_id)).anchors[0]

    assert before.approved
    assert not after.approved
    assert (after.seed != before.seed, after.image_url != before.image_url) == (True, True)
    assert after.cost_usd == pytest.approx(2 * 0.004)


async def test_somebodys_own_picture_takes_the_place_without_a_call(house: House, painter: Portraitist) -> None:
    session = await told(house)
    calls = len(painter.sent), painter.uploads

    view = await house.studio.replace_anchor(OWNER, session.session_id, "Tomas", png())

    session = await house.studio.store.get(session.session_id)
    assert (view.source, view.status, view.approved, view.width, view.height) == ("uploaded", "ready", True, 90, 80)
    assert (len(painter.sent), painter.uploads) == calls
    assert stale(house, session) == [1, 2]
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)
    sent = painter.scenes()[-1].references[-1]
    with Image.open(io.BytesIO(painter.media[sent.media])) as image:
        red, green, blue = image.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert blue > 100 > red + green
    assert stale(house, session) == []


@pytest.mark.parametrize(
    "content", [b"", b"Mira", png(size=(20, 20)), png()[:60]], ids=["nothing", "words", "tiny", "torn"]
)
async def test_what_is_no_picture_is_refused_and_changes_nothing(house: House, content: bytes) -> None:
    session = await told(house)

    with pytest.raises(InvalidRequest):
        await house.studio.replace_anchor(OWNER, session.session_id, "Mira", content)

    assert await house.studio.store.get(session.session_id) == session


async def test_nothing_is_changed_while_it_is_being_drawn(house: House, painter: Portraitist) -> None:
    painter.gate.close()
    session_id = await house.generate(TALE, num_scenes=4)
    await painter.gate.has(3)

    with pytest.raises(EditConflict):
        await house.studio.redraw_anchor(OWNER, session_id, "Mira", AnchorRedraw())
    with pytest.raises(EditConflict):
        await house.studio.replace_anchor(OWNER, session_id, "Mira", png())
    with pytest.raises(NotReady):
        await house.studio.edit_anchor(OWNER, session_id, "Mira", AnchorEdit(approved=True))


async def test_nothing_is_changed_while_a_scene_of_the_character_is_drawn(house: House, painter: Portraitist) -> None:
    session = await told(house)
    painter.gate.close()
    await house.studio.redraw_anchor(OWNER, session.session_id, "Mira", AnchorRedraw())
    await painter.gate.has(1)
    painter.gate.open()
    session = await house.ended(session.session_id)
    painter.gate.close()
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    await painter.gate.has(2)

    with pytest.raises(EditConflict):
        await house.studio.replace_anchor(OWNER, session.session_id, "Mira", png())


async def test_a_portrait_nobody_has_and_a_session_of_another(house: House) -> None:
    session = await told(house)

    with pytest.raises(AnchorNotFound):
        await house.studio.anchor(OWNER, session.session_id, "Nobody")
    with pytest.raises(AnchorNotFound):
        await house.studio.redraw_anchor(OWNER, session.session_id, "Nobody", AnchorRedraw())


async def test_a_cancel_before_the_portraits_draws_none_and_continue_does(house: House, painter: Portraitist) -> None:
    painter.gate.close()
    painter.slots = asyncio.Semaphore(0)
    session_id = await house.generate(TALE, num_scenes=4)
    await house.until(session_id, lambda session: any(a.status == "drawing" for a in session.anchors or ()))
    await house.studio.cancel(OWNER, session_id)
    painter.gate.open()
    for _ in range(8):
        painter.slots.release()
    session = await house.ended(session_id)

    assert painter.sent == []
    assert [anchor.status for anchor in session.anchors or ()] == ["pending", "pending"]
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session_id))
    assert [scene.status for scene in (await house.ended(session_id)).scenes] == ["ready"] * 4


# --- Words and pictures ----------------------------------------------------------------------------------------


def test_a_prompt_with_references_keeps_to_its_length() -> None:
    prompt = name_references("A mill. " * 100, ["Mira", "Tomas", "Elin"], 300)

    assert len(prompt) <= 300
    assert "Elin is the one from the third reference image" in prompt
    assert name_references("A mill.", [], 5) == "A mill."


def test_a_portrait_has_the_bibles_words_and_nobody_else() -> None:
    people = [BibleCharacter(name=name, appearance=looks) for name, looks in LOOKS.items()]
    prompt = portrait_prompt(StoryBible(title="T", style="Ink on paper", characters=people), "Mira")

    assert LOOKS["Mira"] in prompt
    assert "Ink on paper." in prompt
    assert "Tomas" not in prompt


def test_a_photograph_loses_its_metadata_and_is_no_larger_than_a_provider_takes() -> None:
    photograph = Image.new("RGB", (3000, 1500), "white")
    exif = photograph.getexif()
    exif[0x0112], exif[0x010E] = 6, "Home of Mira"  # turned by 90 degrees; a description
    out = io.BytesIO()
    photograph.save(out, "JPEG", exif=exif)

    picture = prepare_reference(out.getvalue())

    assert (picture.width, picture.height) == (1024, 2048)
    assert b"Home of Mira" not in picture.content
    with Image.open(io.BytesIO(picture.content)) as image:
        assert (image.size, dict(image.getexif())) == ((1024, 2048), {})


def test_a_bomb_is_no_reference() -> None:
    with pytest.raises(BadImage):
        prepare_reference(png(size=(5000, 4000)))


async def test_another_coat_is_drawn_in_the_portrait_first_and_then_in_its_scenes(
    house: House, painter: Portraitist
) -> None:
    session = await told(house)
    green = BibleEdit(characters=[CharacterEdit(name="Mira", appearance="a girl of nine, green coat")])

    _, view = await house.studio.edit_bible(OWNER, session.session_id, green)
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)

    assert [scene.scene_number for scene in view.scenes if scene.stale] == [0, 2]
    assert [anchor.stale for anchor in view.anchors] == [True, False]
    anew = painter.sent[6:]
    assert "green coat" in anew[0].prompt
    assert [anew[0] in painter.portraits(), len(anew)] == [True, 3]
    assert session.anchors is not None
    assert session.anchors[0].picture is not None
    for request in anew[1:]:
        assert request.references[0].sha256 == session.anchors[0].picture.sha256
    assert stale(house, session) == []
    assert not any(anchor.stale for anchor in house.studio.view(session).anchors)


async def test_a_bible_that_changes_while_a_portrait_is_drawn_makes_it_stale(
    house: House, painter: Portraitist
) -> None:
    painter.gate.close()
    session_id = await house.generate(TALE, num_scenes=4)
    await painter.gate.has(3)
    green = BibleEdit(characters=[CharacterEdit(name="Mira", appearance="a girl of nine, green coat")])

    await house.studio.edit_bible(OWNER, session_id, green)
    painter.gate.open()
    view = house.studio.view(await house.ended(session_id))

    assert [anchor.stale for anchor in view.anchors] == [True, False]


async def test_a_stale_portrait_is_drawn_also_where_its_scenes_have_words_of_their_own(
    house: House, painter: Portraitist
) -> None:
    session = await told(house)
    for number in (0, 2):
        words = SceneEdit(image_prompt=f"Mira by the water, {number}")
        await house.studio.edit_scene(OWNER, session.session_id, number, words)
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)
    green = BibleEdit(characters=[CharacterEdit(name="Mira", appearance="a girl of nine, green coat")])
    await house.studio.edit_bible(OWNER, session.session_id, green)
    edited = await house.studio.owned(OWNER, session.session_id)
    assert stale(house, edited) == [0, 2]  # the portrait that goes with them is to be drawn anew

    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)

    assert "green coat" in painter.portraits()[-1].prompt
    assert stale(house, session) == []
    assert [len(scene.versions) for scene in session.scenes] == [3, 1, 3, 1]


async def test_nobody_draws_a_character_taken_out_before_the_pictures(house: House, painter: Portraitist) -> None:
    session = await told(house, stop_at="prompts")
    without = BibleEdit(characters=[CharacterEdit(name="Mira", remove=True)])

    await house.studio.edit_bible(OWNER, session.session_id, without)
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)

    assert session.status == "completed"
    assert len(painter.portraits()) == 1


async def test_a_cancelled_redraw_of_a_portrait_comes_to_rest(house: House, painter: Portraitist) -> None:
    session = await told(house)
    painter.slots = asyncio.Semaphore(0)
    await house.studio.redraw_anchor(OWNER, session.session_id, "Mira", AnchorRedraw())
    await house.until(session.session_id, lambda now: now.anchor("Mira").status == "drawing")

    await house.studio.cancel(OWNER, session.session_id)
    painter.slots.release()
    session = await house.ended(session.session_id)

    mira = session.anchor("Mira")
    assert (mira.status, mira.asked, mira.picture is not None) == ("pending", False, True)
    assert len(painter.portraits()) == 2


async def test_of_a_character_taken_out_of_the_bible_nothing_more_is_drawn(house: House, painter: Portraitist) -> None:
    session = await told(house)
    without = BibleEdit(characters=[CharacterEdit(name="Mira", remove=True)])

    await house.studio.edit_bible(OWNER, session.session_id, without)
    await house.studio.continue_(OWNER, ContinueRequest(session_id=session.session_id))
    session = await house.ended(session.session_id)

    assert len(painter.portraits()) == 2
    assert [list(scene.references) for scene in house.studio.view(session).scenes] == [[], ["Tomas"], ["Tomas"], []]


async def test_a_session_is_seen_also_when_its_painter_is_gone(house: House) -> None:
    session = await told(house)
    without = dataclasses.replace(house.studio, painters={})

    view = without.view(session)

    assert [anchor.redraw_cost_usd for anchor in view.anchors] == [None, None]
    assert [anchor.status for anchor in view.anchors] == ["ready", "ready"]


# --- Handing over ----------------------------------------------------------------------------------------------


async def test_portraits_go_into_the_zip_and_the_project_file(house: House) -> None:
    session = await told(house)

    entries = names_in((await house.studio.download(OWNER, DownloadRequest(session_id=session.session_id))).chunks)

    with Image.open(io.BytesIO(entries["anchors/00_Mira.jpg"])) as image:
        image.load()
    info = json.loads(entries["project_info.json"])
    assert info["consistency"] == "references"
    assert [(anchor["name"], anchor["file"]) for anchor in info["anchors"]] == [
        ("Mira", "anchors/00_Mira.jpg"),
        ("Tomas", "anchors/01_Tomas.jpg"),
    ]
    assert hashlib.sha256(entries["anchors/01_Tomas.jpg"]).hexdigest() == info["anchors"][1]["sha256"]
    assert [picture["references"] for picture in info["pictures"]] == [["Mira"], ["Tomas"], ["Mira", "Tomas"], []]


async def test_a_portrait_is_served_by_its_signed_address(house: House) -> None:
    session = await told(house)
    url = house.studio.view(session).anchors[0].image_url or ""
    file, _, signature = url.removeprefix(f"/images/{session.session_id}/").partition("?sig=")

    assert (await house.studio.picture(None, session.session_id, file, signature)).is_file()
    with pytest.raises(SessionNotFound):
        await house.studio.picture(None, session.session_id, file, "0" * 32)


# --- Crashes ---------------------------------------------------------------------------------------------------


async def test_a_crash_at_any_moment_pays_no_portrait_twice(tmp_path: Path, house: House, painter: Portraitist) -> None:
    tale = "At dawn Mira walked to the mill and sat down.\n\nAt night Mira crossed the bridge and was gone."
    house.journal.on_commit = photographer = Photographer(house, tmp_path / "crashes")
    first = await house.drawn(tale, num_scenes=2)
    house.journal.on_commit = None
    whole = Counter(painter.world.paid)
    assert len(whole) == 3

    for snapshot in photographer.taken:
        again = Portraitist(snapshot.world)
        again.media = dict(painter.media)
        async with open_house(snapshot.folder, text=NamingText(), painter=again) as restarted:
            session = await restarted.ended(first.session_id)

            assert session.status == "completed"
            assert again.world.paid == whole
            assert [anchor.status for anchor in session.anchors or ()] == ["ready"]
            assert restarted.ledger.open_of(session.session_id) == []
            assert restarted.on_disk(session.session_id) == pytest.approx(session.cost_usd, abs=1e-9)


# --- Over HTTP -------------------------------------------------------------------------------------------------


class Flats(FlatPainter):
    """Every model of it draws after references."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = 4


@pytest.fixture
async def flats(settings: Settings, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    async with open_small_studio(settings, Flats(), metrics) as studio:
        async with client_of(create_app(settings, studio, metrics)) as client:
            yield client


async def test_a_portrait_is_seen_approved_redrawn_and_replaced(flats: httpx.AsyncClient) -> None:
    session_id = await draw(flats, story_text=TALE, num_scenes=4)
    address = f"/sessions/{session_id}/anchors/Mira"

    seen = (await flats.get(address)).json()
    approved = (await flats.patch(address, json={"approved": True})).json()
    redrawn = await flats.post(f"{address}/redraw", json={"seed": 9})
    await finished(flats, session_id)
    replaced = (await flats.put(address, files={"file": ("me.png", png())})).json()
    state = await finished(flats, session_id)

    assert (seen["status"], seen["source"], seen["approved"], seen["scenes"]) == ("ready", "drawn", False, [0, 2])
    assert approved == seen | {"approved": True}
    assert (redrawn.status_code, redrawn.headers["location"]) == (202, f"/status/{session_id}")
    assert (replaced["seed"], replaced["source"]) == (9, "uploaded")
    assert [anchor["name"] for anchor in state["anchors"]] == ["Mira", "Tomas"]
    assert state["anchors"][0] == replaced
    assert [scene["stale"] for scene in state["scenes"]] == [True, False, True, False]
    assert (await flats.get(replaced["image_url"])).headers["content-type"] == "image/jpeg"


async def test_a_picture_may_be_larger_than_other_bodies_but_not_than_pictures(
    flats: httpx.AsyncClient, settings: Settings
) -> None:
    session_id = await draw(flats, story_text=TALE, num_scenes=4)
    address = f"/sessions/{session_id}/anchors/Mira"
    photograph = io.BytesIO()
    Image.effect_noise((1300, 1200), 90).save(photograph, "PNG")

    taken = await flats.put(address, files={"file": ("me.png", photograph.getvalue())})
    declared = {"content-type": "multipart/form-data; boundary=x", "content-length": str(31_000_000)}
    too_large = await flats.put(address, headers=declared)
    words = await flats.patch(address, content=photograph.getvalue(), headers={"content-type": "application/json"})

    assert settings.max_body_bytes < len(photograph.getvalue())
    assert (taken.status_code, too_large.status_code, words.status_code) == (200, 413, 413)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"json": {"file": "me.png"}}, 415, "unsupported_media_type"),
        ({"files": {"picture": ("me.png", b"x")}}, 422, "invalid_request"),
        ({"files": {"file": ("me.png", b"not a picture")}}, 422, "invalid_request"),
    ],
    ids=["json", "another field", "no picture"],
)
async def test_a_form_with_something_else_is_refused(
    flats: httpx.AsyncClient, sent: dict[str, Any], status: int, code: str
) -> None:
    session_id = await draw(flats, story_text=TALE, num_scenes=4)

    answer = await flats.put(f"/sessions/{session_id}/anchors/Mira", **sent)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_session_without_portraits_has_none_to_see(settings: Settings, metrics: Metrics) -> None:
    async with open_small_studio(settings, FlatPainter(), metrics) as studio:
        async with client_of(create_app(settings, studio, metrics)) as client:
            session_id = await draw(client, story_text=TALE, num_scenes=4)

            answer = await client.get(f"/sessions/{session_id}/anchors/Mira")
            state = (await client.get(f"/status/{session_id}")).json()

    assert (answer.status_code, answer.json()["code"]) == (404, "anchor_not_found")
    assert (state["consistency"], state["anchors"]) == ("prompt", [])
