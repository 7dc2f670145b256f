"""A load generator in a process of its own: as many GETs as go through, or a steady number each second.

python -m benchmarks.load --port 8000 --path /health --rate 200 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.figures import percentile
from tests.fake_providers import REPOSITORY


@dataclass(slots=True)
class Tally:
    """What came back: how long each answer took, and how many of each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def view(self, lasted: float) -> dict[str, Any]:
        times = self.seconds or [0.0]
        return {
            "requests": len(self.seconds),
            "lasted": lasted,
            "per_second": len(self.seconds) / lasted,
            "p50_ms": percentile(times, 0.5) * 1000,
            "p99_ms": percentile(times, 0.99) * 1000,
            "max_ms": max(times) * 1000,
            "statuses": {str(status): count for status, count in self.statuses.items()},
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection that asks the same question again and again; one answer at a time."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.received = bytearray()
        self.awaited: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.awaited is not None and not self.awaited.done():
            self.awaited.set_exception(ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        lines = bytes(self.received[:head]).lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(self.received) >= head + 4 + length:
            status = int(lines[0].split(b" ")[1])
            self.received.clear()
            if self.awaited is not None and not self.awaited.done():
                self.awaited.set_result(status)

    async def ask(self) -> int:
        """Send the request once more and return the status of its whole answer."""
        assert self.transport is not None
        self.awaited = asyncio.get_running_loop().create_future()
        self.transport.write(self.request)
        return await self.awaited


class Pool:
    """The connections, and the end they all work towards."""

    def __init__(self, host: str, port: int, path: str, headers: dict[str, str]) -> None:
        self.place = (host, port)
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        self.request = "\r\n".join(lines).encode("latin-1")
        self.tally = Tally()
        self.stop = asyncio.Event()

    async def work(self, interval: float | None, offset: float) -> None:
        """One connection's share: `interval` seconds between its questions, the first after that part of one."""
        if interval is None:
            await self.flat_out()
        else:
            await self.steadily(interval, interval * offset)

    async def flat_out(self) -> None:
        """Ask, and as soon as the answer is there ask again."""
        connection = await self._connect()
        while not self.stop.is_set():
            began = time.perf_counter()
            self._note(await connection.ask(), time.perf_counter() - began)

    async def steadily(self, interval: float, offset: float) -> None:
        """Ask at set times; the wait counts from the set time, so a stalled server is not spared its queue."""
        connection = await self._connect()
        due = time.perf_counter() + offset
        while not self.stop.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if connection.lost:
                connection = await self._connect()
            self._note(await connection.ask(), time.perf_counter() - due)
            due += interval

    def _note(self, status: int, seconds: float) -> None:
        self.tally.seconds.append(seconds)
        self.tally.statuses[status] += 1

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self.request), *self.place)
        return connection


async def run(
    port: int, path: str, *, connections: int, seconds: float | None, rate: float | None, headers: dict[str, str]
) -> dict[str, Any]:
    """Load one address for `seconds`, or until standard input ends."""
    gc.disable()  # a pause of ours would look like one of theirs
    pool = Pool("127.0.0.1", port, path, headers)
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    if seconds is None:
        loop.add_reader(sys.stdin, pool.stop.set)
    else:
        loop.call_later(seconds, pool.stop.set)
    interval = connections / rate if rate else None
    await asyncio.gather(*(pool.work(interval, index / connections) for index in range(connections)))
    return pool.tally.view(time.perf_counter() - began)


class Load:
    """The load generator as a subprocess; `result` is filled when the `with` block ends."""

    def __init__(
        self,
        port: int,
        path: str,
        *,
        connections: int = 8,
        rate: float | None = None,
        seconds: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        options: dict[str, object] = {
            "port": port,
            "path": path,
            "connections": connections,
            "rate": rate,
            "seconds": seconds,
        }
        self.arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
        self.arguments += [f"--header={header}: {text}" for header, text in (headers or {}).items()]
        self.result: dict[str, Any] = {}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", *self.arguments],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        out = self._process.communicate(timeout=120)[0]
        self.result = json.loads(out)


def flat_out(port: int, path: str, *, seconds: float, connections: int, headers: dict[str, str] | None = None) -> float:
    """Requests a second that go through; raises `RuntimeError` when anything but 200 comes back."""
    with Load(port, path, connections=connections, seconds=seconds, headers=headers) as load:
        pass
    if set(load.result["statuses"]) != {"200"}:
        raise RuntimeError(f"{path} answered {load.result['statuses']}")
    return float(load.result["per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/health")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, help="requests a second; without it as many as go through")
    parser.add_argument("--seconds", type=float, help="without it until standard input ends")
    parser.add_argument("--header", action="append", default=[], help="`Name: value`, may be repeated")
    options = parser.parse_args()
    headers = {name: value for name, _, value in (header.partition(": ") for header in options.header)}
    result = asyncio.run(
        run(
            options.port,
            options.path,
            connections=options.connections,
            seconds=options.seconds,
            rate=options.rate,
            headers=headers,
        )
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
