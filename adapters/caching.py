"""What may be kept of an answer, and for whom: `ETag`, 304, `Cache-Control` and `Vary`, in one place."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from utils import entity_tag

KEYS = "X-API-Key, Authorization"  # what an answer to a caller depends on, for `Vary`
NO_STORE = "no-store"
OF_A_CALLER = "private, no-cache"  # a browser may keep it and asks each time whether it is still true
OF_EVERYBODY = "no-cache"
# A picture never changes under its name. Private, although its address is signed: without the signature it is the
# owner's alone, and a cache between us and the reader would still show it when its session has been deleted.
PICTURE = "private, max-age=31536000, immutable"

NOW_ONLY = ("/health", "/metrics", "/debug/", "/events/")  # true for the moment they are asked for
THE_SAME_FOR_ALL = ("/openapi.json", "/docs")
KEPT_IN_304 = frozenset({b"cache-control", b"content-location", b"etag", b"expires", b"vary"})  # RFC 9110, 15.4.5
TAG = re.compile(r'"[^"]*"')
VERSION = re.compile(r'"(\d{1,15})"')


class Caching:
    """Tells caches what they may keep, and answers 304 to whoever has it already (RFC 9110 and 9111).

    An answer in one piece gets the digest of its bytes as its tag, which is strong: the same tag is the same bytes. A
    route may name the version it shows in `ETag` (`"7"`), which then stands in front of the digest: the same version
    is shown in other words when a price or a portrait has changed. A route's own `Cache-Control`, with its `Vary`,
    stays, and so does a whole tag, as files have one. What comes in pieces is passed on as it comes, without a tag.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Answer(scope, send).send)


class _Answer:
    """One answer on its way out; its head is held back while its tag depends on its body."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._path = scope["path"]
        self._asked = scope["method"] in ("GET", "HEAD")
        self._known = known_tags(Headers(scope=scope)) if self._asked else None
        self._head: Message | None = None
        self._said = False  # 304: what else comes of it is not wanted

    async def send(self, message: Message) -> None:
        if self._said:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._head is not None:
            await self._complete(self._head, message)
        else:
            await self._send(message)

    async def _begin(self, head: Message) -> None:
        headers = MutableHeaders(raw=head["headers"])
        whole = head["status"] == 200
        if not self._asked or head["status"] >= 400:
            if "content-disposition" not in headers:  # a download is a file for the reader to keep
                headers.setdefault("cache-control", NO_STORE)
        elif self._path.startswith(NOW_ONLY):
            headers["cache-control"] = NO_STORE
            whole = False
        elif "cache-control" not in headers:
            self._limit(headers)
        tag = headers.get("etag") if whole else None
        if tag is not None and VERSION.fullmatch(tag) is None:
            await self._pass(head, tag)
        elif whole and "content-length" in headers and (self._asked or tag is not None):
            self._head = head
        else:
            await self._send(head)

    def _limit(self, headers: MutableHeaders) -> None:
        if self._path.startswith(THE_SAME_FOR_ALL):
            headers["cache-control"] = OF_EVERYBODY
            return
        headers["cache-control"] = OF_A_CALLER
        headers.add_vary_header(KEYS)

    async def _complete(self, head: Message, message: Message) -> None:
        """The head that was held back, now that there is a body."""
        self._head = None
        headers = MutableHeaders(raw=head["headers"])
        if message.get("more_body", False):
            del headers["etag"]  # a version alone does not say which bytes these are
            await self._send(head)
        else:
            version = headers.get("etag", "").strip('"')
            tag = headers["etag"] = entity_tag(message.get("body", b""), version or None)
            await self._pass(head, tag)
        if not self._said:
            await self._send(message)

    async def _pass(self, head: Message, tag: str) -> None:
        if self._known is None or not is_known(tag, self._known):
            await self._send(head)
            return
        self._said = True
        kept = [pair for pair in head["headers"] if pair[0] in KEPT_IN_304]
        await self._send({"type": "http.response.start", "status": 304, "headers": kept})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def known_tags(headers: Headers) -> str | None:
    """What the caller has, as `If-None-Match` names it, in one line or in several; None where nothing is named."""
    lines = headers.getlist("if-none-match")
    return ",".join(lines) if lines else None


def is_known(tag: str, known: str | None) -> bool:
    """Whether `If-None-Match` names that strong tag: compared weakly, in a list, or `*` for any (RFC 9110, 13.1.2)."""
    return known is not None and (known.strip() == "*" or tag in TAG.findall(known))
