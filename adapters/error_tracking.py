"""Tells a Sentry-compatible service of crashes: what broke and where, never whose story or key it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from sentry_sdk import Client
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import BadDsn, event_from_exception

from config import ConfigurationError

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0  # for what is still to be sent; a host that is gone must not hold up the stop
NOTHING: Any = {
    "user_info": False,
    "cookies": {"mode": "off"},
    "http_headers": {"request": {"mode": "off"}},
    "http_bodies": [],
    "url_query_params": {"mode": "off"},
    "stack_frame_variables": False,
    "frame_context_lines": 0,
}
KEPT = ("event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "sdk", "tags")
KEPT_OF_FRAMES = ("filename", "function", "module", "lineno", "in_app")


class ErrorTracker:
    """Reports from a thread of its own: `report` only queues, and what the queue has no room for is dropped.

    Nothing of the SDK's is switched on but its transport: no hook into logging, requests or the interpreter.
    """

    def __init__(self, dsn: SecretStr, *, version: str, environment: str) -> None:
        try:
            self._client = Client(
                dsn=dsn.get_secret_value(),
                release=version,
                environment=environment,
                before_send=bare,
                integrations=[],
                default_integrations=False,
                auto_enabling_integrations=False,
                data_collection=NOTHING,
                include_local_variables=False,
                include_source_context=False,
                max_request_body_size="never",
                max_breadcrumbs=0,
                auto_session_tracking=False,
                send_client_reports=False,
                enable_backpressure_handling=False,
                enable_metrics=False,
                propagate_traces=False,
                spotlight=False,
                shutdown_timeout=CLOSE_SECONDS,
            )
        except (BadDsn, ValueError):
            raise ConfigurationError("ERROR_DSN: write it like https://key@errors.example/1.") from None

    def report(self, error: BaseException, about: Mapping[str, str]) -> None:
        """Queue one crash; `about` are short names and ids to find it by."""
        try:
            event, hint = event_from_exception(error, client_options=self._client.options)
            event["tags"] = {name: value for name, value in about.items() if value}
            self._client.capture_event(event, hint=hint)
        except Exception as failure:  # reporting a crash must not be the next one
            log.warning("crash not reported", extra={"reason": type(failure).__name__})

    async def aclose(self) -> None:
        """Send what is queued, within a second."""
        await asyncio.to_thread(self._client.close, timeout=CLOSE_SECONDS)


def bare(event: Event, hint: Hint) -> Event:
    """Of an event only what is ours: a message may quote a story, a prompt, an address or a provider's words."""
    kept: dict[str, Any] = {name: event[name] for name in KEPT if name in event}  # type: ignore[literal-required]
    values = (event.get("exception") or {}).get("values") or []
    kept["exception"] = {"values": [_bare_exception(value) for value in values]}
    return kept  # type: ignore[return-value]


def _bare_exception(value: Mapping[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    bare_frames = [{name: frame[name] for name in KEPT_OF_FRAMES if name in frame} for frame in frames]
    return {"type": value.get("type"), "module": value.get("module"), "stacktrace": {"frames": bare_frames}}
