"""Puts a picture together: the place, its things, the cast, the weather, the frame."""

from __future__ import annotations

import io
import math
import random

from adapters.paper_cut.colours import darker, from_hue, light_of, lighter, mix
from adapters.paper_cut.figures import SIZES, Look, Pose, figure, hand, look_of, size_of
from adapters.paper_cut.paper import AREA, Canvas, Part, box, dot, rolling
from adapters.paper_cut.places import PAINTERS, Setting, Stage
from adapters.paper_cut.plan import Plan, Sketch, plan_of
from adapters.paper_cut.props import PROPS, Prop
from adapters.paper_cut.sky import paint_lightning, paint_stars, paint_weather

__all__ = ["Sketch", "compose", "paint"]

JPEG_QUALITY = 88
TALL = {"cinematic": 33.0, "cartoon": 39.0, "realistic": 34.0, "artistic": 36.0}  # an adult, in hundredths of the short side
NO_WEATHER = frozenset({"interior", "cave", "space", "underwater"})
STUMP = (
    Part("M-44 0Q-34 -14 -34 -40H34Q34 -14 46 0Z", "#7a5236"),
    Part(dot(0, -40, 34, 10), "#d3a872"),
    Part(dot(0, -40, 21, 6) + dot(0, -40, 9, 2.5), None, "#a97c4c", 2),
)


def paint(sketch: Sketch) -> bytes:
    """The picture as JPEG. Holds the GIL while it rasterises: call it in another process."""
    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=compose(sketch), skip_system_fonts=True)
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0, comment="draft:paper-cut")
    return out.getvalue()


def compose(sketch: Sketch) -> str:
    """The picture as SVG, the same for the same sketch; no text of the story reaches it."""
    plan = plan_of(sketch)
    shape = sketch.width / sketch.height
    canvas = Canvas(
        width=round(math.sqrt(AREA * shape)),
        height=round(math.sqrt(AREA / shape)),
        light=light_of(time=plan.time, weather=plan.weather, mood=plan.mood, media=plan.media),
        media=plan.media,
        rng=random.Random(f"picture:{sketch.seed}:{sketch.story_seed}"),  # noqa: S311 - a choice of shapes
        story=random.Random(f"story:{sketch.story_seed}"),  # noqa: S311
        snowy=plan.weather == "snow" and plan.place not in NO_WEATHER,
    )
    stage = PAINTERS[plan.place](canvas, Setting(plan.time, plan.weather, plan.inside, sketch.story_seed))
    _populate(canvas, stage, plan)
    if plan.place not in NO_WEATHER:
        paint_weather(canvas, plan.weather)
    _finish(canvas, plan)
    return _document(canvas, sketch)


# --- Things and people -----------------------------------------------------------------------------------------


def _populate(canvas: Canvas, stage: Stage, plan: Plan) -> None:
    side = canvas.rng.choice((-1, 1))  # the landmark stands on this side, the cast on the other
    _overhead(canvas, stage, plan, side)
    by_place = {where: [PROPS[name] for name in plan.props if PROPS[name].where == where] for where in ("landmark", "ground", "hand", "sky", "water")}
    for prop in by_place["landmark"]:
        x = canvas.width * (0.5 + side * canvas.rng.uniform(0.26, 0.31))
        _stand(canvas, prop, x, stage.back.at(x) + 16, depth=0.06)
    for prop in by_place["water"]:
        if stage.floats != "boat":
            x = canvas.width * (0.5 + side * canvas.rng.uniform(0.12, 0.3))
            y = canvas.height * (stage.water if stage.water is not None else stage.feet - 0.03)
            _stand(canvas, prop, x, y, depth=0.04)
    if stage.floats == "boat":
        _afloat(canvas, stage, plan, by_place["hand"])
        return
    for i, prop in enumerate(by_place["ground"]):
        x = canvas.width * (0.5 + side * (0.34 if i == 0 else 0.06) * canvas.rng.uniform(0.9, 1.1))
        _stand(canvas, prop, x, canvas.height * (stage.feet - (0.035 if i else 0.0)))
    for i, kind in enumerate(plan.extras):
        _pass_by(canvas, stage, kind, canvas.width * (0.5 + side * (0.16 + 0.3 * i)), canvas.height * (stage.feet + 0.035))
    _cast(canvas, stage, plan, by_place["hand"], middle=0.5 - side * 0.16, spread=0.5)
    _front(canvas, stage)


def _stand(canvas: Canvas, prop: Prop, x: float, y: float, *, depth: float = 0.0) -> None:
    """A thing on the ground, at its own size."""
    scale = _adult(canvas) * prop.size / 100 / 100
    if prop.where in ("ground", "landmark"):
        canvas.foot_shadow(x, y, 40 * scale)
    if prop.shines and (canvas.light.night or prop.where != "landmark"):
        canvas.halo(x, y - 60 * scale, 230 * scale, "#ffcf73", 0.55)
    canvas.paste(prop.cut, x, y, scale, depth=depth)


