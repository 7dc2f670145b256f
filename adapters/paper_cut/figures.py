"""The cast as paper dolls: whoever has the same name in the same story has the same build and clothes in every scene."""

# ruff: noqa: E501 - a path reads best in one line

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

from adapters.paper_cut.colours import darker, lighter, mix, rgb
from adapters.paper_cut.paper import Cut, Part, box, chance, dot, poly, star
from adapters.paper_cut.words import (
    ANIMALS,
    COLOURS,
    GARMENTS,
    HAIR_COLOURS,
    HAIR_STYLES,
    HATS,
    LIKELY_HER_ENDINGS,
    LIKELY_HIM,
    MARKS,
    PEOPLE,
    PEOPLE_NAMED_LIKE_BIRDS,
    first_of,
    words_of,
)

CLOTH = (
    "#c8413b", "#e07a2f", "#e3b23c", "#7fa33a", "#2f8f6b", "#2a9aa6", "#2f6fb3", "#4a4fb0", "#7d4aa8", "#b0468f",
    "#d4647c", "#8a5a3c", "#3f6b4b", "#5d7fa3", "#a8324a",
)  # fmt: skip
SKINS = ("#f6d7bd", "#eec29c", "#d9a577", "#b87f52", "#8d5a3a", "#65402b")
HAIRS = ("#2b2026", "#4a2f22", "#7b4a26", "#b5702f", "#d9a441", "#a8432a", "#efe6d8")
FULL_DESCRIPTION = 9  # words; an appearance that says so much and no hat means no hat


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that makes somebody the same somebody in every picture."""

    kind: str  # `person`, or a key of the animal table
    age: str  # child, adult, old
    cloth: str
    second: str
    skin: str
    hair: str
    style: str
    garment: str
    hat: str
    mark: str
    beard: bool
    scale: float  # 1 is an adult


@dataclass(frozen=True, slots=True)
class Pose:
    """How somebody stands in one picture."""

    stride: float = 0.0  # 0 stands, 1 walks
    raised: bool = False  # the near arm is up
    helmet: bool = False


def look_of(name: str, appearance: str, story_seed: int) -> Look:
    """The look of a name: what the appearance says, and for the rest a choice that the name and the story fix."""
    rng = chance("look", story_seed, name.casefold())
    said, called = words_of(appearance), words_of(name)
    age = first_of(PEOPLE, called) or first_of(PEOPLE, said) or ""
    kind = _kind(called, said)
    her = "her" in age or (not age.startswith("him") and _sounds_like_her(name, rng))
    age_only = age.split("-")[-1] if age else rng.choice(("child", "adult", "adult", "adult"))
    hats = ("", "", "", "cap", "brim", "beret", "bobble", "kerchief" if her else "cap")
    hat, mark = rng.choice(hats), rng.choice(("scarf", "bag", "apron", "belt", "buttons", "stripes", "patch", "cape"))
    garment = rng.choice(("coat", "dress", "dress", "tunic") if her else ("coat", "trousers", "tunic", "coat"))
    style = rng.choice(("long", "bob", "braids", "bun", "curls") if her else ("short", "short", "curls", "bob", "tuft"))
    skin = _said_skin(said) or rng.choice(SKINS)
    cloth = _said_colour(said, GARMENTS) or rng.choice([colour for colour in CLOTH if _apart(colour, skin)])
    hair = rng.choice(HAIRS[:3] if skin in SKINS[3:] else HAIRS[:-1])
    second = _said_colour(said, {**HATS, **MARKS}) or rng.choice(
        [other for other in CLOTH if _apart(other, cloth) and _apart(other, skin)]
    )
    beard = age_only == "old" and not her and rng.random() < 0.8
    height = rng.uniform(0.92, 1.06)
    if age_only == "old":
        hair, style = "#e9e4dc", "bun" if her else rng.choice(("short", "bald"))
    return Look(
        kind=kind,
        age=age_only,
        cloth=cloth,
        second=second,
        skin=skin,
        hair=_said_colour(said, ("hair", "hairs", "braids", "curls", "beard", "fur"), HAIR_COLOURS) or hair,
        style=first_of(HAIR_STYLES, said) or style,
        garment=first_of(GARMENTS, said) or garment,
        hat=first_of(HATS, said) or first_of(HATS, called) or ("" if len(said) > FULL_DESCRIPTION else hat),
        mark=first_of(MARKS, said) or mark,
        beard=beard or "beard" in said or "bearded" in said,
        scale=height * {"child": 0.70, "old": 0.94}.get(age_only, 1.0),
    )


def figure(look: Look, pose: Pose) -> Cut:
    """The doll, about 100 units high as an adult, feet at (0, 0), looking to the right."""
    if look.kind in BEASTS:
        return BEASTS[look.kind](look)
    return _person(look, pose)


def hand(look: Look) -> tuple[float, float]:
    """Where the raised hand of a person is, in the doll's units."""
    return (27.0, -78.0) if look.kind == "person" else (30.0, -50.0)


# --- People ----------------------------------------------------------------------------------------------------


def _person(look: Look, pose: Pose) -> Cut:
    child = look.age == "child"
    head = -86.0 if not child else -84.0
    radius = 12.5 if not child else 15.5
    return (
        *_cape(look),
        *_hair_behind(look, head, radius),
        *_legs(look, pose),
        *_arm(look, far=True, raised=False),
        *_body(look),
        *_mark(look),
        *_head(look, head, radius),
        *_hair_front(look, head, radius),
        *_hat(look, head, radius),
        *(_helmet(head, radius) if pose.helmet else ()),
        *_arm(look, far=False, raised=pose.raised),
    )


def _legs(look: Look, pose: Pose) -> Cut:
    trousers = darker(look.second, 0.35)
    shoe, spread = darker(look.cloth, 0.62), 4 + 9 * pose.stride
    legs = f"M-5 -36L{-5 - spread * 0.6:.1f} -4M5 -36L{5 + spread:.1f} -4"
    return (
        Part(legs, None, trousers, 8.5),
        Part(dot(-4 - spread * 0.6, -2.6, 6.4, 3.4) + dot(6.5 + spread, -2.6, 6.4, 3.4), shoe),
    )


