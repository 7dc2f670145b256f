"""The things that tell one scene from another, each a small paper cut with its foot at (0, 0)."""

# ruff: noqa: E501 - a thing is one row of pieces

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from adapters.paper_cut.colours import darker, lighter
from adapters.paper_cut.paper import Cut, Part, box, dot, poly, star

Where = Literal["landmark", "ground", "hand", "sky", "water"]

WOOD, DARK_WOOD, PALE_WOOD = "#9a6a3f", "#6b452a", "#c79a63"
STONE, IRON, GOLD, PAPER, GLOW, RED, LEAF = "#a7a19b", "#4b4a55", "#e6b23f", "#f7edd6", "#ffd977", "#c9443a", "#5c9a4b"


@dataclass(frozen=True, slots=True)
class Prop:
    """A thing: where it belongs, how high it is drawn (an adult is 100), and its pieces in a height of about 100."""

    where: Where
    size: float
    cut: Cut
    shines: bool = False  # it lights its surroundings


def _p(path: str, fill: str, *, glows: bool = False) -> Part:
    return Part(path, fill, glows=glows)


def _l(path: str, colour: str, width: float, *, glows: bool = False) -> Part:
    return Part(path, None, colour, width, glows=glows)


def _wheel(x: float, y: float, r: float, colour: str = DARK_WOOD) -> Cut:
    spokes = "".join(
        f"M{x + r * a:.1f} {y + r * b:.1f}L{x - r * a:.1f} {y - r * b:.1f}"
        for a, b in ((0.9, 0), (0, 0.9), (0.64, 0.64), (0.64, -0.64))
    )
    return _l(dot(x, y, r), colour, r * 0.24), _l(spokes, colour, r * 0.13), _p(dot(x, y, r * 0.22), GOLD)


def _sail(x: float, y: float) -> Cut:
    """The four arms of a windmill."""
    arms = []
    for a, b in ((0.42, -0.91), (0.91, 0.42), (-0.42, 0.91), (-0.91, -0.42)):
        tip, side = (x + 52 * a, y + 52 * b), (-b * 13, a * 13)
        near = (x + 12 * a, y + 12 * b)
        arms.append(
            _p(poly(near, tip, (tip[0] + side[0], tip[1] + side[1]), (near[0] + side[0], near[1] + side[1])), PAPER)
        )
        arms.append(_l(f"M{x:.1f} {y:.1f}L{tip[0]:.1f} {tip[1]:.1f}", DARK_WOOD, 3))
    return (*arms, _p(dot(x, y, 5), DARK_WOOD))


def _crown_of_leaves(x: float, y: float, r: float, colour: str) -> Cut:
    blobs = ((-0.55, 0.15, 0.62), (0.55, 0.12, 0.6), (0, -0.4, 0.72), (-0.25, 0.4, 0.5), (0.3, 0.4, 0.5))
    light = ((-0.3, -0.5, 0.3), (0.25, -0.1, 0.26), (-0.62, 0.02, 0.22))
    return (
        _p("".join(dot(x + r * a, y + r * b, r * c) for a, b, c in blobs), colour),
        _p("".join(dot(x + r * a, y + r * b, r * c) for a, b, c in light), lighter(colour, 0.18)),
    )


def house(wall: str, roof: str) -> Cut:
    """A small house; also used for villages."""
    return (
        _p(box(24, -98, 12, 30), darker(wall, 0.3)),
        _p(box(-42, -56, 84, 56), wall),
        _p(poly((-52, -54), (-22, -94), (30, -94), (54, -54)), roof),
        _l("M-40 -64L44 -64M-32 -74L38 -74M-26 -84L34 -84", darker(roof, 0.16), 1.6),
        _p(box(-10, -34, 20, 34, 2), DARK_WOOD),
        _p(dot(6, -17, 1.8), GOLD),
        _p(box(-35, -42, 17, 17) + box(18, -42, 17, 17), GLOW, glows=True),
        _l("M-26.500 -42v17M-35 -33.500h17M26.500 -42v17M18 -33.500h17", darker(wall, 0.45), 1.8),
    )


def pine(colour: str) -> Cut:
    return (
        _p(box(-4, -16, 8, 16), DARK_WOOD),
        _p(poly((-28, -12), (0, -52), (28, -12)), darker(colour, 0.14)),
        _p(poly((-23, -36), (0, -74), (23, -36)), colour),
        _p(poly((-17, -60), (0, -100), (17, -60)), lighter(colour, 0.1)),
    )


def round_tree(colour: str) -> Cut:
    return (
        _p("M-6 0L-4 -44L4 -44L7 0Z", DARK_WOOD),
        _l("M0 -38L-14 -56M1 -42L13 -58", DARK_WOOD, 3.6),
        *_crown_of_leaves(0, -66, 33, colour),
    )


def _flower(x: float, y: float, r: float, colour: str) -> Cut:
    petals = "".join(
        dot(x + r * a, y + r * b, r * 0.62)
        for a, b in ((0, -0.9), (0.86, -0.28), (0.53, 0.73), (-0.53, 0.73), (-0.86, -0.28))
    )
    return _p(petals, colour), _p(dot(x, y, r * 0.52), "#f5c542")


