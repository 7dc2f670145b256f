"""Approved projects in a real PostgreSQL: what they promise, and what happens when it is killed, frozen or not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest

from adapters.migrate import migrate
from adapters.postgres_projects import SCHEMA, VERSION_TABLE, PostgresProjects, open_projects
from config import ConfigurationError
from models import StorageUnavailable
from tests.postgres_server import PASSWORD, PATIENCE_SECONDS, PostgresServer
from tests.projects_contract import ProjectsContract, new_project
from tests.service import free_port


@pytest.fixture
async def projects(database_url: str) -> AsyncIterator[PostgresProjects]:
    async with open_projects(database_url) as opened:
        yield opened


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop, kill and freeze."""
    with PostgresServer() as server:
        asyncio.run(migrate(server.url()))
        yield server


async def run_sql(url: str, *statements: str) -> list[asyncpg.Record]:
    """The rows of the last statement."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def until(works: Callable[[], Awaitable[object]]) -> None:
    """Wait until a call raises `StorageUnavailable` no more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await works()
                return
            except StorageUnavailable:
                await asyncio.sleep(0.05)


class TestPostgresProjects(ProjectsContract):
    """The projects in PostgreSQL."""


# --- When it fails ---------------------------------------------------------------------------------------------


async def test_a_kill_is_told_and_a_restart_is_noticed(own_server: PostgresServer) -> None:
    session = new_project()
    async with open_projects(own_server.url()) as projects:
        await asyncio.gather(*(projects.save(new_project()) for _ in range(10)))  # every connection is in use
        await projects.save(session)

        await asyncio.to_thread(own_server.kill)

        for call in (projects.save(session), projects.load(session.session_id), projects.check()):
            with pytest.raises(StorageUnavailable):
                await call
        await asyncio.to_thread(own_server.start)
        assert await projects.load(session.session_id) == session
        await projects.check()


async def test_a_restart_between_two_calls_costs_nobody_a_failure(own_server: PostgresServer) -> None:
    async with open_projects(own_server.url()) as projects:
        await asyncio.gather(*(projects.save(new_project()) for _ in range(10)))
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)

        found = await asyncio.gather(*(projects.list_approved("local", before=None, limit=99) for _ in range(10)))

        assert [len(page) for page in found] == [10] * 10


async def test_a_frozen_server_holds_nobody_for_ever(own_server: PostgresServer) -> None:
    """The driver's own waits have no end there, so this would hang without the cut."""
    session = new_project()
    async with open_projects(own_server.url(), answer_seconds=1) as projects:
        await projects.save(session)
        own_server.freeze()
        try:
            calls = (projects.load(session.session_id) for _ in range(12))
            answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE_SECONDS)

            assert [type(answer) for answer in answers] == [StorageUnavailable] * 12
            with pytest.raises(StorageUnavailable):
                await projects.check()
        finally:
            own_server.thaw()
        await until(lambda: projects.load(session.session_id))
        await asyncio.gather(*(projects.save(new_project()) for _ in range(10)))  # the whole pool is there again


async def test_projects_close_while_the_server_is_frozen(own_server: PostgresServer) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with open_projects(own_server.url()) as projects:
            await projects.save(new_project())
            own_server.freeze()
            waiting = asyncio.create_task(projects.load("0" * 32))
            await asyncio.sleep(0.05)
        with pytest.raises(StorageUnavailable):
            await waiting


async def test_a_statement_that_waits_for_a_lock_ends(projects: PostgresProjects, database_url: str) -> None:
    other = await asyncpg.connect(database_url)
    try:
        await other.execute("BEGIN; LOCK TABLE approved_projects")

        with pytest.raises(StorageUnavailable):
            await projects.save(new_project())
    finally:
        await other.close()
    await projects.save(new_project())


