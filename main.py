"""The HTTP face of the service: routes that call `business_logic`, and the table from errors to statuses."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import logging
import mimetypes
import pathlib
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import SecretStr, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Receive, Scope, Send

from adapters.caching import KEYS, NO_STORE, PICTURE, Caching, is_known, known_tags
from adapters.h11_problems import ProblemProtocol
from adapters.logs import logged_to, set_up_logs
from adapters.metrics import CONTENT_TYPE, Metrics
from adapters.middleware import STREAMS, BodyLimit, Crashes, Origins, PageFiles, Report, RequestContext
from adapters.openapi import describe, operation_id
from adapters.rate_limit import RateLimit, counted_address
from adapters.wiring import EXPORTS, check_start, open_error_tracker, open_studio, open_telemetry
from business_logic import Studio
from config import VERSION, ConfigurationError, Settings, load_settings
from models import (
    SESSION_ID,
    Accepted,
    AnalyzeRequest,
    AnalyzeView,
    AnchorEdit,
    AnchorNotFound,
    AnchorRedraw,
    AnchorView,
    ApproveRequest,
    ApproveView,
    BibleEdit,
    BodyTooLarge,
    BodyTooSlow,
    BudgetReached,
    CancelRequest,
    ContinueRequest,
    DebugConfig,
    DebugSessions,
    DocumentTooLarge,
    DocumentUnreadable,
    DownloadRequest,
    EditConflict,
    FontMissing,
    GenerateRequest,
    HealthView,
    IdempotencyConflict,
    ImageNotFound,
    InvalidRequest,
    ModelList,
    MoveRequest,
    NotHere,
    NothingReady,
    NotReady,
    PriceUnknown,
    ProblemDocument,
    ProjectDetail,
    ProjectNotFound,
    ProjectPage,
    ProviderError,
    ProviderUnavailable,
    RegenerateRequest,
    RequestBody,
    RequestError,
    SceneDetail,
    SceneEdit,
    SceneNotFound,
    ServiceFull,
    SessionNotFound,
    SplitRequest,
    StatusView,
    StorageUnavailable,
    StoryError,
    TooManyRequests,
    Unauthorized,
    UnknownModel,
    UnsupportedDocument,
    UploadView,
    VersionMismatch,
)
from utils import session_in_log

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
STATIC = pathlib.Path(__file__).with_name("static")
PICTURE_TYPES: dict[str, Any] = {"image/jpeg": {}, "image/png": {}, "image/webp": {}}
RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-([1-9]\d{0,14}))")
LOCAL = "local"
NO_VERSION = -1
UPLOAD_PATH = "/upload"
ANCHOR_PATH = r"/sessions/[0-9a-f]+/anchors/[^/]+"
ENVELOPE_BYTES = 10_000  # what a form may hold around its file
SUMMARY = "Turns a story or script into pictures."
DESCRIPTION = """
Post a story to `/generate`, watch `/status/{session_id}` (or `/events/{session_id}`), look at each picture the moment
it exists, `/approve` what you like and take it away with `/download`. Without keys for the providers the pictures are
offline drafts. Every error is an RFC 9457 problem document with a `code`, `retryable` and a `request_id`.
"""

# The one table from error to status; a class that is not here has the status of the nearest class above it.
STATUS: Mapping[type[StoryError], int] = {
    StoryError: 500,
    RequestError: 422,
    InvalidRequest: 422,
    UnknownModel: 422,
    PriceUnknown: 422,
    IdempotencyConflict: 422,
    SessionNotFound: 404,
    SceneNotFound: 404,
    AnchorNotFound: 404,
    ImageNotFound: 404,
    ProjectNotFound: 404,
    NotHere: 404,
    EditConflict: 409,
    NotReady: 409,
    NothingReady: 409,
    VersionMismatch: 412,
    BodyTooLarge: 413,
    BodyTooSlow: 408,
    UnsupportedDocument: 415,
    DocumentTooLarge: 413,
    DocumentUnreadable: 422,
    Unauthorized: 401,
    TooManyRequests: 429,
    ServiceFull: 429,
    BudgetReached: 402,
    ProviderError: 502,
    ProviderUnavailable: 503,
    StorageUnavailable: 503,
    FontMissing: 503,
}
TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    402: "Budget reached",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    412: "Precondition failed",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    502: "Provider error",
    503: "Service unavailable",
}
CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
}
SENTENCES = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The request body did not arrive in time.",
    413: "The request body is larger than this service accepts.",
    415: "Send the body as JSON, with Content-Type: application/json.",
}


# --- Collaborators of a request --------------------------------------------------------------------------------


async def studio_of(request: Request) -> Studio:
    """The studio this application was made with."""
    studio: Studio = request.app.state.studio
    return studio


async def caller_of(request: Request) -> str:
    """The name of whoever asks; raises `Unauthorized`. Without API keys everybody is `local`."""
    keys: ApiKeys = request.app.state.api_keys
    return keys.name_of(given_key(request))


async def paying_caller(request: Request, caller: Annotated[str, Depends(caller_of)]) -> str:
    """Whoever asks for something that costs work, counted once a request against `RATE_LIMIT`."""
    if not hasattr(request.state, "counted"):
        request.state.counted = True
        limit: RateLimit = request.app.state.rate_limit
        address = counted_address(request.client.host if request.client else "unknown")
        await limit.hit(f"key:{caller}" if caller != LOCAL else f"address:{address}")
    return caller


async def new_session_caller(request: Request, caller: Annotated[str, Depends(paying_caller)]) -> str:
    """Whoever asks for a new session; raises `ServiceFull`. A key may repeat an old one, for which there is room."""
    if "idempotency-key" not in request.headers:
        studio: Studio = request.app.state.studio
        await studio.check_room()
    return caller


class EarlyRoute(APIRoute):
    """Says no to strangers, to whoever asks too often and when the service is full, before the body is read.

    FastAPI reads and parses a body before it looks at the dependencies, and refusing a story must cost less than that.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        read = super().get_route_handler()
        asked = {needed.call for needed in self.dependant.dependencies}
        if not asked & {paying_caller, new_session_caller}:
            return read

        async def answer(request: Request) -> Response:
            caller = await paying_caller(request, await caller_of(request))
            if new_session_caller in asked:
                await new_session_caller(request, caller)
            return await read(request)

        return answer


