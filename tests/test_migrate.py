"""The schema of approved projects: up, down and up again, by one or by many; what cannot be is told in a sentence."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from adapters.migrate import FOLDER, LOCK, migrate
from adapters.postgres_projects import SCHEMA, open_projects
from config import ConfigurationError
from tests.fake_providers import REPOSITORY
from tests.postgres_server import PASSWORD, PATIENCE_SECONDS, PostgresServer
from tests.projects_contract import new_project
from tests.service import free_port


@pytest.fixture
def empty(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres.new_database()


def run(*arguments: str, database_url: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, as an operator gives it, in another folder than the service's."""
    environment = {"PYTHONPATH": str(REPOSITORY), "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "adapters.migrate", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def tables(postgres: PostgresServer, url: str) -> set[str]:
    return {row[0] for row in postgres.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", url)}


def test_the_schema_goes_up_down_and_up_again(postgres: PostgresServer, empty: str) -> None:
    for _ in range(2):
        assert asyncio.run(migrate(empty)) == f"schema {SCHEMA}, this version needs {SCHEMA}"
        assert "approved_projects" in tables(postgres, empty)
        asyncio.run(migrate(empty))  # there is nothing to do

        assert asyncio.run(migrate(empty, "downgrade", "base")) == f"schema none, this version needs {SCHEMA}"
        assert "approved_projects" not in tables(postgres, empty)


def test_steps_and_tables_agree(postgres: PostgresServer, empty: str) -> None:
    asyncio.run(migrate(empty))
    postgres.ask("CREATE TABLE somebody_elses (n int)", empty)

    asyncio.run(migrate(empty, "check"))

    postgres.ask("DROP INDEX approved_projects_by_owner_and_time", empty)
    with pytest.raises(CommandError):
        asyncio.run(migrate(empty, "check"))


def test_the_newest_step_is_the_one_this_version_needs() -> None:
    """Revisions are compared as text, to tell an older schema from a later one."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    revisions = [script.revision for script in scripts.walk_revisions()]

    assert scripts.get_heads() == [SCHEMA]
    assert revisions == sorted(revisions, reverse=True)
    assert {len(revision) for revision in revisions} == {4}


async def test_many_that_start_at_once_take_turns(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await asyncio.to_thread(postgres.new_database)
    first = await asyncpg.connect(url)
    try:
        await first.execute(f"SELECT pg_advisory_lock({LOCK})")  # as one that is in the middle of it
        others = [asyncio.create_task(asyncio.to_thread(run, database_url=url, folder=tmp_path)) for _ in range(4)]
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await first.fetchval(waiting) < 4:  # noqa: ASYNC110 (PostgreSQL cannot tell us)
                await asyncio.sleep(0.05)
        assert await first.fetchval("SELECT to_regclass('approved_projects')") is None
    finally:
        await first.close()

    ended = await asyncio.gather(*others)

    assert [one.stderr for one in ended] == [""] * 4
    assert [one.stdout for one in ended] == [f"schema {SCHEMA}, this version needs {SCHEMA}\n"] * 4


async def test_what_is_kept_survives_a_second_upgrade(postgres: PostgresServer) -> None:
    url = await asyncio.to_thread(postgres.new_database)
    await migrate(url)
    session = new_project()
    async with open_projects(url) as projects:
        await projects.save(session)

        await migrate(url)

        assert await projects.load(session.session_id) == session


def test_the_command_says_where_it_is(postgres: PostgresServer, empty: str, tmp_path: Path) -> None:
    for arguments, schema in (
        (["current"], "none"),
        ([], SCHEMA),
        (["upgrade"], SCHEMA),
        (["downgrade", "-1"], "none"),
        (["current"], "none"),
    ):
        ended = run(*arguments, database_url=empty, folder=tmp_path)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == f"schema {schema}, this version needs {SCHEMA}\n"


def test_what_cannot_be_is_told_in_a_sentence(postgres: PostgresServer, empty: str, tmp_path: Path) -> None:
    latin = postgres.new_database(options="ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    nowhere = f"postgresql://stories:{PASSWORD}@127.0.0.1:{free_port()}/stories"
    for arguments, url in (
        ([], ""),
        ([], nowhere),
        ([], latin),
        ([], empty.replace(PASSWORD, "zqx-wrong")),
        (["upgrade", "9999"], empty),
        (["downgrade"], empty),
    ):
        ended = run(*arguments, database_url=url, folder=tmp_path)

        assert ended.returncode != 0
        assert "Traceback" not in ended.stderr and "zqx" not in ended.stderr
        assert re.search(r"\S[^\n]*\n\Z", ended.stderr)


def test_stories_need_an_encoding_that_holds_them(postgres: PostgresServer) -> None:
    latin = postgres.new_database(options="ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")

    with pytest.raises(ConfigurationError, match="LATIN1"):
        asyncio.run(migrate(latin))
