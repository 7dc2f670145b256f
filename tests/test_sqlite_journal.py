"""What the journal keeps, in which order, and what it survives."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.sqlite_journal import SqliteJournal
from models import Problem, Session, StorageUnavailable, StoryBible
from session_manager import Answer, Charge, DrawingRecord, SessionManager
from tests.session_store_contract import KEY, NOON, STORY, new_session, titled, to

ROOT = Path(__file__).parent.parent


@contextmanager
def opened(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path)
    journal.start()
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with opened(path) as running:
        yield running


@pytest.fixture
def full_disk(path: Path) -> Iterator[Callable[[], None]]:
    """No file of this process may grow beyond what the journal's have now; call it to make room again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def make_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    largest = max((file.stat().st_size for file in path.parent.glob("journal.db*")), default=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    yield make_room
    make_room()


def charge(charge_id: str, usd: float = 0.5, **fields: object) -> Charge:
    made = Charge(charge_id, "session", "local", "runware", "runware:1", usd, "2026-05-04")
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """What another connection sees: what is committed."""
    with closing(sqlite3.connect(path)) as other:
        return other.execute(sql).fetchall()


def damage(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(sql)


# --- What is kept ----------------------------------------------------------------------------------------------


async def test_a_session_comes_back_as_it_went(journal: SqliteJournal) -> None:
    session = new_session(
        status="processing",
        story_bible=StoryBible(title="Das Boot 夜", style="ink"),
        error=Problem(code="budget_reached", message="no", retryable=False),
        max_cost_usd=1.5,
        approved_at=NOON + timedelta(microseconds=1),
        story_text="é\u2028夜\r\n" + STORY,
    )
    journal.save_session(session)
    changed = dataclasses.replace(session.with_scene(titled("Ω")(session.scenes[1])), version=7)
    journal.save_progress(changed, [changed.scenes[1]])
    await journal.commit()

    assert journal.load_session(session.session_id) == changed
    assert journal.load_session("f" * 32) is None


async def test_a_session_saved_anew_has_no_scene_that_was_removed(journal: SqliteJournal) -> None:
    session = new_session()
    journal.save_session(session)
    journal.save_session(dataclasses.replace(session, scenes=session.scenes[:1]))
    await journal.commit()

    assert journal.load_session(session.session_id) == dataclasses.replace(session, scenes=session.scenes[:1])


async def test_unfinished_sessions_are_loaded_oldest_first(journal: SqliteJournal) -> None:
    for minute, status in enumerate(["processing", "completed", "pending", "failed", "awaiting_review", "cancelled"]):
        at = NOON - timedelta(minutes=minute)
        journal.save_session(new_session(f"{minute:032x}", status=status, updated_at=at))
    await journal.commit()

    assert [int(session.session_id) for session in journal.load_unfinished()] == [2, 0]


async def test_the_ledger_says_what_a_session_has_cost(journal: SqliteJournal) -> None:
    session = new_session(cost_usd=0.1)
    journal.save_session(session)
    journal.save_charge(charge("a", 0.3, session_id=session.session_id, state="settled"))
    journal.save_charge(charge("b", 0.2, session_id=session.session_id, state="sent"))
    journal.save_charge(charge("c", 0.4, session_id="another", day="2026-05-03"))
    await journal.commit()

    loaded = journal.load_session(session.session_id)

    assert loaded is not None and loaded.cost_usd == 0.3
    assert journal.spent_by(session.session_id) == 0.5
    assert journal.spent_on("2026-05-04") == 0.5
    assert journal.spent_on("2026-05-03") == 0.4


async def test_open_charges_and_running_drawings_come_back(path: Path) -> None:
    kept = [charge("reserved"), charge("sent", state="sent")]
    record = DrawingRecord("local", "key", "task", "sent")
    with opened(path) as first:
        for each in [*kept, charge("settled", state="settled", known=True), charge("released")]:
            first.save_charge(each)
        first.delete_charge("released")
        first.save_drawing(record)
        first.save_drawing(dataclasses.replace(record, url="https://x/y.png", seed=3, cost_usd=0.2))
        first.save_drawing(dataclasses.replace(record, content_key="gone"))
        first.delete_drawing("local", "gone", "task")

    with opened(path) as second:
        assert sorted(second.load_open_charges(), key=lambda c: c.charge_id) == kept
        assert second.load_drawing_charges() == {"sent"}
        assert second.find_drawing("local", "key") == DrawingRecord(
            "local", "key", "task", "sent", "https://x/y.png", 3, 0.2
        )
        assert second.find_drawing("local", "gone") is None


async def test_answers_are_kept_by_owner_and_key_until_they_are_old(journal: SqliteJournal) -> None:
    old, new = Answer("local", "old", "text", "{}"), Answer("local", "new", "picture", '{"a": "夜"}')
    journal.save_answer(old, NOON)
    journal.save_answer(new, NOON + timedelta(hours=2))
    await journal.commit()
    assert (journal.find_answer("local", "old"), journal.find_answer("local", "new")) == (old, new)
    assert journal.find_answer("somebody else", "new") is None

    journal.delete_answers(before=NOON + timedelta(hours=1))
    await journal.commit()

    assert (journal.find_answer("local", "old"), journal.find_answer("local", "new")) == (None, new)


async def test_a_deleted_session_leaves_only_its_charges(journal: SqliteJournal, path: Path) -> None:
    session = new_session()
    journal.save_idempotency(KEY, session.session_id, NOON)
    journal.save_session(session)
    journal.save_charge(charge("a", session_id=session.session_id, state="settled"))
    await journal.commit()
    assert journal.load_keys() == [(KEY, session.session_id)]

    journal.delete_session(session.session_id)
    await journal.commit()

    for table in ("sessions", "stories", "scenes", "idempotency"):
        assert rows(path, f"SELECT * FROM {table}") == []
    assert journal.spent_on("2026-05-04") == 0.5


async def test_a_key_of_nothing_counts_for_nothing(journal: SqliteJournal) -> None:
    journal.save_idempotency(KEY, new_session().session_id, NOON)
    await journal.commit()

    assert journal.load_keys() == []


# --- Committing ------------------------------------------------------------------------------------------------


async def test_a_commit_returns_when_all_before_it_is_on_disk(journal: SqliteJournal, path: Path) -> None:
    for number in range(200):
        journal.save_charge(charge("same", float(number)))
        journal.save_charge(charge(str(number)))
        if number % 20 == 0:
            await journal.commit()
            assert rows(path, "SELECT amount_usd FROM charges WHERE charge_id = 'same'") == [(float(number),)]
    await journal.commit()

    assert rows(path, "SELECT count(*), max(amount_usd) FROM charges") == [(201, 199.0)]


async def test_threads_may_write_while_the_loop_commits(journal: SqliteJournal, path: Path) -> None:
    def write(number: int) -> None:
        for turn in range(50):
            journal.save_charge(charge(f"{number}:{turn}"))

    await asyncio.gather(*(asyncio.to_thread(write, n) for n in range(4)), *(journal.commit() for _ in range(50)))
    await journal.commit()

    assert rows(path, "SELECT count(*) FROM charges") == [(200,)]


async def test_a_cancelled_commit_stops_nobody(journal: SqliteJournal, path: Path) -> None:
    journal.save_charge(charge("a"))
    waiting = asyncio.create_task(journal.commit())
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await journal.commit()

    assert rows(path, "SELECT charge_id FROM charges") == [("a",)]


async def test_a_full_disk_is_told_and_everything_is_written_later(
    journal: SqliteJournal, path: Path, full_disk: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    journal.save_session(session)
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await journal.commit()
    journal.save_charge(charge("later"))
    assert journal.load_session(session.session_id) is None

    full_disk()
    await journal.commit()

    assert journal.load_session(session.session_id) == session
    assert rows(path, "SELECT charge_id FROM charges") == [("later",)]
    assert "journal cannot write" in caplog.text


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda j: j.save_drawing(DrawingRecord("o", "k", "t", "c", seed=2**70)), id="a huge number"),
        pytest.param(lambda j: j.save_answer(Answer("o", "k", "text", "\ud800"), NOON), id="half a character"),
        pytest.param(lambda j: j.save_charge(charge("nan", float("nan"))), id="no number"),
    ],
)
async def test_what_no_disk_would_take_holds_nobody_up(
    journal: SqliteJournal, path: Path, spoil: Callable[[SqliteJournal], None], caplog: pytest.LogCaptureFixture
) -> None:
    journal.save_charge(charge("before"))
    spoil(journal)
    journal.save_charge(charge("after"))

    with pytest.raises(StorageUnavailable):
        await journal.commit()
    await journal.commit()

    assert rows(path, "SELECT charge_id FROM charges ORDER BY 1") == [("after",), ("before",)]
    assert "change cannot be written" in caplog.text