async def debugger(request: Request) -> None:
    """Lets pass in development, or with the admin key; for all others there is nothing here."""
    settings: Settings = request.app.state.settings
    if settings.debug or same_key(given_key(request), settings.admin_api_key):
        return
    raise NotHere


class ApiKeys:
    """The keys of `API_KEYS`, compared in constant time by their SHA-256."""

    def __init__(self, keys: Mapping[str, SecretStr]) -> None:
        self._names = {name: _digest(key.get_secret_value()) for name, key in keys.items()}

    def name_of(self, key: str | None) -> str:
        """The name the key belongs to; raises `Unauthorized`."""
        if not self._names:
            return LOCAL
        digest = _digest(key or "")
        found = [name for name, known in self._names.items() if hmac.compare_digest(digest, known)]
        if not found:
            raise Unauthorized
        return found[0]


def given_key(request: Request) -> str | None:
    """The key of `X-API-Key` or of `Authorization: Bearer`."""
    if key := request.headers.get("x-api-key"):
        return key
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def same_key(given: str | None, wanted: SecretStr | None) -> bool:
    """Whether the given key is the wanted one, in constant time; never when there is none."""
    if wanted is None or given is None:
        return False
    return hmac.compare_digest(_digest(given), _digest(wanted.get_secret_value()))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


TheStudio = Annotated[Studio, Depends(studio_of)]
Caller = Annotated[str, Depends(caller_of)]
PayingCaller = Annotated[str, Depends(paying_caller)]
NewSessionCaller = Annotated[str, Depends(new_session_caller)]
SessionPath = Annotated[
    str,
    Path(description="The `session_id` of `POST /generate`.", json_schema_extra={"pattern": SESSION_ID}),
]
ProjectPath = Annotated[
    str,
    Path(description="The `project_id` of `POST /approve`.", json_schema_extra={"pattern": SESSION_ID}),
]
Number = Annotated[int, Path(ge=0, description="The `scene_number`: the scene's place today, counted from 0.")]
AnchorName = Annotated[str, Path(description="The character's name, or the `anchor_id`.")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="The ETag of the answer you have.")]


def if_match(of: str) -> Any:
    """The header that guards an edit by the ETag of what was read."""
    return Header(alias="If-Match", description=f"The ETag of {of}: when that has changed since, 412 and nothing done.")


SceneRead = Annotated[str | None, if_match("the scene you have read")]
SessionRead = Annotated[str | None, if_match("the session you have read")]
EitherRead = Annotated[str | None, if_match("the scene or of the session you have read")]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for the OpenAPI document."""
    return {
        status: {
            "model": ProblemDocument,
            "description": TITLES[status],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }


COMMON = (400, 401, 408, 413, 415, 422)  # what any call with a body can end in
READING = problems(401, 404, 422, 503)  # what asking about a session can end in


# --- Where a session stands ------------------------------------------------------------------------------------


class DirectRoute(APIRoute):
    """Calls its endpoint directly when there is no query, so nothing to validate: this is asked more often than
    everything else together, and FastAPI's reading of parameters takes as long as the whole of the answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        validated = super().get_route_handler()

        async def answer(request: Request) -> Response:
            if request.scope["query_string"]:
                return await validated(request)
            seen = request.headers.get("if-none-match")
            return await status(request.path_params["session_id"], request, if_none_match=seen)

        return answer