async def test_without_a_server_the_start_goes_on_and_it_is_found_later() -> None:
    port = free_port()
    url = f"postgresql://stories:{PASSWORD}@127.0.0.1:{port}/postgres"
    async with open_projects(url) as projects:
        with pytest.raises(StorageUnavailable):
            await projects.check()
        server = PostgresServer(port=port)
        try:
            await asyncio.to_thread(server.__enter__)
            await until(lambda: told(projects, "adapters.migrate"))  # it is there, without the table
            await migrate(url)
            await until(projects.check)
            await projects.save(new_project())
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def told(projects: PostgresProjects, words: str) -> None:
    """Raises `StorageUnavailable` unless what is wrong is told in these words."""
    try:
        await projects.check()
    except StorageUnavailable as error:
        if words not in str(error):
            raise


async def test_a_row_that_cannot_be_read_hides_no_other(projects: PostgresProjects, database_url: str) -> None:
    made = [new_project() for _ in range(5)]
    for one in made:
        await projects.save(one)
    torn = sorted(made, key=lambda one: one.session_id)[2:]
    ids = ", ".join(f"'{one.session_id}'" for one in torn)
    await run_sql(database_url, f"UPDATE approved_projects SET body = left(body, 40) WHERE project_id IN ({ids})")

    shown = await projects.list_approved("local", before=None, limit=2)

    assert {one.session_id for one in shown} == {one.session_id for one in made if one not in torn}
    assert await projects.load(torn[0].session_id) is None


async def test_lists_read_the_index(projects: PostgresProjects, database_url: str) -> None:
    await projects.save(new_project())
    plan = await run_sql(
        database_url,
        "INSERT INTO approved_projects SELECT md5(n::text), 'owner' || n % 7, '', now() + n * interval '1 s', now(), 1,"
        " '', '' FROM generate_series(1, 20000) n",
        "ANALYZE approved_projects",
        "EXPLAIN SELECT body FROM approved_projects WHERE owner = 'owner3' AND (approved_at, project_id) < (now(), 'x')"
        " ORDER BY approved_at DESC, project_id DESC LIMIT 21",
    )

    words = "\n".join(row[0] for row in plan)
    assert "Index Scan Backward using approved_projects_by_owner_and_time" in words
    assert "Sort" not in words


# --- How it is set ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:zqx-secret@h/db",
        "postgresql+psycopg://u:zqx-secret@h/db",
        "postgres",
        "postgresql://u:zqx-secret@h:port/db",
        "postgresql://u:zqx-secret@h",
        "postgresql://u:zqx-secret@[h/db",
    ],
)
async def test_an_address_that_is_none_is_told_in_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL: write it like postgresql://[^\n]+\.$") as told:
        async with open_projects(url):
            raise AssertionError("opened")
    assert "zqx" not in str(told.value)


async def test_what_postgres_refuses_is_told_in_a_sentence(postgres: PostgresServer, database_url: str) -> None:
    for url in (
        database_url.replace(PASSWORD, "zqx-wrong-password"),
        postgres.url("no_such_database"),
        f"{database_url}?no_such_option=zqx",
        f"{database_url}?sslmode=zqx",
    ):
        with pytest.raises(ConfigurationError, match=r"^DATABASE_URL: [^\n]+\.$") as told:
            async with open_projects(url):
                raise AssertionError("opened")
        assert "zqx" not in str(told.value)


async def test_addresses_may_name_the_driver_and_options(database_url: str) -> None:
    url = database_url.replace("postgresql://", "postgresql+asyncpg://")
    async with open_projects(f"{url}?sslmode=prefer") as projects:
        await projects.save(new_project())


async def test_a_schema_that_is_missing_or_old_is_told_in_a_sentence(postgres: PostgresServer) -> None:
    url = await asyncio.to_thread(postgres.new_database)
    for schema in ("none", "0000"):
        with pytest.raises(
            ConfigurationError, match=rf"^DATABASE_URL: [^\n]+{schema}[^\n]+`python -m adapters\.migrate`\.$"
        ):
            async with open_projects(url):
                raise AssertionError("opened")
        if schema == "none":
            await migrate(url)
            await run_sql(url, f"UPDATE {VERSION_TABLE} SET version_num = '0000'")


async def test_a_schema_of_a_later_version_is_good_enough(database_url: str) -> None:
    """So that an operator can go back to the version before without losing anything."""
    await run_sql(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '{int(SCHEMA) + 1:04}'")

    async with open_projects(database_url) as projects:
        await projects.save(new_project())
