"""What is promised about money and the contract: nothing malformed, nothing paid twice, no scene sunk by another."""

from __future__ import annotations

import random
import time

from benchmarks.figures import Figure
from tests.fake_providers import FakeProviders
from tests.service import Json, Service, ready
from tests.stories import story

ASPECT_RATIOS = ("16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16")
LOST_ANSWERS = ("reset", "truncated", "html", "malformed", "empty")
RECOVERY_LIMIT_SECONDS = 60.0


def measure(*, quick: bool = False) -> list[Figure]:
    with FakeProviders(text_ms=100, image_ms=400, picture_bytes=100_000) as fake:
        figures = _conforming(fake)
        figures += _repeated(fake)
        figures += _blocked(fake)
        figures += _lost_answers(fake)
        return figures + _killed(fake, rounds=2 if quick else 5)


def _none(what: str, count: float, note: str = "") -> Figure:
    """A count that must be zero."""
    return Figure("promises", what, count, "", limit=0, note=note)


def _conforming(fake: FakeProviders) -> list[Figure]:
    """Every image model on offer, every shape, both qualities and both ways of staying consistent."""
    fake.reset()
    fake.control(image_ms=0, text_ms=0)
    with Service(fake, image_concurrency=8, max_sessions=1000) as service:
        listed = service.client.get("/models").raise_for_status().json()["models"]
        models = [m["id"] for m in listed if m["kind"] == "image" and m["available"]]
        wishes: list[Json] = [{"image_model": m, "aspect_ratio": a} for m in models for a in ASPECT_RATIOS]
        wishes += [{"quality": "draft"}, {"consistency": "references"}, {"media_type": "cartoon", "style": "woodcut"}]
        ids = [service.generate(story(1000 + n, 2), num_scenes=2, **wish) for n, wish in enumerate(wishes)]
        states = service.wait_all(ids)
    counts = fake.counts()
    note = f"{counts['calls']}; {counts['violations'][:3]}" if counts["violation_count"] else f"{len(wishes)} sessions"
    unready = sum(len(state["scenes"]) - ready(state) for state in states)
    return [
        _none("requests that break the contract", counts["violation_count"], note),
        _none("scenes without a picture among them", unready),
        _none("pictures paid twice among them", counts["pictures_paid_twice"]),
    ]


def _repeated(fake: FakeProviders) -> list[Figure]:
    """The same story again, and twice at once."""
    fake.reset()
    fake.control(text_ms=100, image_ms=400)
    text = story(2000, 6)
    with Service(fake, image_concurrency=8) as service:
        service.wait(service.generate(text, num_scenes=6))
        before = fake.counts()
        again = service.wait(service.generate(text, num_scenes=6))
        after = fake.counts()
        twins = [service.generate(story(2001, 6), num_scenes=6) for _ in range(2)]
        service.wait_all(twins)
        both = fake.counts()
    calls = sum(after["calls"].get(kind, 0) - before["calls"].get(kind, 0) for kind in ("text", "draw", "fetch"))
    spent = sum(after["usd"].values()) - sum(before["usd"].values())
    return [
        _none("calls made for a repeated story", calls, f"{ready(again)} of 6 pictures there"),
        Figure("promises", "cost of a repeated story", spent, "USD", limit=0),
        _none("pictures paid twice by two at once", both["pictures_paid_twice"]),
    ]