states = APIRouter(tags=["stories"], route_class=DirectRoute, generate_unique_id_function=operation_id)


@states.get(
    "/status/{session_id}",
    response_model=StatusView,
    responses={304: {"description": "Not changed since the version in If-None-Match."}, **READING},
)
async def status(
    session_id: SessionPath,
    request: Request,
    wait: Annotated[
        float, Query(ge=0, le=60, description="Seconds to wait for a change from the ETag in If-None-Match.")
    ] = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Where a session stands. With `If-None-Match` 304 when nothing changed; with `wait` the answer waits for it."""
    studio, caller = await studio_of(request), await caller_of(request)
    seen = versions_in(if_none_match)
    page = await studio.status(caller, session_id, seen=seen, wait=wait)
    return Response(page.body, media_type="application/json", headers={"ETag": page.tag})


# --- Drawing stories -------------------------------------------------------------------------------------------

stories = APIRouter(tags=["stories"], route_class=EarlyRoute, generate_unique_id_function=operation_id)


@stories.post("/generate", status_code=202, responses=problems(*COMMON, 402, 429, 503))
async def generate(
    body: GenerateRequest,
    response: Response,
    studio: TheStudio,
    caller: NewSessionCaller,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="A name of your own for this story, so that it is safe to send again: the same key with the "
            "same body gives the first session, with another body 422.",
        ),
    ] = None,
) -> Accepted:
    """Start drawing a story. The same Idempotency-Key with the same body gives the first session again."""
    accepted = await studio.generate(caller, body, idempotency_key)
    return follow(response, accepted)


def follow(response: Response, accepted: Accepted) -> Accepted:
    """The answer to work that was begun; `Location` says where to watch it."""
    session_in_log.set(accepted.session_id)
    response.headers["Location"] = f"/status/{accepted.session_id}"
    return accepted


@stories.post("/analyze", responses=problems(*COMMON, 429))
async def analyze(body: AnalyzeRequest, studio: TheStudio, caller: PayingCaller) -> AnalyzeView:
    """Read a story and say what drawing it would take and cost; spends nothing."""
    return await studio.analyze(body)


FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            }
        },
    }
}


async def uploaded_file(request: Request, caller: PayingCaller) -> AsyncIterator[UploadFile]:
    """The file of an upload, on disk when it is not small; whoever may not send one is told before it is read."""
    if media_type_of(request) != "multipart/form-data":
        raise UnsupportedDocument("Send the file as multipart/form-data, in the field `file`.")
    settings: Settings = request.app.state.settings
    async with request.form(max_files=1, max_fields=10, max_part_size=ENVELOPE_BYTES) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or len(form) > 1:
            kind = "extra_forbidden" if len(form) > 1 else "missing"
            raise RequestValidationError([{"loc": ("body", "file"), "type": kind}])
        if (file.size or 0) > settings.max_upload_bytes:
            raise BodyTooLarge
        yield file


@stories.post(UPLOAD_PATH, responses=problems(*COMMON, 429, 503), openapi_extra=FILE_BODY)
async def upload(studio: TheStudio, file: Annotated[UploadFile, Depends(uploaded_file)]) -> UploadView:
    """Read the story out of a document: txt, md, fountain, fdx, docx, pdf or epub; spends nothing."""
    return await studio.upload(file.file, file.filename or "")


async def owned_session(session_id: SessionPath, studio: TheStudio, caller: Caller) -> str:
    """The id of a session of the caller's: a stream answers 404 before it begins."""
    return (await studio.owned(caller, session_id)).session_id


@stories.get("/events/{session_id}", response_class=EventSourceResponse, responses=READING)
async def events(
    session: Annotated[str, Depends(owned_session)],
    studio: TheStudio,
    caller: Caller,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=40, description="The `id` of the last event you have; resumes there."),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The session as server-sent events: `scene`, `progress`, at the end `done`. `Last-Event-ID` resumes."""
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    async for event in studio.events(caller, session, after=after):
        yield ServerSentEvent(raw_data=event.data, event=event.event, id=event.id)


@stories.post("/continue", status_code=202, responses=problems(*COMMON, 402, 404, 429, 503))
async def continue_(body: ContinueRequest, response: Response, studio: TheStudio, caller: PayingCaller) -> Accepted:
    """Do what is missing, failed or stale; may be repeated."""
    return follow(response, await studio.continue_(caller, body))


@stories.post("/cancel", status_code=202, responses=problems(*COMMON, 404, 503))
async def cancel(body: CancelRequest, response: Response, studio: TheStudio, caller: Caller) -> Accepted:
    """Stop before the next call; what is done, and what is under way, is kept. May be repeated."""
    return follow(response, await studio.cancel(caller, body.session_id))


@stories.post("/regenerate", status_code=202, responses=problems(*COMMON, 402, 404, 409, 429, 503))
async def regenerate(body: RegenerateRequest, response: Response, studio: TheStudio, caller: PayingCaller) -> Accepted:
    """Draw one scene again; the earlier picture stays as a version."""
    return follow(response, await studio.regenerate(caller, body))


@stories.delete("/sessions/{session_id}", status_code=204, responses=problems(401, 404, 422, 503))
async def delete(session_id: SessionPath, studio: TheStudio, caller: Caller) -> None:
    """Stop a session and remove it and its files."""
    await studio.delete(caller, session_id)


@stories.get("/sessions/{session_id}/scenes/{number}", responses=READING)
async def get_scene(
    session_id: SessionPath, number: Number, response: Response, studio: TheStudio, caller: Caller
) -> SceneDetail:
    """One scene: its whole text, its versions, its error."""
    version, scene = await studio.scene(caller, session_id, number)
    response.headers["ETag"] = f'"{version}"'
    return scene


@stories.patch("/sessions/{session_id}/scenes/{number}", responses=problems(*COMMON, 404, 409, 412, 503))
async def edit_scene(
    session_id: SessionPath,
    number: Number,
    body: SceneEdit,
    response: Response,
    studio: TheStudio,
    caller: Caller,
    if_match: SceneRead = None,
) -> SceneDetail:
    """Edit a scene's title, description or prompt, or choose the picture it shows; `If-Match` guards the edit."""
    expected = expected_version(if_match)
    version, scene = await studio.edit_scene(caller, session_id, number, body, expected=expected)
    response.headers["ETag"] = f'"{version}"'
    return scene


STRUCTURE = problems(*COMMON, 404, 409, 412, 503)


@stories.post("/sessions/{session_id}/scenes/{number}/split", responses=STRUCTURE)
async def split_scene(
    session_id: SessionPath,
    number: Number,
    body: SplitRequest,
    response: Response,
    studio: TheStudio,
    caller: Caller,
    if_match: EitherRead = None,
) -> StatusView:
    """Cut a scene in two at an offset into the story. The first half keeps its id and pictures; nothing is drawn."""
    expected = expected_version(if_match)
    return tagged(response, await studio.split_scene(caller, session_id, number, body.at, expected=expected))


@stories.post("/sessions/{session_id}/scenes/{number}/merge", responses=problems(401, 404, 409, 412, 422, 503))
async def merge_scene(
    session_id: SessionPath,
    number: Number,
    response: Response,
    studio: TheStudio,
    caller: Caller,
    if_match: EitherRead = None,
) -> StatusView:
    """Join a scene with the next one. The pictures of both stay as versions of the first; nothing is drawn."""
    expected = expected_version(if_match)
    return tagged(response, await studio.merge_scene(caller, session_id, number, expected=expected))


@stories.post("/sessions/{session_id}/scenes/{number}/move", responses=STRUCTURE)
async def move_scene(
    session_id: SessionPath,
    number: Number,
    body: MoveRequest,
    response: Response,
    studio: TheStudio,
    caller: Caller,
    if_match: EitherRead = None,
) -> StatusView:
    """Show a scene at another place. Its id, text and pictures stay."""
    expected = expected_version(if_match)
    return tagged(response, await studio.move_scene(caller, session_id, number, body.to, expected=expected))


@stories.patch("/sessions/{session_id}/bible", responses=STRUCTURE)
async def edit_bible(
    session_id: SessionPath,
    body: BibleEdit,
    response: Response,
    studio: TheStudio,
    caller: Caller,
    if_match: SessionRead = None,
) -> StatusView:
    """Edit the story bible. Exactly the scenes it concerns become stale; `/continue` draws them anew."""
    return tagged(response, await studio.edit_bible(caller, session_id, body, expected=expected_version(if_match)))


def tagged(response: Response, edited: tuple[int, StatusView]) -> StatusView:
    """A session right after an edit, with its version as the ETag: the one `/status` gives."""
    version, view = edited
    response.headers["ETag"] = f'"{version}"'
    return view


@stories.get("/sessions/{session_id}/anchors/{name}", responses=READING)
async def get_anchor(session_id: SessionPath, name: AnchorName, studio: TheStudio, caller: Caller) -> AnchorView:
    """One recurring character's reference picture."""
    return await studio.anchor(caller, session_id, name)


@stories.patch("/sessions/{session_id}/anchors/{name}", responses=problems(*COMMON, 404, 409, 503))
async def edit_anchor(
    session_id: SessionPath, name: AnchorName, body: AnchorEdit, studio: TheStudio, caller: Caller
) -> AnchorView:
    """Approve a reference picture, or take the approval back."""
    return await studio.edit_anchor(caller, session_id, name, body)


@stories.post(
    "/sessions/{session_id}/anchors/{name}/redraw",
    status_code=202,
    responses=problems(*COMMON, 402, 404, 409, 429, 503),
)
async def redraw_anchor(
    session_id: SessionPath,
    name: AnchorName,
    body: AnchorRedraw,
    response: Response,
    studio: TheStudio,
    caller: PayingCaller,
) -> Accepted:
    """Draw a reference picture again; the scenes the character is in are stale once it is there."""
    return follow(response, await studio.redraw_anchor(caller, session_id, name, body))


async def uploaded_picture(request: Request, caller: PayingCaller) -> bytes:
    """The bytes of the form's `file`; raises `BodyTooLarge`, and whoever may not send one is told before it is read."""
    if media_type_of(request) != "multipart/form-data":
        raise HTTPException(415)
    settings: Settings = request.app.state.settings
    async with request.form(max_files=1, max_fields=0) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RequestValidationError([{"loc": ("body", "file"), "type": "missing"}])
        if (file.size or 0) > settings.max_image_bytes:
            raise BodyTooLarge
        return await file.read()


@stories.put(
    "/sessions/{session_id}/anchors/{name}",
    responses=problems(*COMMON, 404, 409, 429, 503),
    openapi_extra=FILE_BODY,
)
async def replace_anchor(
    session_id: SessionPath,
    name: AnchorName,
    studio: TheStudio,
    caller: Caller,
    file: Annotated[bytes, Depends(uploaded_picture)],
) -> AnchorView:
    """Put a picture of your own in the place of a reference picture: JPEG, PNG or WebP."""
    return await studio.replace_anchor(caller, session_id, name, file)


# --- Handing over ----------------------------------------------------------------------------------------------

results = APIRouter(tags=["results"], route_class=EarlyRoute, generate_unique_id_function=operation_id)


@results.post("/approve", responses=problems(*COMMON, 402, 404, 409, 429, 503))
async def approve(body: ApproveRequest, studio: TheStudio, caller: PayingCaller) -> ApproveView:
    """Make the approved scenes the project; `upgrade` draws drafts in final quality first."""
    return await studio.approve(caller, body)


DOWNLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"$ref": "#/components/schemas/DownloadRequest"}}
            for media_type in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
        },
    }
}


