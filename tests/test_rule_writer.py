"""What the rules write without a text model is of use to a real image model, in any language of the story."""

from __future__ import annotations

import pytest

from adapters.rule_writer import (
    COLOURS,
    RuleWriter,
    described,
    look,
    looks,
    shorten,
    told,
    what_happens,
    where_and_when,
    worn_by,
)
from models import GenerationSettings, MediaType, SceneFacts, StoryBible
from utils import StoryReading, read_story

STORIES = {
    "en": (
        "Old Tomas stood on the bridge at dawn. A girl in a red coat named Mira ran to old Tomas. “Wait!” she said.\n\n"
        "At night Mira and Tomas walked through the forest in the rain. Mira held the lantern, and Tomas sang.",
        ["Mira: a girl in a red coat.", "Tomas: old, always in the same "],
        ["dawn", "forest", "at night", "in the rain"],
    ),
    "de": (
        "Am Morgen stand der alte Thomas auf der Brücke. Thomas lachte laut. „Wohin?“, fragte Thomas.\n\n"
        "In der Nacht ging Thomas durch den Wald. Es regnete, und Thomas trug die Laterne.",
        ["Thomas: an old man, always in the same "],
        ["in the morning", "forest", "at night", "in the rain"],
    ),
    "fr": (
        "Au matin, le vieux Henri attendait sur le pont. Camille appela Henri. « Où vas-tu ? » demanda Camille.\n\n"
        "La nuit, Camille et Henri marchaient dans la forêt. Il pleuvait, et Camille portait une lanterne.",
        ["Henri: an old man, always in the same ", "Camille: always in the same "],
        ["in the morning", "forest", "at night"],
    ),
    "es": (
        "Por la mañana, el viejo Tomás esperaba en el puente. Lucía llamó a Tomás. —¿Adónde vas? —preguntó Lucía.\n\n"
        "Por la noche, Lucía y Tomás caminaron por el bosque. Lucía llevaba una linterna y Tomás cantaba.",
        ["Tomás: an old man, always in the same ", "Lucía: always in the same "],
        ["in the morning", "forest", "at night"],
    ),
}


def settings(media_type: MediaType = "cinematic", style: str | None = None) -> GenerationSettings:
    models = {"text_model": "words", "image_model": "pic", "draft_image_model": "draft"}
    return GenerationSettings.model_validate({"media_type": media_type, "style": style, "seed": 3} | models)


def bible_of(text: str, reading: StoryReading, chosen: GenerationSettings | None = None) -> StoryBible:
    facts = [scene.facts for scene in reading.scenes]
    return RuleWriter().bible(reading.title, text, reading.analysis, facts, chosen or settings())


def prompts_of(text: str, scenes: int = 2, *, max_chars: int = 1900) -> list[str]:
    reading = read_story(text, scenes, 12)
    bible = bible_of(text, reading)
    return [
        RuleWriter().scene(bible, text[s.start : s.end], s.facts, settings(), max_chars).image_prompt
        for s in reading.scenes
    ]


@pytest.mark.parametrize("language", STORIES)
def test_a_prompt_says_who_with_which_looks_where_and_when(language: str) -> None:
    text, looks, circumstances = STORIES[language]

    prompts = prompts_of(text)

    assert all(prompt.startswith("Scene from a story: ") for prompt in prompts)
    assert all("Cinematic film still" in prompt for prompt in prompts)
    for words in (*looks, *circumstances):
        assert words in " ".join(prompts), prompts


@pytest.mark.parametrize("language", STORIES)
def test_the_fixed_words_are_the_same_in_every_scene(language: str) -> None:
    text, _, _ = STORIES[language]
    reading = read_story(text, 2, 12)
    bible = bible_of(text, reading)

    for character in bible.characters:
        for scene, prompt in zip(reading.scenes, prompts_of(text), strict=True):
            assert (character.name in scene.facts.characters) <= (f"{character.name}: {character.appearance}" in prompt)


def test_the_same_story_gives_the_same_words() -> None:
    text, _, _ = STORIES["en"]

    assert prompts_of(text) == prompts_of(text)


def test_a_story_in_a_script_without_spaces_gets_a_prompt() -> None:
    prompts = prompts_of(
        "清晨，小明来到河边。他看见一只纸船。“这是谁的船？”小明问。\n\n晚上，小明在森林里点灯。他笑了。"
    )

    assert "纸船" in prompts[0]
    assert "谁的船" not in prompts[0]
    assert "(river), in the morning" in prompts[0]
    assert "(forest), at night" in prompts[1]


@pytest.mark.parametrize("max_chars", [120, 400, 1900])
def test_a_prompt_is_never_longer_than_allowed(max_chars: int) -> None:
    text = " ".join(["Mira walked and walked and Tomas followed her."] * 60)

    assert all(len(prompt) <= max_chars for prompt in prompts_of(text, max_chars=max_chars))


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("Mira, a girl in a red coat, ran.", "a girl in a red coat"),
        ("There was a small boy named Mira.", "a small boy"),
        ("An old baker called Mira slept.", "an old baker"),
        ("Mira, a little later, ran.", None),
        ("Mira ran, and a girl slept.", None),
    ],
    ids=["apposition", "named", "called", "not a person", "somebody else"],
)
def test_what_the_story_says_beside_a_name(story: str, expected: str | None) -> None:
    assert described("Mira", story) == expected


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("Mira wore a torn blue jacket.", "wearing a torn blue jacket"),
        ("Mira, in her yellow rain coat, laughed.", "wearing a yellow rain coat"),
        ("Mira saw Tomas in his red coat.", None),
        ("Mira stood in her garden.", None),
        ("Mira laughed. He wore a red hat.", None),
    ],
    ids=["wore", "in her", "another's", "no clothes", "next sentence"],
)
def test_the_clothes_the_story_gives(story: str, expected: str | None) -> None:
    assert worn_by("Mira", story) == expected