def _body(look: Look) -> Cut:
    cloth = look.cloth
    if look.garment == "dress":
        return (
            Part("M-9 -73Q0 -78 9 -73Q12 -56 11 -48Q20 -28 25 -13Q0 -7 -25 -13Q-20 -28 -11 -48Q-12 -56 -9 -73Z", cloth),
            Part("M-11 -49Q0 -45 11 -49L11.5 -46Q0 -41.500 -11.500 -46Z", darker(cloth, 0.3)),
            Part("M-23.6 -16Q0 -10 23.6 -16L25 -13Q0 -7 -25 -13Z", look.second),
        )
    if look.garment == "coat":
        return (
            Part("M-11 -73Q0 -79 11 -73Q15 -52 18 -24Q0 -18 -18 -24Q-15 -52 -11 -73Z", cloth),
            Part("M1 -75L2 -21", None, darker(cloth, 0.35), 1.4),
            Part(poly((-6, -75), (1, -66), (7, -75), (3, -78), (-3, -78)), lighter(cloth, 0.35)),
            Part(dot(5, -60, 1.5) + dot(5.4, -51, 1.5) + dot(5.8, -42, 1.5), look.second),
        )
    if look.garment == "tunic":
        return (
            Part("M-11 -73Q0 -79 11 -73Q13 -54 15 -36Q0 -30 -15 -36Q-13 -54 -11 -73Z", cloth),
            Part("M-13.5 -50L13.500 -50", None, look.second, 4.2),
        )
    return (
        Part("M-11 -73Q0 -79 11 -73Q12 -58 12 -44Q0 -40 -12 -44Q-12 -58 -11 -73Z", cloth),
        Part("M-12 -46Q0 -42 12 -46L13 -34Q0 -30 -13 -34Z", darker(look.second, 0.35)),
        Part("M-6 -74L-7 -44M6 -74L7 -44", None, look.second, 2.6),
    )


def _arm(look: Look, *, far: bool, raised: bool) -> Cut:
    sleeve = darker(look.cloth, 0.22 if far else 0.12)
    if far:
        return (Part("M-10 -69Q-17 -58 -17 -46", None, sleeve, 7.4), Part(dot(-17, -43, 3.7), look.skin))
    if raised:
        return (Part("M9 -69Q19 -66 25 -76", None, sleeve, 7.4), Part(dot(26.5, -79, 3.9), look.skin))
    return (Part("M10 -69Q17 -58 18 -47", None, sleeve, 7.4), Part(dot(18.3, -43.500, 3.7), look.skin))


def _head(look: Look, y: float, r: float) -> Cut:
    cheek = mix(look.skin, "#e0584f", 0.38)
    eye, white = "#241c22", r * (0.165 if look.skin in SKINS[3:] else 0.0)
    parts = [
        Part("M-2 -74L2 -74L3 -80L-3 -80Z", darker(look.skin, 0.12)),
        Part(dot(0, y, r), look.skin),
        Part(dot(r * 0.94, y + r * 0.16, r * 0.17), look.skin),
        Part(dot(r * 0.06, y + r * 0.38, r * 0.2) + dot(r * 0.74, y + r * 0.36, r * 0.17), cheek),
        Part(dot(r * 0.16, y + r * 0.04, white) + dot(r * 0.66, y + r * 0.04, white), lighter(look.skin, 0.7)),
        Part(dot(r * 0.18, y + r * 0.04, r * 0.115) + dot(r * 0.68, y + r * 0.04, r * 0.115), eye),
        Part(
            f"M{r * 0.3:.1f} {y + r * 0.52:.1f}q{r * 0.16:.1f} {r * 0.14:.1f} {r * 0.32:.1f} 0",
            None,
            darker(cheek, 0.4),
            1.1,
        ),
    ]
    if look.beard:
        beard = (
            f"M{-r * 0.55:.1f} {y + r * 0.2:.1f}Q{-r * 0.6:.1f} {y + r * 1.5:.1f} {r * 0.35:.1f} {y + r * 1.75:.1f}"
            f"Q{r * 1.1:.1f} {y + r * 1.3:.1f} {r * 0.92:.1f} {y + r * 0.3:.1f}Q{r * 0.45:.1f} {y + r * 0.42:.1f} {-r * 0.55:.1f} {y + r * 0.2:.1f}Z"
        )
        parts.insert(4, Part(beard, look.hair))
    if look.mark == "glasses":
        rings = dot(r * 0.14, y + r * 0.04, r * 0.27) + dot(r * 0.72, y + r * 0.04, r * 0.25)
        parts.append(Part(rings, None, "#3b2d33", 1.1))
    return tuple(parts)


def _hair_behind(look: Look, y: float, r: float) -> Cut:
    h = look.hair
    shapes = {
        "long": (Part(f"M{-r * 1.08:.1f} {y:.1f}Q{-r * 1.5:.1f} {y + r * 2.2:.1f} {-r * 0.9:.1f} {y + r * 2.9:.1f}L{r * 0.5:.1f} {y + r * 2.6:.1f}L{r * 0.8:.1f} {y:.1f}Z", h),),
        "bob": (Part(f"M{-r * 1.12:.1f} {y - r * 0.1:.1f}Q{-r * 1.35:.1f} {y + r * 1.1:.1f} {-r * 0.9:.1f} {y + r * 1.25:.1f}L{r * 0.9:.1f} {y + r * 1.1:.1f}L{r:.1f} {y:.1f}Z", h),),
        "bun": (Part(dot(-r * 0.7, y - r * 0.95, r * 0.5), h),),
        "braids": (
            Part(f"M{-r * 0.8:.1f} {y + r * 0.3:.1f}Q{-r * 1.7:.1f} {y + r * 1.2:.1f} {-r * 1.2:.1f} {y + r * 2.5:.1f}", None, h, r * 0.42),
            Part(dot(-r * 1.2, y + r * 2.3, r * 0.26), look.second),
        ),
        "curls": (Part("".join(dot(-r * a, y + r * b, r * 0.46) for a, b in ((1.0, 0.5), (1.15, -0.05), (0.95, -0.6), (0.75, 0.85))), h),),
    }  # fmt: skip
    return shapes.get(look.style, ())