def _adult(canvas: Canvas) -> float:
    """The height of an adult in units."""
    return canvas.unit * TALL[canvas.media]


def _overhead(canvas: Canvas, stage: Stage, plan: Plan, side: int) -> None:
    if stage.inside or plan.place in ("cave", "underwater"):
        return
    if "star" in plan.overhead and plan.time in ("night", "evening", "dawn"):
        x, y, r = canvas.width * (0.5 - side * 0.12), canvas.height * 0.17, canvas.unit * 6.5
        from adapters.paper_cut.paper import star

        paint_stars(canvas, 50, 0.5)
        canvas.halo(x, y, r * 4.5, "#fff0b8", 0.7)
        canvas.sheet(star(x, y, r, 5, 0.48), "#ffe27a", 0.6)
    if "lightning" in plan.overhead and plan.weather != "storm":
        paint_lightning(canvas)
    for name in plan.props:
        if PROPS[name].where == "sky":
            x, y = canvas.width * (0.5 + side * 0.2), canvas.height * (0.34 if name != "rainbow" else 0.56)
            canvas.paste(PROPS[name].cut, x, y, _adult(canvas) * PROPS[name].size / 10000 * (2.6 if name == "rainbow" else 1.0), near=name != "rainbow")


def _pass_by(canvas: Canvas, stage: Stage, kind: str, x: float, y: float) -> None:
    """An animal the text names that is nobody of the cast; birds fly."""
    look = look_of(kind, kind, 0)
    scale = _adult(canvas) / 100 * SIZES.get(kind, 0.6) * 0.82
    if kind in ("bird", "crow", "goose", "heron", "owl") and not stage.inside:
        for i in range(3):
            bx, by, s = x + 46 * i - 30, canvas.height * 0.3 - 26 * (i % 2), 15 + 3 * i
            canvas.stroke(f"M{bx - s:.0f} {by - s * 0.4:.0f}q{s * 0.6:.0f} {-s * 0.5:.0f} {s:.0f} {s * 0.4:.0f}q{s * 0.4:.0f} {-s * 0.9:.0f} {s:.0f} {-s * 0.4:.0f}", canvas.light.near("#33303f"), 3.6)
        return
    if kind in ("fish", "whale") and stage.water is not None:
        y = canvas.height * stage.water
    canvas.foot_shadow(x, y, 26 * scale)
    canvas.paste(figure(look, Pose()), x, y, scale, flip=canvas.rng.random() < 0.5)


def _cast(canvas: Canvas, stage: Stage, plan: Plan, held: list[Prop], *, middle: float, spread: float) -> None:
    """The cast in a loose row, turned to one another, the first one holding what the scene is about."""
    count = len(plan.cast)
    gap = min(spread / max(count, 1), 0.2 * math.sqrt(canvas.height / canvas.width) + 0.02)
    shrink = 1.0 if count <= 3 else math.sqrt(3 / count)
    order = canvas.rng.sample(range(count), count)
    left = [*held]
    for place, number in enumerate(order):
        look = plan.cast[number]
        x = canvas.width * (middle + (place - (count - 1) / 2) * gap + canvas.rng.uniform(-0.012, 0.012))
        y = canvas.height * (stage.feet + 0.012 * (place % 2))
        flip = place > (count - 1) / 2 or (count == 1 and x > canvas.width / 2)
        prop = left.pop(0) if left and look.kind == "person" else None
        _figure(canvas, stage, look, prop, x, y, shrink, flip=flip, number=number)
    for i, prop in enumerate(left):
        _on_stump(canvas, stage, prop, canvas.width * (0.5 + (0.5 - middle) * (2.4 - 1.2 * i)))


def _figure(canvas: Canvas, stage: Stage, look: Look, prop: Prop | None, x: float, y: float, shrink: float, *, flip: bool, number: int) -> None:
    scale = _adult(canvas) / 100 * size_of(look) * shrink
    drifting = stage.floats == "drift"
    turn = canvas.rng.uniform(-9, 9) if drifting else 0.0
    y -= canvas.height * canvas.rng.uniform(0.02, 0.1) if drifting else 0.0
    pose = Pose(stride=canvas.rng.choice((0.0, 0.0, 0.6, 1.0)) if stage.floats != "boat" else 0.0, raised=prop is not None or canvas.rng.random() < 0.12, helmet=drifting)
    if stage.floats == "":
        canvas.foot_shadow(x, y, 22 * scale)
    hx, hy = hand(look)
    if prop is not None:
        px, py = x + (-hx if flip else hx) * scale, y + hy * scale
        size = _adult(canvas) * prop.size / 10000 * 1.2
        if prop.shines:
            canvas.halo(px, py - 40 * size, 330 * size, "#ffd27a", 0.75 if canvas.light.night else 0.5)
        canvas.paste(prop.cut, px, py + 8 * size, size, near=True, turn=(-8 if flip else 8))
    label = f' data-figure="{number}" data-kind="{look.kind}" data-cloth="{look.cloth}" data-hair="{look.hair}" data-skin="{look.skin}"'
    canvas.paste(figure(look, pose), x, y, scale, flip=flip, turn=turn, near=True, label=label)


