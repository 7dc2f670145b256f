"""Keeps sessions, charges, drawings and answers in one SQLite file: one writer thread, many changes a commit."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.sqlite_salvage import Damaged, check, is_damaged, salvage
from models import Scene, Session, StorageUnavailable
from session_manager import SCENE_BODY, Answer, Charge, DrawingRecord, IdempotencyKey, session_head, session_of_parts
from utils import folded, search_text

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # how long a failed commit waits before it is tried again
BUSY_TIMEOUT_SECONDS = 5.0
CLOSE_SECONDS = 10.0
SEARCHED_AT_ONCE = 20  # stories that one read of a search holds the reader for
STUCK_SECONDS = 5.0  # a write that takes longer is one that a disk hangs in

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
  session_id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL,
  updated_at REAL NOT NULL, approved_at REAL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_approved ON sessions (owner, approved_at DESC, session_id DESC)
  WHERE approved_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS sessions_status ON sessions (status, updated_at);
CREATE TABLE IF NOT EXISTS stories (session_id TEXT PRIMARY KEY, story TEXT NOT NULL, analysis TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scenes (
  session_id TEXT NOT NULL, scene_id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (session_id, scene_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency (
  owner TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, session_id TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (owner, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
  charge_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, owner TEXT NOT NULL, provider TEXT NOT NULL,
  model TEXT NOT NULL,
  amount_usd REAL NOT NULL, day TEXT NOT NULL, state TEXT NOT NULL, known INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS charges_session ON charges (session_id);
CREATE INDEX IF NOT EXISTS charges_day ON charges (day);
CREATE INDEX IF NOT EXISTS charges_open ON charges (state) WHERE state != 'settled';
CREATE TABLE IF NOT EXISTS drawings (
  owner TEXT NOT NULL, content_key TEXT NOT NULL, task_id TEXT NOT NULL, charge_id TEXT NOT NULL,
  url TEXT, seed INTEGER, cost_usd REAL, PRIMARY KEY (owner, content_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  owner TEXT NOT NULL, content_key TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (owner, content_key)) WITHOUT ROWID;
"""

Row = tuple[Any, ...]
Statement = tuple[str, Row]
Change = list[Statement]  # what is written together or not at all

# Errors of a row, not of the disk: trying it again would fail for ever, and hold up everything behind it.
UNWRITABLE = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
    ArithmeticError,
    TypeError,
    ValueError,
)


@dataclass(slots=True)
class _Barrier:
    """A place in the queue; resolved when everything before it is on disk."""

    done: Future[None]


class _End:
    """The last thing in the queue."""


