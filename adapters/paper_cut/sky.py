"""What is overhead and in the air: sky, sun, moon, stars, clouds, rain, snow, fog, wind."""

# ruff: noqa: E501 - a path reads best in one line

from __future__ import annotations

import math

from adapters.paper_cut.colours import lighter, mix
from adapters.paper_cut.paper import Canvas, dot, poly, star

SUN = {"dawn": "#ffd9a0", "morning": "#fff0b0", "day": "#ffe680", "evening": "#ffb057"}


def paint_sky(canvas: Canvas, *, time: str, weather: str, horizon: float) -> None:
    """The backmost sheets: a gradient, rings of light round the sun or the moon, clouds."""
    top, middle, low = canvas.light.sky
    canvas.fall(0, 0, canvas.width, max(horizon, 10) + 40, (top, top, middle, low, low))
    if time == "night":
        _night(canvas, weather)
    elif weather in ("clear", "wind", "snow") or time in ("dawn", "evening"):
        _sun(canvas, time, horizon, veiled=weather not in ("clear", "wind"))
    _clouds(canvas, weather, horizon)


def paint_stars(canvas: Canvas, count: int, depth: float) -> None:
    """Small stars as one path; a few large ones with points."""
    rng = canvas.rng
    spots = [(rng.uniform(0, canvas.width), rng.uniform(0, canvas.height * depth)) for _ in range(count)]
    canvas.add("".join(dot(x, y, rng.uniform(0.7, 1.9)) for x, y in spots), "#fff7df", 0.85)
    large = "".join(star(x, y, rng.uniform(4, 7.5), 4, 0.3) for x, y in spots[: count // 9])
    canvas.add(large, "#fff3c4")


def _night(canvas: Canvas, weather: str) -> None:
    hidden = weather in ("rain", "storm", "fog", "cloudy")
    paint_stars(canvas, 22 if hidden else 120, 0.62)
    if weather == "storm":
        return
    x, y, r = canvas.width * canvas.rng.choice((0.2, 0.8, 0.72)), canvas.height * 0.19, canvas.unit * 7.2
    canvas.moon = x
    for step, opacity in ((3.1, 0.07), (2.2, 0.10), (1.55, 0.14)):
        canvas.add(dot(x, y, r * step), "#cfdcff", opacity * (0.6 if hidden else 1))
    moon = f"M{x - r * 0.2:.1f} {y - r:.1f}A{r:.1f} {r:.1f} 0 1 1 {x - r * 0.2:.1f} {y + r:.1f}A{r * 1.25:.1f} {r * 1.25:.1f} 0 0 0 {x - r * 0.2:.1f} {y - r:.1f}Z"
    canvas.sheet(moon if canvas.story.random() < 0.5 else dot(x, y, r), "#fbf0cf" if not hidden else "#cfd2d8", 0.5)


def _sun(canvas: Canvas, time: str, horizon: float, *, veiled: bool) -> None:
    low = time in ("dawn", "evening")
    x = canvas.width * canvas.rng.choice((0.24, 0.5, 0.76) if low else (0.16, 0.84))
    y = horizon - canvas.unit * 6 if low else min(canvas.height * 0.2, horizon * 0.5)
    r = canvas.unit * (10.5 if low else 7.5)
    canvas.sun = x if low else None
    colour = mix(SUN[time], canvas.light.sky[1], 0.35 if veiled else 0.0)
    for step, opacity in ((4.2, 0.10), (3.0, 0.13), (2.1, 0.17), (1.45, 0.24)):
        canvas.add(dot(x, y, r * step), colour, opacity)
    canvas.sheet(dot(x, y, r), lighter(colour, 0.35), 0.5)


def paint_rays(canvas: Canvas) -> None:
    """Broad beams from above, the light of the cinema."""
    x = canvas.width * canvas.rng.choice((0.12, 0.88))
    lean = 1 if x < canvas.width / 2 else -1
    for step, wide in enumerate((0.05, 0.09, 0.06, 0.1)):
        low = x + lean * canvas.width * (0.02 + 0.2 * step)
        far = low + lean * canvas.width * wide
        top = x + lean * 12 * step
        canvas.add(
            poly((top, -10), (top + lean * 26, -10), (far, canvas.height), (low, canvas.height)), SUN["dawn"], 0.085
        )


def cloud_path(x: float, y: float, w: float) -> str:
    """A flat-bottomed cloud, `w` wide, resting on y."""
    h = w * 0.2
    return (
        f"M{x - w / 2:.1f} {y:.1f}q{-h * 0.2:.1f} {-h * 0.9:.1f} {w * 0.17:.1f} {-h * 0.8:.1f}"
        f"q{w * 0.05:.1f} {-h * 1.1:.1f} {w * 0.24:.1f} {-h * 0.75:.1f}q{w * 0.1:.1f} {-h * 0.85:.1f} {w * 0.27:.1f} {h * 0.1:.1f}"
        f"q{w * 0.17:.1f} {-h * 0.4:.1f} {w * 0.2:.1f} {h * 0.55:.1f}q{w * 0.16:.1f} {h * 0.05:.1f} {w * 0.12:.1f} {h * 0.9:.1f}Z"
    )


def _clouds(canvas: Canvas, weather: str, horizon: float) -> None:
    rng, light = canvas.rng, canvas.light
    count, low = {
        "clear": (3, 0.5),
        "wind": (5, 0.6),
        "cloudy": (10, 0.75),
        "rain": (11, 0.55),
        "storm": (13, 0.55),
        "snow": (7, 0.5),
    }.get(weather, (3, 0.4))
    base = {"storm": "#4a5263", "rain": "#8d9aa8", "cloudy": "#dfe4e8", "snow": "#e6ebf1"}.get(weather, "#ffffff")
    colour = mix(light.tone(base), light.sky[1], 0.25 if weather in ("storm", "rain") else 0.38)
    scale = math.sqrt(canvas.width * canvas.height) / 770
    for step in range(count):
        row = step / max(count - 1, 1)
        y = horizon * (0.24 + low * row * 0.7) + rng.uniform(-14, 14)
        w = rng.uniform(150, 290) * scale * (1.35 if weather in ("storm", "rain", "cloudy") else 1)
        fill = mix(colour, light.sky[2], row * 0.35)
        canvas.sheet(cloud_path(rng.uniform(0, canvas.width), y, w), fill, 0.6)


def paint_lightning(canvas: Canvas) -> None:
    x, top, low = canvas.width * canvas.rng.uniform(0.25, 0.75), canvas.height * 0.1, canvas.height * 0.52
    step = (low - top) / 10
    points = ((0, 0), (22, 0), (8, 3.6), (24, 3.6), (-14, 10), (-2, 5.2), (-18, 5.2))
    bolt = poly(*((x + dx * 1.3, top + dy * step) for dx, dy in points))
    canvas.halo(x, (top + low) / 2, canvas.unit * 46, "#f3f0ff", 0.5)
    canvas.stroke(bolt, "#fffbe0", 7, 0.4)
    canvas.add(bolt, "#fff6b8")


def paint_weather(canvas: Canvas, weather: str) -> None:
    """What falls and drifts in front of everything."""
    painter = {"rain": _rain, "storm": _rain, "snow": _snow, "fog": _fog, "wind": _wind}.get(weather)
    if painter:
        painter(canvas)


def _rain(canvas: Canvas) -> None:
    rng = canvas.rng
    count = int(canvas.width * canvas.height / 3600)
    for width, opacity, length in ((1.5, 0.42, 20), (2.6, 0.42, 36)):
        drops = []
        for _ in range(count if width < 2 else count // 3):
            x, y = rng.uniform(-20, canvas.width + 40), rng.uniform(-30, canvas.height)
            drops.append(f"M{x:.0f} {y:.0f}l{-length * 0.3:.0f} {length}")
        canvas.stroke("".join(drops), "#eaf3fb", width, opacity)


def _snow(canvas: Canvas) -> None:
    rng = canvas.rng
    for low, high, opacity, per in ((1.2, 2.2, 0.75, 3600), (2.4, 4.0, 0.88, 9000), (4.6, 7.0, 0.92, 42000)):
        count = int(canvas.width * canvas.height / per)
        flakes = (
            dot(rng.uniform(0, canvas.width), rng.uniform(0, canvas.height), rng.uniform(low, high))
            for _ in range(count)
        )
        canvas.add("".join(flakes), "#ffffff", opacity)


def _fog(canvas: Canvas) -> None:
    fog_band(canvas, canvas.height * 0.97, 0.4)


def fog_band(canvas: Canvas, y: float, opacity: float) -> None:
    """A drifting bank: three long rounded bands, one over the other."""
    colour = mix(canvas.light.haze, "#ffffff", 0.12 if canvas.light.night else 0.45)
    for step in range(3):
        h = canvas.height * (0.105 - 0.025 * step)
        x = canvas.rng.uniform(-0.25, 0.12) * canvas.width
        w = canvas.width * canvas.rng.uniform(0.95, 1.25)
        top = y - h / 2 + (step - 1) * h * 0.5
        path = f"M{x:.0f} {top + h / 2:.0f}q0 {-h / 2:.0f} {h / 2:.0f} {-h / 2:.0f}h{w:.0f}q{h / 2:.0f} 0 {h / 2:.0f} {h / 2:.0f}q0 {h / 2:.0f} {-h / 2:.0f} {h / 2:.0f}h{-w:.0f}q{-h / 2:.0f} 0 {-h / 2:.0f} {-h / 2:.0f}Z"
        canvas.add(path, colour, opacity)


def _wind(canvas: Canvas) -> None:
    rng = canvas.rng
    for _ in range(7):
        x, y, w = rng.uniform(-0.1, 0.75) * canvas.width, rng.uniform(0.1, 0.72) * canvas.height, rng.uniform(130, 240)
        swirl = f"M{x:.0f} {y:.0f}q{w * 0.35:.0f} -16 {w * 0.6:.0f} -4t{w * 0.4:.0f} -8q16 -10 6 -22q-14 -9 -19 5"
        canvas.stroke(swirl, "#ffffff", 3.2, 0.62)
    leaves = []
    for _ in range(18):
        x, y, s = rng.uniform(0, canvas.width), rng.uniform(0.15, 0.95) * canvas.height, rng.uniform(6, 11)
        leaves.append(
            f"M{x:.0f} {y:.0f}q{s:.1f} {-s:.1f} {2 * s:.1f} {-s * 0.4:.1f}q{-s * 0.7:.1f} {s:.1f} {-2 * s:.1f} {s * 0.4:.1f}Z"
        )
    canvas.add("".join(leaves), canvas.light.near("#d98a35"), 0.95)
