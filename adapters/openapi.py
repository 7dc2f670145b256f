"""Completes the OpenAPI document: a summary and examples for every call, and the keys it may be called with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from models import (
    STORY_EXAMPLE,
    BudgetReached,
    DayBudgetReached,
    DownloadRequest,
    FontMissing,
    ProviderError,
    RequestError,
    StorageUnavailable,
    StoryError,
)

Json = dict[str, Any]

PROBLEM = "application/problem+json"
SESSION = "5f0c2a8e9d7b4c13a6e1f08b2d94c7aa"
SCENE_ID = "1b7f03c9d2e4"
FILE = f"{SCENE_ID}-v1-9c56cc51.jpg"
SIGNATURE = "0d4f6a1b8c2e3f5a7b9c1d2e3f4a5b6c"
PNG_EXAMPLE = (  # 64 by 64 pixels of one red
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAUklEQVR42u3PMQ0AMAgAMJgQbvwLQNtUcJC0DppTHZe9OE5AQEBA"
    "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBg3wdDYQGERWQL4gAAAABJRU5ErkJggg=="
)
EARLIER, LATER = "2026-03-01T09:00:00Z", "2026-03-01T09:00:09Z"


def operation_id(route: APIRoute) -> str:
    """What a generated client calls a route: a verb and what it is done to."""
    return OPERATION_IDS.get(route.name, route.name)


def describe(app: FastAPI, *, with_keys: bool, open_debug: bool, most: Mapping[str, int]) -> Json:
    """The document FastAPI makes from the routes, completed once.

    `with_keys`: calls need one of `API_KEYS`; `open_debug`: those for debugging need none; `most`: the largest number,
    or the most characters, that this installation takes in the fields of that name.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=TAGS,
            license_info={"name": "MIT", "identifier": "MIT"},
        )
        components = document["components"]
        components["schemas"]["DownloadRequest"] = DownloadRequest.model_json_schema()
        components["headers"] = HEADERS
        components["securitySchemes"] = {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key, as a bearer token."},
        }
        document["security"] = [*A_KEY, *([] if with_keys else [NO_KEY])]
        for path, method, operation in operations(document):
            if method == "get" and "ETag" in OF_OPERATION.get(operation["operationId"], ()):
                _may_be_unchanged(operation)
            _complete(operation, path, method, components["schemas"])
            if path in OPEN or (open_debug and path.startswith("/debug/")):
                operation["security"] = []
            elif path in SIGNED:
                operation["security"] = [*A_KEY, NO_KEY]
            elif path.startswith("/debug/"):
                operation["security"] = A_KEY
        of_answers = (
            _codes(RequestError)
            | _codes(DayBudgetReached)
            | _codes(StorageUnavailable)
            | _codes(FontMissing)
            | EDGE_CODES
        )
        of_work = _codes(BudgetReached) | _codes(ProviderError) | _codes(StorageUnavailable) | {"internal_error"}
        components["schemas"]["ProblemDocument"]["properties"]["code"]["examples"] = sorted(of_answers)
        components["schemas"]["Problem"]["properties"]["code"]["examples"] = sorted(of_work)
        _limit(components["schemas"], most)
        _require(components["schemas"])
        app.openapi_schema = document
    return app.openapi_schema


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every operation of an OpenAPI document with its path and method."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _complete(operation: Json, path: str, method: str, schemas: Json) -> None:
    operation["summary"] = re.split(r"[.;] ", operation["description"])[0].rstrip(".")
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in PARAMETERS:
            parameter["example"] = PARAMETERS[parameter["name"]]
        parameter["schema"] = _without_null(parameter["schema"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["examples"] = BODIES.get(f"{method} {path}") or BODIES[path]
    for status, response in operation["responses"].items():
        if PROBLEM in response.get("content", {}):
            response["content"] = {PROBLEM: response["content"][PROBLEM]}  # FastAPI adds the type of a success
        for media_type, content in response.get("content", {}).items():
            example = _problem(int(status), response, path) if media_type == PROBLEM else ANSWERS.get((method, path))
            if example is not None:
                content["example"] = example
            if media_type.startswith(("image/", "application/zip")):
                content["schema"] = {"type": "string", "format": "binary"}
            elif media_type.startswith("text/"):
                content["schema"] = {"type": "string"}
        if status in ("200", "202", "204"):
            response["description"] = _what_it_is(response, path, schemas)
            if operation["operationId"] in LINKS:
                response["links"] = LINKS[operation["operationId"]]
        response["headers"] = _headers(operation["operationId"], status)


def _may_be_unchanged(operation: Json) -> None:
    """Every answer with an ETag may be 304: what no route declares, since `adapters.caching` answers it for all."""
    operation["responses"].setdefault("304", {"description": "You have it: If-None-Match names its ETag."})
    parameters = operation.setdefault("parameters", [])
    if not any(parameter["name"] == IF_NONE_MATCH["name"] for parameter in parameters):
        parameters.append(dict(IF_NONE_MATCH))


def _without_null(schema: Json) -> Json:
    """The schema of a parameter that may be left out: it is never sent as null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return {name: value for name, value in schema.items() if name != "anyOf"} | kinds[0] if len(kinds) == 1 else schema


def _what_it_is(response: Json, path: str, schemas: Json) -> str:
    """What a success is, in words: those of its model, where it has one."""
    reference = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    described = schemas[reference.rpartition("/")[2]]["description"] if reference else SUCCESSES[path]
    return str(described).partition("\n")[0]


def _headers(operation: str, status: str) -> Json:
    """The headers of an answer that a client can do something with."""
    names = ["X-Request-ID", *OF_STATUS.get(status, ())]
    if status in ("200", "206", "304"):
        names += OF_OPERATION.get(operation, ())
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _codes(kind: type[StoryError]) -> set[str]:
    """The code of every error of ours."""
    return {kind.code, *(code for below in kind.__subclasses__() for code in _codes(below))}


def _require(schemas: Json) -> None:
    """An answer has every field, also one with a default: only `errors` is left out where there are none."""
    for schema in schemas.values():
        if schema.get("additionalProperties") is not False:
            schema["required"] = [name for name in schema["properties"] if name != "errors"]


def _limit(schemas: Json, most: Mapping[str, int]) -> None:
    """What this installation takes at most, in the bodies of requests."""
    for schema in schemas.values():
        fields = schema.get("properties", {}) if schema.get("additionalProperties") is False else {}
        for name in fields.keys() & most.keys():
            for kind in fields[name].get("anyOf", [fields[name]]):
                if kind["type"] != "null":
                    kind["maxLength" if kind["type"] == "string" else "maximum"] = most[name]


def _problem(status: int, response: Json, path: str) -> Json:
    code, detail = PROBLEMS_OF.get((path, status)) or PROBLEMS[status]
    return {
        "type": "about:blank",
        "title": response["description"],
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": status in (402, 408, 429, 503) or code in ("conflict", "not_ready"),
        "request_id": "8f14e45fceea467f9ad9f2d1b0f0c4d1",
    }


def _example(summary: str, value: Json, *, status: int | None = None) -> Json:
    """One example body; `status` is there when it shows a refusal."""
    return {"summary": summary, "value": value} | ({"x-status": status} if status else {})


TAGS: list[Json] = [
    {"name": "stories", "description": "From a story to pictures: begin, watch, steer, edit."},
    {"name": "results", "description": "Approve, take away, look at approved work."},
    {"name": "service", "description": "The service itself: models, health, figures."},
]

OPERATION_IDS = {  # where the name of the function says too little
    "status": "get_status",
    "generate": "generate_story",
    "analyze": "analyze_story",
    "upload": "upload_document",
    "events": "stream_events",
    "continue_": "continue_session",
    "cancel": "cancel_session",
    "regenerate": "regenerate_scene",
    "delete": "delete_session",
    "approve": "approve_scenes",
    "download": "download_project",
    "image": "get_image",
    "projects": "list_projects",
    "project": "get_project",
    "models": "list_models",
    "health": "get_health",
    "live": "check_live",
    "ready": "check_ready",
    "metrics": "get_metrics",
}

A_KEY: list[Json] = [{"ApiKey": []}, {"Bearer": []}]
NO_KEY: Json = {}
OPEN = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
SIGNED = frozenset({"/images/{session_id}/{file}"})  # the signature in the address does for a key

EDGE_CODES = {  # of refusals before the service itself is asked
    "bad_request",
    "body_timeout",
    "body_too_large",
    "cors_refused",
    "internal_error",
    "invalid_json",
    "method_not_allowed",
    "not_found",
    "unsupported_media_type",
}

SUCCESSES = {  # what an answer without a model is
    "/events/{session_id}": "Events. The data of each `scene` is a SceneView; of `progress` and `done`, a Progress "
    "with `session_id`, `status`, `scene_ids` in order, `cost_usd` and `error`. The stream ends after `done`.",
    "/sessions/{session_id}": "The session and its files are gone.",
    "/download": "The file. In a ZIP: the pictures in order, `index.html` that shows them, `story.txt`, `scenes.json` "
    "and `project_info.json`.",
    "/images/{session_id}/{file}": "The picture.",
    "/health/live": "The process answers.",
    "/health/ready": "The process may be sent work.",
    "/metrics": "The counters, in the text format of Prometheus.",
}


def _header(description: str, *, always: bool, **schema: Any) -> Json:
    return {"description": description, "required": always, "schema": {"type": "string"} | schema}


HEADERS: Json = {
    "X-Request-ID": _header(
        "The id of this request in the service's log: the one you sent (8 to 64 letters, digits, `.`, `_`, `-`), or a "
        "new one.",
        always=True,
        pattern="^[A-Za-z0-9._-]{8,64}$",
    ),
    "ETag": _header("Names these very bytes, for If-None-Match; of scenes and sessions, for If-Match.", always=True),
    "Location": _header("Where to watch the session.", always=True, format="uri-reference"),
    "Retry-After": _header("Seconds to wait before the same request.", always=True, type="integer", minimum=1),
    "WWW-Authenticate": _header("How a key may be sent.", always=True),
    "Content-Disposition": _header("The name of the file.", always=True),
}
IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer you have.",
    "schema": {"type": "string", "title": "If-None-Match"},
}
OF_STATUS = {"202": ("Location",), "401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}
OF_OPERATION = {  # of a success, and of 304
    "download_project": ("Content-Disposition",),
    **dict.fromkeys(("get_status", "get_scene", "edit_scene", "edit_bible", "get_image", "get_anchor"), ("ETag",)),
    **dict.fromkeys(("list_projects", "get_project", "list_models"), ("ETag",)),
    **dict.fromkeys(("split_scene", "merge_scene", "move_scene"), ("ETag",)),
}

# --- Links: what an answer gives to the next call --------------------------------------------------------------

ID, FIRST_ANCHOR = "$response.body#/session_id", "$response.body#/anchors/0/name"
THIS_ID, THIS_NUMBER, THIS_NAME = "$request.path.session_id", "$request.path.number", "$request.path.name"


def _link(operation: str, description: str, *, body: Json | None = None, **parameters: Any) -> Json:
    """A link to an operation; parameters by their names, with `_` for `-`."""
    named = {name.replace("_", "-") if name[0].isupper() else name: value for name, value in parameters.items()}
    link: Json = {"operationId": operation, "description": description}
    return link | ({"parameters": named} if named else {}) | ({"requestBody": body} if body else {})


WATCH: Json = {
    "status": _link("get_status", "Where the session stands.", session_id=ID),
    "events": _link("stream_events", "The session as it goes on.", session_id=ID),
}
STOP: Json = {"cancel": _link("cancel_session", "Stop; what is done is kept.", body={"session_id": ID})}
GO_ON: Json = {"continue": _link("continue_session", "Do what is missing, failed or stale.", body={"session_id": ID})}
TAKE: Json = {
    "approve": _link("approve_scenes", "Approve the first scene.", body={"session_id": ID, "approved_scenes": [0]}),
    "download": _link("download_project", "Take it away, once nothing is being drawn.", body={"session_id": ID}),
}
STEER: Json = {
    "scene": _link("get_scene", "The first scene in full.", session_id=ID, number=0),
    "edit": _link("edit_scene", "Edit the first scene.", session_id=ID, number=0),
    "regenerate": _link("regenerate_scene", "Another picture.", body={"session_id": ID, "scene_number": 0}),
    "split": _link("split_scene", "Cut the first scene in two.", session_id=ID, number=0),
    "merge": _link("merge_scene", "Join the first scene with the second.", session_id=ID, number=0),
    "move": _link("move_scene", "Show the first scene elsewhere.", session_id=ID, number=0),
    "bible": _link("edit_bible", "Edit people, places and style.", session_id=ID),
    "delete": _link("delete_session", "Remove it and its files.", session_id=ID),
}
ANCHORS: Json = {
    "anchor": _link("get_anchor", "The first reference picture.", session_id=ID, name=FIRST_ANCHOR),
    "approveAnchor": _link("edit_anchor", "Approve it.", session_id=ID, name=FIRST_ANCHOR, body={"approved": True}),
    "redrawAnchor": _link("redraw_anchor", "Draw it again.", session_id=ID, name=FIRST_ANCHOR),
    "replaceAnchor": _link("replace_anchor", "Put one of your own.", session_id=ID, name=FIRST_ANCHOR),
}
SAME_SCENE: Json = {
    "edit": _link(
        "edit_scene",
        "Edit it, if nobody has since.",
        session_id=ID,
        number="$response.body#/scene_number",
        If_Match="$response.header.ETag",
    ),
    "regenerate": _link(
        "regenerate_scene",
        "Another picture of it.",
        body={"session_id": ID, "scene_number": "$response.body#/scene_number"},
    ),
}
EDITED: Json = {
    "status": WATCH["status"],
    **GO_ON,
    "merge": _link(
        "merge_scene",
        "Join the first two scenes, if nothing has changed since.",
        session_id=ID,
        number=0,
        If_Match="$response.header.ETag",
    ),
}
SAME_ANCHOR: Json = {
    "anchor": _link("get_anchor", "The reference picture.", session_id=THIS_ID, name=THIS_NAME),
    "redraw": _link("redraw_anchor", "Draw it again.", session_id=THIS_ID, name=THIS_NAME),
    "replace": _link("replace_anchor", "Put one of your own.", session_id=THIS_ID, name=THIS_NAME),
    "status": _link("get_status", "The session: which scenes are stale now.", session_id=THIS_ID),
}

LINKS: dict[str, Json] = {  # by the operation that answered
    "upload_document": {
        "generate": _link(
            "generate_story",
            "Draw the story.",
            body={"story_text": "$response.body#/story_text", "title": "$response.body#/title"},
        ),
        "analyze": _link("analyze_story", "What it would cost.", body={"story_text": "$response.body#/story_text"}),
    },
    "analyze_story": {
        "generate": _link(
            "generate_story",
            "Draw it as it was analysed.",
            body={"story_text": "$request.body#/story_text", "num_scenes": "$response.body#/num_scenes"},
        )
    },
    "generate_story": WATCH | STOP | GO_ON | TAKE | STEER,
    "continue_session": WATCH | STOP,
    "cancel_session": WATCH | GO_ON,
    "regenerate_scene": WATCH | STOP,
    "redraw_anchor": WATCH
    | STOP
    | {"anchor": _link("get_anchor", "The reference picture.", session_id=THIS_ID, name=THIS_NAME)},
    "get_status": {
        "next": _link("get_status", "The next change.", session_id=ID, wait=20, If_None_Match="$response.header.ETag"),
        **TAKE,
        **STEER,
        **ANCHORS,
    },
    "get_scene": SAME_SCENE,
    "edit_scene": SAME_SCENE | GO_ON,
    "split_scene": EDITED,
    "merge_scene": EDITED,
    "move_scene": EDITED,
    "edit_bible": EDITED,
    "get_anchor": SAME_ANCHOR,
    "edit_anchor": SAME_ANCHOR,
    "replace_anchor": SAME_ANCHOR,
    "approve_scenes": {
        "project": _link("get_project", "The project.", project_id="$response.body#/project_id"),
        "download": _link("download_project", "The file.", body={"session_id": "$response.body#/project_id"}),
    },
    "list_projects": {
        "first": _link("get_project", "The newest.", project_id="$response.body#/projects/0/project_id"),
        "next": _link("list_projects", "The next page, unless `next` is null.", after="$response.body#/next"),
    },
    "get_project": {
        "download": _link("download_project", "The file.", body={"session_id": "$response.body#/project_id"}),
        "status": _link("get_status", "The whole session.", session_id="$response.body#/project_id"),
    },
    "delete_session": {"projects": _link("list_projects", "What is left.")},
}

# --- Examples --------------------------------------------------------------------------------------------------

PARAMETERS: Json = {
    "session_id": SESSION,
    "project_id": SESSION,
    "number": 0,
    "name": "Mira",
    "file": FILE,
    "wait": 20,
    "sig": SIGNATURE,
    "limit": 20,
    "q": "paper boat",
    "after": f"2026-03-01T09:00:09+00:00_{SESSION}",
    "Idempotency-Key": "3c6d1b52-paper-boat",
    "If-None-Match": '"7-2fd4e1c67a2d28fc"',
    "If-Match": '"7-2fd4e1c67a2d28fc"',
    "Range": "bytes=0-1023",
    "Last-Event-ID": "7",
}

STORIES: Json = {
    "story": _example("A story", {"story_text": STORY_EXAMPLE}),
    "cartoon": _example(
        "Three scenes as a cartoon", {"story_text": STORY_EXAMPLE, "media_type": "cartoon", "num_scenes": 3}
    ),
    "everything": _example(
        "Every field",
        {
            "story_text": STORY_EXAMPLE,
            "media_type": "artistic",
            "num_scenes": 2,
            "title": "The paper boat",
            "style": "Ink and watercolour, much white paper",
            "aspect_ratio": "4:3",
            "seed": 7,
            "text_model": None,
            "image_model": None,
            "quality": "draft",
            "consistency": "prompt",
            "check_images": False,
            "max_cost_usd": 0.5,
            "stop_at": "images",
        },
    ),
    "review": _example(
        "Prompts first, pictures after a review", {"story_text": STORY_EXAMPLE, "num_scenes": 3, "stop_at": "prompts"}
    ),
    "other script": _example(
        "A story in another script", {"story_text": "春天来了。小狐狸走进森林。\n\n夜里下起了雪。"}
    ),
    "too short": _example("Too short", {"story_text": "Boat."}, status=422),
    "no words": _example("No words", {"story_text": " \n \n \n \n \n \n"}, status=422),
    "no scenes": _example("No scenes", {"story_text": STORY_EXAMPLE, "num_scenes": 0}, status=422),
    "too many scenes": _example(
        "More scenes than allowed", {"story_text": STORY_EXAMPLE, "num_scenes": 9999}, status=422
    ),
    "wrong type": _example("A number as a string", {"story_text": STORY_EXAMPLE, "num_scenes": "3"}, status=422),
    "unknown model": _example("Unknown model", {"story_text": STORY_EXAMPLE, "image_model": "nobody:1@1"}, status=422),
    "unknown field": _example("A field that does not exist", {"story_text": STORY_EXAMPLE, "scenes": 3}, status=422),
}

UNKNOWN_SESSION = _example("A session that does not exist", {"session_id": "0" * 32}, status=404)
NO_SESSION_ID = _example("Not a session id", {"session_id": "paper-boat"}, status=422)

BODIES: dict[str, Json] = {
    "/generate": STORIES,
    "/analyze": STORIES,
    "/continue": {
        "go on": _example("Do what is missing", {"session_id": SESSION}),
        "more money": _example("With a larger budget", {"session_id": SESSION, "max_cost_usd": 1.0}),
        "less than nothing": _example("No budget", {"session_id": SESSION, "max_cost_usd": -1}, status=422),
        "unknown": UNKNOWN_SESSION,
    },
    "/cancel": {
        "stop": _example("Stop", {"session_id": SESSION}),
        "unknown": UNKNOWN_SESSION,
        "no id": NO_SESSION_ID,
    },
    "/regenerate": {
        "again": _example("Another picture of the same", {"session_id": SESSION, "scene_number": 1}),
        "with words": _example(
            "By another prompt",
            {
                "session_id": SESSION,
                "scene_number": 0,
                "image_prompt": "A paper boat in the reeds by an old mill, first light, ink and watercolour",
                "seed": 7,
                "quality": "final",
            },
        ),
        "no such scene": _example("No such scene", {"session_id": SESSION, "scene_number": 900}, status=404),
        "nobody": _example("No scene named", {"session_id": SESSION}, status=422),
    },
    "/sessions/{session_id}/scenes/{number}": {
        "words": _example("Other words", {"title": "The boat in the reeds", "description": "Mira finds the boat."}),
        "prompt": _example("Another prompt", {"image_prompt": "A paper boat in the reeds, seen from above"}),
        "version": _example("Show the first picture", {"current_version": 1}),
        "no such version": _example("No such picture", {"current_version": 900}, status=422),
    },
    "/upload": {
        "text": _example("A text file", {"file": STORY_EXAMPLE}),
        "chapters": _example("Chapters", {"file": "# The reeds\n\nMira ran.\n\n# The market\n\nTomas waved."}),
        "empty": _example("An empty file", {"file": ""}, status=422),
    },
    "/sessions/{session_id}/scenes/{number}/split": {
        "in two": _example("Before “stuck in the reeds”", {"at": 35}),
        "in a word": _example("Within a word", {"at": 7}, status=422),
        "elsewhere": _example("Outside the scene", {"at": 9999}, status=422),
    },
    "/sessions/{session_id}/scenes/{number}/move": {
        "to the end": _example("To the third place", {"to": 2}),
        "nowhere": _example("No such place", {"to": 900}, status=422),
    },
    "/sessions/{session_id}/bible": {
        "coat": _example(
            "Another coat for Mira", {"characters": [{"name": "Mira", "appearance": "a girl in a green coat"}]}
        ),
        "everything": _example(
            "Title, style, a new character, a place",
            {
                "title": "The boat that went to sea",
                "style": "Ink and watercolour, much white paper",
                "characters": [
                    {"name": "The heron", "appearance": "a grey heron with a bent crest", "aliases": ["heron"]}
                ],
                "places": [{"name": "mill", "description": "an old water mill with a mossy wheel"}],
            },
        ),
        "nobody": _example("Nobody to remove", {"characters": [{"name": "Nobody", "remove": True}]}, status=422),
        "no looks": _example("A new character without looks", {"characters": [{"name": "Nobody"}]}, status=422),
    },
    "/sessions/{session_id}/anchors/{name}": {
        "approve": _example("Approve it", {"approved": True}),
        "no answer": _example("Neither yes nor no", {"approved": None}, status=422),
    },
    "put /sessions/{session_id}/anchors/{name}": {
        "own": _example("A picture of one's own", {"file": PNG_EXAMPLE}),
        "no picture": _example("No picture", {"file": "Mira wears a red coat."}, status=422),
    },
    "/sessions/{session_id}/anchors/{name}/redraw": {
        "again": _example("Another picture of the same", {}),
        "with words": _example("By another prompt", {"prompt": "A girl of nine in a red coat, seen whole", "seed": 7}),
        "too short": _example("Too short a prompt", {"prompt": "?"}, status=422),
    },
    "/approve": {
        "all three": _example("Three scenes", {"session_id": SESSION, "approved_scenes": [0, 1, 2]}),
        "upgrade": _example("One, drawn final first", {"session_id": SESSION, "approved_scenes": [1], "upgrade": True}),
        "none": _example("Nothing approved", {"session_id": SESSION, "approved_scenes": []}, status=422),
        "no such scene": _example("No such scene", {"session_id": SESSION, "approved_scenes": [900]}, status=404),
    },
    "/download": {
        "zip": _example("A ZIP", {"session_id": SESSION}),
        "named": _example("The format named", {"session_id": SESSION, "format": "zip"}),
        "unknown format": _example("No such format", {"session_id": SESSION, "format": "papyrus"}, status=422),
        "unknown": UNKNOWN_SESSION,
    },
}

ACCEPTED = {"session_id": SESSION, "status": "processing", "message": "The story is accepted."}
ANALYSIS = {
    "language": "en",
    "format": "prose",
    "characters_total": 258,
    "words": 50,
    "sentences": 4,
    "paragraphs": 3,
    "estimated_scenes": 3,
    "recommended_scenes": 3,
    "characters": [
        {"name": "Mira", "mentions": 1, "first_offset": 0},
        {"name": "Tomas", "mentions": 1, "first_offset": 113},
    ],
    "locations": [{"name": "mill", "kind": "mill", "mentions": 1}, {"name": "market", "kind": "market", "mentions": 1}],
    "times": ["dawn", "night"],
    "themes": ["sea"],
    "complexity": 2,
    "reading_time_minutes": 0.2,
}
BIBLE = {
    "title": "The paper boat",
    "style": "Ink and watercolour, much white paper",
    "characters": [{"name": "Mira", "aliases": [], "appearance": "always in the same blue coat"}],
    "places": [{"name": "mill", "description": "mill"}],
    "source": "offline",
}
SCENE = {
    "scene_id": SCENE_ID,
    "scene_number": 0,
    "title": "The boat in the reeds",
    "description": "Mira found the paper boat at dawn, stuck in the reeds by the mill.",
    "excerpt": "Mira found the paper boat at dawn, stuck in the reeds by the mill.",
    "start": 0,
    "end": 68,
    "characters": ["Mira"],
    "location": "mill",
    "time_of_day": "dawn",
    "image_prompt": "Ink and watercolour. Mira, always in the same blue coat, finds a paper boat. The mill, at dawn.",
    "prompt_source": "offline",
    "status": "ready",
    "stale": False,
    "redraw_cost_usd": 0.0,
    "image_url": f"/images/{SESSION}/{FILE}?sig={SIGNATURE}",
    "image_path": f"{SESSION}/images/{FILE}",
    "width": 1024,
    "height": 576,
    "seed": 1204958,
    "model": "draft:paper-cut",
    "cost_usd": 0.0,
    "attempts": 1,
    "approved": False,
    "references": [],
    "checks": [],
    "unchecked": None,
    "error": None,
}
SCENE_DETAIL = SCENE | {
    "session_id": SESSION,
    "text": STORY_EXAMPLE[:68],
    "current_version": 1,
    "versions": [
        {
            "version": 1,
            "image_url": SCENE["image_url"],
            "image_path": SCENE["image_path"],
            "prompt": SCENE["image_prompt"],
            "prompt_source": "offline",
            "seed": 1204958,
            "model": "draft:paper-cut",
            "quality": "final",
            "width": 1024,
            "height": 576,
            "cost_usd": 0.0,
            "created_at": LATER,
        }
    ],
}
ANCHOR = {
    "anchor_id": "6b1d0c9e4f27",
    "name": "Mira",
    "status": "ready",
    "prompt": "Character portrait. Mira: a girl of nine, short black hair, red coat.",
    "seed": 90125,
    "source": "drawn",
    "stale": False,
    "approved": True,
    "image_url": f"/images/{SESSION}/6b1d0c9e4f27-v1-5d41402a.jpg?sig={SIGNATURE}",
    "image_path": f"{SESSION}/images/6b1d0c9e4f27-v1-5d41402a.jpg",
    "width": 1024,
    "height": 1024,
    "model": "runware:400@2",
    "cost_usd": 0.0008,
    "redraw_cost_usd": 0.001,
    "scenes": [0, 2],
    "error": None,
}
PROJECT = {
    "project_id": SESSION,
    "title": "The paper boat",
    "approved_scenes": 1,
    "cover_url": SCENE["image_url"],
    "created_at": EARLIER,
    "approved_at": LATER,
}

STATUS: Json = {
    "session_id": SESSION,
    "title": "The paper boat",
    "status": "completed",
    "progress": {"current_step": 4, "total_steps": 4, "percent": 100, "description": "1 of 1 pictures ready"},
    "analysis": ANALYSIS,
    "story_bible": BIBLE,
    "settings": {
        "media_type": "cinematic",
        "num_scenes": 1,
        "style": None,
        "aspect_ratio": "16:9",
        "seed": 1204958,
        "text_model": "openai/gpt-6-luna",
        "image_model": "draft:paper-cut",
        "draft_image_model": "draft:paper-cut",
        "quality": "final",
        "consistency": "references",
        "check_images": False,
        "check_model": None,
        "stop_at": "images",
    },
    "consistency": "prompt",
    "anchors": [],
    "scenes": [SCENE],
    "cost_usd": 0.0,
    "max_cost_usd": None,
    "offline": True,
    "error": None,
    "created_at": EARLIER,
    "updated_at": LATER,
}

PROGRESS_EVENT: Json = STATUS["progress"] | {
    "session_id": SESSION,
    "status": "completed",
    "scene_ids": [SCENE_ID],
    "cost_usd": 0.0,
    "error": None,
}

ANSWERS: dict[tuple[str, str], Any] = {
    ("post", "/generate"): ACCEPTED,
    ("post", "/continue"): ACCEPTED | {"message": "The story is being drawn."},
    ("post", "/regenerate"): ACCEPTED | {"message": "The story is being drawn."},
    ("post", "/cancel"): ACCEPTED
    | {"status": "cancelled", "message": "The session is cancelled; what is done is kept."},
    ("post", "/analyze"): {
        "analysis": ANALYSIS,
        "recommended_scenes": 3,
        "num_scenes": 3,
        "scenes": [{"start": 0, "end": 68, "excerpt": SCENE["excerpt"]}],
        "estimate": {
            "least_usd": 0.0,
            "worst_usd": 0.0,
            "text_model": "openai/gpt-6-luna",
            "image_model": "draft:paper-cut",
        },
    },
    ("post", "/upload"): {"title": "The paper boat", "story_text": STORY_EXAMPLE, "analysis": ANALYSIS},
    **{
        (method, f"/sessions/{{session_id}}/{path}"): STATUS
        for method, path in (
            ("post", "scenes/{number}/split"),
            ("post", "scenes/{number}/merge"),
            ("post", "scenes/{number}/move"),
            ("patch", "bible"),
        )
    },
    ("get", "/status/{session_id}"): STATUS,
    ("get", "/events/{session_id}"): "".join(
        f"{tag}event: {name}\ndata: {json.dumps(data)}\n\n"
        for tag, name, data in (
            ("", "scene", SCENE),
            ("", "progress", PROGRESS_EVENT),
            ("id: 7\n", "done", PROGRESS_EVENT),
        )
    ),
    ("get", "/sessions/{session_id}/scenes/{number}"): SCENE_DETAIL,
    ("patch", "/sessions/{session_id}/scenes/{number}"): SCENE_DETAIL,
    ("get", "/sessions/{session_id}/anchors/{name}"): ANCHOR,
    ("patch", "/sessions/{session_id}/anchors/{name}"): ANCHOR,
    ("put", "/sessions/{session_id}/anchors/{name}"): ANCHOR | {"source": "uploaded", "model": None},
    ("post", "/sessions/{session_id}/anchors/{name}/redraw"): ACCEPTED | {"message": "The story is being drawn."},
    ("post", "/approve"): {
        "message": "The project is ready.",
        "download_status": "ready",
        "project_id": SESSION,
        "approved_scenes": [0, 1, 2],
    },
    ("get", "/projects"): {"projects": [PROJECT], "next": None},
    ("get", "/projects/{project_id}"): PROJECT | {"scenes": [SCENE | {"approved": True}]},
    ("get", "/models"): {
        "models": [
            {
                "id": "draft:paper-cut",
                "kind": "image",
                "provider": "draft",
                "description": "Offline draft: layered paper-cut pictures from the scene's facts, without a model.",
                "price_usd": "free",
                "default": True,
                "available": True,
                "references": 0,
            }
        ]
    },
    ("get", "/health"): {
        "status": "healthy",
        "version": "0.1.0",
        "environment": "development",
        "services": {
            "openrouter": "not_configured",
            "runware": "not_configured",
            "sessions": "available",
            "database": "not_configured",
        },
        "details": {},
        "active_sessions": 0,
        "uptime_seconds": 12.5,
        "timestamp": LATER,
    },
    ("get", "/metrics"): 'story_http_requests_total{method="POST",route="/generate",status="202"} 1.0\n',
    ("get", "/debug/sessions"): {
        "count": 1,
        "sessions": [
            {
                "session_id": SESSION,
                "owner": "local",
                "status": "completed",
                "scenes": 1,
                "ready": 1,
                "failed": 0,
                "cost_usd": 0.0,
                "version": 7,
                "created_at": EARLIER,
                "updated_at": LATER,
            }
        ],
    },
    ("get", "/debug/config"): {"settings": {"ENVIRONMENT": "development", "OPENROUTER_API_KEY": "missing"}},
}

PROBLEMS_OF: dict[tuple[str, int], tuple[str, str]] = {
    **dict.fromkeys(
        [("/sessions/{session_id}/scenes/{number}" + more, 404) for more in ("", "/split", "/merge", "/move")]
        + [("/regenerate", 404), ("/approve", 404)],
        ("scene_not_found", "The session has no such scene."),
    ),
    **dict.fromkeys(
        [("/sessions/{session_id}/anchors/{name}" + more, 404) for more in ("", "/redraw")],
        ("anchor_not_found", "The session has no reference picture of that name."),
    ),
    ("/images/{session_id}/{file}", 404): ("image_not_found", "There is no such picture."),
    ("/projects/{project_id}", 404): ("project_not_found", "There is no such project."),
    ("/debug/sessions", 404): ("not_found", "There is nothing at this address."),
    ("/debug/config", 404): ("not_found", "There is nothing at this address."),
    ("/approve", 409): ("not_ready", "Scene 0 has no picture yet."),
    ("/download", 409): ("not_ready", "The pictures are still being drawn."),
    ("/sessions/{session_id}/anchors/{name}", 409): ("not_ready", "The reference picture is not there yet."),
    ("/generate", 429): ("service_full", "The service is at its limit of unfinished sessions; try again soon."),
    ("/upload", 422): ("empty_document", "There is no text in the document, or too little for a story."),
    ("/upload", 415): (
        "unsupported_document",
        "The file is a PNG picture. Send a txt, md, fountain, fdx, docx, pdf or epub file.",
    ),
}
PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read."),
    401: ("unauthorized", "An API key is needed: send it as X-API-Key or as a bearer token."),
    402: ("budget_reached", "The next call could cost more than is left of the service's budget for today."),
    404: ("session_not_found", "There is no such session."),
    408: ("body_timeout", "The request body did not arrive in time."),
    409: ("conflict", "The scene is being drawn; try again when it is ready."),
    412: ("precondition_failed", "The scene has changed since you read it."),
    413: ("body_too_large", "The request body is larger than this service accepts."),
    415: ("unsupported_media_type", "Send the body as JSON, with Content-Type: application/json."),
    422: ("invalid_request", "The request does not fit the interface: body.num_scenes."),
    429: ("rate_limited", "Too many requests; slow down."),
    503: ("storage_unavailable", "The service cannot write to its storage; nothing was sent."),
}