def is_json(media_type: str) -> bool:
    """Whether a body of that type is read as JSON."""
    return media_type.startswith("application/") and media_type.endswith(("/json", "+json"))


def media_type_of(request: Request) -> str:
    """The media type of the body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def download_request(request: Request) -> DownloadRequest:
    """The body of a download, from JSON or from a form; raises `RequestValidationError`."""
    kind = media_type_of(request)
    try:
        if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            async with request.form(max_files=0, max_fields=10, max_part_size=10_000) as form:
                return DownloadRequest.model_validate(dict(form))
        if not is_json(kind):
            raise HTTPException(415)
        return DownloadRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False, include_context=False)) from error


DOWNLOAD_TYPES: dict[str, Any] = {export.media_type: {} for export in EXPORTS.values()}


@results.post(
    "/download",
    response_class=StreamingResponse,
    responses={200: {"content": DOWNLOAD_TYPES}, **problems(*COMMON, 404, 409, 503)},
    openapi_extra=DOWNLOAD_BODY,
)
async def download(
    request: Request, studio: TheStudio, caller: Caller, body: Annotated[DownloadRequest, Depends(download_request)]
) -> Response:
    """The approved scenes (before an approval: every ready one) as a file. 409 with Retry-After while it is made."""
    file = await studio.download(caller, body)
    headers = {"Content-Disposition": disposition(file.filename)}
    if file.path is not None:
        forget_range(request)
        return FileResponse(file.path, media_type=file.media_type, headers=headers)
    return ChunksResponse(file.chunks, media_type=file.media_type, headers=headers)


class ChunksResponse(StreamingResponse):
    """Sends chunks as they are made; at the end, or when the reader has left, what makes them lets go of its files."""

    def __init__(self, chunks: Iterable[bytes], *, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(chunks, media_type=media_type, headers=headers)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._chunks, Generator):
                self._chunks.close()


@results.get(
    "/images/{session_id}/{file}",
    response_class=FileResponse,
    responses={
        200: {"content": PICTURE_TYPES},
        206: {"description": "The part that Range asks for.", "content": PICTURE_TYPES},
        304: {"description": "You have it: a picture never changes under its name."},
        **READING,
    },
)
async def image(
    session_id: SessionPath,
    file: Annotated[str, Path(description="The last part of the address in `image_url`.")],
    request: Request,
    studio: TheStudio,
    sig: Annotated[
        str | None, Query(max_length=64, description="The signature in `image_url`: with it no key is needed.")
    ] = None,
    part: Annotated[
        str | None,
        Header(alias="Range", description="The bytes you want; what cannot be given is answered with the whole."),
    ] = None,
) -> Response:
    """A picture, for its owner or for whoever has its signed address."""
    owner = None if sig else await caller_of(request)
    path = await studio.picture(owner, session_id, file, sig)
    headers = {"Cache-Control": PICTURE, "ETag": f'"{path.name}"'} | ({} if sig else {"Vary": KEYS})
    if is_known(headers["ETag"], known_tags(request.headers)):  # before the file is opened
        return Response(status_code=304, headers=headers)
    if part is not None and not is_part(part, path.stat().st_size):  # Starlette's own refusals are plain text
        forget_range(request)
    return FileResponse(path, headers=headers)


def forget_range(request: Request) -> None:
    """Answer with the whole file, whatever part was asked for."""
    request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]


def is_part(text: str, size: int) -> bool:
    """Whether a `Range` names one part of a file of that size; anything else may be ignored (RFC 9110, 14.2)."""
    found = RANGE.fullmatch(text)
    if found is None:
        return False
    first, last, suffix = found.groups()
    if suffix:
        return int(suffix) <= size
    return int(first) < size and (not last or int(first) <= int(last))


@results.get("/projects", responses=problems(401, 422, 503))
async def projects(
    studio: TheStudio,
    caller: Caller,
    after: Annotated[str | None, Query(max_length=100, description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 20,
    q: Annotated[str | None, Query(max_length=200, description="Words that the title or the story has.")] = None,
) -> ProjectPage:
    """Approved work, newest first; with `q` what has it in its title or its story, in any case."""
    return await studio.projects(caller, after=after, limit=limit, query=q)


@results.get("/projects/{project_id}", responses=READING)
async def project(project_id: ProjectPath, studio: TheStudio, caller: Caller) -> ProjectDetail:
    """One piece of approved work with its scenes."""
    return await studio.project(caller, project_id)


# --- The service itself ----------------------------------------------------------------------------------------

service = APIRouter(tags=["service"], generate_unique_id_function=operation_id)


@service.get("/models", responses=problems(401))
async def models(studio: TheStudio, caller: Caller) -> ModelList:
    """The models that may be named, with their prices."""
    return studio.models()


@service.get("/health")
async def health(studio: TheStudio) -> HealthView:
    """How the service, its providers and its storage are."""
    return await studio.health()


@service.get("/health/live", status_code=204)
async def live() -> None:
    """The process answers."""


@service.get("/health/ready", status_code=204, responses=problems(503))
async def ready(studio: TheStudio) -> None:
    """The process may be sent work: its storage takes writes and it is not being stopped."""
    await studio.check_ready()


@service.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    counted: Metrics = request.app.state.metrics
    return Response(counted.render(), media_type=CONTENT_TYPE)


@service.get("/debug/sessions", dependencies=[Depends(debugger)], responses=problems(404))
async def debug_sessions(studio: TheStudio) -> DebugSessions:
    """The sessions in memory; in development, or with the admin key."""
    return await studio.debug_sessions()


@service.get("/debug/config", dependencies=[Depends(debugger)], responses=problems(404))
async def debug_config(request: Request) -> DebugConfig:
    """The settings in force, without secrets; in development, or with the admin key."""
    settings: Settings = request.app.state.settings
    return DebugConfig(settings=settings.public())


# --- Errors ----------------------------------------------------------------------------------------------------


def problem(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    retryable: bool = False,
    retry_after: float | None = None,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An RFC 9457 answer; nothing of what was sent is echoed."""
    document = ProblemDocument(
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        code=code,
        retryable=retryable,
        request_id=request.state.request_id,
        errors=errors,
    )
    extra = {"Cache-Control": NO_STORE, **(headers or {})}
    if retry_after is not None:
        extra["Retry-After"] = str(max(1, round(retry_after)))
    return JSONResponse(document.model_dump(exclude_none=True), status, extra, media_type=PROBLEM)


