"""The nouns of the service: stories, scenes, sessions, requests, answers and the errors they can end in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

MediaType = Literal["cinematic", "cartoon", "realistic", "artistic"]
AspectRatio = Literal["16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16"]
Quality = Literal["draft", "final"]
Consistency = Literal["references", "prompt"]
StopAt = Literal["scenes", "prompts", "images"]
SessionStatus = Literal["pending", "processing", "awaiting_review", "completed", "failed", "cancelled"]
SceneStatus = Literal["pending", "prompting", "drawing", "ready", "failed"]
AnchorStatus = Literal["pending", "drawing", "ready", "failed"]
PromptSource = Literal["model", "offline", "edited", "softened"]
WrittenField = Literal["title", "description"]
TimeOfDay = Literal["dawn", "morning", "day", "evening", "night", "unknown"]
Weather = Literal["clear", "cloudy", "rain", "snow", "fog", "storm", "wind", "unknown"]
DownloadFormat = Literal["zip", "html", "pdf", "epub", "cbz", "pptx", "csv", "webp", "fountain", "json"]
PageSize = Literal["A4", "Letter", "square"]
PageLayout = Literal["book", "board"]
ServiceState = Literal["available", "not_configured", "unavailable"]

UNFINISHED: frozenset[SessionStatus] = frozenset({"pending", "processing"})
ENDED: frozenset[SessionStatus] = frozenset({"awaiting_review", "completed", "failed", "cancelled"})

MAX_SEED = 2**31 - 1
SESSION_ID = r"^[0-9a-f]{32}$"
EXCERPT_CHARS = 280

# --- What a reading of the story finds -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segment:
    """One verbatim piece of a story: `story[start:end] == text`, offsets in characters."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """The story in a document; `title` is empty when neither the document nor its name has one."""

    title: str
    story_text: str


class CharacterMention(BaseModel):
    """A person, animal or named thing that acts in the story, as it is written there."""

    model_config = ConfigDict(frozen=True)

    name: str
    mentions: int = Field(description="How often the name occurs in the text.")
    first_offset: int = Field(description="Character offset of the first mention.")


class PlaceMention(BaseModel):
    """A place the story goes to: `name` as written, `kind` a word of the draft painter's vocabulary or null."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str | None = None
    mentions: int = 1


class ScriptAnalysis(BaseModel):
    """What the rules of `utils.analyze_script` find in a text, without any model call.

    Immutable, for it is shared: every session of the same text has the same one.
    """

    model_config = ConfigDict(frozen=True)

    language: str = Field(description="ISO 639-1 code, or `und` when the rules cannot tell.")
    format: Literal["prose", "screenplay", "play", "chapters"]
    characters_total: int = Field(description="Length of the text in characters (code points).")
    words: int
    sentences: int
    paragraphs: int
    estimated_scenes: int = Field(description="Scenes the text itself seems to have (1 or more).")
    recommended_scenes: int = Field(description="Scenes we would draw: the estimate within the service's limits.")
    characters: tuple[CharacterMention, ...]
    locations: tuple[PlaceMention, ...]
    times: tuple[str, ...] = Field(description="Times of day and time expressions, in order of appearance.")
    themes: tuple[str, ...]
    complexity: int = Field(ge=1, le=10, description="1 (a picture book) to 10 (dense prose).")
    reading_time_minutes: float


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """What the rules read out of one scene's text; every string is a word of the story or of our vocabulary."""

    characters: tuple[str, ...] = ()
    location: str | None = None
    place_kind: str | None = None
    time_of_day: TimeOfDay = "unknown"
    weather: Weather = "unknown"
    mood: str | None = None


# --- The story bible -------------------------------------------------------------------------------------------


class BibleCharacter(BaseModel):
    """A recurring character with the fixed words that describe it in every prompt."""

    name: str
    aliases: list[str] = []
    appearance: str = Field(description="Age, build, hair, clothes with colours, one mark; English.")


class BiblePlace(BaseModel):
    """A place with the fixed words that describe it in every prompt."""

    name: str
    description: str


class StoryBible(BaseModel):
    """The one page that keeps people, places and style the same from picture to picture."""

    title: str
    style: str = Field(description="One English sentence about the look of every picture.")
    characters: list[BibleCharacter] = []
    places: list[BiblePlace] = []
    source: Literal["model", "offline"] = "offline"


# --- Errors as values ------------------------------------------------------------------------------------------


class Problem(BaseModel):
    """Why a scene or a session is not what was asked for."""

    code: str
    message: str
    retryable: bool


# --- Sessions and scenes, as they are kept ---------------------------------------------------------------------