async def test_closing_writes_what_is_queued(path: Path) -> None:
    with opened(path) as journal:
        for number in range(500):
            journal.save_charge(charge(str(number)))

    assert rows(path, "SELECT count(*) FROM charges") == [(500,)]


async def test_a_closed_journal_refuses_and_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = SqliteJournal(path)
    with pytest.raises(StorageUnavailable):
        await journal.commit()
    journal.start()
    journal.close()
    journal.close()

    journal.save_charge(charge("late"))
    with pytest.raises(StorageUnavailable):
        await journal.commit()
    with pytest.raises(StorageUnavailable):
        journal.load_unfinished()

    assert "change came when the journal was closed" in caplog.text
    assert rows(path, "SELECT * FROM charges") == []


async def test_a_reader_never_sees_half_a_change(journal: SqliteJournal) -> None:
    session = new_session()
    journal.save_session(session)
    await journal.commit()
    written = threading.Event()

    def read_until_written() -> list[Session | None]:
        seen = [journal.load_session(session.session_id)]
        while not written.is_set():
            seen.append(journal.load_session(session.session_id))
        return seen

    reading = asyncio.create_task(asyncio.to_thread(read_until_written))
    for number in range(50):
        title = str(number)
        scenes = tuple(titled(title)(scene) for scene in session.scenes)
        journal.save_progress(dataclasses.replace(session, title=title, scenes=scenes), scenes)
        await journal.commit()
    written.set()

    assert all(found and {scene.title for scene in found.scenes} == {found.title} for found in await reading)


