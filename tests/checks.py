"""What the suites look at from outside: pictures, ZIPs, the journal, what the providers are doing."""

from __future__ import annotations

import io
import sqlite3
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.fake_providers import FakeProviders
from tests.service import Json, Service

PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured


def check_pictures(service: Service, states: list[Json]) -> None:
    """Every picture that is listed opens whole, by its address and in the ZIP."""
    check_listed(service, states)
    for state in states:
        assert len(pictures_in(zip_of(service, state["session_id"]))) == len(state["scenes"])


def check_listed(service: Service, states: list[Json]) -> None:
    """Every picture that is listed opens whole, by its address."""
    for state in states:
        for scene in state["scenes"]:
            if scene["image_url"] is None:
                continue
            with Image.open(io.BytesIO(service.client.get(scene["image_url"]).content)) as image:
                image.load()
                assert image.size == (scene["width"], scene["height"])
            assert (Path(service.environment["PROJECTS_DIR"]) / scene["image_path"]).is_file()


def zip_of(service: Service, session_id: str) -> zipfile.ZipFile:
    reply = service.client.post("/download", json={"session_id": session_id}).raise_for_status()
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    assert archive.testzip() is None
    return archive


def pictures_in(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.endswith((".jpg", ".png", ".webp"))]


def drawings_under_way(fake: FakeProviders, count: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while fake.counts()["now"].get("drawing", 0) < count:
        assert time.monotonic() < until, "nothing is being drawn"
        time.sleep(0.01)


def cost_of(states: list[Json]) -> float:
    return sum(float(state["cost_usd"]) for state in states)


def open_charges(service: Service) -> int:
    with closing(sqlite3.connect(service.folder / "projects" / "journal.db")) as db:
        return int(db.execute("SELECT count(*) FROM charges WHERE state != 'settled'").fetchone()[0])


def metric(service: Service, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    text = httpx.get(f"http://127.0.0.1:{service.port}/metrics", timeout=PATIENCE_SECONDS, trust_env=False).text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def until(reached: Callable[[], bool]) -> None:
    """Wait for a state; fails when it does not come."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < limit, "it did not come to that"
        time.sleep(0.02)
