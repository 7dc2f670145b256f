"""Answers what cannot be parsed as HTTP with a problem document: uvicorn's own answer is plain text."""

from __future__ import annotations

import json
import os

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.middleware import API_HEADERS


class ProblemProtocol(H11Protocol):
    """uvicorn's protocol on h11 with errors of the one shape (RFC 9457), an id and the security headers among them."""

    def send_400_response(self, msg: str) -> None:
        request_id = os.urandom(16).hex()
        document = {
            "type": "about:blank",
            "title": "Bad request",
            "status": 400,
            "detail": "This is not a request in HTTP/1.1.",
            "code": "bad_request",
            "retryable": False,
            "request_id": request_id,
        }
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
            *API_HEADERS,
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=json.dumps(document).encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