def _blocked(fake: FakeProviders) -> list[Figure]:
    """One scene of eight meets a content policy: first a softer wording helps, then it does not."""
    softened = _with_a_dragon(fake, 3000, softens=True)
    helped = sum(scene["prompt_source"] == "softened" for scene in softened["scenes"])
    state = _with_a_dragon(fake, 3001, softens=False)
    failed = [scene for scene in state["scenes"] if scene["status"] == "failed"]
    told = len(failed) == 1 and state["status"] == "completed" and bool(failed[0]["error"]["message"])
    note = f"{len(failed)} failed: {(failed[0]['error'] or {}).get('code')}" if failed else "none failed"
    return [
        Figure(
            "promises",
            "of 8, one to be softened: ready",
            ready(softened),
            "",
            limit=8,
            at_least=True,
            note=f"{helped} softened",
        ),
        Figure("promises", "of 8, one blocked for good: ready", ready(state), "", limit=7, at_least=True, note=note),
        _none("… session not completed or reason not told", int(not told)),
        _none("pictures paid twice beside a blocked one", fake.counts()["pictures_paid_twice"]),
    ]


def _with_a_dragon(fake: FakeProviders, number: int, *, softens: bool) -> Json:
    order = {"on": "task", "kind": "error", "code": "contentPolicyViolation", "match": "dragon", "times": None}
    fake.reset()
    fake.control(faults=[order], softens=softens)
    with Service(fake, image_concurrency=8) as service:
        text = story(number, 8, extra={4: "Then the dragon came, and the dragon sang of a dragon."})
        return service.wait(service.generate(text, num_scenes=8))


def _lost_answers(fake: FakeProviders) -> list[Figure]:
    """Every way of losing the acknowledgement of a drawing, and of losing a text answer."""
    fake.reset()
    faults: list[Json] = [{"on": "draw", "kind": kind, "skip": n} for n, kind in enumerate(LOST_ANSWERS)]
    faults += [{"on": "text", "kind": kind, "skip": 2 + n} for n, kind in enumerate(LOST_ANSWERS)]
    faults += [{"on": "poll", "kind": kind, "skip": n} for n, kind in enumerate(LOST_ANSWERS)]
    faults += [{"on": "fetch", "kind": kind, "skip": n} for n, kind in enumerate(LOST_ANSWERS)]
    fake.control(faults=faults)
    with Service(fake, image_concurrency=8) as service:
        state = service.wait(service.generate(story(4000, 12), num_scenes=12))
    counts = fake.counts()
    note = f"{sum(counts['faults_struck'].values())} of {len(faults)} faults struck"
    return [
        _none("pictures paid twice, answers lost", counts["pictures_paid_twice"], note),
        _none("texts paid twice, answers lost", counts["text_paid_twice"]),
        _none("scenes without a picture, answers lost", 12 - ready(state)),
    ]


def _killed(fake: FakeProviders, *, rounds: int) -> list[Figure]:
    """Six sessions of five scenes, kill -9 in the middle, start again."""
    fake.reset()
    fake.control(text_ms=150, image_ms=800)
    chance = random.Random(11)
    unready, broken, slowest = 0, 0, 0.0
    with Service(fake, image_concurrency=8) as service:
        for number in range(rounds):
            ids = [service.generate(story(5000 + 10 * number + n, 5), num_scenes=5) for n in range(6)]
            time.sleep(chance.uniform(0.1, 3.0))
            service.kill()
            began = time.perf_counter()
            service.start()
            states = service.wait_all(ids)
            slowest = max(slowest, time.perf_counter() - began)
            unready += sum(5 - ready(state) for state in states)
            broken += sum(_broken(service, scene["image_url"]) for state in states for scene in state["scenes"])
    counts = fake.counts()
    pictures, text = counts["pictures_paid"], counts["text_paid"]
    return [
        _none(
            "pictures paid twice over kill -9", counts["pictures_paid_twice"], f"{rounds} kills, {pictures} pictures"
        ),
        _none("texts paid twice over kill -9", counts["text_paid_twice"], f"{text} texts"),
        _none("scenes lost over kill -9", unready),
        _none("pictures that cannot be read after it", broken),
        Figure("promises", "all done after the restart", slowest, "s", limit=RECOVERY_LIMIT_SECONDS),
    ]


def _broken(service: Service, url: str | None) -> int:
    return int(url is None or not service.client.get(url).content.startswith(b"\xff\xd8"))
