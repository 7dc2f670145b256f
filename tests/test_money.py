"""Money over HTTP, beside providers that count it: caps hold, counts are true, nothing is bought for nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.checks import cost_of, metric, until
from tests.fake_providers import FakeProviders
from tests.service import ENDED, Service, ready
from tests.stories import story

PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured
SESSIONS = int(os.environ.get("STORY_SESSIONS", "24"))  # of the run against the day's budget
DAILY_BUDGET = 0.05 * SESSIONS / 200  # USD
DAY = 0.03  # USD, of the service whose day is spent
DUST = 1e-9  # USD, of sums of floats

Json = dict[str, Any]


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(text_ms=20, image_ms=60, picture_bytes=5_000) as fake:
        yield fake


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    providers.reset()
    providers.control(text_ms=20, image_ms=60, failing_checks="", failing_times=1)
    return providers


def charged(fake: FakeProviders) -> float:
    return float(sum(fake.counts()["usd"].values()))


def order(fake: FakeProviders, faults: list[Json]) -> None:
    """Order faults whose values JSON does not know: NaN."""
    httpx.post(f"{fake.origin}/control", content=json.dumps({"faults": faults}), trust_env=False).raise_for_status()


def unbelievable_costs() -> list[Json]:
    """Costs that are missing, negative, words, not a number and beyond belief, at every third paid call."""
    values = [float("nan"), None, -5, "lots", float("inf"), 1e300, [1], True, {"usd": 1}]
    wrong: list[Json] = [{"kind": "no_cost"}, *({"kind": "bad_cost", "value": value} for value in values)]
    return [{"on": on, "skip": 2, **kind} for kind in wrong for on in ("text", "task")]


# --- The day's budget ------------------------------------------------------------------------------------------


def test_the_days_budget_holds_over_lies_lost_answers_kills_and_a_crowd(fake: FakeProviders) -> None:
    lost = [{"on": on, "kind": kind, "skip": 9} for on in ("text", "draw", "poll") for kind in ("reset", "malformed")]
    order(fake, unbelievable_costs() + lost)
    seen: dict[str, float] = {}
    with Service(fake, daily_budget_usd=str(DAILY_BUDGET), max_sessions=1000, image_concurrency=6) as service:
        ids: list[str] = []
        refused = 0
        for third in range(3):
            with ThreadPoolExecutor(8) as threads:
                answers = list(threads.map(lambda number: ask(service, number), range(third, SESSIONS, 3)))
            ids += [answer.json()["session_id"] for answer in answers if answer.status_code == 202]
            refused += sum(answer.status_code == 402 for answer in answers)
            assert {answer.status_code for answer in answers} <= {202, 402}
            look(service, ids, seen)
            service.kill()
            assert charged(fake) <= DAILY_BUDGET + DUST
            service.start()
            look(service, ids, seen)
        while look(service, ids, seen):
            time.sleep(0.05)
        states = service.wait_all(ids, patience=PATIENCE_SECONDS)

        assert len(ids) + refused == SESSIONS
        assert charged(fake) <= cost_of(states) + DUST
        assert cost_of(states) <= DAILY_BUDGET + DUST
        assert fake.counts()["pictures_paid_twice"] == 0
        assert fake.counts()["violations"] == []
        short = [state for state in states if state["error"]]
        assert short or refused, "the money was enough for all"
        assert {state["error"]["code"] for state in short} <= {"budget_reached"}
        assert all(state["status"] == ("completed" if ready(state) else "failed") for state in short)


def ask(service: Service, number: int, **more: Any) -> httpx.Response:
    """Ask for story `number`, without reference pictures."""
    body = {"story_text": story(number, 2), "num_scenes": 2, "consistency": "prompt"}
    return service.client.post("/generate", json=body | more)


def look(service: Service, ids: list[str], seen: dict[str, float]) -> bool:
    """Whether any of these sessions goes on; no cost that was seen may be taken back, also not by a crash."""
    states = [service.status(session_id) for session_id in ids]
    for state in states:
        assert state["cost_usd"] >= seen.get(state["session_id"], 0.0) - DUST
        seen[state["session_id"]] = state["cost_usd"]
    return any(state["status"] not in ENDED for state in states)


def test_a_cost_is_shown_once_it_is_on_disk(fake: FakeProviders) -> None:
    fake.control(text_ms=300)
    with Service(fake) as service:
        session_id = service.generate(story(30, 1), num_scenes=1)
        until(lambda: fake.counts()["now"].get("text", 0) > 0)
        with closing(sqlite3.connect(service.folder / "projects" / "journal.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")  # from here on nobody else writes
            until(lambda: charged(fake) > 0)
            etag = service.client.get(f"/status/{session_id}").headers["ETag"]
            service.client.get(f"/status/{session_id}", params={"wait": 1}, headers={"If-None-Match": etag})
            shown = service.status(session_id)["cost_usd"]
            db.execute("ROLLBACK")
        state = service.wait(session_id, patience=PATIENCE_SECONDS)

    assert shown == 0
    assert state["cost_usd"] == pytest.approx(charged(fake), abs=DUST)


# --- A day whose money is spent --------------------------------------------------------------------------------


@dataclass
class SpentDay:
    """A service whose budget for the day is used up, and sessions from before that."""

    service: Service
    fake: FakeProviders
    done: Json
    draft: Json
    short: Json
    unfetched: Json

    def refused(self, answer: httpx.Response) -> None:
        """It is told with the time to come back, and no provider was asked anything."""
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["retryable"]) == (402, "budget_reached", True)
        assert answer.headers["content-type"] == "application/problem+json"
        until = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        left = (until - datetime.now(UTC)).total_seconds()
        assert left - 60 <= int(answer.headers["Retry-After"]) <= left + 60

    def calls(self) -> Json:
        return {kind: number for kind, number in self.fake.counts()["calls"].items() if kind != "models"}


@pytest.fixture(scope="module")
def day() -> Iterator[SpentDay]:
    with (
        FakeProviders(picture_bytes=5_000) as fake,
        Service(fake, daily_budget_usd=str(DAY), retry_attempts=1) as service,
    ):
        draft = service.wait(ask(service, 1000, quality="draft", consistency="references").json()["session_id"])
        done = service.wait(ask(service, 1001).json()["session_id"])
        fake.control(faults=[{"on": "fetch", "kind": "status", "status": 503}])
        unfetched = service.wait(ask(service, 1500).json()["session_id"])
        assert ready(unfetched) == 1
        short = service.wait(service.generate(story(1002, 30), num_scenes=30))
        number = 1003
        while (answer := ask(service, number)).status_code == 202:
            service.wait(answer.json()["session_id"])
            number += 1
        redraw = {"session_id": done["session_id"], "scene_number": 0}
        while service.client.post("/regenerate", json=redraw).status_code == 202:  # there is less than a bible left
            done = service.wait(done["session_id"])
        assert (draft["error"], done["error"]) == (None, None)
        assert short["error"]["code"] == "budget_reached"
        yield SpentDay(service, fake, done, draft, short, unfetched)
        assert charged(fake) <= DAY + DUST


def test_a_new_story_is_refused_when_the_days_money_is_spent(day: SpentDay) -> None:
    calls = day.calls()

    for number in range(5):
        day.refused(ask(day.service, 2000 + number))

    assert day.calls() == calls


def test_work_on_a_session_is_refused_too_and_leaves_it_as_it_was(day: SpentDay) -> None:
    calls = day.calls()
    before = [day.service.status(state["session_id"]) for state in (day.short, day.done, day.draft)]

    day.refused(day.service.client.post("/continue", json={"session_id": day.short["session_id"], "max_cost_usd": 1}))
    redraw = {"session_id": day.done["session_id"], "scene_number": 0}
    day.refused(day.service.client.post("/regenerate", json=redraw))
    upgrade = {"session_id": day.draft["session_id"], "approved_scenes": [0, 1], "upgrade": True}
    day.refused(day.service.client.post("/approve", json=upgrade))
    portrait = f"/sessions/{day.draft['session_id']}/anchors/{day.draft['anchors'][0]['name']}"
    day.refused(day.service.client.post(f"{portrait}/redraw", json={}))

    assert [day.service.status(state["session_id"]) for state in before] == before
    assert day.calls() == calls


def test_what_is_paid_already_is_free_on_such_a_day(day: SpentDay) -> None:
    calls = day.calls()

    again = day.service.wait(ask(day.service, 1001).json()["session_id"])
    only_cut = ask(day.service, 3000, stop_at="scenes")
    plain = {"session_id": day.draft["session_id"], "approved_scenes": [0]}
    approved = day.service.client.post("/approve", json=plain)

    assert (again["status"], again["error"], again["cost_usd"], ready(again)) == ("completed", None, 0, 2)
    assert only_cut.status_code == 202
    assert approved.json()["download_status"] == "ready"
    assert day.calls() == calls


def test_a_picture_that_is_paid_and_only_not_fetched_is_fetched_on_such_a_day(day: SpentDay) -> None:
    calls, session_id = day.calls(), day.unfetched["session_id"]

    answer = day.service.client.post("/continue", json={"session_id": session_id})
    state = day.service.wait(session_id)

    assert answer.status_code == 202
    assert (state["error"], ready(state), state["cost_usd"]) == (None, 2, day.unfetched["cost_usd"])
    assert day.calls() == calls | {"fetch": calls["fetch"] + 1}


def test_the_sum_of_the_day_outlives_a_kill_and_drafts_without_keys_cost_nothing(day: SpentDay) -> None:
    service, calls = day.service, day.calls()
    keys = {name: service.environment[name] for name in ("OPENROUTER_API_KEY", "RUNWARE_API_KEY")}

    service.kill()
    service.start()
    day.refused(ask(service, 2010))
    service.stop()
    del service.environment["OPENROUTER_API_KEY"]
    service.start()
    by_rule = [ask(service, 2011), ask(service, 2011, consistency="references")]  # the pictures cost money
    service.stop()
    del service.environment["RUNWARE_API_KEY"]
    service.start()
    offline = service.wait(ask(service, 2012).json()["session_id"])
    service.stop()
    service.environment |= keys
    service.start()

    for answer in by_rule:
        day.refused(answer)
    assert (offline["status"], offline["cost_usd"], ready(offline)) == ("completed", 0, 2)
    assert day.calls() == calls


# --- A session's own cap ---------------------------------------------------------------------------------------


def test_a_capped_session_keeps_what_is_done_and_goes_on_with_more_money_paying_nothing_twice(
    fake: FakeProviders,
) -> None:
    order(fake, unbelievable_costs()[:8])
    caps = [0.0001, 0.004, 0.006, 0.008, 0.01, 0.02]
    with Service(fake, image_concurrency=6) as service:
        bodies = [{"num_scenes": 6, "story_text": story(40 + n, 6), "max_cost_usd": cap} for n, cap in enumerate(caps)]
        ids = [service.generate(**body) for body in bodies]  # type: ignore[arg-type]
        service.kill()
        service.start()
        states = service.wait_all(ids, patience=PATIENCE_SECONDS)
        spent, kept = charged(fake), {state["session_id"]: pictures(state) for state in states}
        for session_id in ids:
            service.client.post("/continue", json={"session_id": session_id, "max_cost_usd": 1.0}).raise_for_status()
        after = service.wait_all(ids, patience=PATIENCE_SECONDS)

    for state, cap in zip(states, caps, strict=True):
        assert state["cost_usd"] <= cap + DUST
        short = ready(state) < 6
        assert (state["error"] or {}).get("code") == ("budget_reached" if short else None)
        assert state["status"] == ("completed" if ready(state) else "failed")
    assert spent <= cost_of(states) + DUST
    assert 0 < sum(ready(state) for state in states) < 6 * len(caps), "some have money enough, some have not"
    assert [(state["status"], state["error"], ready(state)) for state in after] == [("completed", None, 6)] * len(caps)
    for state in after:
        assert kept[state["session_id"]].items() <= pictures(state).items()
    assert fake.counts()["pictures_paid"] == 6 * len(caps)
    assert fake.counts()["pictures_paid_twice"] == 0


def pictures(state: Json) -> dict[str, str]:
    """The picture each ready scene of a session shows."""
    return {scene["scene_id"]: scene["image_url"] for scene in state["scenes"] if scene["status"] == "ready"}


# --- The estimate ----------------------------------------------------------------------------------------------

CHOICES: list[Json] = [
    {},
    {"quality": "draft"},
    {"consistency": "prompt", "aspect_ratio": "1:1"},
    {"check_images": True},
    {"quality": "draft", "check_images": True, "aspect_ratio": "9:16"},
    {"image_model": "google:nano-banana@2-lite", "num_scenes": 2},
    {"image_model": "google:4@3", "check_images": True, "consistency": "prompt", "num_scenes": 2},
    {"image_model": "runware:400@6", "text_model": "google/gemini-3.8-flash"},
    {"text_model": "mistralai/mistral-small-2603", "stop_at": "prompts"},
]


@pytest.mark.parametrize("hard", [False, True], ids=["clean", "everything twice"])
def test_a_run_costs_no_more_than_the_worst_case_and_a_clean_one_no_less_than_the_least(
    fake: FakeProviders, hard: bool
) -> None:
    if hard:  # every second paid answer is of no use, every second picture blocked, every check finds something
        fake.control(failing_checks="extra", failing_times=1000)
        order(fake, [{"on": "text", "kind": "wrong_schema", "skip": 2 * n} for n in range(80)])
        order(fake, [{"on": "task", "kind": "unsafe", "skip": 2 * n} for n in range(40)])
    bodies = [{"story_text": story(60 + n, 3), "num_scenes": 3} | choice for n, choice in enumerate(CHOICES)]
    with Service(fake, image_concurrency=8, retry_attempts=2) as service:
        asked = [service.client.post("/analyze", json=body).raise_for_status().json() for body in bodies]
        estimates = [answer["estimate"] for answer in asked]
        assert charged(fake) == 0
        ids = [service.client.post("/generate", json=body).raise_for_status().json()["session_id"] for body in bodies]
        states = service.wait_all(ids, patience=PATIENCE_SECONDS)

    for state, estimate in zip(states, estimates, strict=True):
        assert state["cost_usd"] <= estimate["worst_usd"] + DUST
        if not hard and state["status"] == "completed":
            assert state["cost_usd"] >= estimate["least_usd"] - DUST
    assert charged(fake) == pytest.approx(cost_of(states), abs=1e-7)
    assert fake.counts()["violations"] == []
    if not hard:
        assert [state["status"] for state in states] == ["completed"] * (len(CHOICES) - 1) + ["awaiting_review"]


# --- What is counted is true -----------------------------------------------------------------------------------


def test_calls_tokens_retries_and_money_are_counted_as_the_providers_count_them(fake: FakeProviders) -> None:
    refused = [{"on": on, "kind": "status", "status": 503, "skip": 3} for on in ("text", "draw", "upload", "fetch")]
    billed = [{"on": "text", "kind": "wrong_schema", "skip": 5}, {"on": "text", "kind": "null_content", "skip": 9}]
    blocked = [{"on": "task", "kind": "unsafe", "skip": 6}, {"on": "task", "kind": "error", "skip": 2}]
    order(fake, refused + billed + blocked)
    with Service(fake, image_concurrency=6) as service:
        ids = [service.generate(story(80 + n, 3), num_scenes=3, consistency="references") for n in range(5)]
        states = service.wait_all(ids, patience=PATIENCE_SECONDS)
        counts = fake.counts()
        assert len(counts["faults_struck"]) == 8
        assert {kind: metric(service, "story_provider_calls_total", kind=kind) for kind in CALLS} == {
            kind: sum(counts["calls"].get(name, 0) for name in names) for kind, names in CALLS.items()
        }
        assert (
            metric(service, "story_provider_calls_total", kind="draw", outcome="ok") == counts["pictures_made"] + 1
        )  # one failed
        assert metric(service, "story_scenes_total", code="ready") == sum(map(ready, states)) == 15
        assert metric(service, "story_provider_retries_total", provider="openrouter", code="unavailable") == 1
        assert metric(service, "story_provider_retries_total", provider="openrouter", code="unusable") == 2
        assert metric(service, "story_provider_retries_total", provider="runware") == 4
        for direction in ("input", "output"):
            assert metric(service, "story_text_tokens_total", direction=direction) == counts["tokens"][direction]
        for provider, usd in counts["usd"].items():
            assert metric(service, "story_spent_usd_total", provider=provider, known="true") == pytest.approx(
                usd, abs=DUST
            )
        unknown = metric(service, "story_spent_usd_total", known="false")  # a 503, and a task that ended in an error
        assert unknown > 0
        assert cost_of(states) == pytest.approx(charged(fake) + unknown, abs=1e-7)

        order(fake, unbelievable_costs()[:6])
        lied = service.wait_all([service.generate(story(90 + n, 3), num_scenes=3) for n in range(5)])
        assert metric(service, "story_spent_usd_total", known="false") > unknown
        assert metric(service, "story_spent_usd_total", known="true") < charged(fake)
        assert metric(service, "story_spent_usd_total") == pytest.approx(cost_of(states + lied), abs=1e-7)
        assert metric(service, "story_spent_usd_total") >= charged(fake)


def test_what_nobody_will_know_after_a_crash_is_counted_by_the_next_process(fake: FakeProviders) -> None:
    fake.control(text_ms=300)
    with Service(fake) as service:
        session_id = service.generate(story(31, 1), num_scenes=1)
        until(lambda: fake.counts()["now"].get("text", 0) > 0)
        service.kill()
        service.start()
        state = service.wait(session_id, patience=PATIENCE_SECONDS)

        assert metric(service, "story_spent_usd_total", known="false") > 0
        assert metric(service, "story_spent_usd_total") == pytest.approx(state["cost_usd"], abs=DUST)


CALLS = {  # kinds of ours, and what the fake calls them
    "text": ["text"],
    "models": ["models"],
    "draw": ["draw", "draw_refused"],
    "poll": ["poll", "poll_refused"],
    "upload": ["upload", "upload_refused"],
    "fetch": ["fetch"],
}
