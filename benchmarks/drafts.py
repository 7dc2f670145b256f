"""The service with no keys at all: how quickly it draws drafts, and whether it answers meanwhile."""

from __future__ import annotations

import statistics
import time

from benchmarks.bare_server import bare_app
from benchmarks.figures import Figure, median
from benchmarks.load import Load
from tests.service import Service, children, memory_mb, ready
from tests.stories import story

SCENES = 8
HEALTH_RATE = 100.0  # asks for /health, each second


def measure(*, quick: bool = False) -> list[Figure]:
    runs = [_run(number) for number in range(2 if quick else 5)]
    cold, warm, p99, bare, slowest, own, workers = zip(*runs, strict=True)
    note = f"slowest of all {max(slowest):.0f} ms; best run {min(p99):.0f} ms"
    return [
        median("drafts", "8 drafts, the first since the start", cold, "s", limit=4.0),
        median("drafts", "8 drafts, another story after it", warm, "s", limit=4.0),
        median("drafts", "/health p99 meanwhile", p99, "ms", limit=50.0, reference=statistics.median(bare), note=note),
        median("drafts", "memory of the service", own, "MB", note=f"its worker processes {max(workers):.0f} MB"),
    ]


def _run(number: int) -> tuple[float, float, float, float, float, float, float]:
    """Two stories, while the service and, as a measure of the machine, a bare app beside it are asked for /health."""
    with Service() as service, bare_app() as bare:
        asked = Load(service.port, "/health", rate=HEALTH_RATE, connections=4)
        beside = Load(bare.port, "/health", rate=HEALTH_RATE, connections=4)
        with asked, beside:
            time.sleep(0.7)  # until the load is there
            cold = _draw(service, 2 * number)
            warm = _draw(service, 2 * number + 1)
        workers = sum(memory_mb(pid) for pid in children(service.pid))
        own = memory_mb(service.pid)
    return cold, warm, asked.result["p99_ms"], beside.result["p99_ms"], asked.result["max_ms"], own, workers


def _draw(service: Service, number: int) -> float:
    began = time.perf_counter()
    session_id = service.generate(story(number, SCENES), num_scenes=SCENES, aspect_ratio="16:9")
    state = service.wait(session_id)
    seconds = time.perf_counter() - began
    if ready(state) != SCENES or (state["scenes"][0]["width"], state["scenes"][0]["height"]) != (1024, 576):
        raise RuntimeError(f"{ready(state)} drafts of {state['scenes'][0]['width']} pixels: {state['error']}")
    return seconds
