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
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr
from stamina.instrumentation import set_on_retry_hooks

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
from business_logic import (
    SESSION_FILE,
    FileExport,
    Flights,
    Limits,
    LocalFlights,
    Runner,
    Signer,
    StreamedExport,
    Studio,
)
from config import VERSION, ConfigurationError, Settings
from models import ENDED, DownloadFormat, MoneySpent, SessionStatus, StorageUnavailable, StoryError
from session_manager import (
    CENT_DUST,
    SESSION_BODY,
    Accounts,
    Charge,
    Journal,
    Ledger,
    LocalAccounts,
    LocalStore,
    Projects,
    SessionManager,
    SessionStore,
    lost_charge,
)
from utils import ProjectFiles, end_task, utc_now, write_whole

if TYPE_CHECKING:
    from adapters.docket_runner import DocketRunner, Jobs
    from adapters.error_tracking import ErrorTracker
    from adapters.redis_accounts import RedisAccounts
    from adapters.redis_link import RedisLink
    from adapters.redis_store import RedisStore
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
CLEAN_UP_SECONDS = 600.0
COUNT_SECONDS = 2.0  # between two counts of the sessions of all instances
JOBS_PER_SLOT = 2  # a worker's jobs for each picture it may draw at once: one has its prompt written meanwhile
STATUSES: tuple[SessionStatus, ...] = get_args(SessionStatus)
CACHE_FOLDER = ".cache"  # of its own: whoever turns STORAGE_URL on keeps what lies under PROJECTS_DIR
STOP_SECONDS = 1.5  # pictures under way are remembered by their id, so there is no need to wait for them
THREADS = 6  # few: every thread brings a malloc arena
MALLOC_ARENAS = 2
MAX_FILES = 65_536  # descriptors, where the system allows them
M_ARENA_MAX = -8  # glibc's mallopt parameter


@asynccontextmanager
async def open_studio(settings: Settings, metrics: Metrics, report: Report = report_nobody) -> AsyncIterator[Studio]:
    """The studio for these settings, with unfinished sessions back at work; closes what it opened.

    Raises `ConfigurationError` when the projects folder belongs to another process or cannot be used, or when Redis
    cannot be reached.
    """
    async with AsyncExitStack() as stack:
        _settle_in()
        if settings.redis_url is None:
            yield await _open_alone(settings, metrics, stack, report)
        else:
            studio, _ = await _open_shared(settings, metrics, stack, report)
            _keep(stack, _clean_up_now_and_then(studio))
            yield studio


@asynccontextmanager
async def open_work(settings: Settings, metrics: Metrics, report: Report = report_nobody) -> AsyncIterator[Studio]:
    """The studio of a worker that takes jobs from Redis; what it draws, every instance shows."""
    if settings.redis_url is None:
        raise ConfigurationError("REDIS_URL: a worker needs it; one process alone is `python main.py`.")
    async with AsyncExitStack() as stack:
        _settle_in()
        studio, jobs = await _open_shared(settings, metrics, stack, report)
        from adapters.docket_runner import working

        name = f"{socket.gethostname()}-{os.getpid()}"
        at_once, in_all = _jobs_at_once(settings), settings.total_image_concurrency
        await stack.enter_async_context(working(jobs, name=name, concurrency=at_once, in_all=in_all))
        yield studio


def _settle_in() -> None:
    """What this process needs, whatever it does."""
    _tame_memory()
    _prepare_for_many_connections()
    set_on_retry_hooks([])  # ours count; stamina's are imported at a first retry, maybe without a descriptor left


