"""Chooses the collaborators by the settings, opens them and closes them: the only place that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import gc
import json
import logging
import multiprocessing
import os
import resource
import secrets
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from adapters.draft_images import MODEL as DRAFT_MODEL
from adapters.draft_images import DraftImages
from adapters.export_cbz import cbz_chunks
from adapters.export_csv import csv_chunks
from adapters.export_epub import epub_chunks
from adapters.export_fountain import fountain_chunks
from adapters.export_html import html_chunks
from adapters.export_json import json_chunks
from adapters.export_pdf import write_pdf
from adapters.export_pptx import write_pptx
from adapters.export_webp import write_webp
from adapters.export_zip import zip_chunks
from adapters.local_runner import LocalRunner, Report, report_nobody
from adapters.metrics import Metrics
from adapters.process_pool import ProcessPool
from adapters.rule_writer import RuleWriter
from adapters.sandbox import Sandbox
from adapters.sqlite_journal import SqliteJournal
from ai_services import OpenRouterClient, Provider, RunwareClient
from business_logic import SESSION_FILE, FileExport, Limits, Signer, StreamedExport, Studio
from config import VERSION, ConfigurationError, Settings
from models import ENDED, DownloadFormat, MoneySpent, Session, StorageUnavailable, StoryError
from session_manager import CENT_DUST, SESSION_BODY, Charge, Ledger, LocalStore, SessionManager
from utils import ProjectFiles, utc_now, write_whole

if TYPE_CHECKING:
    from adapters.error_tracking import ErrorTracker
    from adapters.telemetry import Telemetry

log = logging.getLogger(__name__)

EXPORTS: Mapping[DownloadFormat, StreamedExport | FileExport] = {
    "zip": StreamedExport("zip", "application/zip", zip_chunks),
    "html": StreamedExport("html", "text/html", html_chunks),
    "epub": StreamedExport("epub", "application/epub+zip", epub_chunks),
    "cbz": StreamedExport("cbz", "application/vnd.comicbook+zip", cbz_chunks),
    "csv": StreamedExport("csv", "text/csv", csv_chunks),
    "fountain": StreamedExport("fountain", "text/plain", fountain_chunks),
    "json": StreamedExport("json", "application/json", json_chunks),
    "pdf": FileExport("pdf", "application/pdf", write_pdf),
    "pptx": FileExport("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", write_pptx),
    "webp": FileExport("webp", "image/webp", write_webp),
}
NOT_YET = ("redis_url", "database_url", "storage_url")  # read and checked, but nothing uses them yet
CLEAN_UP_SECONDS = 600.0
STOP_SECONDS = 1.5  # pictures under way are remembered by their id, so there is no need to wait for them
THREADS = 6  # few: every thread brings a malloc arena
MALLOC_ARENAS = 2
MAX_FILES = 65_536  # descriptors, where the system allows them
M_ARENA_MAX = -8  # glibc's mallopt parameter


@asynccontextmanager
async def open_studio(settings: Settings, metrics: Metrics, report: Report = report_nobody) -> AsyncIterator[Studio]:
    """The studio for these settings, with unfinished sessions back at work; closes what it opened.

    Raises `ConfigurationError` when the projects folder belongs to another process or cannot be used.
    """
    async with AsyncExitStack() as stack:
        _tame_memory()
        _prepare_for_many_connections()
        _warn_of_unused(settings)
        stack.enter_context(claim(settings.projects_dir))
        journal = SqliteJournal(settings.projects_dir / "journal.db")
        with _as_configuration_error():
            journal.start()
        stack.callback(journal.close)
        manager = SessionManager(max_sessions=settings.max_sessions, journal=journal, clock=utc_now)
        ledger = Ledger(daily_budget_usd=settings.daily_budget_usd, journal=journal, clock=utc_now)
        pool = ProcessPool(max_workers=min(2, os.cpu_count() or 1))
        stack.push_async_callback(pool.close)
        runner = LocalRunner(
            lambda session_id: studio.run(session_id), lambda session_id: studio.crashed(session_id), report=report
        )
        providers = _open_providers(settings, metrics, pool, stack)
        text = providers.get("openrouter")
        studio = Studio(
            store=LocalStore(manager, ledger, journal),
            journal=journal,
            ledger=ledger,
            files=ProjectFiles(settings.projects_dir),
            text=text if isinstance(text, OpenRouterClient) else None,
            painters={
                name: painter for name, painter in providers.items() if isinstance(painter, RunwareClient | DraftImages)
            },
            rules=RuleWriter(),
            runner=runner,
            pool=pool,
            documents=Sandbox(max_chars=settings.max_story_chars),
            exports=EXPORTS,
            providers=providers,
            signer=Signer(_signing_key(settings)),
            limits=_limits(settings),
            observe=metrics.observe,
            clock=utc_now,
        )
        metrics.watch_sessions(lambda: dict(Counter(session.status for session in manager.all())))
        _watch(metrics, settings, runner, ledger, providers)
        _keep(stack, metrics.watch_loop())
        _keep(stack, metrics.watch_ready(studio.check_ready))
        _keep(stack, _clean_up_now_and_then(studio))
        stack.push_async_callback(runner.stop, grace=STOP_SECONDS)
        stack.enter_context(_told_of_signals(runner.begin_stop, drain_seconds=settings.drain_seconds))
        with _as_configuration_error():
            await take_back(studio.files, journal)
            for charge in recover(journal, manager, ledger, runner):
                metrics.observe(MoneySpent(charge.provider, charge.model, charge.amount_usd, charge.known))
        gc.freeze()  # what is here now stays: no collection need look at it again
        yield studio


def _watch(
    metrics: Metrics, settings: Settings, runner: LocalRunner, ledger: Ledger, providers: Mapping[str, Provider]
) -> None:
    """Show at each scrape what is not counted by events."""
    metrics.watch_queue(runner.depth)
    metrics.watch_day(ledger.committed_today, settings.daily_budget_usd)
    metrics.watch_disk(settings.projects_dir)
    asked = {name: provider for name, provider in providers.items() if name != "draft"}
    metrics.watch_providers(lambda: {name: provider.health()[0] == "available" for name, provider in asked.items()})


def _warn_of_unused(settings: Settings) -> None:
    for name in NOT_YET:
        if getattr(settings, name):
            log.warning("setting not in use yet: one process keeps everything", extra={"setting": name.upper()})


def open_error_tracker(settings: Settings) -> ErrorTracker | None:
    """What crashes are reported to where `ERROR_DSN` is set; raises `ConfigurationError`."""
    if settings.error_dsn is None:
        return None
    with _optional_packages("ERROR_DSN"):
        from adapters.error_tracking import ErrorTracker
    return ErrorTracker(settings.error_dsn, version=VERSION, environment=settings.environment)


def open_telemetry(settings: Settings, paths: Iterable[str]) -> Telemetry | None:
    """What exports by OpenTelemetry where that is switched on; raises `ConfigurationError`."""
    if not settings.fastapi_otel_auto_configure:
        return None
    with _optional_packages("FASTAPI_OTEL_AUTO_CONFIGURE"):
        from adapters.telemetry import Telemetry
    return Telemetry(paths=paths, version=VERSION, environment=settings.environment)


@contextmanager
def _optional_packages(setting: str) -> Iterator[None]:
    """What a setting needs and is not installed is said in one sentence."""
    try:
        yield
    except ImportError as error:
        message = f"{setting} needs packages that are not installed: pip install -r requirements-scale.txt."
        raise ConfigurationError(message) from error


@contextmanager
def _as_configuration_error() -> Iterator[None]:
    """What is wrong with the folder is said in one sentence."""
    try:
        yield
    except StorageUnavailable as error:
        raise ConfigurationError(f"PROJECTS_DIR: {error}") from error


def _open_providers(
    settings: Settings, metrics: Metrics, pool: ProcessPool, stack: AsyncExitStack
) -> dict[str, Provider]:
    """The providers that have a key, and the draft painter, which needs none."""
    providers: dict[str, Provider] = {}
    if settings.openrouter_api_key:
        text = OpenRouterClient(
            api_key=settings.openrouter_api_key,
            base_url=settings.openrouter_base_url,
            default_model=settings.text_model,
            concurrency=settings.text_concurrency,
            connect_timeout=settings.connect_timeout_seconds,
            timeout=settings.text_timeout_seconds,
            attempts=settings.retry_attempts,
            observe=metrics.observe,
        )
        providers["openrouter"] = text
    if settings.runware_api_key:
        images = RunwareClient(
            api_key=settings.runware_api_key,
            base_url=settings.runware_base_url,
            default_model=settings.image_model,
            draft_model=settings.draft_image_model,
            image_origins=settings.image_origins,
            concurrency=settings.image_concurrency,
            connect_timeout=settings.connect_timeout_seconds,
            timeout=settings.image_timeout_seconds,
            attempts=settings.retry_attempts,
            max_image_bytes=settings.max_image_bytes,
            observe=metrics.observe,
        )
        _keep(stack, asyncio.to_thread(_load_decoders))
        providers["runware"] = images
    stack.push_async_callback(_close, list(providers.values()))
    for provider in providers.values():
        if isinstance(provider, OpenRouterClient):
            _keep(stack, provider.keep_models_fresh())
    return providers | {"draft": DraftImages(pool)}


async def _close(providers: list[Provider]) -> None:
    """Close the clients at the same time: each may wait a moment for what is in flight."""
    closing = [client.aclose() for client in providers if isinstance(client, OpenRouterClient | RunwareClient)]
    await asyncio.gather(*closing)


def _keep(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine until the stack closes."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


def _limits(settings: Settings) -> Limits:
    painted = settings.runware_api_key is not None
    return Limits(
        version=VERSION,
        environment=settings.environment,
        text_model=settings.text_model,
        image_model=settings.image_model if painted else DRAFT_MODEL,
        draft_image_model=settings.draft_image_model if painted else DRAFT_MODEL,
        check_model=settings.check_model,
        max_story_chars=settings.max_story_chars,
        max_scenes=settings.max_scenes,
        max_prompt_chars=settings.max_prompt_chars,
        retry_attempts=settings.retry_attempts,
        session_cleanup_hours=settings.session_cleanup_hours,
        daily_budget_usd=settings.daily_budget_usd,
    )


async def take_back(files: ProjectFiles, journal: SqliteJournal) -> None:
    """Write into a journal that lost them the sessions whose folders know more than it does.

    After a kill, or where the journal knows of unfinished work, versions are compared: a torn log may have taken the
    journal back in time. What such a session has spent counts as spent on the day it was last changed.
    """
    known = journal.versions()
    for session_id in files.sessions(SESSION_FILE):
        version, status = known.get(session_id, (0, ""))
        if version and status in ENDED and not journal.killed:
            continue
        if journal.damaged and journal.load_session(session_id) is None:
            version = 0
        try:
            content = files.read(session_id, SESSION_FILE)
            if version and json.loads(content)["version"] <= version:
                continue
            session = SESSION_BODY.validate_json(content)
        except (StorageUnavailable, ValueError, LookupError, TypeError) as error:
            log.error("session file unreadable", extra={"session_id": session_id, "reason": type(error).__name__})
            continue
        journal.save_session(session)
        journal.delete_open_charges(session_id)
        if (lost := session.cost_usd - journal.settled_by(session_id)) > CENT_DUST:
            journal.save_charge(_lost_charge(session, lost))
        log.warning("session taken back from its folder", extra={"session_id": session_id})
    await journal.commit()


def _lost_charge(session: Session, amount_usd: float) -> Charge:
    return Charge(
        charge_id=f"{session.session_id}:lost",
        session_id=session.session_id,
        owner=session.owner,
        provider="unknown",
        model="unknown",
        amount_usd=amount_usd,
        day=session.updated_at.strftime("%Y-%m-%d"),
        state="settled",
    )


def recover(journal: SqliteJournal, manager: SessionManager, ledger: Ledger, runner: LocalRunner) -> list[Charge]:
    """Take up what the last process left: keys, charges, and the sessions with work left.

    Returns the charges that are settled because nobody will ever know what they cost: nobody has counted them yet.
    """
    manager.restore_keys(journal.load_keys())
    open_charges = journal.load_open_charges()
    unfinished = journal.load_unfinished()
    running = {session.session_id for session in unfinished}
    wanted = running | {charge.session_id for charge in open_charges}
    today = ledger.today()
    ledger.restore(
        open_charges=open_charges,
        by_session={session_id: journal.spent_by(session_id) for session_id in wanted},
        by_day={today: journal.spent_on(today)},
    )
    asked_for = {charge.charge_id for charge in open_charges if charge.session_id in running}
    settled = ledger.close_after_crash(asked_for & journal.load_drawing_charges())
    for session in unfinished:
        manager.restore(dataclasses.replace(session, cost_usd=_spent_by(session.session_id, ledger)))
        runner.submit(session.session_id)
    if unfinished:
        log.info("unfinished sessions continue", extra={"sessions": len(unfinished)})
    return settled


def _spent_by(session_id: str, ledger: Ledger) -> float:
    """What is settled: all that is committed but for what is still open."""
    opened = (ledger.open_charge(charge_id) for charge_id in ledger.open_of(f"{session_id}:"))
    return ledger.committed(session_id) - sum(charge.amount_usd for charge in opened if charge)


async def _clean_up_now_and_then(studio: Studio) -> None:
    while True:
        await asyncio.sleep(CLEAN_UP_SECONDS)
        try:
            removed = await studio.clean_up()
        except (StoryError, OSError) as error:
            log.error("clean-up failed", extra={"reason": type(error).__name__})
        else:
            if removed:
                log.info("old sessions removed", extra={"sessions": removed})


def _load_decoders() -> None:
    """Import Pillow in the background: the start does not wait for it, and neither does the first picture."""
    from PIL import Image

    Image.preinit()


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold the projects folder for this process; raises `ConfigurationError` when another one has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigurationError(f"PROJECTS_DIR: {folder} cannot be written to.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigurationError(
            f"PROJECTS_DIR: another process owns {folder}; stop it, or give this one a folder and a PORT of its own "
            "(several on one store will take REDIS_URL)."
        ) from None
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def _told_of_signals(tell: Callable[[], None], *, drain_seconds: float) -> Iterator[None]:
    """Call `tell` at SIGTERM and SIGINT, then whoever handled them before.

    The server stops listening and waits for open connections before it ends the lifespan; those that wait for us must
    hear of it earlier, and so must whoever asks whether to send work here: after a SIGTERM it listens for
    `drain_seconds` more. A second signal, or one from the keyboard, is not made to wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    patience = 0.0 if multiprocessing.parent_process() else drain_seconds  # a reloading parent wants it gone

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal patience
        tell()
        if number == signal.SIGTERM and patience > 0:
            loop.call_soon_threadsafe(loop.call_later, patience, pass_on, number, frame)
            patience = 0.0
        else:
            pass_on(number, frame)

    def pass_on(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)


def _signing_key(settings: Settings) -> bytes:
    """The key for picture addresses: the setting, else one made once and kept beside the pictures."""
    if settings.signing_key:
        return settings.signing_key.get_secret_value().encode()
    path = settings.projects_dir / ".signing-key"
    if not path.is_file():
        write_whole(path, secrets.token_hex(32).encode(), mode=0o600)
    return path.read_bytes()


def _tame_memory() -> None:
    """Few threads and few malloc arenas: with the defaults, freed picture buffers stay resident in each arena."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
    with contextlib.suppress(OSError, AttributeError):  # another C library has another allocator
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, MALLOC_ARENAS)


def _prepare_for_many_connections() -> None:
    """Take all the descriptors that are allowed, and say in one line a second that there are none left.

    asyncio reports each accept that fails with a traceback, some 2,000 in a row: writing them would be the outage.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if most == resource.RLIM_INFINITY else min(most, MAX_FILES)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    last = 0.0

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal last
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE) or "socket" not in context:
            loop.default_exception_handler(context)
        elif loop.time() - last >= 1.0:
            last = loop.time()
            log.error("no descriptor left for another connection", extra={"reason": error.strerror})

    asyncio.get_running_loop().set_exception_handler(handle)
