"""Many machines on one: what a second worker adds, what Redis costs a reader, how soon a dead worker's scenes go on."""

from __future__ import annotations

import time

from benchmarks.figures import Figure
from benchmarks.load import Load
from tests.checks import drawings_under_way
from tests.fake_providers import FakeProviders
from tests.fleet import LEASE_SECONDS, Fleet
from tests.service import Service, memory_mb, ready
from tests.stories import story

SCENES = 6
SLOTS = 3  # pictures each worker draws at once
IMAGE_MS = 2000  # long beside what a picture costs us: the provider is the limit


def measure(*, quick: bool = False) -> list[Figure]:
    sessions = 4 if quick else 10
    one, two = (_scenes_a_second(workers, sessions) for workers in (1, 2))
    return [
        Figure("fleet", "two workers draw, beside one", two / one, "×", limit=1.9, at_least=True, note=f"{two:.2f} /s"),
        *_reading(seconds=5 if quick else 15),
        _take_over(rounds=2 if quick else 5),
        _memory(),
    ]


def _scenes_a_second(workers: int, sessions: int) -> float:
    with (
        FakeProviders(text_ms=20, image_ms=IMAGE_MS, spread=0.1, picture_bytes=50_000) as fake,
        Fleet(fake, instances=1, workers=workers, image_concurrency=SLOTS) as fleet,
    ):
        service = fleet.instances[0]
        began = time.perf_counter()
        ids = [service.generate(story(10 * n, SCENES), num_scenes=SCENES) for n in range(sessions)]
        states = service.wait_all(ids, patience=600)
        lasted = time.perf_counter() - began
    scenes = sum(ready(state) for state in states)
    if scenes != sessions * SCENES:
        raise RuntimeError(f"only {scenes} of {sessions * SCENES} pictures")
    return scenes / lasted


def _reading(*, seconds: float) -> list[Figure]:
    """As many /status as two instances answer, then a steady number of them while pictures are drawn."""
    with (
        FakeProviders(text_ms=200, image_ms=IMAGE_MS, picture_bytes=50_000) as fake,
        Fleet(fake, instances=2, workers=1, image_concurrency=SLOTS) as fleet,
    ):
        one, two = fleet.instances
        done = one.wait(one.generate(story(1, SCENES), num_scenes=SCENES))
        path = f"/status/{done['session_id']}"
        loads = [Load(service.port, path, connections=8) for service in (one, two)]
        with loads[0], loads[1]:
            time.sleep(seconds)
        answered = sum(load.result["per_second"] for load in loads)
        ids = [one.generate(story(100 + 10 * n, SCENES), num_scenes=SCENES) for n in range(6)]
        drawings_under_way(fake, SLOTS)
        steady = Load(two.port, f"/status/{ids[0]}", rate=200)
        with steady:
            two.wait_all(ids, patience=120)
        found = steady.result
    note = f"p50 {found['p50_ms']:.1f} ms, slowest {found['max_ms']:.0f} of {found['requests']}"
    return [
        Figure("fleet", "/status a second, two instances", answered, "/s", limit=2000, at_least=True),
        Figure("fleet", "/status p99 while drawing", found["p99_ms"], "ms", limit=50, note=note),
    ]


def _take_over(*, rounds: int) -> Figure:
    """From the death of a worker until all of its scenes are at work elsewhere, in leases."""
    took: list[float] = []
    with (
        FakeProviders(text_ms=20, image_ms=60_000, picture_bytes=20_000) as fake,
        Fleet(fake, instances=1, workers=1, image_concurrency=SLOTS) as fleet,
    ):
        for round_ in range(rounds):
            fake.control(image_ms=60_000)
            session_id = fleet.instances[0].generate(story(1000 + round_, SLOTS), num_scenes=SLOTS)
            drawings_under_way(fake, SLOTS)
            victim = fleet.workers[-1]
            fleet.add_worker()
            victim.kill()
            asked = _asked(fake)
            began = time.perf_counter()
            while _asked(fake) < asked + SLOTS:
                if time.perf_counter() - began > 60:
                    raise RuntimeError("nobody takes them up")
                time.sleep(0.02)
            took.append((time.perf_counter() - began) / LEASE_SECONDS)
            fleet.instances[0].client.post("/cancel", json={"session_id": session_id})
            fake.reset()
    return Figure("fleet", "a dead worker's scenes go on", max(took), "leases", limit=1.25, runs=tuple(took))


def _asked(fake: FakeProviders) -> int:
    """How often a drawing was asked for: while nobody is at work, nobody asks."""
    return int(fake.counts()["calls"].get("poll_tasks", 0))


def _memory() -> Figure:
    with Service() as alone:
        default = memory_mb(alone.pid)
    with Fleet(instances=1, workers=0) as fleet:
        shared = memory_mb(fleet.instances[0].pid)
    note = f"{shared:.0f} MB with Redis, {default:.0f} MB without"
    return Figure("fleet", "memory of an instance, above the default's", shared - default, "MB", limit=30, note=note)