async def _open_alone(settings: Settings, metrics: Metrics, stack: AsyncExitStack, report: Report) -> Studio:
    """One process keeps everything: memory, and the journal behind it."""
    stack.enter_context(claim(settings.projects_dir))
    files = await _files(settings, stack)
    journal = SqliteJournal(settings.projects_dir / "journal.db")
    with _as_configuration_error("PROJECTS_DIR"):
        journal.start()
    stack.callback(journal.close)
    manager = SessionManager(max_sessions=settings.max_sessions, journal=journal, clock=utc_now)
    ledger = Ledger(daily_budget_usd=settings.daily_budget_usd, journal=journal, clock=utc_now)
    runner = LocalRunner(
        lambda session_id: studio.run(session_id), lambda session_id: studio.crashed(session_id), report=report
    )
    studio = _studio(
        settings,
        metrics,
        stack,
        files=files,
        kept=await _with_projects(LocalStore(manager, ledger, journal), settings, stack),
        journal=journal,
        ledger=LocalAccounts(ledger),
        runner=runner,
        flights=LocalFlights(),
        signer=Signer(_signing_key(settings)),
    )
    metrics.watch_sessions(lambda: dict(Counter(session.status for session in manager.all())))
    metrics.watch_queue(runner.depth)
    metrics.watch_day(ledger.committed_today, settings.daily_budget_usd)
    _watch(metrics, settings, studio, stack)
    _keep(stack, _clean_up_now_and_then(studio))
    stack.push_async_callback(runner.stop, grace=STOP_SECONDS)
    stack.enter_context(_told_of_signals(runner.begin_stop, drain_seconds=settings.drain_seconds))
    with _as_configuration_error("PROJECTS_DIR"):
        await take_back(files.local, journal)
        for charge in recover(journal, manager, ledger, runner):
            metrics.observe(MoneySpent(charge.provider, charge.model, charge.amount_usd, charge.known))
    gc.freeze()  # what is here now stays: no collection need look at it again
    return studio


async def _open_shared(
    settings: Settings, metrics: Metrics, stack: AsyncExitStack, report: Report
) -> tuple[Studio, Jobs]:
    """One of many processes: Redis keeps the sessions, the money and the jobs."""
    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    with _needs_packages("REDIS_URL"):
        from adapters.docket_runner import DocketRunner, Jobs, open_docket
        from adapters.redis_accounts import RedisAccounts
        from adapters.redis_flights import RedisFlights
        from adapters.redis_store import RedisJournal, RedisStore
    link = await _open_link(settings, stack)
    with _as_configuration_error("REDIS_URL"):
        docket = await stack.enter_async_context(open_docket(url, at_once=_jobs_at_once(settings)))
    journal = RedisJournal(link)
    store = RedisStore(
        link,
        journal,
        max_sessions=settings.max_sessions,
        kept_for=timedelta(hours=settings.session_cleanup_hours),
        keep_approved=settings.database_url is None,
        clock=utc_now,
    )
    listening = asyncio.Event()
    _keep(stack, store.listen(listening))
    runner = DocketRunner(docket, store)
    accounts = RedisAccounts(link, daily_budget_usd=settings.daily_budget_usd, clock=utc_now)
    key = settings.signing_key.get_secret_value().encode() if settings.signing_key else None
    studio = _studio(
        settings,
        metrics,
        stack,
        files=await _files(settings, stack),
        kept=await _with_projects(store, settings, stack),
        journal=journal,
        ledger=accounts,
        runner=runner,
        flights=RedisFlights(link, lease_seconds=settings.job_lease_seconds),
        signer=Signer(key or await store.shared_secret(secrets.token_hex(32))),
    )
    settings.projects_dir.mkdir(parents=True, exist_ok=True)
    shared = _Shared()
    metrics.watch_sessions(lambda: shared.sessions)
    metrics.watch_queue(lambda: shared.queue)
    metrics.watch_day(lambda: shared.today, settings.daily_budget_usd)
    _keep(stack, shared.keep_counting(store, runner, accounts))
    _watch(metrics, settings, studio, stack)
    stack.enter_context(_told_of_signals(runner.begin_stop, drain_seconds=settings.drain_seconds))
    await listening.wait()
    gc.freeze()
    return studio, Jobs(
        studio,
        store,
        runner,
        docket,
        lease_seconds=settings.job_lease_seconds,
        max_tries=settings.job_max_tries,
        clock=utc_now,
        report=report,
        crashed=metrics.crash,
    )


