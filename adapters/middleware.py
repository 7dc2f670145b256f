"""What surrounds every request: its id and its line in the log, the limits of its body, the headers of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG

import anyio
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.caching import OF_EVERYBODY, is_known, known_tags
from utils import entity_tag, is_session_id, request_in_log, session_in_log

log = logging.getLogger("http")

Count = Callable[[str, str, int, float], None]
Report = Callable[[BaseException, Mapping[str, str]], None]

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})  # callers may make up others
EXPOSED = ("ETag", "Location", "Retry-After", "X-Request-ID")
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})  # by custom
BODY_SECONDS = 15.0  # a body that takes longer is cut off
UPLOAD_SECONDS = 120.0  # so is a file that takes longer, or is silent for `BODY_SECONDS`

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_POLICY = (  # FastAPI's documentation page loads its scripts from a CDN and starts them inline
    "default-src 'none'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https://fastapi.tiangolo.com; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
DOCS_PATH = "/docs"
STREAMS = "/events/"
NOT_OF_PAGES = frozenset({b"range", b"if-none-match", b"if-modified-since"})  # answered here, or not at all
WAITING = "/status/"  # with ?wait= it is slow by intention, and counted apart

RawHeaders = tuple[tuple[bytes, bytes], ...]


def _security_headers(policy: str, *more: tuple[bytes, bytes]) -> RawHeaders:
    return ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", policy.encode()), *more)


OF_PAGES = (
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
API_HEADERS = _security_headers(API_POLICY)  # few: every header of an answer is checked and written one by one
PAGE_HEADERS = _security_headers(PAGE_POLICY, *OF_PAGES)
DOCS_HEADERS = _security_headers(DOCS_POLICY, *OF_PAGES)


class RequestContext:
    """Gives each request an id and each answer its security headers, writes a line in the log and counts it.

    `HEAD` is answered as `GET` without the body, but for streams, which have no end to wait for.
    """

    def __init__(self, app: ASGIApp, *, count: Count) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        known = method if method in METHODS else "OTHER"
        headless = method == "HEAD" and not scope["path"].startswith(STREAMS)
        if headless:
            scope["method"] = "GET"
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        request_in_log.set(request_id)
        session_in_log.set(None)
        began = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    *_security(scope["path"]),
                ]
            elif headless:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            route = _route(scope)
            waited = "?wait" if route.startswith(WAITING) and b"wait=" in scope["query_string"] else ""
            self._count(known, route + waited, status, seconds)
            if log.isEnabledFor(logging.INFO):
                fields = {"method": known, "route": route, "status": status, "ms": round(seconds * 1000, 2)}
                log.info("request", extra=fields | {"session_id": _session(scope)})


class Crashes:
    """Answers what nobody expected: Starlette's own handler stands outside all middleware, where the request id and
    the headers for other origins are lost."""

    def __init__(self, app: ASGIApp, *, answer: ASGIApp, report: Report) -> None:
        self._app = app
        self._answer = answer
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except Exception as error:
            if scope["type"] != "http":
                raise
            if started and _is_only_about_leaving(error):
                log.info("caller left while it was answered", extra={"route": _route(scope)})
                return
            log.exception("request crashed", extra={"method": scope["method"], "route": _route(scope)})
            self._report(error, _about(scope))
            if started:
                raise
            await self._answer(scope, receive, send)


def _is_only_about_leaving(error: Exception) -> bool:
    """Whether it only says that nobody takes the events any more: FastAPI's streams may outlive their reader."""
    if isinstance(error, ExceptionGroup):
        return all(_is_only_about_leaving(each) for each in error.exceptions)
    return isinstance(error, anyio.BrokenResourceError | anyio.ClosedResourceError)


class Origins(CORSMiddleware):
    """Lets pages of these origins (`*`: of every origin) call the service; never with cookies, it knows none."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], refused: ASGIApp) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST", "PATCH", "DELETE"),
            allow_headers=("*",),
            expose_headers=EXPOSED,
        )
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            if "origin" in headers and "access-control-request-method" in headers:
                answer = self.preflight_response(headers)
                await (answer if answer.status_code == 200 else self._refused)(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


class PageFiles:
    """Compresses the files of the page; browsers keep them, and ask each time whether they are still the same.

    Their tags are of their content: the time of a file, which Starlette's are made of, says nothing about it. The
    compressed file has a tag of its own. Everything else passes by untouched: the state of a session is asked for far
    more often than the page.
    """

    def __init__(self, app: ASGIApp, *, directory: Path) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, minimum_size=1024, compresslevel=6)
        self._directory = directory
        self._tags: dict[Path, tuple[tuple[int, int, int], str]] = {}  # with what tells that a file was exchanged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_page_file(scope["path"]):
            await self._app(scope, receive, send)
            return
        tag = await asyncio.to_thread(self._tag, scope["path"]) if scope["method"] == "GET" else None
        if tag is not None and (known := self._known(tag, Headers(scope=scope))):
            kept = [(b"etag", known.encode()), (b"cache-control", OF_EVERYBODY.encode()), (b"vary", b"Accept-Encoding")]
            await send({"type": "http.response.start", "status": 304, "headers": kept})
            await send({"type": "http.response.body", "body": b""})
            return
        # A part of so small a file is not worth it, and Starlette refuses a part that is none in plain text.
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in NOT_OF_PAGES]

        async def send_cached(message: Message) -> None:
            if message["type"] == "http.response.start" and tag is not None:
                headers = MutableHeaders(raw=message["headers"])
                headers["cache-control"] = OF_EVERYBODY
                headers["etag"] = _compressed_tag(tag) if "content-encoding" in headers else tag
                del headers["last-modified"]
            await send(message)

        await self._compressed(scope, receive, send_cached)

    def _tag(self, path: str) -> str | None:
        """The tag of the file at that address, which is read when it is new; None where there is none."""
        if ".." in path:
            return None
        file = self._directory / (path.lstrip("/") or "index.html")
        try:
            found = file.stat()
            seen = found.st_ino, found.st_mtime_ns, found.st_size
            if not S_ISREG(found.st_mode):
                return None
            if self._tags.get(file, ((), ""))[0] != seen:
                self._tags[file] = seen, entity_tag(file.read_bytes())
        except (OSError, ValueError):
            return None
        return self._tags[file][1]

    def _known(self, tag: str, headers: Headers) -> str | None:
        """The tag by which the caller has that file, compressed or not; None when it has not."""
        known = known_tags(headers)
        may_be = (_compressed_tag(tag), tag) if "gzip" in headers.get("accept-encoding", "") else (tag,)
        return next((each for each in may_be if known != "*" and is_known(each, known)), None)


def _compressed_tag(tag: str) -> str:
    return f'{tag[:-1]}-gzip"'


def is_page_file(path: str) -> bool:
    """Whether an address is one of the page's: a folder or a name with a suffix, and not a picture of a session."""
    name = path[path.rfind("/") + 1 :]
    return (not name or "." in name) and not path.startswith("/images/")