class SqliteJournal:
    """The `Archive` of one process, in `path` (WAL, synchronous=FULL). Open it with `start`, end it with `close`.

    Changes are written in the order in which they were made, each whole or not at all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[Change | _Barrier | _End] = queue.SimpleQueue()
        self._gate = threading.Lock()  # nothing comes into the queue behind its end
        self._open = False
        self.damaged = False
        self.killed = False  # whether whoever had it open before did not close it
        self._thread: threading.Thread | None = None
        self._writing_since: float | None = None
        self._refused = False
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()

    def start(self) -> None:
        """Create the file and its tables and start the writer; raises `StorageUnavailable`.

        A damaged file is set aside, and what can be read of it goes into a new one; `damaged` is then true.
        """
        try:
            writer = self._connect_both()
        except sqlite3.Error as error:
            if not is_damaged(error):
                raise StorageUnavailable(f"The journal cannot be opened: {error}.") from error
            writer = self._salvaged(error)
        self._thread = threading.Thread(target=self._write_for_ever, args=(writer,), name="journal", daemon=True)
        self._open = True
        self._thread.start()

    def _connect_both(self) -> sqlite3.Connection:
        """Open the reader, and return the writer; raises `sqlite3.Error`."""
        self.killed = _size(self._path.with_name(f"{self._path.name}-wal")) > 0  # whoever closes it leaves no log
        if self.killed and _size(self._path) == 0:  # SQLite would throw the log away and begin anew
            raise Damaged("the file is empty, its log is not")
        with ExitStack() as opened:
            writer = opened.enter_context(closing(_connect(self._path)))
            if self.killed:
                check(writer)
            writer.executescript("PRAGMA journal_mode=WAL;" + SCHEMA)
            self._reader = _connect(self._path)
            opened.pop_all()  # the thread closes it
        return writer

    def _salvaged(self, damage: sqlite3.Error) -> sqlite3.Connection:
        """What can be read of a damaged file in a new one, open; raises `StorageUnavailable`."""
        try:
            saved = salvage(self._path, SCHEMA)
            extra = {"reason": str(damage), "kept": saved.kept, "incomplete": saved.incomplete}
            log.error("journal damaged: what can be read is kept", extra=extra | {"aside": saved.aside.name})
            self.damaged = True
            return self._connect_both()
        except (sqlite3.Error, OSError) as error:
            raise StorageUnavailable(f"The journal cannot be opened: {error}.") from error

    def close(self) -> None:
        """Write what is queued and stop; what comes later is refused."""
        with self._gate:
            if self._open:
                self._queue.put(_End())
            self._open = False
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_SECONDS)
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    # -- writing: each method only queues, so it may be called under the manager's lock

    def save_session(self, session: Session) -> None:
        story = (session.session_id, session.story_text, session.analysis.model_dump_json())
        self._put(
            ("INSERT OR REPLACE INTO stories VALUES (?, ?, ?)", story),
            ("DELETE FROM scenes WHERE session_id = ?", (session.session_id,)),
            *_progress(session, session.scenes),
        )

    def save_progress(self, session: Session, scenes: Iterable[Scene]) -> None:
        self._put(*_progress(session, scenes))

    def delete_session(self, session_id: str) -> None:
        tables = ("sessions", "stories", "scenes", "idempotency")
        self._put(*((f"DELETE FROM {table} WHERE session_id = ?", (session_id,)) for table in tables))  # noqa: S608

    def save_idempotency(self, key: IdempotencyKey, session_id: str, at: datetime) -> None:
        row = (key.owner, key.key, key.body_hash, session_id, at.timestamp())
        self._put(("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", row))

    def save_charge(self, charge: Charge) -> None:
        self._put(("INSERT OR REPLACE INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", dataclasses.astuple(charge)))

    def delete_charge(self, charge_id: str) -> None:
        self._put(("DELETE FROM charges WHERE charge_id = ?", (charge_id,)))

    def delete_open_charges(self, session_id: str) -> None:
        self._put(("DELETE FROM charges WHERE session_id = ? AND state != 'settled'", (session_id,)))

    def save_drawing(self, record: DrawingRecord) -> None:
        self._put(("INSERT OR REPLACE INTO drawings VALUES (?, ?, ?, ?, ?, ?, ?)", dataclasses.astuple(record)))

    def delete_drawing(self, owner: str, content_key: str, task_id: str) -> None:
        keys = (owner, content_key, task_id)
        self._put(("DELETE FROM drawings WHERE owner = ? AND content_key = ? AND task_id = ?", keys))

    def save_answer(self, answer: Answer, at: datetime) -> None:
        row = (answer.owner, answer.content_key, answer.kind, answer.body, at.timestamp())
        self._put(("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row))

    def delete_answers(self, *, before: datetime) -> None:
        """Drop the answers that nobody took or gave since then."""
        self._put(("DELETE FROM answers WHERE at < ?", (before.timestamp(),)))

    async def commit(self) -> None:
        """Return when every change made so far is on disk; raises `StorageUnavailable` when it is not (yet)."""
        barrier = _Barrier(Future())
        with self._gate:
            if not self._open:
                raise StorageUnavailable("The journal is not open.")
            self._queue.put(barrier)
        await asyncio.wrap_future(barrier.done)

    def check(self) -> None:
        """Raises `StorageUnavailable` when the last write failed, or one has been under way for long; never waits."""
        since = self._writing_since
        stuck = since is not None and time.monotonic() - since > STUCK_SECONDS
        if not self._open or self._refused or stuck:
            raise StorageUnavailable("The service cannot write to its disk.")

    def _put(self, *change: Statement) -> None:
        with self._gate:
            if self._open:
                self._queue.put(list(change))
                return
        log.error("change came when the journal was closed", extra={"statements": len(change)})

    # -- reading

    def load_session(self, session_id: str) -> Session | None:
        """The session as it was last written, or None; rows that cannot be read are named in the log and skipped."""
        try:
            found, scenes, sums = self._read_together(
                (
                    # As bytes: a torn text is a matter of this session, not of the connection.
                    "SELECT CAST(s.body AS BLOB), CAST(t.story AS BLOB), CAST(t.analysis AS BLOB)"
                    " FROM sessions s JOIN stories t USING (session_id) WHERE session_id = ?",
                    (session_id,),
                ),
                ("SELECT CAST(body AS BLOB) FROM scenes WHERE session_id = ?", (session_id,)),
                # The ledger's word on the cost: after a crash the session's own row may be a step behind.
                ("SELECT total(amount_usd) FROM charges WHERE session_id = ? AND state = 'settled'", (session_id,)),
            )
            if not found:
                return None
            body, story, analysis = found[0]
            session = session_of_parts(body, story, analysis, [row[0] for row in scenes])
        except (StorageUnavailable, TypeError, ValueError) as error:
            if isinstance(error, StorageUnavailable) and type(error.__cause__) is not sqlite3.DatabaseError:
                raise  # the disk may answer the next time; only a damaged page never will
            reason = type(error.__cause__ or error).__name__
            log.error("session unreadable", extra={"session_id": session_id, "reason": reason})
            return None
        return dataclasses.replace(session, cost_usd=float(sums[0][0]))

    def versions(self) -> dict[str, tuple[int, str]]:
        """The version (0: not readable) and the status of every session there is a row of."""
        version = "CASE WHEN json_valid(body) THEN json_extract(body, '$.version') END"
        rows = self._read(f"SELECT session_id, {version}, status FROM sessions", ())  # noqa: S608 (our own names)
        return {session_id: (version or 0, status) for session_id, version, status in rows}

    def load_unfinished(self) -> list[Session]:
        """Every session that has work left, oldest first."""
        ids = self._read(
            "SELECT session_id FROM sessions WHERE status IN ('pending', 'processing') ORDER BY updated_at", ()
        )
        return [session for (session_id,) in ids if (session := self.load_session(session_id)) is not None]

    def load_keys(self) -> list[tuple[IdempotencyKey, str]]:
        """The idempotency keys and the sessions they made; a key whose session is not there counts for nothing."""
        rows = self._read(
            "SELECT owner, key, body_hash, session_id FROM idempotency JOIN sessions USING (session_id, owner)", ()
        )
        return [(IdempotencyKey(owner, key, body_hash), session_id) for owner, key, body_hash, session_id in rows]

    def load_open_charges(self) -> list[Charge]:
        """The charges that are neither settled nor released."""
        columns = "charge_id, session_id, owner, provider, model, amount_usd, day, state, known"
        rows = self._read(f"SELECT {columns} FROM charges WHERE state != 'settled'", ())  # noqa: S608 (our own names)
        return [dataclasses.replace(Charge(*row), known=bool(row[-1])) for row in rows]

    def load_drawing_charges(self) -> set[str]:
        """The charges of drawings that a provider may still be making."""
        return {charge_id for (charge_id,) in self._read("SELECT charge_id FROM drawings", ())}

    def spent_by(self, session_id: str) -> float:
        return float(self._read("SELECT total(amount_usd) FROM charges WHERE session_id = ?", (session_id,))[0][0])

    def settled_by(self, session_id: str) -> float:
        """What a session has spent, without what is still open, in USD."""
        sql = "SELECT total(amount_usd) FROM charges WHERE session_id = ? AND state = 'settled'"
        return float(self._read(sql, (session_id,))[0][0])

    def spent_on(self, day: str) -> float:
        """What that day (UTC, `YYYY-MM-DD`) has spent and reserved, in USD."""
        return float(self._read("SELECT total(amount_usd) FROM charges WHERE day = ?", (day,))[0][0])

    def find_answer(self, owner: str, content_key: str) -> Answer | None:
        sql = "SELECT kind, body FROM answers WHERE owner = ? AND content_key = ?"
        rows = self._read(sql, (owner, content_key))
        return Answer(owner, content_key, *rows[0]) if rows else None

    def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        columns = "owner, content_key, task_id, charge_id, url, seed, cost_usd"
        sql = f"SELECT {columns} FROM drawings WHERE owner = ? AND content_key = ?"  # noqa: S608 (our own names)
        rows = self._read(sql, (owner, content_key))
        return DrawingRecord(*rows[0]) if rows else None

    def list_approved(
        self, owner: str, *, before: tuple[datetime, str] | None, limit: int, query: str | None = None
    ) -> list[str]:
        at, last_id = (before[0].timestamp(), before[1]) if before else (float("inf"), "")
        if query is not None:
            return self._search(owner, at, last_id, limit, folded(query))
        rows = self._read(
            "SELECT session_id FROM sessions WHERE owner = ? AND approved_at IS NOT NULL"
            " AND (approved_at, session_id) < (?, ?) ORDER BY approved_at DESC, session_id DESC LIMIT ?",
            (owner, at, last_id, limit),
        )
        return [session_id for (session_id,) in rows]

    def _search(self, owner: str, at: float, last_id: str, limit: int, words: str) -> list[str]:
        """Look through the owner's approved stories, a few at a time so that nobody waits long for the reader.

        SQLite's own LIKE knows no other case than that of ASCII.
        """
        found: list[str] = []
        while len(found) < limit:
            rows = self._read(
                "SELECT session_id, approved_at, CASE WHEN json_valid(s.body) THEN json_extract(s.body, '$.title') END,"
                " CAST(t.story AS BLOB) FROM sessions s JOIN stories t USING (session_id)"
                " WHERE owner = ? AND approved_at IS NOT NULL AND (approved_at, session_id) < (?, ?)"
                " ORDER BY approved_at DESC, session_id DESC LIMIT ?",
                (owner, at, last_id, SEARCHED_AT_ONCE),
            )
            for session_id, _, title, story in rows:
                if words in search_text(title or "", story.decode("utf-8", "replace")):
                    found.append(session_id)
            if len(rows) < SEARCHED_AT_ONCE:
                break
            last_id, at = rows[-1][:2]
        return found[:limit]

    def approved_versions(self) -> dict[str, int]:
        sql = "SELECT session_id, json_extract(body, '$.version') FROM sessions WHERE approved_at IS NOT NULL"
        rows = self._read(f"{sql} AND json_valid(body)", ())
        return {session_id: version or 0 for session_id, version in rows}

    def list_untouched(self, since: datetime) -> list[str]:
        rows = self._read(
            "SELECT session_id FROM sessions WHERE status NOT IN ('pending', 'processing')"
            " AND approved_at IS NULL AND updated_at < ?",
            (since.timestamp(),),
        )
        return [session_id for (session_id,) in rows]

    def _read(self, sql: str, parameters: Row) -> list[Any]:
        return self._read_together((sql, parameters))[0]

    def _read_together(self, *queries: Statement) -> list[list[Any]]:
        """The rows of each query, all from the same moment."""
        with self._reader_lock:
            if self._reader is None:
                raise StorageUnavailable("The journal is not open.")
            try:
                self._reader.execute("BEGIN")
                return [self._reader.execute(sql, parameters).fetchall() for sql, parameters in queries]
            except sqlite3.Error as error:
                raise StorageUnavailable("The journal cannot be read.") from error
            finally:
                _roll_back(self._reader)

    # -- the writer thread

    def _write_for_ever(self, db: sqlite3.Connection) -> None:
        backlog: list[Change] = []
        ended = False
        while not ended:
            barriers, ended = self._take(backlog)
            waiting = len(backlog)
            self._writing_since = time.monotonic()
            failure = _write(db, backlog)
            self._writing_since = None
            self._refused = bool(backlog)
            if backlog:
                log.error("journal cannot write", extra={"reason": str(failure), "waiting": waiting})
            for barrier in barriers:
                _resolve(barrier, failure)
        with contextlib.suppress(sqlite3.Error):
            db.close()

    def _take(self, backlog: list[Change]) -> tuple[list[_Barrier], bool]:
        """Wait for something to write, then take all there is; a backlog is tried again after a second."""
        barriers: list[_Barrier] = []
        try:
            item = self._queue.get(timeout=RETRY_SECONDS if backlog else None)
            while not isinstance(item, _End):
                if isinstance(item, _Barrier):
                    barriers.append(item)
                else:
                    backlog.append(item)
                item = self._queue.get_nowait()
            return barriers, True
        except queue.Empty:
            return barriers, False


def _progress(session: Session, scenes: Iterable[Scene]) -> Change:
    """What a step writes: the session's own row, and the rows of these scenes."""
    body = session_head(session)
    approved_at = session.approved_at.timestamp() if session.approved_at else None
    row = (session.session_id, session.owner, session.status, session.updated_at.timestamp(), approved_at, body)
    bodies = [(session.session_id, scene.scene_id, SCENE_BODY.dump_json(scene).decode()) for scene in scenes]
    return [
        ("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)", row),
        *(("INSERT OR REPLACE INTO scenes VALUES (?, ?, ?)", scene) for scene in bodies),
    ]


