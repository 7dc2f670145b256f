"""How much time the service adds to what the providers take: first picture, all pictures, many pictures."""

from __future__ import annotations

import math
import time

from benchmarks.figures import Figure, median
from tests.fake_providers import FakeProviders
from tests.service import Service, ready
from tests.stories import story

TEXT_SECONDS = 0.2
IMAGE_SECONDS = 2.0
PICTURE_BYTES = 300_000


def floor(scenes: int, at_once: int) -> float:
    """Bible, prompt, and as many rounds of drawing as the slots need."""
    return 2 * TEXT_SECONDS + math.ceil(scenes / at_once) * IMAGE_SECONDS


def measure(*, quick: bool = False) -> list[Figure]:
    with FakeProviders(text_ms=TEXT_SECONDS * 1000, image_ms=IMAGE_SECONDS * 1000, picture_bytes=PICTURE_BYTES) as fake:
        return _eight(fake, runs=2 if quick else 5) + _forty(fake, runs=1 if quick else 2)


def _eight(fake: FakeProviders, runs: int) -> list[Figure]:
    with Service(fake, image_concurrency=8) as service:
        times = [_run(service, number, 8) for number in range(runs)]
    first, last = ([pair[i] for pair in times] for i in (0, 1))
    ideal = floor(8, 8)
    return [
        median("pace", "8 scenes, first picture", first, "s", limit=2.7, reference=ideal),
        median("pace", "8 scenes, all pictures", last, "s", limit=2.9, reference=ideal),
    ]


def _forty(fake: FakeProviders, runs: int) -> list[Figure]:
    with Service(fake, image_concurrency=5) as service:
        times = [_run(service, 100 + number, 40)[1] for number in range(runs)]
    return [median("pace", "40 scenes, 5 at a time", times, "s", limit=18.0, reference=floor(40, 5))]


def _run(service: Service, number: int, scenes: int) -> tuple[float, float]:
    """Seconds from POST /generate to the first and to the last picture, as a client sees them."""
    began, first = time.perf_counter(), 0.0
    session_id = service.generate(story(number, scenes), num_scenes=scenes)
    for state in service.changes(session_id):
        if not first and ready(state):
            first = time.perf_counter() - began
        if ready(state) == scenes:
            return first, time.perf_counter() - began
    raise RuntimeError(f"only {ready(state)} of {scenes} pictures: {state['error']}")
