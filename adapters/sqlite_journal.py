"""Keeps sessions, charges, drawings and answers in one SQLite file: one writer thread, many changes a commit."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from models import Scene, ScriptAnalysis, Session, StorageUnavailable
from session_manager import Answer, Charge, DrawingRecord, IdempotencyKey

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # how long a failed commit waits before it is tried again
BUSY_TIMEOUT_SECONDS = 5.0

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

# The story and its analysis never change, the scenes have rows of their own: a step writes only what it changed.
SESSION_BODY = TypeAdapter(Session)
SCENE_BODY = TypeAdapter(Scene)
ELSEWHERE = {"story_text", "analysis", "scenes"}

Statement = tuple[str, tuple[Any, ...]]


@dataclass(slots=True)
class _Barrier:
    """A place in the queue; resolved when everything before it is on disk."""

    done: Future[None]


class SqliteJournal:
    """The `Archive` of one process, in `path` (WAL, synchronous=FULL). Open it with `start`, end it with `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[Statement | _Barrier | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_for_ever, name="journal", daemon=True)
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()

    def start(self) -> None:
        """Create the file and its tables and start the writer; raises `StorageUnavailable`."""
        try:
            with _connection(self._path) as db:
                db.executescript("PRAGMA journal_mode=WAL;" + SCHEMA)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"The journal cannot be opened: {error}.") from error
        self._reader = _connect(self._path)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued and stop."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout=10)
        if self._reader is not None:
            self._reader.close()

    # -- writing: each method only queues, so it may be called under the manager's lock

    def save_session(self, session: Session) -> None:
        analysis = session.analysis.model_dump_json()
        self._put("INSERT OR REPLACE INTO stories VALUES (?, ?, ?)", (session.session_id, session.story_text, analysis))
        self._put("DELETE FROM scenes WHERE session_id = ?", (session.session_id,))
        self.save_progress(session, session.scenes)

    def save_progress(self, session: Session, scenes: Iterable[Scene]) -> None:
        body = SESSION_BODY.dump_json(session, exclude=ELSEWHERE).decode()
        approved_at = session.approved_at.timestamp() if session.approved_at else None
        row = (session.session_id, session.owner, session.status, session.updated_at.timestamp(), approved_at, body)
        self._put("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)", row)
        for scene in scenes:
            scene_row = (session.session_id, scene.scene_id, SCENE_BODY.dump_json(scene).decode())
            self._put("INSERT OR REPLACE INTO scenes VALUES (?, ?, ?)", scene_row)

    def delete_session(self, session_id: str) -> None:
        for table in ("sessions", "stories", "scenes", "idempotency"):
            self._put(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))  # noqa: S608 (our own names)

    def save_idempotency(self, key: IdempotencyKey, session_id: str, at: datetime) -> None:
        row = (key.owner, key.key, key.body_hash, session_id, at.timestamp())
        self._put("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", row)

    def save_charge(self, charge: Charge) -> None:
        self._put(
            "INSERT OR REPLACE INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            tuple(getattr(charge, field.name) for field in dataclasses.fields(Charge)),
        )

    def delete_charge(self, charge_id: str) -> None:
        self._put("DELETE FROM charges WHERE charge_id = ?", (charge_id,))

    def save_drawing(self, record: DrawingRecord) -> None:
        self._put(
            "INSERT OR REPLACE INTO drawings VALUES (?, ?, ?, ?, ?, ?, ?)",
            tuple(getattr(record, field.name) for field in dataclasses.fields(DrawingRecord)),
        )

    def delete_drawing(self, owner: str, content_key: str) -> None:
        self._put("DELETE FROM drawings WHERE owner = ? AND content_key = ?", (owner, content_key))

    def save_answer(self, answer: Answer, at: datetime) -> None:
        row = (answer.owner, answer.content_key, answer.kind, answer.body, at.timestamp())
        self._put("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)

    def delete_answers(self, *, before: datetime) -> None:
        """Drop the answers that nobody took or gave since then."""
        self._put("DELETE FROM answers WHERE at < ?", (before.timestamp(),))

    async def commit(self) -> None:
        barrier = _Barrier(Future())
        self._queue.put(barrier)
        await asyncio.wrap_future(barrier.done)

    def _put(self, sql: str, row: tuple[Any, ...]) -> None:
        self._queue.put((sql, row))

    # -- reading

    def load_session(self, session_id: str) -> Session | None:
        """The session as it was last written, or None; a row that cannot be read is named in the log and skipped."""
        rows = self._read(
            "SELECT s.body, t.story, t.analysis FROM sessions s JOIN stories t USING (session_id) WHERE session_id = ?",
            (session_id,),
        )
        if not rows:
            return None
        scenes = self._read("SELECT body FROM scenes WHERE session_id = ?", (session_id,))
        body, story, analysis = rows[0]
        try:
            session = _session_from(body, story, analysis, [scene for (scene,) in scenes])
        except ValidationError as error:
            log.error("session unreadable", extra={"session_id": session_id, "reason": str(error.errors()[0]["type"])})
            return None
        return dataclasses.replace(session, cost_usd=self._settled_by(session_id))

    def _settled_by(self, session_id: str) -> float:
        """The ledger's word on what a session has cost: after a crash its own row may be a step behind."""
        sql = "SELECT total(amount_usd) FROM charges WHERE session_id = ? AND state = 'settled'"
        return float(self._read(sql, (session_id,))[0][0])

    def load_unfinished(self) -> list[Session]:
        """Every session that has work left, oldest first."""
        ids = self._read(
            "SELECT session_id FROM sessions WHERE status IN ('pending', 'processing') ORDER BY updated_at", ()
        )
        return [session for (session_id,) in ids if (session := self.load_session(session_id)) is not None]

    def load_keys(self) -> list[tuple[IdempotencyKey, str]]:
        """The idempotency keys and the sessions they made."""
        rows = self._read("SELECT owner, key, body_hash, session_id FROM idempotency", ())
        return [(IdempotencyKey(owner, key, body_hash), session_id) for owner, key, body_hash, session_id in rows]

    def load_open_charges(self) -> list[Charge]:
        """The charges that are neither settled nor released."""
        rows = self._read("SELECT * FROM charges WHERE state != 'settled'", ())
        return [Charge(*row) for row in rows]

    def load_drawing_charges(self) -> set[str]:
        """The charges of drawings that a provider may still be making."""
        return {charge_id for (charge_id,) in self._read("SELECT charge_id FROM drawings", ())}

    def spent_by(self, session_id: str) -> float:
        return float(self._read("SELECT total(amount_usd) FROM charges WHERE session_id = ?", (session_id,))[0][0])

    def spent_on(self, day: str) -> float:
        """What that day (UTC, `YYYY-MM-DD`) has spent and reserved, in USD."""
        return float(self._read("SELECT total(amount_usd) FROM charges WHERE day = ?", (day,))[0][0])

    def find_answer(self, owner: str, content_key: str) -> Answer | None:
        sql = "SELECT kind, body FROM answers WHERE owner = ? AND content_key = ?"
        rows = self._read(sql, (owner, content_key))
        return Answer(owner, content_key, *rows[0]) if rows else None

    def find_drawing(self, owner: str, content_key: str) -> DrawingRecord | None:
        rows = self._read("SELECT * FROM drawings WHERE owner = ? AND content_key = ?", (owner, content_key))
        return DrawingRecord(*rows[0]) if rows else None

    def list_approved(self, owner: str, *, before: tuple[datetime, str] | None, limit: int) -> list[str]:
        at, last_id = (before[0].timestamp(), before[1]) if before else (float("inf"), "")
        rows = self._read(
            "SELECT session_id FROM sessions WHERE owner = ? AND approved_at IS NOT NULL"
            " AND (approved_at, session_id) < (?, ?) ORDER BY approved_at DESC, session_id DESC LIMIT ?",
            (owner, at, last_id, limit),
        )
        return [session_id for (session_id,) in rows]

    def list_untouched(self, since: datetime) -> list[str]:
        rows = self._read(
            "SELECT session_id FROM sessions WHERE status NOT IN ('pending', 'processing')"
            " AND approved_at IS NULL AND updated_at < ?",
            (since.timestamp(),),
        )
        return [session_id for (session_id,) in rows]

    def _read(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self._reader_lock:
            if self._reader is None:
                raise StorageUnavailable("The journal is not open.")
            try:
                return self._reader.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise StorageUnavailable("The journal cannot be read.") from error

    # -- the writer thread

    def _write_for_ever(self) -> None:
        db = _connect(self._path)
        backlog: list[Statement] = []
        stopping = False
        while not stopping:
            barriers, stopping = self._take(backlog)
            failure = _write_batch(db, backlog)
            if failure is None:
                backlog.clear()
            else:
                log.error("journal cannot write", extra={"reason": str(failure), "waiting": len(backlog)})
            for barrier in barriers:
                _resolve(barrier, failure)
        db.close()

    def _take(self, backlog: list[Statement]) -> tuple[list[_Barrier], bool]:
        """Wait for something to write, then take all there is; a backlog is tried again after a second."""
        barriers: list[_Barrier] = []
        try:
            item = self._queue.get(timeout=RETRY_SECONDS if backlog else None)
            while item is not None:
                if isinstance(item, _Barrier):
                    barriers.append(item)
                else:
                    backlog.append(item)
                item = self._queue.get_nowait()
            return barriers, True
        except queue.Empty:
            return barriers, False


def _session_from(body: str, story: str, analysis: str, scenes: list[str]) -> Session:
    found = sorted((SCENE_BODY.validate_json(scene) for scene in scenes), key=lambda scene: scene.scene_number)
    fields = json.loads(body) | {
        "story_text": story,
        "analysis": ScriptAnalysis.model_validate_json(analysis),
        "scenes": tuple(found),
    }
    return SESSION_BODY.validate_python(fields)


def _write_batch(db: sqlite3.Connection, statements: list[Statement]) -> Exception | None:
    if not statements:
        return None
    try:
        db.execute("BEGIN IMMEDIATE")
        for sql, row in statements:
            db.execute(sql, row)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.rollback()
        return error
    return None


def _resolve(barrier: _Barrier, failure: Exception | None) -> None:
    if not barrier.done.set_running_or_notify_cancel():
        return
    if failure is None:
        barrier.done.set_result(None)
    else:
        barrier.done.set_exception(StorageUnavailable("The service cannot write to its disk."))


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_SECONDS)
    db.execute("PRAGMA synchronous=FULL")
    return db


@contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    db = _connect(path)
    try:
        yield db
    finally:
        db.close()