def _on_stump(canvas: Canvas, stage: Stage, prop: Prop, x: float) -> None:
    """A small thing the scene is about, shown large in the foreground."""
    scale, y = _adult(canvas) / 100, canvas.height * (stage.feet + 0.05)
    canvas.foot_shadow(x, y, 30 * scale)
    canvas.paste(STUMP, x, y, scale * 0.8)
    if prop.shines:
        canvas.halo(x, y - 60 * scale, 150 * scale, "#ffd27a", 0.6)
    canvas.paste(prop.cut, x, y - 32 * scale, scale * prop.size / 100 * 1.3, near=True)


def _afloat(canvas: Canvas, stage: Stage, plan: Plan, held: list[Prop]) -> None:
    """On open water the cast sits in a boat, and the boat between two waves."""
    x, y, s = canvas.width * canvas.rng.uniform(0.42, 0.58), canvas.height * stage.feet, _adult(canvas) / 100
    half = (62 + 22 * max(len(plan.cast), 1)) * s
    mast = x - half * 0.5
    canvas.stroke(f"M{mast:.0f} {y:.0f}V{y - 165 * s:.0f}", darker(canvas.light.tone("#6b452a"), 0.1), 6 * s)
    canvas.sheet(f"M{mast + 5 * s:.0f} {y - 160 * s:.0f}Q{mast + half * 0.9:.0f} {y - 110 * s:.0f} {mast + half * 0.8:.0f} {y - 48 * s:.0f}H{mast + 5 * s:.0f}Z", canvas.light.near("#f7ecd4"), 0.8)
    inner = Stage(stage.feet - 0.02, stage.back, floats="boat")
    _cast(canvas, inner, plan, held[: len(plan.cast)], middle=x / canvas.width + 0.02, spread=half * 1.25 / canvas.width)
    hull = f"M{x - half:.0f} {y - 34 * s:.0f}Q{x:.0f} {y - 16 * s:.0f} {x + half:.0f} {y - 40 * s:.0f}Q{x + half * 0.86:.0f} {y + 22 * s:.0f} {x + half * 0.5:.0f} {y + 30 * s:.0f}H{x - half * 0.55:.0f}Q{x - half * 0.9:.0f} {y + 20 * s:.0f} {x - half:.0f} {y - 34 * s:.0f}Z"
    canvas.sheet(hull, canvas.light.near(from_hue(canvas.story.random(), 0.42, 0.45)))
    canvas.stroke(f"M{x - half * 0.95:.0f} {y - 22 * s:.0f}Q{x:.0f} {y - 4 * s:.0f} {x + half * 0.95:.0f} {y - 28 * s:.0f}", canvas.light.near("#f7ecd4"), 4 * s)
    for i, rise in enumerate((0.07, 0.12)):
        wave, length = y + canvas.height * rise - 16, 86 + 30 * i
        start = -length * canvas.rng.random()
        crest = "".join(f"q{length / 2} -24 {length} 0" for _ in range(int((canvas.width - start) / length) + 2))
        canvas.sheet(f"M{start:.0f} {wave:.0f}{crest}V{canvas.height + 20:.0f}H{start:.0f}Z", canvas.light.tone(darker("#2f7fa6", 0.12 * i), 0.04))


def _front(canvas: Canvas, stage: Stage) -> None:
    """What grows along the lower border, nearest to the eye and darkest."""
    if stage.front is None:
        return
    rng, h = canvas.rng, canvas.height
    colour = darker(canvas.ground_colour(stage.front), 0.38)
    ridge = rolling(canvas, rng, h * 0.972, h * 0.012, 5)
    blades = []
    for _ in range(int(canvas.width / 15)):
        x, tall, lean = rng.uniform(-10, canvas.width + 10), rng.uniform(12, 40), rng.uniform(-14, 14)
        y = ridge.at(x) + 6
        blades.append(f"M{x - 4:.0f} {y:.0f}Q{x:.0f} {y - tall * 0.6:.0f} {x + lean:.0f} {y - tall:.0f}Q{x + 4:.0f} {y - tall * 0.5:.0f} {x + 5:.0f} {y:.0f}Z")
    if not canvas.snowy:
        canvas.add("".join(blades), colour)
    canvas.sheet(ridge.path, colour)


