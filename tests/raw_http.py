"""HTTP as bytes over bare sockets: requests that no client would send, and clients that leave in the middle."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

MAX_PROBLEM_BYTES = 8_000
PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured
RESET_NOW = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Json:
        """The problem document; fails when the answer has not the one shape of errors."""
        document: Json = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "retryable", "request_id"} <= set(document)
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["x-request-id"]
        assert len(self.body) <= MAX_PROBLEM_BYTES
        assert b"Traceback" not in self.body
        return document


def request_bytes(method: str, target: bytes, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A request after which the connection is closed."""
    fields = {"host": "test", "content-length": str(len(body)), "connection": "close"} | dict(headers or {})
    lines = [f"{name}: {value}".encode() for name, value in fields.items()]
    return b"\r\n".join([method.encode() + b" " + target + b" HTTP/1.1", *lines, b"", body])


def json_request(target: bytes, body: Json, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of that JSON."""
    return request_bytes(
        "POST", target, json.dumps(body).encode(), {"content-type": "application/json"} | dict(headers or {})
    )


async def exchange(port: int, sent: bytes, *, rest: bytes = b"") -> bytes:
    """All that comes back for exactly these bytes until the other side closes; `rest` is sent once it has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(sent)
            if rest:
                received += await reader.read(65536)
                writer.write(rest)
            while chunk := await reader.read(65536):
                received += chunk
    except ConnectionError:
        pass  # it was closed while we were still sending
    finally:
        writer.transport.abort()
    return received


def parse(received: bytes, method: str = "GET") -> Answer | None:
    """The answer in these bytes, None when there is none."""
    try:
        response = HTTPResponse(cast(socket.socket, _Received(received)), method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    except (HTTPException, ConnectionError):
        return None


async def ask(port: int, sent: bytes) -> Answer | None:
    """The answer to exactly these bytes, None when the connection is closed without one."""
    return parse(await exchange(port, sent), sent.partition(b" ")[0].decode("latin-1"))


async def answer_to(port: int, sent: bytes) -> Answer:
    """The answer to exactly these bytes; fails when there is none."""
    answer = await ask(port, sent)
    assert answer is not None, f"no answer to {sent[:80]!r}"
    return answer


class Caller:
    """A connection that is held open, and left with a reset."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, sent: bytes = b"", *, buffer: int | None = None) -> Caller:
        """Connect and send; `buffer` is how many bytes may wait unread, else as many as the system likes."""
        connection = socket.socket()
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        caller = cls(*await asyncio.open_connection(sock=connection, limit=buffer or 65536))
        caller._writer.write(sent)
        return caller

    async def sip(self, bytes_a_second: int) -> None:
        """Read so slowly until it is closed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.reader.read(bytes_a_second):  # noqa: ASYNC110 (slow on purpose)
                await asyncio.sleep(1)

    def leave(self) -> None:
        """Reset the connection, as a process that dies does."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_NOW)
        self._writer.transport.abort()

    async def closed(self) -> bytes:
        """What comes until the other side closes."""
        received = b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while chunk := await self.reader.read(65536):
                    received += chunk
        except ConnectionError:
            pass
        finally:
            self._writer.transport.abort()
        return received


class _Received:
    """Bytes that were received, as `HTTPResponse` wants to read them."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._received)
