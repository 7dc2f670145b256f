"""A small HTTP/1.1 server on plain asyncio that can also misbehave on purpose: reset, truncate, drip, stall, flood."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

MAX_HEAD_BYTES = 64 * 1024
DRIP_SECONDS = 0.25  # between two bytes of a dripping answer
STALL_SECONDS = 3600.0
RESET_NOW = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read to its end; header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises `ValueError` when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer and how it leaves: `ending` says what becomes of it after half of its body.

    `more` follows the body as fast as the client takes it, without a length that would announce it.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = "whole"  # whole · truncated · reset · stall · drip · drop (not even a status line)
    more: Iterable[bytes] = ()


Handler = Callable[[Request], Awaitable[Reply]]


def json_reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A JSON answer."""
    return Reply(status=status, body=json.dumps(content, ensure_ascii=False).encode(), headers=headers or {})


async def start_server(handler: Handler, *, host: str, port: int) -> asyncio.Server:
    """Serve `handler` until the returned server is closed; port 0 takes a free one."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve_connection(handler, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the client went away, which is its right
        finally:
            writer.close()

    return await asyncio.start_server(connection, host, port, limit=MAX_HEAD_BYTES, backlog=2048)


async def _serve_connection(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (request := await _read_request(reader)) is not None:
        reply = await handler(request)
        await _send(reply, writer)
        if reply.ending != "whole" or reply.more or request.headers.get("connection", "").lower() == "close":
            return


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    url = urlsplit(target)
    body = await _read_body(reader, headers)
    return Request(method, url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers, body)


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    chunks: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)


async def _send(reply: Reply, writer: asyncio.StreamWriter) -> None:
    if reply.ending == "drop":
        return _reset(writer)
    writer.write(_head(reply))
    half = reply.body[: len(reply.body) // 2]
    if reply.ending == "whole":
        writer.write(reply.body)
    elif reply.ending == "drip":
        await _drip(reply.body, writer)
    else:
        writer.write(half)
    await writer.drain()
    for chunk in reply.more:
        writer.write(chunk)
        await writer.drain()
    if reply.ending == "stall":
        await asyncio.sleep(STALL_SECONDS)
    if reply.ending == "reset":
        await asyncio.sleep(0.01)  # let the half leave first, so that the client sees a reset in mid-answer
        _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_NOW)
    writer.transport.abort()


async def _drip(body: bytes, writer: asyncio.StreamWriter) -> None:
    for index in range(len(body)):
        writer.write(body[index : index + 1])
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


def _head(reply: Reply) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"  # 524 and 529 are the providers' own
    lines = [f"HTTP/1.1 {reply.status} {phrase}", f"Content-Type: {reply.content_type}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += ["Connection: close"] if reply.more else [f"Content-Length: {len(reply.body)}"]
    lines += ["", ""]
    return "\r\n".join(lines).encode("latin-1")
