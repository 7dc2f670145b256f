"""Resident memory after forty large pictures."""

from __future__ import annotations

from benchmarks.figures import Figure
from tests.fake_providers import FakeProviders
from tests.service import Service, children, memory_mb, ready
from tests.stories import story

PICTURES = 40
PICTURE_BYTES = 2_700_000


def measure(*, quick: bool = False) -> list[Figure]:
    with (
        FakeProviders(image_ms=300, picture_bytes=PICTURE_BYTES) as fake,
        Service(fake, image_concurrency=8) as service,
    ):
        before = memory_mb(service.pid)
        state = service.wait(service.generate(story(1, PICTURES), num_scenes=PICTURES))
        if ready(state) != PICTURES:
            raise RuntimeError(f"only {ready(state)} of {PICTURES} pictures: {state['error']}")
        workers = [memory_mb(pid) for pid in children(service.pid)]
        note = f"{before:.0f} MB before; {len(workers)} worker processes, {sum(workers):.0f} MB"
        now, most = memory_mb(service.pid), memory_mb(service.pid, "VmHWM")
    return [
        Figure("footprint", "memory after 40 × 2.7 MB", now, "MB", limit=150.0, note=note),
        Figure("footprint", "… at most on the way", most, "MB"),
    ]