# --- What it survives ------------------------------------------------------------------------------------------


async def test_half_a_transaction_at_the_end_of_the_log_is_left_out(journal: SqliteJournal, path: Path) -> None:
    whole, torn = new_session(), new_session()
    log = path.with_name("journal.db-wal")
    journal.save_session(whole)
    await journal.commit()
    size = log.stat().st_size
    journal.save_session(torn)
    await journal.commit()
    copy = path.parent / "crashed" / "journal.db"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    copy.with_name("journal.db-wal").write_bytes(log.read_bytes()[: size + (log.stat().st_size - size) // 2])

    with opened(copy) as after:
        assert after.load_unfinished() == [whole]
        after.save_session(torn)
        await after.commit()
        assert len(after.load_unfinished()) == 2


async def test_rubbish_at_the_end_of_the_log_is_left_out(journal: SqliteJournal, path: Path) -> None:
    session = new_session()
    journal.save_session(session)
    await journal.commit()
    copy = path.parent / "crashed" / "journal.db"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    written = path.with_name("journal.db-wal").read_bytes()
    copy.with_name("journal.db-wal").write_bytes(written + os.urandom(5000))

    with opened(copy) as after:
        assert after.load_unfinished() == [session]


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("UPDATE sessions SET body = substr(body, 1, 40)", id="half a session"),
        pytest.param("UPDATE sessions SET body = '[]'", id="another shape"),
        pytest.param("UPDATE sessions SET body = json_set(body, '$.status', 'dancing')", id="an unknown status"),
        pytest.param("UPDATE sessions SET body = CAST(x'ff00' AS TEXT)", id="a torn text"),
        pytest.param("UPDATE stories SET story = CAST(x'fffe41' AS TEXT)", id="a torn story"),
        pytest.param("UPDATE stories SET analysis = '{}'", id="no analysis"),
        pytest.param("UPDATE scenes SET body = '{\"scene_id\": 5}' WHERE scene_id = 's1'", id="a scene of rubbish"),
        pytest.param("UPDATE scenes SET body = x'00' WHERE scene_id = 's2'", id="a scene of nothing"),
    ],
)
async def test_a_session_that_cannot_be_read_is_named_and_the_others_are_loaded(
    journal: SqliteJournal, path: Path, sql: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = new_session(), new_session()
    journal.save_session(broken)
    journal.save_session(whole)
    await journal.commit()

    damage(path, f"{sql} {'AND' if 'WHERE' in sql else 'WHERE'} session_id = '{broken.session_id}'")

    assert journal.load_session(broken.session_id) is None
    assert journal.load_unfinished() == [whole]
    named = {getattr(record, "session_id", None) for record in caplog.records if record.levelname == "ERROR"}
    assert named == {broken.session_id}
    assert "Mira" not in caplog.text


@pytest.mark.parametrize("content", [b"no database", os.urandom(8192)], ids=["a note", "noise"])
async def test_what_is_no_journal_is_set_aside_and_named(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)

    with opened(path) as journal:
        journal.save_session(session := new_session())
        await journal.commit()
        assert journal.load_unfinished() == [session]
        assert journal.damaged

    assert [aside.read_bytes() for aside in path.parent.glob("journal.db.damaged-*")] == [content]
    assert "journal damaged" in caplog.text


async def test_an_empty_journal_keeps_its_log_for_whoever_wants_to_look(journal: SqliteJournal, path: Path) -> None:
    journal.save_session(new_session())
    await journal.commit()
    copy = path.parent / "crashed" / "journal.db"
    copy.parent.mkdir()
    copy.touch()
    written = path.with_name("journal.db-wal").read_bytes()
    copy.with_name("journal.db-wal").write_bytes(written)

    with opened(copy) as after:
        assert after.load_unfinished() == []

    assert [aside.read_bytes() for aside in copy.parent.glob("journal.db.damaged-*-wal")] == [written]


@pytest.mark.parametrize("killed", [False, True], ids=["after a stop", "after a kill"])
async def test_rows_on_both_sides_of_a_damaged_page_are_kept(
    path: Path, killed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = {session.session_id: session for session in (new_session() for _ in range(200))}
    with opened(path) as journal:
        for session in sessions.values():
            journal.save_session(session)
        await journal.commit()
    with closing(sqlite3.connect(path)) as db:
        pages = sorted(
            page for (page,) in db.execute("SELECT pageno FROM dbstat WHERE name='sessions' AND pagetype='leaf'")
        )
    content = bytearray(path.read_bytes())
    middle = pages[len(pages) // 2] - 1
    content[4096 * middle : 4096 * (middle + 1)] = os.urandom(4096)
    path.write_bytes(content)
    if killed:
        path.with_name("journal.db-wal").write_bytes(b"torn")

    with opened(path) as after:
        if not killed:  # nothing is read through at a start after a stop; whoever is asked for is there or is named
            found = [session_id for session_id in sessions if after.load_session(session_id) is not None]
            assert 150 < len(found) < 200
            return
        assert after.damaged
        kept = {session.session_id: session for session in after.load_unfinished()}

    assert 150 < len(kept) < 200
    assert all(sessions[session_id] == session for session_id, session in kept.items())
    assert "journal damaged" in caplog.text


def test_a_folder_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        SqliteJournal(tmp_path / "nowhere" / "journal.db").start()


WRITER = """
import asyncio, dataclasses, sys
from pathlib import Path
sys.path[:0] = [{root!r}]
from adapters.sqlite_journal import SqliteJournal
from tests.session_store_contract import NOON, new_session, titled, to
from session_manager import SessionManager

async def main():
    journal = SqliteJournal(Path({path!r}))
    journal.start()
    manager = SessionManager(max_sessions=10**6, journal=journal, clock=lambda: NOON)
    while True:
        session = manager.create(new_session(scenes=8))
        await journal.commit()
        print(session.session_id, flush=True)
        for number in range(20):
            manager.change(session.session_id, lambda s: dataclasses.replace(
                s, title=str(number), scenes=tuple(titled(str(number))(scene) for scene in s.scenes)))

asyncio.run(main())
"""


def test_a_kill_loses_nothing_that_was_acknowledged_and_leaves_nothing_half(path: Path) -> None:
    script = WRITER.format(root=str(ROOT), path=str(path))
    acknowledged = []
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.append(line.strip())
            if len(acknowledged) == 15:
                process.send_signal(signal.SIGKILL)
                break

    with opened(path) as journal:
        loaded = {session.session_id: session for session in journal.load_unfinished()}

    assert set(acknowledged) <= set(loaded)
    for session in loaded.values():
        assert len(session.scenes) == 8
        assert {scene.title for scene in session.scenes} == {session.title}


async def test_the_manager_behind_the_journal_finds_its_sessions_again(path: Path) -> None:
    with opened(path) as journal:
        manager = SessionManager(journal=journal, clock=lambda: NOON)
        session = manager.create(new_session(), KEY)
        manager.change(session.session_id, to("processing"))
        seen: Session = manager.change_scene(session.session_id, "s2", titled("The end"))

    with opened(path) as journal:
        after = SessionManager(journal=journal, clock=lambda: NOON)
        after.restore_keys(journal.load_keys())
        (loaded,) = journal.load_unfinished()

        assert dataclasses.replace(after.restore(loaded), version=seen.version) == seen
        assert after.session_of_key(KEY) == session.session_id