def _hair_front(look: Look, y: float, r: float) -> Cut:
    if look.style == "bald":
        return (Part(dot(-r * 0.95, y + r * 0.2, r * 0.28), look.hair),)
    cap = (
        f"M{-r * 1.06:.1f} {y + r * 0.35:.1f}Q{-r * 1.3:.1f} {y - r * 1.15:.1f} {r * 0.05:.1f} {y - r * 1.14:.1f}"
        f"Q{r * 1.1:.1f} {y - r * 1.1:.1f} {r * 0.98:.1f} {y - r * 0.3:.1f}"
        f"Q{r * 0.3:.1f} {y - r * 0.3:.1f} {-r * 0.1:.1f} {y - r * 0.55:.1f}Q{-r * 0.35:.1f} {y - r * 0.1:.1f} {-r * 0.55:.1f} {y + r * 0.4:.1f}Z"
    )
    parts = [Part(cap, look.hair)]
    if look.style == "curls":
        parts.append(
            Part(
                "".join(dot(r * a, y - r * b, r * 0.42) for a, b in ((-0.5, 0.95), (0.1, 1.08), (0.62, 0.82))),
                look.hair,
            )
        )
    if look.style == "tuft":
        parts.append(
            Part(
                poly(
                    (-r * 0.3, y - r),
                    (r * 0.1, y - r * 1.7),
                    (r * 0.3, y - r * 1.15),
                    (r * 0.7, y - r * 1.5),
                    (r * 0.6, y - r * 0.8),
                ),
                look.hair,
            )
        )
    return tuple(parts)


def _hat(look: Look, y: float, r: float) -> Cut:
    main, band = look.second, lighter(look.second, 0.45)
    top = y - r * 0.55
    hats: dict[str, Cut] = {
        "cap": (
            Part(f"M{-r * 1.05:.1f} {top:.1f}Q{-r:.1f} {top - r * 1.05:.1f} {r * 0.1:.1f} {top - r:.1f}Q{r:.1f} {top - r * 0.9:.1f} {r:.1f} {top:.1f}Z", main),
            Part(f"M{r * 0.1:.1f} {top - 1:.1f}L{r * 1.5:.1f} {top + r * 0.12:.1f}", None, darker(main, 0.25), r * 0.26),
        ),
        "pointed": (
            Part(f"M{-r * 1.15:.1f} {top + 1:.1f}L{-r * 0.35:.1f} {top - r * 2.3:.1f}L{r * 1.1:.1f} {top:.1f}Q0 {top + r * 0.4:.1f} {-r * 1.15:.1f} {top + 1:.1f}Z", main),
            Part(f"M{-r * 1.05:.1f} {top - 1:.1f}Q0 {top + r * 0.25:.1f} {r:.1f} {top - 2:.1f}", None, band, r * 0.26),
        ),
        "brim": (
            Part(dot(0, top + 1, r * 1.75, r * 0.3), main),
            Part(f"M{-r * 0.85:.1f} {top:.1f}L{-r * 0.7:.1f} {top - r * 0.95:.1f}Q0 {top - r * 1.2:.1f} {r * 0.7:.1f} {top - r * 0.95:.1f}L{r * 0.85:.1f} {top:.1f}Z", main),
            Part(f"M{-r * 0.8:.1f} {top - 2.500:.1f}L{r * 0.8:.1f} {top - 2.500:.1f}", None, band, r * 0.26),
        ),
        "beret": (Part(dot(-r * 0.15, top - r * 0.25, r * 1.2, r * 0.5), main), Part(dot(-r * 0.15, top - r * 0.78, r * 0.14), main)),
        "bobble": (
            Part(f"M{-r * 1.05:.1f} {top:.1f}Q{-r:.1f} {top - r * 1.3:.1f} 0 {top - r * 1.2:.1f}Q{r:.1f} {top - r * 1.3:.1f} {r * 1.02:.1f} {top:.1f}Z", main),
            Part(f"M{-r * 1.02:.1f} {top:.1f}L{r:.1f} {top:.1f}", None, band, r * 0.36),
            Part(dot(0, top - r * 1.3, r * 0.36), band),
        ),
        "crown": (Part(poly((-r * 0.9, top + 1), (-r, top - r * 0.95), (-r * 0.45, top - r * 0.4), (0, top - r * 1.1), (r * 0.45, top - r * 0.4), (r, top - r * 0.95), (r * 0.9, top + 1)), "#f2c14a"),),
        "hood": (
            Part(f"M{-r * 0.5:.1f} {y + r * 1.15:.1f}Q{-r * 1.7:.1f} {y + r * 0.6:.1f} {-r * 1.2:.1f} {y - r * 0.7:.1f}Q{-r * 0.4:.1f} {y - r * 1.75:.1f} {r * 0.7:.1f} {y - r * 1.1:.1f}Q{-r * 0.5:.1f} {y - r * 0.7:.1f} {-r * 0.35:.1f} {y + r * 0.3:.1f}Z", look.cloth),
        ),
        "kerchief": (
            Part(f"M{-r * 1.1:.1f} {y + r * 0.75:.1f}Q{-r * 1.4:.1f} {y - r * 1.2:.1f} {r * 0.1:.1f} {y - r * 1.2:.1f}Q{r:.1f} {y - r * 1.1:.1f} {r:.1f} {y - r * 0.4:.1f}Q{-r * 0.2:.1f} {y - r * 0.5:.1f} {-r * 0.5:.1f} {y + r * 0.8:.1f}Z", main),
        ),
        "flat": (
            Part(box(-r, top - r * 0.75, r * 2, r * 0.75, 2), main),
            Part(box(-r * 1.15, top - r * 0.1, r * 2.5, r * 0.26, 1), darker(main, 0.3)),
            Part(dot(0, top - r * 0.4, r * 0.2), "#f2c14a"),
        ),
    }  # fmt: skip
    return hats.get(look.hat, ())


