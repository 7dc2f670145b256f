"""The service put together from small real parts: everything but the painter is what a user gets."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from adapters.local_runner import LocalRunner, Report, report_nobody
from adapters.metrics import Metrics
from adapters.rule_writer import RuleWriter
from adapters.sandbox import Sandbox
from adapters.sqlite_journal import SqliteJournal
from adapters.wiring import EXPORTS
from ai_services import DrawingTask
from business_logic import Limits, Signer, Studio
from config import VERSION, Settings
from main import create_app
from models import AspectRatio, Drawing, ImageRequest, ModelView, Picture, Quality, ServiceState
from session_manager import Ledger, LocalAccounts, LocalStore, SessionManager
from utils import ProjectFiles, utc_now

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

T = TypeVar("T")
Json = dict[str, Any]

FLAT = "draft:flat"
STORY = (
    "Mira found the paper boat at dawn, stuck in the reeds by the mill.\n\n"
    "She carried it through the market, where old Tomas was stacking pears.\n\n"
    "At night they set it on the black water together, and the lantern did not go out."
)


class FlatPainter:
    """An image model that paints one colour, after `takes` references; while `gate` is closed it paints nothing."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.drawn = 0
        self.takes = 0

    def size(self, model: str, aspect_ratio: AspectRatio, quality: Quality) -> tuple[int, int]:
        return (32, 18)

    def worst_cost(self, request: ImageRequest) -> float | None:
        return 0.0

    def references(self, model: str) -> int:
        return self.takes

    async def keep_reference(self, content: bytes, suffix: str) -> str:
        return f"{len(content)}.{suffix}"

    async def draw(self, request: ImageRequest, task: DrawingTask) -> Drawing:
        await self.gate.wait()
        self.drawn += 1
        content = io.BytesIO()
        Image.new("RGB", (request.width, request.height), (request.seed % 256, 90, 160)).save(content, "JPEG")
        return Drawing(seed=request.seed, cost_usd=0.0, content=content.getvalue())

    async def fetch(self, drawing: Drawing, request: ImageRequest) -> Picture:
        assert drawing.content is not None
        return Picture(content=drawing.content, suffix="jpg", width=request.width, height=request.height)

    def health(self) -> tuple[ServiceState, str]:
        return "available", ""

    def models(self) -> list[ModelView]:
        return [
            ModelView(
                id=FLAT,
                kind="image",
                provider="draft",
                description="One colour.",
                price_usd="free",
                default=True,
                available=True,
            )
        ]


class Threads:
    """The pool of the tests: a thread instead of a process."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.to_thread(function, *arguments)


@asynccontextmanager
async def open_small_studio(
    settings: Settings, painter: FlatPainter, metrics: Metrics, report: Report = report_nobody, **changes: Any
) -> AsyncIterator[Studio]:
    """A studio on disk under `settings.projects_dir`, without providers; `changes` are collaborators of your own."""
    journal = SqliteJournal(settings.projects_dir / "journal.db")
    settings.projects_dir.mkdir(parents=True, exist_ok=True)
    journal.start()
    manager = SessionManager(max_sessions=settings.max_sessions, journal=journal, clock=utc_now)
    ledger = Ledger(daily_budget_usd=None, journal=journal, clock=utc_now)
    runner = LocalRunner(
        lambda session_id: opened.run(session_id), lambda session_id: opened.crashed(session_id), report=report
    )
    opened = Studio(
        store=LocalStore(manager, ledger, journal),
        journal=journal,
        ledger=LocalAccounts(ledger),
        files=ProjectFiles(settings.projects_dir),
        text=None,
        painters={"draft": painter},
        rules=RuleWriter(),
        runner=runner,
        pool=Threads(),
        documents=Sandbox(max_chars=settings.max_story_chars),
        exports=EXPORTS,
        providers={"draft": painter},
        signer=Signer(b"a key for tests"),
        limits=Limits(
            version=VERSION,
            environment=settings.environment,
            text_model="openai/gpt-6-luna",
            image_model=FLAT,
            draft_image_model=FLAT,
            max_story_chars=settings.max_story_chars,
            max_scenes=settings.max_scenes,
            max_prompt_chars=settings.max_prompt_chars,
            retry_attempts=settings.retry_attempts,
            session_cleanup_hours=settings.session_cleanup_hours,
            daily_budget_usd=None,
        ),
        observe=metrics.observe,
        clock=utc_now,
    )
    opened = dataclasses.replace(opened, **changes)
    try:
        yield opened
    finally:
        painter.gate.set()
        await runner.stop(grace=5)
        journal.close()


def plain_settings(projects_dir: Path, **changes: Any) -> Settings:
    """The defaults, whatever the environment and `.env` say, without a rate limit in the way."""
    return Settings(_env_file=None, projects_dir=projects_dir, rate_limit="1000000/second", **changes)


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    """A client of that application; a crash is an answer, as it is for everybody."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


async def draw(client: httpx.AsyncClient, **changes: Any) -> str:
    """The id of a finished session."""
    accepted = await client.post("/generate", json={"story_text": STORY, "num_scenes": 3} | changes)
    assert accepted.status_code == 202, accepted.text
    session_id: str = accepted.json()["session_id"]
    await finished(client, session_id)
    return session_id


async def finished(client: httpx.AsyncClient, session_id: str) -> Json:
    """The session's state once nothing is under way."""
    etag = ""
    while True:
        answer = await client.get(f"/status/{session_id}?wait=20", headers={"If-None-Match": etag})
        assert answer.status_code == 200, answer.text
        state: Json = answer.json()
        if state["status"] not in ("pending", "processing"):
            return state
        etag = answer.headers["etag"]


async def idle() -> None:
    """Until no run is under way: a session has its last state a moment before its run has told everybody."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("run ")))


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another task, or another process, will have done; raises `TimeoutError` after a minute."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 (nobody there can tell us)
            await asyncio.sleep(0.01)


def need_program(name: str) -> str:
    """The path of a program of the system; without it the test is skipped aloud, and fails where `CI` is set."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed: scripts/system-packages installs what the tests need")
    return path


def missing(reason: str) -> NoReturn:
    """Skip the test, aloud; where `CI` is set it fails: there everything is to be had."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def scale(few: int, many: int) -> int:
    """How many of something a test takes: few, or with `STORY_FULL` in the environment as many as are promised."""
    return many if os.environ.get("STORY_FULL") else few


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this process's tests; who stops or kills one starts a server of its own."""
    from tests.postgres_server import PostgresServer

    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_database(postgres: PostgresServer) -> str:
    """The name of a database with the newest schema, to copy."""
    from adapters.migrate import migrate

    url = postgres.new_database()
    asyncio.run(migrate(url))
    return url.rpartition("/")[2]


@pytest.fixture
def database_url(postgres: PostgresServer, migrated_database: str) -> str:
    """A database of the test's own, with the newest schema."""
    return postgres.new_database(options=f"TEMPLATE {migrated_database}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return plain_settings(tmp_path / "projects")


@pytest.fixture
def painter() -> FlatPainter:
    return FlatPainter()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def studio(settings: Settings, painter: FlatPainter, metrics: Metrics) -> AsyncIterator[Studio]:
    async with open_small_studio(settings, painter, metrics) as opened:
        yield opened


@pytest.fixture
def app(settings: Settings, studio: Studio, metrics: Metrics) -> FastAPI:
    return create_app(settings, studio, metrics)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        yield opened
