"""From `python main.py` to the first 200 of /health, beside a bare app, and with a thousand old sessions on disk."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bare_server import bare_app
from benchmarks.figures import Figure, median
from tests.fake_providers import FakeProviders
from tests.service import Server, Service
from tests.stories import story

OLD_SESSIONS = 1000
AT_ONCE = 90  # sessions under way while the old ones are made, below MAX_SESSIONS


def measure(*, quick: bool = False) -> list[Figure]:
    runs = 3 if quick else 9
    empty, bare = _alternate(Service, bare_app, runs)
    figures = _figures("start, nothing on disk", empty, bare, "")
    with tempfile.TemporaryDirectory(prefix="story-bench-") as name:
        folder = Path(name)
        _fill(folder)
        folders = sum(1 for entry in (folder / "projects").iterdir() if (entry / "story.txt").is_file())
        full, bare = _alternate(lambda: Service(folder=folder), bare_app, runs)
    return figures + _figures("start, 1,000 finished sessions", full, bare, f"{folders} stories on disk")


def _figures(what: str, ours: list[float], bare: list[float], note: str) -> list[Figure]:
    ratios = [our / their for our, their in zip(ours, bare, strict=True)]
    return [
        median("startup", what, ours, "s", limit=1.5, reference=statistics.median(bare), note=note),
        median("startup", "… against the bare app", ratios, "×", limit=2.0),
    ]


def _alternate(ours: Callable[[], Server], bare: Callable[[], Server], runs: int) -> tuple[list[float], list[float]]:
    """Start times in turn; the first of each, which may compile and fill the page cache, does not count."""
    pairs = [(_start(ours()), _start(bare())) for _ in range(runs + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _start(server: Server) -> float:
    with server:
        return server.start_seconds


def _fill(folder: Path) -> None:
    """A thousand finished sessions of two scenes, made by the service itself beside quick providers."""
    with FakeProviders(picture_bytes=20_000) as fake:
        with Service(fake, folder=folder, image_concurrency=64, text_concurrency=64) as service:
            for first in range(0, OLD_SESSIONS, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, OLD_SESSIONS))
                ids = [service.generate(story(n, 2), num_scenes=2) for n in numbers]
                states = service.wait_all(ids)
                if any(state["status"] != "completed" for state in states):
                    raise RuntimeError("an old session did not finish")
