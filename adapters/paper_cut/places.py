"""Where a scene plays: each painter lays its sheets from back to front and says where people can stand."""

# ruff: noqa: E501 - a path reads best in one line

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from adapters.paper_cut.colours import darker, lighter, mix
from adapters.paper_cut.paper import Canvas, Ridge, box, chance, dot, jagged, poly, rolling, star
from adapters.paper_cut.props import PROPS, house, pine, round_tree
from adapters.paper_cut.sky import cloud_path, fog_band, paint_lightning, paint_sky, paint_stars, paint_weather

GRASS, MOSS, SAND, WATER, SNOW = "#7fae4f", "#4f8247", "#e8cf96", "#3f93b8", "#eef3fa"
WALLS = ("#efe0c4", "#e6c9a8", "#d9b8a0", "#f2ead8", "#cfd6c4", "#e3b59a")
ROOFS = ("#b5533c", "#8f4a3f", "#4f6a7d", "#a8703c", "#6b5a78")


@dataclass(frozen=True, slots=True)
class Setting:
    """What the painters need to know besides the canvas."""

    time: str
    weather: str
    inside: str  # which kind of room
    seed: int  # of the story


@dataclass(frozen=True, slots=True)
class Stage:
    """Where things go: the line people stand on, the line landmarks stand on, and what is underfoot."""

    feet: float
    back: Ridge
    floats: str = ""  # `boat` on water, `drift` in space and under water, `cloud` in the sky
    water: float | None = None  # where boats swim
    inside: bool = False
    front: str | None = None  # the colour of what grows along the lower border


Painter = Callable[[Canvas, Setting], Stage]


def _flat(canvas: Canvas, y: float) -> Ridge:
    return Ridge(((-40.0, y), (canvas.width / 2, y), (canvas.width + 40, y)), canvas.height + 20)


def _hills(canvas: Canvas, rng: random.Random, top: float, colours: tuple[str, ...]) -> None:
    """Rows of hills from the haze to the middle ground; the same ones in every picture of the story."""
    count = len(colours)
    for i, colour in enumerate(colours):
        y = canvas.height * (top + i * 0.065)
        ridge = rolling(canvas, rng, y, canvas.height * 0.045, 5 + i)
        canvas.sheet(ridge.path, canvas.ground_colour(colour, 0.72 - 0.5 * i / max(count - 1, 1)))


def _near(canvas: Canvas, colour: str, *, back: float = 0.70, front: float = 0.78, swing: float = 0.018) -> Ridge:
    """The two nearest sheets: the one landmarks stand on and the one people stand on."""
    rng, h = canvas.rng, canvas.height
    behind = rolling(canvas, rng, h * back, h * swing, 5)
    canvas.sheet(behind.path, canvas.ground_colour(colour, 0.14))
    before = rolling(canvas, rng, h * front, h * swing * 0.8, 4)
    canvas.sheet(before.path, canvas.ground_colour(darker(colour, 0.08)))
    return behind


def _story(canvas: Canvas, setting: Setting, what: str) -> random.Random:
    """Choices that stay the same for this story."""
    return chance(what, setting.seed)


def _outdoors(canvas: Canvas, setting: Setting, horizon: float) -> None:
    paint_sky(canvas, time=setting.time, weather=setting.weather, horizon=canvas.height * horizon)
    if setting.weather == "storm":
        paint_lightning(canvas)


