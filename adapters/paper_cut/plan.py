"""Decides what a picture shows: place, time, weather, mood, cast and the things that tell the scene from others."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.paper_cut.colours import MEDIA
from adapters.paper_cut.colours import TIMES as LIT_TIMES
from adapters.paper_cut.colours import WEATHERS as LIT_WEATHERS
from adapters.paper_cut.figures import Look, look_of
from adapters.paper_cut.paper import chance
from adapters.paper_cut.places import PAINTERS
from adapters.paper_cut.props import PROPS, Where
from adapters.paper_cut.words import (
    ANIMALS,
    COLOURS,
    INTERIORS,
    MOODS,
    PEOPLE,
    PLACES,
    SIMILE,
    TIMES,
    WEATHERS,
    WORD,
    first_of,
    things_in,
    words_of,
)
from adapters.paper_cut.words import PROPS as PROPS_WORDS

MAX_CAST = 5
READ_CHARS = 20_000  # of a scene's text; more would not change the picture
ROOM_FOR: dict[Where, int] = {"landmark": 1, "ground": 2, "hand": 2, "sky": 1, "water": 1}
SHOWN_BY_THE_PLACE: dict[str, frozenset[str]] = {
    "village": frozenset({"house"}), "town": frozenset({"house"}), "forest": frozenset({"tree"}),
    "garden": frozenset({"tree", "flower"}), "market": frozenset({"house"}), "castle": frozenset({"tower", "castle"}),
    "harbour": frozenset({"house"}), "interior": frozenset({"window"}), "space": frozenset({"house"}),
    "cave": frozenset({"rock"}), "mountain": frozenset({"rock"}),
}  # fmt: skip


KINDS_OF: dict[str, tuple[str, ...]] = {  # places we can draw more closely than the reading names them
    "sea": ("harbour", "beach", "underwater"), "river": ("lake", "swamp"), "forest": ("swamp",), "hills": ("swamp",),
    "town": ("harbour", "market"), "village": ("market",),
}  # fmt: skip
SOMEBODY = {
    "her-child": "girl", "him-child": "boy", "her-old": "grandmother", "him-old": "grandfather",
    "her-adult": "woman", "him-adult": "man",
}  # fmt: skip
SKY_BEINGS = frozenset({"star", "moon", "sun", "cloud"})  # people of the story only by name
INDOORS = frozenset({"bed", "mirror", "chair", "window"})
OUTDOORS = frozenset(
    {name for name, prop in PROPS.items() if prop.where in ("landmark", "sky", "water")}
    | {"well", "fence", "car", "swing", "sign", "cart", "snowman", "skull", "rock", "bench"}
) - {"boat", "statue", "butterfly"}  # what a room has no place for
DRY = frozenset(PAINTERS) - {"sea", "beach", "harbour", "river", "lake", "swamp"}  # a boat there is one that is carried


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is known about a scene, in plain words; `width` and `height` in pixels."""

    width: int
    height: int
    seed: int = 0
    story_seed: int = 0
    place: str | None = None
    location: str | None = None
    time: str = "unknown"
    weather: str = "unknown"
    mood: str | None = None
    media: str = "cinematic"
    figures: tuple[tuple[str, str], ...] = ()  # name, appearance
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be drawn; every word is one of our own tables', nothing of the story's text is left in it."""

    place: str
    inside: str
    time: str
    weather: str
    mood: str
    media: str
    cast: tuple[Look, ...]
    props: tuple[str, ...]
    dyes: dict[str, str]  # the colour the text gives a thing
    extras: tuple[str, ...]  # animals that pass by
    overhead: frozenset[str]  # `star`, `moon`, `lightning`, …


def plan_of(sketch: Sketch) -> Plan:
    """The plan for a sketch: its facts first, then what its words name, then a neutral choice."""
    text = SIMILE.sub(" ", _without_names(sketch.text[:READ_CHARS], sketch.figures))
    location = sketch.location or ""
    place = _place(sketch, location, text)
    people = sketch.figures[:MAX_CAST] or tuple((who, "") for who in _anybody(text))
    cast = tuple(look_of(name, appearance, sketch.story_seed) for name, appearance in people)
    scores = _scores(f"{location}\n{text}", location)
    props = _choice(scores, place)
    return Plan(
        place=place,
        inside=first_of(INTERIORS, words_of(location)) or _most(INTERIORS, f"{location}\n{text}") or "room",
        time=_time(sketch, text),
        weather=sketch.weather if sketch.weather in LIT_WEATHERS else _most(WEATHERS, text) or "clear",
        mood=first_of(MOODS, words_of(sketch.mood or "")) or _most(MOODS, text, least=2) or "plain",
        media=sketch.media if sketch.media in MEDIA else "cinematic",
        cast=cast,
        props=props,
        dyes=_dyes(text, props),
        extras=_extras(text, cast),
        overhead=frozenset(scores) & {"star", "moon", "sun", "lightning", "cloud"},
    )


def _without_names(text: str, figures: tuple[tuple[str, str], ...]) -> str:
    """The text with the cast's names blanked: Rose is no flower, and the fox of the cast is drawn anyway."""
    names = {word for name, _ in figures for word in words_of(name)}
    return WORD.sub(lambda match: "Xx" if match.group().casefold() in names else match.group(), text) if names else text