LANDMARKS: dict[str, Prop] = {
    "tree": Prop("landmark", 205, (
        _p("M-12 0Q-4 -20 -8 -44L8 -44Q6 -20 14 0Z", DARK_WOOD), _l("M0 -36L-22 -60M2 -40L22 -62", DARK_WOOD, 6), *_crown_of_leaves(0, -68, 36, LEAF))),
    "mill": Prop("landmark", 200, (
        _p("M-26 0L-17 -66L17 -66L26 0Z", "#efe3c9"), _p("M-20 -64Q0 -92 20 -64Z", RED), _p(box(-8, -24, 16, 24, 7), DARK_WOOD),
        _p(dot(0, -44, 5), GLOW, glows=True), *_sail(0, -70))),
    "lighthouse": Prop("landmark", 225, (
        _p("M-30 0Q-20 -10 0 -9Q22 -10 32 0Z", STONE), _p("M-15 -6L-9 -76L9 -76L15 -6Z", "#f4efe4"),
        _p("M-13.800 -20L-12.300 -36L12.300 -36L13.800 -20ZM-11 -50L-10 -64L10 -64L11 -50Z", RED), _p(box(-13, -79, 26, 4), IRON),
        _p(box(-8, -92, 16, 13), GLOW, glows=True), _l("M-8 -92v13M0 -92v13M8 -92v13", IRON, 1.6), _p(poly((-11, -91), (0, -103), (11, -91)), RED),
        _p(box(-3.500, -18, 7, 11, 3), DARK_WOOD)), shines=True),
    "house": Prop("landmark", 150, house("#efe0c4", "#b5533c")),
    "church": Prop("landmark", 190, (
        _p(box(-12, -50, 52, 50), "#eadfca"), _p(poly((-16, -48), (14, -72), (44, -48)), "#7d5a4a"), _p(box(-34, -70, 24, 70), "#f2e8d5"),
        _p(poly((-37, -69), (-22, -104), (-7, -69)), "#7d5a4a"), _l("M-22 -104v-10M-26 -110h8", IRON, 2.2), _p(dot(-22, -58, 6), GLOW, glows=True),
        _p("M-28 0v-16q6 -9 12 0v16Z", DARK_WOOD), _p("M4 -14v-16q5 -8 10 0v16ZM22 -14v-16q5 -8 10 0v16Z", "#7fb4cf"))),
    "tower": Prop("landmark", 215, (
        _p("M-17 0L-15 -78L15 -78L17 0Z", STONE), _p("M-20 -76v-14h8v6h8v-6h8v6h8v-6h8v14Z", darker(STONE, 0.12)),
        _p("M-4 -52v-8q4 -6 8 0v8ZM-4 -28v-8q4 -6 8 0v8Z", GLOW, glows=True), _p("M-7 0v-14q7 -9 14 0v14Z", DARK_WOOD), _l("M0 -88v-18", DARK_WOOD, 2), _p(poly((1, -106), (20, -101), (1, -95)), RED))),
    "bridge": Prop("landmark", 95, (
        _p("M-130 0L-130 -34Q0 -92 130 -34L130 0L96 0Q92 -36 62 -38Q34 -36 30 0L-30 0Q-34 -36 -62 -38Q-92 -36 -96 0Z", "#b3a08c"),
        _l("M-130 -40Q0 -100 130 -40", darker("#b3a08c", 0.25), 7), _l("M-98 -52v-10M-50 -66v-10M0 -70v-10M50 -66v-10M98 -52v-10", darker("#b3a08c", 0.25), 5))),
    "ship": Prop("landmark", 190, (
        _p("M-56 -22L62 -22L46 0L-40 0Z", "#8a5436"), _l("M-54 -17L58 -17", PAPER, 2.6), _l("M0 -22v-80M34 -22v-58M-30 -22v-54", DARK_WOOD, 3),
        _p("M-20 -94Q0 -98 20 -94Q26 -66 22 -38Q0 -34 -22 -38Q-14 -66 -20 -94Z", PAPER), _p("M24 -78Q36 -80 46 -77Q50 -58 46 -38Q36 -36 24 -38Q30 -58 24 -78Z", darker(PAPER, 0.08)),
        _p("M-42 -74Q-32 -76 -22 -74Q-20 -56 -22 -38Q-32 -36 -42 -38Q-38 -56 -42 -74Z", darker(PAPER, 0.08)), _p(poly((1, -104), (20, -99), (1, -94)), RED))),
    "train": Prop("landmark", 105, (
        _l("M-150 1H84", IRON, 4), _p(box(-140, -62, 74, 50, 5), "#b5473c"), _p(box(-132, -54, 16, 18, 2) + box(-110, -54, 16, 18, 2) + box(-88, -54, 16, 18, 2), GLOW, glows=True),
        _l("M-66 -20h14", IRON, 5), _p(box(-52, -72, 40, 60, 4), "#2f5f56"), _p(box(-58, -78, 52, 8, 3), IRON), _p(box(-44, -64, 22, 20, 2), GLOW, glows=True),
        _p(box(-14, -52, 72, 38, 12), "#3c7a6c"), _p(box(34, -84, 13, 34), IRON), _p(poly((29, -92), (52, -92), (47, -80), (34, -80)), IRON), _p(box(4, -60, 13, 10, 4), GOLD),
        _p(poly((56, -16), (80, -2), (50, -2)), RED), _p(dot(62, -36, 6), GLOW, glows=True), *_wheel(-122, -10, 10, IRON), *_wheel(-86, -10, 10, IRON), *_wheel(-34, -12, 12, IRON), *_wheel(4, -12, 12, IRON), *_wheel(36, -12, 12, IRON))),
    "rocket": Prop("landmark", 190, (
        _p(poly((-14, -26), (-32, 0), (-12, -8)) + poly((14, -26), (32, 0), (12, -8)), RED), _p("M-17 -8Q-24 -64 0 -100Q24 -64 17 -8Z", "#e9e6e0"),
        _p("M-11 -76Q-6 -90 0 -100Q6 -90 11 -76Q0 -80 -11 -76Z", RED), _p(dot(0, -56, 8.500), "#4c86b0"), _l(dot(0, -56, 8.500), IRON, 2.500), _p(box(-10, -9, 20, 7, 2), IRON))),
    "tent": Prop("landmark", 110, (_p(poly((-70, 0), (0, -90), (70, 0)), "#cf7a3c"), _p(poly((-22, 0), (0, -90), (22, 0)), darker("#cf7a3c", 0.5)), _p(poly((-22, 0), (0, -90), (-4, 0)), "#e7a15f"), _l("M0 -90v-12", DARK_WOOD, 3))),
    "fountain": Prop("landmark", 110, (
        _p("M-56 -24L56 -24L46 0L-46 0Z", STONE), _p(dot(0, -24, 56, 8), "#6fb6cf"), _p(box(-6, -66, 12, 44), STONE), _p("M-30 -66L30 -66L18 -54L-18 -54Z", darker(STONE, 0.1)), _l("M0 -68Q0 -98 -22 -62M0 -68Q0 -98 22 -62M0 -66v-26M-26 -60Q-44 -58 -42 -28M26 -60Q44 -58 42 -28", "#cdeaf3", 3.600))),
    "statue": Prop("landmark", 150, (_p(box(-22, -26, 44, 26), darker(STONE, 0.15)), _p("M-16 -26Q-18 -66 -6 -74Q-12 -92 2 -94Q14 -92 9 -76Q20 -72 22 -92L29 -90Q30 -62 14 -58Q16 -44 18 -26Z", lighter(STONE, 0.25)))),
    "island": Prop("water", 130, (_p("M-66 0Q-40 -26 0 -24Q40 -26 66 0Z", "#e6cf98"), _l("M0 -22Q4 -56 16 -78", DARK_WOOD, 6), _p("M16 -80Q-6 -92 -20 -72Q0 -80 16 -80Q8 -64 12 -54Q20 -66 16 -80Q38 -92 48 -70Q32 -80 16 -80Q30 -104 2 -100Q14 -94 16 -80Z", LEAF))),
    "balloon": Prop("sky", 120, (
        _l("M-15 -38L-8 -16M15 -38L8 -16", DARK_WOOD, 1.8), _p("M-9 -40Q-36 -62 -33 -82Q-28 -112 0 -112Q28 -112 33 -82Q36 -62 9 -40Z", RED),
        _p("M-3 -40Q-18 -62 -15 -84Q-12 -110 0 -112Q12 -110 15 -84Q18 -62 3 -40Z", GOLD), _p(box(-10, -18, 20, 15, 3), PALE_WOOD), _l("M-10 -12h20", DARK_WOOD, 1.8))),
    "rainbow": Prop("sky", 150, tuple(_l(f"M{-104 + i * 8} 0A{104 - i * 8} {96 - i * 8} 0 0 1 {104 - i * 8} 0", c, 8.4) for i, c in enumerate(("#d8544a", "#ec9640", "#f2cf4f", "#6fb35a", "#4a8fd0", "#8560b8")))),
}  # fmt: skip