# --- The frame -------------------------------------------------------------------------------------------------


def _finish(canvas: Canvas, plan: Plan) -> None:
    w, h = canvas.width, canvas.height
    canvas.defs.append(
        '<radialGradient id="edge" cx="0.5" cy="0.5" r="0.75"><stop offset="0.55" stop-color="#0b0820" stop-opacity="0"/>'
        '<stop offset="1" stop-color="#0b0820" stop-opacity="0.55"/></radialGradient>'
    )
    if plan.media in ("cinematic", "realistic"):
        shade = 1.0 if plan.media == "cinematic" else 0.5
        canvas.out.append(f'<rect width="{w:.0f}" height="{h:.0f}" fill="url(#edge)" opacity="{shade}"/>')
    canvas.defs.append(
        '<filter id="fibre" x="0" y="0" width="100%" height="100%"><feTurbulence type="fractalNoise" baseFrequency="0.55" numOctaves="2" '
        f'seed="{canvas.story.randrange(99)}" stitchTiles="stitch"/><feColorMatrix values="0 0 0 0 0.5 0 0 0 0 0.45 0 0 0 0 0.4 0 1.1 0 0 -0.42"/></filter>'
        '<pattern id="paper" width="128" height="128" patternUnits="userSpaceOnUse"><rect width="128" height="128" filter="url(#fibre)"/></pattern>'
    )
    grain = {"artistic": 0.55, "cartoon": 0.16}.get(plan.media, 0.3)
    canvas.out.append(f'<rect width="{w:.0f}" height="{h:.0f}" fill="url(#paper)" opacity="{grain}"/>')
    FRAMES.get(plan.media, _no_frame)(canvas)


def _no_frame(canvas: Canvas) -> None:
    """The picture bleeds to its border."""


def _letterbox(canvas: Canvas) -> None:
    if canvas.width / canvas.height > 1.2:
        bar = canvas.height * 0.052
        canvas.sheet(box(-30, -30, canvas.width + 60, 30 + bar), "#0e0c14")
        canvas.sheet(box(-30, canvas.height - bar, canvas.width + 60, bar + 30), "#0e0c14")


def _card(canvas: Canvas) -> None:
    """A white card with round corners."""
    w, h, m = canvas.width, canvas.height, 13.0
    hole = box(m, m, w - 2 * m, h - 2 * m, 22)
    canvas.stroke(hole, "#0b0820", 12, 0.18)
    canvas.out.append(f'<path d="M-9 -9H{w + 9:.0f}V{h + 9:.0f}H-9Z{hole}" fill="#fffdf6" fill-rule="evenodd"/>')
    canvas.stroke(hole, "#241c2e", 2.6)


def _torn(canvas: Canvas) -> None:
    """A sheet of rough paper with a torn opening."""
    w, h, rng, m = canvas.width, canvas.height, canvas.story, 20.0
    edge = [(x, m + rng.uniform(-5, 5)) for x in range(int(m), int(w - m), 16)]
    edge += [(w - m + rng.uniform(-5, 5), y) for y in range(int(m), int(h - m), 16)]
    edge += [(x, h - m + rng.uniform(-5, 5)) for x in range(int(w - m), int(m), -16)]
    edge += [(m + rng.uniform(-5, 5), y) for y in range(int(h - m), int(m), -16)]
    hole = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in edge) + "Z"
    for width, opacity in ((26, 0.06), (15, 0.10), (7, 0.14)):
        canvas.stroke(hole, "#0b0820", width, opacity)
    canvas.out.append(f'<path d="M-9 -9H{w + 9:.0f}V{h + 9:.0f}H-9Z{hole}" fill="#f4ead6" fill-rule="evenodd"/>')
    canvas.stroke(hole, lighter("#f4ead6", 0.7), 3)


FRAMES = {"cinematic": _letterbox, "cartoon": _card, "artistic": _torn}


def _document(canvas: Canvas, sketch: Sketch) -> str:
    base = mix(canvas.light.sky[2], canvas.light.haze, 0.5)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sketch.width}" height="{sketch.height}" '
        f'viewBox="0 0 {canvas.width:.0f} {canvas.height:.0f}" preserveAspectRatio="xMidYMid slice">'
        f"<desc>draft:paper-cut</desc><defs>{''.join(canvas.defs)}</defs>"
        f'<rect width="{canvas.width:.0f}" height="{canvas.height:.0f}" fill="{base}"/>{"".join(canvas.out)}</svg>'
    )
