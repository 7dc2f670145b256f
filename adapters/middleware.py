"""What surrounds every request: its id and its line in the log, the limits of its body, the headers of its answer."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from utils import request_in_log, session_in_log

log = logging.getLogger("http")

Count = Callable[[str, str, int, float], None]

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
BODY_SECONDS = 15.0  # a body that takes longer is cut off

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_POLICY = (  # FastAPI's documentation page loads its scripts from a CDN and starts them inline
    "default-src 'none'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https://fastapi.tiangolo.com; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
DOCS_PATHS = ("/docs", "/redoc")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
PAGE_SECURITY = (*SECURITY_HEADERS, (b"content-security-policy", PAGE_POLICY.encode()))
DOCS_SECURITY = (*SECURITY_HEADERS, (b"content-security-policy", DOCS_POLICY.encode()))


class RequestContext:
    """Gives each request an id, writes its line in the log, counts it, and answers a crash as a problem document.

    Starlette's own handler for crashes stands outside all middleware, where the id is lost; so the crash is answered
    here.
    """

    def __init__(self, app: ASGIApp, *, count: Count, crashed: ASGIApp) -> None:
        self._app = app
        self._count = count
        self._crashed = crashed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        tokens = request_in_log.set(request_id), session_in_log.set(None)
        began = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                docs = scope["path"].startswith(DOCS_PATHS)
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    *(DOCS_SECURITY if docs else PAGE_SECURITY),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request crashed", extra={"method": scope["method"], "route": _route(scope)})
            if status:
                raise
            await self._crashed(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            route = _route(scope)
            self._count(scope["method"], route, status, seconds)
            if log.isEnabledFor(logging.INFO):
                log.info(
                    "request",
                    extra={
                        "method": scope["method"],
                        "route": route,
                        "status": status,
                        "ms": round(seconds * 1000, 2),
                        "session_id": _session(scope),
                    },
                )
            request_in_log.reset(tokens[0])
            session_in_log.reset(tokens[1])


class BodyLimit:
    """Refuses a body that is too large (413) or too slow (408), counted as it arrives."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        too_large = declared.isdecimal() and (len(declared) > 15 or int(declared) > self._max_bytes)
        received = 0
        whole = False
        deadline = time.monotonic() + self._seconds

        async def limited() -> Message:
            nonlocal received, whole
            if too_large:
                raise HTTPException(413)
            if whole:
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > self._max_bytes:
                raise HTTPException(413)
            return message

        await self._app(scope, limited, send)


class StaticCaching:
    """Lets browsers keep the page's files for a moment and then ask whether they changed (they have an ETag)."""

    def __init__(self, app: ASGIApp, *, seconds: int = 300) -> None:
        self._app = app
        self._value = f"public, max-age={seconds}, must-revalidate"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_cached(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_static(scope):
                headers = MutableHeaders(raw=message["headers"])
                if "etag" in headers:
                    headers["cache-control"] = self._value
            await send(message)

        await self._app(scope, receive, send_cached)


def _is_static(scope: Scope) -> bool:
    return _route(scope) == "static" and scope["type"] == "http"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if GIVEN_ID.fullmatch(given):
                return str(given)
    return uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the route that answered: an address would make a label of each session."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if path:
        return str(path)
    return "static" if scope.get("method") in ("GET", "HEAD") else "none"


def _session(scope: Scope) -> str | None:
    found = scope.get("path_params", {}).get("session_id")
    return str(found)[:64] if found else session_in_log.get()