def _jobs_at_once(settings: Settings) -> int:
    return settings.image_concurrency * JOBS_PER_SLOT


async def _open_link(settings: Settings, stack: AsyncExitStack) -> RedisLink:
    """The connections to Redis; raises `ConfigurationError` when it cannot be reached."""
    with _needs_packages("REDIS_URL"):
        from adapters.redis_link import open_link
    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    with _as_configuration_error("REDIS_URL"):
        try:
            link = await stack.enter_async_context(open_link(url))
        except ValueError as error:
            raise ConfigurationError("REDIS_URL: write redis://:password@host:6379/0.") from error
        await link.command("PING")
    return link


def _studio(
    settings: Settings,
    metrics: Metrics,
    stack: AsyncExitStack,
    *,
    files: ProjectFiles,
    kept: tuple[SessionStore, Projects | None],
    journal: Journal,
    ledger: Accounts,
    runner: Runner,
    flights: Flights,
    signer: Signer,
) -> Studio:
    pool = ProcessPool(max_workers=min(2, os.cpu_count() or 1))
    stack.push_async_callback(pool.close)
    providers = _open_providers(settings, metrics, pool, stack)
    text = providers.get("openrouter")
    store, projects = kept
    return Studio(
        store=store,
        projects_kept=projects,
        journal=journal,
        ledger=ledger,
        files=files,
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
        signer=signer,
        limits=_limits(settings),
        observe=metrics.observe,
        clock=utc_now,
        flights=flights,
    )


class _Shared:
    """What Redis knew a moment ago of all processes together: a scrape does not wait for it."""

    def __init__(self) -> None:
        self.sessions: dict[str, float] = dict.fromkeys(STATUSES, 0)
        self.queue: dict[str, float] = {"waiting": 0, "running": 0}
        self.today = 0.0

    async def keep_counting(self, store: RedisStore, runner: DocketRunner, accounts: RedisAccounts) -> None:
        """Look again now and then, for ever."""
        while True:
            with contextlib.suppress(StorageUnavailable):
                self.sessions = await store.count_by_status(list(STATUSES))
                self.queue = await runner.depth()
                self.today = await accounts.committed_today()
            await asyncio.sleep(COUNT_SECONDS)


def _watch(metrics: Metrics, settings: Settings, studio: Studio, stack: AsyncExitStack) -> None:
    """Show at each scrape what is not counted by events."""
    metrics.watch_disk(settings.projects_dir)
    asked = {name: provider for name, provider in studio.providers.items() if name != "draft"}
    metrics.watch_providers(lambda: {name: provider.health()[0] == "available" for name, provider in asked.items()})
    _keep(stack, metrics.watch_loop())
    _keep(stack, metrics.watch_ready(studio.check_ready))


def open_error_tracker(settings: Settings) -> ErrorTracker | None:
    """What crashes are reported to where `ERROR_DSN` is set; raises `ConfigurationError`."""
    if settings.error_dsn is None:
        return None
    with _needs_packages("ERROR_DSN"):
        from adapters.error_tracking import ErrorTracker
    return ErrorTracker(settings.error_dsn, version=VERSION, environment=settings.environment)


def open_telemetry(settings: Settings, paths: Iterable[str]) -> Telemetry | None:
    """What exports by OpenTelemetry where that is switched on; raises `ConfigurationError`."""
    if not settings.fastapi_otel_auto_configure:
        return None
    with _needs_packages("FASTAPI_OTEL_AUTO_CONFIGURE"):
        from adapters.telemetry import Telemetry
    return Telemetry(paths=paths, version=VERSION, environment=settings.environment)


