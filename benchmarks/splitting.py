"""How long cutting a novel into scenes takes, with and without marked chapters, beside one pass of a regex over it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial

from benchmarks.figures import Figure, median
from tests.stories import story
from utils import read_story, split_story

NOVEL_CHARS = 600_000
MAX_SCENES = 200
BARS = {50: 1.5, 200: 3.0}  # scenes: seconds
WORD = re.compile(r"\w+")


def measure(*, quick: bool = False) -> list[Figure]:
    times = 2 if quick else 5
    novels = {"unmarked": novel(), "one paragraph": novel().replace("\n\n", " "), "marked": novel(chapters=400)}
    figures: list[Figure] = []
    for kind, text in novels.items():
        floor = min(_seconds(partial(WORD.findall, text)) for _ in range(3))
        for scenes, limit in BARS.items():
            took = [_seconds(partial(split_story, text, scenes)) for _ in range(times)]
            name = f"{len(text) // 1000} thousand characters, {kind}, into {scenes}"
            figures.append(median("splitting", name, took, "s", limit=limit, reference=floor))
    whole = _seconds(partial(read_story, novels["unmarked"], MAX_SCENES, MAX_SCENES))
    figures.append(Figure("splitting", f"… and read whole, into {MAX_SCENES}", whole, "s"))
    return figures


def novel(*, chapters: int = 0) -> str:
    """A novel of our own words: paragraphs of several sentences, no two alike, with headings when asked for."""
    parts: list[str] = []
    chars = number = 0
    every = NOVEL_CHARS // chapters if chapters else 0
    while chars < NOVEL_CHARS:
        if every and chars >= every * number:
            number += 1
            parts.append(f"Chapter {number}")
        parts.append(" ".join(line for line in story(len(parts), 3).split("\n") if line))
        chars += len(parts[-1]) + 2
    return "\n\n".join(parts)[:NOVEL_CHARS]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
