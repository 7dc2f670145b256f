"""The OpenAPI document is true: every operation says what it does, and every example does what it says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

import models
from adapters.openapi import FIRST_ANCHOR, PROBLEMS, PROBLEMS_OF, SCENE_ID, SESSION, operations
from main import create_app
from tests.conftest import FLAT, STORY, FlatPainter, Json, client_of, draw, plain_settings

DOCUMENT: Json = create_app(plain_settings(Path("unused"))).openapi()
ERRORS = "application/problem+json"


async def draw_for(path: str, client: httpx.AsyncClient, painter: FlatPainter) -> str:
    """A finished session for that call; where reference pictures are meant, one that has Mira's."""
    painter.takes = 4 if "/anchors/" in path else 0
    return await draw(client, story_text=STORY.replace("She carried", "Mira carried"))


def form_part(name: str, text: str) -> tuple[str | None, str | bytes]:
    """A field of a form; a file with the bytes a data URI stands for."""
    if name != "file":
        return None, text
    encoded = text.partition(";base64,")[2]
    return "story.txt", base64.b64decode(encoded) if encoded else text


def named_operations() -> Iterator[Any]:
    for path, method, operation in operations(DOCUMENT):
        yield pytest.param(path, method, operation, id=f"{method} {path}")


def body_examples() -> Iterator[Any]:
    for path, method, operation in operations(DOCUMENT):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for name, example in content["examples"].items():
                case = f"{method} {path} {media_type.rpartition('/')[2]} {name}"
                yield pytest.param(path, method, operation, media_type, example, id=case)


def answer_examples() -> Iterator[Any]:
    for path, method, operation in operations(DOCUMENT):
        for status, answer in operation["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                yield pytest.param(content, id=f"{method} {path} {status} {media_type}")


@pytest.mark.parametrize(("path", "method", "operation"), list(named_operations()))
def test_every_operation_is_described(path: str, method: str, operation: Json) -> None:
    assert re.fullmatch(r"[A-Z].{5,100}[^.]", operation["summary"])
    assert operation["tags"]
    assert any(status.startswith("2") for status in operation["responses"])
    assert all(answer["description"] for answer in operation["responses"].values())
    assert all("example" in parameter for parameter in operation.get("parameters", ()))


@pytest.mark.parametrize(("path", "method", "operation"), list(named_operations()))
def test_every_body_has_examples_and_a_refusal_among_them(path: str, method: str, operation: Json) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        refusals = [example["x-status"] for example in content["examples"].values() if "x-status" in example]
        assert len(content["examples"]) > len(refusals) >= 1
        assert {str(status) for status in refusals} <= set(operation["responses"])


def test_operations_have_ids_of_their_own_that_are_good_names_in_a_client() -> None:
    ids = [operation["operationId"] for _, _, operation in operations(DOCUMENT)]

    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in ids)


def test_every_reference_leads_somewhere() -> None:
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        place: Any = DOCUMENT
        for step in reference.split("/"):
            place = place[step]
        assert place


