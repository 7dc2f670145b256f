"""The service under measurement: `python main.py` in a process of its own, in an empty folder."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx

from tests.fake_providers import REPOSITORY, FakeProviders

ENDED = frozenset({"awaiting_review", "completed", "failed", "cancelled"})
PORTS = range(20_000, 30_000)  # below those that the system gives away
POLL_SECONDS = 0.005  # how often a starting server is tried

Json = dict[str, Any]


class Server:
    """A Python program that serves HTTP on loopback, for as long as the `with` block lasts."""

    health = "/health"  # answers 200 when it has started

    def __init__(self, arguments: list[str], environment: dict[str, str], *, folder: Path | None = None) -> None:
        self.arguments = arguments
        self.port = free_port()
        self._own_folder = None if folder else tempfile.TemporaryDirectory(prefix="story-bench-")
        self.folder = folder or Path(self._own_folder.name if self._own_folder else ".")
        self.environment = _plain_environment() | {"HOST": "127.0.0.1", "PORT": str(self.port)} | environment
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=90)
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._close()

    def _close(self) -> None:
        self.client.close()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    def start(self, *, patience: float = 60.0) -> None:
        """Start it and wait for the first 200 of /health; the time that took is `start_seconds`."""
        self._log = (self.folder / "server.log").open("ab")
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, *self.arguments], cwd=self.folder, env=self.environment, stdout=self._log, stderr=self._log
        )
        while not _healthy(self.port, self.health):
            if self._process.poll() is not None or time.perf_counter() - began > patience:
                said = self.log()[-3000:]
                self._signal(signal.SIGKILL)
                raise RuntimeError(f"{self.arguments} did not start:\n{said}")
            time.sleep(POLL_SECONDS)
        self.start_seconds = time.perf_counter() - began

    def stop(self) -> float:
        """SIGTERM, and how many seconds it took to end."""
        began = time.perf_counter()
        self._signal(signal.SIGTERM)
        return time.perf_counter() - began

    def kill(self) -> None:
        """SIGKILL to the process itself, as the kernel or an operator would; its workers must notice on their own."""
        self._signal(signal.SIGKILL)

    def ended(self, patience: float) -> None:
        """Wait for the process to end by itself; raises `TimeoutExpired`."""
        assert self._process is not None
        self._process.wait(patience)

    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")

    @property
    def running(self) -> bool:
        """Whether it was started and neither stopped nor killed by us since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def open_files(self) -> int:
        """How many file descriptors the process has open, sockets among them."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self.client.close()  # its pooled connections are dead
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=90)
        if self._log is not None:
            self._log.close()


class Service(Server):
    """The story service beside those providers (None: without keys) with the settings given.

    Everything else is as a new user has it, but for the rate limit and the seconds of draining.
    """

    def __init__(self, fake: FakeProviders | None = None, *, folder: Path | None = None, **settings: int | str) -> None:
        environment = {"RATE_LIMIT": "1000000/minute", "DRAIN_SECONDS": "0"} | (fake.env() if fake else {})
        environment |= {name.upper(): str(value) for name, value in settings.items()}
        super().__init__([str(REPOSITORY / "main.py")], environment, folder=folder)
        self.environment.setdefault("PROJECTS_DIR", str(self.folder / "projects"))

    def generate(self, story_text: str, **more: Any) -> str:
        """Start a session and return its id."""
        reply = self.client.post("/generate", json={"story_text": story_text, "consistency": "prompt"} | more)
        if reply.status_code != 202:
            raise RuntimeError(f"POST /generate: {reply.status_code} {reply.text[:300]}\n{self.log()[-3000:]}")
        session_id: str = reply.json()["session_id"]
        return session_id

    def status(self, session_id: str) -> Json:
        answer: Json = self.client.get(f"/status/{session_id}").raise_for_status().json()
        return answer

    def changes(self, session_id: str, *, patience: float = 120.0) -> Iterator[Json]:
        """Every state that `?wait=` shows, until the session has ended; raises `TimeoutError`."""
        etag, until = "", time.monotonic() + patience
        while time.monotonic() < until:
            headers = {"If-None-Match": etag} if etag else {}
            reply = self.client.get(f"/status/{session_id}", params={"wait": 30}, headers=headers)
            if reply.status_code == 304:
                continue
            state: Json = reply.raise_for_status().json()
            etag = reply.headers["ETag"]
            yield state
            if state["status"] in ENDED:
                return
        raise TimeoutError(f"session {session_id} did not end in {patience} s")

    def wait(self, session_id: str, *, patience: float = 120.0) -> Json:
        """The session's last state."""
        state: Json = {}
        for state in self.changes(session_id, patience=patience):  # noqa: B007
            pass
        return state

    def wait_all(self, session_ids: list[str], *, patience: float = 120.0) -> list[Json]:
        until = time.monotonic() + patience
        return [self.wait(session_id, patience=max(1.0, until - time.monotonic())) for session_id in session_ids]


class Worker(Server):
    """A worker, `python -m adapters.worker`, beside those providers with the settings given."""

    health = "/health/ready"

    def __init__(self, fake: FakeProviders | None = None, **settings: int | str) -> None:
        environment = (fake.env() if fake else {}) | {name.upper(): str(value) for name, value in settings.items()}
        super().__init__(["-m", "adapters.worker"], environment | {"PYTHONPATH": str(REPOSITORY)})
        self.environment["WORKER_PORT"] = str(self.port)

    def freeze(self) -> None:
        """SIGSTOP: it stands still, and so does everything it renews."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def ready(state: Json) -> int:
    """How many scenes of a session have their picture."""
    return sum(1 for scene in state["scenes"] if scene["status"] == "ready" and scene["image_url"])


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MB (1,000,000 bytes): VmRSS now, VmHWM at most so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def children(pid: int) -> list[int]:
    """The process ids below a process, all generations."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def free_port() -> int:
    """A port that is this process's own until it ends, also while the server that listens there is killed.

    Ports that the system gives away may go to another test while a server is being started again.
    """
    folder = Path(tempfile.gettempdir()) / "story-test-ports"
    folder.mkdir(exist_ok=True)
    for port in random.sample(PORTS, len(PORTS)):
        claim = os.open(folder / str(port), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until this process ends
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(claim)
        else:
            return port
    raise RuntimeError("no port is free")


def _plain_environment() -> dict[str, str]:
    """The environment without anything that would be a setting: what is measured must not depend on the shell."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def _healthy(port: int, path: str) -> bool:
    """One try for a 200, with a bare socket: an HTTP library would cost time on the same cores."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).split(b" ", 2)[1] == b"200"
    except (OSError, IndexError):
        return False
