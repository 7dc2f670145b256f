"""Sheets of cut paper: shapes, the shadow each sheet throws on the one behind it, the figures pasted on top."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from adapters.paper_cut.colours import Light, mix

INK = "#241c2e"  # the outline of the cartoon look
AREA = 1024 * 576  # every picture is composed on this area, whatever its shape, so that things keep their size

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """One cut piece: a path, filled with a colour or drawn as a line of `width`."""

    path: str
    fill: str | None
    line: str | None = None
    width: float = 0.0
    glows: bool = False  # its colour shines by itself: no shade of night on it


Cut = tuple[Part, ...]


def chance(*parts: object) -> random.Random:
    """Choices that are always the same for the same parts."""
    return random.Random(":".join(map(str, parts)))  # noqa: S311 - shapes and colours, no secrets


def dot(x: float, y: float, radius: float, ry: float | None = None) -> str:
    """The path of a circle, or of an ellipse with `ry`."""
    ry = radius if ry is None else ry
    half = f"a{radius:.1f} {ry:.1f} 0 1 1 "
    return f"M{x - radius:.1f} {y:.1f}{half}{2 * radius:.1f} 0{half}{-2 * radius:.1f} 0Z"


def box(x: float, y: float, width: float, height: float, corner: float = 0.0) -> str:
    """The path of a rectangle from its upper left corner."""
    if not corner:
        return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}Z"
    c = min(corner, abs(width) / 2, abs(height) / 2)
    across, down = width - 2 * c, height - 2 * c
    return (
        f"M{x + c:.1f} {y:.1f}h{across:.1f}q{c:.1f} 0 {c:.1f} {c:.1f}v{down:.1f}q0 {c:.1f} {-c:.1f} {c:.1f}"
        f"h{-across:.1f}q{-c:.1f} 0 {-c:.1f} {-c:.1f}v{-down:.1f}q0 {-c:.1f} {c:.1f} {-c:.1f}Z"
    )


def poly(*points: Point) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def star(x: float, y: float, radius: float, points: int = 5, inner: float = 0.45) -> str:
    corners = []
    for step in range(points * 2):
        reach = radius if step % 2 == 0 else radius * inner
        angle = math.pi * step / points - math.pi / 2
        corners.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return poly(*corners)


def curve(points: Sequence[Point]) -> str:
    """An open smooth line through the middles of its points."""
    (x0, y0), *rest = points
    out = [f"M{x0:.1f} {y0:.1f}"]
    for (x1, y1), (x2, y2) in pairwise(rest):
        out.append(f"Q{x1:.1f} {y1:.1f} {(x1 + x2) / 2:.1f} {(y1 + y2) / 2:.1f}")
    out.append(f"L{rest[-1][0]:.1f} {rest[-1][1]:.1f}")
    return "".join(out)


@dataclass(slots=True)
class Canvas:
    """The picture in the making: `width` × `height` units, sheets added from back to front."""

    width: float
    height: float
    light: Light
    media: str
    rng: random.Random  # this picture's own choices
    story: random.Random  # the same choices in every picture of the story
    snowy: bool = False
    moon: float | None = None  # where the moon stands
    sun: float | None = None  # where a low sun stands, for what it throws on the water
    out: list[str] = field(default_factory=list)
    defs: list[str] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """The shorter side, in hundredths."""
        return min(self.width, self.height) / 100

    def add(self, path: str, fill: str, opacity: float = 1.0) -> None:
        """A piece without a shadow."""
        shade = f' fill-opacity="{opacity:.2f}"' if opacity < 1 else ""
        self.out.append(f'<path d="{path}" fill="{fill}"{shade}/>')

    def stroke(self, path: str, colour: str, width: float, opacity: float = 1.0) -> None:
        self.out.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:.1f}" stroke-opacity="{opacity:.2f}" '
            'stroke-linecap="round" stroke-linejoin="round"/>'
        )

    def sheet(self, path: str, fill: str, lift: float = 1.0) -> None:
        """A sheet of paper: a soft shadow round it, a lit edge on it."""
        for width, opacity in ((17, 0.05), (10, 0.07), (4.5, 0.10)):
            self.stroke(path, "#0b0820", width * lift, opacity)
        edge = INK if self.light.outlined else mix(fill, "#ffffff", 0.4)
        self.stroke(path, edge, 3.6 if self.light.outlined else 2.0)
        self.add(path, fill)  # over the inner half of its edge, so that a sheet of many pieces has one outline

    def ground_colour(self, colour: str, depth: float = 0.0) -> str:
        """The colour of open ground: under snow it is white."""
        if not self.snowy:
            return self.light.tone(colour, depth)
        white = mix(colour, "#eef3fa", 0.84)
        return mix(self.light.tone(white, depth), white, 0.16)

    def paste(
        self, cut: Cut, x: float, y: float, scale: float, *, flip: bool = False, turn: float = 0.0, depth: float = 0.0,
        near: bool = False, label: str = "",
    ) -> None:  # fmt: skip
        """Pastes a cut with its foot at (x, y), its paper edge round it and its shadow beside it."""
        edge = INK if self.light.outlined else mix(self.light.tone("#fff8ea"), "#fff8ea", 0.35 if near else 0.0)
        edge = mix(edge, self.light.haze, depth)
        width = (3.4 if self.light.outlined else 2.6) / max(scale, 0.2)
        shape = f"translate({x:.1f} {y:.1f}) rotate({turn:.1f}) scale({-scale if flip else scale:.3f} {scale:.3f})"
        self.out.append(
            f'<g transform="translate(4 4)" opacity="{0.22 if depth < 0.3 else 0.12}"><g transform="{shape}">'
        )
        self.out.extend(_piece(part, "#0b0820", "#0b0820", 0.0) for part in cut if not part.glows)
        self.out.append(f'</g></g><g transform="{shape}" stroke-linejoin="round" stroke-linecap="round"{label}>')
        if depth < 0.5:
            self.out.extend(_piece(part, edge, edge, width) for part in cut if not part.glows)
        for part in cut:
            fill, line = self._lit(part.fill, part, depth, near), self._lit(part.line, part, depth, near)
            self.out.append(_piece(part, fill, line, 0.0))
        self.out.append("</g>")

    def _lit(self, colour: str | None, part: Part, depth: float, near: bool) -> str | None:
        if colour is None:
            return None
        if part.glows:
            return self.light.glow(colour)
        if near:
            return self.light.near(colour)
        return mix(self.light.tone(colour, depth), colour, 0.18 if depth < 0.2 else 0.0)

    def halo(self, x: float, y: float, radius: float, colour: str, opacity: float = 0.5) -> None:
        """A round of light: rings of thin paper, for a gradient costs resvg ten times as much."""
        rings = 10
        for step in range(rings):
            self.add(dot(x, y, radius * (1 - step / rings) ** 1.2), colour, opacity * (0.022 + 0.017 * step))

    def fall(self, x: float, y: float, width: float, height: float, colours: Sequence[str]) -> None:
        """A surface that changes its colour from top to bottom, in strips; the lowest colour comes last."""
        strips = 56
        for step in range(strips):
            place = step / (strips - 1) * (len(colours) - 1)
            at = min(int(place), len(colours) - 2)
            top = height * step / strips
            self.add(box(x, y + top, width, height - top), mix(colours[at], colours[at + 1], place - at))

    def foot_shadow(self, x: float, y: float, half: float) -> None:
        """What keeps somebody on the ground."""
        self.add(dot(x + half * 0.25, y, half * 1.25, half * 0.22), "#0b0820", 0.13)
        self.add(dot(x + half * 0.12, y, half * 0.85, half * 0.13), "#0b0820", 0.18)


@dataclass(frozen=True, slots=True)
class Ridge:
    """The upper edge of a sheet that reaches down to the lower border."""

    points: tuple[Point, ...]
    bottom: float
    sharp: bool = False

    @property
    def path(self) -> str:
        first, last = self.points[0], self.points[-1]
        top = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points) if self.sharp else curve(self.points)
        return f"{top}L{last[0]:.1f} {self.bottom:.1f}L{first[0]:.1f} {self.bottom:.1f}Z"

    def at(self, x: float) -> float:
        """How high the edge is there."""
        for (x1, y1), (x2, y2) in pairwise(self.points):
            if x1 <= x <= x2:
                share = (x - x1) / (x2 - x1) if x2 > x1 else 0.0
                return y1 + (y2 - y1) * share
        return self.points[-1][1]


def rolling(canvas: Canvas, rng: random.Random, y: float, swing: float, bumps: int) -> Ridge:
    """A soft ridge across the whole picture."""
    step = (canvas.width + 80) / bumps
    points = [(-40 + step * i, y + rng.uniform(-swing, swing)) for i in range(bumps + 1)]
    return Ridge(tuple(points), canvas.height + 20)


def jagged(canvas: Canvas, rng: random.Random, y: float, rise: float, peaks: int) -> Ridge:
    """A row of mountain peaks."""
    step = (canvas.width + 160) / peaks
    points: list[Point] = [(-80, y)]
    for i in range(peaks):
        x = -80 + step * (i + rng.uniform(0.35, 0.65))
        top = y - rise * rng.uniform(0.55, 1.0)
        points += [(x - step * 0.22, y - (y - top) * rng.uniform(0.4, 0.55)), (x, top)]
        points += [
            (x + step * 0.16, top + (y - top) * rng.uniform(0.3, 0.45)),
            (x + step * 0.45, y - rng.uniform(0, 12)),
        ]
    points.append((canvas.width + 80, y))
    return Ridge(tuple(sorted(points)), canvas.height + 20, sharp=True)


def _piece(part: Part, fill: str | None, line: str | None, extra: float) -> str:
    """One part as markup; `extra` widens it on every side, for the edge of the paper."""
    out = f'<path d="{part.path}"'
    out += f' fill="{fill}"' if part.fill and fill else ' fill="none"'
    if part.line and line:
        out += f' stroke="{line}" stroke-width="{part.width + 2 * extra:.2f}"'
    elif extra and fill:
        out += f' stroke="{fill}" stroke-width="{2 * extra:.2f}"'
    return out + "/>"
