"""A real Prometheus on loopback, with a configuration, a folder and a port of its own, and its API."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from starlette.types import ASGIApp

from tests.conftest import need_program
from tests.service import free_port

PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured
EVERY = "250ms"  # between two scrapes, and between two looks at the rules
Json = dict[str, Any]


class Prometheus:
    """Scrapes `targets` (ports by job) and watches the rules in `rules`, for as long as the `with` block lasts."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[int]], rules: Path) -> None:
        self._program = need_program("prometheus")
        self.port = free_port()
        self._folder = folder
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
            for job, ports in targets.items()
        ]
        every = {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY}
        configuration = {"global": every, "rule_files": [str(rules)], "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(json.dumps(configuration), "utf-8")  # JSON is YAML
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        self._log = (self._folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                self._program,
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self.until(self._answers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=PATIENCE_SECONDS)
        self._log.close()

    def log(self) -> str:
        return (self._folder / "prometheus.log").read_text("utf-8", "replace")

    def query(self, expression: str) -> list[Json]:
        """The series an expression gives now; each has `metric` (its labels) and `value`."""
        reply = self.client.get("/api/v1/query", params={"query": expression})
        assert reply.status_code == 200, f"{expression}: {reply.text}"
        found: list[Json] = reply.json()["data"]["result"]
        return found

    def number(self, expression: str) -> float:
        """The one value of an expression, 0 where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else 0.0

    def numbers(self, expression: str, label: str) -> dict[str, float]:
        """The values of an expression by one of its labels."""
        return {found["metric"].get(label, ""): float(found["value"][1]) for found in self.query(expression)}

    def rules(self) -> list[Json]:
        """Every alert that is loaded, with what Prometheus thinks of it."""
        groups = self.client.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def alerts(self) -> set[str]:
        """The names of the alerts whose expression is true now, waited for or fired."""
        alerts = self.client.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts}

    def catch_up(self) -> None:
        """Wait until every target that is up was scraped a second after now: an end is seen before it is counted."""
        now = time.time() + 1
        self.until(lambda: self.number(f"min(timestamp(up == 1)) > bool {now:.3f}") == 1)

    def until(self, reached: Any) -> None:
        """Wait for a state; fails when it does not come."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while not reached():
            assert self._process.poll() is None and time.monotonic() < limit, self.log()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False


class Served:
    """An ASGI application on a port of its own in a thread, as a process without a web framework would serve it."""

    def __init__(self, app: ASGIApp) -> None:
        self.port = free_port()
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
