"""Keeps approved projects in PostgreSQL: one row each, found by owner, time and words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

import asyncpg
from sqlalchemy import BigInteger, Column, DateTime, Index, MetaData, Table, Text, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from config import ConfigurationError
from models import Session, StorageUnavailable
from session_manager import SESSION_BODY
from utils import folded, search_text

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

POOL_SIZE = 5  # connections a process has at most; PostgreSQL allows 100 in all by default
CONNECT_SECONDS = 3.0
POOL_SECONDS = 2.0  # how long a call waits for a connection
STATEMENT_SECONDS = 4.0  # after which PostgreSQL itself ends a statement
ANSWER_SECONDS = 10.0  # all three and a little more: whoever has not answered by then does not answer
LOOK_SECONDS = 5.0  # how often we look whether PostgreSQL is there
LOOK_AGAIN_SECONDS = 1.0  # the same when it was not
APPLICATION = "story-to-image"  # in pg_stat_activity

METADATA = MetaData()
VERSION_TABLE = "approved_projects_schema"
SCHEMA = "0001"  # the revision this code works with; a later one only adds to it
# Ids and words are compared byte by byte ("C"): the same order and the same matches whatever the database's locale.
PROJECTS = Table(
    "approved_projects",
    METADATA,
    Column("project_id", Text(collation="C"), primary_key=True),
    Column("owner", Text(collation="C"), nullable=False),
    Column("title", Text, nullable=False),
    Column("approved_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("search", Text(collation="C"), nullable=False),
    Column("body", Text, nullable=False),
    Index("approved_projects_by_owner_and_time", "owner", "approved_at", "project_id"),
)

# Whatever goes wrong between us and PostgreSQL; the driver's own errors come unwrapped while it connects.
TROUBLE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
MISCONFIGURED = (
    asyncpg.ClientConfigurationError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedObjectError,
)


@asynccontextmanager
async def open_projects(
    database_url: str, *, answer_seconds: float = ANSWER_SECONDS
) -> AsyncIterator[PostgresProjects]:
    """Projects in that database, watched until the block ends; raises `ConfigurationError`.

    A database that is not there now is no reason not to start: drawing goes on without it.
    """
    projects = PostgresProjects(database_url, answer_seconds=answer_seconds)
    try:
        await projects.first_look()
        watching = asyncio.create_task(projects.watch(), name="database watch")
        try:
            yield projects
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
    finally:
        await projects.close()


class PostgresProjects:
    """The `Projects` of every instance that has the same `DATABASE_URL`."""

    def __init__(self, database_url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._connections: WeakSet[Any] = WeakSet()
        self._calls: set[asyncio.Task[Any]] = set()
        self._trouble: str | None = None
        self._fits = False  # whether the schema was seen to be the one we know
        self._engine = engine_of(database_url, self._connections, statement_seconds=STATEMENT_SECONDS)

    # -- what is kept

    async def save(self, session: Session) -> None:
        row = await asyncio.to_thread(_row, session)
        statement = insert(PROJECTS).values(row)
        changed = {name: statement.excluded[name] for name in row if name != "project_id"}
        statement = statement.on_conflict_do_update(
            index_elements=["project_id"],
            set_=changed,
            where=PROJECTS.c.version <= statement.excluded.version,
        )
        await self._do(lambda connection: connection.execute(statement))

    async def load(self, project_id: str) -> Session | None:
        rows = await self._rows(select(PROJECTS.c.project_id, PROJECTS.c.body).where(_id_is(project_id)))
        return _session(rows[0]) if rows else None

    async def versions(self, project_ids: Collection[str]) -> dict[str, int]:
        wanted = PROJECTS.c.project_id.in_(list(project_ids))
        return dict(await self._rows(select(PROJECTS.c.project_id, PROJECTS.c.version).where(wanted)))

    async def delete(self, project_id: str) -> None:
        await self._do(lambda connection: connection.execute(PROJECTS.delete().where(_id_is(project_id))))

    async def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[Session]:
        place = tuple_(PROJECTS.c.approved_at, PROJECTS.c.project_id)
        wanted = (
            select(PROJECTS.c.project_id, PROJECTS.c.body, PROJECTS.c.approved_at)
            .where(PROJECTS.c.owner == owner)
            .order_by(PROJECTS.c.approved_at.desc(), PROJECTS.c.project_id.desc())
            .limit(limit)
        )
        if query is not None:
            wanted = wanted.where(PROJECTS.c.search.contains(folded(query), autoescape=True))
        found: list[Session] = []
        while len(found) < limit:  # a row that cannot be read does not end the list
            rows = await self._rows(wanted if before is None else wanted.where(place < tuple_(*before)))
            found += [session for row in rows if (session := _session(row)) is not None]
            if len(rows) < limit:
                break
            before = (rows[-1][2], rows[-1][0])
        return found[:limit]

    # -- whether it is there

    async def check(self) -> None:
        if self._trouble is not None:
            raise StorageUnavailable(self._trouble)

    async def first_look(self) -> None:
        """Look whether PostgreSQL is there and as we need it; raises `ConfigurationError` when it never will be."""
        try:
            await self._look()
        except StorageUnavailable as error:
            if isinstance(_root(error), MISCONFIGURED):
                raise ConfigurationError(
                    "DATABASE_URL: PostgreSQL does not let us in with this user, password, database and options."
                ) from None
            log.error("database not available: drawing goes on, approving waits")

    async def watch(self) -> None:
        """Look now and then, so that `check` knows without asking."""
        while True:
            await asyncio.sleep(LOOK_SECONDS if self._trouble is None else LOOK_AGAIN_SECONDS)
            with contextlib.suppress(StorageUnavailable):
                try:
                    await self._look()
                except ConfigurationError as error:  # it came back with another schema
                    self._note(str(error))

    async def close(self) -> None:
        """Let go of the connections; what is still under way ends with an error."""
        for connection in list(self._connections):
            connection.terminate()
        if self._calls:
            await asyncio.wait(self._calls, timeout=CONNECT_SECONDS)
        await self._engine.dispose()

    async def _look(self) -> None:
        if self._fits:
            await self._do(lambda connection: connection.execute(select(1)))
        else:
            check_schema(await self._do(schema_of))
            self._fits = True

    async def _rows(self, statement: Any) -> list[Any]:
        async def read(connection: AsyncConnection) -> list[Any]:
            return list((await connection.execute(statement)).all())

        return await self._do(read)

    async def _do(self, work: Work[T]) -> T:
        """Do something with a connection; raises `StorageUnavailable`, at the latest after `answer_seconds`.

        The driver has waits that no timeout of its own, and no cancelling, ends while a server is frozen. So the call
        is a task that nobody has to wait for; when it takes too long, every connection is cut, and that does end it.
        """
        call = asyncio.create_task(self._attempt(work), name="database call")
        self._calls.add(call)
        call.add_done_callback(self._done)
        await asyncio.wait([call], timeout=self._answer_seconds)
        if not call.done():
            for connection in list(self._connections):
                connection.terminate()
            self._note("PostgreSQL does not answer.")
            raise StorageUnavailable("PostgreSQL does not answer.")
        return call.result()

    async def _attempt(self, work: Work[T]) -> T:
        try:
            async with self._engine.connect() as connection:
                result = await work(connection)
        except TROUBLE as error:
            self._note("PostgreSQL cannot be reached.", error)
            raise StorageUnavailable("PostgreSQL cannot be reached.") from error
        self._note(None)
        return result

    def _done(self, call: asyncio.Task[Any]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # somebody may have stopped waiting for it

    def _note(self, trouble: str | None, error: Exception | None = None) -> None:
        if trouble is not None and self._trouble is None:
            log.error("database unavailable", extra={"reason": type(_root(error or TimeoutError())).__name__})
        if trouble is None and self._trouble is not None:
            log.info("database available again")
        self._trouble = trouble


def engine_of(database_url: str, connections: WeakSet[Any], *, statement_seconds: float) -> AsyncEngine:
    """An engine whose connections are also in `connections`; raises `ConfigurationError`.

    The driver reads the address itself, so it may hold what libpq's may (`sslmode`, `sslrootcert`, several hosts).
    """
    address = _address(database_url)
    options = {"application_name": APPLICATION, "statement_timeout": str(round(1000 * statement_seconds))}

    async def connect(*_: Any, **__: Any) -> Any:
        connection = await asyncpg.connect(address, timeout=CONNECT_SECONDS, server_settings=options)
        connections.add(connection)
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",  # every call is one statement
        hide_parameters=True,  # they are stories
    )


def _address(database_url: str) -> str:
    try:
        parts = urlsplit(database_url)
        fits = parts.scheme in ("postgresql", "postgresql+asyncpg") and parts.port != 0 and parts.path.strip("/")
    except ValueError:
        fits = ""
    if not fits:
        raise ConfigurationError("DATABASE_URL: write it like postgresql://user:password@host:5432/database.")
    return database_url.replace("postgresql+asyncpg", "postgresql", 1)


async def schema_of(connection: AsyncConnection) -> str | None:
    """The revision the database is at; None where there is none."""
    if not (await connection.execute(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE})).scalar():
        return None
    found: str | None = (await connection.execute(text(f"SELECT max(version_num) FROM {VERSION_TABLE}"))).scalar()  # noqa: S608 (our own name)
    return found


def check_schema(revision: str | None) -> None:
    """Raises `ConfigurationError` when the schema is older than this code; a later one only has more in it."""
    if revision is None or revision < SCHEMA:
        raise ConfigurationError(
            f"DATABASE_URL: the database is at schema {revision or 'none'} and this version needs {SCHEMA}; "
            "run `python -m adapters.migrate`."
        )
    if revision > SCHEMA:
        log.warning("database has a later schema", extra={"schema": revision, "known": SCHEMA})


def _root(error: BaseException) -> BaseException:
    """What the driver said, below what others made of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _id_is(project_id: str) -> Any:
    return PROJECTS.c.project_id == project_id


def _row(session: Session) -> dict[str, Any]:
    return {
        "project_id": session.session_id,
        "owner": session.owner,
        "title": session.title.replace("\0", ""),  # the one character that PostgreSQL's text cannot hold
        "approved_at": session.approved_at or session.updated_at,
        "updated_at": session.updated_at,
        "version": session.version,
        "search": search_text(session.title, session.story_text),
        "body": SESSION_BODY.dump_json(session).decode(),
    }


def _session(row: Any) -> Session | None:
    """The session in a row; None, and a line in the log, for one that cannot be read."""
    try:
        return SESSION_BODY.validate_json(row.body)
    except ValueError as error:
        log.error("project unreadable", extra={"session_id": row.project_id, "reason": type(error).__name__})
        return None
