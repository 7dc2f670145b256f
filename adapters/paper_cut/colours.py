"""The light of a scene: what time, weather, mood and medium do to the colour of every sheet of paper."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

Rgb = tuple[float, float, float]

# Sky top, sky middle, horizon, the haze that far sheets fade into, the colour of the light that falls on things.
TIMES: dict[str, tuple[str, str, str, str, str]] = {
    "dawn": ("#7d8fc4", "#f0a9a4", "#ffe2b4", "#f3c6ba", "#f2dcd8"),
    "morning": ("#8ccbe9", "#c9e8ea", "#fff1cf", "#dcebdf", "#fffaee"),
    "day": ("#4aa7de", "#93d3ee", "#e3f5f4", "#cbe6ea", "#ffffff"),
    "evening": ("#433f80", "#cf6379", "#ffb65c", "#d98b80", "#e0b09c"),
    "night": ("#0b1338", "#1c2d63", "#3f5896", "#34497f", "#7382ba"),
}

# How far the sky turns to that grey, and how much light is left.
WEATHERS: dict[str, tuple[str, float, float]] = {
    "clear": ("#ffffff", 0.0, 1.0),
    "cloudy": ("#b9c3cc", 0.45, 0.95),
    "rain": ("#6f8090", 0.66, 0.84),
    "snow": ("#d3dce6", 0.55, 1.0),
    "fog": ("#d2d6d3", 0.72, 0.98),
    "storm": ("#39424f", 0.8, 0.66),
    "wind": ("#cfdfe0", 0.22, 1.0),
}

# Tint, its strength, and saturation.
MOODS: dict[str, tuple[str, float, float]] = {
    "glad": ("#ffd27a", 0.07, 1.12),
    "calm": ("#cfe3dc", 0.08, 0.92),
    "sad": ("#6b83a6", 0.15, 0.76),
    "dark": ("#2c2440", 0.14, 0.88),
    "angry": ("#b8382c", 0.17, 1.05),
    "tender": ("#f3a3ab", 0.13, 1.0),
    "strange": ("#6d52a8", 0.17, 1.05),
    "plain": ("#ffffff", 0.0, 1.0),
}

MEDIA: dict[str, tuple[float, float]] = {  # saturation, contrast
    "cinematic": (1.04, 1.12),
    "cartoon": (1.34, 1.04),
    "realistic": (0.66, 1.0),
    "artistic": (1.08, 1.0),
}


def rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def hexed(value: Rgb) -> str:
    return "#" + "".join(f"{round(min(1.0, max(0.0, part)) * 255):02x}" for part in value)


def mix(one: str, other: str, share: float) -> str:
    """`one` with `share` (0 to 1) of `other` in it."""
    a, b = rgb(one), rgb(other)
    return hexed((a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share))


def darker(colour: str, share: float = 0.25) -> str:
    return mix(colour, "#0d0b1c", share)


def lighter(colour: str, share: float = 0.3) -> str:
    return mix(colour, "#fffaf0", share)


def multiply(one: str, other: str) -> str:
    a, b = rgb(one), rgb(other)
    return hexed((a[0] * b[0], a[1] * b[1], a[2] * b[2]))


def saturated(colour: str, factor: float) -> str:
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb(colour))
    return hexed(colorsys.hls_to_rgb(hue, lightness, min(1.0, saturation * factor)))


def from_hue(hue: float, lightness: float, saturation: float) -> str:
    return hexed(colorsys.hls_to_rgb(hue % 1.0, lightness, saturation))


def contrasted(colour: str, factor: float) -> str:
    a = rgb(colour)
    return hexed(((a[0] - 0.5) * factor + 0.5, (a[1] - 0.5) * factor + 0.5, (a[2] - 0.5) * factor + 0.5))


@dataclass(frozen=True, slots=True)
class Light:
    """What falls on the paper; `tone` turns the colour of a thing into the colour it has in this scene."""

    sky: tuple[str, str, str]
    haze: str
    lamp: str
    tint: str
    tint_share: float
    saturation: float
    contrast: float
    night: bool
    outlined: bool

    def tone(self, colour: str, depth: float = 0.0) -> str:
        """`colour` in this light; `depth` from 0 (near) to 1 (lost in the haze)."""
        lit = contrasted(saturated(multiply(colour, self.lamp), self.saturation), self.contrast)
        return mix(mix(lit, self.tint, self.tint_share), self.haze, depth)

    def near(self, colour: str) -> str:
        """`colour` on somebody the eye should find: the light is felt, the colour stays theirs."""
        return mix(self.tone(colour), saturated(colour, self.saturation), 0.62)

    def glow(self, colour: str = "#ffd777") -> str:
        """Something that shines by itself."""
        return saturated(colour, self.saturation)


def light_of(*, time: str, weather: str, mood: str, media: str) -> Light:
    """The light of a scene; each word must be a key of the tables above."""
    top, middle, low, haze, lamp = TIMES[time]
    grey, share, left = WEATHERS[weather]
    tint, tint_share, mood_saturation = MOODS[mood]
    saturation, contrast = MEDIA[media]
    night = time == "night"
    if night:
        grey, share, left = multiply(grey, "#46507a"), share * 0.8, max(left, 0.86)
    elif time in ("evening", "dawn"):
        grey, share = multiply(grey, mix(lamp, "#ffffff", 0.4)), share * 0.75
    sky = (top, middle, low)
    toned = [
        contrasted(saturated(mix(mix(colour, grey, share), tint, tint_share), saturation * mood_saturation), contrast)
        for colour in (*sky, haze)
    ]
    return Light(
        sky=(toned[0], toned[1], toned[2]),
        haze=toned[3],
        lamp=multiply(lamp, hexed((left, left, min(1.0, left * 1.04)))),
        tint=tint,
        tint_share=tint_share,
        saturation=saturation * mood_saturation,
        contrast=contrast,
        night=night,
        outlined=media == "cartoon",
    )