def _helmet(y: float, r: float) -> Cut:
    return (
        Part(dot(0, y, r * 1.55), None, "#f4f6fa", 2.6),
        Part(
            f"M{-r * 1.1:.1f} {y - r * 0.6:.1f}Q{-r * 0.8:.1f} {y - r * 1.2:.1f} {-r * 0.1:.1f} {y - r * 1.3:.1f}",
            None,
            "#ffffff",
            1.6,
        ),
    )


def _cape(look: Look) -> Cut:
    if look.mark != "cape":
        return ()
    return (Part("M-9 -74Q-22 -60 -31 -24Q-22 -28 -17 -21Q-8 -28 2 -22L8 -74Z", look.second),)


def _mark(look: Look) -> Cut:
    c = look.second
    marks: dict[str, Cut] = {
        "scarf": (
            Part("M-10 -74Q0 -69 10 -74", None, c, 6.0),
            Part("M-7 -72Q-15 -66 -13 -52", None, darker(c, 0.15), 5.0),
            Part("M-15.2 -52L-10.500 -52", None, lighter(c, 0.4), 2.0),
        ),
        "bag": (
            Part("M-9 -73L12 -44", None, darker(c, 0.35), 2.2),
            Part(box(7, -46, 15, 13, 3), c),
            Part(box(7, -46, 15, 5, 2), darker(c, 0.25)),
        ),
        "apron": (Part("M-6 -64L6 -64L8 -50L13 -24Q0 -19 -13 -24L-8 -50Z", "#f5ecd9"), Part("M-8 -50L8 -50", None, c, 2.2)),
        "belt": (Part("M-13.500 -49Q0 -45 13.500 -49", None, darker(c, 0.3), 4.0), Part(box(-2.500, -50.500, 5, 5, 1), "#e8c25a")),
        "buttons": (Part(dot(0, -64, 1.9) + dot(0, -55, 1.9) + dot(0, -46, 1.9), "#f5ecd9"),),
        "stripes": (Part("M-12 -64L12 -64M-13 -54L13 -54M-14 -44L14 -44", None, lighter(c, 0.5), 3.0),),
        "patch": (Part(box(-10, -44, 8, 8, 1), lighter(c, 0.3)),),
    }  # fmt: skip
    return marks.get(look.mark, ())


# --- Animals and other beings ----------------------------------------------------------------------------------


def _canine(body: str, belly: str, *, tail: str, ears: str, muzzle: float, mane: str = "") -> Cut:
    """Fox, dog, cat, wolf, lion: one build, told apart by ears, tail and muzzle; about 60 units high."""
    dark = darker(body, 0.45)
    tails = {
        "bushy": (Part("M-28 -26Q-58 -26 -60 -50Q-50 -62 -44 -44Q-40 -34 -26 -34Z", body), Part("M-60 -50Q-56 -60 -50 -55Q-47 -50 -52 -45Q-58 -44 -60 -50Z", belly)),
        "thin": (Part("M-27 -30Q-50 -32 -46 -58Q-44 -66 -38 -62", None, body, 5.5),),
        "short": (Part("M-27 -32Q-42 -36 -42 -50", None, body, 8),),
        "tuft": (Part("M-27 -32Q-50 -30 -50 -52", None, body, 4.500), Part(dot(-50, -55, 6), mane or dark)),
    }  # fmt: skip
    tips = {
        "pointed": (Part(poly((17, -62), (20, -84), (31, -66)) + poly((33, -66), (41, -82), (43, -61)), body), Part(poly((20.500, -65), (22, -77), (28, -66)), dark)),
        "floppy": (Part("M18 -64Q8 -60 12 -44Q22 -46 24 -60Z", dark),),
        "round": (Part(dot(20, -66, 6) + dot(40, -66, 6), body), Part(dot(20, -66, 3) + dot(40, -66, 3), belly)),
    }  # fmt: skip
    legs = f"M-22 -26L-24 {-3}M-12 -24L-11 -3M12 -24L11 -3M21 -26L23 -3"
    head = (
        *((Part(dot(29, -54, 24), mane),) if mane else ()),
        *tips[ears],
        Part(dot(30, -54, 15.500, 14), body),
        Part(f"M30 -56Q{34 + muzzle:.1f} -56 {36 + muzzle:.1f} -49Q{34 + muzzle:.1f} -43 28 -42Q20 -46 30 -56Z", belly),
        Part(dot(35.500 + muzzle, -51, 3), "#241c22"),
        Part(dot(27, -57, 2.2) + dot(37, -58, 2.0), "#241c22"),
    )
    return (
        *tails[tail],
        Part(legs, None, dark if tail == "bushy" else body, 7.5),
        Part("M-30 -30Q-30 -48 -8 -46Q10 -46 22 -54Q32 -40 26 -26Q14 -18 -6 -20Q-28 -16 -30 -30Z", body),
        Part("M14 -46Q24 -44 26 -30Q20 -22 12 -24Q12 -36 14 -46Z", belly),
        *head,
    )


