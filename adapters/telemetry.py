"""Traces, metrics and logs for OpenTelemetry, without what belongs to a caller: words, names, keys, signatures."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from models import Event, MoneySpent, ProviderCall, ProviderRetry, SceneEnded, SessionEnded
from utils import is_session_id, request_in_log, session_in_log

NAME = "story-to-image-generator"
NOT_TRACED = frozenset({"/metrics", "/health/live", "/health/ready"})  # asked every few seconds, by machines
WITHOUT_SPAN = frozenset({"poll", "models"})  # of many sessions at once, or of none
HIDDEN = "REDACTED"
NOT_EXPORTED = frozenset({"exception.message", "exception.stacktrace"})
OURS = ("main", "http", "business_logic", "ai_services", "session_manager", "utils", "adapters")
CLOSE_SECONDS = 1.5  # for what is still to be sent; a collector that is gone must not hold up the stop
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}


class Telemetry:
    """What FastAPI's own support exports through (`config`), and the events of the core (`observe`).

    FastAPI adds the exporters that the `OTEL_…` variables name when the application starts, and flushes them when it
    ends. The providers are ours so that nothing is exported as it comes: FastAPI would send the path and the query of
    each request, and the messages of exceptions.
    """

    def __init__(self, *, paths: Iterable[str], version: str, environment: str) -> None:
        """`paths` are the templates of the routes: of an address only their words are shown."""
        resource = _resource(version, environment)
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(_HidesAddresses(paths))
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(_HidesMessages())
        meters = _Meters(resource=resource)
        self.config: TelemetryConfig = {
            "auto_configure": True,
            "tracer_provider": tracers,
            "meter_provider": meters,
            "logger_provider": loggers,
            "exclude": lambda scope: scope["path"] in NOT_TRACED,
        }
        self.log_handler: logging.Handler = _LogHandler(loggers)
        self._close = (tracers.shutdown, loggers.shutdown, meters.close)
        self._tracer = tracers.get_tracer(NAME, version)
        meter = meters.get_meter(NAME, version)
        self._calls = meter.create_histogram("story.provider.call.duration", "s", "Time of a request to a provider.")
        self._retries = meter.create_counter("story.provider.retries", "{retry}", "Requests tried again.")
        self._tokens = meter.create_counter("story.text.tokens", "{token}", "Tokens the text provider counted.")
        self._spent = meter.create_counter("story.spent", "USD", "Settled charges.")
        self._scenes = meter.create_histogram("story.scene.duration", "s", "From taking a scene up to its end.")
        self._sessions = meter.create_histogram("story.session.duration", "s", "Time of a run.")

    def observe(self, event: Event) -> None:
        """Count one event of the core; a request to a provider is a span, too, of the trace that began its run."""
        match event:
            case ProviderCall():
                self._call(event)
            case ProviderRetry():
                self._retries.add(1, {"provider": event.provider, "code": event.code})
            case MoneySpent():
                self._spent.add(
                    event.usd, {"provider": event.provider, "model": event.model, "known": str(event.known).lower()}
                )
            case SceneEnded():
                self._scenes.record(event.seconds, {"code": event.code, "reused": str(event.reused).lower()})
            case SessionEnded():
                self._sessions.record(event.seconds, {"status": event.status})

    async def aclose(self) -> None:
        """Send what is left, within `CLOSE_SECONDS`.

        FastAPI would wait for a collector that does not answer as long as the exporters' timeouts say, one after the
        other; what is closed it leaves alone. Threads that are still at it then end with the process.
        """
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # that it is closed twice is no news
        threads = [threading.Thread(target=close, daemon=True) for close in self._close]
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))

    def _call(self, call: ProviderCall) -> None:
        about = {"provider": call.provider, "model": call.model, "kind": call.kind, "outcome": call.outcome}
        self._calls.record(call.seconds, about)
        for direction, tokens in (("input", call.input_tokens), ("output", call.output_tokens)):
            if tokens:
                self._tokens.add(tokens, {"model": call.model, "direction": direction})
        if call.kind in WITHOUT_SPAN:
            return
        ended = time.time_ns()
        span = self._tracer.start_span(
            f"{call.provider} {call.kind}",
            kind=SpanKind.CLIENT,
            start_time=ended - round(call.seconds * 1e9),
            attributes={f"story.{name}": value for name, value in about.items()},
        )
        if call.outcome != "ok":
            span.set_status(StatusCode.ERROR)
        span.end(ended)


def _resource(version: str, environment: str) -> Resource:
    """What `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say, and what we know of ourselves."""
    found = Resource.create({"service.version": version, "deployment.environment.name": environment})
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        found = found.merge(Resource({SERVICE_NAME: NAME}))
    return found


class _Meters(MeterProvider):
    """Closes its readers, too, that FastAPI adds: the SDK forgets about those it was not made with."""

    def __init__(self, *, resource: Resource) -> None:
        super().__init__(resource=resource, shutdown_on_exit=False)
        self._added: list[MetricReader] = []

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        super().add_metric_reader(metric_reader)
        self._added.append(metric_reader)

    def close(self) -> None:
        """Export once more and no more: a flush that comes later has nothing to wait for."""
        for reader in self._added:
            reader.shutdown(timeout_millis=CLOSE_SECONDS * 500)
            self.remove_metric_reader(reader)


class _HidesAddresses(SpanProcessor):
    """Shows of an address the words of our routes and the ids of sessions: names of people are parts of others."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._words = {part for path in paths for part in path.split("/") if "{" not in part}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        attributes: Mapping[str, Any] = span.attributes or {}
        if "url.query" in attributes:
            span.set_attribute("url.query", HIDDEN)
        if "http.request.method_original" in attributes:
            span.set_attribute("http.request.method_original", HIDDEN)
        if "url.path" in attributes:
            parts = str(attributes["url.path"]).split("/")
            span.set_attribute("url.path", "/".join(part if self._shown(part) else HIDDEN for part in parts))

    def _shown(self, part: str) -> bool:
        return part in self._words or is_session_id(part)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing is left to hide."""

    def shutdown(self) -> None:
        """Nothing is kept."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


class _HidesMessages(LogRecordProcessor):
    """Leaves of an exception its type."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        record = log_record.log_record
        record.attributes = {
            name: value for name, value in (record.attributes or {}).items() if name not in NOT_EXPORTED
        }

    def shutdown(self) -> None:
        """Nothing is kept."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


class _LogHandler(logging.Handler):
    """Hands the lines of our own log over, with their fields; others (asyncio) quote what they were given."""

    def __init__(self, loggers: LoggerProvider) -> None:
        super().__init__()
        self._logger = loggers.get_logger(NAME)
        self.addFilter(lambda record: record.name.split(".")[0] in OURS)

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name not in STANDARD}
        fields |= {"request_id": request_in_log.get(), "session_id": fields.get("session_id") or session_in_log.get()}
        if record.exc_info and record.exc_info[0]:
            fields["exception.type"] = record.exc_info[0].__qualname__
        self._logger.emit(
            timestamp=round(record.created * 1e9),
            severity_number=SEVERITIES.get(record.levelno, SeverityNumber.INFO),
            severity_text=record.levelname,
            body=record.getMessage(),
            attributes={"logger": record.name}
            | {name: value for name, value in fields.items() if isinstance(value, str | int | float | bool)},
        )
