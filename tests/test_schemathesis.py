"""Requests made up from the service's own document: none crashes it, and every answer is as documented.

`STORY_ROUNDS=50` makes up more than ten thousand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from adapters.openapi import FILE, PARAMETERS, SESSION, SIGNATURE
from tests.conftest import STORY
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.service import Service

ROUNDS = int(os.environ.get("STORY_ROUNDS", "1"))
EXAMPLES_A_ROUND = 8  # for each operation, made up by chance; as many walks along the links
CASES_A_ROUND = 200  # at least; the rest is what the number of operations makes of it
SEED = 1
BY_CHANCE = {  # one cut or joined leaves nothing to cut or join, and what is deleted is a session made by chance
    "POST /sessions/{session_id}/scenes/{number}/merge",
    "POST /sessions/{session_id}/scenes/{number}/move",
    "POST /sessions/{session_id}/scenes/{number}/split",
    "DELETE /sessions/{session_id}",
}
KEY = "a key of the tests"

Json = dict[str, Any]
ROOM: Json = {"max_scenes": 4, "max_sessions": 1_000_000}  # cases are requests, not paintings


def look_at(service: Service, folder: Path, *, phases: str, examples: int, key: str = "") -> Json:
    """Run Schemathesis against the service and return its report; every failure is in the assertion's words."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(REPOSITORY / "tests/schemathesis.toml")]
    command += ["run", f"http://127.0.0.1:{service.port}/openapi.json", "--no-color", "--seed", str(SEED)]
    command += ["--phases", phases, "--max-examples", str(examples)]
    command += ["--report", "json", "--report-json-path", str(report)]
    command += ["--header", f"X-API-Key: {key}"] if key else []
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "STORY_EXAMPLES": json.dumps(drawn(service)),
        "STORY_EXAMPLES_IN_BODY": json.dumps(drawn(service)),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-200_000:] + done.stderr[-5_000:]
    assert 'status="500"' not in service.client.get("/metrics").text
    assert service.client.get("/health").json()["services"]["sessions"] == "available"
    told: Json = json.loads(report.read_text("utf-8"))
    return told


def drawn(service: Service) -> Json:
    """What the document's examples stand for: a finished session, with a portrait where there are any."""
    story = STORY.replace("She carried", "Mira carried").replace("they set", "Mira and Tomas set")
    state = service.wait(service.generate(story, num_scenes=3, consistency="references"))
    session_id = state["session_id"]
    service.client.post("/approve", json={"session_id": session_id, "approved_scenes": [0, 1]}).raise_for_status()
    file, _, signature = state["scenes"][0]["image_url"].removeprefix(f"/images/{session_id}/").partition("?sig=")
    real = {SESSION: session_id, FILE: file, SIGNATURE: signature, PARAMETERS["If-Match"]: "*"}
    return real | ({PARAMETERS["name"]: state["anchors"][0]["name"]} if state["anchors"] else {})


def accepted(report: Json) -> set[str]:
    """The operations that did what they are for at least once."""
    rates = report["valid_rates"].items()
    return {operation for operation, phases in rates if any(phase["accepted"] for phase in phases.values())}


def test_no_request_crashes_the_service_and_every_answer_is_as_documented(tmp_path: Path) -> None:
    with Service(**ROOM) as service:
        report = look_at(
            service,
            tmp_path,
            phases="examples,coverage,fuzzing,stateful",
            examples=EXAMPLES_A_ROUND * ROUNDS,
        )

    assert report["test_cases"]["generated"] >= CASES_A_ROUND * ROUNDS
    assert report["operations"]["tested"] == report["operations"]["total"]
    unseen = {operation for operation in report["valid_rates"] if "/anchors/" not in operation} - accepted(report)
    assert unseen <= BY_CHANCE


def test_with_keys_and_providers_nothing_is_open_and_portraits_are_as_documented(tmp_path: Path) -> None:
    with (
        FakeProviders(text_ms=0, image_ms=0, picture_bytes=20_000) as fake,
        Service(fake, environment="staging", api_keys=f"ann:{KEY}", admin_api_key=KEY, **ROOM) as service,
    ):
        service.client.headers["X-API-Key"] = KEY
        report = look_at(
            service,
            tmp_path,
            phases="examples,fuzzing,stateful" if ROUNDS == 1 else "examples,coverage,fuzzing,stateful",
            examples=EXAMPLES_A_ROUND * ROUNDS // 2,
            key=KEY,
        )
        violations = fake.counts()["violations"]

    assert {operation for operation in report["valid_rates"] if "/anchors/" in operation} <= accepted(report)
    assert violations == []
