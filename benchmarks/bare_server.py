"""Starts the bare app; apart from `bare_app`, so that the app itself imports nothing of ours."""

from __future__ import annotations

from pathlib import Path

from tests.fake_providers import REPOSITORY
from tests.service import Server


def bare_app(body: Path | None = None) -> Server:
    """The bare FastAPI app; its `/status/{id}` answers with the bytes of that file."""
    environment = {"PYTHONPATH": str(REPOSITORY)} | ({} if body is None else {"BARE_BODY": str(body)})
    return Server(["-m", "benchmarks.bare_app"], environment)
