"""What is counted is what happened, under names with units, in a text Prometheus can read."""

from __future__ import annotations

import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics import Metrics
from models import MoneySpent, ProviderCall, ProviderRetry, SceneEnded, SessionEnded
from tests.conftest import STORY, draw, idle

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


async def test_names_say_their_unit_and_have_help(client: httpx.AsyncClient) -> None:
    await client.post("/analyze", json={"story_text": STORY})
    families = list(text_string_to_metric_families((await client.get("/metrics")).text))

    for family in families:
        assert family.documentation
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        assert re.fullmatch(r"(story|process|python)_[a-z_]+", family.name)