class GenerationSettings(BaseModel):
    """Everything that decides how a session is drawn; fixed when the session is made."""

    model_config = ConfigDict(frozen=True)

    media_type: MediaType = "cinematic"
    num_scenes: int = 1
    style: str | None = None
    aspect_ratio: AspectRatio = "16:9"
    seed: int = 0
    text_model: str
    image_model: str
    draft_image_model: str
    quality: Quality = "final"
    consistency: Consistency = "references"
    check_images: bool = False
    check_model: str | None = None  # looks at the pictures; None in sessions older than that setting
    stop_at: StopAt = "images"


@dataclass(frozen=True, slots=True)
class PictureCheck:
    """One yes-or-no question about a picture, asked so that yes is right, and what was seen."""

    question: str
    ok: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class PromptParts:
    """What a model said for a prompt; the bible's words for who is seen and for the place are put to it by rule."""

    action: str
    characters: tuple[str, ...] = ()  # as the bible names them
    location: str | None = None


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """One picture that was made for a scene; `file` is its name under the session's `images/`."""

    version: int
    file: str
    prompt: str
    prompt_source: PromptSource
    seed: int
    model: str
    quality: Quality
    width: int
    height: int
    cost_usd: float
    content_key: str
    created_at: datetime
    parts: PromptParts | None = None  # of its prompt, where a model wrote it
    references: tuple[str, ...] = ()  # whose reference pictures it was drawn with
    checks: tuple[PictureCheck, ...] = ()
    unchecked: str | None = None  # why a check that was asked for was not made


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene of a session. `scene_id` is for ever, `scene_number` only its place today."""

    scene_id: str
    scene_number: int
    start: int
    end: int
    excerpt: str
    facts: SceneFacts = SceneFacts()
    title: str = ""
    description: str = ""
    image_prompt: str | None = None
    prompt_source: PromptSource | None = None
    parts: PromptParts | None = None  # of the prompt, where a model wrote it: a bible edit composes it anew from them
    written: tuple[WrittenField, ...] = ()  # what a person wrote, and no model writes over
    seed: int = 0
    quality: Quality = "final"
    status: SceneStatus = "pending"
    wanted_version: int = 1  # the number the next picture gets; the money and the seed of a redraw hang on it
    versions: tuple[ImageVersion, ...] = ()
    current_version: int | None = None
    approved_version: int | None = None
    attempts: int = 0
    repair_of: int | None = None  # the version whose failed checks the picture under way is to mend
    asked: bool = False  # somebody asked for this one picture: it is drawn, whatever the rest of the session waits for
    error: Problem | None = None
    changed_in: int = 0  # the session version in which this scene last changed

    @property
    def current(self) -> ImageVersion | None:
        """The picture this scene shows now, or None while it has none."""
        return next((v for v in self.versions if v.version == self.current_version), None)

    @property
    def approved_image(self) -> ImageVersion | None:
        """The picture that was approved, or None."""
        return next((v for v in self.versions if v.version == self.approved_version), None)

    @property
    def cost_usd(self) -> float:
        return sum(v.cost_usd for v in self.versions)


@dataclass(frozen=True, slots=True)
class AnchorPicture:
    """The picture a character is known by; `kept` is its name in the store of pictures, `{sha256}.{suffix}`."""

    version: int
    kept: str
    file: str
    source: Literal["drawn", "uploaded"]
    prompt: str
    seed: int
    model: str | None
    width: int
    height: int
    created_at: datetime

    @property
    def sha256(self) -> str:
        return self.kept.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A recurring character's reference picture: drawn once, sent with every scene the character is in.

    While another one is being drawn, and when that failed, `picture` is the earlier one.
    """

    anchor_id: str
    name: str
    seed: int
    prompt: str | None = None  # written by a person; else it follows from the bible
    status: AnchorStatus = "pending"
    picture: AnchorPicture | None = None
    wanted_version: int = 1
    approved: bool = False
    asked: bool = False  # somebody asked for this one picture: it is drawn, whatever else waits
    cost_usd: float = 0.0
    error: Problem | None = None


UNTITLED = "Untitled"  # what a file says where a story has no title
DRAFTS = "Offline drafts"  # what a file says of its pictures: a draft is called a draft


