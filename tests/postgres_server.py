"""A PostgreSQL of the tests' own: in a folder of its own, on a free port; stopped, killed and frozen at will."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from tests.conftest import missing
from tests.service import children, free_port

PATIENCE_SECONDS = 60.0
DEBIAN = Path("/usr/lib/postgresql")
USER = "stories"
PASSWORD = "zqx-postgres-password"


class PostgresServer:
    """A server for as long as the `with` block lasts, with the user `stories`; `fsync` only where a test is about it.

    It does not run as root: then it runs as `postgres`, or as `nobody` where there is no such user.
    """

    def __init__(self, *, fsync: bool = False, port: int | None = None) -> None:
        self.port = port or free_port()
        self._fsync = fsync
        self._folder = Path(tempfile.mkdtemp(prefix="story-postgres-"))
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._programs = _programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def __enter__(self) -> Self:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            for path in (self._folder, password):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        self._run(
            *("initdb", "-D", str(self._folder / "data"), "-U", USER, "--pwfile", str(password), "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it lets somebody in."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self._fsync else "off",
            "shared_buffers": "32MB",
        }
        arguments = [f"-c{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self._folder / "data"), *arguments],
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it as an operator does who does not wait for connections (fast shutdown)."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the server and every process of it."""
        if self._process is not None:
            for pid in children(self._process.pid):
                _signal(pid, signal.SIGKILL)
            self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP to all of it: connections stay, nothing answers."""
        self._to_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to all of it."""
        self._to_all(signal.SIGCONT)

    def url(self, database: str = "postgres") -> str:
        """The `DATABASE_URL` of one of its databases."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self, *, options: str = "") -> str:
        """Make an empty database; returns its `DATABASE_URL`."""
        self._made += 1
        name = f"stories_{self._made}"
        self.ask(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def ask(self, sql: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement, from a thread without a loop of its own; returns its rows."""

        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(url or self.url(), timeout=PATIENCE_SECONDS)
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        return asyncio.run(run())

    def _answers(self) -> bool:
        try:
            self.ask("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)  # one that is frozen would not hear the other
        self._process.wait(PATIENCE_SECONDS)
        self._process = None

    def _to_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        for pid in [self._process.pid, *children(self._process.pid)]:
            _signal(pid, number)

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, check=False, **self._as_user()
        )
        if ended.returncode:
            raise RuntimeError(f"{program}: {ended.stderr[-3000:]}")

    def _as_user(self) -> dict[str, Any]:
        who = {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return {"cwd": self._folder, "env": {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)}} | who


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    missing("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _programs() -> Path:
    """The folder with `initdb` and `postgres`, the newest version; without it the test is skipped aloud."""
    newest = sorted(DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    for folder in [*newest, *([Path(found).resolve().parent] if found else [])]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    missing("PostgreSQL is not installed: scripts/system-packages installs what the tests need")
