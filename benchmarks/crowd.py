"""Five hundred generations at once: who reads meanwhile, how late the event loop is, how many scenes a second."""

from __future__ import annotations

import asyncio
import time

import httpx

from benchmarks.bare_server import bare_app
from benchmarks.figures import Figure, percentile
from benchmarks.load import Load
from tests.checks import metric
from tests.fake_providers import FakeProviders
from tests.service import Service, ready
from tests.stories import story

SESSIONS, SCENES = 500, 5
IMAGE_SLOTS, TEXT_SLOTS = 16, 32
RATE = 100.0  # asks each second, for each of the two addresses


def measure(*, quick: bool = False) -> list[Figure]:
    sessions = SESSIONS // 5 if quick else SESSIONS
    with FakeProviders(text_ms=800, image_ms=400, spread=0.3, picture_bytes=150_000) as fake:
        full = {"image_concurrency": IMAGE_SLOTS, "text_concurrency": TEXT_SLOTS, "max_sessions": sessions + 1}
        with Service(fake, folder=None, **full) as service, bare_app() as bare:
            first = service.generate(story(0, SCENES), num_scenes=SCENES)
            began = time.perf_counter()
            asked = Load(service.port, f"/status/{first}", rate=RATE)
            health = Load(service.port, "/health", rate=RATE)
            beside = Load(bare.port, "/health", rate=RATE)
            with asked, health, beside:
                ids, posts = asyncio.run(_generate(service.port, sessions))
                states = service.wait_all(ids, patience=900)
            lasted = time.perf_counter() - began
            late = metric(service, "story_loop_lag_seconds_count")
            late -= metric(service, "story_loop_lag_seconds_bucket", le="0.1")
    scenes = sum(ready(state) for state in states)
    if scenes != sessions * SCENES:
        raise RuntimeError(f"only {scenes} of {sessions * SCENES} pictures")
    bare_p99 = beside.result["p99_ms"]
    return [
        _p99("/status p99", asked, bare_p99),
        _p99("/health p99", health, bare_p99),
        Figure("crowd", "POST /generate p99", percentile(posts, 0.99) * 1000, "ms", note=f"{sessions} at once"),
        Figure("crowd", "the loop was over 100 ms late", late, "times", limit=0),
        Figure("crowd", "scenes a second", scenes / lasted, "", limit=20, at_least=True, note=f"{scenes} pictures"),
    ]


def _p99(what: str, load: Load, bare_p99: float) -> Figure:
    found = load.result
    note = f"p50 {found['p50_ms']:.1f}, slowest {found['max_ms']:.0f} ms of {found['requests']}"
    return Figure("crowd", what, found["p99_ms"], "ms", limit=50, reference=bare_p99, note=note)


async def _generate(port: int, sessions: int) -> tuple[list[str], list[float]]:
    """Post all stories at once; the ids and how long each answer took."""
    limits = httpx.Limits(max_connections=sessions)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=120, trust_env=False
    ) as client:

        async def one(number: int) -> tuple[str, float]:
            body = {"story_text": story(10 + number, SCENES), "num_scenes": SCENES, "consistency": "prompt"}
            began = time.perf_counter()
            reply = (await client.post("/generate", json=body)).raise_for_status()
            return reply.json()["session_id"], time.perf_counter() - began

        found = await asyncio.gather(*(one(number) for number in range(sessions)))
    return [session_id for session_id, _ in found], [seconds for _, seconds in found]
