"""Receivers on loopback for what the service sends to operators: OTLP over HTTP, and crashes in envelopes."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.service import free_port

PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured
Json = dict[str, Any]


class Receiver:
    """Keeps every body that is posted to it, by its path, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.port = free_port()
        self.bodies: list[tuple[str, bytes]] = []
        self.secrets: tuple[str, ...] = ()  # what must not be among them
        self._came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.keep(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def keep(self, path: str, body: bytes) -> None:
        with self._came:
            self.bodies.append((path, body))
            self._came.notify_all()

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until what has come is enough; fails when it does not come."""
        limit = time.monotonic() + PATIENCE_SECONDS
        with self._came:
            while not reached():
                left = limit - time.monotonic()
                assert left > 0, f"it did not come to that; there are {[path for path, _ in self.bodies]}"
                self._came.wait(min(left, 1.0))

    @property
    def everything(self) -> bytes:
        """All that came, to look for what must not be there: protobuf and JSON keep strings as they are."""
        return b"\n".join(body for _, body in self.bodies)


class Collector(Receiver):
    """What an OpenTelemetry collector would take: `/v1/traces`, `/v1/metrics`, `/v1/logs`."""

    def spans(self) -> list[Json]:
        exports = self._read("/v1/traces", ExportTraceServiceRequest)
        return [span for export in exports for part in export["resourceSpans"] for span in _inner(part, "Spans")]

    def metrics(self) -> list[Json]:
        exports = self._read("/v1/metrics", ExportMetricsServiceRequest)
        return [one for export in exports for part in export["resourceMetrics"] for one in _inner(part, "Metrics")]

    def logs(self) -> list[Json]:
        exports = self._read("/v1/logs", ExportLogsServiceRequest)
        return [one for export in exports for part in export["resourceLogs"] for one in _inner(part, "LogRecords")]

    def resources(self) -> list[Json]:
        """What the senders of the traces said of themselves."""
        exports = self._read("/v1/traces", ExportTraceServiceRequest)
        return [attributes(part["resource"]) for export in exports for part in export["resourceSpans"]]

    def _read(self, path: str, kind: Callable[[], Any]) -> list[Json]:
        found: list[Json] = []
        for where, body in list(self.bodies):
            if where == path:
                message = kind()
                message.ParseFromString(body)
                found.append(MessageToDict(message))
        return found


def _inner(part: Json, name: str) -> list[Json]:
    """The spans, metrics or records of every scope of one resource."""
    scopes = part[f"scope{name.removesuffix('Records').rstrip('s')}s"]
    return [item for scope in scopes for item in scope[name[0].lower() + name[1:]]]


def attributes(item: Json) -> Json:
    """The attributes of a span, a record or a resource by their names."""
    return {pair["key"]: next(iter(pair["value"].values())) for pair in item.get("attributes", [])}


class CrashDesk(Receiver):
    """What a Sentry-compatible service would take: envelopes, at the address its `dsn` names."""

    @property
    def dsn(self) -> str:
        return f"http://a-public-key@127.0.0.1:{self.port}/7"

    def events(self) -> list[Json]:
        """The events of all envelopes: a header, then for each item a header and a line."""
        lines = [line for _, body in list(self.bodies) for line in body.splitlines()]
        return [event for event in map(json.loads, filter(None, lines)) if "exception" in event]
