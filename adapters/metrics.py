"""Counts what happens in one process, for Prometheus."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from models import Event, MoneySpent, ProviderCall, ProviderRetry, SceneEnded, SessionEnded, StoryError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 180)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
LAG_EVERY_SECONDS = 0.02
SCENE_SECONDS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 180, 600)
READY_EVERY_SECONDS = 2.0
MAX_MODELS = 100  # more than providers are asked about; what comes after them is counted as `other`
WITH_A_KEY = frozenset({"text", "draw", "upload", "poll"})  # kinds of calls that a bad key or no credit would fail

Observe = Callable[[Event], None]
Numbers = Callable[[], Mapping[str, float]]
Asgi = Callable[..., Awaitable[Any]]


class Metrics:
    """The counters of one process; `observe` takes the events of the core, `request` those of the edge.

    `watch_…` shows numbers that others keep, asked for at each scrape: they must be there at once, so whoever keeps
    them elsewhere (in Redis) reads them now and then and hands over what it read last.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each, that nobody looks at
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
        self._crashes = Counter(
            "story_crashes", "What nobody expected, in a request or in a run.", ["where"], registry=registry
        )
        for where in ("request", "run"):
            self._crashes.labels(where)
        self._refusing = Gauge(
            "story_provider_refusing",
            "1 while a provider takes our key for bad or our credit for spent.",
            ["provider"],
            registry=registry,
        )
        self._about: Info | None = None
        self._watched: dict[str, _Watched] = {}
        self._models: set[str] = set()
        self._listeners: list[Observe] = []

    def tell_about(self, *, version: str, environment: str, queue: str) -> None:
        """Show what runs here; `queue` says who keeps the jobs: `local` (the process itself) or `redis`."""
        if self._about is None:
            self._about = Info("story_service", "What runs here.", registry=self._registry)
        self._about.info({"version": version, "environment": environment, "queue": queue})

    async def watch_loop(self) -> None:
        """Measure, until cancelled, how late the event loop is: what everybody waits for while something blocks it."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY_SECONDS
            await asyncio.sleep(LAG_EVERY_SECONDS)
            self._loop_lag.observe(max(0.0, loop.time() - due))

    async def watch_ready(self, check: Callable[[], Awaitable[None]], *, every: float = READY_EVERY_SECONDS) -> None:
        """Show, until cancelled, whether the process may be sent work: whether `check` raises none of our errors."""
        help_text, ready = "1 while storage takes writes and no stop is under way.", 0.0
        self._show("story_ready", help_text, lambda: {"": ready}, label=None)
        while True:
            try:
                await check()
            except StoryError:
                ready = 0.0
            else:
                ready = 1.0
            await asyncio.sleep(every)

    def watch_sessions(self, count: Numbers) -> None:
        """Show how many sessions there are in each state."""
        self._show("story_sessions_now", "Sessions by state; shared ones are the same from each process.", count)

    def watch_queue(self, depth: Numbers) -> None:
        """Show how many jobs are `waiting` and `running`."""
        help_text = "Jobs by state: waiting, running; a shared queue is the same from each process."
        self._show("story_queue_depth", help_text, depth, label="state")

    def watch_providers(self, available: Numbers) -> None:
        """Show for each provider whether calls to it are being made (1) or held back (0)."""
        for provider in available():
            self._refusing.labels(provider)
        help_text = "1 while a provider is asked, 0 while calls wait because it does not answer."
        self._show("story_provider_available", help_text, available, label="provider")

    def watch_day(self, committed: Callable[[], float], budget_usd: float | None) -> None:
        """Show what is spent and reserved today (UTC), and the day's budget where there is one."""
        help_text = "USD spent and reserved today (UTC); the same from each process."
        self._show("story_day_committed_usd", help_text, lambda: {"": committed()}, label=None)
        if budget_usd is not None:
            self._show("story_day_budget_usd", "DAILY_BUDGET_USD.", lambda: {"": budget_usd}, label=None)

    def watch_disk(self, folder: Path) -> None:
        """Show how much room there is where the projects lie."""

        def of_disk(blocks: Callable[[os.statvfs_result], int]) -> dict[str, float]:
            found = os.statvfs(folder)
            return {"": blocks(found) * found.f_frsize}

        free, size = (lambda: of_disk(lambda disk: disk.f_bavail)), (lambda: of_disk(lambda disk: disk.f_blocks))
        self._show("story_disk_free_bytes", "Room left on the disk of PROJECTS_DIR.", free, label=None)
        self._show("story_disk_size_bytes", "Size of the disk of PROJECTS_DIR.", size, label=None)

    def _show(self, name: str, help_text: str, numbers: Numbers, *, label: str | None = "status") -> None:
        if (before := self._watched.pop(name, None)) is not None:  # its numbers are of a studio that was closed
            self._registry.unregister(before)
        self._watched[name] = shown = _Watched(name, help_text, numbers, label)
        self._registry.register(shown)

    def pass_on_to(self, listener: Observe) -> None:
        """Hand every event of the core to one more who counts."""
        self._listeners.append(listener)

    def crash(self, where: str) -> None:
        """Count what nobody expected: `where` is `request` or `run`."""
        self._crashes.labels(where).inc()

    def observe(self, event: Event) -> None:
        """Count one event of the core."""
        for listener in self._listeners:
            listener(event)
        match event:
            case ProviderCall():
                self._count_call(event)
            case ProviderRetry():
                self._retries.labels(event.provider, event.code).inc()
            case MoneySpent():
                self._count_money(event)
            case SceneEnded():
                self._scenes.labels(event.code, str(event.reused).lower()).inc()
                self._scene_seconds.labels(event.code).observe(event.seconds)
            case SessionEnded():
                self._sessions.labels(event.status).inc()
                self._session_seconds.labels(event.status).observe(event.seconds)

    def _count_call(self, event: ProviderCall) -> None:
        model = self._known(event.model)
        self._calls.labels(event.provider, model, event.kind, event.outcome).inc()
        self._call_seconds.labels(event.provider, event.kind, event.outcome).observe(event.seconds)
        if event.cached:
            self._cache_hits.labels(event.model).inc()
        if event.input_tokens or event.output_tokens:
            self._tokens.labels(model, "input").inc(event.input_tokens)
            self._tokens.labels(model, "output").inc(event.output_tokens)
        if event.outcome == "account":
            self._refusing.labels(event.provider).set(1)
        elif event.outcome == "ok" and event.kind in WITH_A_KEY:
            self._refusing.labels(event.provider).set(0)

    def _count_money(self, event: MoneySpent) -> None:
        model = self._known(event.model)
        for known in (True, False):  # both are there from the first charge on, so that the first unknown one is a rise
            usd = event.usd if known == event.known else 0.0
            self._money.labels(event.provider, model, str(known).lower()).inc(usd)

    def _known(self, model: str) -> str:
        if model not in self._models and len(self._models) >= MAX_MODELS:
            return "other"
        self._models.add(model)
        return model

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
        """Everything in Prometheus's text format, to be sent as `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def application(self) -> Asgi:
        """An ASGI application for a process without a web framework: whatever is asked for, the answer is `render`."""

        async def answer(scope: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
            if scope["type"] != "http":
                raise ValueError("only HTTP is served here")
            headers = [(b"content-type", CONTENT_TYPE.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.render()})

        return answer


class _TaskGauge(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            tasks = len(asyncio.all_tasks())
        except RuntimeError:  # rendered outside a loop
            tasks = 0
        yield GaugeMetricFamily("story_tasks", "Tasks in the event loop.", value=tasks)


class _Watched(Collector):
    """A gauge whose numbers somebody else keeps, by one label or (None) without."""

    def __init__(self, name: str, help_text: str, numbers: Numbers, label: str | None) -> None:
        self._name, self._help, self._numbers, self._label = name, help_text, numbers, label

    def describe(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._help)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        gauge = GaugeMetricFamily(self._name, self._help, labels=[self._label] if self._label else [])
        for value, number in self._numbers().items():
            gauge.add_metric([value] if self._label else [], number)
        yield gauge