@dataclass(frozen=True, slots=True)
class BookScene:
    """One scene as it is handed over: its words and its picture."""

    scene_number: int
    title: str
    description: str
    text: str  # verbatim
    image_prompt: str
    characters: tuple[str, ...]
    location: str | None
    time_of_day: str
    picture: Path
    name: str  # of the picture's file in a ZIP
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Book:
    """What is handed over: the scenes in order, and the files that tell how they were made."""

    title: str
    story_text: str
    scenes: tuple[BookScene, ...]
    files: tuple[tuple[str, Path | bytes], ...]  # for a ZIP: portraits, story.txt, scenes.json, project_info.json
    media_type: str  # cinematic, cartoon, realistic, artistic
    draft: bool  # whether any picture is an offline draft
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a file is laid out."""

    page_size: PageSize = "A4"
    layout: PageLayout = "book"


@dataclass(frozen=True, slots=True)
class Session:
    """One story on its way to pictures. Immutable: the session manager swaps whole values under its lock."""

    session_id: str
    owner: str
    title: str
    story_text: str
    settings: GenerationSettings
    analysis: ScriptAnalysis
    scenes: tuple[Scene, ...]
    created_at: datetime
    updated_at: datetime
    status: SessionStatus = "pending"
    max_cost_usd: float | None = None
    story_bible: StoryBible | None = None
    offline: bool = False
    error: Problem | None = None
    cost_usd: float = 0.0
    approved_at: datetime | None = None
    version: int = 1
    consistency: Consistency = "prompt"  # in force: what was asked for, as far as the image model can do it
    anchors: tuple[Anchor, ...] | None = None  # None until the bible is there and they are chosen

    def scene(self, scene_id: str) -> Scene:
        """The scene with that id; raises `SceneNotFound`."""
        for scene in self.scenes:
            if scene.scene_id == scene_id:
                return scene
        raise SceneNotFound(scene_id)

    def scene_at(self, number: int) -> Scene:
        """The scene that stands at that place today; raises `SceneNotFound`."""
        for scene in self.scenes:
            if scene.scene_number == number:
                return scene
        raise SceneNotFound(str(number))

    def anchor(self, name: str) -> Anchor:
        """The reference picture of that character; raises `AnchorNotFound`."""
        for anchor in self.anchors or ():
            if name in (anchor.name, anchor.anchor_id):
                return anchor
        raise AnchorNotFound

    def with_anchor(self, anchor: Anchor) -> Session:
        """The same session with the anchor of that `anchor_id` replaced."""
        anchors = tuple(anchor if a.anchor_id == anchor.anchor_id else a for a in self.anchors or ())
        return dataclasses.replace(self, anchors=anchors)

    def text_of(self, scene: Scene) -> str:
        return self.story_text[scene.start : scene.end]

    def with_scene(self, scene: Scene) -> Session:
        """The same session with the scene of that `scene_id` replaced."""
        scenes = tuple(scene if s.scene_id == scene.scene_id else s for s in self.scenes)
        return dataclasses.replace(self, scenes=scenes)


# --- Errors as exceptions --------------------------------------------------------------------------------------


class StoryError(Exception):
    """The root of everything this service raises on purpose.

    StoryError
    ├── FontMissing                        a file needs a font that is not installed
    ├── RequestError                       the caller can mend it
    │   ├── SessionNotFound · SceneNotFound · AnchorNotFound · ImageNotFound · ProjectNotFound · NotHere
    │   ├── InvalidRequest · UnknownModel · PriceUnknown
    │   ├── IdempotencyConflict · EditConflict · VersionMismatch · NotReady · NothingReady
    │   ├── BodyTooLarge · BodyTooSlow
    │   ├── UnsupportedDocument · DocumentTooLarge
    │   ├── DocumentUnreadable             EncryptedDocument · ScannedDocument · BrokenDocument · UnknownCharset
    │   │                                  EmptyDocument · StoryTooLong
    │   └── Unauthorized · TooManyRequests · ServiceFull
    ├── BudgetReached                      the money ended first
    │   └── DayBudgetReached               the service's, for today
    ├── ProviderError                      a provider said no, or nothing
    │   ├── ProviderUnavailable            retryable: overload, network, 5xx, unreadable answer
    │   ├── ProviderRefused                not retryable: our request is wrong, or the model unknown
    │   │   └── ReferenceLost              it no longer has a picture we uploaded: upload it again
    │   ├── ContentBlocked                 the prompt or the picture met a content policy
    │   ├── ProviderAccount                key, credit: nothing will work until the owner acts
    │   └── BadImage                       what was fetched is not the picture that was asked for
    │       └── UnreadableImage            no decoder could read it
    └── StorageUnavailable                 the disk or the database refused a write
    """

    code = "error"
    retryable = False
    retry_after: float | None = None

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message or (self.__doc__ or self.code))
        if retry_after is not None:
            self.retry_after = retry_after

    def as_problem(self) -> Problem:
        return Problem(code=self.code, message=str(self), retryable=self.retryable)


class RequestError(StoryError):
    """The request cannot be done as it stands."""

    code = "invalid_request"


class InvalidRequest(RequestError):
    """The request does not fit the interface."""


class SessionNotFound(RequestError):
    """There is no such session."""

    code = "session_not_found"

    def __init__(self, session_id: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("There is no such session.")


class SceneNotFound(RequestError):
    """The session has no such scene."""

    code = "scene_not_found"

    def __init__(self, scene: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("The session has no such scene.")


class AnchorNotFound(RequestError):
    """The session has no reference picture of that name."""

    code = "anchor_not_found"


class ImageNotFound(RequestError):
    """There is no such picture."""

    code = "image_not_found"


class ProjectNotFound(RequestError):
    """There is no such project."""

    code = "project_not_found"


class NotHere(RequestError):
    """There is nothing at this address."""

    code = "not_found"


class UnknownModel(RequestError):
    """That model is not one of those that GET /models lists."""

    code = "unknown_model"


class PriceUnknown(RequestError):
    """A budget was set, but the price of that model is not known."""

    code = "price_unknown"


class IdempotencyConflict(RequestError):
    """That Idempotency-Key was used with another body."""

    code = "idempotency_key_reused"


class EditConflict(RequestError):
    """The scene is being drawn; try again when it is ready."""

    code = "conflict"
    retryable = True
    retry_after = 2.0


class VersionMismatch(RequestError):
    """The scene has changed since you read it."""

    code = "precondition_failed"


class NotReady(RequestError):
    """The download is still being prepared."""

    code = "not_ready"
    retryable = True
    retry_after = 2.0


class NothingReady(RequestError):
    """The session has no picture to hand over."""

    code = "nothing_ready"


class BodyTooLarge(RequestError):
    """The request body is larger than this service accepts."""

    code = "body_too_large"


class BodyTooSlow(RequestError):
    """The request body did not arrive in time."""

    code = "body_timeout"
    retryable = True


class UnsupportedDocument(RequestError):
    """The file is of a kind that is not read here."""

    code = "unsupported_document"


class DocumentTooLarge(RequestError):
    """Reading the document takes more room or time than one document may have."""

    code = "document_too_large"


class DocumentUnreadable(RequestError):
    """No story could be read out of the document."""

    code = "unreadable_document"


class EncryptedDocument(DocumentUnreadable):
    """The document is encrypted; take the password off and send it again."""

    code = "encrypted_document"


class ScannedDocument(DocumentUnreadable):
    """The pages are pictures of text; run text recognition (OCR) over the document and send it again."""

    code = "scanned_document"


class BrokenDocument(DocumentUnreadable):
    """The document is damaged or not what its name says."""

    code = "broken_document"


class UnknownCharset(DocumentUnreadable):
    """Which charset the text is written in cannot be told; save it as UTF-8 and send it again."""

    code = "unknown_charset"


class EmptyDocument(DocumentUnreadable):
    """There is no text in the document, or too little for a story."""

    code = "empty_document"


class StoryTooLong(DocumentUnreadable):
    """The story is longer than this service takes."""

    code = "story_too_long"


class Unauthorized(RequestError):
    """An API key is needed: send it as X-API-Key or as a bearer token."""

    code = "unauthorized"


class TooManyRequests(RequestError):
    """Too many requests; slow down."""

    code = "rate_limited"
    retryable = True
    retry_after = 10.0


class ServiceFull(RequestError):
    """The service is at its limit of unfinished sessions; try again soon."""

    code = "service_full"
    retryable = True
    retry_after = 10.0


class BudgetReached(StoryError):
    """The next call could cost more than is left of the budget."""

    code = "budget_reached"


class DayBudgetReached(BudgetReached):
    """The next call could cost more than is left of the service's budget for today."""

    retryable = True


