"""Whether memory stays flat over thousands of sessions, and descriptors and tasks come back."""

from __future__ import annotations

import time

from benchmarks.figures import Figure
from tests.checks import metric
from tests.fake_providers import FakeProviders
from tests.service import Service, memory_mb, ready
from tests.stories import story

SESSIONS, SCENES, AT_ONCE, STEP = 5000, 2, 50, 500


def measure(*, quick: bool = False) -> list[Figure]:
    sessions = SESSIONS // 5 if quick else SESSIONS
    steps: list[float] = []
    began = time.perf_counter()
    with (
        FakeProviders(text_ms=20, image_ms=50, picture_bytes=150_000) as fake,
        Service(fake, image_concurrency=32, text_concurrency=32, max_sessions=AT_ONCE + 1) as service,
    ):
        files, tasks = _at_rest(service)
        for start in range(0, sessions, AT_ONCE):
            ids = [service.generate(story(start + n, SCENES), num_scenes=SCENES) for n in range(AT_ONCE)]
            states = service.wait_all(ids)
            if sum(map(ready, states)) != AT_ONCE * SCENES:
                raise RuntimeError("not every picture came")
            if (start + AT_ONCE) % STEP == 0:
                steps.append(memory_mb(service.pid))
        files_after, tasks_after = _at_rest(service)
    note = " → ".join(f"{step:.0f}" for step in steps) + f" MB; {sessions / (time.perf_counter() - began):.0f} a second"
    return [
        Figure("flat", f"growth after the first {STEP} of {sessions}", steps[-1] - steps[0], "MB", limit=40, note=note),
        Figure("flat", "file descriptors more than before", files_after - files, "", limit=60),
        Figure("flat", "tasks more than before", tasks_after - tasks, "", limit=0),
    ]


def _at_rest(service: Service) -> tuple[float, float]:
    """Open descriptors and tasks, the connection that asks among them."""
    return metric(service, "process_open_fds"), metric(service, "story_tasks")
