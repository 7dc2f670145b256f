"""What asking for the state of a session costs, idle beside a bare app and busy with forty sessions drawing."""

from __future__ import annotations

import statistics
import time

from benchmarks.bare_server import bare_app
from benchmarks.figures import Figure, median
from benchmarks.load import Load, flat_out
from tests.fake_providers import FakeProviders
from tests.service import Server, Service, ready
from tests.stories import story

SCENES = 12
CONNECTIONS = 16
BUSY_SESSIONS = 40
STATUS_RATE = 200.0  # asks for /status, each second


def measure(*, quick: bool = False) -> list[Figure]:
    with FakeProviders(picture_bytes=300_000) as fake:
        return _beside_a_bare_app(fake, pairs=3 if quick else 7, seconds=1.0 if quick else 2.0) + _busy(fake)


def _beside_a_bare_app(fake: FakeProviders, *, pairs: int, seconds: float) -> list[Figure]:
    with Service(fake, image_concurrency=8) as service:
        path = f"/status/{_finished(service)}"
        same = service.folder / "body.json"
        same.write_bytes(service.client.get(path).content)
        with bare_app(same) as bare:
            if bare.client.get(path).content != service.client.get(path).content:
                raise RuntimeError("the bare app does not answer with the same bytes")
            _pair(service, bare, path, 0.5)  # both warm
            runs = [_pair(service, bare, path, seconds) for _ in range(pairs)]
        size = same.stat().st_size
    ours, theirs = ([pair[i] for pair in runs] for i in (0, 1))
    ratios = [our / their for our, their in runs]
    return [
        median("reading", "/status of 12 scenes", ours, "a second", reference=statistics.median(theirs)),
        median("reading", "… against the bare app", ratios, "×", limit=0.5, at_least=True, note=f"{size} bytes each"),
    ]


def _pair(service: Service, bare: Server, path: str, seconds: float) -> tuple[float, float]:
    ours = flat_out(service.port, path, seconds=seconds, connections=CONNECTIONS)
    return ours, flat_out(bare.port, path, seconds=seconds, connections=CONNECTIONS)


def _finished(service: Service) -> str:
    session_id = service.generate(story(1, SCENES), num_scenes=SCENES)
    state = service.wait(session_id)
    if ready(state) != SCENES:
        raise RuntimeError(f"the session to read is not finished: {state['error']}")
    return session_id


def _busy(fake: FakeProviders) -> list[Figure]:
    """Forty sessions of twelve scenes on their way while one is read at a steady rate, and a bare app beside it."""
    fake.control(text_ms=400, image_ms=1500, spread=0.3)
    with Service(fake, image_concurrency=32, text_concurrency=16) as service, bare_app() as bare:
        began = time.perf_counter()
        ids = [service.generate(story(200 + n, SCENES), num_scenes=SCENES) for n in range(BUSY_SESSIONS)]
        asked = Load(service.port, f"/status/{ids[-1]}", rate=STATUS_RATE, connections=8)
        beside = Load(bare.port, "/status/any", rate=STATUS_RATE, connections=8)
        with asked, beside:
            states = service.wait_all(ids, patience=300)
        lasted = time.perf_counter() - began
    drawn = sum(ready(state) for state in states)
    if drawn != BUSY_SESSIONS * SCENES:
        raise RuntimeError(f"only {drawn} of {BUSY_SESSIONS * SCENES} pictures while busy")
    note = (
        f"p50 {asked.result['p50_ms']:.1f}, slowest {asked.result['max_ms']:.0f} ms; {drawn} pictures in {lasted:.0f} s"
    )
    p99, bare_p99 = asked.result["p99_ms"], beside.result["p99_ms"]
    return [Figure("reading", "/status p99, 40 sessions drawing", p99, "ms", limit=50.0, reference=bare_p99, note=note)]
