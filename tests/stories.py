"""Stories to order: any number of scenes, no two stories and no two scenes alike."""

from __future__ import annotations

import random

_NAMES = ("Mira", "Tomas", "Elin", "Oskar", "Nadia", "Bruno", "Livia", "Anselm", "Petra", "Kasimir", "Runa", "Joris")
_PLACES = ("mill", "harbour", "market", "lighthouse", "forest", "castle", "attic", "bridge", "orchard", "island")
_TIMES = ("At dawn", "In the morning", "At noon", "In the evening", "At night", "Before sunrise", "After supper")
_WEATHERS = ("rain fell", "snow lay thick", "fog came in", "the sun shone", "a storm rose", "the wind dropped")
_THINGS = ("a paper boat", "an iron key", "a blue lantern", "a map", "a bell", "a basket of pears", "a broken clock")
_DEEDS = ("found", "carried", "hid", "mended", "lost", "followed", "gave away", "remembered")


def story(number: int, scenes: int, *, extra: dict[int, str] | None = None) -> str:
    """Story number `number` with that many scenes, a paragraph each; `extra[i]` is a sentence added to scene i."""
    chance = random.Random(f"story {number}")
    hero, friend = chance.sample(_NAMES, 2)
    paragraphs = [_scene(chance, hero, friend, number, index) for index in range(scenes)]
    for index, sentence in (extra or {}).items():
        paragraphs[index] += f" {sentence}"
    return "\n\n".join(paragraphs)


def _scene(chance: random.Random, hero: str, friend: str, number: int, index: int) -> str:
    place, other = chance.sample(_PLACES, 2)
    thing, deed = chance.choice(_THINGS), chance.choice(_DEEDS)
    return (
        f"{chance.choice(_TIMES)} {hero} came to the {place}, where {chance.choice(_WEATHERS)} and nobody spoke. "
        f"There {hero} {deed} {thing}, the one that {friend} had left by the {other} long ago. "
        f"“Is this the {place} you told me of?” asked {friend}, and {hero} counted {number * 100 + index} steps. "
        f"Then the two of them went on together, slowly, with {chance.choice(_THINGS)} between them."
    )