def status_of(error: StoryError) -> int:
    """The status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def story_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoryError)  # noqa: S101 (registered for this class alone)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
    return problem(
        request,
        status_of(error),
        code=error.code,
        detail=str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
        headers=headers,
    )


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's and FastAPI's own refusals: unknown addresses, methods, unreadable and too large bodies."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 (registered for this class alone)
    status = error.status_code
    return problem(
        request,
        status,
        code=CODES.get(status, "http_error"),
        detail=SENTENCES.get(status, "The request cannot be done."),
        retryable=status == 408,
        headers={"Allow": allowed_methods(request)} if status == 405 else None,
    )


def allowed_methods(request: Request) -> str:
    """Every method this address takes, for `Allow`: a path may have a route for each, and the page's files none."""
    path = request.scope["path"]
    routes = (route for route in request.app.routes if isinstance(route, APIRoute) and route.path_regex.match(path))
    methods = {method for route in routes for method in route.methods or ()} or {"GET"}
    headless = "GET" in methods and not path.startswith(STREAMS)
    return ", ".join(sorted(methods | {"HEAD"} if headless else methods))


async def invalid_request(request: Request, error: Exception) -> JSONResponse:
    """What does not fit the interface: where and how, never what was sent (it may be a story, or not be encodable)."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this class alone)
    found = error.errors()[:20]
    if found[0]["type"] == "model_attributes_type" and not is_json(media_type_of(request)):
        return await http_error(request, HTTPException(415))
    errors = [{"loc": location(item["loc"]), "type": str(item["type"])} for item in found]
    where = ", ".join(dict.fromkeys(item["loc"] for item in errors))
    if all(item["type"] == "json_invalid" for item in errors):
        return problem(request, 422, code="invalid_json", detail="The body is not JSON.", errors=errors)
    detail = f"The request does not fit the interface: {where[:500]}."
    return problem(request, 422, code="invalid_request", detail=detail, errors=errors)


def location(parts: tuple[int | str, ...]) -> str:
    """Where in the request: names of ours as they are, anything a caller made up as `?`."""
    return ".".join(str(part) if isinstance(part, int) or part in KNOWN_NAMES else "?" for part in parts)


def _bodies(kind: type[RequestBody]) -> list[type[RequestBody]]:
    return [kind, *(body for below in kind.__subclasses__() for body in _bodies(below))]


def _names() -> frozenset[str]:
    fields = {name for body in _bodies(RequestBody) for name in body.model_fields}
    edges = {
        "body",
        "query",
        "path",
        "header",
        "wait",
        "after",
        "limit",
        "q",
        "sig",
        "number",
        "session_id",
        "file",
        "name",
    }
    return frozenset(fields | edges | {"Idempotency-Key", "If-None-Match", "If-Match", "Last-Event-ID", "Range"})


KNOWN_NAMES = _names()


async def crashed(scope: Scope, receive: Receive, send: Send) -> None:
    """What a caller sees of a crash."""
    answer = problem(Request(scope), 500, code="internal_error", detail="Something went wrong here.", retryable=True)
    await answer(scope, receive, send)


async def preflight_refused(scope: Scope, receive: Receive, send: Send) -> None:
    """What a browser is told about a page whose origin, or method, is not allowed here."""
    detail = "This origin or method is not allowed here; see CORS_ORIGINS."
    answer = problem(Request(scope), 400, code="cors_refused", detail=detail)
    await answer(scope, receive, send)


# --- Small helpers of the edge ---------------------------------------------------------------------------------


def versions_in(etags: str | None) -> list[int]:
    """The versions that a list of ETags names; tags that are not ours are left out."""
    tags = etags.split(",") if etags else []
    digits = (tag.strip().removeprefix("W/").strip('"').partition("-")[0] for tag in tags)
    return [int(version) for version in digits if version.isdecimal() and len(version) < 16]


def expected_version(if_match: str | None) -> int | None:
    """The version `If-Match` asks for: None for no header or `*`, one that never is for another's ETag."""
    if if_match is None or if_match.strip() == "*":
        return None
    versions = versions_in(if_match)
    if len(versions) != 1 or "W/" in if_match:  # a weak tag never matches here (RFC 9110)
        return NO_VERSION
    return versions[0]


