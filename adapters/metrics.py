"""Counts what happens, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from models import Event, MoneySpent, ProviderCall, ProviderRetry, SceneEnded, SessionEnded

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 180)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
LAG_EVERY_SECONDS = 0.02
SCENE_SECONDS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 180, 600)


class Metrics:
    """The counters of one process; `observe` takes the events of the core, `request` those of the edge."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "story_http_requests", "Requests by route and status.", ["method", "route", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "story_http_request_seconds",
            "Time to the end of the answer, in seconds.",
            ["method", "route"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # finding a series is half the work
        self._calls = Counter(
            "story_provider_calls",
            "Requests to providers by outcome.",
            ["provider", "model", "kind", "outcome"],
            registry=registry,
        )
        self._call_seconds = Histogram(
            "story_provider_call_seconds",
            "Time of a request to a provider, in seconds.",
            ["provider", "kind", "outcome"],
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            "story_provider_retries", "Requests tried again, by reason.", ["provider", "code"], registry=registry
        )
        self._tokens = Counter(
            "story_text_tokens", "Tokens the text provider counted.", ["model", "direction"], registry=registry
        )
        self._cache_hits = Counter(
            "story_text_cache_hits", "Questions answered from the provider's cache.", ["model"], registry=registry
        )
        self._money = Counter(
            "story_spent_usd",
            "Settled charges in USD; known=false: the reservation, because no cost was told.",
            ["provider", "model", "known"],
            registry=registry,
        )
        self._scenes = Counter(
            "story_scenes", "Scenes that became ready or failed, by code.", ["code", "reused"], registry=registry
        )
        self._scene_seconds = Histogram(
            "story_scene_seconds",
            "From taking a scene up to its end, in seconds.",
            ["code"],
            buckets=SCENE_SECONDS,
            registry=registry,
        )
        self._loop_lag = Histogram(
            "story_loop_lag_seconds",
            f"How late the event loop is, looked at every {LAG_EVERY_SECONDS * 1000:g} ms, in seconds.",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        registry.register(_TaskGauge())
        self._sessions = Counter("story_sessions", "Sessions that ended, by state.", ["status"], registry=registry)
        self._session_seconds = Histogram(
            "story_session_seconds", "Time of a run, in seconds.", ["status"], buckets=SCENE_SECONDS, registry=registry
        )

    async def watch_loop(self) -> None:
        """Measure, until cancelled, how late the event loop is: what everybody waits for while something blocks it."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY_SECONDS
            await asyncio.sleep(LAG_EVERY_SECONDS)
            self._loop_lag.observe(max(0.0, loop.time() - due))

    def watch_sessions(self, count: Callable[[], dict[str, int]]) -> None:
        """Show how many sessions there are in each state, asked for at each scrape."""
        self._registry.register(_SessionGauge(count))

    def observe(self, event: Event) -> None:
        """Count one event of the core."""
        match event:
            case ProviderCall():
                self._count_call(event)
            case ProviderRetry():
                self._retries.labels(event.provider, event.code).inc()
            case MoneySpent():
                self._money.labels(event.provider, event.model, str(event.known).lower()).inc(event.usd)
            case SceneEnded():
                self._scenes.labels(event.code, str(event.reused).lower()).inc()
                self._scene_seconds.labels(event.code).observe(event.seconds)
            case SessionEnded():
                self._sessions.labels(event.status).inc()
                self._session_seconds.labels(event.status).observe(event.seconds)

    def _count_call(self, event: ProviderCall) -> None:
        self._calls.labels(event.provider, event.model, event.kind, event.outcome).inc()
        self._call_seconds.labels(event.provider, event.kind, event.outcome).observe(event.seconds)
        if event.cached:
            self._cache_hits.labels(event.model).inc()
        if event.input_tokens or event.output_tokens:
            self._tokens.labels(event.model, "input").inc(event.input_tokens)
            self._tokens.labels(event.model, "output").inc(event.output_tokens)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is the template, never the address."""
        series = self._answered.get((method, route, status))
        if series is None:
            series = self._requests.labels(method, route, str(status)), self._request_seconds.labels(method, route)
            self._answered[method, route, status] = series
        requests, request_seconds = series
        requests.inc()
        request_seconds.observe(seconds)

    def render(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _TaskGauge(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            tasks = len(asyncio.all_tasks())
        except RuntimeError:  # rendered outside a loop
            tasks = 0
        yield GaugeMetricFamily("story_tasks", "Tasks in the event loop.", value=tasks)


class _SessionGauge(Collector):
    def __init__(self, count: Callable[[], dict[str, int]]) -> None:
        self._count = count

    def collect(self) -> list[GaugeMetricFamily]:
        gauge = GaugeMetricFamily("story_sessions_now", "Sessions in memory, by state.", labels=["status"])
        for status, number in self._count().items():
            gauge.add_metric([status], number)
        return [gauge]
