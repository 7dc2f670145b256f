"""Faults to order: which call goes wrong, how, and how often."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tests import fake_pictures
from tests.fake_http import Reply

Where = Literal["text", "models", "draw", "task", "poll", "upload", "fetch"]

FOR_EVER_SECONDS = 3600.0

CHUNK = b" " * 65_536
DEEP = 100_000  # brackets in each other

# How an answer can go wrong on its way, whatever it says.
ON_THE_WIRE = (
    *("status", "redirect", "drop", "reset", "truncated", "stall", "hang", "slow", "drip", "space_drip"),
    *("html", "malformed", "empty", "wrong_type", "json_list", "json_number", "json_string", "json_null"),
    *("json_deep", "json_odd", "json_dense", "huge", "endless", "gzip"),
)
# What else can be wrong with the lists of an answer of Runware's.
LISTS = ("error_for_other", "error_nameless", "error_and_data", "no_uuid", "wrong_uuid")
# What else can go wrong, by place.
KINDS: dict[Where, tuple[str, ...]] = {
    "text": (
        *ON_THE_WIRE,
        *("error_in_200", "finish_error", "length", "content_filter", "refusal", "null_content", "wrong_schema"),
        *("no_cost", "bad_cost", "content_policy", "long_words"),
    ),
    "models": ON_THE_WIRE,
    "draw": (*ON_THE_WIRE, *LISTS, "task_error", "error_object"),
    "task": ("error", "never", "slow", "no_cost", "bad_cost", "bad_url", "unsafe", "item"),
    "poll": (*ON_THE_WIRE, *LISTS, "unknown"),
    "upload": (*ON_THE_WIRE, *LISTS),
    "fetch": (*ON_THE_WIRE, "wrong_size", "not_an_image", "bomb", "text_bomb", "data_bomb", "format"),
}
# A refusal comes before the work; every other fault loses the answer to work that is done and billed.
BEFORE_THE_WORK = frozenset({"status", "task_error", "error_object"})


@dataclass(slots=True)
class Fault:
    """One order: the next `times` calls (None: all) at `on` go wrong, after letting `skip` of them pass.

    `match` limits it to calls whose text (prompt, messages) contains that word, whatever its case; `for_seconds` to so
    long after the order; `chance` to that share of the calls. `accepted` says whether a drawing or a text call is done
    (and billed) all the same; by default a refusal comes before the work and any other fault loses the answer to work
    that was done.
    """

    on: Where
    kind: str
    times: int | None = 1
    skip: int = 0
    match: str | None = None
    accepted: bool | None = None
    status: int = 503
    code: str = "providerError"
    message: str = "The fake provider was told to fail."
    parameter: Any = None
    retry_after: float | str | None = None
    seconds: float = FOR_EVER_SECONDS
    for_seconds: float | None = None
    chance: float | None = None
    value: Any = None
    ordered_at: float = dataclasses.field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.on not in KINDS or self.kind not in KINDS[self.on]:
            raise ValueError(f"no fault {self.kind!r} at {self.on!r}; there are {KINDS.get(self.on, tuple(KINDS))}")

    @property
    def work_is_done(self) -> bool:
        return self.kind not in BEFORE_THE_WORK if self.accepted is None else self.accepted

    @property
    def on_the_wire(self) -> bool:
        return self.kind in ON_THE_WIRE

    @property
    def is_over(self) -> bool:
        return self.for_seconds is not None and time.monotonic() - self.ordered_at > self.for_seconds

    def headers(self) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        return {
            "Retry-After": self.retry_after if isinstance(self.retry_after, str) else f"{self.retry_after:g}",
        }


class FaultList:
    """The orders in force; the first that fits a call is used up by it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._chance = random.Random(7)

    def add(self, order: dict[str, Any]) -> None:
        """Take an order as JSON; raises `ValueError` or `TypeError` for one that means nothing."""
        self._faults.append(Fault(**order))

    def clear(self) -> None:
        self._faults.clear()

    def take(self, on: Where, text: str = "") -> Fault | None:
        """The fault that strikes this call, or None."""
        self._faults = [fault for fault in self._faults if not fault.is_over]
        for fault in self._faults:
            if fault.on != on or (fault.match is not None and fault.match.lower() not in text.lower()):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.chance is not None and self._chance.random() >= fault.chance:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return dataclasses.replace(fault)
        return None

    def watched_words(self) -> tuple[str, ...]:
        """The words a content policy is watching for now."""
        policies = ("error", "unsafe", "content_policy", "task_error", "error_object")
        return tuple(fault.match for fault in self._faults if fault.match and fault.kind in policies)


async def spoil(reply: Reply, fault: Fault, error: Reply) -> Reply:
    """What becomes of `reply` under a fault on the wire; `error` is how this provider words a refusal."""
    match fault.kind:
        case "status":
            return error
        case "html":
            return Reply(status=200, body=b"<html><body>Bad gateway</body></html>", content_type="text/html")
        case "malformed":
            return dataclasses.replace(reply, body=reply.body[: len(reply.body) // 2])
        case "empty":
            return dataclasses.replace(reply, body=b"")
        case "slow" | "hang":
            await asyncio.sleep(fault.seconds)
            return reply
        case "space_drip":
            return dataclasses.replace(reply, body=b" " * 10_000 + reply.body, ending="drip")
        case "redirect":
            status = fault.status if 300 <= fault.status < 400 else 302
            return Reply(status=status, headers={"Location": str(fault.value)}, content_type="text/plain")
        case "wrong_type":
            return dataclasses.replace(reply, content_type="text/plain; charset=utf-16")
        case "gzip":
            body = fake_pictures.gzip_bomb(int(fault.value or 20_000_000), reply.body)
            return dataclasses.replace(reply, body=body, headers={**reply.headers, "Content-Encoding": "gzip"})
        case "huge" | "endless":
            return dataclasses.replace(reply, body=b'{"data": "', more=_flood(fault))
        case kind if kind.startswith("json_"):
            return dataclasses.replace(reply, body=_odd_json(fault))
        case _:
            return dataclasses.replace(reply, ending=fault.kind)


def _flood(fault: Fault) -> Iterable[bytes]:
    """So many bytes of a JSON answer (128 MB unless told), or bytes for ever."""
    if fault.kind == "endless":
        return itertools.repeat(CHUNK)
    return itertools.chain(itertools.repeat(CHUNK, int(fault.value or 128_000_000) // len(CHUNK)), [b'"}'])


def _odd_json(fault: Fault) -> bytes:
    """JSON that is not what was asked for."""
    match fault.kind:
        case "json_list":
            return b'[{"data": []}, 1, null]'
        case "json_number":
            return b"12345678901234567890e3"
        case "json_string":
            return b'"a picture"'
        case "json_null":
            return b"null"
        case "json_deep":
            return b"[" * DEEP + b"]" * DEEP
        case "json_dense":  # small values: each takes twenty times its own length in memory
            return b'{"data": [' + b"[]," * (int(fault.value or 3_900_000) // 3) + b"[]]}"
        case _:
            odd = {"data": {"taskUUID": 5}, "errors": "no", "error": [], "choices": 7, "usage": [], "model": {}}
            return json.dumps(odd).encode()
