"""Every way in which a provider can fail ends in a clear state for each scene, in time and without paying twice.

Each case has its own service and its own fake providers, on real sockets; all of them live in one event loop in a
thread, most of the time waiting for what never comes, so that together they take little longer than the slowest.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import uvicorn

from config import Settings
from main import create_app
from tests.conftest import finished, plain_settings
from tests.fake_contract import Json
from tests.fake_faults import FOR_EVER_SECONDS
from tests.fake_providers import IMAGE_KEY, TEXT_KEY, FakeHouse, FakeProviders, FakeSettings, environment
from tests.service import Service, memory_mb, ready
from tests.stories import story

pytestmark = pytest.mark.xdist_group("provider faults")

AT_ONCE = 96  # cases under way; a new one begins only when the loop is at ease
EASE_SECONDS = 0.02
MEMORY_DISK = Path("/dev/shm")  # what a slow disk does is not asked here
SECONDS: dict[str, Any] = {
    "text_timeout_seconds": 5.0,
    "image_timeout_seconds": 16.0,
    "connect_timeout_seconds": 5.0,
}
SHORT_SECONDS = 5.0  # for a picture that is lost in any case
BUSY_SECONDS = 20.0  # what the loop of all cases may lose: a safety net, nothing is measured
MOST_TRIES = 6

# recovers: completed, every scene ready. softened: the same, the scene by another prompt. partial: one scene failed,
# the others ready. failed: every scene failed. offline: every scene ready, by words of the rules.
Outcome = Literal["recovers", "softened", "partial", "failed", "offline"]


@dataclass(frozen=True, slots=True)
class Case:
    """What goes wrong and how it must end; `tries` is how often the same thing may be asked for, exactly."""

    outcome: Outcome
    faults: tuple[Json, ...]
    tries: dict[str, int] = field(default_factory=dict)
    code: str | None = None
    asked_first: bool = False
    fake: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    scenes: int = 2
    resumes: bool = False  # once the fault is over: after a restart, /continue makes every scene ready


@dataclass(frozen=True, slots=True)
class Result:
    state: Json
    counts: Json
    seconds: float
    most_seconds: float
    later: Json | None = None  # the state after the restart


# --- The cases -------------------------------------------------------------------------------------------------

Cases = dict[str, Case]

MARK = "dragon"  # a word of one scene, and of its prompt
BROKEN_OFF = ("drop", "reset", "truncated", "stall", "hang", "drip", "space_drip")
UNREADABLE = (
    *("html", "malformed", "empty", "json_list", "json_number", "json_string", "json_null", "json_deep", "json_odd"),
    *("json_dense", "huge", "endless", "gzip", "redirect"),
)
LOST = (*BROKEN_OFF, *UNREADABLE)
ASTRAY = {"value": "{canary}/v1"}  # where a redirect leads
WAITS: dict[str, float | str] = {
    "1 second": 1,
    "a word": "soon",
    "a past date": "Wed, 21 Oct 2015 07:28:00 GMT",
    "less than nothing": "-1",
}
TOO_LONG_TO_WAIT = 3600


def fault(on: str, kind: str, **more: Any) -> Json:
    """An order for the fake; a redirect leads to the canary unless it is told where."""
    return {"on": on, "kind": kind} | (ASTRAY if kind == "redirect" else {}) | more


def always(on: str, kind: str, **more: Any) -> Json:
    return fault(on, kind, **{"times": None} | more)


def of_one(on: str, kind: str, **more: Any) -> Json:
    """Whatever is tried for the marked scene."""
    return always(on, kind, match=MARK, **more)


def text_cases() -> Cases:
    cases: Cases = {}
    for status in (408, 429, 500, 502, 503, 504, 524, 529):
        cases[f"text: {status} once"] = Case("recovers", (fault("text", "status", status=status),), {"text": 2})
    for status in (429, 503):
        for name, wait in WAITS.items():
            order = fault("text", "status", status=status, retry_after=wait)
            cases[f"text: {status}, Retry-After {name}"] = Case("recovers", (order,), {"text": 2})
        order = always("text", "status", status=status, retry_after=TOO_LONG_TO_WAIT)
        cases[f"text: {status}, Retry-After too long"] = Case("offline", (order,), {"text": 1})
    for status in (400, 401, 402, 403, 404, 413, 422):
        cases[f"text: {status}"] = Case("offline", (always("text", "status", status=status),), {"text": 1})
    for kind in ("content_policy", "content_filter", "refusal"):
        cases[f"text: {kind}"] = Case("offline", (always("text", kind),), {"text": 1})
    for kind in (*LOST, "wrong_type", "error_in_200", "finish_error", "length", "null_content", "wrong_schema"):
        cases[f"text: {kind} once"] = Case("recovers", (fault("text", kind),))
    for kind in ("slow", "no_cost", "bad_cost"):
        cases[f"text: {kind}"] = Case("recovers", (always("text", kind, seconds=0.3, value="lots"),), {"text": 1})
    for kind in ("reset", "hang", "html", "json_deep", "huge", "gzip", "redirect", "finish_error", "wrong_schema"):
        cases[f"text: {kind} always"] = Case("offline", (always("text", kind),))
    for kind in ("malformed", "length", "json_list"):
        cases[f"text: {kind} of one scene"] = Case("recovers", (fault("text", kind, skip=1),))
    cases["text: words without end"] = Case("recovers", (always("text", "long_words", value=20_000),), {"text": 1})
    cases["text: words beyond any limit"] = Case("offline", (always("text", "long_words", value=1_200_000),))
    cases["text: nobody listens"] = Case("offline", (), settings={"openrouter_base_url": "http://127.0.0.1:9/v1"})
    return cases


def draw_cases() -> Cases:
    cases: Cases = {}
    for status in (408, 429, 500, 502, 503, 504, 524):
        cases[f"draw: {status} once"] = Case("recovers", (of_one("draw", "status", status=status, times=1),))
    for status in (408, 500, 502, 503, 504, 524):
        order = of_one("draw", "status", status=status, times=1, accepted=True)
        cases[f"draw: {status} for a picture that is made"] = lost_answer(order)
    for name, wait in WAITS.items():
        order = of_one("draw", "status", status=429, times=1, retry_after=wait)
        cases[f"draw: 429, Retry-After {name}"] = Case("recovers", (order,), {"draw": 2})
    order = always("draw", "status", status=429, retry_after=TOO_LONG_TO_WAIT)
    cases["draw: 429, Retry-After too long"] = Case("failed", (order,), {"draw": 1}, "provider_unavailable")
    for status in (400, 404, 413, 422):
        orders = (of_one("draw", "status", status=status),)
        cases[f"draw: {status}"] = Case("partial", orders, {"draw": 1}, "provider_refused")
    for status in (401, 402, 403):
        orders = (always("draw", "status", status=status),)
        cases[f"draw: {status}"] = Case("failed", orders, {"draw": 1}, "provider_account")
    for code in ("invalidPositivePrompt", "missingModel", "unsupportedParameter", "maxWidthExceeded", "unknownModel"):
        orders = (of_one("draw", "task_error", code=code, status=400, parameter=["width", "height"]),)
        cases[f"draw: {code}"] = Case("partial", orders, {"draw": 1}, "provider_refused")
    for kind in ("task_error", "error_object"):
        orders = (of_one("draw", kind, code="contentPolicyViolation", status=400),)
        cases[f"draw: a blocked prompt, {kind}"] = Case("softened", orders, {"draw": 1})
    cases["draw: a prompt blocked for good"] = Case(
        "partial",
        (of_one("draw", "task_error", code="contentPolicyViolation", status=400),),
        {"draw": 1},
        "content_blocked",
        fake={"softens": False},
    )
    cases["draw: every prompt blocked"] = Case(
        "failed",
        (always("draw", "task_error", code="contentPolicyViolation", status=400),),
        {"draw": 1},
        "content_blocked",
    )
    for kind in (*LOST, "wrong_type", "slow"):
        order = of_one("draw", kind, times=1, seconds=FOR_EVER_SECONDS if kind == "hang" else 0.5)
        cases[f"draw: {kind} of a picture that is made"] = lost_answer(order)
    for kind in ("error_for_other", "error_nameless", "error_and_data", "no_uuid", "wrong_uuid"):
        cases[f"draw: {kind}"] = lost_answer(of_one("draw", kind, times=1, status=200))
    for kind in LOST:
        order = of_one("draw", kind, times=1, accepted=False)
        cases[f"draw: {kind} of a picture that is not made"] = Case("recovers", (order,), {"draw": 2}, asked_first=True)
    for kind in ("reset", "html", "json_odd", "gzip"):
        cases[f"draw: {kind} always"] = lost_answer(of_one("draw", kind))
        orders = (of_one("draw", kind, accepted=False),)
        cases[f"draw: {kind} always, never made"] = Case(
            "partial", orders, {}, "provider_unavailable", asked_first=True
        )
    cases["draw: hang always, never made"] = Case(
        "partial", (of_one("draw", "hang", accepted=False),), {}, "provider_unavailable", asked_first=True
    )
    cases["draw: nobody listens"] = Case(
        "failed", (), {}, "provider_unavailable", settings={"runware_base_url": "http://127.0.0.1:9/v1"}
    )
    cases["draw: an error that quotes the key"] = Case(
        "partial",
        (of_one("draw", "task_error", code="invalidPositivePrompt", status=400, message=f"No: {IMAGE_KEY} {{}}"),),
        {"draw": 1},
        "provider_refused",
    )
    return cases


def lost_answer(order: Json) -> Case:
    """The picture is made and only the answer is lost: it is asked for by its id and never sent again."""
    return Case("recovers", (order,), {"draw": 1}, asked_first=True)


def task_cases() -> Cases:
    short = {"image_timeout_seconds": SHORT_SECONDS}
    cases: Cases = {
        "task: never ends": Case(
            "partial", (of_one("task", "never"),), {"draw": 1}, "provider_unavailable", settings=short
        ),
        "task: slow": Case("recovers", (of_one("task", "slow", seconds=2),), {"draw": 1}),
        "task: no cost": Case("recovers", (of_one("task", "no_cost"),), {"draw": 1}),
        "task: marked as unsafe": Case("softened", (of_one("task", "unsafe"),), {"draw": 1}),
        "task: always marked as unsafe": Case("failed", (always("task", "unsafe"),), {"draw": 1}, "content_blocked"),
    }
    costs: dict[str, Any] = {
        "words": "lots",
        "negative": -5,
        "null": None,
        "true": True,
        "list": [],
        "endless": math.inf,
    }
    for name, cost in costs.items():
        cases[f"task: a cost that is {name}"] = Case("recovers", (of_one("task", "bad_cost", value=cost),), {"draw": 1})
    for code in ("providerError", "inferenceError", "timeoutProvider", "noAvailableServer", "aNewCode"):
        cases[f"task: {code} once"] = Case("recovers", (of_one("task", "error", code=code, times=1),))
        cases[f"task: {code} always"] = Case(
            "partial", (of_one("task", "error", code=code),), {}, "provider_unavailable"
        )
    for code in ("invalidProviderParameters", "modelNotFound", "taskCancelled"):
        cases[f"task: {code}"] = Case("partial", (of_one("task", "error", code=code),), {"draw": 1}, "provider_refused")
    for code in ("contentPolicyViolation", "invalidProviderContent", "promptBlocked"):
        cases[f"task: {code}"] = Case("softened", (of_one("task", "error", code=code),), {"draw": 1})
    for name, item in {
        "seed": {"seed": "seven"},
        "large seed": {"seed": 2**70},
        "safety mark": {"NSFWContent": "no"},
        "type": {"taskType": 7, "imageUUID": None},
    }.items():
        cases[f"task: a strange {name}"] = Case("recovers", (of_one("task", "item", value=item),), {"draw": 1})
    return cases


HOSTILE_ADDRESSES: dict[str, Any] = {
    "our host as user": "http://127.0.0.1:{port}@127.0.0.1:{canary_port}/a.jpg",
    "user and password": "http://127.0.0.1:x@127.0.0.1:{canary_port}/a.jpg",
    "a user at our host": "http://x@127.0.0.1:{port}/image/a.jpg",
    "another port": "{canary}/a.jpg",
    "port 0": "http://127.0.0.1:0/a.jpg",
    "a port too high": "http://127.0.0.1:99999/a.jpg",
    "an empty port": "http://127.0.0.1:/a.jpg",
    "a signed port": "http://127.0.0.1:+{canary_port}/a.jpg",
    "IPv6": "http://[::1]:{canary_port}/a.jpg",
    "IPv4 in IPv6": "http://[::ffff:127.0.0.1]:{canary_port}/a.jpg",
    "a decimal address": "http://2130706433:{canary_port}/a.jpg",
    "an octal address": "http://0177.0.0.1:{canary_port}/a.jpg",
    "a hexadecimal address": "http://0x7f000001:{canary_port}/a.jpg",
    "a short address": "http://127.1:{canary_port}/a.jpg",
    "no address": "http://0.0.0.0:{canary_port}/a.jpg",
    "localhost": "http://localhost:{canary_port}/a.jpg",
    "our port at localhost": "http://localhost:{port}/a.jpg",
    "our host before another": "http://127.0.0.1:{port}.example.com/a.jpg",
    "https at our host": "https://127.0.0.1:{port}/a.jpg",
    "capital letters": "HTTP://127.0.0.1:{canary_port}/a.jpg",
    "file": "file:///etc/passwd",
    "data": "data:image/png;base64,iVBORw0KGgo=",
    "ftp": "ftp://127.0.0.1:{canary_port}/a.jpg",
    "gopher": "gopher://127.0.0.1:{canary_port}/_GET",
    "javascript": "javascript:alert(1)",
    "a backslash": "http://127.0.0.1:{port}\\@127.0.0.1:{canary_port}/a.jpg",
    "backslashes": "http:\\\\127.0.0.1:{canary_port}\\a.jpg",
    "a line break": "{origin}/image/a.jpg HTTP/1.1\r\nHost: 127.0.0.1:{canary_port}\r\n\r\n",
    "a tab": "{origin}\t@127.0.0.1:{canary_port}/a.jpg",
    "a zero byte": "{origin}\x00@127.0.0.1:{canary_port}/a.jpg",
    "a space before": " {canary}/a.jpg",
    "our host in a fragment": "{canary}/#@127.0.0.1:{port}/a.jpg",
    "a fragment": "{origin}/image/a.jpg#b",
    "full stops of China": "http://127。0。0。1:{canary_port}/a.jpg",
    "circled letters": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{canary_port}/a.jpg",
    "percent signs": "http://%31%32%37.0.0.1:{canary_port}/a.jpg",
    "no scheme": "//127.0.0.1:{canary_port}/a.jpg",
    "a path": "/image/a.jpg",
    "empty": "",
    "5,000 characters": "{origin}/image/" + "a" * 5000 + ".jpg",
    "a number": 5,
    "a list": ["{origin}/image/a.jpg"],
    "an object": {"url": "{canary}/a.jpg"},
    "null": None,
    "metadata by address": "http://169.254.169.254/latest/meta-data/",
    "metadata by name": "http://metadata.google.internal/computeMetadata/v1/",
}


def address_cases() -> Cases:
    return {
        f"address: {name}": Case("partial", (of_one("task", "bad_url", value=value),), {"draw": 1}, "bad_image")
        for name, value in HOSTILE_ADDRESSES.items()
    }


def poll_cases() -> Cases:
    cases: Cases = {}
    for status in (400, 404, 408, 429, 500, 502, 503, 504, 524):
        cases[f"poll: {status} once"] = Case("recovers", (fault("poll", "status", status=status),), {"draw": 1})
    for kind in (*LOST, "wrong_type", "slow", "unknown", "error_nameless", "no_uuid", "wrong_uuid"):
        order = fault("poll", kind, seconds=FOR_EVER_SECONDS if kind == "hang" else 0.5)
        cases[f"poll: {kind} once"] = Case("recovers", (order,), {"draw": 1})
    cases["poll: error_for_other"] = Case("recovers", (always("poll", "error_for_other"),), {"draw": 1})
    cases["poll: error_and_data once"] = Case("recovers", (fault("poll", "error_and_data"),), {"draw": 1})
    for kind in ("reset", "hang", "html", "json_deep", "json_dense", "huge", "gzip", "unknown", "wrong_uuid"):
        cases[f"poll: {kind} always"] = never_told(always("poll", kind))
    cases["poll: 503 always"] = never_told(always("poll", "status"))
    cases["poll: 400 always"] = never_told(always("poll", "status", status=400))
    for status in (401, 402):
        orders = (always("poll", "status", status=status),)
        cases[f"poll: {status}"] = Case("failed", orders, {"draw": 1}, "provider_account", resumes=True)
    return cases


def never_told(order: Json) -> Case:
    """Nothing can be learnt of any picture; each is sent once, and its id is kept for the next run."""
    short = {"image_timeout_seconds": SHORT_SECONDS}
    return Case("failed", (order,), {"draw": 1}, "provider_unavailable", settings=short, resumes=True)


def fetch_cases() -> Cases:
    cases: Cases = {}
    small = {"max_image_bytes": 1_000_000}
    for status in (404, 408, 425, 429, 500, 502, 503, 504):
        cases[f"fetch: {status} once"] = Case(
            "recovers", (of_one("fetch", "status", status=status, times=1),), {"fetch": 2}
        )
    order = of_one("fetch", "status", status=503, times=1, retry_after=1)
    cases["fetch: 503, Retry-After 1 second"] = Case("recovers", (order,), {"fetch": 2})
    order = of_one("fetch", "status", status=503, retry_after=TOO_LONG_TO_WAIT)
    cases["fetch: 503, Retry-After too long"] = Case("partial", (order,), {"fetch": 1}, "provider_unavailable")
    for status in (404, 503):
        orders = (of_one("fetch", "status", status=status),)
        cases[f"fetch: {status} always"] = Case("partial", orders, {"draw": 1}, "provider_unavailable", resumes=True)
    for status in (400, 401, 403, 410):
        orders = (of_one("fetch", "status", status=status),)
        cases[f"fetch: {status}"] = Case("partial", orders, {"fetch": 1}, "bad_image")
    for kind in (*BROKEN_OFF, "slow", "html", "malformed", "empty", "json_list", "json_null", "gzip", "not_an_image"):
        order = of_one("fetch", kind, times=1, seconds=FOR_EVER_SECONDS if kind == "hang" else 0.5)
        cases[f"fetch: {kind} once"] = Case("recovers", (order,), {"draw": 1})
    for kind in ("reset", "hang", "drip"):
        cases[f"fetch: {kind} always"] = Case("partial", (of_one("fetch", kind),), {"draw": 1}, "provider_unavailable")
    for kind in ("html", "malformed", "empty", "not_an_image"):
        order = of_one("fetch", kind)
        cases[f"fetch: {kind} always"] = Case("partial", (order,), {"draw": 1}, "bad_image", resumes=True)
    for kind in ("huge", "endless"):
        cases[f"fetch: {kind}"] = Case("partial", (of_one("fetch", kind),), {"fetch": 1}, "bad_image", settings=small)
    return cases


def picture_cases() -> Cases:
    """Fetched well, but not what was asked for."""
    cases: Cases = {}
    cases["fetch: wrong_type"] = Case("recovers", (of_one("fetch", "wrong_type"),), {"fetch": 1})
    cases["fetch: wrong_size"] = Case("partial", (of_one("fetch", "wrong_size"),), {"fetch": 1}, "bad_image")
    for kind in ("GIF", "GIF animated", "BMP", "TIFF", "SVG", "HTML", "PDF", "WEBP animated", "PNG animated"):
        cases[f"fetch: {kind}"] = Case("partial", (of_one("fetch", "format", value=kind),), {"draw": 1}, "bad_image")
    for kind in ("PNG", "WEBP"):
        cases[f"fetch: {kind}"] = Case("recovers", (of_one("fetch", "format", value=kind),), {"fetch": 1})
    for status in (301, 302, 307, 308):
        for name, place in {"the canary": "{canary}/a.jpg", "itself": "{self}"}.items():
            orders = (of_one("fetch", "redirect", status=status, value=place),)
            cases[f"fetch: {status} to {name}"] = Case("partial", orders, {"fetch": 1}, "bad_image")
    for name, place in {
        "a file": "file:///etc/passwd",
        "nowhere": "",
        "another host": "http://169.254.169.254/",
    }.items():
        orders = (of_one("fetch", "redirect", value=place),)
        cases[f"fetch: 302 to {name}"] = Case("partial", orders, {"fetch": 1}, "bad_image")
    for side in (9_400, 13_300, 30_000):
        orders = (of_one("fetch", "bomb", value=side),)
        cases[f"fetch: a bomb of {side} pixels a side"] = Case("partial", orders, {"draw": 1}, "bad_image")
    cases["fetch: a bomb of text"] = Case(
        "partial", (of_one("fetch", "text_bomb", value=300_000_000),), {"draw": 1}, "bad_image"
    )
    cases["fetch: rows without end"] = Case(
        "recovers", (of_one("fetch", "data_bomb", value=300_000_000),), {"fetch": 1}
    )
    return cases


def upload_cases() -> Cases:
    """With reference pictures: two scenes have Mira in them, the third nobody."""
    pictured: dict[str, Any] = {"story_text": PORTRAYED, "num_scenes": 3, "consistency": "references"}
    cases: Cases = {}
    for kind in ("reset", "html", "empty", "json_odd", "hang", "gzip", "no_uuid", "wrong_uuid", "error_nameless"):
        cases[f"upload: {kind} once"] = Case("recovers", (fault("upload", kind),), body=pictured, scenes=3)
    for status in (429, 500, 503):
        order = fault("upload", "status", status=status, retry_after=1)
        cases[f"upload: {status} once"] = Case("recovers", (order,), body=pictured, scenes=3)
    order = always("upload", "status", status=400)
    cases["upload: 400"] = Case("recovers", (order,), body=pictured, scenes=3)
    return cases


PORTRAYED = "\n\n".join(
    (
        "In the morning, Mira came to the mill and counted a hundred steps there. Nobody spoke, and rain fell on it.",
        "Rain fell on the empty harbour for seven hours. The boats knocked against the wall until the lamps were lit.",
        "In the evening, Mira came to the bridge and counted its lamps there. Nobody spoke, and the lamps were lit.",
    )
)


def model_list_cases() -> Cases:
    kinds = (
        "reset",
        "hang",
        "drip",
        "html",
        "json_deep",
        "json_odd",
        "huge",
        "gzip",
        "redirect",
        "wrong_type",
        "status",
    )
    return {f"models: {kind} always": Case("recovers", (always("models", kind),), {"text": 1}) for kind in kinds}


CASES: Cases = (
    draw_cases()
    | text_cases()
    | poll_cases()
    | upload_cases()
    | fetch_cases()
    | picture_cases()
    | task_cases()
    | address_cases()
    | model_list_cases()
)

# --- Whole spells of trouble -----------------------------------------------------------------------------------

EVERYWHERE = ("text", "draw", "poll", "fetch")
OUTAGE_SECONDS = 10.0
FLAKY_SHARE = 0.1  # of the calls fail in each of two ways
PATIENT: dict[str, Any] = {"text_timeout_seconds": 60.0, "image_timeout_seconds": 180.0}  # as it comes

SPELLS: Cases = (
    {
        f"outage: {kind}": Case(
            "recovers",
            tuple(always(place, kind, for_seconds=OUTAGE_SECONDS) for place in EVERYWHERE),
            settings=PATIENT,
            scenes=4,
        )
        for kind in ("status", "drop")
    }
    | {
        f"outage of the painter: {name}": Case(
            "recovers",
            tuple(always(place, "status", for_seconds=OUTAGE_SECONDS) for place in places),
            settings=PATIENT,
            scenes=scenes,
        )
        for name, places, scenes in (
            ("one scene", ("draw",), 1),
            ("eight scenes", ("draw", "poll", "fetch"), 8),
            ("the picture host", ("fetch",), 1),
        )
    }
    | {
        "flaky": Case(
            "recovers",
            tuple(always(place, kind, chance=FLAKY_SHARE) for place in EVERYWHERE for kind in ("status", "reset")),
            settings=PATIENT,
            scenes=8,
        ),
        "limited": Case(
            "recovers",
            (),
            fake={"max_drawing": 4, "max_draws_per_second": 5, "image_ms": 200},
            settings=PATIENT,
            scenes=40,
        ),
    }
)

# --- All of them at once ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """How each case ended, of those that are asked about."""
    asked = {
        item.callspec.params.get("name")
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    }
    found: dict[str, Result] = {}
    wanted = {name: case for name, case in (SPELLS | CASES).items() if name in asked}
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as folder:
        thread = threading.Thread(target=lambda: asyncio.run(_run_all(wanted, Path(folder), found)), name="cases")
        thread.start()
        thread.join()
    return found


async def _run_all(cases: Cases, folder: Path, found: dict[str, Result]) -> None:
    turns, beginning = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def run(number: int, name: str, case: Case) -> None:
        async with turns:
            async with beginning:
                await _at_ease()
            found[name] = await _run(case, folder / str(number))

    await asyncio.gather(*(run(number, *pair) for number, pair in enumerate(cases.items())))


async def _at_ease() -> None:
    """Until the loop keeps up: short timeouts must strike because of a fault, not because of a busy machine."""
    late = math.inf
    while late > EASE_SECONDS:
        began = time.monotonic()
        await asyncio.sleep(EASE_SECONDS)
        late = time.monotonic() - began - EASE_SECONDS


async def _run(case: Case, folder: Path) -> Result:
    house = FakeHouse(FakeSettings(**{"text_ms": 5, "image_ms": 30, "picture_bytes": 10_000} | case.fake))
    port = await house.open()
    for order in case.faults:
        house.world.faults.add(dict(order))
    places: dict[str, Any] = {name.lower(): value for name, value in environment(f"http://127.0.0.1:{port}").items()}
    settings = plain_settings(folder, **SECONDS | places | case.settings)
    most = _most_seconds(settings)
    later: Json | None = None
    began = time.monotonic()
    async with _serving(settings) as client:
        state = await _in_time(_draw(client, case), most)
    seconds = time.monotonic() - began
    if case.resumes:
        house.world.faults.clear()
        async with _serving(plain_settings(folder, **places | PATIENT)) as client:
            later = await _in_time(_continue(client, state), most)
    house.close()
    return Result(state, house.world.counts.view(), seconds, most, later)


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The service as `main` serves it, on a free port, and a client of it."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, http="h11", log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the service did not start"
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        # Without certificates: to read them takes longer than everything else.
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, timeout=None
        ) as client:
            yield client
    finally:
        server.should_exit = True
        await running


async def _in_time(job: Coroutine[Any, Any, Json], seconds: float) -> Json:
    try:
        return await asyncio.wait_for(job, seconds)
    except TimeoutError:
        return {"status": "stuck"}


async def _continue(client: httpx.AsyncClient, state: Json) -> Json:
    accepted = await client.post("/continue", json={"session_id": state["session_id"]})
    assert accepted.status_code == 202, accepted.text
    return await finished(client, state["session_id"])


async def _draw(client: httpx.AsyncClient, case: Case) -> Json:
    words = story(1, case.scenes, extra={case.scenes - 1: f"And there, before them, sat a {MARK} and slept."})
    body = {"story_text": words, "num_scenes": case.scenes, "consistency": "prompt"}
    body |= {"quality": "draft", "aspect_ratio": "1:1"} | case.body
    accepted = await client.post("/generate", json=body)
    assert accepted.status_code == 202, accepted.text
    return await finished(client, accepted.json()["session_id"])


def _most_seconds(settings: Settings) -> float:
    """The sum of every deadline on the longest way of a scene: bible, prompt, reference, picture, softened once."""
    texts = 3 * 2 * settings.text_timeout_seconds
    pictures = 3 * (settings.image_timeout_seconds + min(60.0, settings.image_timeout_seconds))
    upload = settings.image_timeout_seconds
    return 1.1 * (texts + pictures + upload) + BUSY_SECONDS


# --- What must be true of each ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_provider_fault_ends_in_a_clear_state(name: str, results: dict[str, Result]) -> None:
    case, result = CASES[name], results[name]
    state, counts = result.state, result.counts

    assert state["status"] == ("failed" if case.outcome == "failed" else "completed"), state
    assert result.seconds <= result.most_seconds
    scenes = state["scenes"]
    failed = [scene for scene in scenes if scene["status"] == "failed"]
    assert len(failed) == {"partial": 1, "failed": len(scenes)}.get(case.outcome, 0), state
    assert all(scene["status"] == "ready" and scene["image_url"] for scene in scenes if scene not in failed)
    for scene in failed:
        assert scene["error"]["code"] == case.code, scene["error"]
        assert scene["error"]["message"].endswith(".")
        assert len(scene["error"]["message"]) > 20
    by_rule = [scene for scene in scenes if scene["prompt_source"] == "offline"]
    assert len(by_rule) == (len(scenes) if case.outcome == "offline" else 0)
    assert state["offline"] is (case.outcome == "offline")
    softened = [scene for scene in scenes if scene["prompt_source"] == "softened"]
    if case.outcome == "softened":
        assert len(softened) == 1
    else:
        assert not softened or case.code == "content_blocked"
    if case.resumes:
        assert result.later is not None
        assert [scene["status"] for scene in result.later["scenes"]] == ["ready"] * case.scenes, result.later
    if case.faults:
        assert counts["faults_struck"], "the fault never came"
    _check_counts(case, counts)
    assert all(key not in json.dumps(state) for key in (TEXT_KEY, IMAGE_KEY))


def _check_counts(case: Case, counts: Json) -> None:
    assert counts["pictures_paid_twice"] == 0
    assert counts["canary"] == 0
    assert counts["violations"] == []
    assert counts["hurried"] == 0
    assert all(tries <= MOST_TRIES for tries in counts["most_tries"].values()), counts["most_tries"]
    for kind, tries in case.tries.items():
        assert counts["most_tries"].get(kind) == tries, counts["most_tries"]
    if case.asked_first:
        assert _asked_first(counts["events"]), counts["events"]


def _asked_first(events: list[str]) -> bool:
    """Whether between any two sendings of one id it was asked for, and every id was asked for at all."""
    ids = {event.partition(" ")[2] for event in events}
    rows = [[event.partition(" ")[0] for event in events if event.endswith(task_id)] for task_id in ids]
    return all("poll" in row and "draw draw" not in " ".join(row) for row in rows)


@pytest.mark.parametrize("name", [name for name in SPELLS if name.startswith("outage")])
def test_an_outage_is_ridden_out(name: str, results: dict[str, Result]) -> None:
    result = results[name]

    assert result.state["status"] == "completed", result.state
    assert all(scene["status"] == "ready" for scene in result.state["scenes"]), result.state
    assert not result.state["offline"]
    _check_counts(SPELLS[name], result.counts)


@pytest.mark.parametrize("name", ["flaky"])
def test_a_fifth_of_all_calls_may_fail(name: str, results: dict[str, Result]) -> None:
    result = results[name]
    ready = [scene for scene in result.state["scenes"] if scene["status"] == "ready"]

    assert result.state["status"] == "completed", result.state
    assert len(ready) >= len(result.state["scenes"]) - 1, "four bad tries in a row are rare"
    assert all(scene["error"]["message"] for scene in result.state["scenes"] if scene not in ready)
    _check_counts(SPELLS[name], result.counts)


@pytest.mark.parametrize("name", ["limited"])
def test_the_limits_of_a_provider_are_kept_to(name: str, results: dict[str, Result]) -> None:
    """It takes four drawings at once and five a second, and says so with 429 and Retry-After."""
    result = results[name]
    calls = result.counts["calls"]

    assert result.state["status"] == "completed", result.state
    assert all(scene["status"] == "ready" for scene in result.state["scenes"]), result.state
    assert calls.get("draw_limited", 0) <= 0.05 * sum(calls[kind] for kind in ("text", "draw", "poll", "fetch")), calls
    assert result.counts["most_at_once"]["drawing"] <= plain_settings(Path()).image_concurrency
    _check_counts(SPELLS[name], result.counts)


# --- Bombs, beside a service of its own ------------------------------------------------------------------------

MOST_GROWTH_MB = 150.0
TEXT_BOMBS: dict[str, Json] = {
    "128 MB of JSON": fault("text", "huge", value=128_000_000),
    "bytes without end": fault("text", "endless"),
    "300 MB as gzip": fault("text", "gzip", value=300_000_000),
    "deep JSON": fault("text", "json_deep"),
    "dense JSON": fault("text", "json_dense", value=990_000),
    "words without end": fault("text", "long_words", value=50_000),
}
TASK_BOMBS: dict[str, Json] = {
    f"{kind} at {place}": always(place, kind, times=2)
    for place in ("draw", "poll")
    for kind in ("huge", "endless", "json_deep", "json_dense")
} | {"300 MB as gzip at a drawing": fault("draw", "gzip", value=300_000_000)}
PICTURE_BOMBS: dict[str, Json] = {
    "9,400 pixels a side": always("fetch", "bomb", value=9_400),
    "13,300 pixels a side": always("fetch", "bomb", value=13_300),
    "30,000 pixels a side": always("fetch", "bomb", value=30_000),
    "300 MB of text in it": always("fetch", "text_bomb", value=300_000_000),
    "300 MB after its rows": always("fetch", "data_bomb", value=300_000_000),
    "1 GB as gzip": always("fetch", "gzip", value=1_000_000_000),
    "128 MB of it": always("fetch", "huge"),
    "bytes without end": always("fetch", "endless"),
}


@pytest.fixture(scope="module")
def bombed() -> Iterator[tuple[FakeProviders, Service]]:
    """A service that has drawn before, so that what it needs in any case is in its memory."""
    with FakeProviders(image_ms=30, picture_bytes=150_000) as fake, Service(fake, retry_attempts=2) as service:
        service.wait(service.generate(story(0, 8), num_scenes=8))
        yield fake, service


@pytest.mark.parametrize(
    ("bombs", "outcomes"),
    [(TEXT_BOMBS, {"ready"}), (TASK_BOMBS, {"ready"}), (PICTURE_BOMBS, {"ready", "failed"})],
    ids=["text", "task", "picture"],
)
def test_no_bomb_takes_memory(
    bombed: tuple[FakeProviders, Service], bombs: dict[str, Json], outcomes: set[str]
) -> None:
    fake, service = bombed
    before = memory_mb(service.pid)
    Path(f"/proc/{service.pid}/clear_refs").write_text("5")  # the peak starts anew
    for number, (name, bomb) in enumerate(bombs.items()):
        fake.control(clear_faults=True, faults=[bomb])
        state = service.wait(service.generate(f"{name}: {story(number, 2)}", num_scenes=2))

        assert {scene["status"] for scene in state["scenes"]} <= outcomes, (name, state)
        assert all(scene["error"]["message"] for scene in state["scenes"] if scene["status"] == "failed")
        assert fake.counts()["faults_struck"], name
    grown = memory_mb(service.pid, "VmHWM") - before

    assert grown <= MOST_GROWTH_MB, f"{grown:.0f} MB"
    fake.control(clear_faults=True)
    assert ready(service.wait(service.generate(story(99, 2), num_scenes=2))) == 2
    assert fake.counts()["pictures_paid_twice"] == 0


def test_a_list_of_models_that_is_a_bomb_takes_no_memory() -> None:
    with FakeProviders(picture_bytes=10_000) as fake:
        with Service(fake) as plain:
            plain.wait(plain.generate(story(1, 2), num_scenes=2))
            usual = memory_mb(plain.pid, "VmHWM")
        fake.control(faults=[always("models", "json_dense", value=19_900_000)])
        with Service(fake) as service:
            assert ready(service.wait(service.generate(story(1, 2), num_scenes=2))) == 2
            _wait_until(lambda: fake.counts()["faults_struck"])
            grown = memory_mb(service.pid, "VmHWM") - usual

    assert grown <= MOST_GROWTH_MB, f"{grown:.0f} MB"


def _wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
