"""Brings the database of approved projects to the schema this version needs: `python -m adapters.migrate`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text

from adapters.postgres_projects import SCHEMA, TROUBLE, engine_of, schema_of
from config import ConfigurationError, load_settings

FOLDER = Path(__file__).with_name("migrations")
LOCK = 7_310_459_113  # ours among the advisory locks: several who migrate at once take turns
STEP_SECONDS = 3600.0  # a step may build an index on a large table


def main(arguments: list[str] | None = None) -> int:
    """Run a command; what is wrong is one sentence on standard error, and 1."""
    parser = argparse.ArgumentParser(prog="python -m adapters.migrate", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        default="upgrade",
        choices=["upgrade", "downgrade", "current", "check"],
        help="upgrade to the newest schema (the default), or downgrade, say where it is, compare it with the code",
    )
    parser.add_argument("revision", nargs="?", help="where to; a downgrade needs one: -1, or `base` (drops everything)")
    chosen = parser.parse_args(arguments)
    if chosen.command == "downgrade" and chosen.revision is None:
        parser.error("a downgrade needs a revision: -1 for one step, base for all of them")
    try:
        url = load_settings().database_url
        if url is None:
            raise ConfigurationError("Set DATABASE_URL to the database of approved projects.")
        said = asyncio.run(migrate(url.get_secret_value(), chosen.command, chosen.revision))
    except (ConfigurationError, CommandError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except TROUBLE as error:
        sys.stderr.write(f"DATABASE_URL: PostgreSQL does not do it ({type(error).__name__}).\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


async def migrate(database_url: str, wanted: str = "upgrade", revision: str | None = None) -> str:
    """Run a command on that database, alone; returns where it is then. Raises `ConfigurationError`, `CommandError`."""
    engine = engine_of(database_url, WeakSet(), statement_seconds=STEP_SECONDS)
    engine = engine.execution_options(isolation_level="READ COMMITTED")  # all of it or nothing
    try:
        async with engine.begin() as connection:
            encoding = (await connection.execute(text("SHOW server_encoding"))).scalar()
            if encoding != "UTF8":
                raise ConfigurationError(
                    f"DATABASE_URL: the database's encoding is {encoding}; stories need one made with ENCODING 'UTF8'."
                )
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            await connection.run_sync(_run, COMMANDS[wanted], revision)
            return f"schema {await schema_of(connection) or 'none'}, this version needs {SCHEMA}"
    finally:
        await engine.dispose()


COMMANDS: dict[str, Callable[[Config, str | None], None]] = {
    "upgrade": lambda config, revision: command.upgrade(config, revision or "head"),
    "downgrade": lambda config, revision: command.downgrade(config, revision or "-1"),
    "current": lambda config, revision: None,
    "check": lambda config, revision: command.check(config),
}


def _run(connection: Any, run: Callable[[Config, str | None], None], revision: str | None) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    run(config, revision)


if __name__ == "__main__":
    sys.exit(main())