def _hoofed(body: str, *, mane: str, horns: str = "", thick: float = 1.0, spots: str = "", woolly: bool = False) -> Cut:
    """Horse, donkey, cow, deer, sheep, goat: long legs; about 85 units high."""
    dark = darker(body, 0.35)
    parts = [
        Part("M-38 -52Q-54 -48 -50 -24", None, mane, 6),
        Part("M-30 -38L-32 -4M-20 -36L-18 -4M18 -36L17 -4M27 -38L30 -4", None, dark, 7 * thick),
        Part("M-40 -50Q-38 -66 -14 -62Q10 -60 26 -64L34 -44Q30 -30 10 -31Q-16 -29 -34 -34Q-41 -40 -40 -50Z", body),
    ]
    if woolly:
        parts.append(
            Part(
                "".join(
                    dot(x, y, 12)
                    for x, y in (
                        (-34, -52),
                        (-22, -62),
                        (-6, -62),
                        (10, -61),
                        (22, -52),
                        (-30, -40),
                        (-12, -36),
                        (8, -36),
                    )
                ),
                body,
            )
        )
    if spots:
        parts.append(Part(dot(-22, -52, 8, 6) + dot(2, -44, 9, 6) + dot(-8, -58, 5, 4), spots))
    parts += [
        Part("M16 -58Q26 -78 38 -88L50 -80Q42 -62 34 -44Z", body),
        Part("M16 -60Q22 -82 36 -92", None, mane, 6.5),
        Part("M34 -90Q42 -96 50 -86L62 -72Q62 -64 54 -66L40 -74Z", body),
        Part("M55 -76L62 -72Q62 -64 54 -66Z", lighter(body, 0.4)),
        Part(poly((36, -88), (36, -101), (43, -91)), body),
        Part(dot(47, -82, 2.1) + dot(59, -70, 1.1), "#241c22"),
    ]
    if horns == "antlers":
        parts.append(
            Part("M38 -92Q30 -106 34 -118M34 -106L24 -112M44 -92Q50 -106 46 -118M49 -106L58 -112", None, "#8a6a45", 3.2)
        )
    if horns == "short":
        parts.append(Part("M36 -92Q32 -102 26 -102M44 -93Q50 -103 56 -101", None, "#e8dcc0", 3.2))
    if horns == "one":
        parts.append(Part(poly((42, -91), (52, -114), (48, -89)), "#f6dd8b"))
    return tuple(parts)


def _bear(body: str, belly: str) -> Cut:
    dark = darker(body, 0.3)
    return (
        Part(dot(-17, -6, 14, 8) + dot(17, -6, 14, 8), dark),
        Part("M-30 -12Q-38 -60 0 -66Q38 -60 30 -12Q0 2 -30 -12Z", body),
        Part(dot(2, -30, 19, 22), belly),
        Part("M-26 -52Q-40 -42 -36 -28M26 -52Q40 -42 36 -28", None, dark, 12),
        Part(dot(-15, -96, 8) + dot(17, -96, 8), body),
        Part(dot(-15, -96, 4) + dot(17, -96, 4), belly),
        Part(dot(1, -80, 23, 20), body),
        Part(dot(6, -73, 11, 8.5), lighter(belly, 0.3)),
        Part(dot(8, -77, 4, 3), "#241c22"),
        Part(dot(-5, -84, 2.3) + dot(14, -84, 2.3), "#241c22"),
    )


def _rabbit(body: str, belly: str) -> Cut:
    return (
        Part(dot(-24, -12, 8), belly),
        Part("M4 -56Q-8 -92 2 -94Q12 -88 12 -56ZM14 -56Q14 -90 24 -90Q30 -84 21 -54Z", body),
        Part("M6 -60Q0 -84 4 -87Q9 -82 9 -60Z", mix(belly, "#e58a8a", 0.5)),
        Part("M-24 -8Q-26 -40 4 -40Q24 -36 20 -4Q-2 4 -24 -8Z", body),
        Part(dot(12, -50, 15, 13), body),
        Part(dot(4, -14, 10, 10), belly),
        Part(dot(-10, -4, 13, 5) + dot(16, -4, 8, 4), darker(body, 0.15)),
        Part(dot(16, -53, 2.2), "#241c22"),
        Part(dot(26, -48, 2.2), "#d9707a"),
    )


def _mouse(body: str, belly: str) -> Cut:
    return (
        Part("M-22 -8Q-50 -2 -54 -22", None, mix(belly, "#e58a8a", 0.5), 2.6),
        Part("M-26 -4Q-30 -34 2 -34Q30 -30 38 -12Q30 0 -26 -4Z", body),
        Part(dot(8, -36, 11), body),
        Part(dot(8, -36, 7), mix(belly, "#e58a8a", 0.5)),
        Part(dot(24, -20, 2.1) + dot(38, -13, 2.4), "#241c22"),
        Part("M-14 -2L-6 -2M12 -2L20 -2", None, darker(body, 0.3), 4),
    )


def _bird(body: str, belly: str, *, beak: str, owl: bool = False, neck: float = 0.0, legs: float = 12.0) -> Cut:
    dark = darker(body, 0.3)
    y = -legs
    if owl:
        return (
            Part(f"M-7 {y + 3:.1f}L-7 -2M7 {y + 3:.1f}L7 -2", None, beak, 3),
            Part(
                f"M-22 {y - 20:.1f}Q-24 {y - 62:.1f} 0 {y - 62:.1f}Q24 {y - 62:.1f} 22 {y - 20:.1f}Q14 {y + 6:.1f} 0 {y + 6:.1f}Q-14 {y + 6:.1f} -22 {y - 20:.1f}Z",
                body,
            ),
            Part(
                poly((-21, y - 52), (-19, y - 70), (-6, y - 60)) + poly((21, y - 52), (19, y - 70), (6, y - 60)), body
            ),
            Part(dot(0, y - 16, 13, 17), belly),
            Part(dot(-9, y - 44, 9.5) + dot(9, y - 44, 9.5), "#f7edd4"),
            Part(dot(-8, y - 44, 4.6) + dot(8, y - 44, 4.6), "#241c22"),
            Part(poly((-4, y - 40), (4, y - 40), (0, y - 32)), beak),
            Part(f"M-21 {y - 34:.1f}Q-30 {y - 10:.1f} -14 {y:.1f}ZM21 {y - 34:.1f}Q30 {y - 10:.1f} 14 {y:.1f}Z", dark),
        )
    hx, hy = 17 + neck * 0.3, y - 30 - neck
    return (
        Part(f"M-4 {y:.1f}L-6 -2L2 -2M7 {y:.1f}L7 -2L15 -2", None, beak, 2.6),
        Part(poly((-20, y - 18), (-50, y - 26), (-46, y - 12), (-18, y - 6)), dark),
        Part(f"M-28 {y - 16:.1f}Q-20 {y - 34:.1f} 4 {y - 30:.1f}L{hx - 9:.1f} {hy:.1f}L{hx + 9:.1f} {hy + 3:.1f}Q28 {y - 10:.1f} 10 {y:.1f}Q-16 {y + 6:.1f} -28 {y - 16:.1f}Z", body),
        Part(f"M6 {y - 24:.1f}Q24 {y - 14:.1f} 10 {y - 1:.1f}Q0 {y + 1:.1f} -4 {y - 2:.1f}Z", belly),
        Part(dot(hx, hy, 11.5), body),
        Part(poly((hx + 9, hy - 4), (hx + 25, hy + 1), (hx + 8, hy + 5)), beak),
        Part(dot(hx + 3.500, hy - 2.500, 2.2), "#241c22"),
        Part(f"M-24 {y - 16:.1f}Q-14 {y - 28:.1f} 6 {y - 22:.1f}Q2 {y - 8:.1f} -14 {y - 6:.1f}Z", dark),
    )  # fmt: skip