class ProviderError(StoryError):
    """A provider could not do what was asked."""

    code = "provider_error"


class ProviderUnavailable(ProviderError):
    """The provider did not give a usable answer in time."""

    code = "provider_unavailable"
    retryable = True


class ProviderRefused(ProviderError):
    """The provider refused the request as it was sent."""

    code = "provider_refused"


class ReferenceLost(ProviderRefused):
    """The provider does not know a reference picture any more."""

    code = "reference_lost"


class ContentBlocked(ProviderError):
    """The provider's content policy blocked this scene."""

    code = "content_blocked"


class ProviderAccount(ProviderError):
    """The provider refused our key or has no credit left."""

    code = "provider_account"


class BadImage(ProviderError):
    """What the provider delivered is not the picture that was asked for."""

    code = "bad_image"
    retryable = True


class UnreadableImage(BadImage):
    """No decoder could read what came; the picture itself may be whole, and its way here bad."""


class FontMissing(StoryError):
    """The file cannot be made: no font here has the story's letters. The message says which one to install."""

    code = "font_missing"


class StorageUnavailable(StoryError):
    """The service cannot write to its storage; nothing was sent."""

    code = "storage_unavailable"
    retryable = True
    retry_after = 5.0


class StoreUnavailable(StorageUnavailable):
    """Nothing at all can be remembered at the moment: the shared store does not answer."""


