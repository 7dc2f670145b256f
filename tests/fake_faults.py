"""Faults to order: which call goes wrong, how, and how often."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from tests.fake_http import Reply, json_reply

Where = Literal["text", "models", "draw", "task", "poll", "upload", "fetch"]

FOR_EVER_SECONDS = 3600.0

# How an answer can go wrong on its way, whatever it says.
ON_THE_WIRE = ("status", "reset", "truncated", "html", "malformed", "empty", "hang", "slow", "drip", "space_drip")
# What else can go wrong, by place.
KINDS: dict[Where, tuple[str, ...]] = {
    "text": (
        *ON_THE_WIRE,
        *("error_in_200", "finish_error", "length", "content_filter", "refusal", "null_content", "wrong_schema"),
        *("no_cost", "bad_cost", "content_policy"),
    ),
    "models": ON_THE_WIRE,
    "draw": (*ON_THE_WIRE, "task_error", "error_object"),
    "task": ("error", "never", "slow", "no_cost", "bad_cost", "bad_url", "unsafe"),
    "poll": (*ON_THE_WIRE, "unknown"),
    "upload": ON_THE_WIRE,
    "fetch": (*ON_THE_WIRE, "wrong_size", "not_an_image", "redirect"),
}
# A refusal comes before the work; every other fault loses the answer to work that is done and billed.
BEFORE_THE_WORK = frozenset({"status", "task_error", "error_object"})


@dataclass(slots=True)
class Fault:
    """One order: the next `times` calls (None: all) at `on` go wrong, after letting `skip` of them pass.

    `match` limits it to calls whose text (prompt, messages) contains that word, whatever its case. `accepted` says
    whether a drawing or a text call is done (and billed) all the same; by default a refusal comes before the work
    and any other fault loses the answer to work that was done.
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
    retry_after: float | None = None
    seconds: float = FOR_EVER_SECONDS
    value: Any = None

    def __post_init__(self) -> None:
        if self.on not in KINDS or self.kind not in KINDS[self.on]:
            raise ValueError(f"no fault {self.kind!r} at {self.on!r}; there are {KINDS.get(self.on, tuple(KINDS))}")

    @property
    def work_is_done(self) -> bool:
        return self.kind not in BEFORE_THE_WORK if self.accepted is None else self.accepted

    @property
    def on_the_wire(self) -> bool:
        return self.kind in ON_THE_WIRE

    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}


class FaultList:
    """The orders in force; the first that fits a call is used up by it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, order: dict[str, Any]) -> None:
        """Take an order as JSON; raises `ValueError` or `TypeError` for one that means nothing."""
        self._faults.append(Fault(**order))

    def clear(self) -> None:
        self._faults.clear()

    def take(self, on: Where, text: str = "") -> Fault | None:
        """The fault that strikes this call, or None."""
        for fault in self._faults:
            if fault.on != on or (fault.match is not None and fault.match.lower() not in text.lower()):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return dataclasses.replace(fault)
        return None

    def watched_words(self) -> tuple[str, ...]:
        """The words a content policy is watching for now."""
        policies = ("error", "unsafe", "content_policy", "task_error")
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
            return json_reply_from(b" " * 10_000 + reply.body, ending="drip")
        case _:
            return dataclasses.replace(reply, ending=fault.kind)


def json_reply_from(body: bytes, *, ending: str) -> Reply:
    """A JSON answer of these very bytes."""
    return dataclasses.replace(json_reply(None), body=body, ending=ending)
