"""OpenRouter, Runware and their picture host on loopback: strict about the contract, slow and faulty to order.

    python -m tests.fake_providers --port 9100 --text-ms 200 --image-ms 2000 --picture-bytes 2700000

    with FakeProviders(image_ms=2000) as fake:
        subprocess.run([...], env={**os.environ, **fake.env()})
        fake.control(faults=[{"on": "draw", "kind": "reset", "times": 2}])
        assert fake.counts()["pictures_paid_twice"] == 0

It counts what it was asked, what it made and what it charged, and lists every request that breaks the contract
(`docs/` of the providers, as of autumn 2026). A second address, the canary, is one that nothing may ever be led to.
`docs/performance.md` describes the control endpoint.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests import fake_answers, fake_contract, fake_pictures
from tests.fake_contract import Complaint, Json
from tests.fake_faults import LISTS, Fault, FaultList, Where, spoil
from tests.fake_http import Reply, Request, json_reply, start_server

TEXT_KEY = "test-openrouter-key"
IMAGE_KEY = "test-runware-key"
MAX_VIOLATIONS_KEPT = 200
MAX_DRAWN_KEPT = 200
MAX_EVENTS_KEPT = 1000
CHARS_PER_TOKEN = 4
CACHE_SECONDS = 300.0
RETRY_AFTER_SECONDS = 1  # after too many drawings at once
REPOSITORY = Path(__file__).parent.parent


@dataclass(slots=True)
class FakeSettings:
    """How the providers behave; each can be changed while they run (`POST /control`)."""

    text_ms: float = 0.0
    image_ms: float = 0.0
    spread: float = 0.0  # sigma of a lognormal spread of both latencies around their medians
    ack_ms: float = 0.0
    poll_ms: float = 0.0
    fetch_ms: float = 0.0
    hidden_ms: float = 0.0  # how long getResponse does not know a task that was accepted
    picture_bytes: int = 150_000
    failing_checks: str = ""  # keys of a check's items that are answered with no, as `place,person`
    failing_times: int = 1  # in so many checks; the later ones are all well
    softens: bool = True  # whether a softer wording, when asked for, leaves out what a content policy watches for
    max_drawing: int | None = None  # more drawings than this at once: 429
    max_draws_per_second: int | None = None
    poll_error_status: int = 200  # the HTTP status of a poll whose only result is an error (not documented)


@dataclass(slots=True)
class Counts:
    """Everything that was seen, made and charged since the start or the last reset."""

    calls: Counter[str] = field(default_factory=Counter)
    text_by_schema: Counter[str] = field(default_factory=Counter)
    text_cache_hits: int = 0
    paid_texts: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)  # of the paid texts: input, output
    paid_pictures: Counter[str] = field(default_factory=Counter)
    task_ids: set[str] = field(default_factory=set)
    conflicts: int = 0
    canary: int = 0  # connections to the address that must never be called
    tries: Counter[tuple[str, str]] = field(default_factory=Counter)  # by kind and question, picture or address
    hurried: int = 0  # that came again well before the time their Retry-After gave them
    events: list[str] = field(default_factory=list)  # `draw ID`, `poll ID`; a row of polls of one id is one event
    last_event: dict[str, str] = field(default_factory=dict)
    pictures_made: int = 0
    fetches: Counter[str] = field(default_factory=Counter)
    faults_struck: Counter[str] = field(default_factory=Counter)
    usd: dict[str, float] = field(default_factory=lambda: {"openrouter": 0.0, "runware": 0.0})
    now: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    drawn: list[Json] = field(default_factory=list)  # the words and references of each accepted drawing
    violations: list[Json] = field(default_factory=list)
    violation_count: int = 0

    def violation(self, where: str, what: str) -> None:
        """Note a request that a real provider would refuse or that breaks a rule we set ourselves."""
        self.violation_count += 1
        if len(self.violations) < MAX_VIOLATIONS_KEPT:
            self.violations.append({"where": where, "what": what})

    def happened(self, what: str, task_id: str) -> None:
        """Note what came for a task, in its order."""
        repeated = what == "poll" and self.last_event.get(task_id) == "poll"
        self.last_event[task_id] = what
        if not repeated and len(self.events) < MAX_EVENTS_KEPT:
            self.events.append(f"{what} {task_id}")

    def begin(self, kind: str) -> None:
        self.now[kind] += 1
        self.most_at_once[kind] = max(self.most_at_once[kind], self.now[kind])

    def end(self, kind: str) -> None:
        self.now[kind] -= 1

    @contextmanager
    def under_way(self, kind: str) -> Iterator[None]:
        self.begin(kind)
        try:
            yield
        finally:
            self.end(kind)

    def view(self) -> Json:
        """The counts as `GET /counts` shows them."""
        return {
            "calls": dict(self.calls),
            "text_by_schema": dict(self.text_by_schema),
            "text_cache_hits": self.text_cache_hits,
            "text_paid": sum(self.paid_texts.values()),
            "text_paid_twice": _repeats(self.paid_texts),
            "tokens": dict(self.tokens),
            "task_ids": len(self.task_ids),
            "conflicts": self.conflicts,
            "canary": self.canary,
            "most_tries": _most_tries(self.tries),
            "hurried": self.hurried,
            "events": list(self.events),
            "pictures_made": self.pictures_made,
            "pictures_paid": sum(self.paid_pictures.values()),
            "pictures_paid_twice": _repeats(self.paid_pictures),
            "fetched_twice": _repeats(self.fetches),
            "faults_struck": dict(self.faults_struck),
            "usd": {name: round(usd, 8) for name, usd in self.usd.items()},
            "now": {name: count for name, count in self.now.items() if count},
            "most_at_once": dict(self.most_at_once),
            "drawn": list(self.drawn),
            "violation_count": self.violation_count,
            "violations": list(self.violations),
        }


def _most_tries(tries: Counter[tuple[str, str]]) -> dict[str, int]:
    """How often, by kind, the same thing was asked for at most."""
    most: dict[str, int] = {}
    for (kind, _), count in tries.items():
        most[kind] = max(most.get(kind, 0), count)
    return most


def _repeats(paid: Counter[str]) -> int:
    return sum(count - 1 for count in paid.values())


@dataclass(slots=True)
class World:
    """What the providers share: settings, counts, faults and a source of chance."""

    settings: FakeSettings
    counts: Counts = field(default_factory=Counts)
    faults: FaultList = field(default_factory=FaultList)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    places: dict[str, str] = field(default_factory=dict)  # what `{canary}` and the like in an address stand for
    not_before: dict[tuple[str, str], float] = field(default_factory=dict)

    def fault(self, on: Where, text: str = "") -> Fault | None:
        fault = self.faults.take(on, text)
        if fault is not None:
            self.counts.faults_struck[f"{on}:{fault.kind}"] += 1
            fault.value = self._filled(fault.value)
        return fault

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(part) for name, part in value.items()}
        if isinstance(value, str):
            for name, place in self.places.items():
                value = value.replace(f"{{{name}}}", place)
        return value

    def tried(self, kind: str, what: str) -> None:
        """Count a try, and whether it comes too early."""
        self.counts.tries[kind, what] += 1
        if time.monotonic() < self.not_before.get((kind, what), 0.0):
            self.counts.hurried += 1

    def told_to_wait(self, kind: str, what: str, fault: Fault | None, seconds: float | None = None) -> None:
        """Remember a Retry-After; a fifth less is forgiven."""
        told = fault.retry_after if fault is not None else seconds
        if isinstance(told, int | float):
            self.not_before[kind, what] = time.monotonic() + 0.8 * told

    def seconds(self, median_ms: float) -> float:
        """A latency around its median, spread as the settings say."""
        factor = math.exp(self.chance.gauss(0, self.settings.spread)) if self.settings.spread else 1.0
        return median_ms / 1000 * factor

    async def pause(self, median_ms: float) -> None:
        if median_ms > 0:
            await asyncio.sleep(self.seconds(median_ms))

    def check_bearer(self, request: Request, where: str, key: str) -> bool:
        """Whether the request carries the one key of this provider; anything else is noted."""
        if request.headers.get("authorization") == f"Bearer {key}":
            return True
        self.counts.violation(where, "no Authorization: Bearer with this provider's key")
        return False

    def check_json(self, request: Request, where: str) -> None:
        if not request.headers.get("content-type", "").startswith("application/json"):
            self.counts.violation(where, "Content-Type is not application/json")


# --- OpenRouter ------------------------------------------------------------------------------------------------


class FakeOpenRouter:
    """Chat completions with strict JSON schemas, the response cache and the model list."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cache: dict[bytes, tuple[float, Json]] = {}

    async def chat(self, request: Request) -> Reply:
        counts = self.world.counts
        counts.calls["text"] += 1
        self.world.check_json(request, "text")
        if not self.world.check_bearer(request, "text", TEXT_KEY):
            return _openrouter_error(401, "No auth credentials found")
        try:
            body = request.json()
        except ValueError:
            body = None
        if complaints := fake_contract.check_chat(body):
            for complaint in complaints:
                counts.violation("text", complaint.message)
            return _openrouter_error(400, complaints[0].message, "invalid_request")
        with counts.under_way("text"):
            return await self._chat(request, body)

    async def _chat(self, request: Request, body: Json) -> Reply:
        question = hashlib.sha256(request.body).hexdigest()
        self.world.tried("text", question)
        fault = self.world.fault("text", _words_of(body))
        self.world.told_to_wait("text", question, fault)
        refusal = _refusal(fault) if fault is not None else None
        if fault is not None and not fault.work_is_done:
            return refusal or _openrouter_error(fault.status, fault.message, headers=fault.headers())
        reply = refusal or await self._answered(request, body, fault)
        if fault is not None and fault.on_the_wire:
            return await spoil(reply, fault, _openrouter_error(fault.status, fault.message, headers=fault.headers()))
        return reply

    async def _answered(self, request: Request, body: Json, fault: Fault | None) -> Reply:
        wants_cache = request.headers.get("x-openrouter-cache", "").lower() == "true"
        if wants_cache and (hit := self._cached(request.body)) is not None:
            self.world.counts.text_cache_hits += 1
            return json_reply(hit, headers={"X-OpenRouter-Cache-Status": "HIT"})
        await self.world.pause(self.world.settings.text_ms)
        model = self._model(body)
        if isinstance(model, Reply):
            return model
        completion = self._complete(model, body, fault)
        self._charge(request, body, completion)
        if fault is not None and fault.kind == "bad_cost":
            completion["usage"]["cost"] = fault.value
        if fault is not None and fault.kind == "no_cost":
            del completion["usage"]["cost"]
        if wants_cache and (fault is None or fault.on_the_wire):
            ttl = float(request.headers.get("x-openrouter-cache-ttl", CACHE_SECONDS))
            self.cache[request.body] = (time.monotonic() + ttl, completion)
        return json_reply(
            completion, headers={"X-Generation-Id": completion["id"], "X-OpenRouter-Cache-Status": "MISS"}
        )

    def _cached(self, body: bytes) -> Json | None:
        ends, completion = self.cache.get(body, (0.0, {}))
        if ends < time.monotonic():
            return None
        free = {name: 0 for name in ("prompt_tokens", "completion_tokens", "total_tokens", "cost")}
        return {**completion, "id": f"gen-{uuid.uuid4().hex[:24]}", "usage": {**completion["usage"], **free}}

    def _model(self, body: Json) -> str | Reply:
        """The model that answers: the first that exists and takes what was sent."""
        names: list[str] = [name for name in [body.get("model"), *(body.get("models") or [])] if name is not None]
        known = [name for name in names if name in fake_contract.TEXT_MODELS]
        if not known:
            self.world.counts.violation("text", f"unknown model {names}")
            return _openrouter_error(404, f"No endpoints found for {names}", "not_found")
        if not (body.get("provider") or {}).get("require_parameters"):
            return known[0]
        missing: list[str] = []
        for name in known:
            missing = fake_contract.missing_parameters(body, fake_contract.TEXT_MODELS[name])
            if not missing:
                return name
        self.world.counts.violation("text", f"no endpoint of {known} takes {missing}")
        return _openrouter_error(404, "No endpoints found that can handle the parameters", "constraint_filtered")

    def _complete(self, model: str, body: Json, fault: Fault | None) -> Json:
        content, finish = self._content(body), "stop"
        if fault is not None and fault.kind == "long_words":
            content = json.dumps(_lengthened(json.loads(content), int(fault.value)), ensure_ascii=False)
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        lengthened = fault is not None and fault.kind == "long_words"
        if not lengthened and limit is not None and len(content) // CHARS_PER_TOKEN > limit:
            content, finish = content[: limit * CHARS_PER_TOKEN], "length"
        tokens_in = len(_words_of(body)) // CHARS_PER_TOKEN + 1
        tokens_out = len(content) // CHARS_PER_TOKEN + 1
        completion: Json = {
            "id": f"gen-{uuid.uuid4().hex[:24]}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "provider": "Fake",
            "system_fingerprint": None,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish,
                    "native_finish_reason": finish.upper(),
                    "message": {"role": "assistant", "content": content, "refusal": None},
                }
            ],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
                "cost": fake_contract.TEXT_MODELS[model].cost(tokens_in, tokens_out),
                "is_byok": False,
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }
        if fault is not None:
            _twist(completion, fault)
        return completion

    def _content(self, body: Json) -> str:
        response_format = body.get("response_format") or {}
        if response_format.get("type") != "json_schema":
            return json.dumps({"text": _text_of(body, "user")[:200]})
        wrapper = response_format["json_schema"]
        self.world.counts.text_by_schema[wrapper["name"]] += 1
        user, system = _text_of(body, "user"), _text_of(body, "system")
        forbidden = self.world.faults.watched_words() if self.world.settings.softens else ()
        failing = self._failing() if wrapper["name"] == "picture_check" else ()
        answer = fake_answers.answer(wrapper["schema"], user=user, system=system, forbidden=forbidden, failing=failing)
        return json.dumps(answer, ensure_ascii=False)

    def _failing(self) -> tuple[str, ...]:
        """The items the next check fails, as ordered and as often."""
        settings = self.world.settings
        if settings.failing_times <= 0:
            return ()
        settings.failing_times -= 1
        return tuple(filter(None, settings.failing_checks.split(",")))

    def _charge(self, request: Request, body: Json, completion: Json) -> None:
        if completion["choices"][0]["finish_reason"] == "error":
            return
        self.world.counts.usd["openrouter"] += completion["usage"]["cost"]
        self.world.counts.paid_texts[hashlib.sha256(request.body).hexdigest()] += 1
        self.world.counts.tokens["input"] += completion["usage"]["prompt_tokens"]
        self.world.counts.tokens["output"] += completion["usage"]["completion_tokens"]

    async def models(self, request: Request) -> Reply:
        self.world.counts.calls["models"] += 1
        given = request.headers.get("authorization")
        if given is not None and given != f"Bearer {TEXT_KEY}":
            self.world.counts.violation("models", "another key than this provider's")
        wanted = set(filter(None, request.query.get("supported_parameters", "").split(",")))
        listed = [
            fake_contract.model_entry(name, rule)
            for name, rule in fake_contract.TEXT_MODELS.items()
            if wanted <= set(rule.parameters)
        ]
        reply = json_reply({"data": listed})
        fault = self.world.fault("models")
        return reply if fault is None else await spoil(reply, fault, _openrouter_error(fault.status, fault.message))