def disposition(filename: str) -> str:
    """`Content-Disposition` for a file name in any script (RFC 6266)."""
    stem, dot, suffix = filename.encode("ascii", "ignore").decode().replace('"', "").replace("\\", "").rpartition(".")
    plain = f"{stem.strip('_') or 'story'}{dot}{suffix}"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


# --- The application -------------------------------------------------------------------------------------------


def create_app(
    settings: Settings | None = None, studio: Studio | None = None, metrics: Metrics | None = None
) -> FastAPI:
    """The application; with a ready `studio` it opens nothing of its own."""
    chosen = settings or load_settings()
    counted = metrics or Metrics()
    counted.tell_about(version=VERSION, environment=chosen.environment, queue="redis" if chosen.redis_url else "local")
    routes = [*states.routes, *stories.routes, *results.routes, *service.routes]
    tracker = open_error_tracker(chosen)
    telemetry = open_telemetry(chosen, [route.path for route in routes if isinstance(route, APIRoute)])

    def report(error: BaseException, about: Mapping[str, str]) -> None:
        counted.crash(about["where"])
        if tracker is not None:
            tracker.report(error, about)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if tracker is not None:
                stack.push_async_callback(tracker.aclose)
            if telemetry is not None:
                stack.push_async_callback(telemetry.aclose)
                stack.enter_context(logged_to(telemetry.log_handler))
            if studio is None:
                app.state.studio = await stack.enter_async_context(open_studio(chosen, counted, report))
                log.info("ready", extra={"environment": chosen.environment, "version": VERSION})
            yield

    if telemetry is not None:
        counted.pass_on_to(telemetry.observe)
    mimetypes.init()  # reads the system's files: better now than at the first request
    docs = chosen.environment != "production"
    app = FastAPI(
        title="Story to Image Generator",
        version=VERSION,
        summary=SUMMARY,
        lifespan=lifespan,
        description=DESCRIPTION,
        routes=routes,
        telemetry=telemetry.config if telemetry else {"auto_configure": False},
        redirect_slashes=False,
        docs_url="/docs" if docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
    )
    if docs:
        most = {
            "story_text": chosen.max_story_chars,
            "image_prompt": chosen.max_prompt_chars,
            "num_scenes": chosen.max_scenes,
        }
        app.openapi = partial(  # type: ignore[method-assign]
            describe, app, with_keys=bool(chosen.api_keys), open_debug=chosen.debug, most=most
        )
    app.state.settings = chosen
    app.state.studio = studio
    app.state.metrics = counted
    app.state.api_keys = ApiKeys(chosen.api_keys)
    shared = chosen.redis_url.get_secret_value() if chosen.redis_url else None
    app.state.rate_limit = RateLimit(chosen.rate_limit, shared)
    app.frontend("/", directory=STATIC, fallback=None)
    _handle_errors(app)
    _surround(app, chosen, counted, report)
    return app