@contextmanager
def _needs_packages(setting: str) -> Iterator[None]:
    """A package that only this setting needs and that is not there is said in one sentence."""
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(
            f"{setting} needs packages that are not installed: pip install -r requirements-scale.txt."
        ) from error


async def _with_projects(
    store: SessionStore, settings: Settings, stack: AsyncExitStack
) -> tuple[SessionStore, Projects | None]:
    """The store with approved work in PostgreSQL as well, when `DATABASE_URL` is set."""
    if settings.database_url is None:
        return store, None
    from adapters.archived_store import ArchivedStore

    projects = await stack.enter_async_context(_open_projects(settings.database_url))
    archived = ArchivedStore(store, projects)
    _keep(stack, archived.keep_saved())
    return archived, projects


def _open_projects(database_url: SecretStr) -> AbstractAsyncContextManager[Projects]:
    with _needs_packages("DATABASE_URL"):
        from adapters.postgres_projects import open_projects
    return open_projects(database_url.get_secret_value())


@contextmanager
def _as_configuration_error(setting: str) -> Iterator[None]:
    """What is wrong with the place that this setting names is said in one sentence."""
    try:
        yield
    except StorageUnavailable as error:
        raise ConfigurationError(f"{setting}: {error}") from error


def check_start(settings: Settings) -> None:
    """See, before a server would report it with a traceback, that what the settings name is there.

    Raises `ConfigurationError` in one sentence.
    """

    async def check() -> None:
        async with AsyncExitStack() as stack:
            if settings.storage_url:
                await _files(settings, stack)
            if settings.database_url:  # one that is not there now may come later
                await stack.enter_async_context(_open_projects(settings.database_url))
            if settings.redis_url:
                await _open_link(settings, stack)

    if settings.redis_url is None:
        with claim(settings.projects_dir):
            pass
    if settings.storage_url or settings.database_url or settings.redis_url:
        asyncio.run(check())


async def _files(settings: Settings, stack: AsyncExitStack) -> ProjectFiles:
    """Where pictures are kept: under PROJECTS_DIR, in the folder or in the bucket that STORAGE_URL names."""
    url = settings.storage_url.get_secret_value() if settings.storage_url else ""
    if not url:
        return ProjectFiles(settings.projects_dir)
    if url.startswith("file:///"):
        return _files_in(Path(unquote(urlsplit(url).path)), settings, stack)
    if not url.startswith("s3://"):
        raise ConfigurationError("STORAGE_URL: write file:///folder or s3://bucket/prefix.")
    with _needs_packages("STORAGE_URL"):
        from adapters.object_files import ObjectFiles, open_bucket
    cache = settings.projects_dir / CACHE_FOLDER
    files = ObjectFiles(open_bucket(url), cache, cache_bytes=settings.storage_cache_bytes)
    await files.start()
    _keep(stack, files.watch())
    return files


def _files_in(folder: Path, settings: Settings, stack: AsyncExitStack) -> ProjectFiles:
    if settings.redis_url is None and folder.resolve() != settings.projects_dir.resolve():
        stack.enter_context(claim(folder, setting="STORAGE_URL"))
    return ProjectFiles(folder)


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

    stack.push_async_callback(end_task, task)


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
            journal.save_charge(lost_charge(session, lost))
        log.warning("session taken back from its folder", extra={"session_id": session_id})
    await journal.commit()


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
        manager.restore(dataclasses.replace(session, cost_usd=ledger.settled(session.session_id)))
        runner.start(session.session_id)
    if unfinished:
        log.info("unfinished sessions continue", extra={"sessions": len(unfinished)})
    return settled


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
def claim(folder: Path, *, setting: str = "PROJECTS_DIR") -> Iterator[None]:
    """Hold a folder for this process; raises `ConfigurationError` when another one has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigurationError(f"{setting}: {folder} cannot be written to.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigurationError(
            f"{setting}: another process owns {folder}; stop it, or give this one a folder and a PORT of its own "
            "(several on one store take REDIS_URL)."
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
