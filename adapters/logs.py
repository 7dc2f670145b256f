"""Sets up the log: readable lines in development, JSON elsewhere, with the request and the session on each line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pythonjsonlogger.json import JsonFormatter

from utils import request_in_log, session_in_log

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id", "session_id", "taskName"}
QUIET = (
    "httpx",
    "httpcore",
    "asyncio",
    "uvicorn.access",
    "PIL",
    "docket",
)  # they would name addresses, or every request twice


class Context(logging.Filter):
    """Puts the request id and the session id of the running task on the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        vars(record).pop("color_message", None)  # uvicorn's, with terminal codes
        record.request_id = getattr(record, "request_id", None) or request_in_log.get()
        record.session_id = getattr(record, "session_id", None) or session_in_log.get()
        return True


class ReadableFormatter(logging.Formatter):
    """One line a record: time, level, module, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in PLAIN}
        if session := getattr(record, "session_id", None):
            fields["session_id"] = session
        if request := getattr(record, "request_id", None):
            fields["request_id"] = request
        line = super().format(record)
        return line + "".join(f" {name}={value}" for name, value in fields.items())


def set_up_logs(*, level: str, json_lines: bool) -> None:
    """Send every logger of this process to standard error, at that level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Context())
    if json_lines:
        handler.setFormatter(
            JsonFormatter(
                "{levelname}{name}{message}{request_id}{session_id}",
                style="{",
                timestamp=True,
                rename_fields={"levelname": "level", "name": "logger", "message": "event"},
            )
        )
    else:
        handler.setFormatter(ReadableFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel("WARNING")


@contextmanager
def logged_to(handler: logging.Handler) -> Iterator[None]:
    """Hand every line to one more handler while this lasts."""
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
