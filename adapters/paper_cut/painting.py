"""Puts a picture together: the place, its things, the cast, the weather, the frame."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from adapters.paper_cut.colours import darker, from_hue, light_of, lighter, mix
from adapters.paper_cut.figures import SIZES, Look, Pose, figure, hand, look_of, size_of
from adapters.paper_cut.paper import AREA, Canvas, Part, Point, box, chance, dot, poly, rolling, star
from adapters.paper_cut.places import PAINTERS, Setting, Stage
from adapters.paper_cut.plan import SKY_BEINGS, Plan, Sketch, plan_of
from adapters.paper_cut.props import PROPS, Prop, dyed
from adapters.paper_cut.sky import fog_band, paint_lightning, paint_rays, paint_stars, paint_weather

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Sketch", "compose", "paint"]

JPEG_QUALITY = 88
TALL = {
    "cinematic": 40.0,
    "cartoon": 44.0,
    "realistic": 40.0,
    "artistic": 42.0,
}  # an adult, in hundredths of the short side
ROUGHNESS = {"artistic": 0.2, "cartoon": 0.06, "realistic": 0.12, "cinematic": 0.12}  # how much the fibres show
CORNERS = {"cinematic": 0.5, "realistic": 0.25}  # how dark the corners get
NO_WEATHER = frozenset({"interior", "cave", "space", "underwater"})
BIRDS = frozenset({"bird", "crow", "goose", "heron", "owl"})
STOOL = (
    Part("M-26 -34L-34 0M26 -34L34 0", None, "#6b452a", 8),
    Part(box(-42, -44, 84, 12, 4), "#b5814f"),
)
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
        finished(image.convert("RGB"), sketch.media).save(
            out, "JPEG", quality=JPEG_QUALITY, subsampling=0, comment="draft:paper-cut"
        )
    return out.getvalue()


def finished(image: Image.Image, media: str) -> Image.Image:
    """The fibres of the paper and the dark corners; Pillow does both in a tenth of the time resvg takes."""
    from PIL import Image, ImageChops, ImageFilter

    rng = chance("fibres")
    tile = Image.frombytes("L", (256, 256), rng.randbytes(65536)).filter(ImageFilter.GaussianBlur(0.8))
    rough = ROUGHNESS.get(media, 0.3)
    tile = tile.point([round(128 + (value - 128) * rough) for value in range(256)])
    grain = Image.new("L", image.size)
    for x in range(0, image.width, 256):
        for y in range(0, image.height, 256):
            grain.paste(tile, (x, y))
    image = ImageChops.overlay(image, Image.merge("RGB", (grain, grain, grain)))
    if dark := CORNERS.get(media):
        corners = Image.radial_gradient("L").point(
            [round(255 - dark * max(0, value - 120) ** 1.3 / 5) for value in range(256)]
        )
        corners = corners.resize(image.size, Image.Resampling.BILINEAR)
        image = ImageChops.multiply(image, Image.merge("RGB", (corners, corners, corners)))
    return image


def compose(sketch: Sketch) -> str:
    """The picture as SVG, the same for the same sketch; no text of the story reaches it."""
    plan = plan_of(sketch)
    shape = sketch.width / sketch.height
    canvas = Canvas(
        width=round(math.sqrt(AREA * shape)),
        height=round(math.sqrt(AREA / shape)),
        light=light_of(time=plan.time, weather=plan.weather, mood=plan.mood, media=plan.media),
        media=plan.media,
        rng=chance("picture", sketch.seed, sketch.story_seed),
        story=chance("story", sketch.story_seed),
        snowy=plan.weather == "snow" and plan.place not in NO_WEATHER,
    )
    stage = PAINTERS[plan.place](canvas, Setting(plan.time, plan.weather, plan.inside, sketch.story_seed))
    if plan.weather == "fog" and plan.place not in NO_WEATHER:
        fog_band(canvas, canvas.height * 0.56, 0.5)
        fog_band(canvas, canvas.height * 0.74, 0.42)
    if (
        plan.media == "cinematic"
        and plan.time != "night"
        and plan.weather in ("clear", "fog")
        and plan.place not in NO_WEATHER
    ):
        paint_rays(canvas)
    _populate(canvas, stage, plan)
    if plan.place not in NO_WEATHER:
        paint_weather(canvas, plan.weather)
    _finish(canvas, plan)
    return _document(canvas, sketch)


# --- Things and people -----------------------------------------------------------------------------------------


def _populate(canvas: Canvas, stage: Stage, plan: Plan) -> None:
    side = canvas.rng.choice((-1, 1))  # the landmark and the things stand on this side, the cast on the other
    props = [(name, dyed(name, plan.dyes[name]) if name in plan.dyes else PROPS[name]) for name in plan.props]
    _overhead(canvas, stage, plan, side)
    away = canvas.rng.uniform(0.04, 0.08) if any(prop.where == "ground" for _, prop in props) else 0.27
    for name, prop in props:
        if prop.where == "landmark":
            _landmark(canvas, stage, plan, name, prop, canvas.width * (0.5 + side * away))
    if stage.floats == "boat" and (plan.cast or "boat" in plan.props):
        _afloat(canvas, stage, plan, [prop for _, prop in props if prop.where == "hand"])
        return
    held = [prop for _, prop in props if prop.where == "hand"]
    people = min(2, sum(look.kind == "person" for look in plan.cast))
    standing = [prop for _, prop in props if prop.where == "ground"]
    for _, prop in props:
        if prop.where == "water":
            away = (
                canvas.rng.uniform(-0.02, 0.06)
                if any(PROPS[other].where == "landmark" for other in plan.props)
                else 0.2
            )
            x, y = canvas.width * (0.5 + side * away), canvas.height * (stage.water or stage.feet - 0.04)
            _stand(canvas, prop, x, y, depth=0.03, scale=0.9)
    if stage.floats == "boat":
        return  # open water with nobody on it
    _things(canvas, stage, plan, standing, held[people:], side)
    alone = not standing and not held[people:] and not plan.extras
    _cast(canvas, stage, plan, held[:people], middle=0.5 - side * (0.06 if alone else 0.17), spread=0.5)
    _front(canvas, stage)


def _landmark(canvas: Canvas, stage: Stage, plan: Plan, name: str, prop: Prop, x: float) -> None:
    """A building or a tree behind the cast, as high as the picture has room for."""
    foot = stage.back.at(x) + 18
    tall = (foot - canvas.height * 0.06) / (112 if name != "mill" else 124)
    scale = min(_adult(canvas) * prop.size / 10000, tall, canvas.width * 0.62 / 100)
    if name == "lighthouse":
        _beams(canvas, x, foot - 86 * scale)
    canvas.foot_shadow(x, foot, 34 * scale)
    canvas.paste(prop.cut, x, foot, scale, depth=0.34 if plan.weather == "fog" else 0.05)


def _beams(canvas: Canvas, x: float, y: float) -> None:
    """The light of a lighthouse, to both sides."""
    strength = 0.26 if canvas.light.night else 0.12
    for reach, rise in ((-1.0, -0.16), (1.0, -0.07)):
        far = x + reach * canvas.width
        for wide in (0.16, 0.09):
            canvas.add(
                poly((x, y), (far, y + canvas.height * (rise - wide)), (far, y + canvas.height * (rise + wide))),
                "#fff0b0",
                strength,
            )


def _things(canvas: Canvas, stage: Stage, plan: Plan, standing: list[Prop], small: list[Prop], side: int) -> None:
    """What stands beside the cast: things, small things on a stump, animals passing by; each in a place of its own."""
    birds = [kind for kind in plan.extras if kind in BIRDS and not stage.inside]
    for kind in birds:
        _flock(canvas, kind, canvas.width * (0.5 - side * 0.1))
    beasts = [kind for kind in plan.extras if kind not in birds]
    count = len(standing) + len(small) + len(beasts)
    slots = [0.5 + side * (0.38 - 0.32 * (i + (0.5 if count == 1 else 0.0)) / max(count, 2)) for i in range(count)]
    crowded = 1.0 if count < 3 else 0.84
    for i, prop in enumerate(standing):
        y = canvas.height * (stage.feet - 0.03 * (i % 2))
        _stand(canvas, prop, canvas.width * slots.pop(0), y, scale=crowded)
    for kind in beasts:
        _pass_by(canvas, stage, kind, canvas.width * slots.pop(), canvas.height * (stage.feet + 0.02), scale=crowded)
    for prop in small:
        _on_stump(canvas, stage, prop, canvas.width * slots.pop(), scale=crowded)


def _stand(canvas: Canvas, prop: Prop, x: float, y: float, *, depth: float = 0.0, scale: float = 1.0) -> None:
    """A thing on the ground, at its own size."""
    size = _adult(canvas) * prop.size / 10000 * scale
    edge = min(62 * size, canvas.width * 0.3)
    x = min(max(x, edge), canvas.width - edge)
    if prop.where == "ground":
        canvas.foot_shadow(x, y, 40 * size)
    if prop.shines:
        canvas.halo(x, y - 50 * size, 170 * size, "#ffcf73", 0.9 if canvas.light.night else 0.6)
    canvas.paste(prop.cut, x, y, size, depth=depth)


def _adult(canvas: Canvas) -> float:
    """The height of an adult in units."""
    return canvas.unit * TALL[canvas.media] * (0.88 if canvas.width < canvas.height * 0.9 else 1.0)


def _overhead(canvas: Canvas, stage: Stage, plan: Plan, side: int) -> None:
    if stage.inside or plan.place in ("cave", "underwater"):
        return
    if "star" in plan.overhead and plan.time in ("night", "evening", "dawn"):
        moon = canvas.moon if canvas.moon is not None else canvas.width * (0.5 + side * 0.12)
        x, y, r = canvas.width * (0.36 if moon > canvas.width / 2 else 0.64), canvas.height * 0.17, canvas.unit * 6.5
        paint_stars(canvas, 50, 0.5)
        canvas.halo(x, y, r * 4, "#fff0b8", 1.0)
        canvas.sheet(star(x, y, r, 5, 0.48), "#ffe27a", 0.6)
    if "lightning" in plan.overhead and plan.weather != "storm":
        paint_lightning(canvas)
    for name in plan.props:
        if PROPS[name].where == "sky":
            bow = name == "rainbow"
            size = _adult(canvas) * PROPS[name].size / 10000 * (2.6 if bow else 0.85)
            x, y = (
                canvas.width * (0.5 - side * (0.1 if bow else 0.37)),
                canvas.height * (0.56 if bow else 0.08) + (0 if bow else 112 * size),
            )
            prop = dyed(name, plan.dyes[name]) if name in plan.dyes else PROPS[name]
            canvas.paste(prop.cut, x, y, size, near=not bow)


def _flock(canvas: Canvas, kind: str, x: float) -> None:
    """Birds far off, three strokes of the pen."""
    colour = canvas.light.near("#f4f1ea" if kind in ("goose", "heron") else "#33303f")
    for i in range(4):
        bx, by, s = x + 50 * i - 70, canvas.height * 0.3 - 24 * (i % 2) - 6 * i, 15.0 + 3 * i
        up = f"q{s * 0.6:.0f} {-s * 0.5:.0f} {s:.0f} {s * 0.4:.0f}"
        wings = f"M{bx - s:.0f} {by - s * 0.4:.0f}{up}q{s * 0.4:.0f} {-s * 0.9:.0f} {s:.0f} {-s * 0.4:.0f}"
        canvas.stroke(wings, colour, 4)


def _pass_by(canvas: Canvas, stage: Stage, kind: str, x: float, y: float, *, scale: float) -> None:
    """An animal the text names that is nobody of the cast."""
    size = _adult(canvas) / 100 * SIZES.get(kind, 0.6) * 0.9 * scale
    if kind in ("fish", "whale") and stage.water is not None:
        y = canvas.height * stage.water
    else:
        canvas.foot_shadow(x, y, 26 * size)
    canvas.paste(figure(look_of(kind, kind, 0), Pose()), x, y, size, flip=x > canvas.width / 2)


def _cast(canvas: Canvas, stage: Stage, plan: Plan, held: list[Prop], *, middle: float, spread: float) -> None:
    """The cast in a loose row, turned to one another; who holds something stands at an end and holds it outward."""
    count = len(plan.cast)
    gap = min(spread / max(count, 1), 0.17 * math.sqrt(canvas.height / canvas.width) + 0.03)
    shrink = 1.0 if count <= 3 else math.sqrt(3 / count)
    order = canvas.rng.sample(range(count), count)
    order, holding = _hands_out(plan, order, held)
    for place, number in enumerate(order):
        x = canvas.width * (middle + (place - (count - 1) / 2) * gap + canvas.rng.uniform(-0.012, 0.012))
        reach = min((64 if number in holding else 28) * _adult(canvas) / 100, canvas.width * 0.3)
        x = min(max(x, reach), canvas.width - reach)
        y = canvas.height * (stage.feet + 0.012 * (place % 2))
        flip = place > (count - 1) / 2 or (count == 1 and x > canvas.width / 2)
        if number in holding and count > 1:
            flip = place == 0
        _figure(canvas, stage, plan.cast[number], holding.get(number), x, y, shrink, flip=flip, number=number)


def _hands_out(plan: Plan, order: list[int], held: list[Prop]) -> tuple[list[int], dict[int, Prop]]:
    """Who holds what: one person for each thing, moved to the ends of the row."""
    people = [number for number in order if plan.cast[number].kind == "person"][: len(held)]
    others = [number for number in order if number not in people]
    return [*people[1:], *others, *people[:1]], dict(zip(people, held, strict=False))


def _figure(
    canvas: Canvas,
    stage: Stage,
    look: Look,
    prop: Prop | None,
    x: float,
    y: float,
    shrink: float,
    *,
    flip: bool,
    number: int,
) -> None:
    scale = _adult(canvas) / 100 * size_of(look) * shrink
    if stage.floats == "boat" and look.kind != "person":
        y -= 26 * scale  # small ones look over the side
    drifting = stage.floats == "drift"
    turn = canvas.rng.uniform(-9, 9) if drifting else 0.0
    y -= canvas.height * canvas.rng.uniform(0.02, 0.1) if drifting else 0.0
    pose = Pose(
        stride=canvas.rng.choice((0.0, 0.0, 0.6, 1.0)) if stage.floats != "boat" else 0.0,
        raised=prop is not None or canvas.rng.random() < 0.12,
        helmet=drifting,
    )
    if look.kind in SKY_BEINGS:
        y -= 26 * scale
        canvas.halo(x, y - 46 * scale, 150 * scale, "#ffe79a", 1.0)
    elif stage.floats == "":
        canvas.foot_shadow(x, y, 22 * scale)
    hx, hy = hand(look)
    if prop is not None:
        px, py = x + (-hx if flip else hx) * scale, y + hy * scale
        size = _adult(canvas) * prop.size / 10000 * 1.2
        if prop.shines:
            canvas.halo(px, py - 40 * size, 250 * size, "#ffd27a", 1.0 if canvas.light.night else 0.6)
        canvas.paste(prop.cut, px, py + 8 * size, size, near=True, turn=(-8 if flip else 8))
    label = f' data-figure="{number}" data-kind="{look.kind}"'
    label += f' data-cloth="{look.cloth}" data-hair="{look.hair}" data-skin="{look.skin}"'
    canvas.paste(figure(look, pose), x, y, scale, flip=flip, turn=turn, near=True, label=label)


def _on_stump(canvas: Canvas, stage: Stage, prop: Prop, x: float, *, scale: float) -> None:
    """A small thing the scene is about, shown large in the foreground."""
    size, y = _adult(canvas) / 100 * scale, canvas.height * (stage.feet + 0.03)
    canvas.foot_shadow(x, y, 30 * size)
    canvas.paste(STOOL if stage.inside else STUMP, x, y, size * 0.75)
    if prop.shines:
        canvas.halo(x, y - 50 * size, 130 * size, "#ffd27a", 0.9)
    canvas.paste(prop.cut, x, y - 30 * size, size * prop.size / 100 * 1.25, near=True)


def _afloat(canvas: Canvas, stage: Stage, plan: Plan, held: list[Prop]) -> None:
    """On open water the cast sits in a boat, and the boat between two waves."""
    x, y, s = canvas.width * canvas.rng.uniform(0.42, 0.58), canvas.height * stage.feet, _adult(canvas) / 100
    half = min((62 + 22 * max(len(plan.cast), 1)) * s, canvas.width * 0.48)
    for kind in plan.extras:
        if kind in BIRDS:
            _flock(canvas, kind, canvas.width * 0.3)
        elif kind in ("fish", "whale"):
            beside = canvas.width * (0.88 if x < canvas.width / 2 else 0.12)
            size = s * SIZES[kind] * 0.9
            canvas.paste(figure(look_of(kind, kind, 0), Pose()), beside, y + 18 * size, size, flip=beside > x)
    _sail(canvas, x - half * 0.5, y, half, s)
    seats = Stage(stage.feet - 0.02, stage.back, floats="boat")
    middle, spread = x / canvas.width + 0.02, half * 1.25 / canvas.width
    _cast(canvas, seats, plan, held[: len(plan.cast)], middle=middle, spread=spread)
    for kind in [kind for kind in plan.extras if kind not in BIRDS and kind not in ("fish", "whale")][:1]:
        seat = x + half * (0.72 if len(plan.cast) < 3 else 0.84)
        canvas.paste(figure(look_of(kind, kind, 0), Pose()), seat, y - 22 * s, s * SIZES[kind] * 0.9, flip=True)
    _hull(canvas, x, y, half, s)
    for i, rise in enumerate((0.07, 0.12)):
        wave, length = y + canvas.height * rise - 16, 86 + 30 * i
        start = -length * canvas.rng.random()
        crest = "".join(f"q{length / 2} -24 {length} 0" for _ in range(int((canvas.width - start) / length) + 2))
        water = canvas.light.tone(darker("#2f7fa6", 0.12 * i), 0.04)
        canvas.sheet(f"M{start:.0f} {wave:.0f}{crest}V{canvas.height + 20:.0f}H{start:.0f}Z", water)


def _sail(canvas: Canvas, x: float, y: float, half: float, s: float) -> None:
    canvas.stroke(f"M{x:.0f} {y:.0f}V{y - 165 * s:.0f}", darker(canvas.light.tone("#6b452a"), 0.1), 6 * s)
    left, low = x + 5 * s, y - 48 * s
    belly = f"Q{x + half * 0.9:.0f} {y - 110 * s:.0f} {x + half * 0.8:.0f} {low:.0f}"
    canvas.sheet(f"M{left:.0f} {y - 160 * s:.0f}{belly}H{left:.0f}Z", canvas.light.near("#f7ecd4"), 0.8)


def _hull(canvas: Canvas, x: float, y: float, half: float, s: float) -> None:
    stern, bow, keel = (x - half, y - 34 * s), (x + half, y - 40 * s), y + 30 * s
    rim = f"M{stern[0]:.0f} {stern[1]:.0f}Q{x:.0f} {y - 16 * s:.0f} {bow[0]:.0f} {bow[1]:.0f}"
    front = f"Q{x + half * 0.86:.0f} {y + 22 * s:.0f} {x + half * 0.5:.0f} {keel:.0f}"
    back = f"H{x - half * 0.55:.0f}Q{x - half * 0.9:.0f} {y + 20 * s:.0f} {stern[0]:.0f} {stern[1]:.0f}Z"
    canvas.sheet(rim + front + back, canvas.light.near(from_hue(canvas.story.random(), 0.42, 0.45)))
    stripe = f"M{x - half * 0.95:.0f} {y - 22 * s:.0f}Q{x:.0f} {y - 4 * s:.0f} {x + half * 0.95:.0f} {y - 28 * s:.0f}"
    canvas.stroke(stripe, canvas.light.near("#f7ecd4"), 4 * s)


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
        left = f"Q{x:.0f} {y - tall * 0.6:.0f} {x + lean:.0f} {y - tall:.0f}"
        blades.append(f"M{x - 4:.0f} {y:.0f}{left}Q{x + 4:.0f} {y - tall * 0.5:.0f} {x + 5:.0f} {y:.0f}Z")
    if not canvas.snowy:
        canvas.add("".join(blades), colour)
    canvas.sheet(ridge.path, colour)


# --- The frame -------------------------------------------------------------------------------------------------


def _finish(canvas: Canvas, plan: Plan) -> None:
    FRAMES.get(plan.media, _no_frame)(canvas)


def _no_frame(canvas: Canvas) -> None:
    """The picture bleeds to its border."""


def _letterbox(canvas: Canvas) -> None:
    if canvas.width / canvas.height > 1.2:
        bar = canvas.height * 0.035
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
    edge: list[Point] = [(x, m + rng.uniform(-5, 5)) for x in range(int(m), int(w - m), 16)]
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
