"""What Schemathesis is told about the service: what the examples stand for, one more check, and what no schema says."""

from __future__ import annotations

import base64
import itertools
import json
import os
from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData

from adapters.openapi import PARAMETERS, PNG_EXAMPLE, SESSION

MAX_PROBLEM_BYTES = 8_000
# What the examples of the document stand for; in a body another session, so that the one in paths is not being drawn.
REAL: dict[str, str] = json.loads(os.environ["STORY_EXAMPLES"])
REAL_IN_BODY: dict[str, str] = REAL | json.loads(os.environ["STORY_EXAMPLES_IN_BODY"])
UNKNOWN = "0" * 32
EXAMPLE_KEY = PARAMETERS["Idempotency-Key"]

numbers = itertools.count()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """The document's examples name a session that is there, for ever, and each story gets its own key."""
    case.path_parameters = real(case.path_parameters, REAL)
    case.query = real(case.query, REAL)
    case.body = real(case.body, REAL_IN_BODY)
    if case.method == "DELETE" and case.path_parameters.get("session_id") in (REAL[SESSION], REAL_IN_BODY[SESSION]):
        case.path_parameters["session_id"] = UNKNOWN
    for name, value in (case.headers or {}).items():
        case.headers[name] = f"{value}-{next(numbers)}" if value == EXAMPLE_KEY else real(value, REAL)


def real(value: Any, stands_for: dict[str, str]) -> Any:
    """The value with what the examples stand for, and 5.0 as 5: JSON Schema takes it for an integer, and bodies are
    strict, but no serializer writes an integer so."""
    if value == PNG_EXAMPLE:
        return base64.b64decode(PNG_EXAMPLE.partition(",")[2])
    if isinstance(value, str):
        return stands_for.get(value, value)
    if isinstance(value, dict):
        return {name: real(member, stands_for) for name, member in value.items()}
    if isinstance(value, list):
        return [real(member, stands_for) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.check
def every_error_is_a_problem(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """RFC 9457 with our members, short, under the request's id, to be kept by nobody."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    problem = response.json()
    assert response.headers["cache-control"] == ["no-store"]
    assert len(response.content) <= MAX_PROBLEM_BYTES
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"][0]
    assert problem["code"] != "error"
    assert isinstance(problem["retryable"], bool)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Whether it counts that a request that fits the document was refused.

    It does when the answer says where the request does not fit (`errors`). Without them a rule has spoken that no
    schema can hold: there is no such model, the last scene has no next one, the file is not a picture.
    """
    return not isinstance(failure, RejectedPositiveData) or "errors" in response.json()