def _write(db: sqlite3.Connection, backlog: list[Change]) -> Exception | None:
    """Commit the backlog and empty it; returns why something of it is not on disk.

    What the disk refuses stays in the backlog. A change that no disk would take is dropped and named in the log.
    """
    dropped: Exception | None = None
    while backlog:
        at = 0
        try:
            db.execute("BEGIN IMMEDIATE")
            for at, change in enumerate(backlog):  # noqa: B007 (read below)
                for sql, row in change:
                    db.execute(sql, row)
            db.execute("COMMIT")
            backlog.clear()
        except UNWRITABLE as error:
            _roll_back(db)
            log.error(
                "change cannot be written", extra={"statement": backlog[at][0][0], "reason": type(error).__name__}
            )
            del backlog[at]
            dropped = error
        except Exception as error:  # full, locked, broken, gone: whatever it is, the thread must live to try again
            _roll_back(db)
            return error
    return dropped


def _roll_back(db: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        if db.in_transaction:
            db.rollback()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _resolve(barrier: _Barrier, failure: Exception | None) -> None:
    if not barrier.done.set_running_or_notify_cancel():
        return
    if failure is None:
        barrier.done.set_result(None)
    else:
        barrier.done.set_exception(StorageUnavailable("The service cannot write to its disk."))


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_SECONDS)
    try:
        db.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        db.close()
        raise
    return db