def hills(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng = _story(canvas, setting, "hills")
    _hills(canvas, rng, 0.46, ("#8fb58a", "#86b06a", "#7aa75a", "#73a350"))
    for _ in range(5):
        x = rng.uniform(0, canvas.width)
        canvas.paste(round_tree(MOSS), x, canvas.height * 0.69, 0.55, depth=0.3)
    return Stage(0.87, _near(canvas, GRASS), front=MOSS)


def field(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.56)
    rng = _story(canvas, setting, "field")
    _hills(canvas, rng, 0.5, ("#a8b878", "#b5b35c"))
    h, w = canvas.height, canvas.width
    base = _flat(canvas, h * 0.6)
    canvas.sheet(base.path, canvas.ground_colour("#e0b84e", 0.2))
    for i in range(-7, 8):
        furrow = f"M{w / 2 + i * w * 0.035:.0f} {h * 0.6:.0f}L{w / 2 + i * w * 0.2:.0f} {h * 1.02:.0f}"
        canvas.stroke(furrow, canvas.ground_colour("#b98a2e", 0.1), 5, 0.5)
    behind = _near(canvas, "#dcae42", back=0.7, front=0.8)
    return Stage(0.88, behind, front="#c99a35")


def sea(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.5)
    rough = setting.weather in ("storm", "wind")
    _waves(canvas, 0.5, 6, rough)
    line = _flat(canvas, canvas.height * 0.56)
    return Stage(0.79, line, floats="boat", water=0.76)


def _waves(canvas: Canvas, top: float, rows: int, rough: bool) -> None:
    h, w = canvas.height, canvas.width
    canvas.sheet(_flat(canvas, h * top).path, canvas.light.tone(WATER, 0.5))
    for i in range(rows):
        y = h * (top + 0.035 + (1 - top) * (i / rows) ** 1.15 * 0.86)
        blue = darker(WATER, 0.05 * i)
        water = mix(
            mix(canvas.light.tone(blue, 0.2 - 0.04 * i), blue, 0.0 if canvas.light.night else 0.4),
            canvas.light.sky[0],
            0.25,
        )
        canvas.sheet(_wave(canvas, y, 34 + 15 * i, (5 + 3.2 * i) * (1.9 if rough else 1), w, h), water)
        if canvas.sun is not None:
            glitter = "".join(
                f"M{canvas.sun + canvas.rng.uniform(-30 - 16 * i, 16 * i):.0f} {y + 9 + 8 * k:.0f}h{canvas.rng.uniform(18, 44):.0f}"
                for k in range(2)
            )
            canvas.stroke(glitter, "#ffe3a6", 3, 0.75)


def _wave(canvas: Canvas, y: float, length: float, rise: float, w: float, h: float) -> str:
    x = -length * canvas.rng.uniform(0.2, 1.2)
    count = int((w - x) / length) + 2
    crest = "".join(f"q{length * 0.5:.1f} {-rise:.1f} {length:.1f} 0" for _ in range(count))
    return f"M{x:.1f} {y:.1f}{crest}V{h + 20:.0f}H{x:.1f}Z"


def beach(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.48)
    _waves(canvas, 0.48, 3, setting.weather in ("storm", "wind"))
    h = canvas.height
    foam = rolling(canvas, canvas.rng, h * 0.665, h * 0.014, 6)
    canvas.sheet(foam.path, canvas.light.tone("#f3fbfb"))
    behind = rolling(canvas, canvas.rng, h * 0.69, h * 0.014, 6)
    canvas.sheet(behind.path, canvas.ground_colour(SAND, 0.08))
    canvas.sheet(rolling(canvas, canvas.rng, h * 0.79, h * 0.02, 4).path, canvas.ground_colour(darker(SAND, 0.07)))
    return Stage(0.88, behind, water=0.64, front="#cfae6b")


def harbour(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.52)
    rng = _story(canvas, setting, "harbour")
    _houses(canvas, rng, 0.56, 0.42, depth=0.42, step=0.62)
    _waves(canvas, 0.56, 3, setting.weather == "storm")
    h, w = canvas.height, canvas.width
    for x in (0.08, 0.92):
        canvas.sheet(box(w * x - 7, h * 0.62, 14, h * 0.2, 4), canvas.light.tone("#6b452a", 0.1))
    canvas.sheet(_flat(canvas, h * 0.77).path, canvas.ground_colour("#a37c55"))
    for i in range(1, 4):
        canvas.stroke(f"M0 {h * (0.77 + 0.06 * i):.0f}H{w:.0f}", canvas.light.tone("#6b4a30"), 2.6, 0.6)
    return Stage(0.88, _flat(canvas, h * 0.7), water=0.71)


def river(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.55)
    rng = _story(canvas, setting, "river")
    _hills(canvas, rng, 0.47, ("#8fb58a", "#7fae60"))
    w, h = canvas.width, canvas.height
    bank = rolling(canvas, rng, h * 0.6, h * 0.012, 6)
    canvas.sheet(bank.path, canvas.ground_colour(GRASS, 0.22))
    for _ in range(6):
        canvas.paste(round_tree(MOSS), rng.uniform(0, w), h * 0.615, rng.uniform(0.5, 0.8), depth=0.28)
    water = rolling(canvas, rng, h * 0.645, h * 0.006, 6)
    canvas.sheet(water.path, canvas.light.tone(WATER, 0.12))
    _ripples(canvas, 0.66, 0.8)
    behind = rolling(canvas, canvas.rng, h * 0.80, h * 0.014, 5)
    canvas.sheet(behind.path, canvas.ground_colour(GRASS, 0.02))
    _reeds(canvas, behind)
    return Stage(0.895, bank, water=0.745, front=MOSS)


def lake(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.55)
    rng = _story(canvas, setting, "lake")
    canvas.sheet(
        jagged(canvas, rng, canvas.height * 0.6, canvas.height * 0.22, 5).path, canvas.light.tone("#6f8fa0", 0.6)
    )
    _pines(canvas, rng, 0.6, 0.9, 22, 0.4)
    h = canvas.height
    canvas.sheet(_flat(canvas, h * 0.6).path, canvas.light.tone(WATER, 0.2))
    _ripples(canvas, 0.62, 0.8)
    behind = rolling(canvas, canvas.rng, h * 0.81, h * 0.016, 5)
    canvas.sheet(behind.path, canvas.ground_colour(GRASS))
    _reeds(canvas, behind)
    return Stage(0.9, _flat(canvas, h * 0.62), water=0.74, front=MOSS)


def _ripples(canvas: Canvas, top: float, low: float) -> None:
    rng, path = canvas.rng, []
    for _ in range(30):
        y = canvas.height * rng.uniform(top, low)
        path.append(f"M{rng.uniform(0, canvas.width):.0f} {y:.0f}q12 -4 {rng.uniform(22, 60):.0f} 0")
    canvas.stroke("".join(path), lighter(canvas.light.tone(WATER), 0.5), 2.2, 0.6)


def _reeds(canvas: Canvas, ridge: Ridge) -> None:
    rng, stalks, heads = canvas.rng, [], []
    for _ in range(26):
        x = rng.choice((rng.uniform(0, 0.3), rng.uniform(0.66, 1.0))) * canvas.width
        y, tall, lean = ridge.at(x) + 8, rng.uniform(34, 78), rng.uniform(-9, 9)
        stalks.append(f"M{x:.0f} {y:.0f}q0 {-tall / 2:.0f} {lean:.0f} {-tall:.0f}")
        if rng.random() < 0.45:
            heads.append(f"M{x + lean:.0f} {y - tall:.0f}l0 -13")
    canvas.stroke("".join(stalks), canvas.light.tone("#5f8a45"), 3)
    canvas.stroke("".join(heads), canvas.light.tone("#7a4f2c"), 6)


def forest(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.66)
    rng, h, w = _story(canvas, setting, "forest"), canvas.height, canvas.width
    for row, (depth, top) in enumerate(((0.66, 0.30), (0.46, 0.22), (0.24, 0.1))):
        _trunks(canvas, rng, row, depth, top)
        colour = canvas.ground_colour(mix(MOSS, "#2f6648", row / 3), depth)
        canvas.sheet(rolling(canvas, rng, h * (0.62 + 0.045 * row), h * 0.015, 6).path, colour)
    behind = _near(canvas, "#5b8a48", back=0.74, front=0.81)
    for x in (-0.01, 1.01):  # two dark trees frame the picture
        canvas.sheet(
            f"M{w * x - 46:.0f} {h:.0f}Q{w * x - 22:.0f} {h * 0.6:.0f} {w * x - 30:.0f} -20H{w * x + 30:.0f}Q{w * x + 20:.0f} {h * 0.6:.0f} {w * x + 46:.0f} {h:.0f}Z",
            canvas.light.tone("#3f2f2a"),
        )
    leaves = "".join(dot(w * (i / 11), rng.uniform(-26, 8), rng.uniform(38, 66)) for i in range(12))
    canvas.sheet(leaves, canvas.ground_colour("#2f5f3f"))
    return Stage(0.9, behind, front="#2f5f3f")


def _trunks(canvas: Canvas, rng: random.Random, row: int, depth: float, top: float) -> None:
    count = max(5, int(canvas.width / (60 + 26 * row)))
    trunk, crown = canvas.light.tone("#5a4436", depth), canvas.ground_colour(mix("#4f8a4a", "#2c6a4c", row / 2), depth)
    w, h = canvas.width, canvas.height
    crowns = []
    for i in range(count):
        x = w * (i + rng.uniform(0.1, 0.9)) / count
        thick = (7 + 5 * row) * rng.uniform(0.8, 1.2)
        canvas.add(
            poly(
                (x - thick / 2, h * (top + 0.08)),
                (x + thick / 2, h * (top + 0.08)),
                (x + thick * 0.8, h * 0.74),
                (x - thick * 0.8, h * 0.74),
            ),
            trunk,
        )
        crowns += [
            dot(x + rng.uniform(-22, 22), h * (top + rng.uniform(-0.12, 0.1)), rng.uniform(30, 50) + 8 * row)
            for _ in range(2)
        ]
    canvas.sheet("".join(crowns) + box(-20, -20, w + 40, h * top * 0.55), crown, 0.7)


def _pines(canvas: Canvas, rng: random.Random, y: float, scale: float, count: int, depth: float) -> None:
    for i in range(count):
        x = canvas.width * (i + rng.uniform(0, 1)) / count
        canvas.paste(
            pine(mix("#2f6a50", SNOW, 0.55 if canvas.snowy else 0)),
            x,
            canvas.height * y + 8,
            scale * rng.uniform(0.5, 1.1),
            depth=depth,
        )


def _houses(canvas: Canvas, rng: random.Random, y: float, tall: float, *, depth: float, step: float) -> None:
    """A skyline of narrow houses with lit windows."""
    x, h, lit = -30.0, canvas.height, []
    windows = canvas.light.glow("#ffd977") if canvas.light.night else canvas.light.tone("#6f8fa3", depth * 0.6)
    while x < canvas.width + 20:
        w, up = rng.uniform(62, 104) * step * 1.5, h * tall * rng.uniform(0.5, 1.0)
        top, wall = h * y - up, canvas.light.tone(rng.choice(WALLS), depth)
        canvas.sheet(box(x, top, w, up + 14), wall, 0.6)
        roof = poly((x - 6, top + 2), (x + w / 2, top - w * rng.uniform(0.4, 0.8)), (x + w + 6, top + 2))
        canvas.sheet(roof, canvas.ground_colour(rng.choice(ROOFS), depth), 0.6)
        size = 13 * step + 3
        rows = int(up / (size * 2.4))
        lit += [
            box(x + w * f - size / 2, top + size * (0.8 + 2.3 * r), size, size * 1.35, 2)
            for r in range(rows)
            for f in (0.28, 0.72)
            if rng.random() < 0.8
        ]
        x += w + rng.uniform(-2, 10)
    canvas.add("".join(lit), windows, 0.95)


def town(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng = _story(canvas, setting, "town")
    _houses(canvas, rng, 0.62, 0.34, depth=0.5, step=0.6)
    _houses(canvas, rng, 0.74, 0.42, depth=0.16, step=0.95)
    h = canvas.height
    behind = _flat(canvas, h * 0.735)
    canvas.sheet(behind.path, canvas.ground_colour("#b3a598", 0.1))
    canvas.sheet(_flat(canvas, h * 0.79).path, canvas.ground_colour("#9d8f86"))
    _cobbles(canvas, 0.81)
    return Stage(0.89, behind)


def _cobbles(canvas: Canvas, top: float) -> None:
    rng, path = canvas.rng, []
    for row in range(5):
        y = canvas.height * (top + 0.04 * row)
        for x in range(0, int(canvas.width), 58 + 8 * row):
            path.append(
                f"M{x + rng.uniform(-14, 14):.0f} {y + rng.uniform(-3, 3):.0f}q{14 + 2 * row} -7 {28 + 4 * row} 0"
            )
    canvas.stroke("".join(path), darker(canvas.ground_colour("#9d8f86"), 0.25), 2.4, 0.5)


def village(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.58)
    rng, w, h = _story(canvas, setting, "village"), canvas.width, canvas.height
    _hills(canvas, rng, 0.46, ("#8fb58a", "#83b066", "#7aa75a"))
    for i in range(6):
        x, row = w * (i + rng.uniform(0.15, 0.85)) / 6, i % 2
        roof = mix(rng.choice(ROOFS), SNOW, 0.75 if canvas.snowy else 0)
        canvas.paste(
            house(rng.choice(WALLS), roof),
            x,
            h * (0.665 + 0.03 * row),
            0.85 + 0.3 * row,
            depth=0.3 - 0.14 * row,
            flip=rng.random() < 0.5,
        )
    behind = _near(canvas, GRASS, back=0.71, front=0.8)
    return Stage(0.88, behind, front=MOSS)


def castle(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng, w, h = _story(canvas, setting, "castle"), canvas.width, canvas.height
    _hills(canvas, rng, 0.5, ("#8fae8a", "#86a86a"))
    middle, size = w * 0.5, min(w / 76, h * 0.0094)
    base = h * 0.72
    lit: list[str] = []
    for dx, width, high in ((-28, 11, 30), (28, 11, 32), (-14, 12, 40), (14, 12, 37), (0, 14, 46)):
        tall = high * (0.9 + rng.random() * 0.14)
        x, top = middle + dx * size, base - tall * size
        wall = canvas.light.tone("#b9aebb", 0.22)
        canvas.sheet(box(x - width / 2 * size, top, width * size, tall * size + 20), wall, 0.8)
        canvas.sheet(
            poly((x - width * 0.62 * size, top + 1), (x, top - width * 1.3 * size), (x + width * 0.62 * size, top + 1)),
            canvas.ground_colour("#7a4f8a" if rng.random() < 0.5 else "#3f6a9a", 0.14),
            0.7,
        )
        canvas.sheet(
            poly(
                (x, top - width * 1.3 * size), (x + 7 * size, top - width * 1.5 * size), (x, top - width * 1.7 * size)
            ),
            canvas.light.near("#c9443a"),
            0.4,
        )
        lit += [
            f"M{x - 1.4 * size:.1f} {top + k * size:.1f}v{-3 * size:.1f}q{1.4 * size:.1f} {-2 * size:.1f} {2.8 * size:.1f} 0v{3 * size:.1f}Z"
            for k in (9, 20)
        ]
    crenels = "".join(box(middle + i * size, base - 19 * size, 3.4 * size, 5 * size) for i in range(-36, 36, 6))
    canvas.sheet(
        box(middle - 36 * size, base - 16 * size, 72 * size, 16 * size + 30) + crenels,
        canvas.light.tone("#a89cab", 0.16),
        0.8,
    )
    canvas.add("".join(lit), canvas.light.glow() if canvas.light.night else canvas.light.tone("#5d5570", 0.2))
    gate = f"M{middle - 6 * size:.0f} {base + 30:.0f}v{-13 * size - 20:.0f}q{6 * size:.0f} {-8 * size:.0f} {12 * size:.0f} 0v{13 * size + 20:.0f}Z"
    canvas.sheet(gate, canvas.light.tone("#4a2f26"), 0.6)
    return Stage(0.89, _near(canvas, GRASS, back=0.73, front=0.81), front=MOSS)


def market(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.55)
    rng, w, h = _story(canvas, setting, "market"), canvas.width, canvas.height
    _houses(canvas, rng, 0.7, 0.42, depth=0.42, step=0.8)
    behind = _flat(canvas, h * 0.69)
    canvas.sheet(behind.path, canvas.ground_colour("#c9a982", 0.1))
    count = 4 if w > h else 3
    for i in range(count):
        _stall(canvas, rng, w * (i + 0.5) / count, h * 0.79, w / count * 0.84)
    flags = "".join(
        poly(
            (x, h * 0.2 + 16 * abs(((x / 130) % 2) - 1)),
            (x + 26, h * 0.2 + 16 * abs((((x + 26) / 130) % 2) - 1)),
            (x + 13, h * 0.26),
        )
        for x in range(0, int(w), 39)
    )
    canvas.add(flags, canvas.light.near("#e0a53a"))
    canvas.sheet(_flat(canvas, h * 0.8).path, canvas.ground_colour("#b8936a"))
    _cobbles(canvas, 0.83)
    return Stage(0.9, behind)


def _stall(canvas: Canvas, rng: random.Random, x: float, y: float, w: float) -> None:
    h = min(w * 0.85, canvas.height * 0.3)
    stripe = canvas.light.near(rng.choice(("#c9443a", "#2f7d78", "#d9902f", "#4a6fb0")))
    for side in (-0.44, 0.44):
        canvas.add(box(x + side * w - 4, y - h, 8, h), canvas.light.tone("#6b452a"))
    canvas.sheet(box(x - w * 0.48, y - h * 0.36, w * 0.96, h * 0.4, 3), canvas.light.tone("#a3703f"), 0.7)
    fruit = canvas.light.near(rng.choice(("#d8502f", "#e8b23a", "#7fa33a")))
    canvas.add("".join(dot(x - w * 0.4 + i * w * 0.1, y - h * 0.38 - (i % 2) * 6, w * 0.055) for i in range(9)), fruit)
    for i in range(6):
        left, wide = x - w / 2 + i * w / 6, w / 6
        scallop = f"M{left:.1f} {y - h * 0.78:.1f}L{x - w * 0.4 + i * w * 0.8 / 6:.1f} {y - h * 1.08:.1f}h{w * 0.8 / 6:.1f}L{left + wide:.1f} {y - h * 0.78:.1f}q{-wide / 2:.1f} {h * 0.16:.1f} {-wide:.1f} 0Z"
        canvas.sheet(scallop, stripe if i % 2 else canvas.light.near("#f7ecd6"), 0.5)


def garden(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng, w, h = _story(canvas, setting, "garden"), canvas.width, canvas.height
    _hills(canvas, rng, 0.52, ("#93ba80",))
    hedge = "".join(dot(w * i / 16, h * 0.64, w / 26 + rng.uniform(0, 9)) for i in range(17)) + box(
        -10, h * 0.64, w + 20, h * 0.2
    )
    canvas.sheet(hedge, canvas.ground_colour("#4f8a55", 0.2))
    for i in range(4):
        canvas.paste(
            round_tree("#62a050"), w * (i + rng.uniform(0.2, 0.8)) / 4, h * 0.72, rng.uniform(1.5, 1.9), depth=0.12
        )
    behind = _near(canvas, "#86ba58", back=0.72, front=0.8)
    _flowers(canvas, 0.735, 0.79, 60)
    _flowers(canvas, 0.93, 1.0, 46)
    return Stage(0.88, behind, front="#4f8a47")


def _flowers(canvas: Canvas, top: float, low: float, count: int) -> None:
    rng = canvas.rng
    spots = [
        (rng.uniform(0, canvas.width), canvas.height * rng.uniform(top, low), rng.uniform(4, 8)) for _ in range(count)
    ]
    canvas.stroke("".join(f"M{x:.0f} {y:.0f}v{r * 2.6:.0f}" for x, y, r in spots), canvas.light.tone("#3f7a3f"), 2)
    for i, colour in enumerate(("#e0567a", "#f2c341", "#f6f0e6", "#a862c0")):
        canvas.add("".join(star(x, y, r * 1.3, 5, 0.6) for x, y, r in spots[i::4]), canvas.light.near(colour))
    canvas.add("".join(dot(x, y, r * 0.35) for x, y, r in spots), canvas.light.near("#f5b731"))


def mountain(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng, h = _story(canvas, setting, "mountain"), canvas.height
    for i, (y, rise, peaks, depth) in enumerate(((0.6, 0.34, 4, 0.62), (0.68, 0.42, 3, 0.36))):
        ridge = jagged(canvas, rng, h * y, h * rise, peaks)
        canvas.sheet(ridge.path, canvas.light.tone("#7d7f94", depth))
        caps = []
        for x, top in ridge.points:
            if top < h * (y - rise * 0.5):
                drop = h * 0.075
                caps.append(
                    poly(
                        (x, top),
                        (x + drop * 0.7, top + drop),
                        (x + drop * 0.2, top + drop * 0.7),
                        (x - drop * 0.15, top + drop * 1.15),
                        (x - drop * 0.7, top + drop * 0.9),
                    )
                )
        canvas.add("".join(caps), canvas.light.tone("#ffffff", depth * 0.6))
        if i == 0 and setting.weather == "fog":
            fog_band(canvas, h * 0.56, 0.4)
    _pines(canvas, rng, 0.7, 0.9, 14, 0.26)
    return Stage(0.88, _near(canvas, "#8b8f84", back=0.71, front=0.8), front="#5f6660")


def desert(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng, w, h = _story(canvas, setting, "desert"), canvas.width, canvas.height
    for i, colour in enumerate(("#e6b87c", "#e0a865", "#d99c55")):
        canvas.sheet(
            rolling(canvas, rng, h * (0.52 + 0.06 * i), h * 0.05, 4 + i).path, canvas.light.tone(colour, 0.5 - 0.16 * i)
        )
    for _ in range(3):
        x, y, s = rng.uniform(0.08, 0.92) * w, h * 0.715, rng.uniform(0.8, 1.3)
        cactus = f"M{x:.0f} {y:.0f}v{-70 * s:.0f}M{x:.0f} {y - 26 * s:.0f}h{-20 * s:.0f}v{-22 * s:.0f}M{x:.0f} {y - 36 * s:.0f}h{19 * s:.0f}v{-20 * s:.0f}"
        canvas.stroke(cactus, "#0b0820", 15 * s, 0.15)
        canvas.stroke(cactus, canvas.light.tone("#5f8f55", 0.1), 11 * s)
    return Stage(0.88, _near(canvas, "#e3ad62", back=0.7, front=0.79, swing=0.03), front="#c98d47")


def snowfield(canvas: Canvas, setting: Setting) -> Stage:
    canvas.snowy = True
    _outdoors(canvas, setting, 0.6)
    rng, h = _story(canvas, setting, "snowfield"), canvas.height
    canvas.sheet(jagged(canvas, rng, h * 0.58, h * 0.2, 5).path, canvas.light.tone("#b9c9dc", 0.6))
    _hills(canvas, rng, 0.55, (SNOW, SNOW))
    _pines(canvas, rng, 0.68, 1.1, 12, 0.25)
    return Stage(0.88, _near(canvas, SNOW, back=0.69, front=0.79), front=SNOW)


def cave(canvas: Canvas, setting: Setting) -> Stage:
    w, h, rng = canvas.width, canvas.height, _story(canvas, setting, "cave")
    paint_sky(canvas, time=setting.time, weather=setting.weather, horizon=h * 0.7)
    canvas.sheet(rolling(canvas, rng, h * 0.6, h * 0.03, 5).path, canvas.ground_colour(GRASS, 0.5))
    x, y = w * rng.choice((0.36, 0.5, 0.64)), h * 0.5
    for i, colour in enumerate(("#8b7a86", "#6d5f70", "#51465a", "#3a3346")):
        rx, ry = w * (0.16 + 0.075 * i), h * (0.2 + 0.09 * i)
        canvas.sheet(
            f"M-20 -20H{w + 20:.0f}V{h + 20:.0f}H-20Z{_mouth(rng, x, y, rx, ry)}", canvas.light.tone(colour, 0.1)
        )
    _stalactites(canvas, rng)
    canvas.halo(x, y, canvas.unit * 60, canvas.light.sky[2], 0.4)
    canvas.sheet(rolling(canvas, rng, h * 0.76, h * 0.02, 6).path, canvas.light.tone("#5c5060"))
    behind = rolling(canvas, rng, h * 0.81, h * 0.015, 5)
    canvas.sheet(behind.path, canvas.light.tone("#6d6070"))
    return Stage(0.89, behind, front="#2a2434")


def _mouth(rng: random.Random, x: float, y: float, rx: float, ry: float) -> str:
    """The ragged hole of a cave, wound the other way round so that it stays open."""
    corners = ((0, -1), (-0.7, -0.72), (-1, 0), (-0.85, 0.95), (0, 1.05), (0.85, 0.95), (1, 0), (0.7, -0.72))
    return poly(*((x + rx * a * rng.uniform(0.9, 1.1), y + ry * b * rng.uniform(0.9, 1.1)) for a, b in corners))


def _stalactites(canvas: Canvas, rng: random.Random) -> None:
    spikes = []
    for i in range(12):
        x, long, half = (
            canvas.width * (i + rng.random()) / 12,
            canvas.height * rng.uniform(0.05, 0.2),
            rng.uniform(12, 24),
        )
        spikes.append(poly((x - half, -10), (x + half, -10), (x + half * 0.1, long)))
    canvas.sheet("".join(spikes), canvas.light.tone("#2f2a3c"), 0.8)


def road(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.58)
    rng, w, h = _story(canvas, setting, "road"), canvas.width, canvas.height
    _hills(canvas, rng, 0.47, ("#8fb58a", "#86b06a", "#7aa75a"))
    canvas.sheet(rolling(canvas, rng, h * 0.66, h * 0.012, 5).path, canvas.ground_colour(GRASS, 0.1))
    bend = rng.choice((-1, 1))
    x = w * 0.5
    path = (
        f"M{x + bend * w * 0.1:.0f} {h * 0.655:.0f}Q{x - bend * w * 0.16:.0f} {h * 0.72:.0f} {x - w * 0.3:.0f} {h * 1.02:.0f}"
        f"H{x + w * 0.36:.0f}Q{x + bend * w * 0.02:.0f} {h * 0.74:.0f} {x + bend * w * 0.13:.0f} {h * 0.655:.0f}Z"
    )
    canvas.sheet(path, canvas.ground_colour("#dcc096"))
    for i in range(5):
        side = -1 if i % 2 else 1
        canvas.paste(
            round_tree(MOSS),
            x + side * w * (0.2 + 0.07 * i),
            h * (0.68 + 0.02 * i),
            0.7 + 0.22 * i,
            depth=0.24 - 0.04 * i,
        )
    return Stage(0.89, _flat(canvas, h * 0.71), front=MOSS)


def sky(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 1.0)
    rng, w, h = canvas.rng, canvas.width, canvas.height
    for i in range(4):
        y = h * (0.5 + 0.1 * i)
        for _ in range(3):
            canvas.sheet(
                cloud_path(rng.uniform(0, w), y + rng.uniform(-10, 10), rng.uniform(260, 420)),
                canvas.light.tone("#ffffff", 0.55 - 0.13 * i),
                0.8,
            )
    bank = "".join(dot(w * i / 9, h * 0.94, h * rng.uniform(0.09, 0.13)) for i in range(10)) + box(
        -10, h * 0.94, w + 20, h * 0.1
    )
    canvas.sheet(bank, canvas.light.tone("#fdfdff"))
    return Stage(0.87, _flat(canvas, h * 0.72), floats="cloud")


def space(canvas: Canvas, setting: Setting) -> Stage:
    w, h, rng = canvas.width, canvas.height, _story(canvas, setting, "space")
    canvas.fall(0, 0, w, h, (canvas.light.tone("#0c0d2b"), canvas.light.tone("#3a2a66")))
    paint_stars(canvas, 190, 1.0)
    x, y, r = w * rng.uniform(0.62, 0.8), h * rng.uniform(0.24, 0.34), canvas.unit * 17
    canvas.sheet(dot(x, y, r), "#d98a5a")
    canvas.add(
        f"M{x - r:.0f} {y:.0f}q{r:.0f} {r * 0.4:.0f} {2 * r:.0f} 0q{-r * 0.1:.0f} {r * 0.3:.0f} {-r * 0.25:.0f} {r * 0.5:.0f}q{-r * 0.75:.0f} {r * 0.3:.0f} {-r * 1.5:.0f} 0Z",
        "#c2703f",
        0.7,
    )
    canvas.stroke(
        f"M{x - r * 1.7:.0f} {y + r * 0.35:.0f}Q{x:.0f} {y + r * 0.85:.0f} {x + r * 1.7:.0f} {y - r * 0.35:.0f}",
        "#f2d7a0",
        7,
    )
    canvas.sheet(dot(w * 0.16, h * 0.3, canvas.unit * 6), "#6fb0c9")
    ground = rolling(canvas, rng, h * 0.79, h * 0.03, 4)
    canvas.sheet(ground.path, "#8f86a8")
    for _ in range(7):
        canvas.add(
            dot(rng.uniform(0, w), h * rng.uniform(0.84, 0.97), rng.uniform(18, 44), rng.uniform(5, 10)), "#6d6488", 0.8
        )
    return Stage(0.88, ground, floats="drift")


def underwater(canvas: Canvas, setting: Setting) -> Stage:
    w, h, rng = canvas.width, canvas.height, _story(canvas, setting, "underwater")
    canvas.fall(0, 0, w, h, (canvas.light.tone("#58c0d4"), canvas.light.tone("#123f6b")))
    for i in range(5):
        x = w * (0.1 + 0.2 * i)
        canvas.add(poly((x, -10), (x + 40, -10), (x - 60, h), (x - 190, h)), "#ffffff", 0.07)
    for i in range(3):
        canvas.sheet(
            rolling(canvas, rng, h * (0.62 + 0.07 * i), h * 0.05, 5).path, canvas.light.tone("#2a7a94", 0.4 - 0.15 * i)
        )
    weeds, colour = [], canvas.light.tone("#3f9a6a")
    for _ in range(16):
        x, tall = rng.uniform(0, w), h * rng.uniform(0.1, 0.32)
        weeds.append(f"M{x:.0f} {h * 0.84:.0f}q-18 {-tall * 0.25:.0f} 0 {-tall * 0.5:.0f}t0 {-tall * 0.5:.0f}")
    canvas.stroke("".join(weeds), colour, 8)
    behind = rolling(canvas, rng, h * 0.8, h * 0.02, 5)
    canvas.sheet(behind.path, canvas.light.tone("#e0c98f", 0.1))
    canvas.stroke(
        "".join(
            dot(canvas.rng.uniform(0, w), canvas.rng.uniform(0.1, 0.75) * h, canvas.rng.uniform(3, 9))
            for _ in range(26)
        ),
        "#e8fbff",
        2,
        0.7,
    )
    return Stage(0.86, behind, floats="drift", front="#2a8f7a")


def swamp(canvas: Canvas, setting: Setting) -> Stage:
    _outdoors(canvas, setting, 0.6)
    rng, w, h = _story(canvas, setting, "swamp"), canvas.width, canvas.height
    _trunks(canvas, rng, 1, 0.5, 0.14)
    canvas.sheet(_flat(canvas, h * 0.64).path, canvas.light.tone("#5f7d5a", 0.24))
    _ripples(canvas, 0.66, 0.82)
    for _ in range(9):
        canvas.add(dot(rng.uniform(0, w), h * rng.uniform(0.68, 0.78), 26, 6), canvas.light.tone("#7fae4f"))
    behind = rolling(canvas, canvas.rng, h * 0.81, h * 0.016, 5)
    canvas.sheet(behind.path, canvas.ground_colour("#5c6b3f"))
    _reeds(canvas, behind)
    return Stage(0.9, behind, water=0.75, front="#3f5236")


# --- Rooms -----------------------------------------------------------------------------------------------------

WALLPAPERS = {
    "kitchen": ("#e9c892", "#b98a5a"), "library": ("#8f5a4a", "#7a4a34"), "bedroom": ("#9db4cf", "#a9825e"),
    "hall": ("#b7a6bd", "#8d7f92"), "workshop": ("#c09a70", "#8a6a4c"), "cabin": ("#a87a4f", "#80573a"),
    "tavern": ("#a86f48", "#7a4f34"), "room": ("#d9b99b", "#a47a56"),
}  # fmt: skip


def interior(canvas: Canvas, setting: Setting) -> Stage:
    w, h = canvas.width, canvas.height
    wall, floor = WALLPAPERS.get(setting.inside, WALLPAPERS["room"])
    light = canvas.light
    shade = darker(wall, 0.1) if light.night else wall
    canvas.add(box(0, 0, w, h), mix(light.tone(shade), shade, 0.5))
    rng = _story(canvas, setting, "room" + setting.inside)
    _wallpaper(canvas, rng, mix(light.tone(darker(wall, 0.16)), wall, 0.3))
    side = rng.choice((0.27, 0.73))
    _window(canvas, setting, w * side, h * 0.4, min(w * 0.2, h * 0.21), h * 0.22, round_=setting.inside == "cabin")
    _furniture(canvas, rng, setting.inside, w * (1 - side))
    canvas.sheet(_flat(canvas, h * 0.735).path, mix(light.tone(darker(floor, 0.3)), floor, 0.2))
    canvas.sheet(_flat(canvas, h * 0.76).path, mix(light.tone(floor), floor, 0.35))
    for i in range(-6, 7):
        canvas.stroke(
            f"M{w / 2 + i * w * 0.09:.0f} {h * 0.76:.0f}L{w / 2 + i * w * 0.17:.0f} {h:.0f}",
            darker(floor, 0.4),
            2.4,
            0.5,
        )
    rug = canvas.light.near(rng.choice(("#a8324a", "#2f6f8a", "#4f7a4f", "#7d4a8a")))
    canvas.sheet(dot(w * 0.5, h * 0.9, w * 0.36, h * 0.075), rug, 0.5)
    canvas.stroke(dot(w * 0.5, h * 0.9, w * 0.32, h * 0.058), lighter(rug, 0.5), 3, 0.8)
    if light.night or setting.time == "evening":
        canvas.halo(w * 0.5, h * 0.3, canvas.unit * 85, "#ffcf7a", 0.42)
    return Stage(0.9, _flat(canvas, h * 0.775), inside=True)


def _wallpaper(canvas: Canvas, rng: random.Random, colour: str) -> None:
    w, h, kind = canvas.width, canvas.height, rng.choice(("stripes", "dots", "diamonds"))
    if kind == "stripes":
        canvas.add("".join(box(x, 0, 15, h * 0.74) for x in range(0, int(w), 52)), colour, 0.35)
    elif kind == "dots":
        canvas.add(
            "".join(
                dot(x + (y // 44 % 2) * 22, y, 4) for y in range(16, int(h * 0.72), 44) for x in range(10, int(w), 44)
            ),
            colour,
            0.5,
        )
    else:
        canvas.add(
            "".join(
                star(x + (y // 56 % 2) * 30, y, 8, 4, 0.5)
                for y in range(20, int(h * 0.72), 56)
                for x in range(10, int(w), 60)
            ),
            colour,
            0.45,
        )


def _window(canvas: Canvas, setting: Setting, x: float, y: float, half: float, tall: float, *, round_: bool) -> None:
    """A window with the time and the weather outside in it."""
    outside = Canvas(half * 2, tall * 2, canvas.light, canvas.media, canvas.rng, canvas.story, defs=canvas.defs)
    hole = dot(half, tall, half) if round_ else box(0, 0, half * 2, tall * 2, 5)
    paint_sky(outside, time=setting.time, weather=setting.weather, horizon=tall * 1.6)
    green = mix(GRASS, SNOW, 0.85) if setting.weather == "snow" else GRASS
    outside.sheet(
        rolling(outside, chance("outside", setting.seed), tall * 1.55, tall * 0.1, 4).path,
        canvas.light.tone(green, 0.3),
    )
    paint_weather(outside, setting.weather)
    canvas.sheet(
        f"M{x - half - 13:.1f} {y - tall - 13:.1f}h{half * 2 + 26:.1f}v{tall * 2 + 26:.1f}h{-half * 2 - 26:.1f}Z"
        if not round_
        else dot(x, y, half + 15),
        canvas.light.tone("#7a4f34"),
    )
    name = f"pane{len(canvas.defs)}"
    canvas.defs.append(f'<clipPath id="{name}"><path d="{hole}"/></clipPath>')
    canvas.out.append(
        f'<g transform="translate({x - half:.1f} {y - tall:.1f})" clip-path="url(#{name})">'
        + "".join(outside.out)
        + "</g>"
    )
    frame = canvas.light.tone("#7a4f34")
    canvas.stroke(f"M{x:.1f} {y - tall:.1f}v{tall * 2:.1f}M{x - half:.1f} {y:.1f}h{half * 2:.1f}", frame, 8)
    if not round_:
        canvas.sheet(box(x - half - 22, y + tall + 8, half * 2 + 44, 14, 3), canvas.light.tone("#8f6240"), 0.7)
        curtain = canvas.light.near(lighter(WALLPAPERS.get(setting.inside, WALLPAPERS["room"])[1], 0.35))
        for s in (-1, 1):
            edge = x + s * (half + 20)
            canvas.sheet(
                f"M{edge:.0f} {y - tall - 22:.0f}H{x + s * half * 0.35:.0f}Q{x + s * half * 0.5:.0f} {y:.0f} {edge - s * 6:.0f} {y + tall * 0.7:.0f}L{edge:.0f} {y + tall + 20:.0f}Z",
                curtain,
                0.7,
            )


def _furniture(canvas: Canvas, rng: random.Random, inside: str, x: float) -> None:
    maker = {
        "library": _shelves,
        "kitchen": _stove,
        "hall": _columns,
        "workshop": _tools,
        "tavern": _casks,
        "bedroom": _bed,
    }.get(inside, _picture)
    maker(canvas, rng, x)


def _shelves(canvas: Canvas, rng: random.Random, x: float) -> None:
    h, half = canvas.height, min(canvas.width * 0.2, canvas.height * 0.34)
    canvas.sheet(box(x - half, h * 0.12, half * 2, h * 0.64, 4), canvas.light.tone("#5f3f2c"))
    for row in range(4):
        low, at = h * (0.27 + 0.152 * row), x - half + 10
        canvas.add(box(x - half + 8, low - h * 0.13, half * 2 - 16, h * 0.13), canvas.light.tone("#3f2a20"))
        while at < x + half - 26:
            wide, tall = rng.uniform(9, 19), h * rng.uniform(0.08, 0.122)
            canvas.add(
                box(at, low - tall, wide, tall, 2),
                canvas.light.near(rng.choice(("#a8413b", "#3f6f8a", "#c99a3f", "#4f7a55", "#6f4f8a", "#d9c9a8"))),
            )
            at += wide + 2


def _stove(canvas: Canvas, rng: random.Random, x: float) -> None:
    h, s = canvas.height, canvas.unit
    canvas.sheet(box(x - 4 * s, 0, 8 * s, h * 0.5), canvas.light.tone("#8f8a88"))
    canvas.sheet(box(x - 16 * s, h * 0.74 - 27 * s, 32 * s, 27 * s, 6), canvas.light.tone("#c9553f"))
    canvas.sheet(box(x - 19 * s, h * 0.74 - 30 * s, 38 * s, 4.5 * s, 3), canvas.light.tone("#7a3f34"))
    canvas.add(
        f"M{x - 8 * s:.0f} {h * 0.74:.0f}v{-11 * s:.0f}q{8 * s:.0f} {-9 * s:.0f} {16 * s:.0f} 0v{11 * s:.0f}Z",
        "#2f2024",
    )
    canvas.add(
        f"M{x - 5 * s:.0f} {h * 0.74:.0f}q{-2 * s:.0f} {-9 * s:.0f} {5 * s:.0f} {-13 * s:.0f}q{7 * s:.0f} {5 * s:.0f} {5 * s:.0f} {13 * s:.0f}Z",
        "#f59a3c",
    )
    canvas.halo(x, h * 0.74 - 6 * s, 30 * s, "#ffb057", 0.5)
    canvas.sheet(
        f"M{x - 8 * s:.0f} {h * 0.74 - 39 * s:.0f}h{15 * s:.0f}l{-2 * s:.0f} {9 * s:.0f}h{-11 * s:.0f}Z",
        canvas.light.tone("#5f6a78"),
        0.6,
    )


def _columns(canvas: Canvas, rng: random.Random, x: float) -> None:
    h, w = canvas.height, canvas.width
    for at in (0.06, 0.5, 0.94):
        canvas.sheet(box(w * at - 26, -10, 52, h * 0.77, 4), canvas.light.tone("#d3c8d4"))
        canvas.add(
            box(w * at - 12, 0, 6, h * 0.74) + box(w * at + 5, 0, 6, h * 0.74), canvas.light.tone("#a89cac"), 0.6
        )
        canvas.sheet(
            box(w * at - 34, h * 0.05, 68, 18, 4) + box(w * at - 36, h * 0.705, 72, 22, 3),
            canvas.light.tone("#c0b3c2"),
            0.6,
        )
    banner = f"M{x - 40:.0f} {h * 0.12:.0f}h80v{h * 0.36:.0f}l-40 -32l-40 32Z"
    canvas.sheet(banner, canvas.light.near(rng.choice(("#a8324a", "#3a5f9a", "#4f7a4f"))), 0.7)
    canvas.add(star(x, h * 0.25, 24), canvas.light.near("#e6b23f"))


def _tools(canvas: Canvas, rng: random.Random, x: float) -> None:
    h, s = canvas.height, canvas.unit
    canvas.sheet(box(x - 26 * s, h * 0.22, 52 * s, 2.4 * s, 2), canvas.light.tone("#6b452a"), 0.6)
    iron, wood = canvas.light.tone("#6f7780"), canvas.light.tone("#9a6a3f")
    for i in range(5):
        at = x - 21 * s + i * 10.5 * s
        canvas.stroke(f"M{at:.0f} {h * 0.24:.0f}v{14 * s:.0f}", wood, 6)
        head = (
            box(at - 3.5 * s, h * 0.24 + 14 * s, 7 * s, 4 * s, 2),
            dot(at, h * 0.24 + 16 * s, 3.2 * s),
            poly((at - 3 * s, h * 0.24 + 13 * s), (at + 3 * s, h * 0.24 + 13 * s), (at, h * 0.24 + 22 * s)),
        )
        canvas.sheet(head[i % 3], iron, 0.5)
    canvas.sheet(box(x - 28 * s, h * 0.59, 56 * s, 4.5 * s, 2), wood)
    canvas.sheet(
        box(x - 25 * s, h * 0.6, 5 * s, h * 0.16) + box(x + 20 * s, h * 0.6, 5 * s, h * 0.16),
        canvas.light.tone("#6b452a"),
        0.7,
    )


def _casks(canvas: Canvas, rng: random.Random, x: float) -> None:
    h, s = canvas.height, canvas.unit
    for dx, dy in ((-13, 0), (13, 0), (0, -21)):
        cx, cy = x + dx * s, h * 0.74 - 11.5 * s + dy * s
        canvas.sheet(dot(cx, cy, 12 * s), canvas.light.tone("#9a6a3f"))
        canvas.stroke(dot(cx, cy, 10 * s), canvas.light.tone("#4b4a55"), 4)
        canvas.add(dot(cx, cy, 2 * s), canvas.light.tone("#4b2f20"))


def _bed(canvas: Canvas, rng: random.Random, x: float) -> None:
    _picture(canvas, rng, x)
    s = canvas.unit * 0.62
    canvas.paste(PROPS["bed"].cut, x, canvas.height * 0.775, s, depth=0.0)


def _picture(canvas: Canvas, rng: random.Random, x: float) -> None:
    h, s = canvas.height, canvas.unit
    canvas.sheet(box(x - 15 * s, h * 0.2, 30 * s, 22 * s, 3), canvas.light.tone("#c9953f"))
    canvas.add(box(x - 12.5 * s, h * 0.2 + 2.5 * s, 25 * s, 17 * s), canvas.light.tone("#bfdbe0"))
    canvas.add(
        f"M{x - 12.5 * s:.0f} {h * 0.2 + 19.5 * s:.0f}v{-5 * s:.0f}l{8 * s:.0f} {-7 * s:.0f}l{7 * s:.0f} {6 * s:.0f}l{4 * s:.0f} {-3 * s:.0f}l{6 * s:.0f} {5 * s:.0f}v{4 * s:.0f}Z",
        canvas.light.tone("#5f8f6a"),
    )


PAINTERS: dict[str, Painter] = {
    "hills": hills, "field": field, "sea": sea, "beach": beach, "harbour": harbour, "river": river, "lake": lake,
    "forest": forest, "town": town, "village": village, "castle": castle, "market": market, "garden": garden,
    "mountain": mountain, "desert": desert, "snowfield": snowfield, "cave": cave, "road": road, "sky": sky,
    "space": space, "underwater": underwater, "swamp": swamp, "interior": interior,
}  # fmt: skip