GROUND: dict[str, Prop] = {
    "boat": Prop("water", 92, (
        _l("M2 -24v-74", DARK_WOOD, 4), _p("M6 -96Q44 -66 46 -34L6 -34Z", PAPER), _p("M-3 -90Q-30 -60 -32 -34L-3 -34Z", darker(PAPER, 0.12)), _p("M-62 -27Q0 -20 66 -30Q54 0 30 0L-32 0Q-54 -2 -62 -27Z", "#b5553c"), _l("M-58 -22Q0 -14 62 -25", PAPER, 3))),
    "well": Prop("ground", 100, (
        _p(box(-36, -38, 72, 38, 4), STONE), _l("M-34 -26h68M-34 -13h68M-18 -38v12M10 -38v12M-4 -26v13M22 -26v13M-18 -13v13M10 -13v13", darker(STONE, 0.25), 2), _l("M-28 -38v-44M28 -38v-44", DARK_WOOD, 6),
        _p(poly((-44, -76), (0, -104), (44, -76)), RED), _l("M0 -78v22", IRON, 2), _p(poly((-8, -58), (8, -58), (6, -44), (-6, -44)), PALE_WOOD))),
    "door": Prop("ground", 128, (
        _p("M-38 0V-78Q0 -118 38 -78V0Z", STONE), _p("M-28 0V-74Q0 -102 28 -74V0Z", "#2f7d78"), _l("M-10 0v-88M10 0v-88", darker("#2f7d78", 0.3), 2), _l("M-27 -24h18M-27 -62h18", IRON, 4), _p(dot(18, -40, 4), GOLD))),
    "fire": Prop("ground", 74, (
        _l("M-36 -4L30 -14M36 -4L-30 -14", DARK_WOOD, 11), _p("M-28 -10Q-38 -44 -14 -58Q-14 -44 -6 -42Q-12 -74 10 -98Q8 -72 20 -62Q24 -70 22 -78Q40 -50 28 -10Q0 -2 -28 -10Z", "#e8662c", glows=True),
        _p("M-16 -10Q-22 -34 -4 -44Q-2 -34 4 -34Q2 -50 10 -62Q10 -46 18 -40Q24 -22 16 -10Q0 -4 -16 -10Z", "#fbbf3f", glows=True), _p("M-8 -10Q-8 -24 2 -30Q10 -22 8 -10Z", "#fff2b8", glows=True)), shines=True),
    "ladder": Prop("ground", 165, (_l("M-14 0L-8 -100M14 0L8 -100", PALE_WOOD, 5), _l("M-13 -12h26M-12 -27h24M-11.500 -42h23M-11 -57h22M-10 -72h20M-9 -87h18", PALE_WOOD, 4))),
    "stairs": Prop("ground", 120, (_p("M-60 0V-14H-36V-30H-12V-46H12V-62H36V-78H60V0Z", STONE), _l("M-60 -14H-36M-36 -30H-12M-12 -46H12M12 -62H36M36 -78H60", lighter(STONE, 0.4), 3))),
    "cart": Prop("ground", 84, (_l("M30 -38L84 -26", DARK_WOOD, 5), _p("M-56 -70L44 -70L34 -32L-46 -32Z", PALE_WOOD), _l("M-53 -58H41M-50 -46H37", DARK_WOOD, 2.4), _p(dot(-36, -74, 11) + dot(-14, -78, 13) + dot(10, -76, 12) + dot(30, -73, 9), "#d8903c"), *_wheel(-24, -22, 22), *_wheel(22, -22, 22))),
    "bed": Prop("ground", 82, (_p(box(-76, -84, 10, 84, 4) + box(66, -52, 10, 52, 4), DARK_WOOD), _p(box(-68, -36, 138, 20), DARK_WOOD), _p(box(-64, -58, 38, 20, 8), PAPER), _p("M-34 -50Q10 -60 68 -46V-22H-40Z", "#4f7fb5"), _p("M-34 -50Q-26 -52 -16 -53L-20 -22H-40Z", PAPER), _l("M8 -54v32M40 -51v29M-18 -36h86", lighter("#4f7fb5", 0.4), 2.4))),
    "table": Prop("ground", 62, (_l("M-52 -66L-56 0M52 -66L56 0", DARK_WOOD, 8), _p(box(-70, -78, 140, 13, 4), WOOD), _p("M-34 -78h68l-6 30l-11 -6l-12 8l-12 -8l-12 8l-10 -6Z", PAPER), _p(dot(-4, -88, 17, 9), "#7fa8c0"), _p(dot(-10, -96, 7) + dot(2, -97, 7) + dot(-4, -104, 6), RED))),
    "chair": Prop("ground", 76, (_l("M-24 0v-96M24 0v-44M-22 -44h46", WOOD, 7), _p(box(-28, -52, 56, 10, 3), RED), _l("M-24 -92Q-18 -70 -24 -54", WOOD, 10))),
    "barrel": Prop("ground", 66, (_p("M-30 0Q-44 -46 -30 -92H30Q44 -46 30 0Z", WOOD), _l("M-12 -2Q-17 -46 -12 -90M12 -2Q17 -46 12 -90", darker(WOOD, 0.3), 2), _l("M-35 -20H35M-35 -72H35", IRON, 7))),
    "chest": Prop("ground", 62, (_p("M-58 -76Q-62 -112 0 -108Q62 -112 58 -76Z", WOOD), _p(dot(-28, -66, 10) + dot(-8, -70, 11) + dot(14, -68, 10) + dot(34, -66, 9), "#ffd95e", glows=True), _p(box(-56, -62, 112, 62, 4), WOOD), _l("M-38 -62V0M38 -62V0", GOLD, 6), _p(box(-9, -62, 18, 20, 3), GOLD), _p(dot(0, -52, 3), IRON)), shines=True),
    "clock": Prop("ground", 132, (_p("M-22 0V-70H22V0Z", DARK_WOOD), _p("M-27 -68V-98Q0 -118 27 -98V-68Z", WOOD), _p(dot(0, -85, 17), PAPER), _l("M0 -85V-97M0 -85L8 -80", IRON, 2.600), _p(box(-13, -60, 26, 48, 3), "#3a2a26"), _l("M0 -60L5 -28", GOLD, 2.4), _p(dot(6, -24, 6.500), GOLD))),
    "bench": Prop("ground", 58, (_l("M-52 0V-84M52 0V-84", IRON, 6), _l("M-66 -40H66M-66 -62H66M-66 -80H66", WOOD, 9))),
    "fence": Prop("ground", 52, (_l("M-130 -34H130M-130 -66H130", PALE_WOOD, 8), _p("".join(poly((x - 9, 0), (x - 9, -82), (x, -98), (x + 9, -82), (x + 9, 0)) for x in range(-116, 120, 33)), PALE_WOOD))),
    "sign": Prop("ground", 112, (_l("M0 0V-98", DARK_WOOD, 7), _p(poly((-10, -94), (34, -94), (46, -83), (34, -72), (-10, -72)), PALE_WOOD), _p(poly((10, -66), (-32, -66), (-44, -56), (-32, -46), (10, -46)), WOOD))),
    "flag": Prop("ground", 150, (_l("M-20 0V-100", DARK_WOOD, 4), _p("M-18 -98Q4 -108 22 -98Q36 -90 50 -98V-64Q36 -56 22 -64Q4 -74 -18 -64Z", RED), _p(star(16, -82, 10), GOLD))),
    "bicycle": Prop("ground", 72, (_l(dot(-36, -30, 28) + dot(38, -30, 28), IRON, 5), _l("M-36 -30L-14 -76L26 -76L0 -30Z", RED, 5.500), _l("M38 -30L24 -88L40 -94M0 -30L-18 -86", RED, 5), _l("M-28 -88H-8", IRON, 8))),
    "car": Prop("ground", 66, (_p("M-84 -16V-44Q-82 -52 -60 -54L-38 -88H30L58 -54Q84 -52 86 -36V-16Z", "#3f7fb0"), _p(poly((-48, -56), (-32, -80), (-6, -80), (-6, -56)) + poly((2, -56), (2, -80), (26, -80), (44, -56)), "#cfe8f0"), *_wheel(-48, -16, 18, IRON), *_wheel(50, -16, 18, IRON), _p(dot(82, -38, 5), GLOW, glows=True))),
    "telescope": Prop("ground", 110, (_l("M0 -58L-26 0M0 -58L26 0M0 -58V-4", DARK_WOOD, 5), _p(poly((-42, -44), (34, -98), (46, -82), (-36, -34)), "#c08a3a"), _p(poly((30, -102), (40, -108), (56, -84), (44, -78)), GOLD), _p(dot(0, -60, 7), IRON))),
    "basket": Prop("ground", 50, (_l("M-36 -50Q0 -130 36 -50", WOOD, 7), _p(dot(-20, -56, 15) + dot(4, -62, 16) + dot(24, -55, 13), RED), _p("M-46 -52H46L34 0H-34Z", PALE_WOOD), _l("M-42 -36H42M-38 -18H38M-18 -52L-14 0M18 -52L14 0", darker(PALE_WOOD, 0.3), 3))),
    "teapot": Prop("ground", 50, (_l("M-40 -60Q-76 -58 -62 -26Q-54 -16 -38 -20", "#3f7fa8", 8), _p("M38 -30Q58 -34 64 -72L74 -70Q70 -16 38 -12Z", "#3f7fa8"), _p("M-44 -40Q-42 -78 0 -78Q42 -78 44 -40Q44 0 0 0Q-44 0 -44 -40Z", "#4a90b8"), _p(dot(0, -80, 24, 7), "#3f7fa8"), _p(dot(0, -92, 7), GOLD), *_flower(0, -38, 13, PAPER))),
    "violin": Prop("ground", 84, (_l("M0 -50V-104", DARK_WOOD, 7), _p(dot(0, -106, 6), DARK_WOOD), _p("M-24 -22Q-26 0 0 0Q26 0 24 -22Q22 -32 14 -36Q20 -44 19 -54Q16 -68 0 -68Q-16 -68 -19 -54Q-20 -44 -14 -36Q-22 -32 -24 -22Z", "#b5632c"), _l("M-3 -10V-100M3 -10V-100", PAPER, 1.4), _l("M-12 -24q-4 -8 0 -16M12 -24q4 -8 0 -16", DARK_WOOD, 2), _l("M40 -2L58 -100", PALE_WOOD, 3))),
    "drum": Prop("ground", 58, (_l("M-52 -104L-6 -76M52 -110L12 -78", PALE_WOOD, 5), _p("M-46 -70V-12Q0 8 46 -12V-70Z", RED), _p(dot(0, -70, 46, 14), PAPER), _l("M-46 -60L-24 -8L0 -56L24 -8L46 -60", GOLD, 3.4))),
    "mirror": Prop("ground", 125, (_l("M-20 0L-12 -18M20 0L12 -18", GOLD, 6), _p(dot(0, -58, 32, 46), GOLD), _p(dot(0, -58, 25, 39), "#bfe3ee"), _l("M-10 -72L6 -90M-12 -54L14 -82", "#ffffff", 4))),
    "sled": Prop("ground", 50, (_l("M-66 -2H50Q74 -4 70 -34", "#7a4a2c", 8), _l("M-40 -4V-34M30 -4V-34", "#7a4a2c", 6), _p(box(-62, -46, 110, 14, 5), RED), _l("M66 -34Q90 -50 104 -44", PALE_WOOD, 3))),
    "snowman": Prop("ground", 108, (_p(dot(0, -24, 27), "#f7f9fc"), _p(dot(0, -60, 19), "#f7f9fc"), _p(dot(0, -86, 13), "#f7f9fc"), _p(box(-14, -101, 28, 5) + box(-9, -116, 18, 16), IRON), _p(poly((2, -87), (22, -83), (2, -82)), "#e8802c"), _p(dot(-5, -90, 1.8) + dot(5, -90, 1.8) + dot(0, -66, 2) + dot(0, -56, 2), "#2b2a33"), _l("M-13 -75Q0 -69 13 -75", RED, 6), _l("M-18 -62L-40 -78M18 -62L40 -76", DARK_WOOD, 3.4))),
    "mushroom": Prop("ground", 62, (_p("M-12 0Q-8 -28 -11 -46H11Q8 -28 12 0Z", PAPER), _p("M-46 -42Q-40 -92 0 -92Q40 -92 46 -42Q0 -32 -46 -42Z", RED), _p(dot(-20, -62, 7) + dot(6, -74, 8) + dot(24, -55, 6) + dot(-4, -52, 5), PAPER))),
    "pumpkin": Prop("ground", 54, (_l("M2 -66Q2 -86 16 -90", "#5c7a3a", 8), _p(dot(-26, -34, 26, 33) + dot(26, -34, 26, 33), "#d2691f"), _p(dot(0, -34, 26, 35), "#e8852f"))),
    "skull": Prop("ground", 72, (_p("M-34 0V-62Q0 -118 34 -62V0Z", STONE), _l("M0 -80V-40M-16 -66H16", darker(STONE, 0.4), 7), _p(dot(-30, 0, 14, 8) + dot(30, 0, 14, 8), LEAF))),
    "rock": Prop("ground", 66, (_p("M-70 0Q-66 -46 -34 -62Q-10 -96 26 -80Q62 -66 72 0Z", STONE), _p("M-34 -62Q-10 -96 26 -80Q6 -66 2 -40Q-18 -44 -34 -62Z", lighter(STONE, 0.25)), _l("M2 -40L14 -4", darker(STONE, 0.2), 2.600))),
    "swing": Prop("ground", 165, (_l("M-52 0L-38 -100H38L52 0", DARK_WOOD, 7), _l("M-18 -98L-10 -28M18 -98L26 -28", PALE_WOOD, 2), _p(box(-16, -30, 48, 7, 2), RED))),
    "wheel": Prop("ground", 76, (*_wheel(0, -46, 44, WOOD), _p(poly((-20, 0), (0, -46), (20, 0), (10, 0), (0, -26), (-10, 0)), DARK_WOOD))),
    "fish": Prop("ground", 40, (_p("M-40 -30Q-62 -52 -66 -46Q-60 -30 -66 -14Q-60 -8 -40 -30Z", "#4c8fb0"), _p("M-46 -30Q-20 -62 18 -54Q44 -46 50 -28Q36 -6 4 -6Q-26 -8 -46 -30Z", "#5fa6c4"), _p(dot(32, -36, 3), "#241c22"))),
    "window": Prop("ground", 100, (_p("M-40 0V-66Q0 -118 40 -66V0Z", DARK_WOOD), _p("M-31 -8V-62Q0 -104 31 -62V-8Z", GLOW, glows=True), _l("M0 -8V-88M-31 -44H31", DARK_WOOD, 5)), shines=True),
    "anchor": Prop("ground", 84, (_l(dot(0, -88, 10), IRON, 6), _l("M0 -78V-8M-22 -62H22M-42 -34Q-36 -4 0 -4Q36 -4 42 -34", IRON, 9), _p(poly((-52, -30), (-40, -46), (-32, -28)) + poly((52, -30), (40, -46), (32, -28)), IRON), _l("M8 -92Q40 -98 34 -66Q28 -40 58 -30", PALE_WOOD, 4))),
    "rope": Prop("ground", 40, (_l(dot(0, -14, 44, 14), PALE_WOOD, 11), _l(dot(0, -30, 42, 13), darker(PALE_WOOD, 0.12), 11), _l(dot(0, -46, 40, 12), PALE_WOOD, 11), _l("M38 -46Q60 -70 44 -88Q30 -100 26 -82", PALE_WOOD, 9))),
    "net": Prop("ground", 90, (_l("M-40 0L26 -100", PALE_WOOD, 5), _l("M26 -100Q60 -80 50 -34", PAPER, 1.8), _p(dot(50, -28, 7), RED))),
}  # fmt: skip

