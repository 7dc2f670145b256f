"""What is counted is what happened, under names with units, in a text Prometheus can read."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics import CONTENT_TYPE, Metrics
from models import Event, MoneySpent, ProviderCall, ProviderRetry, SceneEnded, SessionEnded, StorageUnavailable
from tests.conftest import STORY, draw, idle

ROOT = Path(__file__).resolve().parent.parent

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


async def test_requests_scenes_and_sessions_are_counted(client: httpx.AsyncClient) -> None:
    await draw(client)
    await idle()
    await client.post("/generate", json={"story_text": "short"})
    await client.get("/nowhere")
    answer = await client.get("/metrics")

    samples = read(answer.text)

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    requests = "story_http_requests_total"
    assert value(samples, requests, method="POST", route="/generate", status="202") == 1
    assert value(samples, requests, method="POST", route="/generate", status="422") == 1
    assert value(samples, requests, method="GET", route="static", status="404") == 1
    assert value(samples, "story_http_request_seconds_count", method="POST", route="/generate") == 2
    assert value(samples, "story_scenes_total", code="ready", reused="false") == 3
    assert value(samples, "story_sessions_total", status="completed") == 1


async def test_a_repeated_story_is_counted_as_reused(client: httpx.AsyncClient) -> None:
    await draw(client)
    await draw(client)
    await idle()

    samples = read((await client.get("/metrics")).text)

    assert value(samples, "story_scenes_total", code="ready", reused="true") == 3
    assert value(samples, "story_scenes_total", code="ready", reused="false") == 3


async def test_callers_cannot_make_series_of_their_own(client: httpx.AsyncClient) -> None:
    before = len(read((await client.get("/metrics")).text))
    for number in range(30):
        await client.request(f"MADEUP{number}", "/generate")
        await client.get(f"/made-up/{number}")
        await client.get(f"/status/{number}")

    after = len(read((await client.get("/metrics")).text))

    assert after - before < 80  # one route's histogram for each of three kinds, not one for each request


def test_calls_money_tokens_and_retries_are_counted_to_the_cent() -> None:
    metrics = Metrics()
    for outcome, seconds in (("ok", 0.2), ("ok", 0.3), ("timeout", 9.0)):
        metrics.observe(ProviderCall("openrouter", "m", "scene", outcome, seconds, input_tokens=100, output_tokens=20))
    metrics.observe(ProviderRetry("openrouter", "timeout"))
    metrics.observe(MoneySpent("runware", "r", 0.0123, True))
    metrics.observe(MoneySpent("runware", "r", 0.02, True))
    metrics.observe(MoneySpent("runware", "r", 0.05, False))
    metrics.observe(SceneEnded("content_blocked", 3.0))
    metrics.observe(SessionEnded("failed", 4.0))

    samples = read(metrics.render().decode())

    call = {"provider": "openrouter", "kind": "scene"}
    assert value(samples, "story_provider_calls_total", model="m", outcome="ok", **call) == 2
    assert value(samples, "story_provider_call_seconds_sum", outcome="timeout", **call) == 9.0
    assert value(samples, "story_text_tokens_total", model="m", direction="input") == 300
    assert value(samples, "story_provider_retries_total", provider="openrouter", code="timeout") == 1
    spent = {"provider": "runware", "model": "r"}
    assert value(samples, "story_spent_usd_total", known="true", **spent) == pytest.approx(0.0323)
    assert value(samples, "story_spent_usd_total", known="false", **spent) == pytest.approx(0.05)
    assert value(samples, "story_scenes_total", code="content_blocked", reused="false") == 1
    assert value(samples, "story_session_seconds_count", status="failed") == 1


def test_sessions_in_memory_are_asked_for_at_each_scrape() -> None:
    metrics = Metrics()
    states = {"processing": 2}
    metrics.watch_sessions(lambda: states)

    first = read(metrics.render().decode())
    states["processing"] = 1
    second = read(metrics.render().decode())

    assert value(first, "story_sessions_now", status="processing") == 2
    assert value(second, "story_sessions_now", status="processing") == 1


def test_a_provider_refuses_from_the_refusal_to_the_next_call_that_a_key_is_for() -> None:
    metrics = Metrics()
    metrics.watch_providers(lambda: {"runware": True, "openrouter": False})
    seen = []
    for kind, outcome in (("draw", "timeout"), ("draw", "account"), ("fetch", "ok"), ("draw", "lost"), ("draw", "ok")):
        metrics.observe(ProviderCall("runware", "r", kind, outcome, 0.1))
        samples = read(metrics.render().decode())
        seen.append(value(samples, "story_provider_refusing", provider="runware"))

    assert seen == [0, 1, 1, 1, 0]
    assert ("story_provider_refusing", (("provider", "openrouter"),)) in samples  # there before anything happens
    assert value(samples, "story_provider_available", provider="runware") == 1
    assert value(samples, "story_provider_available", provider="openrouter") == 0


def test_the_first_unknown_cost_is_a_rise_from_nought() -> None:
    metrics = Metrics()
    metrics.observe(MoneySpent("runware", "r", 0.5, True))

    samples = read(metrics.render().decode())

    series = ("story_spent_usd_total", (("known", "false"), ("model", "r"), ("provider", "runware")))
    assert samples[series] == 0


def test_more_models_than_there_are_become_one_series() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.observe(MoneySpent("openrouter", f"made/up-{number}", 0.01, True))
        metrics.observe(ProviderCall("openrouter", f"made/up-{number}", "text", "ok", 0.1, 5, 5))

    samples = read(metrics.render().decode())

    assert len(samples) < 1000
    assert sum(usd for (name, _), usd in samples.items() if name == "story_spent_usd_total") == pytest.approx(10)


async def test_a_request_that_waits_on_purpose_is_counted_apart(client: httpx.AsyncClient) -> None:
    session_id = await draw(client)
    before = read((await client.get("/metrics")).text)
    await client.get(f"/status/{session_id}")
    await client.get(f"/status/{session_id}", params={"wait": 1})
    samples = read((await client.get("/metrics")).text)

    def more(route: str) -> float:
        labels = {"method": "GET", "route": route, "status": "200"}
        return value(samples, "story_http_requests_total", **labels) - value(
            before, "story_http_requests_total", **labels
        )

    assert (more("/status/{session_id}"), more("/status/{session_id}?wait")) == (1, 1)


async def test_whether_work_may_be_sent_is_shown_as_it_changes() -> None:
    metrics, answers = Metrics(), [True, False, True]
    seen: list[float] = []

    async def check() -> None:
        seen.append(value(read(metrics.render().decode()), "story_ready"))
        if not answers:
            raise EOFError  # the end of the watch
        if not answers.pop(0):
            raise StorageUnavailable

    with pytest.raises(EOFError):
        await metrics.watch_ready(check, every=0)

    assert seen == [0, 1, 0, 1]  # what was shown before each look


def test_what_is_watched_again_is_shown_once(tmp_path: Path) -> None:
    metrics = Metrics()
    for waiting in (1.0, 2.0):
        metrics.watch_queue(partial(dict, waiting=waiting, running=0.0))
        metrics.watch_day(lambda: 0.25, 2.0)
        metrics.watch_disk(tmp_path)
        metrics.tell_about(version="1.2.3", environment="staging", queue="redis")

    text = metrics.render().decode()
    samples = read(text)

    assert text.count("# TYPE story_queue_depth gauge") == 1
    assert value(samples, "story_queue_depth", state="waiting") == 2
    assert (value(samples, "story_day_committed_usd"), value(samples, "story_day_budget_usd")) == (0.25, 2)
    assert 0 < value(samples, "story_disk_free_bytes") <= value(samples, "story_disk_size_bytes")
    assert value(samples, "story_service_info", version="1.2.3", environment="staging", queue="redis") == 1


async def test_a_process_without_a_web_framework_shows_the_same() -> None:
    metrics = Metrics()
    metrics.crash("run")
    transport = httpx.ASGITransport(app=metrics.application())
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as worker:
        answer = await worker.get("/metrics")

    assert answer.headers["content-type"] == CONTENT_TYPE
    assert value(read(answer.text), "story_crashes_total", where="run") == 1


def test_counting_needs_no_web_framework() -> None:
    program = (
        "import sys, adapters.metrics; print([m for m in ('fastapi', 'starlette', 'uvicorn') if m in sys.modules])"
    )

    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_events_are_passed_on() -> None:
    metrics, heard = Metrics(), list[Event]()
    metrics.pass_on_to(heard.append)
    event = SceneEnded("ready", 1.0)

    metrics.observe(event)

    assert heard == [event]


async def test_names_say_their_unit_and_have_help(client: httpx.AsyncClient) -> None:
    await client.post("/analyze", json={"story_text": STORY})
    families = list(text_string_to_metric_families((await client.get("/metrics")).text))

    for family in families:
        assert family.documentation
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        assert re.fullmatch(r"(story|process|python)_[a-z_]+", family.name)