# --- Request bodies --------------------------------------------------------------------------------------------


class RequestBody(BaseModel):
    """Strict and closed: `true` is not 1, "5" is not 5, and an unknown field is an error that names itself."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


SessionId = Annotated[
    str, StringConstraints(pattern=SESSION_ID), Field(description="The `session_id` of `POST /generate`.")
]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][\w./:@~-]*$")]
NO_CONTROLS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$"
Typed = Annotated[str, StringConstraints(pattern=NO_CONTROLS)]  # no control characters but line ends and tabs
Words = Annotated[str, StringConstraints(strip_whitespace=True, pattern=NO_CONTROLS)]  # the same, trimmed
MoneyUsd = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]

IMAGE_URL = "An address on this service, signed: an `<img>` can load it without a key. Null without a picture."
SEED = "The same seed gives the same picture again; null: one that follows from the story."
STORY_EXAMPLE = (
    "Mira found the paper boat at dawn, stuck in the reeds by the mill.\n\n"
    "She carried it through the market, where old Tomas was stacking pears. “That is a sea boat,” he said.\n\n"
    "At night they set it on the black water together, and the lantern in it did not go out."
)


class AnalyzeRequest(RequestBody):
    """A story and how it is to be drawn; also the whole of what `POST /generate` takes."""

    story_text: str = Field(min_length=10, description="The story or script; at most `MAX_STORY_CHARS` characters.")
    media_type: MediaType = Field(default="cinematic", description="What the pictures are to look like.")
    num_scenes: int | None = Field(
        default=None, ge=1, le=10_000, description="At most `MAX_SCENES`; null takes the recommended number."
    )
    title: Words | None = Field(default=None, min_length=1, max_length=200, description="Null: found in the story.")
    style: Words | None = Field(
        default=None, min_length=1, max_length=500, description="The look of every picture; null: from `media_type`."
    )
    aspect_ratio: AspectRatio = Field(default="16:9", description="Width to height.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description=SEED)
    text_model: ModelId | None = Field(default=None, description="One that `GET /models` lists; null: the service's.")
    image_model: ModelId | None = Field(default=None, description="One that `GET /models` lists; null: the service's.")
    quality: Quality = Field(default="final", description="`draft` draws with the cheap model, to be upgraded later.")
    consistency: Consistency = Field(
        default="references",
        description="`references` draws a portrait of each recurring character and sends it with every scene the "
        "character is in; `prompt` uses the same words alone.",
    )
    check_images: bool = Field(
        default=False, description="A model looks at each picture; what is wrong is mended once."
    )
    max_cost_usd: MoneyUsd | None = Field(default=None, description="The most the session may spend; null: no limit.")
    stop_at: StopAt = Field(
        default="images",
        description="Where to wait for a review, with the status `awaiting_review`; `POST /continue` goes on.",
    )


class GenerateRequest(AnalyzeRequest):
    """A story to be cut into scenes and drawn."""


class ApproveRequest(RequestBody):
    """The scenes that make up the finished work, by their `scene_number`."""

    session_id: SessionId
    approved_scenes: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1, max_length=10_000, description="Scene numbers, in any order; they replace those approved before."
    )
    upgrade: bool = Field(default=False, description="Draw approved drafts in final quality first.")


class DownloadRequest(RequestBody):
    """Which session to hand over, and as what."""

    session_id: SessionId
    format: DownloadFormat = "zip"
    page_size: PageSize = Field(default="A4", description="Of a PDF.")
    layout: PageLayout = Field(
        default="book", description="Of a PDF: a picture book, or a board of six panels a page with shot notes."
    )


class ContinueRequest(RequestBody):
    """A session to go on with; a larger budget may be given."""

    session_id: SessionId
    max_cost_usd: MoneyUsd | None = Field(
        default=None, description="From now on the most the session may spend in all; null: as it was."
    )


class CancelRequest(RequestBody):
    """A session to stop."""

    session_id: SessionId


class RegenerateRequest(RequestBody):
    """One scene to draw again, with another seed, prompt or quality."""

    session_id: SessionId
    scene_number: int = Field(ge=0, description="The scene's place today, counted from 0.")
    image_prompt: Words | None = Field(default=None, min_length=2, max_length=3000, description="Null: as it was.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Null: another one than before.")
    quality: Quality | None = Field(default=None, description="Null: as it was.")


class SceneEdit(RequestBody):
    """What may be changed on a scene without a model call; fields left out stay as they are."""

    title: Words | None = Field(default=None, min_length=1, max_length=200)
    description: Words | None = Field(default=None, min_length=1, max_length=2000)
    image_prompt: Words | None = Field(default=None, min_length=2, max_length=3000)
    current_version: int | None = Field(default=None, ge=1, description="The `version` of the picture to show.")


class AnchorRedraw(RequestBody):
    """A reference picture to draw again, with another seed or prompt."""

    prompt: Words | None = Field(default=None, min_length=2, max_length=3000, description="Null: as it was.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Null: another one than before.")


class AnchorEdit(RequestBody):
    """What may be changed on a reference picture without a model call."""

    approved: bool


class SplitRequest(RequestBody):
    """Where a scene is cut in two."""

    at: int = Field(ge=1, description="Offset into the story, in characters: the second half begins there.")


class MoveRequest(RequestBody):
    """The place a scene goes to."""

    to: int = Field(ge=0, description="The `scene_number` it has then.")


class CharacterEdit(RequestBody):
    """One character of the bible, by name: a known one is changed, a new one (with an appearance) added."""

    name: Typed = Field(min_length=1, max_length=80)
    appearance: Typed | None = Field(default=None, min_length=1, max_length=320)
    aliases: list[Annotated[Typed, Field(min_length=1, max_length=80)]] | None = Field(
        default=None, max_length=8, description="Other names it goes by; null: as they were."
    )
    remove: bool = Field(default=False, description="Take it out of the bible.")


class PlaceEdit(RequestBody):
    """One place of the bible, by name: a known one is changed, a new one added."""

    name: Typed = Field(min_length=1, max_length=80)
    description: Typed | None = Field(default=None, min_length=1, max_length=240)
    remove: bool = Field(default=False, description="Take it out of the bible.")


class BibleEdit(RequestBody):
    """What may be changed in the story bible; whatever is left out stays as it is."""

    title: Typed | None = Field(default=None, min_length=1, max_length=200)
    style: Typed | None = Field(default=None, min_length=1, max_length=500)
    characters: list[CharacterEdit] = Field(default=[], max_length=50)
    places: list[PlaceEdit] = Field(default=[], max_length=50)


# --- Answers ---------------------------------------------------------------------------------------------------


class FieldProblem(BaseModel):
    """One place where a request does not fit the interface."""

    loc: str = Field(description="Where, as `body.num_scenes` or `query.wait`; `?` for a name of the caller's own.")
    type: str = Field(description="What is wrong there, as `int_type`, `missing` or `extra_forbidden`.")


class ProblemDocument(BaseModel):
    """RFC 9457 problem details; every error of this service has this shape."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status again.", ge=400, le=599)
    detail: str = Field(description="A sentence for a person; nothing of what was sent is in it.")
    code: str = Field(description="What went wrong, for a program: it never changes for the same trouble.")
    retryable: bool = Field(description="The same request may work later: after `Retry-After`, where it is sent.")
    request_id: str = Field(description="The `X-Request-ID` of the answer, to be found in the service's log.")
    errors: list[FieldProblem] | None = Field(
        default=None, description="Only when the request does not fit this document: where, at most 20 places."
    )