def _handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(StoryError, story_error)
    app.add_exception_handler(StarletteHTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)


def _surround(app: FastAPI, settings: Settings, metrics: Metrics, report: Report) -> None:
    """The middleware, innermost first."""
    uploads = {
        UPLOAD_PATH: settings.max_upload_bytes + ENVELOPE_BYTES,
        ANCHOR_PATH: settings.max_image_bytes + ENVELOPE_BYTES,
    }
    app.add_middleware(PageFiles, directory=STATIC)
    app.add_middleware(Caching)
    app.add_middleware(Crashes, answer=crashed, report=report)
    if settings.cors_origins:
        app.add_middleware(Origins, origins=settings.cors_origins, refused=preflight_refused)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, uploads=uploads)
    app.add_middleware(RequestContext, count=metrics.request)


def application() -> FastAPI:
    """The application by the environment's settings, with the log set up: what `uvicorn main:app` and reloads take."""
    settings = load_settings()
    set_up_logs(level=settings.log_level, json_lines=settings.environment != "development")
    return create_app(settings)


def __getattr__(name: str) -> FastAPI:
    """`uvicorn main:app` works too: the application is made when it is asked for, not when this file is read."""
    if name == "app":
        return application()
    raise AttributeError(name)


def main() -> int:
    """Serve; returns the exit status. `--reload` is for development."""
    arguments = argparse.ArgumentParser(description="Serve the Story to Image Generator.")
    arguments.add_argument("--reload", action="store_true", help="restart when a file changes")
    reload = arguments.parse_args().reload
    try:
        settings = load_settings()
        set_up_logs(level=settings.log_level, json_lines=settings.environment != "development")
        check_start(settings)
        serve(settings, reload=reload or settings.reload)
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 (in one sentence, however the log is written)
        return 1
    return 0


def serve(settings: Settings, *, reload: bool) -> None:
    """Run uvicorn as the measurements in docs/main.md say."""
    uvicorn.run(
        "main:application" if reload else create_app(settings),
        factory=reload,
        reload=reload,
        host=settings.host,
        port=settings.port,
        http=ProblemProtocol,  # on h11: httptools has no limit on headers
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=65,  # longer than a proxy's, so that it never meets a closing connection
        timeout_graceful_shutdown=3,  # with DRAIN_SECONDS and what is stopped after it, ten in all
        backlog=2048,
        proxy_headers=bool(settings.trusted_proxies),  # else anybody could name the address the rate limit counts by
        forwarded_allow_ips=",".join(settings.trusted_proxies),
    )


if __name__ == "__main__":
    sys.exit(main())
