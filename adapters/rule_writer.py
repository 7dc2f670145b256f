"""Writes the story bible and the picture prompts by rule, for when there is no text model."""

from __future__ import annotations

import re
import zlib

from ai_services import SceneText, compose_prompt
from models import BibleCharacter, BiblePlace, GenerationSettings, MediaType, SceneFacts, ScriptAnalysis, StoryBible

MAX_CHARACTERS = 8
MAX_PLACES = 8
MOMENT_CHARS = 320  # how much of the scene's own words goes into a prompt

STYLES: dict[MediaType, str] = {
    "cinematic": "Cinematic film still, dramatic natural light, deep perspective, rich colour grading",
    "cartoon": "Hand-drawn cartoon, clean outlines, flat bright colours, friendly rounded shapes",
    "realistic": "Realistic photograph, natural light, true colours, fine detail",
    "artistic": "Painterly illustration, visible brush strokes, harmonious palette, textured paper",
}

# A recurring character needs something that stays: where the story gives us only a name, the rule picks a coat.
COLOURS = ("red", "blue", "green", "yellow", "violet", "orange", "teal", "brown")
GARMENTS = ("coat", "scarf", "cloak", "jacket")
ANIMALS = frozenset(
    "badger bear beaver bird cat cow crow deer dog donkey dragon duck eagle elephant fox frog goat goose hare hawk hen"
    " horse lion mole monkey mouse otter owl ox pig pigeon pony rabbit rat raven robot rooster sheep snake sparrow"
    " spider squirrel swan tiger toad turtle whale wolf".split()
)

TIMES = {
    "dawn": "at dawn",
    "morning": "in the morning",
    "day": "by day",
    "evening": "in the evening",
    "night": "at night",
}
WEATHERS = {
    "cloudy": "under a clouded sky",
    "rain": "in the rain",
    "snow": "in falling snow",
    "fog": "in thick fog",
    "storm": "in a storm",
    "wind": "in the wind",
}

# One softer word for each that picture models refuse most often; used once, after a refusal.
SOFTER = {
    "blood": "red paint",
    "bloody": "stained",
    "bleeding": "tired",
    "corpse": "sleeping figure",
    "dead": "sleeping",
    "death": "stillness",
    "die": "rest",
    "died": "rested",
    "dies": "rests",
    "gun": "torch",
    "guns": "torches",
    "kill": "stop",
    "killed": "stopped",
    "killing": "stopping",
    "kills": "stops",
    "knife": "stick",
    "murder": "quarrel",
    "murdered": "vanished",
    "naked": "robed",
    "nude": "robed",
    "rifle": "staff",
    "shoot": "point at",
    "shot": "startled",
    "slaughter": "tumult",
    "stab": "push",
    "stabbed": "pushed",
    "sword": "staff",
    "torture": "trouble",
    "weapon": "tool",
    "weapons": "tools",
    "wound": "bandage",
    "wounded": "bandaged",
}
_SOFTER = re.compile(rf"\b(?:{'|'.join(SOFTER)})\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


class RuleWriter:
    """The offline stand-in for the text model; the same input gives the same words."""

    def bible(
        self, title: str, analysis: ScriptAnalysis, facts: list[SceneFacts], settings: GenerationSettings
    ) -> StoryBible:
        """Who recurs and where the story goes, by the analysis; looks are picked by name and seed."""
        present = [name for scene in facts for name in scene.characters]
        names = sorted(set(present), key=lambda name: (-present.count(name), present.index(name)))[:MAX_CHARACTERS]
        places = [place for place in analysis.locations if place.name][:MAX_PLACES]
        return StoryBible(
            title=title,
            style=settings.style or STYLES[settings.media_type],
            characters=[BibleCharacter(name=name, appearance=look(name, settings.seed)) for name in names],
            places=[BiblePlace(name=place.name, description=place.kind or place.name) for place in places],
            source="offline",
        )

    def scene(
        self, bible: StoryBible, text: str, facts: SceneFacts, settings: GenerationSettings, max_chars: int
    ) -> SceneText:
        """A scene's description (its own first words) and a prompt of facts, looks and style."""
        moment = shorten(_SPACES.sub(" ", text).strip(), MOMENT_CHARS)
        looks = {character.name: character.appearance for character in bible.characters}
        who = "; ".join(f"{name}, {looks[name]}" if looks.get(name) else name for name in facts.characters)
        prompt = compose_prompt(
            style=bible.style, who=who, action=moment, place=where_and_when(facts), max_chars=max_chars
        )
        return SceneText(
            title="",
            description=moment,
            image_prompt=prompt,
            characters=facts.characters,
            location=facts.location,
            time_of_day=facts.time_of_day,
        )

    def soften(self, prompt: str) -> str:
        """The prompt with the words that picture models refuse most often replaced."""
        return _SOFTER.sub(lambda match: SOFTER[match.group().lower()], prompt)


def look(name: str, seed: int) -> str:
    """The fixed words for a character of whom only the name is known."""
    for word in re.findall(r"[a-z]+", name.lower()):
        if word in ANIMALS:
            return f"a {word}"
    number = zlib.crc32(f"{seed}:{name}".encode())
    return f"always in the same {COLOURS[number % len(COLOURS)]} {GARMENTS[number // 8 % len(GARMENTS)]}"


def where_and_when(facts: SceneFacts) -> str:
    """Place, time and weather in a few English words; empty when nothing is known."""
    place = facts.place_kind or ""
    if facts.location and facts.location.lower() != place:
        place = f"{facts.location} ({place})" if place else facts.location
    parts = [place, TIMES.get(facts.time_of_day, ""), WEATHERS.get(facts.weather, "")]
    mood = f"{facts.mood} mood" if facts.mood else ""
    return ", ".join(part for part in (*parts, mood) if part)


def shorten(text: str, chars: int) -> str:
    """The text, cut at a word where it is longer than `chars` characters."""
    if len(text) <= chars:
        return text
    return text[: chars - 1].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + "…"