class Accepted(BaseModel):
    """The session is made and safe on disk; follow `Location`."""

    session_id: SessionId
    status: SessionStatus
    message: str = Field(description="A sentence for a person.")


class Progress(BaseModel):
    """How far a session is."""

    current_step: int = Field(json_schema_extra={"minimum": 0})
    total_steps: int = Field(json_schema_extra={"minimum": 0})
    percent: int = Field(json_schema_extra={"minimum": 0, "maximum": 100})
    description: str = Field(description="A sentence for a person.")


class SceneView(BaseModel):
    """A scene as clients see it."""

    scene_id: str = Field(description="For ever, wherever the scene is moved to.")
    scene_number: int = Field(description="Its place today, counted from 0.")
    title: str
    description: str
    excerpt: str = Field(description="The first 280 characters of the scene's text.")
    start: int = Field(description="Offset into the story, in characters (code points).")
    end: int = Field(description="Offset of the first character after it.")
    characters: list[str] = Field(description="Who is in it.")
    location: str | None
    time_of_day: TimeOfDay
    image_prompt: str | None = Field(description="Null until it is written.")
    prompt_source: PromptSource | None = Field(description="Who wrote it: `offline` is the service's own rules.")
    status: SceneStatus
    stale: bool = Field(description="Drawing it now would make another picture than the one shown.")
    redraw_cost_usd: float | None = Field(description="What drawing it again would cost; null when unknown.")
    image_url: str | None = Field(description=IMAGE_URL)
    image_path: str | None = Field(description="Where the picture lies under PROJECTS_DIR.")
    width: int | None = Field(description="In pixels, like `height`; null without a picture.")
    height: int | None
    seed: int
    model: str | None = Field(description="What drew the picture; null without one.")
    cost_usd: float = Field(description="What all its pictures cost so far.")
    attempts: int = Field(description="How often the picture under way, or the last one, was tried.")
    approved: bool
    references: list[str] = Field(
        default=[], description="The characters whose reference pictures its picture was drawn with."
    )
    checks: list[PictureCheck] = Field(default=[], description="What `check_images` found in the picture shown.")
    unchecked: str | None = Field(default=None, description="Why a check that was asked for was not made.")
    error: Problem | None = Field(description="Why it failed, else null.")