def _words_of(body: Json) -> str:
    return " ".join(_content_text(message) for message in body["messages"])


def _text_of(body: Json, role: str) -> str:
    return " ".join(_content_text(message) for message in body["messages"] if message.get("role") == role)


def _content_text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [])


def _lengthened(value: Any, chars: int) -> Any:
    """The same with every text (but a single word, which may be a name or a choice) repeated to that length."""
    if isinstance(value, dict):
        return {name: _lengthened(part, chars) for name, part in value.items()}
    if isinstance(value, list):
        return [_lengthened(part, chars) for part in value]
    if isinstance(value, str) and " " in value:
        return (value * (chars // len(value) + 1))[:chars]
    return value


def _twist(completion: Json, fault: Fault) -> None:
    """Turn a good completion into one of the 200s that are failures."""
    choice, usage = completion["choices"][0], completion["usage"]
    message = choice["message"]
    match fault.kind:
        case "finish_error":
            error = {"code": 502, "message": fault.message, "metadata": {"error_type": "provider_unavailable"}}
            choice.update(finish_reason="error", native_finish_reason=None, error=error)
            message["content"] = message["content"][:20]
            usage["cost"] = 0
        case "length":
            choice["finish_reason"] = "length"
            message["content"] = message["content"][: len(message["content"]) // 2]
        case "content_filter":
            choice["finish_reason"] = "content_filter"
            message["content"] = ""
        case "refusal":
            message.update(content=None, refusal=fault.message)
        case "null_content":
            message["content"] = None
        case "wrong_schema":
            message["content"] = '{"unexpected": [1, 2, 3]}'


def _refusal(fault: Fault) -> Reply | None:
    """The refusals that have a shape of their own."""
    if fault.kind == "error_in_200":
        return json_reply({"error": {"code": fault.status, "message": fault.message, "metadata": {}}})
    if fault.kind == "content_policy":
        metadata = {"reasons": ["violence"], "flagged_input": fault.match or "", "provider_name": "Fake"}
        return json_reply({"error": {"code": 403, "message": "Input flagged", "metadata": metadata}}, 403)
    return None


def _openrouter_error(
    status: int, message: str, error_type: str | None = None, headers: dict[str, str] | None = None
) -> Reply:
    metadata = {} if error_type is None else {"error_type": error_type}
    return json_reply({"error": {"code": status, "message": message, "metadata": metadata}}, status, headers)


# --- Runware ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Drawing:
    """One accepted imageInference task."""

    task: Json
    since: float
    fault: Fault | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    results: list[Json] = field(default_factory=list)
    error: Json | None = None

    @property
    def fingerprint(self) -> str:
        return _fingerprint(self.task)


def _fingerprint(task: Json) -> str:
    """What a picture is paid for: the same words, model, size, seed and references are the same picture."""
    names = ("model", "positivePrompt", "width", "height", "resolution", "seed", "inputs", "outputFormat")
    wanted = json.dumps([task.get(name) for name in names], sort_keys=True)
    return hashlib.sha256(wanted.encode()).hexdigest()


class FakeRunware:
    """imageInference, getResponse, mediaStorage, accountManagement and ping, one array of tasks a request."""

    def __init__(self, world: World, hall: PictureHall) -> None:
        self.world = world
        self.hall = hall
        self.drawings: dict[str, Drawing] = {}
        self.uploads: dict[str, fake_pictures.Colour] = {}  # by mediaUUID and by URL
        self.recent_draws: list[float] = []
        self.jobs: set[asyncio.Task[None]] = set()

    async def handle(self, request: Request) -> Reply:
        self.world.check_json(request, "runware")
        try:
            tasks = request.json()
        except ValueError:
            tasks = None
        if not isinstance(tasks, list) or not tasks:
            self.world.counts.violation("runware", "the body is not an array of tasks")
            return _runware_reply([], [_error(Complaint("invalidRequestBody", "the body is always an array"), {})])
        if (refused := self._unauthorised(request, tasks)) is not None:
            return refused
        work = [task for task in tasks if not (isinstance(task, dict) and task.get("taskType") == "authentication")]
        return await self._handle(request, work)

    def _unauthorised(self, request: Request, tasks: list[Any]) -> Reply | None:
        first = tasks[0] if isinstance(tasks[0], dict) else {}
        if first.get("taskType") == "authentication":
            if "authorization" in request.headers:
                self.world.counts.violation("runware", "the key is sent twice: as a header and as a task")
            if first.get("apiKey") == IMAGE_KEY:
                return None
            self.world.counts.violation("runware", "an authentication task without this provider's key")
        elif self.world.check_bearer(request, "runware", IMAGE_KEY):
            return None
        return _runware_reply([], [_error(Complaint("invalidApiKey", "Invalid API key.", "apiKey", 401), {})])

    async def _handle(self, request: Request, tasks: list[Any]) -> Reply:
        where = _place(tasks)
        self._note(where, tasks)
        fault = self.world.fault(where, " ".join(self._prompt_of(task) for task in tasks if isinstance(task, dict)))
        if where == "draw":
            self.world.told_to_wait("draw", _fingerprint(tasks[0]), fault)
        if fault is not None and not fault.work_is_done:
            self.world.counts.calls[f"{where}_refused"] += 1
            return _ordered_refusal(fault, tasks)
        if where == "poll":
            self.world.counts.calls["poll"] += 1
        with self.world.counts.under_way(where):
            await self.world.pause(self.world.settings.poll_ms if where == "poll" else self.world.settings.ack_ms)
            answered = [await self._one(task, request, fault) for task in tasks]
            found = [item for data, _ in answered for item in data]
            errors = [item for _, failed in answered for item in failed]
            if fault is not None and fault.kind in LISTS:
                found, errors = _other_lists(found, errors, fault, tasks)
            status = self.world.settings.poll_error_status if where == "poll" else None
            reply = _runware_reply(found, errors, status)
            if fault is not None and fault.on_the_wire:
                return await spoil(reply, fault, _ordered_refusal(fault, tasks))
            return reply

    def _note(self, where: Where, tasks: list[Any]) -> None:
        """Write down what came, before anything goes wrong with it."""
        for task in tasks:
            if isinstance(task, dict) and where in ("draw", "poll"):
                self.world.counts.happened(where, str(task.get("taskUUID")))
            if isinstance(task, dict) and where == "draw":
                self.world.tried("draw", _fingerprint(task))

    def _prompt_of(self, task: Json) -> str:
        """The words of a drawing, also of one that is asked for."""
        drawing = self.drawings.get(str(task.get("taskUUID")))
        return str((drawing.task if drawing else task).get("positivePrompt", ""))

    async def _one(self, task: Any, request: Request, fault: Fault | None) -> tuple[list[Json], list[Json]]:
        """The data and the errors of one task."""
        if complaints := fake_contract.check_envelope(task):
            return [], self._complain("runware", task if isinstance(task, dict) else {}, complaints)
        match task["taskType"]:
            case "imageInference":
                return await self._draw(task, dry="x-runware-dry-run" in request.headers)
            case "getResponse":
                return ([], []) if fault is not None and fault.kind == "unknown" else self._poll(task)
            case "mediaStorage":
                return self._upload(task)
            case "accountManagement":
                return self._account(task)
            case "ping":
                self.world.counts.calls["ping"] += 1
                return [{"taskType": "ping", "pong": True}], []
            case other:
                complaint = Complaint("invalidTaskType", f"this fake does not do {other}", "taskType")
                return [], self._complain("runware", task, [complaint])

    def _complain(self, where: str, task: Json, complaints: list[Complaint]) -> list[Json]:
        for complaint in complaints:
            self.world.counts.violation(where, complaint.message)
        return [_error(complaint, task) for complaint in complaints[:1]]

    async def _draw(self, task: Json, *, dry: bool) -> tuple[list[Json], list[Json]]:
        counts = self.world.counts
        counts.calls["draw"] += 1
        if complaints := fake_contract.check_image_task(task) + self._unknown_references(task):
            return [], self._complain("draw", task, complaints)
        self._check_house_rules(task)
        if dry:
            return [{"taskType": "imageInference", "taskUUID": task["taskUUID"], "cost": _price(task)}], []
        earlier = self.drawings.get(task["taskUUID"])
        if earlier is not None:
            if earlier.task != task:
                counts.violation("draw", "a taskUUID is used for two different tasks")
            if not earlier.done.is_set():
                counts.conflicts += 1
                return [], [_error(Complaint("conflictTaskUUID", "The taskUUID is in use.", "taskUUID"), task)]
        if self._too_fast():
            counts.calls["draw_limited"] += 1
            self.world.told_to_wait("draw", _fingerprint(task), None, RETRY_AFTER_SECONDS)
            return [], [_error(Complaint("providerRateLimitExceeded", "Slow down.", "", 429), task)]
        drawing = self._begin(task)
        if task.get("deliveryMethod", "sync") != "sync":
            return [{"taskType": "imageInference", "taskUUID": task["taskUUID"]}], []
        await drawing.done.wait()
        return drawing.results, [drawing.error] if drawing.error else []

    def _check_house_rules(self, task: Json) -> None:
        """What the provider would let pass, but this service promises."""
        if task.get("deliveryMethod") != "async":
            self.world.counts.violation("draw", "deliveryMethod is not async: a lost answer could not be asked for")
        if task.get("includeCost") is not True:
            self.world.counts.violation("draw", "includeCost is not true: the cost would be unknown")

    def _unknown_references(self, task: Json) -> list[Complaint]:
        strange = [image for image in fake_contract.references(task) if not self._known_image(image)]
        return [Complaint("imageNotFound", "a reference image is not known", "inputs")] if strange else []

    def _known_image(self, image: str) -> bool:
        return (
            image in self.uploads or re.match(r"data:image/[a-z]+;base64,", image) is not None or self.hall.owns(image)
        )

    def _colour(self, image: str) -> fake_pictures.Colour:
        """What tells a reference: uploaded bytes by themselves, anything else by its address."""
        return self.uploads.get(image) or fake_pictures.bar_colour(image.encode())

    def _too_fast(self) -> bool:
        settings, now = self.world.settings, time.monotonic()
        self.recent_draws = [at for at in self.recent_draws if now - at < 1.0]
        if settings.max_drawing is not None and self.world.counts.now["drawing"] >= settings.max_drawing:
            return True
        if settings.max_draws_per_second is not None and len(self.recent_draws) >= settings.max_draws_per_second:
            return True
        self.recent_draws.append(now)
        return False

    def _begin(self, task: Json) -> Drawing:
        fault = self.world.fault("task", str(task["positivePrompt"]))
        drawing = Drawing(task, time.monotonic(), fault)
        self.drawings[task["taskUUID"]] = drawing
        self.world.counts.task_ids.add(task["taskUUID"])
        if len(self.world.counts.drawn) < MAX_DRAWN_KEPT:
            after = fake_contract.references(task)
            self.world.counts.drawn.append({"prompt": task["positivePrompt"], "references": after})
        self.world.counts.begin("drawing")
        job = asyncio.get_running_loop().create_task(self._work(drawing))
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
        return drawing

    async def _work(self, drawing: Drawing) -> None:
        fault, task = drawing.fault, drawing.task
        await self.world.pause(self.world.settings.image_ms)
        if fault is not None and fault.kind in {"never", "slow"}:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "error":
            drawing.error = _ordered_error(fault, task)
        else:
            self._deliver(drawing)
        self.world.counts.end("drawing")
        drawing.done.set()

    def _deliver(self, drawing: Drawing) -> None:
        """Make the pictures and charge for them."""
        task, counts = drawing.task, self.world.counts
        cost = _price(task)
        for number in range(task.get("numberResults", 1)):
            counts.pictures_made += 1
            counts.usd["runware"] += cost or 0.0
            drawing.results.append(self._result(drawing, number, cost))
        counts.paid_pictures[drawing.fingerprint] += 1

    def _result(self, drawing: Drawing, number: int, cost: float | None) -> Json:
        task, fault = drawing.task, drawing.fault
        kind = task.get("outputFormat", "JPG")
        image_id = str(uuid.uuid4())
        width, height = task.get("width") or 1024, task.get("height") or 1024
        bars = tuple(self._colour(image) for image in fake_contract.references(task))
        hung = Hung(width, height, kind, bars, prompt=str(task.get("positivePrompt", "")))
        url = self.hall.hang(image_id, hung)
        item: Json = {
            "taskType": "imageInference",
            "taskUUID": task["taskUUID"],
            "imageUUID": image_id,
            "seed": (task.get("seed") or self.world.chance.randrange(2**31)) + number,
            "NSFWContent": fault is not None and fault.kind == "unsafe",
        }
        item |= self._delivery(task, image_id, url if fault is None or fault.kind != "bad_url" else fault.value)
        if fault is not None and fault.kind == "item":
            item |= fault.value
        if task.get("includeCost") and cost is not None and not (fault is not None and fault.kind == "no_cost"):
            item["cost"] = fault.value if fault is not None and fault.kind == "bad_cost" else cost
        return item

    def _delivery(self, task: Json, image_id: str, url: Any) -> Json:
        if task.get("outputType", "URL") == "URL":
            return {"imageURL": url}
        content = base64.b64encode(self.hall.content(image_id)).decode()
        if task["outputType"] == "base64Data":
            return {"imageBase64Data": content}
        return {"imageDataURI": f"data:{self.hall.content_type(image_id)};base64,{content}"}

    def _poll(self, task: Json) -> tuple[list[Json], list[Json]]:
        self.world.counts.calls["poll_tasks"] += 1
        for name in task.keys() - {"taskType", "taskUUID"}:
            self.world.counts.violation("poll", f"{name} is not a parameter of getResponse")
        drawing = self.drawings.get(task["taskUUID"])
        hidden = self.world.settings.hidden_ms / 1000
        if drawing is None or time.monotonic() - drawing.since < hidden:
            return [], []
        if drawing.error is not None:
            return [], [drawing.error]
        if drawing.done.is_set():
            return [{**item, "status": "success"} for item in drawing.results], []
        running = {"taskType": "imageInference", "taskUUID": task["taskUUID"], "status": "processing"}
        return [running], []

    def _upload(self, task: Json) -> tuple[list[Json], list[Json]]:
        self.world.counts.calls["upload"] += 1
        media = task.get("media")
        extra = task.keys() - {"taskType", "taskUUID", "operation", "media"}
        if task.get("operation") != "upload" or not isinstance(media, str) or not media or extra:
            complaint = Complaint(
                "invalidMedia", f"mediaStorage takes operation: upload and media, not {extra}", "media"
            )
            return [], self._complain("upload", task, [complaint])
        media_id = str(uuid.uuid4())
        url = self.hall.hang(media_id, Hung(512, 512, "JPG"))
        self.uploads |= dict.fromkeys((media_id, url), fake_pictures.bar_colour(_bytes_of(media)))
        return [{"taskType": "mediaStorage", "taskUUID": task["taskUUID"], "mediaUUID": media_id, "mediaURL": url}], []

    def _account(self, task: Json) -> tuple[list[Json], list[Json]]:
        self.world.counts.calls["account"] += 1
        if task.get("operation") != "getDetails":
            complaint = Complaint("invalidOperation", "accountManagement takes operation: getDetails", "operation")
            return [], self._complain("account", task, [complaint])
        usage = {"total": {"credits": round(self.world.counts.usd["runware"], 6), "requests": 0}}
        answer = {"taskType": "accountManagement", "taskUUID": task["taskUUID"], "balance": 100.0, "usage": usage}
        return [answer], []


def _bytes_of(media: str) -> bytes:
    """The bytes of a data URI; of anything else its own."""
    encoded = re.fullmatch(r"data:image/[a-z]+;base64,(.*)", media, re.DOTALL)
    return base64.b64decode(encoded[1]) if encoded else media.encode()


def _place(tasks: list[Any]) -> Where:
    kinds = {task.get("taskType") for task in tasks if isinstance(task, dict)}
    if "imageInference" in kinds:
        return "draw"
    return "poll" if "getResponse" in kinds else "upload"


def _price(task: Json) -> float | None:
    return fake_contract.IMAGE_MODELS[task["model"]].cost(len(fake_contract.references(task)))


def _error(complaint: Complaint, task: Json) -> Json:
    error = {"code": complaint.code, "message": complaint.message, "documentation": "https://runware.ai/docs/"}
    error |= {name: task[name] for name in ("taskUUID", "taskType") if isinstance(task.get(name), str)}
    return error | {"parameter": complaint.parameter, "status": complaint.status}


def _runware_reply(found: list[Json], errors: list[Json], error_status: int | None = None) -> Reply:
    """Both lists, as documented; the status is the first error's when nothing else came of the request."""
    status = 200 if found or not errors else error_status or int(errors[0]["status"])
    shown = [{name: value for name, value in error.items() if name != "status" and value != ""} for error in errors]
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 429 else {}
    return json_reply({"data": found} | ({"errors": shown} if errors else {}), status, headers)


def _ordered_error(fault: Fault, task: Json) -> Json:
    error = _error(Complaint(fault.code, fault.message, "", fault.status), task)
    return error if fault.parameter is None else error | {"parameter": fault.parameter}


def _ordered_refusal(fault: Fault, tasks: list[Any]) -> Reply:
    task = tasks[0] if isinstance(tasks[0], dict) else {}
    code = fault.code if fault.kind != "status" or fault.code != "providerError" else _code_for(fault.status)
    error = _ordered_error(dataclasses.replace(fault, code=code), task)
    shown = {name: value for name, value in error.items() if name != "status" and value != ""}
    content = {"error": shown} if fault.kind == "error_object" else {"errors": [shown]}
    return json_reply(content, fault.status, fault.headers())


def _other_lists(
    found: list[Json], errors: list[Json], fault: Fault, tasks: list[Any]
) -> tuple[list[Json], list[Json]]:
    """The two lists of an answer as they must not be: about somebody else, or about nobody."""
    stranger = {"taskUUID": str(uuid.uuid4()), "taskType": "imageInference"}
    match fault.kind:
        case "error_for_other":
            return found, [*errors, _ordered_error(fault, stranger)]
        case "error_nameless":
            return [], [_ordered_error(fault, {})]
        case "error_and_data":
            return found, [*errors, *(_ordered_error(fault, task) for task in tasks)]
        case "no_uuid":
            return [{name: value for name, value in item.items() if name != "taskUUID"} for item in found], errors
        case _:
            return [item | {"taskUUID": stranger["taskUUID"]} for item in found], errors


def _code_for(status: int) -> str:
    known = {401: "invalidApiKey", 402: "insufficientCredits", 403: "forbidden", 429: "providerRateLimitExceeded"}
    return known.get(
        status, "timeout" if status in {408, 504} else "serviceUnavailable" if status >= 500 else "invalidRequest"
    )


# --- The picture host ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hung:
    """A picture that waits to be fetched."""

    width: int
    height: int
    kind: str
    bars: tuple[fake_pictures.Colour, ...] = ()
    prompt: str = ""


class PictureHall:
    """The host the pictures are fetched from; it wants no key and hands out each picture as often as asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.origin = ""
        self.pictures: dict[str, Hung] = {}

    def hang(self, image_id: str, picture: Hung) -> str:
        """Keep a picture under its id and return its URL."""
        self.pictures[image_id] = picture
        return f"{self.origin}/image/os/a1/ws/2/ii/{image_id}.{picture.kind.lower()}"

    def owns(self, url: str) -> bool:
        return url.startswith(f"{self.origin}/image/") and _id_of(url) in self.pictures

    def content(self, image_id: str) -> bytes:
        hung = self.pictures[image_id]
        size = self.world.settings.picture_bytes
        return fake_pictures.picture(
            hung.width, hung.height, size_bytes=size, kind=hung.kind, mark=image_id, bars=hung.bars
        )

    def content_type(self, image_id: str) -> str:
        return fake_pictures.CONTENT_TYPES[self.pictures[image_id].kind]

    async def fetch(self, request: Request) -> Reply:
        counts = self.world.counts
        counts.calls["fetch"] += 1
        self._check_no_key(request)
        image_id = _id_of(request.path)
        if image_id not in self.pictures:
            return json_reply({"error": "not found"}, 404)
        counts.fetches[image_id] += 1
        self.world.tried("fetch", image_id)
        with counts.under_way("fetch"):
            await self.world.pause(self.world.settings.fetch_ms)
            fault = self.world.fault("fetch", self.pictures[image_id].prompt)
            self.world.told_to_wait("fetch", image_id, fault)
            reply = Reply(body=self.content(image_id), content_type=self.content_type(image_id))
            return reply if fault is None else await self._faulty(request, reply, fault, image_id)

    def _check_no_key(self, request: Request) -> None:
        sent = " ".join([request.path, *request.query.values(), *request.headers.values()])
        if "authorization" in request.headers or TEXT_KEY in sent or IMAGE_KEY in sent:
            self.world.counts.violation("fetch", "a key was sent to the picture host")

    async def _faulty(self, request: Request, reply: Reply, fault: Fault, image_id: str) -> Reply:
        hung = self.pictures[image_id]
        if fault.kind == "redirect":
            fault.value = str(fault.value).replace("{self}", request.path)
        side = int(fault.value) if fault.kind in ("bomb", "text_bomb", "data_bomb") else 0
        match fault.kind:
            case "wrong_size":
                body = fake_pictures.picture(64, 64, size_bytes=0, mark=image_id)
            case "not_an_image":
                body = b"this is not a picture " * 100
            case "format":
                body = fake_pictures.odd_picture(str(fault.value), hung.width, hung.height)
            case "bomb":
                body = fake_pictures.flat_png(side, side)
            case "text_bomb":
                body = fake_pictures.flat_png(hung.width, hung.height, text_bytes=side)
            case "data_bomb":
                body = fake_pictures.flat_png(hung.width, hung.height, extra_bytes=side)
            case _:
                refusal = json_reply({"error": fault.message}, fault.status, fault.headers())
                return await spoil(reply, fault, refusal)
        return dataclasses.replace(reply, body=body)


def _id_of(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


# --- The house they live in ------------------------------------------------------------------------------------


class FakeHouse:
    """All of them behind one port, with the control and count endpoints."""

    def __init__(self, settings: FakeSettings) -> None:
        self.world = World(settings)
        self.hall = PictureHall(self.world)
        self.openrouter = FakeOpenRouter(self.world)
        self.runware = FakeRunware(self.world, self.hall)
        self.servers: list[asyncio.Server] = []
        self.routes: dict[tuple[str, str], Callable[[Request], Awaitable[Reply]]] = {
            ("POST", "/openrouter/api/v1/chat/completions"): self.openrouter.chat,
            ("GET", "/openrouter/api/v1/models"): self.openrouter.models,
            ("POST", "/runware/v1"): self.runware.handle,
            ("POST", "/control"): self.control,
            ("POST", "/reset"): self.reset,
            ("GET", "/counts"): self.counts,
        }

    async def open(self, *, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and beside it the canary; returns the port."""
        server = await start_server(self.handle, host=host, port=port)
        canary = await asyncio.start_server(self._sing, host, 0)
        self.servers = [server, canary]
        port, canary_port = (each.sockets[0].getsockname()[1] for each in self.servers)
        with contextlib.suppress(OSError):  # a machine without IPv6 cannot be led there
            self.servers.append(await asyncio.start_server(self._sing, "::1", canary_port))
        self.hall.origin = f"http://{host}:{port}"
        self.world.places = {
            "origin": self.hall.origin,
            "port": str(port),
            "canary": f"http://{host}:{canary_port}",
            "canary_port": str(canary_port),
        }
        return int(port)

    def close(self) -> None:
        for server in self.servers:
            server.close()

    async def _sing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody was led to where nobody should go."""
        self.world.counts.canary += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def handle(self, request: Request) -> Reply:
        if request.method == "GET" and request.path.startswith("/image/"):
            return await self.hall.fetch(request)
        route = self.routes.get((request.method, request.path))
        if route is not None:
            return await route(request)
        self.world.counts.violation("host", f"nothing at {request.method} {request.path}")
        return json_reply({"error": {"code": 404, "message": "Not found"}}, 404)

    async def control(self, request: Request) -> Reply:
        """`{"clear_faults": true, "faults": [...], …settings}`: take the orders and show the settings in force."""
        try:
            orders = request.json()
            if orders.pop("forget_uploads", False):
                self.runware.uploads.clear()
            if orders.pop("clear_faults", False):
                self.world.faults.clear()
            for order in orders.pop("faults", []):
                self.world.faults.add(order)
            self.world.settings = dataclasses.replace(self.world.settings, **orders)
        except (ValueError, TypeError, AttributeError) as error:
            return json_reply({"error": str(error)}, 400)
        return json_reply(dataclasses.asdict(self.world.settings))

    async def counts(self, request: Request) -> Reply:
        return json_reply(self.world.counts.view())

    async def reset(self, request: Request) -> Reply:
        """New counts, no faults, no waits, no cached answers; settings, tasks under way and pictures stay."""
        drawing = self.world.counts.now["drawing"]
        self.world.not_before.clear()
        self.world.counts = Counts()
        self.world.counts.now["drawing"] = drawing
        self.world.faults.clear()
        self.openrouter.cache.clear()
        return json_reply({})


async def serve(settings: FakeSettings, *, host: str = "127.0.0.1", port: int = 0, with_parent: bool = False) -> None:
    """Serve until SIGTERM or SIGINT (or, `with_parent`, until standard input ends); the first line out is the port."""
    house = FakeHouse(settings)
    port = await house.open(host=host, port=port)
    print(json.dumps({"port": port}), flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    if with_parent:
        loop.add_reader(sys.stdin, stop.set)
    await stop.wait()
    house.close()


def environment(origin: str) -> dict[str, str]:
    """What makes the service use the providers at that address."""
    return {
        "OPENROUTER_API_KEY": TEXT_KEY,
        "RUNWARE_API_KEY": IMAGE_KEY,
        "OPENROUTER_BASE_URL": f"{origin}/openrouter/api/v1",
        "RUNWARE_BASE_URL": f"{origin}/runware/v1",
        "IMAGE_ORIGINS": origin,
    }


class FakeProviders:
    """The fake providers in a process of their own on a free port, for as long as the `with` block lasts."""

    def __init__(self, *, port: int = 0, **settings: Any) -> None:
        self.settings = FakeSettings(**settings)
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        options = [f"--{name.replace('_', '-')}={value}" for name, value in _changed(self.settings)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fake_providers", f"--port={self.port}", "--with-parent", *options],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if not first:
            raise RuntimeError("the fake providers did not start")
        self.port = json.loads(first)["port"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=10)
        self._process = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openrouter_url(self) -> str:
        return f"{self.origin}/openrouter/api/v1"

    @property
    def runware_url(self) -> str:
        return f"{self.origin}/runware/v1"

    def env(self) -> dict[str, str]:
        """What makes the service use these providers."""
        return environment(self.origin)

    def counts(self) -> Json:
        """Everything seen, made and charged since the start or the last `reset`."""
        return self._ask("GET", "/counts")

    def control(self, **orders: Any) -> Json:
        """Change settings (`image_ms=500`), order faults (`faults=[…]`), forget them (`clear_faults=True`)."""
        return self._ask("POST", "/control", orders)

    def reset(self) -> None:
        """Forget counts, faults and cached answers."""
        self._ask("POST", "/reset", {})

    def _ask(self, method: str, path: str, content: Json | None = None) -> Json:
        import httpx  # the server process does without it

        reply = httpx.request(method, self.origin + path, json=content, trust_env=False, timeout=30)
        reply.raise_for_status()
        answer: Json = reply.json()
        return answer


def _changed(settings: FakeSettings) -> list[tuple[str, Any]]:
    plain = dataclasses.asdict(FakeSettings())
    now = dataclasses.asdict(settings)
    return [
        (name, int(value) if value is True or value is False else value)
        for name, value in now.items()
        if value != plain[name]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    for name, value in dataclasses.asdict(FakeSettings()).items():
        kind = str if isinstance(value, str) else float if isinstance(value, float) else int
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value)
    options = vars(parser.parse_args())
    place = {name: options.pop(name) for name in ("host", "port", "with_parent")}
    asyncio.run(serve(FakeSettings(**options), **place))


if __name__ == "__main__":
    main()