def _anybody(text: str) -> list[str]:
    """When nobody has a name: the grandmother, the boy or the king the text speaks of."""
    return [SOMEBODY[who] for who in things_in(PEOPLE, text) if who in SOMEBODY][:2]


def _place(sketch: Sketch, location: str, text: str) -> str:
    kind = (sketch.place or "").casefold()
    nearer = first_of(PLACES, words_of(location))
    if nearer in KINDS_OF.get(kind, ()):
        return str(nearer)
    if kind in PAINTERS and kind != "sky":
        return kind
    if kind == "sky":  # the sky is over every scene: it is the place only where no other is named
        return _most({word: thing for word, thing in PLACES.items() if thing != "sky"}, text) or kind
    words = words_of(kind) + words_of(location)
    found = first_of(PLACES, words) or next(iter(things_in(PLACES, f"{kind} {location}")), None)
    return found or _most(PLACES, text) or "hills"


def _time(sketch: Sketch, text: str) -> str:
    if sketch.time in LIT_TIMES:
        return sketch.time
    named = next(iter(things_in(TIMES, text)), None)
    return named or chance("time", sketch.seed).choice(("morning", "day", "day"))


def _most(table: dict[str, str], text: str, *, least: int = 1) -> str | None:
    """The thing that is named most often; the earlier one when two are even."""
    found = things_in(table, text)
    best = max(found, key=lambda thing: (len(found[thing]), -found[thing][0]), default=None)
    return best if best and len(found[best]) >= least else None


def _scores(text: str, location: str) -> dict[str, float]:
    """How much the scene is about each thing: often named, named early, named as the place itself."""
    there = set(things_in(PROPS_WORDS, location))
    return {
        thing: len(at) + (3.0 if thing in there else 0.0) + 0.5 * (1 - at[0] / (len(text) + 1))
        for thing, at in things_in(PROPS_WORDS, text).items()
    }


def _fits(thing: str, place: str) -> bool:
    inside = place == "interior"
    if thing in (OUTDOORS if inside else INDOORS):
        return False
    return thing in PROPS and thing not in SHOWN_BY_THE_PLACE.get(place, frozenset())


def _choice(scores: dict[str, float], place: str) -> tuple[str, ...]:
    """The things that find room, the most telling first."""
    room, chosen = dict(ROOM_FOR), []
    for thing in sorted(scores, key=lambda name: -scores[name]):
        if _fits(thing, place) and room[PROPS[thing].where] > 0:
            room[PROPS[thing].where] -= 1
            chosen.append(thing)
    return tuple("paper_boat" if thing == "boat" and place in DRY else thing for thing in chosen[:5])


def _dyes(text: str, props: tuple[str, ...]) -> dict[str, str]:
    """Colours that stand right before the word for a thing: a yellow umbrella."""
    named = things_in(PROPS_WORDS, text)
    found: dict[str, str] = {}
    for thing in props:
        for at in named.get(thing, ()):
            before = words_of(text[max(0, at - 24) : at])[-1:]
            if before and before[0] in COLOURS:
                found.setdefault(thing, COLOURS[before[0]])
    return found


def _extras(text: str, cast: tuple[Look, ...]) -> tuple[str, ...]:
    here = {look.kind for look in cast}
    found = {kind: at for kind, at in things_in(ANIMALS, text, names_too=False).items() if kind not in SKY_BEINGS}
    return tuple(kind for kind in sorted(found, key=lambda kind: -len(found[kind])) if kind not in here)[:2]