HAND: dict[str, Prop] = {
    "paper_boat": Prop("hand", 44, (_p(poly((0, -84), (30, -32), (-30, -32)), "#fbf7ec"), _p(poly((0, -84), (30, -32), (0, -32)), "#e3dccb"), _p(poly((-66, -44), (66, -44), (36, -4), (-36, -4)), "#fffdf6"), _p(poly((0, -30), (66, -44), (36, -4), (0, -4)), "#dfe6ea"), _l("M-46 -36l14 10M-18 -22h20", "#6f9ac0", 2.600))),
    "lantern": Prop("hand", 46, (_l("M-14 -66Q0 -98 14 -66", IRON, 4.500), _p(poly((-22, -60), (-10, -76), (10, -76), (22, -60)), IRON), _p(box(-20, -60, 40, 48, 3), GLOW, glows=True), _p(dot(0, -34, 8, 13), "#fff6cf", glows=True), _l("M-20 -60V-12M20 -60V-12M0 -60V-12", IRON, 3.600), _p(box(-24, -13, 48, 12, 3), IRON)), shines=True),
    "candle": Prop("hand", 44, (_p(dot(0, -4, 30, 7), GOLD), _p(box(-11, -62, 22, 58, 3), PAPER), _l("M0 -62V-70", IRON, 2.600), _p("M0 -100Q15 -80 0 -68Q-15 -80 0 -100Z", "#ffc23f", glows=True)), shines=True),
    "key": Prop("hand", 42, (_l(dot(0, -78, 17), GOLD, 10), _l("M0 -60V-4M0 -8H20M0 -24H16", GOLD, 10))),
    "book": Prop("hand", 42, (_p("M-58 -66Q-28 -80 0 -64Q28 -80 58 -66V-8Q28 -20 0 -4Q-28 -20 -58 -8Z", "#a63b3b"), _p("M-52 -68Q-26 -82 0 -68V-12Q-26 -26 -52 -14Z", PAPER), _p("M52 -68Q26 -82 0 -68V-12Q26 -26 52 -14Z", lighter(PAPER, 0.5)), _l("M-42 -56Q-26 -62 -10 -56M-42 -44Q-26 -50 -10 -44M-42 -32Q-26 -38 -10 -32M42 -56Q26 -62 10 -56M42 -44Q26 -50 10 -44", "#a9987c", 2.4))),
    "map": Prop("hand", 44, (_p(poly((-58, -70), (-20, -80), (20, -70), (58, -80), (58, -10), (20, 0), (-20, -10), (-58, 0)), "#ecd9a8"), _l("M-20 -80V-10M20 -70V0", "#c4a871", 2), _l("M-44 -20Q-30 -50 -8 -36Q14 -20 30 -52", "#8a5a3c", 3.4), _l("M36 -66L48 -52M48 -66L36 -52", RED, 5))),
    "cup": Prop("hand", 36, (_l("M30 -54Q60 -54 52 -30Q46 -16 26 -20", "#c9564a", 8), _p("M-36 -66H36Q36 -6 0 -4Q-36 -6 -36 -66Z", "#d8655a"), _p(dot(0, -66, 36, 8), "#7a4a2c"), _l("M-12 -80Q-20 -90 -10 -100M10 -80Q2 -92 12 -104", "#ffffff", 4))),
    "letter": Prop("hand", 36, (_p(box(-52, -72, 104, 70, 3), PAPER), _l("M-50 -70L0 -32L50 -70", "#b9a57e", 4), _p(dot(0, -34, 12), RED))),
    "flower": Prop("hand", 52, (_l("M0 0Q4 -30 0 -62", LEAF, 6), _p("M2 -24Q26 -46 34 -28Q18 -16 2 -20Z", LEAF), *_flower(0, -76, 22, "#e0567a"))),
    "apple": Prop("hand", 34, (_p("M0 -66Q40 -84 44 -40Q38 0 12 -2Q0 -8 -12 -2Q-38 0 -44 -40Q-40 -84 0 -66Z", RED), _l("M0 -64Q2 -84 12 -92", DARK_WOOD, 6), _p("M6 -76Q26 -98 42 -80Q26 -68 6 -76Z", LEAF), _l("M-28 -44Q-26 -58 -14 -60", "#f3b0a0", 5))),
    "crown": Prop("hand", 40, (_p(poly((-46, -4), (-54, -66), (-26, -40), (0, -78), (26, -40), (54, -66), (46, -4)), GOLD), _p(dot(-54, -70, 7) + dot(0, -84, 8) + dot(54, -70, 7), RED), _l("M-45 -12H45", darker(GOLD, 0.25), 5))),
    "sword": Prop("hand", 86, (_p(poly((-5, -26), (-5, -92), (0, -104), (5, -92), (5, -26)), "#d4dbe2"), _l("M-20 -26H20", GOLD, 6), _l("M0 -26V-6", DARK_WOOD, 7), _p(dot(0, -2, 5), GOLD))),
    "bell": Prop("hand", 44, (_l("M-8 -92Q0 -106 8 -92", DARK_WOOD, 6), _p("M-10 -88Q0 -94 10 -88Q32 -78 32 -36Q34 -22 46 -14H-46Q-34 -22 -32 -36Q-32 -78 -10 -88Z", GOLD), _p(dot(0, -8, 10), darker(GOLD, 0.35)), _l("M-40 -18H40", darker(GOLD, 0.2), 4))),
    "umbrella": Prop("hand", 88, (_l("M0 -92V-10Q0 2 -9 -2", DARK_WOOD, 4), _p("M-56 -52Q-48 -98 0 -100Q48 -98 56 -52Q46 -62 37 -52Q28 -62 18 -52Q9 -62 0 -52Q-9 -62 -18 -52Q-28 -62 -37 -52Q-46 -62 -56 -52Z", RED), _l("M0 -100Q-16 -80 -18 -54M0 -100Q16 -80 18 -54", darker(RED, 0.25), 2))),
    "bottle": Prop("hand", 42, (_p("M-22 0V-46Q-22 -58 -9 -66V-92H9V-66Q22 -58 22 -46V0Z", "#4f9a7a"), _p(box(-10, -102, 20, 14, 3), PALE_WOOD), _p(box(-15, -42, 30, 26, 2), PAPER))),
    "bread": Prop("hand", 32, (_p("M-60 -6Q-70 -62 0 -64Q70 -62 60 -6Z", "#cf8f45"), _l("M-30 -50L-20 -30M-4 -56L6 -34M24 -54L32 -34", "#f3d9a6", 6))),
    "kite": Prop("sky", 92, (_l("M0 0Q-20 26 4 44Q26 62 0 84", "#f4efe4", 2.600), _p(poly((0, -96), (38, -46), (0, 0), (-38, -46)), RED), _p(poly((0, -96), (38, -46), (0, -46)) + poly((0, 0), (-38, -46), (0, -46)), GOLD), _p(poly((-6, 26), (-22, 20), (-20, 34)) + poly((-4, 27), (10, 18), (12, 32)), "#4a8fd0"))),
    "flute": Prop("hand", 50, (_l("M-6 0L10 -96", PALE_WOOD, 10), _p(dot(0, -36, 2.600) + dot(2.500, -50, 2.600) + dot(5, -64, 2.600), DARK_WOOD))),
    "feather": Prop("hand", 54, (_p("M0 -6Q-34 -50 8 -104Q32 -56 0 -6Z", "#f4f0e6"), _l("M-2 0Q2 -50 10 -96", "#a9987c", 3))),
    "egg": Prop("hand", 36, (_l("M-52 -14Q0 14 52 -14M-48 -22Q0 8 48 -22", "#8a6a45", 10), _p(dot(-18, -40, 20, 26) + dot(18, -40, 20, 26) + dot(0, -46, 21, 28), "#cfe6ea"))),
    "ring": Prop("hand", 38, (_l(dot(0, -34, 28), GOLD, 10), _p(poly((-20, -84), (20, -84), (28, -72), (0, -50), (-28, -72)), "#69cfd8", glows=True))),
    "conch": Prop("hand", 42, (_p("M-48 -40Q-40 -86 0 -88Q40 -86 48 -40Q30 0 0 0Q-30 0 -48 -40Z", "#f1b7a0"), _l("M0 -2V-84M-6 -2L-30 -72M6 -2L30 -72M-10 -4L-44 -44M10 -4L44 -44", "#d88a78", 3.4))),
    "mask": Prop("hand", 40, (_p("M-54 -66Q0 -86 54 -66Q56 -22 22 -18Q8 -20 0 -32Q-8 -20 -22 -18Q-56 -22 -54 -66Z", "#7b3f98"), _p(dot(-24, -48, 13, 8) + dot(24, -48, 13, 8), PAPER))),
    "broom": Prop("hand", 96, (_l("M0 -30V-104", PALE_WOOD, 5), _p("M-8 -34H8L22 0H-22Z", GOLD), _l("M-9 -28H9", RED, 4))),
    "axe": Prop("hand", 62, (_l("M0 0V-96", WOOD, 8), _p("M-4 -92Q26 -108 40 -96Q34 -76 40 -56Q26 -50 -4 -64Z", "#aeb6be"))),
    "coin": Prop("hand", 30, (_p(dot(0, -40, 40), GOLD), _l(dot(0, -40, 30), darker(GOLD, 0.25), 4), _p(star(0, -40, 18), "#fbe29a"))),
    "hourglass": Prop("hand", 46, (_p(box(-34, -100, 68, 12, 3) + box(-34, -12, 68, 12, 3), DARK_WOOD), _p("M-26 -88H26Q24 -62 5 -50Q24 -38 26 -12H-26Q-24 -38 -5 -50Q-24 -62 -26 -88Z", "#d8ecf2"), _p("M-18 -74H18Q14 -60 0 -52Q-14 -60 -18 -74ZM-22 -12Q0 -44 22 -12Z", GOLD))),
    "doll": Prop("hand", 44, (_p(dot(-18, -90, 11) + dot(18, -90, 11), "#a8713f"), _p(dot(0, -74, 24, 21), "#b98048"), _p(dot(0, -30, 24, 28), "#b98048"), _p(dot(-26, -38, 9, 14) + dot(26, -38, 9, 14) + dot(-16, -6, 12, 8) + dot(16, -6, 12, 8), "#a8713f"), _p(dot(-8, -78, 3) + dot(8, -78, 3) + dot(0, -68, 4, 3), "#2b2026"), _l("M-14 -54H14", RED, 6))),
    "wand": Prop("hand", 66, (_l("M0 0V-76", DARK_WOOD, 6), _p(star(0, -86, 19), "#ffe27a", glows=True)), shines=True),
    "ball": Prop("hand", 34, (_p(dot(0, -42, 42), "#d8544a"), _p("M-40 -52Q0 -30 40 -52Q42 -36 38 -28Q0 -8 -38 -28Q-42 -36 -40 -52Z", PAPER), _p(dot(-14, -64, 8, 6), "#f0a79c"))),
    "butterfly": Prop("sky", 34, (_p("M0 -40Q-30 -96 -56 -72Q-60 -40 0 -36Q60 -40 56 -72Q30 -96 0 -40Z", "#e8852f"), _p("M0 -36Q-40 -30 -38 -6Q-20 8 0 -30Q20 8 38 -6Q40 -30 0 -36Z", "#f2b74a"), _l("M0 -60V-14M0 -60L-10 -78M0 -60L10 -78", "#2b2026", 5))),
}  # fmt: skip