@pytest.mark.parametrize(
    ("name", "story", "beginning"),
    [
        ("Tomas", "Then old Tomas smiled.", "old, always in the same "),
        ("Mira", "Dort saß die kleine Mira.", "little, always in the same "),
        ("Иван", "Там стоял старый Иван.", "old, always in the same "),
        ("Mira", "Mira, a baker, wore a green hat.", "a baker, wearing a green hat"),
        ("the Fox", "The old fox slept.", "a fox"),
        ("Mira", "", "always in the same "),
    ],
    ids=["english", "german", "russian", "trade and clothes", "animal", "nothing said"],
)
def test_a_look_is_what_is_said_and_else_picked(name: str, story: str, beginning: str) -> None:
    assert look(name, 3, story).startswith(beginning)
    assert look(name, 3, story) == look(name, 3, story)


@pytest.mark.parametrize("seed", range(5))
def test_no_two_people_of_a_story_wear_the_same_colour(seed: int) -> None:
    names = ["Mira", "Tomas", "Odile", "Bruno", "Elin", "Oskar", "Nadia", "Petra"]

    worn = [set(words.split()) & set(COLOURS) for words in looks(names, seed, "", "en").values()]

    assert len(set.union(*worn)) == len(names) == len(COLOURS)


@pytest.mark.parametrize(
    ("name", "story", "language", "beginning"),
    [
        ("Ilse", "Ilse Brandt had silver hair and wore a green cap. She sang.", "en",
         "a woman with silver hair, wearing a green cap"),
        ("Ilse", "Ilse came. She wore a green cap. Bruno sat.", "en", "a woman, wearing a green cap"),
        ("Button", "Mira called his dog Button and ran.", "en", "a dog, "),
        ("PIP", "PIP, a small green robot, rolled in.", "en", "a small green robot, "),
        ("Pawel", "The boy Pawel was late; he ran.", "en", "a boy, always in the same "),
        ("Tomas", "Then old Tomas smiled. He sat down.", "en", "an old man, always in the same "),
        ("Jorin", "»Ich heiße Jorin«, antwortete der Junge.", "de", "a boy, always in the same "),
        ("阿青", "有一个叫阿青的女孩。她笑了。", "zh", "a girl, always in the same "),
        ("Kim", "Kim sat down.", "en", "always in the same "),
    ],
    ids=["hair and cap", "the next sentence", "pet", "apposition", "boy", "old man", "Junge", "女孩", "untold"],
)  # fmt: skip
def test_a_look_takes_what_the_story_says_around_a_name(name: str, story: str, language: str, beginning: str) -> None:
    assert f"{looks([name], 3, story, language)[name]}, ".startswith(beginning)


def test_a_description_is_what_is_told_without_title_and_heading() -> None:
    assert told("The Mill\n\nChapter 1\n\nIt rained. “Go!” said Mira.") == "It rained. “Go!” said Mira."
    assert told("第一章 河边\n\u3000清晨，米拉走了。") == "清晨，米拉走了。"
    assert told("Only a title") == "Only a title"


def test_a_chinese_sentence_ends_as_it_does_in_the_story() -> None:
    prompt = prompts_of("清晨，小明来到河边。他看见一只纸船。", scenes=1)[0]

    assert "纸船。" in prompt
    assert "。." not in prompt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("THE BOAT\n\nMira ran. “Stop!” cried Tomas. He fell.", "Mira ran. He fell."),
        ("“Stop!” cried Tomas.", "“Stop!” cried Tomas."),
        ("* * *\n\nIt rained.", "It rained."),
        ("no stop at all", "no stop at all"),
    ],
    ids=["heading and speech", "only speech", "ornament", "fragment"],
)
def test_a_picture_shows_what_happens_not_what_is_said(text: str, expected: str) -> None:
    assert what_happens(text) == expected


def test_place_time_weather_and_mood_in_english() -> None:
    facts = SceneFacts(location="Wald", place_kind="forest", time_of_day="night", weather="fog", mood="tense")

    assert where_and_when(facts) == "Wald (forest), at night, in thick fog, tense mood"
    assert where_and_when(SceneFacts(location="forest", place_kind="forest")) == "forest"
    assert where_and_when(SceneFacts()) == ""


def test_a_story_without_a_title_gets_its_first_words() -> None:
    text = STORIES["en"][0]
    reading = read_story(text, 1, 12)

    bible = RuleWriter().bible(" ", text, reading.analysis, [reading.scenes[0].facts], settings())

    assert bible.title.startswith("Old Tomas stood on the bridge")
    assert len(bible.title) <= 60


def test_a_wished_style_is_the_style() -> None:
    text = STORIES["en"][0]

    assert bible_of(text, read_story(text, 1, 12), settings(style="Woodcut")).style == "Woodcut"


def test_every_media_type_has_a_style_of_its_own() -> None:
    kinds: tuple[MediaType, ...] = ("cinematic", "cartoon", "realistic", "artistic")
    text = STORIES["en"][0]
    reading = read_story(text, 1, 12)

    assert len({bible_of(text, reading, settings(kind)).style for kind in kinds}) == 4


def test_softening_replaces_what_models_refuse_and_nothing_else() -> None:
    softened = RuleWriter().soften("He drew his Sword; the wounded knight bled on the swordfish.")

    assert softened == "He drew his staff; the bandaged knight bled on the swordfish."
    assert RuleWriter().soften("A quiet garden.") == "A quiet garden."


def test_shortening_cuts_at_a_word() -> None:
    assert shorten("one two three", 13) == "one two three"
    assert shorten("one two three", 9) == "one two…"
