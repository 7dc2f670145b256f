"""OpenTelemetry by FastAPI's own support: what arrives at a collector, what must not, and nothing while it is off."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapters.logs import logged_to
from adapters.telemetry import Telemetry
from config import ConfigurationError
from main import create_app
from tests.conftest import client_of, need_program, plain_settings
from tests.fake_providers import IMAGE_KEY, REPOSITORY, TEXT_KEY, FakeProviders
from tests.fleet import Fleet
from tests.receivers import Collector, attributes
from tests.service import Service, free_port
from tests.stories import story

Json = dict[str, Any]
MARK = "Xyzzyra"  # the name of somebody in the story, and a word that callers put where they can
KEY = "a-key-of-ann-that-nobody-may-see"
STOP_SECONDS = 10.0  # what docs/main.md promises
QUICK = {"otel_metric_export_interval": 200, "otel_bsp_schedule_delay": 100, "otel_blrp_schedule_delay": 100}


def switched_on(port: int) -> dict[str, Any]:
    return {"fastapi_otel_auto_configure": "true", "otel_exporter_otlp_endpoint": f"http://127.0.0.1:{port}"} | QUICK


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=5_000) as providers:
        yield providers


@pytest.fixture(scope="module")
def collector(fake: FakeProviders) -> Iterator[Collector]:
    """A collector after a whole job, with callers who write what they should not where they can."""
    with Collector() as receiver:
        with Service(fake, **switched_on(receiver.port), api_keys=f"ann:{KEY}", environment="staging") as service:
            service.client.headers["X-API-Key"] = KEY
            service.client.headers["baggage"] = f"secret={KEY}"
            words = f"{MARK} walked to the sea. " + story(1, 2)
            session_id = service.generate(words, title=MARK, num_scenes=2, consistency="references")
            state = service.wait(session_id)
            assert state["status"] == "completed", state
            picture = state["scenes"][0]["image_url"]
            assert "?sig=" in picture
            assert service.client.get(picture).status_code == 200
            wrong = service.client.get(picture + MARK)
            service.client.get(f"/sessions/{session_id}/anchors/{MARK}")
            service.client.get(f"/{MARK}/{KEY}", params={"api_key": KEY, MARK: MARK, "Sig": KEY})
            service.client.get(f"/status/{session_id}", params={"wait": MARK})
            service.client.post("/generate", json={"story_text": MARK, MARK: KEY})
            service.client.request(MARK.upper(), "/generate")
            assert wrong.status_code in (401, 404)
            signature = picture.split("sig=")[1]
        receiver.until(lambda: bool(receiver.spans() and receiver.metrics() and receiver.logs()))
        receiver.secrets = (KEY, signature, MARK, MARK.upper(), TEXT_KEY, IMAGE_KEY, words[40:80])
        yield receiver


def test_requests_arrive_as_spans_by_their_route(collector: Collector) -> None:
    spans = [span for span in collector.spans() if span["kind"] == "SPAN_KIND_SERVER"]

    names = {span["name"] for span in spans}
    generate = next(span for span in spans if span["name"] == "POST /generate")
    assert {"GET /status/{session_id}", "GET /images/{session_id}/{file}"} <= names
    assert attributes(generate)["http.response.status_code"] in ("202", "422")
    assert attributes(generate)["url.path"] == "/generate"
    assert collector.resources()[0]["service.name"] == "story-to-image-generator"
    assert collector.resources()[0]["deployment.environment.name"] == "staging"


def test_calls_to_providers_are_spans_of_the_trace_that_began_the_run(collector: Collector) -> None:
    spans = collector.spans()
    begun = {span["traceId"] for span in spans if span["name"] == "POST /generate"}

    drawn = [span for span in spans if span["name"] == "runware draw"]

    assert len(drawn) >= 2
    assert {span["traceId"] for span in drawn} <= begun
    assert attributes(drawn[0])["story.outcome"] == "ok"


def test_metrics_of_requests_calls_and_money_arrive(collector: Collector, fake: FakeProviders) -> None:
    metrics = collector.metrics()

    names = {metric["name"] for metric in metrics}
    spent: dict[str, float] = {}
    for metric in metrics:
        if metric["name"] == "story.spent":
            for point in metric["sum"]["dataPoints"]:
                spent[str(attributes(point))] = max(spent.get(str(attributes(point)), 0.0), point["asDouble"])
    assert {"http.server.request.duration", "story.provider.call.duration", "story.text.tokens"} <= names
    assert sum(spent.values()) == pytest.approx(sum(fake.counts()["usd"].values()), abs=1e-9)


def test_the_log_and_refused_requests_arrive_as_records(collector: Collector) -> None:
    records = collector.logs()

    bodies = {record.get("body", {}).get("stringValue") for record in records}
    ended = next(record for record in records if record.get("body", {}).get("stringValue") == "session ended")
    assert {"Request validation failed", "request", "session ended"} <= bodies
    assert attributes(ended)["status"] == "completed"
    assert attributes(ended)["session_id"]
    assert ended["traceId"]


def test_neither_story_nor_key_nor_signature_leaves(collector: Collector) -> None:
    sent = collector.everything

    for secret in collector.secrets:
        assert secret.encode() not in sent, secret
    assert b"REDACTED" in sent


def test_a_worker_tells_of_its_calls_too(fake: FakeProviders) -> None:
    need_program("redis-server")
    fake.reset()
    with Collector() as receiver, Fleet(fake, instances=1, workers=0) as fleet:
        fleet.add_worker(**switched_on(receiver.port))
        service = fleet.instances[0]
        state = service.wait(service.generate(f"{MARK} walked to the sea. " + story(2, 2), num_scenes=2, title=MARK))
        fleet.workers[0].stop()

        assert state["status"] == "completed"
        assert sum(span["name"] == "runware draw" for span in receiver.spans()) >= 2
        assert MARK.encode() not in receiver.everything


async def test_of_a_crash_its_type_leaves_and_not_its_words() -> None:
    telemetry = Telemetry(paths=["/broken"], version="1", environment="staging")
    logs, spans = InMemoryLogRecordExporter(), InMemorySpanExporter()  # type: ignore[no-untyped-call]
    loggers, tracers = telemetry.config["logger_provider"], telemetry.config["tracer_provider"]
    assert isinstance(loggers, LoggerProvider)
    assert isinstance(tracers, TracerProvider)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    app = FastAPI(telemetry={**telemetry.config, "auto_configure": False})

    @app.get("/broken")
    async def broken() -> None:
        logging.getLogger("main").exception("request crashed", exc_info=RuntimeError(f"{MARK} {KEY}"))
        raise RuntimeError(f"{MARK} {KEY}")

    with logged_to(telemetry.log_handler):
        async with client_of(app) as client:
            await client.get("/broken", params={"sig": KEY})

    sent = [record.to_json() for record in logs.get_finished_logs()] + [s.to_json() for s in spans.get_finished_spans()]
    assert len([line for line in sent if "RuntimeError" in line]) >= 3  # two records, and the request's span
    assert not [line for line in sent if MARK in line or KEY in line]


@pytest.mark.parametrize("silent", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_collector_that_is_gone_neither_stops_the_service_nor_keeps_it(fake: FakeProviders, silent: bool) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", free_port()))
        if silent:
            deaf.listen(64)
        with Service(fake, **switched_on(deaf.getsockname()[1])) as service:
            state = service.wait(service.generate(story(5, 2), num_scenes=2))
            time.sleep(0.5)  # so that an export is under way: every 0.2 s there is one

            took = service.stop()
            log = service.log()

    assert state["status"] == "completed"
    assert took < STOP_SECONDS
    assert "Traceback" not in log


def test_nothing_of_it_is_imported_while_it_is_switched_off(tmp_path: Path) -> None:
    program = (
        "import sys, main, config\n"
        "main.create_app(config.load_settings())\n"
        "print(sorted(m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter',"
        " 'sentry_sdk', 'google.protobuf', 'adapters.telemetry', 'adapters.error_tracking'))))\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}

    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("setting", "package", "value"),
    [
        ("FASTAPI_OTEL_AUTO_CONFIGURE", "opentelemetry.sdk", "true"),
        ("ERROR_DSN", "sentry_sdk", "http://key@127.0.0.1:9/1"),
    ],
)
def test_a_package_that_is_missing_ends_the_start_with_one_sentence(
    tmp_path: Path, setting: str, package: str, value: str
) -> None:
    program = f"import sys; sys.modules['{package}'] = None; import main; sys.argv = ['main.py']; sys.exit(main.main())"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), setting: value, "PORT": "0"}

    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("pip install -r requirements-scale.txt.")
    assert ran.stderr.count("\n") == 1
    assert setting in ran.stderr


def test_a_dsn_that_is_none_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ERROR_DSN") as refusal:
        create_app(plain_settings(tmp_path / "projects", error_dsn="https://no-project.example"))

    assert "no-project" not in str(refusal.value)
