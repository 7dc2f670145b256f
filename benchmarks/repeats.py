"""What reading the same story again costs beside the first time, and what the readings that are kept weigh."""

from __future__ import annotations

import statistics
import time

from benchmarks.figures import Figure, median
from tests.service import Service, memory_mb
from tests.stories import story

LENGTHS = {"4 thousand characters": 12, "40 thousand characters": 130}  # scenes of ours; the longer is read apart
REPEATS = 10
MANY = 1_000


def measure(*, quick: bool = False) -> list[Figure]:
    figures: list[Figure] = []
    with Service() as service:
        _analyze(service, story(1, 130))  # the worker processes have started
        for name, scenes in LENGTHS.items():
            firsts, again = [], []
            for number in range(3 if quick else 9):
                text = story(1_000 * scenes + number, scenes)
                firsts.append(_analyze(service, text))
                again.append(statistics.median(_analyze(service, text) for _ in range(REPEATS)))
            ratios = [first / repeat for first, repeat in zip(firsts, again, strict=True)]
            figures.append(
                median("repeats", f"/analyze again, {name}", again, "s", reference=statistics.median(firsts))
            )
            figures.append(median("repeats", "… times as quick as the first", ratios, "×", limit=2.0, at_least=True))
        for number in range(50):
            _analyze(service, story(number, 12))
        before = memory_mb(service.pid)
        for number in range(100 if quick else MANY):
            _analyze(service, story(50 + number, 12))
        note = f"{before:.0f} MB before; {100 if quick else MANY} other stories read"
        grown = memory_mb(service.pid) - before
    return [*figures, Figure("repeats", "memory of the readings kept", grown, "MB", limit=10.0, note=note)]


def _analyze(service: Service, text: str) -> float:
    """Seconds of one `POST /analyze`."""
    began = time.perf_counter()
    service.client.post("/analyze", json={"story_text": text}).raise_for_status()
    return time.perf_counter() - began