class VersionView(BaseModel):
    """One picture of a scene, kept even when another is shown."""

    version: int = Field(description="Counted from 1; `current_version` names the one that is shown.")
    image_url: str = Field(description="An address on this service, signed: an `<img>` can load it without a key.")
    image_path: str
    prompt: str
    prompt_source: PromptSource
    seed: int
    model: str
    quality: Quality
    width: int
    height: int
    cost_usd: float
    checks: list[PictureCheck] = []
    unchecked: str | None = None
    created_at: AwareDatetime


class SceneDetail(SceneView):
    """A scene with its whole text and every picture that was made for it."""

    session_id: SessionId
    text: str = Field(description="The scene's whole text, verbatim from the story.")
    current_version: int | None = Field(description="The version that is shown; null without a picture.")
    versions: list[VersionView]


class AnchorView(BaseModel):
    """A recurring character's reference picture as clients see it."""

    anchor_id: str
    name: str
    status: AnchorStatus
    prompt: str
    seed: int
    source: Literal["drawn", "uploaded"] | None = Field(description="Where the picture is from; null without one.")
    stale: bool = Field(description="The bible's words, or its prompt, changed after it was drawn.")
    approved: bool
    image_url: str | None = Field(description=IMAGE_URL)
    image_path: str | None = Field(description="Where the picture lies under PROJECTS_DIR.")
    width: int | None
    height: int | None
    model: str | None
    cost_usd: float
    redraw_cost_usd: float | None = Field(description="What drawing it again would cost; null when unknown.")
    scenes: list[int] = Field(description="The numbers of the scenes in which the character appears.")
    error: Problem | None


class StatusView(BaseModel):
    """A session as clients see it."""

    session_id: SessionId
    title: str
    status: SessionStatus = Field(
        description="`pending` and `processing` go on by themselves; the others wait for somebody. `completed` has at "
        "least one picture."
    )
    progress: Progress
    analysis: ScriptAnalysis
    story_bible: StoryBible | None = Field(description="Null until it is written.")
    settings: GenerationSettings = Field(description="What it is drawn with, every default filled in.")
    consistency: Consistency = Field(description="In force: `prompt` where the image model takes no references.")
    anchors: list[AnchorView] = Field(description="Reference pictures, once the story bible is there.")
    scenes: list[SceneView] = Field(description="In order of `scene_number`.")
    cost_usd: float = Field(description="What it cost so far.")
    max_cost_usd: float | None = Field(description="The most it may spend; null: no limit.")
    offline: bool = Field(description="True when any part was done by the offline stand-ins.")
    error: Problem | None = Field(description="Why it failed, or why it ended early, else null.")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class CostEstimate(BaseModel):
    """What a run would cost: `least` when nothing goes wrong, `worst` never to be exceeded; null when unknown."""

    least_usd: float | None
    worst_usd: float | None
    text_model: str
    image_model: str


class ScenePreview(BaseModel):
    """A scene as a run would cut it."""

    start: int = Field(description="Offset into the story, in characters (code points).")
    end: int = Field(description="Offset of the first character after it.")
    excerpt: str = Field(description="The first 280 characters of its text.")


class AnalyzeView(BaseModel):
    """The analysis of a story and what drawing it would take; nothing was spent."""

    analysis: ScriptAnalysis
    recommended_scenes: int
    num_scenes: int = Field(description="The number a run would use.")
    scenes: list[ScenePreview]
    estimate: CostEstimate


class UploadView(BaseModel):
    """The story in a document, as `POST /generate` takes it."""

    title: str = Field(description="From the document, its first heading, its file name or its first words.")
    story_text: str = Field(description="Chapters are Markdown headings, scene breaks a line `* * *`.")
    analysis: ScriptAnalysis


class ApproveView(BaseModel):
    """The approved scenes, which are now the project."""

    message: str = Field(description="A sentence for a person.")
    download_status: Literal["preparing", "ready"] = Field(
        description="`preparing` while drafts are drawn final: until then `POST /download` is 409 with `Retry-After`."
    )
    project_id: SessionId
    approved_scenes: list[int] = Field(description="Scene numbers, in order, each once.")