def _dragon(body: str, belly: str) -> Cut:
    dark = darker(body, 0.3)
    return (
        Part("M-20 -22Q-60 -10 -72 -40Q-74 -52 -66 -54", None, body, 9),
        Part(poly((-74, -50), (-62, -66), (-58, -48)), dark),
        Part("M-10 -58Q-34 -112 -62 -104Q-52 -92 -56 -82Q-44 -80 -44 -68Q-32 -70 -26 -56Z", mix(belly, body, 0.3)),
        Part("M-18 -20L-20 -3M-4 -18L-3 -3M14 -20L14 -3M24 -24L27 -3", None, dark, 9),
        Part("M-34 -24Q-34 -58 0 -56Q14 -56 20 -74L38 -70Q40 -30 22 -18Q-12 -8 -34 -24Z", body),
        Part("M18 -58Q32 -50 28 -30Q22 -18 6 -18Q20 -34 18 -58Z", belly),
        Part("M18 -78Q20 -98 40 -96L64 -84Q68 -74 56 -72L34 -66Q20 -66 18 -78Z", body),
        Part(poly((22, -92), (12, -108), (30, -97)) + poly((32, -97), (28, -112), (40, -97)), belly),
        Part(
            poly((-24, -50), (-18, -64), (-10, -54))
            + poly((-8, -55), (-2, -70), (6, -57))
            + poly((8, -62), (10, -80), (18, -74)),
            belly,
        ),
        Part(dot(40, -87, 3), "#fff6d8"),
        Part(dot(41, -87, 1.6) + dot(60, -81, 1.5), "#241c22"),
    )


def _robot(body: str, light: str) -> Cut:
    dark = darker(body, 0.4)
    return (
        Part("M-10 -30L-10 -4M10 -30L10 -4", None, dark, 8),
        Part(box(-19, -7, 16, 7, 3) + box(3, -7, 16, 7, 3), dark),
        Part("M-20 -58Q-32 -50 -30 -36M20 -58Q32 -50 30 -36", None, dark, 6),
        Part(dot(-30, -33, 5) + dot(30, -33, 5), body),
        Part(box(-21, -66, 42, 40, 6), body),
        Part(box(-12, -56, 24, 15, 3), lighter(body, 0.5)),
        Part(dot(-6, -48, 2.6) + dot(6, -48, 2.6), light, glows=True),
        Part(box(-5, -72, 10, 8), dark),
        Part(box(-19, -98, 38, 28, 8), body),
        Part(box(-14, -92, 28, 14, 6), "#25303a"),
        Part(dot(-5, -85, 3.4) + dot(8, -85, 3.4), "#8ff0e0", glows=True),
        Part("M0 -98L0 -108", None, dark, 2.6),
        Part(dot(0, -110, 4), light, glows=True),
    )


def _frog(body: str, belly: str) -> Cut:
    return (
        Part(dot(-22, -8, 13, 9) + dot(22, -8, 13, 9), darker(body, 0.2)),
        Part("M-24 -8Q-26 -44 0 -44Q26 -44 24 -8Q0 4 -24 -8Z", body),
        Part(dot(0, -14, 15, 12), belly),
        Part(dot(-13, -44, 9) + dot(13, -44, 9), body),
        Part(dot(-12, -45, 5.5) + dot(14, -45, 5.5), "#fff6d8"),
        Part(dot(-11, -45, 2.8) + dot(15, -45, 2.8), "#241c22"),
        Part("M-12 -31Q0 -24 14 -31", None, darker(body, 0.55), 1.8),
    )


def _fish(body: str, belly: str, *, whale: bool = False) -> Cut:
    y = -30.0
    tail = (
        "M-40 -30Q-62 -52 -66 -46Q-60 -30 -66 -14Q-60 -8 -40 -30Z"
        if not whale
        else "M-44 -34Q-60 -44 -72 -66Q-60 -66 -54 -56Q-50 -68 -40 -68Q-42 -52 -36 -40Z"
    )
    shape = "M-46 -30Q-20 -62 18 -54Q44 -46 50 -28Q36 -6 4 -6Q-26 -8 -46 -30Z"
    under = "M50 -26Q36 -6 4 -6Q-18 -8 -34 -20Q10 -10 50 -26Z"
    extra = (
        (Part("M8 -58Q6 -74 -4 -78M8 -58Q10 -74 22 -78", None, "#d8f0f6", 4),)
        if whale
        else (Part(poly((-6, -54), (-20, -70), (14, -56)), darker(body, 0.2)),)
    )
    return (
        *extra,
        Part(tail, darker(body, 0.15)),
        Part(shape, body),
        Part(under, belly),
        Part(dot(32, y - 6, 3), "#241c22"),
        Part("M2 -26Q-8 -16 -2 -8", None, darker(body, 0.3), 5),
    )  # fmt: skip