def _security(path: str) -> RawHeaders:
    if path.startswith(DOCS_PATH):
        return DOCS_HEADERS
    return PAGE_HEADERS if is_page_file(path) else API_HEADERS


class BodyLimit:
    """Refuses a body that is too large (413) or too slow (408), counted as it arrives.

    `uploads` are the addresses (regular expressions) that take files by POST or PUT, with the bytes each may have; a
    file may take `UPLOAD_SECONDS`. An answer that comes before the end of the body is the last on its connection,
    which is closed when the rest has come or has come to a limit: closed earlier, a caller who is still sending could
    lose the answer; kept, half a body would hold it for ever.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        seconds: float = BODY_SECONDS,
        uploads: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._uploads = {re.compile(path): most for path, most in (uploads or {}).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"] in BODILESS and not _announces_body(scope)):
            await self._app(scope, receive, send)
            return
        upload_bytes = self._upload_bytes(scope)
        most = self._max_bytes if upload_bytes is None else upload_bytes
        longest = self._seconds if upload_bytes is None else UPLOAD_SECONDS
        body = _Body(scope, receive, max_bytes=most, silence=self._seconds, seconds=longest)

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not await body.came():
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            elif body.awaited and not message.get("more_body", False):
                await send({**message, "more_body": True})  # the whole answer, but for the server's closing
                await body.drop_rest()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, body.receive, send_and_close)

    def _upload_bytes(self, scope: Scope) -> int | None:
        """What a file sent there may have, None where none is taken."""
        if scope["method"] not in ("POST", "PUT"):
            return None
        path = scope.get("path", "")
        return next((most for address, most in self._uploads.items() if address.fullmatch(path)), None)


class _Body:
    """The body of one request as it arrives, under its limits."""

    def __init__(self, scope: Scope, receive: Receive, *, max_bytes: int, silence: float, seconds: float) -> None:
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        self._receive = receive
        self._max_bytes = max_bytes
        self._silence = silence
        self._deadline = time.monotonic() + seconds
        self._received = 0
        self._empty = not _announces_body(scope) or declared == "0"
        self._whole = False
        self._answered = False
        self._promised = declared.isdecimal()
        self._invited = "expect" not in headers  # else nothing is sent before the first read
        self._refused: int | None = None
        if declared.isdecimal() and (len(declared) > 15 or int(declared) > max_bytes):
            self._refused = 413

    async def receive(self) -> Message:
        """The next part; raises HTTPException 408 or 413. Once there is an answer, a refused body is a caller gone."""
        try:
            return await self._next()
        except HTTPException:
            if not self._answered:
                raise
            return {"type": "http.disconnect"}

    async def came(self) -> bool:
        """Whether its end is here, asked when there is an answer; what has arrived unread is dropped."""
        self._answered = True
        if self.awaited:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await self.drop_rest()
        return self._whole or self._empty

    @property
    def awaited(self) -> bool:
        """Whether a caller is still sending what it said it would, and may."""
        return self._promised and self._invited and not self._whole and not self._empty and self._refused is None

    async def drop_rest(self) -> None:
        """Read it to its end or to a limit, for nothing."""
        with contextlib.suppress(HTTPException):
            while not self._whole:
                await self._next()

    async def _next(self) -> Message:
        if self._refused is not None:
            raise HTTPException(self._refused)
        if self._whole:
            return await self._receive()
        self._invited = True
        try:
            async with asyncio.timeout(min(self._silence, max(0.0, self._deadline - time.monotonic()))):
                message = await self._receive()
        except TimeoutError:
            self._refused = 408
            raise HTTPException(408) from None
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._received > self._max_bytes:
            self._refused = 413
            raise HTTPException(413)
        return message


def _announces_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if GIVEN_ID.fullmatch(given):
                return str(given)
    return os.urandom(16).hex()


def _route(scope: Scope) -> str:
    """The template of the route that answered: an address would make a label of each session."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if path:
        return str(path)
    return "static" if scope.get("method") in ("GET", "HEAD") else "none"


def _about(scope: Scope) -> dict[str, str]:
    """What a crash is reported with: the template and the ids, nothing of the caller's words."""
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    ids = {"request_id": scope["state"]["request_id"], "session_id": _session(scope) or ""}
    return {"where": "request", "method": method, "route": _route(scope), **ids}


def _session(scope: Scope) -> str | None:
    """The session a request is about; an address of the caller's own making stays out of the log."""
    found = scope.get("path_params", {}).get("session_id", "")
    return str(found) if is_session_id(found) else session_in_log.get()