CLOTHS = {  # the piece of a thing that takes the colour the story gives it
    "umbrella": RED, "balloon": RED, "boat": "#b5553c", "door": "#2f7d78", "kite": RED, "flower": "#e0567a", "apple": RED,
    "book": "#a63b3b", "cup": "#d8655a", "sled": RED, "tent": "#cf7a3c", "car": "#3f7fb0", "bicycle": RED, "ball": "#d8544a",
    "train": "#b5473c", "bed": "#4f7fb5", "chair": RED, "teapot": "#4a90b8", "flag": RED, "drum": RED, "mask": "#7b3f98",
    "mushroom": RED, "bottle": "#4f9a7a", "feather": "#f4f0e6", "letter": PAPER, "house": "#efe0c4", "ship": "#8a5436",
    "rocket": RED, "candle": PAPER, "lighthouse": RED, "mill": RED, "well": RED, "bird": RED, "egg": "#cfe6ea",
}  # fmt: skip


def dyed(name: str, colour: str) -> Prop:
    """The thing in another colour, as far as it has a piece that takes one."""
    prop, cloth = PROPS[name], CLOTHS.get(name, "")
    shades = {cloth: colour, darker(cloth, 0.5) if cloth else "": darker(colour, 0.5), "#e7a15f": lighter(colour, 0.3)}
    cut = tuple(
        dataclasses.replace(
            part, fill=shades.get(part.fill or "", part.fill), line=shades.get(part.line or "", part.line)
        )
        for part in prop.cut
    )
    return dataclasses.replace(prop, cut=cut)


PROPS: dict[str, Prop] = {**LANDMARKS, **GROUND, **HAND}