def _ghost(body: str, cheek: str) -> Cut:
    return (
        Part("M-26 -8Q-30 -84 2 -86Q34 -84 28 -8Q20 -18 14 -6Q6 -18 0 -6Q-8 -18 -14 -6Q-20 -18 -26 -8Z", body),
        Part(dot(-4, -58, 4, 5.5) + dot(14, -58, 4, 5.5), "#2b2a44"),
        Part(dot(-10, -48, 3.6) + dot(20, -48, 3.6), mix(cheek, "#ffffff", 0.3)),
        Part(dot(5, -45, 3, 4), "#2b2a44"),
    )


def _turtle(body: str, shell: str) -> Cut:
    return (
        Part(dot(-22, -6, 9, 6) + dot(20, -6, 9, 6), body),
        Part("M24 -16Q34 -40 46 -36Q56 -30 48 -22Q38 -16 30 -10Z", body),
        Part("M-36 -10Q-34 -48 0 -48Q32 -48 34 -10Z", shell),
        Part("M-18 -44L-22 -12M0 -47L0 -12M18 -44L20 -12M-34 -26L33 -26", None, darker(shell, 0.3), 2),
        Part("M-38 -11L36 -11", None, lighter(shell, 0.35), 4),
        Part(dot(44, -31, 2), "#241c22"),
    )


def _snake(body: str) -> Cut:
    return (
        Part("M-56 -6Q-40 -26 -22 -8T10 -8T26 -34Q24 -54 38 -56", None, body, 12),
        Part("M-48 -12L-42 -15M-20 -8L-14 -4M2 -4L8 -9M25 -28L27 -38", None, darker(body, 0.35), 4),
        Part(dot(42, -57, 13, 9), body),
        Part(dot(45, -60, 2.2), "#241c22"),
        Part("M54 -55L66 -53M66 -53L71 -57M66 -53L71 -49", None, "#c8413b", 2),
    )


def _faced(shape: str, colour: str) -> Cut:
    """A thing of the sky that acts in the story: it gets a face."""
    ink = "#4a3428"
    return (
        Part(shape, colour),
        Part(dot(-10, -50, 4) + dot(12, -50, 4), ink),
        Part(dot(-18, -41, 5) + dot(20, -41, 5), mix(colour, "#e86a5a", 0.4)),
        Part("M-7 -39Q1 -31 9 -39", None, ink, 2.4),
    )


def _elephant(body: str) -> Cut:
    return (
        Part("M-34 -30L-34 -6M-16 -26L-16 -6M10 -26L10 -6M26 -30L26 -6", None, darker(body, 0.2), 13),
        Part("M-46 -44Q-46 -80 -6 -80Q36 -80 38 -40Q34 -20 -6 -20Q-44 -18 -46 -44Z", body),
        Part("M44 -78Q72 -76 68 -44Q66 -14 78 -8", None, body, 11),
        Part(dot(40, -70, 23, 22), body),
        Part("M32 -86Q6 -92 8 -66Q12 -46 30 -52Z", lighter(body, 0.25)),
        Part("M52 -54Q60 -46 66 -50", None, "#fbf3df", 4.5),
        Part(dot(50, -76, 2.4), "#241c22"),
        Part("M-46 -50Q-58 -44 -56 -28", None, darker(body, 0.2), 3.5),
    )


def _fur(look: Look, *colours: str) -> str:
    """The colour that was said, or else one of the usual ones, always the same for this name."""
    if look.hair not in HAIRS and look.hair != "#e9e4dc":
        return look.hair
    return chance(look.cloth, look.second).choice(colours)


def _with_collar(look: Look, cut: Cut) -> Cut:
    """A scarf in the name's colour, so that two foxes are two foxes."""
    return (
        *cut,
        Part("M14 -42Q24 -36 38 -41", None, look.cloth, 6.5),
        Part("M18 -40Q12 -32 14 -24", None, darker(look.cloth, 0.15), 5),
    )


