"""Saves what can be read of a damaged SQLite file: the `.recover` of the shell is in no kept Python package."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
LOG, INDEX = "-wal", "-shm"  # what is not in the file yet, and where in the log it lies

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Salvage:
    """What became of a damaged file: the rows that were kept, by table, and the tables that are not whole."""

    kept: dict[str, int]
    incomplete: tuple[str, ...]
    aside: Path


class Damaged(sqlite3.DatabaseError):
    """A file that SQLite would open, but that is not whole."""


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault: neither the disk nor somebody who holds it."""
    return isinstance(error, Damaged) or getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in DAMAGED


def check(db: sqlite3.Connection) -> None:
    """Read through a database once; raises `Damaged`, or `sqlite3.Error` when that is not possible."""
    [(found,)] = db.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise Damaged(str(found).splitlines()[0])


def salvage(path: Path, schema: str) -> Salvage:
    """Leave at `path` a new file with every row that can be read, and the old one as `journal.db.damaged-…` beside it.

    Raises `sqlite3.Error` or `OSError` when the disk refuses; until the new file is whole, the old one stays.
    """
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    _copy(path, aside)
    with TemporaryDirectory(dir=path.parent) as scratch:
        copy = Path(scratch) / path.name
        _copy(path, copy)  # SQLite tidies up what it opens
        kept, incomplete = _move_rows(copy, fresh, schema)
    for companion in (LOG, INDEX):  # before the new file is there: SQLite would take them for its own
        path.with_name(path.name + companion).unlink(missing_ok=True)
    os.replace(fresh, path)
    return Salvage(kept, incomplete, aside)


def _copy(path: Path, target: Path) -> None:
    """Copy a database and its log, as far as they are there."""
    for companion in ("", LOG):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(f"{path}{companion}", f"{target}{companion}")


def _move_rows(damaged: Path, fresh: Path, schema: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """How many rows of each table are in the new file, and the tables of which some are not."""
    kept: dict[str, int] = {}
    incomplete: list[str] = []
    with closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        new.executescript(schema)
        new.execute("BEGIN")
        for table in _tables(new):
            rows, whole = _readable(damaged, table)
            marks = ", ".join("?" * _width(new, table))
            new.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608 (our own names)
            kept[table] = len(rows)
            if not whole:
                incomplete.append(table)
        new.execute("COMMIT")
    return kept, tuple(incomplete)


def _tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]


def _width(db: sqlite3.Connection, table: str) -> int:
    return len(db.execute(f"PRAGMA table_info({table})").fetchall())


def _readable(damaged: Path, table: str) -> tuple[list[Row], bool]:
    """The rows on both sides of the damage: read as they lie, then by their key from the end and from the front."""
    found: dict[Row, None] = {}
    for order in ("", " ORDER BY 1 DESC", " ORDER BY 1"):
        rows, whole = _scan(damaged, f"SELECT * FROM {table}{order}")  # noqa: S608 (our own names)
        found |= dict.fromkeys(rows)
        if whole:
            return rows, True
    return list(found), False


def _scan(damaged: Path, sql: str) -> tuple[list[Row], bool]:
    """The rows up to where the file cannot be read, and whether that was its end."""
    rows: list[Row] = []
    try:
        with closing(sqlite3.connect(damaged, isolation_level=None)) as db:
            db.text_factory = _text
            for row in db.execute(sql):
                rows.append(row)  # one by one: what came before an error stays
    except sqlite3.Error:
        return rows, False
    return rows, True


def _text(content: bytes) -> str | bytes:
    """A torn text stays bytes: reading it back then fails for its own row alone."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