@pytest.mark.parametrize(("path", "method", "operation"), list(named_operations()))
def test_every_error_is_a_problem_document_and_every_answer_names_its_headers(
    path: str, method: str, operation: Json
) -> None:
    for status, answer in operation["responses"].items():
        assert "X-Request-ID" in answer["headers"]
        assert ("Retry-After" in answer["headers"]) >= (status in ("429", "503"))
        assert ("Location" in answer["headers"]) == (status == "202")
        if int(status) >= 400:
            assert answer["content"][ERRORS]["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
    members = set(DOCUMENT["components"]["schemas"]["ProblemDocument"]["required"])
    assert members >= {"title", "status", "detail", "code", "retryable", "request_id"}


def test_every_code_of_an_error_is_named_and_told_on_the_page() -> None:
    named = DOCUMENT["components"]["schemas"]["ProblemDocument"]["properties"]["code"]["examples"]
    page = (Path(__file__).resolve().parent.parent / "docs" / "api.md").read_text("utf-8")
    rows = re.findall(r"^\| [45]\d\d \| ([^|]+) \|", page, re.MULTILINE)

    assert {code for code, _ in PROBLEMS.values()} | {code for code, _ in PROBLEMS_OF.values()} <= set(named)
    assert set(re.findall(r"`(\w+)`", "".join(rows))) | {"unreadable_document"} == set(named)


def test_the_limits_are_those_of_this_installation(tmp_path: Path) -> None:
    limited = create_app(plain_settings(tmp_path, max_story_chars=500, max_scenes=3, max_prompt_chars=200)).openapi()
    schemas = limited["components"]["schemas"]

    assert schemas["GenerateRequest"]["properties"]["story_text"]["maxLength"] == 500
    assert schemas["AnalyzeRequest"]["properties"]["num_scenes"]["anyOf"][0]["maximum"] == 3
    assert schemas["SceneEdit"]["properties"]["image_prompt"]["anyOf"][0]["maxLength"] == 200
    assert "maxLength" not in schemas["UploadView"]["properties"]["story_text"]


def test_no_parameter_is_ever_null() -> None:
    parameters = [p for _, _, operation in operations(DOCUMENT) for p in operation.get("parameters", ())]

    assert parameters
    assert all("anyOf" not in parameter["schema"] and parameter["description"] for parameter in parameters)


# --- Links -----------------------------------------------------------------------------------------------------

BY_ID: dict[str, tuple[str, str, Json]] = {
    o["operationId"]: (path, method, o) for path, method, o in operations(DOCUMENT)
}


def named_links() -> Iterator[Any]:
    for path, method, operation in operations(DOCUMENT):
        for answer in operation["responses"].values():
            for name, link in answer.get("links", {}).items():
                yield pytest.param(operation, answer, link, id=f"{method} {path} {name}")


def found(expression: Any, operation: Json, answer: Json) -> Any:
    """What a runtime expression finds in the example of that answer or its request; raises when there is nothing."""
    if not str(expression).startswith("$"):
        return expression
    source, _, where = expression.partition("#/")
    if source == "$response.body":
        place = answer["content"]["application/json"]["example"]
    elif source == "$request.body":
        place = next(iter(operation["requestBody"]["content"]["application/json"]["examples"].values()))["value"]
    elif source.startswith("$response.header."):
        return answer["headers"][source.removeprefix("$response.header.")]
    else:
        _, kind, name = source.split(".")
        return next(p["example"] for p in operation["parameters"] if (p["in"], p["name"]) == (kind, name))
    for step in where.split("/"):
        place = place[int(step) if step.isdecimal() else step]
    return place


@pytest.mark.parametrize(("operation", "answer", "link"), list(named_links()))
def test_a_link_leads_to_an_operation_with_what_that_needs(operation: Json, answer: Json, link: Json) -> None:
    path, _, target = BY_ID[link["operationId"]]
    parameters = {parameter["name"]: parameter for parameter in target.get("parameters", ())}

    assert link["description"]
    assert link.get("parameters", {}).keys() >= set(re.findall(r"{(\w+)}", path))
    for name, expression in link.get("parameters", {}).items():
        assert name in parameters
        if (expression, link["operationId"]) not in MAY_BE_MISSING:
            assert found(expression, operation, answer) is not None
    if body := link.get("requestBody"):
        schema = target["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        model: type[BaseModel] = getattr(models, schema.rpartition("/")[2])
        model.model_validate({name: found(value, operation, answer) for name, value in body.items()})


MAY_BE_MISSING = {  # there are no portraits without references, and no next page after the last
    (FIRST_ANCHOR, "get_anchor"),
    (FIRST_ANCHOR, "edit_anchor"),
    (FIRST_ANCHOR, "redraw_anchor"),
    (FIRST_ANCHOR, "replace_anchor"),
    ("$response.body#/next", "list_projects"),
}


def test_a_new_session_links_to_everything_that_can_be_done_with_it() -> None:
    begun = BY_ID["generate_story"][2]["responses"]["202"]["links"]
    watched = BY_ID["get_status"][2]["responses"]["200"]["links"]
    about_a_session = {
        name
        for name, (path, _, operation) in BY_ID.items()
        if "{session_id}" in path or "SessionId" in str(operation.get("requestBody"))
    }

    reached = {link["operationId"] for link in (begun | watched).values()}
    assert about_a_session - reached == {"get_image"}  # its address is in `image_url`, whole
    assert reached >= {"approve_scenes", "download_project", "cancel_session", "continue_session", "regenerate_scene"}


def test_the_stock_validation_error_is_nowhere() -> None:
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


def test_both_ways_to_send_a_key_are_told() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]

    assert schemes["ApiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schemes["Bearer"]["scheme"] == "bearer"
    assert {} in DOCUMENT["security"]
    with_keys = create_app(plain_settings(Path("unused"), api_keys="ann:a-long-key")).openapi()
    assert {} not in with_keys["security"]


@pytest.mark.parametrize("content", list(answer_examples()))
def test_an_example_answer_fits_its_schema(content: Json) -> None:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if not name:
        return  # a file, a stream or text
    model: type[BaseModel] = getattr(models, name)
    example = content["example"]

    model.model_validate(example)

    assert set(example) == {
        field for field in model.model_fields if not (model is models.ProblemDocument and field == "errors")
    }


@pytest.mark.parametrize(("path", "method", "operation", "media_type", "example"), list(body_examples()))
async def test_an_example_body_gets_the_documented_status(
    client: httpx.AsyncClient,
    painter: FlatPainter,
    path: str,
    method: str,
    operation: Json,
    media_type: str,
    example: Json,
) -> None:
    session_id = await draw_for(path, client, painter)
    value = json.loads(json.dumps(example["value"]).replace(SESSION, session_id))
    address = path.replace("{session_id}", session_id).replace("{number}", "0").replace("{name}", "Mira")
    sent: Json = {"json": value}
    if media_type.endswith("urlencoded"):
        sent = {"data": value}
    elif media_type.startswith("multipart"):
        sent = {"files": {name: form_part(name, text) for name, text in value.items()}}

    answer = await client.request(method, address, **sent)

    success = next(int(status) for status in operation["responses"] if status.startswith("2"))
    assert answer.status_code == example.get("x-status", success), answer.text
    assert (
        answer.headers["content-type"].partition(";")[0] in operation["responses"][str(answer.status_code)]["content"]
    )


@pytest.mark.parametrize(
    ("path", "method", "operation"), [p for p in named_operations() if p.values[1] in ("get", "delete")]
)
async def test_a_call_without_a_body_works_with_its_example_parameters(
    client: httpx.AsyncClient, painter: FlatPainter, path: str, method: str, operation: Json
) -> None:
    session_id = await draw_for(path, client, painter)
    await client.post("/approve", json={"session_id": session_id, "approved_scenes": [0]})
    scene = (await client.get(f"/sessions/{session_id}/scenes/0")).json()
    given: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", ()):
        text = str(parameter["example"]).replace(SESSION, session_id)
        given[parameter["in"]][parameter["name"]] = text
    if "sig" in given["query"]:  # the one thing only this service can know
        given["path"]["file"], _, given["query"]["sig"] = (
            scene["image_url"].removeprefix(f"/images/{session_id}/").partition("?sig=")
        )
        assert SCENE_ID not in given["path"]["file"]

    answer = await client.request(method, path.format(**given["path"]), params=given["query"], headers=given["header"])

    assert str(answer.status_code) in operation["responses"], answer.text
    assert answer.status_code < 400, answer.text
    if answer.status_code == 200:
        assert answer.headers["content-type"].partition(";")[0] in operation["responses"]["200"]["content"]


async def test_the_document_is_served_and_its_page_may_load_what_it_names(client: httpx.AsyncClient) -> None:
    served = await client.get("/openapi.json")
    page = await client.get("/docs")

    assert served.json() == DOCUMENT
    policy = page.headers["content-security-policy"]
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";") if " " in part.strip())
    for origin in re.findall(r'<script[^>]+src="(https://[^/"]+)', page.text):
        assert origin in sources["script-src"]
    for origin in re.findall(r'<link[^>]+stylesheet[^>]+href="(https://[^/"]+)', page.text):
        assert origin in sources["style-src"]
    for origin in re.findall(r'<link[^>]+icon[^>]+href="(https://[^/"]+)', page.text):
        assert origin in sources["img-src"]
    assert "'unsafe-inline'" in sources["script-src"]
    assert sources["connect-src"] == "'self'"


async def test_production_has_no_documentation_page(tmp_path: Path) -> None:
    chosen = plain_settings(
        tmp_path, environment="production", cors_origins="https://stories.example", api_keys="ann:a-long-key"
    )
    async with client_of(create_app(chosen)) as visitor:
        for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"):
            answer = await visitor.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, ERRORS)


async def test_the_models_example_is_a_model_of_an_offline_service(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/models")).json()["models"]

    assert [model["id"] for model in listed] == [FLAT]