class ProjectView(BaseModel):
    """One piece of approved work."""

    project_id: SessionId
    title: str
    approved_scenes: int = Field(description="How many.")
    cover_url: str | None = Field(description="The `image_url` of the first approved scene.")
    created_at: AwareDatetime
    approved_at: AwareDatetime


class ProjectPage(BaseModel):
    """Approved work, newest first; `next` goes into `?after=` for the next page."""

    projects: list[ProjectView]
    next: str | None = Field(description="Null on the last page.")


class ProjectDetail(ProjectView):
    """One piece of approved work with its scenes, each with the picture that was approved."""

    scenes: list[SceneView]


class ModelView(BaseModel):
    """A model that may be named in `text_model` or `image_model`."""

    id: str
    kind: Literal["text", "image"]
    provider: str
    description: str
    price_usd: str = Field(description="In words, as the provider counts it.")
    default: bool
    available: bool = Field(description="False while its provider has no key here.")
    references: int = Field(default=0, description="How many reference pictures it takes.")


class ModelList(BaseModel):
    """The models that may be named in a request."""

    models: list[ModelView]


class HealthView(BaseModel):
    """How the service, its providers and its storage are."""

    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    environment: str
    services: dict[str, ServiceState]
    details: dict[str, str] = Field(default={}, description="Why a service is not available, in a sentence.")
    active_sessions: int
    uptime_seconds: float
    timestamp: AwareDatetime


class DebugSession(BaseModel):
    """A session in memory, without its story."""

    session_id: str
    owner: str
    status: SessionStatus
    scenes: int
    ready: int
    failed: int
    cost_usd: float
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class DebugSessions(BaseModel):
    """The sessions in memory."""

    count: int
    sessions: list[DebugSession]


class DebugConfig(BaseModel):
    """The settings in force; secrets appear only as `configured` or `missing`."""

    settings: dict[str, str | int | float | bool | list[str] | None]


# --- What goes to a model and what comes back ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextRequest:
    """One question to a text model; the answer is one JSON object that fits `schema` (strict)."""

    model: str
    system: str
    user: str
    schema_name: str
    schema: dict[str, Any]
    max_tokens: int
    temperature: float
    seed: int
    picture: bytes | None = None  # a JPEG that the question is about
    fresh: bool = False  # an earlier answer was of no use: not the one that the provider may have kept


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """The JSON object a text model gave; `cost_usd` is None when the provider did not say."""

    content: dict[str, Any]
    model: str
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """Somebody who is in the picture, with the fixed words of the story bible (may be empty)."""

    name: str
    appearance: str = ""


@dataclass(frozen=True, slots=True)
class Depiction:
    """What a scene shows, as data: a model that draws from words ignores it, the draft painter lives on it."""

    facts: SceneFacts = SceneFacts()
    figures: tuple[Figure, ...] = ()
    media_type: MediaType = "cinematic"
    text: str = ""  # the scene's verbatim text, for what the rules did not name
    story_seed: int = 0  # the same for every scene of a story: hills and houses stay where they were


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture that says how somebody looks: its place in a request is its place in the prompt's words.

    `media` is the provider's name for its bytes, empty until they are uploaded.
    """

    name: str
    kept: str  # its name in the store of pictures, `{sha256}.{suffix}`
    media: str = ""

    @property
    def sha256(self) -> str:
        return self.kept.partition(".")[0]


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture to be drawn, `width` × `height` pixels, deterministic from `seed` as far as the model can."""

    prompt: str
    model: str
    width: int
    height: int
    seed: int
    depiction: Depiction = Depiction()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that was made: either `content` is here, or `url` says where to fetch it once."""

    seed: int
    cost_usd: float | None
    url: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A checked picture: its bytes, its file suffix (`jpg`, `png`, `webp`) and its size in pixels."""

    content: bytes
    suffix: str
    width: int
    height: int


# --- What the metrics and the log are told ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One request to a provider has ended."""

    provider: str
    model: str
    kind: str
    outcome: str
    seconds: float
    input_tokens: int = 0
    output_tokens: int = 0
    cached: bool = False  # answered from the provider's response cache, for nothing


@dataclass(frozen=True, slots=True)
class ProviderRetry:
    """A request to a provider will be tried again."""

    provider: str
    code: str


@dataclass(frozen=True, slots=True)
class MoneySpent:
    """A charge was settled; `known` is False when the reservation was kept because no cost was told."""

    provider: str
    model: str
    usd: float
    known: bool


@dataclass(frozen=True, slots=True)
class SceneEnded:
    """A scene became ready or failed; `code` is the error's code, or `ready`."""

    code: str
    seconds: float
    reused: bool = False


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session reached a state with nothing left to do."""

    status: SessionStatus
    seconds: float


Event = ProviderCall | ProviderRetry | MoneySpent | SceneEnded | SessionEnded