BEASTS = {
    "fox": lambda k: _with_collar(k, _canine(_fur(k, "#d9682a", "#c9562a"), "#fbeedb", tail="bushy", ears="pointed", muzzle=15)),
    "wolf": lambda k: _with_collar(k, _canine(_fur(k, "#6f7784", "#59606e"), "#dfe0dd", tail="bushy", ears="pointed", muzzle=14)),
    "dog": lambda k: _with_collar(k, _canine(_fur(k, "#b07a42", "#8a5a3c", "#d9b27c"), "#f3e3c8", tail="short", ears="floppy", muzzle=11)),
    "cat": lambda k: _with_collar(k, _canine(_fur(k, "#3a3440", "#e0923f", "#9a938c"), "#f5ece0", tail="thin", ears="pointed", muzzle=4)),
    "lion": lambda k: _canine(_fur(k, "#dca64a"), "#f6e3b8", tail="tuft", ears="round", muzzle=8, mane="#9c5a24"),
    "horse": lambda k: _hoofed(_fur(k, "#8a5434", "#b98a5a", "#e6dccb", "#4b3a35"), mane="#33241f"),
    "donkey": lambda k: _hoofed(_fur(k, "#8d8580"), mane="#3b3433"),
    "unicorn": lambda k: _hoofed(_fur(k, "#f6f0f4"), mane=k.cloth, horns="one"),
    "deer": lambda k: _hoofed(_fur(k, "#b4763f"), mane="#8f5a30", horns="antlers", thick=0.8),
    "cow": lambda k: _hoofed(_fur(k, "#f2ebe0"), mane="#3a2f2d", horns="short", thick=1.25, spots="#4a3a34"),
    "goat": lambda k: _hoofed(_fur(k, "#e4dccd"), mane="#b8ab97", horns="short", thick=0.9),
    "sheep": lambda k: _hoofed(_fur(k, "#f3ede0"), mane="#f3ede0", thick=0.95, woolly=True),
    "bear": lambda k: _bear(_fur(k, "#6b4429", "#7d5233"), "#c79a6b"),
    "pig": lambda k: _bear(_fur(k, "#eda7a2"), "#f7cfc6"),
    "monkey": lambda k: _bear(_fur(k, "#84552f"), "#e3b98c"),
    "badger": lambda k: _bear(_fur(k, "#6d6a70", "#7d6a58"), "#e9e4da"),
    "snake": lambda k: _snake(_fur(k, "#6f9a3f", "#b5823a")),
    "star": lambda k: _faced(star(0, -46, 46, 5, 0.52), "#ffd95e"),
    "moon": lambda k: _faced(dot(0, -44, 40), "#f6ecc8"),
    "sun": lambda k: _faced(star(0, -50, 50, 12, 0.76), "#ffc845"),
    "cloud": lambda k: _faced(dot(-28, -28, 24) + dot(28, -28, 24) + dot(0, -44, 32) + box(-28, -30, 56, 26), "#eef3f8"),
    "rabbit": lambda k: _rabbit(_fur(k, "#b89a7c", "#efe7db", "#8f867e"), "#fbf4ea"),
    "mouse": lambda k: _mouse(_fur(k, "#8e8791", "#a98f78"), "#f4e6e0"),
    "bird": lambda k: _bird(_fur(k, "#3f79b5", "#c4483f", "#4f9a6a"), "#fbe9c4", beak="#e9a32f"),
    "crow": lambda k: _bird(_fur(k, "#2d2b3a"), "#3f3d52", beak="#4a4650"),
    "owl": lambda k: _bird(_fur(k, "#8a6240", "#75604f"), "#e7cfa4", beak="#e9a32f", owl=True),
    "goose": lambda k: _bird(_fur(k, "#f6f2e8"), "#ffffff", beak="#ee8f2d", neck=26),
    "heron": lambda k: _bird(_fur(k, "#8fa3b5"), "#f3f0e6", beak="#e9b03a", neck=30, legs=34),
    "dragon": lambda k: _dragon(_fur(k, k.cloth), "#f0cf7a"),
    "robot": lambda k: _robot(mix(k.cloth, "#b9c2c8", 0.45), "#ffcf5a"),
    "frog": lambda k: _frog(_fur(k, "#6aa63f"), "#e6eeb4"),
    "fish": lambda k: _fish(_fur(k, "#e5813c", "#4c93b8"), "#fbe6c4"),
    "whale": lambda k: _fish(_fur(k, "#3f6a94"), "#dce9ee", whale=True),
    "ghost": lambda k: _ghost("#eef0f8", k.cloth),
    "turtle": lambda k: _turtle("#8fae62", _fur(k, "#7a6a3c")),
    "elephant": lambda k: _elephant(_fur(k, "#96989f")),
}  # fmt: skip
SIZES = {
    "fox": 0.72, "wolf": 0.84, "dog": 0.72, "cat": 0.56, "lion": 0.95, "horse": 1.12, "donkey": 0.95, "unicorn": 1.12,
    "deer": 0.9, "cow": 1.0, "goat": 0.72, "sheep": 0.7, "bear": 1.12, "star": 0.62, "moon": 0.7, "sun": 0.7, "cloud": 0.7, "pig": 0.7, "monkey": 0.72, "badger": 0.66, "snake": 0.6, "rabbit": 0.5, "mouse": 0.42, "bird": 0.5,
    "crow": 0.55, "owl": 0.62, "goose": 0.66, "heron": 0.8, "dragon": 1.3, "robot": 0.9, "frog": 0.5, "fish": 0.55,
    "whale": 1.5, "ghost": 0.95, "turtle": 0.6, "elephant": 1.35,
}  # fmt: skip


def size_of(look: Look) -> float:
    """How big to paste the doll; 1 is an adult."""
    small = 0.8 if look.age == "child" and look.kind != "person" else 1.0
    return SIZES[look.kind] * small if look.kind in SIZES else look.scale


# --- What the appearance says ----------------------------------------------------------------------------------


def _apart(one: str, other: str) -> bool:
    """Two colours that stay two when they touch."""
    return sum(abs(a - b) for a, b in zip(rgb(one), rgb(other), strict=True)) > 0.5


def _kind(called: list[str], said: list[str]) -> str:
    """The animal a name or an appearance names; Captain Wren and Robin are people."""
    titled = [first_of(PEOPLE, [word]) for word in called[:-1] if word not in ("mr", "mrs", "little", "old", "young")]
    named = None if any(titled) else first_of(ANIMALS, [word for word in called if word not in PEOPLE_NAMED_LIKE_BIRDS])
    return named or first_of(ANIMALS, said[:14]) or "person"


def _sounds_like_her(name: str, rng: random.Random) -> bool:
    """A guess that only decides clothes and hair; a bible that says more wins."""
    first = name.casefold().split()[-1] if name.split() else ""
    if first in LIKELY_HIM:
        return False
    return first.endswith(LIKELY_HER_ENDINGS) or (not first.isascii() and rng.random() < 0.5)


def _said_skin(said: list[str]) -> str | None:
    tones = {
        "dark": SKINS[5],
        "black": SKINS[5],
        "brown": SKINS[4],
        "tan": SKINS[2],
        "olive": SKINS[2],
        "pale": SKINS[0],
        "fair": SKINS[0],
    }
    for before, word in pairwise(said):
        if word in ("skin", "skinned", "complexion") and before in tones:
            return tones[before]
    return None


def _said_colour(said: list[str], nouns: object, table: dict[str, str] | None = None) -> str | None:
    """The colour word that stands up to three words before one of the nouns."""
    known = {**COLOURS, **(table or {})}
    wanted = set(nouns) if isinstance(nouns, (dict, tuple)) else set()
    for at, word in enumerate(said):
        if word in wanted:
            for before in reversed(said[max(0, at - 3) : at]):
                if before in known:
                    return known[before]
    return None
