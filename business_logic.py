"""What the product does: one use case a method, on collaborators that are handed in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import hmac
import json
import logging
import operator
import re
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeVar
from urllib.parse import quote
from uuid import uuid4

from ai_services import (
    MAX_BIBLE_CHARACTERS,
    MAX_BIBLE_PLACES,
    MAX_RUNWARE_PROMPT,
    WORST_PICTURE,
    ImageModel,
    Observe,
    Provider,
    SceneText,
    TakesReferences,
    TextModel,
    bible_request,
    bible_requests,
    check_questions,
    check_request,
    compose_scene,
    merge_bibles,
    merge_request,
    name_references,
    portrait_prompt,
    prepare_reference,
    present_figures,
    read_bible,
    read_check,
    read_scene,
    repair_prompt,
    scene_request,
    shrink_picture,
    widest_bible,
)
from models import (
    ENDED,
    EXCERPT_CHARS,
    UNFINISHED,
    Accepted,
    AnalyzeRequest,
    AnalyzeView,
    Anchor,
    AnchorEdit,
    AnchorPicture,
    AnchorRedraw,
    AnchorView,
    ApproveRequest,
    ApproveView,
    BadImage,
    BibleCharacter,
    BibleEdit,
    BiblePlace,
    Book,
    BookScene,
    BudgetReached,
    CharacterEdit,
    Consistency,
    ContentBlocked,
    ContinueRequest,
    CostEstimate,
    DayBudgetReached,
    DebugSession,
    DebugSessions,
    Depiction,
    Document,
    DownloadFormat,
    DownloadRequest,
    Drawing,
    EditConflict,
    ExportOptions,
    Figure,
    GenerateRequest,
    GenerationSettings,
    HealthView,
    ImageNotFound,
    ImageRequest,
    ImageVersion,
    InvalidRequest,
    ModelList,
    MoneySpent,
    NothingReady,
    NotReady,
    PictureCheck,
    PlaceEdit,
    PriceUnknown,
    Problem,
    Progress,
    ProjectDetail,
    ProjectNotFound,
    ProjectPage,
    ProjectView,
    PromptParts,
    PromptSource,
    ProviderError,
    ProviderRefused,
    Reference,
    ReferenceLost,
    RegenerateRequest,
    Scene,
    SceneDetail,
    SceneEdit,
    SceneEnded,
    SceneFacts,
    SceneNotFound,
    ScenePreview,
    SceneStatus,
    SceneView,
    ScriptAnalysis,
    ServiceState,
    Session,
    SessionEnded,
    SessionNotFound,
    StatusView,
    StorageUnavailable,
    StoreUnavailable,
    StoryBible,
    TextAnswer,
    TextRequest,
    UnknownModel,
    UnreadableImage,
    UploadView,
    VersionMismatch,
    VersionView,
    WrittenField,
)
from session_manager import (
    CENT_DUST,
    SESSION_BODY,
    Accounts,
    Answer,
    Charge,
    DrawingRecord,
    IdempotencyKey,
    Journal,
    Projects,
    SessionStore,
)
from utils import (
    ProjectFiles,
    SceneReading,
    StoryReading,
    derive_seed,
    entity_tag,
    file_name,
    fingerprint,
    folded,
    gather_bounded,
    is_cut,
    is_named,
    is_session_id,
    nearest_cut,
    new_scene_id,
    new_session_id,
    parts_to_fit,
    read_borders,
    read_story,
    session_in_log,
    zip_name,
)
from utils import (
    read_scene as read_facts,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Entry = TypeVar("Entry", BibleCharacter, BiblePlace)

DRAFT_PREFIX = "draft:"
INLINE_STORY_CHARS = 2_000  # about 5 ms of reading on the loop
THREAD_STORY_CHARS = 30_000  # above this a thread would hold the GIL for too long: a worker process reads
CROWD = 3  # stories that are being read at the same time
MAX_UTF8_BYTES = 4  # of a character
READINGS_KEPT = 256  # stories whose reading is kept
READING_CHARS_KEPT = 1_000_000  # of them together, as `repr` writes them; each takes two to five bytes
UNREADABLE_KEPT = 1_000  # questions whose answer could not be read
STATUS_PAGES = 256  # rendered answers kept, one a session
MAX_WAIT_SECONDS = 60.0
MONEY_PATIENCE_SECONDS = 600.0  # a scene that waits for money that long has waited in vain
MONEY_WAIT_SECONDS = 0.5  # how often a scene that waits for money looks again, when its session has not changed
STOP_CHECK_SECONDS = 0.5  # how soon whoever waits for a change hears that the service is being stopped
PAGE_LIMIT = 100
BIBLE_ALLOWANCE_CHARS = 8_000  # the most a bible adds to a scene's question, for the estimate made before there is one
REFERENCES_ALLOWANCE_CHARS = 400  # of a prompt, for the words that say whom its reference pictures show
ANSWERS_KEPT = timedelta(days=90)  # since it was last taken; a picture's file goes earlier when no session shows it
OFFLINE_TEXT = "offline rules"  # who writes when there is no text model
PROJECT_FILE_VERSION = 1
EXPORTS_FOLDER, EXPORTS_KEPT = "exports", 8  # files made of a session that are kept, the newest
SESSION_FILE = "session.json"  # the session itself, to be taken back should the journal be lost
REFUSED = "reference_refused"  # the code on an anchor whose picture the provider does not take
LEAST_AFTER_REFERENCE = 0.65  # of what we reckon with: pictures drawn after one were seen at 0.004 USD, not at 0.006
MAX_ANCHORS = 3  # more figures in one picture are mixed up whatever one sends
RECURS_IN = 2  # scenes: whoever is seen once has nobody to look like
WRITABLE: tuple[WrittenField, ...] = ("title", "description")
COST_DIGITS = 9  # of a dollar: a prompt costs some 0.0001
BUSY: frozenset[SceneStatus] = frozenset({"prompting", "drawing"})
DONE: frozenset[SceneStatus] = frozenset({"ready", "failed"})
ANCHOR = "anchor:"  # before its id: a portrait that is drawn as a scene is


# --- Collaborators ---------------------------------------------------------------------------------------------


class StoryRules(Protocol):
    """Writes what the text model would write, by rule: the offline stand-in."""

    def bible(
        self, title: str, story: str, analysis: ScriptAnalysis, facts: list[SceneFacts], settings: GenerationSettings
    ) -> StoryBible: ...

    def scene(
        self, bible: StoryBible, text: str, facts: SceneFacts, settings: GenerationSettings, max_chars: int
    ) -> SceneText: ...

    def soften(self, prompt: str) -> str: ...


class Runner(Protocol):
    """Runs sessions in the background, each at most once at a time."""

    @property
    def stopping(self) -> bool:
        """True once no new provider call may begin."""
        ...

    async def submit(self, session_id: str) -> None:
        """Make sure that `Studio.run` runs for that session, now or again after the run under way."""
        ...

    @property
    def apart(self) -> bool:
        """Whether each scene is a job of its own, that draws one picture at a time."""
        ...

    async def scatter(self, session_id: str, scene_ids: list[str]) -> None:
        """Have `Studio.render_apart` called for each scene, wherever there is room."""
        ...


class WorkPool(Protocol):
    """Runs a module-level function in another process."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T: ...


@dataclass(frozen=True, slots=True)
class StreamedExport:
    """A kind of file that is made while it is sent; `chunks` holds one picture at a time, if that."""

    suffix: str
    media_type: str
    chunks: Callable[[Book, ExportOptions], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class FileExport:
    """A kind of file that is made whole first, in another process: `write` is a module's own function."""

    suffix: str
    media_type: str
    write: Callable[[Book, ExportOptions, Path], None]


class DocumentReader(Protocol):
    """Reads the story out of a document."""

    async def read(self, file: BinaryIO, name: str) -> Document:
        """`file` has a descriptor; `name` is what the sender calls it. Raises the document errors of `models`."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings the use cases need, as values."""

    version: str
    environment: str
    text_model: str
    image_model: str
    draft_image_model: str
    max_story_chars: int
    max_scenes: int
    max_prompt_chars: int
    retry_attempts: int
    session_cleanup_hours: float
    daily_budget_usd: float | None
    check_model: str | None = None  # None: the text model looks at the pictures too


class Flights(Protocol):
    """One lock a key: whoever asks for the same thing at the same time waits and finds it done.

    What it gives is its fence: `claim_drawing` refuses it once somebody else has the lock.
    """

    def __call__(self, owner: str, key: str) -> AbstractAsyncContextManager[str]: ...


class LocalFlights:
    """The `Flights` of one process."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def __call__(self, owner: str, key: str) -> AsyncIterator[str]:
        place = (owner, key)
        lock, users = self._locks.get(place, (asyncio.Lock(), 0))
        self._locks[place] = (lock, users + 1)
        try:
            async with lock:
                yield ""
        finally:
            lock, users = self._locks[place]
            if users == 1:
                del self._locks[place]
            else:
                self._locks[place] = (lock, users - 1)


class Readings:
    """What was read of the last texts, by their content: reading is a pure function, so nobody's text shows in it.

    A text itself is not kept, only its hash. What is kept is shared by all who ask and must be immutable.
    """

    def __init__(self, *, most: int = READINGS_KEPT, most_chars: int = READING_CHARS_KEPT) -> None:
        self._most, self._most_chars = most, most_chars
        self._kept: OrderedDict[tuple[object, ...], tuple[StoryReading, int]] = OrderedDict()
        self.chars = 0  # of what is kept, as `repr` writes it

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: tuple[object, ...]) -> StoryReading | None:
        """What is kept under that key, which makes it the last to go."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: tuple[object, ...], reading: StoryReading) -> None:
        """Keep it, and let go what has not been asked for longest."""
        self._drop(key)
        size = len(repr(reading))
        self._kept[key] = reading, size
        self.chars += size
        while len(self._kept) > self._most or self.chars > self._most_chars:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[object, ...]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self.chars -= size


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs the addresses of pictures: an `<img>` cannot send a key, so its address is the key."""

    key: bytes

    def sign(self, session_id: str, file: str) -> str:
        """32 hexadecimal digits, always the same for the same picture."""
        return hmac.new(self.key, f"{session_id}/{file}".encode(), hashlib.sha256).hexdigest()[:32]

    def verify(self, session_id: str, file: str, signature: str) -> bool:
        """Whether the signature is ours, in constant time."""
        return hmac.compare_digest(self.sign(session_id, file).encode(), signature.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered session: the JSON, ready to send, and its ETag: the version and the digest of the bytes."""

    version: int
    ended: bool
    body: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event; `data` is JSON."""

    event: str
    data: str
    id: str | None = None  # on the last event of a version only: whoever resumes there has seen all of it


@dataclass(frozen=True, slots=True)
class Download:
    """A file to hand over: whole, at `path`, or in chunks that are made as they are taken."""

    filename: str
    media_type: str
    path: Path | None = None
    chunks: Iterable[bytes] = ()


class Halted(Exception):
    """The session was cancelled or the service is being stopped: the call that was about to leave is not made."""


class NotTaken(Exception):
    """The provider refused to take a character's picture as a reference, for good."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Unit:
    """What money is reserved for at once: a story's bible, a scene's prompt with the picture that follows it, or a
    character's reference picture."""

    session_id: str
    scene_id: str | None = None
    version: int = 0
    softened: bool = False
    step: str = ""  # a part of the bible, or the check of a picture: paid by itself
    anchor: str | None = None

    @property
    def charges(self) -> str:
        """How the ids of all its charges begin."""
        step = f":{self.step}" if self.step else ""
        if self.anchor is not None:
            return f"{self.session_id}:anchor:{quote(self.anchor, safe='')}:{self.version}"
        if self.scene_id is None:
            return f"{self.session_id}:bible{step}"
        return f"{self.session_id}:{self.scene_id}:{self.version}{':softer' if self.softened else ''}{step}"

    @property
    def picture_charges(self) -> str:
        """How the ids of all charges for its picture begin."""
        return f"{self.charges}:picture"


@dataclass(frozen=True, slots=True)
class PicturePrice:
    """The most a picture of that model can cost in USD, None when no price is known."""

    model: str
    worst_usd: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in a picture; `unchecked` says why nobody looked."""

    checks: tuple[PictureCheck, ...] = ()
    unchecked: str | None = None

    @property
    def failed(self) -> bool:
        return any(not check.ok for check in self.checks)


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture in the store of paid answers."""

    name: str
    width: int
    height: int
    seed: int
    cost_usd: float
    reused: bool = False


# --- The studio ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Studio:
    """The use cases. It knows nothing of HTTP; whatever it needs from outside is one of these fields."""

    store: SessionStore
    journal: Journal
    ledger: Accounts
    files: ProjectFiles
    text: TextModel | None
    painters: Mapping[str, ImageModel]  # by the provider in front of the model id: `draft`, else `runware`
    rules: StoryRules
    runner: Runner
    pool: WorkPool
    documents: DocumentReader
    exports: Mapping[DownloadFormat, StreamedExport | FileExport]
    providers: Mapping[str, Provider]
    signer: Signer
    limits: Limits
    observe: Observe
    clock: Callable[[], datetime]
    projects_kept: Projects | None = None  # where approved work outlives its sessions, when that is elsewhere
    flights: Flights = field(default_factory=LocalFlights)
    turns: LocalFlights = field(default_factory=LocalFlights)  # what this process does one by one
    pages: OrderedDict[str, Page] = field(default_factory=OrderedDict)
    readings: Readings = field(default_factory=Readings)
    unreadable: set[str] = field(default_factory=set)  # questions to be asked past the provider's cache
    arriving: set[object] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)

    # -- reading a story

    async def analyze(self, request: AnalyzeRequest) -> AnalyzeView:
        """Read a story and say what drawing it would take; spends nothing."""
        settings = self._settings(request)
        reading = await self._read(request)
        previews = [
            ScenePreview(start=s.start, end=s.end, excerpt=request.story_text[s.start : s.end][:EXCERPT_CHARS])
            for s in reading.scenes
        ]
        parts = await self._parts(request.story_text, settings)
        return AnalyzeView(
            analysis=reading.analysis,
            recommended_scenes=reading.analysis.recommended_scenes,
            num_scenes=len(reading.scenes),
            scenes=previews,
            estimate=self._estimate(request.story_text, parts, reading, settings),
        )

    async def _read(self, request: AnalyzeRequest) -> StoryReading:
        """Split and analyse, where it holds nobody up; raises `InvalidRequest`."""
        text, wanted = request.story_text, request.num_scenes
        if len(text) > self.limits.max_story_chars:
            raise InvalidRequest(f"story_text is longer than {self.limits.max_story_chars} characters.")
        if wanted is not None and wanted > self.limits.max_scenes:
            raise InvalidRequest(f"num_scenes is more than {self.limits.max_scenes}.")
        try:
            return await self._reading(text, wanted)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error

    async def upload(self, file: BinaryIO, name: str) -> UploadView:
        """The story in a document, ready to be generated from; raises the document errors of `models`."""
        document = await self.documents.read(file, name)
        text = document.story_text
        reading = await self._reading(text, None)
        return UploadView(title=document.title or reading.title, story_text=text, analysis=reading.analysis)

    async def _reading(self, text: str, wanted: int | None) -> StoryReading:
        """The story read, or what was read of the same text before; of many who ask at once, one reads.

        Raises ValueError. A text that is refused is not kept: it is read again for whoever sends it again.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        key = (digest, wanted, self.limits.max_scenes)
        if (kept := self.readings.get(key)) is not None:
            return kept
        async with self.turns("", f"reading:{key}"):
            if (kept := self.readings.get(key)) is not None:
                return kept
            reading = await self._apart(len(text), read_story, text, wanted, self.limits.max_scenes)
            self.readings.put(key, reading)
            return reading

    async def _apart(self, chars: int, function: Callable[..., T], *arguments: object) -> T:
        """Do work on a text of that length where it holds nobody up: here, in a thread, in another process.

        What is quick for one story is not for a crowd of them, so a crowd is read in other processes.
        """
        await asyncio.sleep(0)  # so that whoever comes at the same time is seen
        if len(self.arriving) > CROWD:
            async with self.turns("", "reading"):  # one by one: else many answers come in one round of the loop
                return await self.pool.run(function, *arguments)
        if chars <= INLINE_STORY_CHARS:
            return function(*arguments)
        if chars <= THREAD_STORY_CHARS:
            return await asyncio.to_thread(function, *arguments)
        return await self.pool.run(function, *arguments)

    async def _parts(self, story: str, settings: GenerationSettings) -> list[str]:
        """The story as the text model can read it: whole, or in parts that fit its context."""
        most = self.text.story_bytes(settings.text_model) if self.text is not None else MAX_UTF8_BYTES * len(story)
        if MAX_UTF8_BYTES * len(story) <= most:
            return [story]
        return await self._apart(len(story), parts_to_fit, story, most)

    def _settings(self, request: AnalyzeRequest) -> GenerationSettings:
        """The request with every default filled in; raises `UnknownModel`."""
        return GenerationSettings(
            media_type=request.media_type,
            num_scenes=request.num_scenes or 0,
            style=request.style,
            aspect_ratio=request.aspect_ratio,
            seed=derive_seed(request.story_text) if request.seed is None else request.seed,
            text_model=self._text_model(request.text_model),
            image_model=self._image_model(request.image_model),
            draft_image_model=self.limits.draft_image_model,
            quality=request.quality,
            consistency=request.consistency,
            check_images=request.check_images,
            check_model=self.limits.check_model,
            stop_at=request.stop_at,
        )

    def _text_model(self, wanted: str | None) -> str:
        if wanted is None or wanted == self.limits.text_model:
            return self.limits.text_model
        return self._listed(wanted, "text")

    def _image_model(self, wanted: str | None) -> str:
        if wanted is None or wanted == self.limits.image_model:
            return self.limits.image_model
        return self._listed(wanted, "image")

    def _listed(self, model: str, kind: str) -> str:
        for provider in self.providers.values():
            for known in provider.models():
                if known.id == model and known.kind == kind and known.available:
                    return model
        raise UnknownModel(f"That {kind} model is not one of those that GET /models lists as available.")

    def _estimate(
        self, story: str, parts: list[str], reading: StoryReading, settings: GenerationSettings
    ) -> CostEstimate:
        """Least: each picture once. Worst: every try of every call is billed, every scene is softened once, every
        picture that is to be checked is mended once, and everybody with a reference picture is in every scene."""
        scenes, anchors = len(reading.scenes), self._most_anchors(settings, len(reading.scenes))
        picture = self._price(settings, references=anchors)
        portrait = self._portrait_price(settings) if anchors else 0.0
        text = self._worst_text(story, parts, reading, settings)
        tries = self.limits.retry_attempts
        pictures = 2 * scenes + (scenes if self._why_unchecked(settings, model_for(settings)) is None else 0)
        unknown = picture is None or portrait is None or text is None
        worst = None if unknown else tries * ((text or 0) + pictures * (picture or 0) + anchors * (portrait or 0))
        least = self._least_pictures(reading, settings, anchors)
        return CostEstimate(
            least_usd=None if least is None else round(least / WORST_PICTURE, 6),
            worst_usd=None if worst is None else round(worst, 6),
            text_model=settings.text_model if self.text is not None else OFFLINE_TEXT,
            image_model=model_for(settings),
        )

    def _most_anchors(self, settings: GenerationSettings, scenes: int) -> int:
        """How many reference pictures a story of that many scenes may get."""
        if scenes < RECURS_IN or self._consistency(settings) == "prompt":
            return 0
        return min(MAX_ANCHORS, self._references_taken(model_for(settings)))

    def _price(self, settings: GenerationSettings, *, references: int) -> float | None:
        request = self._blank_request(settings, references=references)
        return self._painter(request.model).worst_cost(request)

    def _portrait_price(self, settings: GenerationSettings) -> float | None:
        """The most a reference picture can cost: square, and drawn after nobody."""
        return self._price(settings.model_copy(update={"aspect_ratio": "1:1"}), references=0)

    def _least_pictures(self, reading: StoryReading, settings: GenerationSettings, most: int) -> float | None:
        """Each picture once, with the reference pictures of whoever the rules find in two scenes or more."""
        found = Counter(name for scene in reading.scenes for name in set(scene.facts.characters))
        recurring = {name for name, count in found.most_common(most) if count >= RECURS_IN}
        present = [len(recurring.intersection(scene.facts.characters)) for scene in reading.scenes]
        plain, after_one = (self._least_price(settings, references=references) for references in (0, 1))
        if plain is None or after_one is None:
            return None
        drawn_after = sum(references > 0 for references in present)
        drawn_plainly = len(present) - drawn_after + len(recurring)
        return plain * drawn_plainly + max(plain, after_one * LEAST_AFTER_REFERENCE) * drawn_after

    def _least_price(self, settings: GenerationSettings, *, references: int) -> float | None:
        """The price of a picture of no more than a megapixel."""
        request = dataclasses.replace(self._blank_request(settings, references=references), width=1, height=1)
        return self._painter(request.model).worst_cost(request)

    def _worst_text(
        self, story: str, parts: list[str], reading: StoryReading, settings: GenerationSettings
    ) -> float | None:
        """What one try of every text call can cost: the bible, a prompt and a softer one for each scene, two checks."""
        if self.text is None:
            return 0.0
        bible = StoryBible(title="x", style="x" * BIBLE_ALLOWANCE_CHARS)
        questions = bible_requests(parts, reading.analysis, settings, seed=settings.seed)
        if len(parts) > 1:
            questions.append(merge_request(widest_bible(), settings, seed=settings.seed))
        for scene in reading.scenes:
            words = story[scene.start : scene.end]
            question = scene_request(bible, words, scene.facts, settings, self.limits.max_prompt_chars, seed=0)
            questions += [question, question]
            if self._why_unchecked(settings, model_for(settings)) is None:
                questions += 2 * [widest_check(settings)]
        costs = [self.text.worst_cost(question) for question in questions]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    # -- making a session

    async def generate(self, owner: str, request: GenerateRequest, key: str | None = None) -> Accepted:
        """Start a session, or give the one this Idempotency-Key made. It is on disk before this returns."""
        if key is None:
            return accepted(await self._new(owner, request, None))
        idempotency = IdempotencyKey(owner, key, fingerprint(request.model_dump(mode="json")))
        async with self.flights(owner, f"key:{key}"):  # repeats that come at once hold one place together
            earlier = await self.store.find_by_key(idempotency)
            return accepted(earlier or await self._new(owner, request, idempotency))

    async def _new(self, owner: str, request: GenerateRequest, key: IdempotencyKey | None) -> Session:
        settings = self._settings(request)
        await self.check_room()  # before the work of reading; `create` looks again
        with self._arriving():
            reading = await self._read(request)
        session = self._new_session(owner, request, reading, settings)
        self._refuse_unknown_price(session)
        await self._refuse_spent_day(session)
        kept = await self.store.create(session, key)
        if kept.session_id == session.session_id:
            await self.runner.submit(kept.session_id)
        log.info("session accepted", extra={"session_id": kept.session_id, "scenes": len(kept.scenes)})
        return kept

    async def check_room(self) -> None:
        """Raises `ServiceFull` when one more session would be too many; stories still being read have their place."""
        await self.store.check_room(arriving=len(self.arriving))

    @contextmanager
    def _arriving(self) -> Iterator[None]:
        """Hold a place for a story that is being read: else all that come at once are read, and most for nothing."""
        place = object()
        self.arriving.add(place)
        try:
            yield
        finally:
            self.arriving.discard(place)

    def _refuse_unknown_price(self, session: Session) -> None:
        """Raises `PriceUnknown` when the session has a budget that could not be kept."""
        if not self.has_budget(session):
            return
        costs = [self._painter(model_for(session.settings)).worst_cost(self._blank_request(session.settings))]
        if self.text is not None:
            costs.append(self.text.worst_cost(bible_question(session)))
            if self._why_unchecked(session.settings, model_for(session.settings)) is None:
                costs.append(self.text.worst_cost(widest_check(session.settings)))
        if None in costs:
            raise PriceUnknown

    async def _refuse_spent_day(self, session: Session) -> None:
        """Raises `DayBudgetReached` when none of what waits in the session can be begun with what is left of today.

        What was paid before costs nothing and is let through: a repeated story, a picture that was only not fetched.
        """
        if self.limits.daily_budget_usd is None:
            return
        steps = [partial(self._anchor_step, session, anchor) for anchor in anchors_to_draw(session)]
        waiting = [scene for scene in session.scenes if has_work(session, scene)]
        if session.story_bible is None:
            del waiting[1:]  # the bible comes before all of them
        steps += [partial(self._next_step, session, scene) for scene in waiting]
        refused: DayBudgetReached | None = None
        for step in steps:
            try:
                await self.ledger.check_day(await step())
            except DayBudgetReached as error:
                refused = error
            except ProviderRefused:  # nobody can draw it here: the run says so on the scene
                return
            else:
                return
        if refused is not None:
            raise refused

    async def _next_step(self, session: Session, scene: Scene) -> float:
        """The least that must be left for the next paid answer of a scene, 0 where that answer is kept."""
        if session.story_bible is None and self.text is not None:
            parts = await self._parts(session.story_text, session.settings)
            question = bible_requests(parts, session.analysis, session.settings, seed=session.settings.seed)[0]
            cost = await self._question_step(session, question)
            return cost and max(cost, self._least_picture(session, scene))  # a bible alone would be money for nothing
        session, scene = self._as_by_rule(session, scene)
        if scene.image_prompt is None:
            question = self._scene_question(
                session, scene, session.story_bible or StoryBible(title=session.title, style="")
            )
            cost = await self._question_step(session, question)
            return cost and cost + self._least_picture(session, scene)
        for anchor in self._anchors_of(session, scene):
            if anchor.status not in DONE:
                return await self._anchor_step(session, anchor)
        request = self.image_request(session, scene)
        shown = not scene.asked and any(version.content_key == content_key(request) for version in scene.versions)
        return 0.0 if shown else await self._picture_step(session, request)

    def _as_by_rule(self, session: Session, scene: Scene) -> tuple[Session, Scene]:
        """Both as the rules would write them, where there is no text model to ask: nothing is kept of it."""
        if self.text is not None:
            return session, scene
        facts = [scene.facts for scene in session.scenes]
        bible = self.rules.bible(session.title, session.story_text, session.analysis, facts, session.settings)
        session = put_bible(session, bible=bible)
        if session.consistency == "references":
            session = choose_anchors(session, most=self._most_portraits(session))
        if scene.image_prompt is None:
            text, chars = session.text_of(scene), self.limits.max_prompt_chars
            words = self.rules.scene(session.story_bible or bible, text, scene.facts, session.settings, chars)
            scene = put_text(scene, words=words, source="offline")
        return session, scene

    async def _question_step(self, session: Session, question: TextRequest) -> float:
        if self.text is None or await self.store.find_answer(session.owner, question_key(question)):
            return 0.0
        return self.text.worst_cost(question) or 0.0

    async def _anchor_step(self, session: Session, anchor: Anchor) -> float:
        return await self._picture_step(session, self.anchor_request(session, anchor))

    async def _picture_step(self, session: Session, request: ImageRequest) -> float:
        """What a picture can cost; nothing when it is kept, or in the making and so paid for."""
        key = content_key(request)
        if await self._kept_picture(session.owner, key) or await self.store.find_drawing(session.owner, key):
            return 0.0
        return self._painter(request.model).worst_cost(request) or 0.0

    def _least_picture(self, session: Session, scene: Scene) -> float:
        """What the scene's picture can cost without references; 0 where none is to be drawn."""
        if not goes_to_picture(session, scene):
            return 0.0
        request = self._blank_request(session.settings, scene.quality)
        return self._painter(request.model).worst_cost(request) or 0.0

    def has_budget(self, session: Session) -> bool:
        """Whether anything limits what the session may spend."""
        return session.max_cost_usd is not None or self.limits.daily_budget_usd is not None

    def _new_session(
        self, owner: str, request: GenerateRequest, reading: StoryReading, settings: GenerationSettings
    ) -> Session:
        now = self.clock()
        story = request.story_text
        scenes = tuple(
            new_scene(story, part, settings, scene_id=new_scene_id(), number=number)
            for number, part in enumerate(reading.scenes)
        )
        return Session(
            session_id=new_session_id(),
            owner=owner,
            title=request.title or reading.title,
            story_text=story,
            settings=settings.model_copy(update={"num_scenes": len(scenes)}),
            analysis=reading.analysis,
            scenes=scenes,
            created_at=now,
            updated_at=now,
            max_cost_usd=request.max_cost_usd,
            offline=self.text is None or is_draft(model_for(settings)),
            consistency=self._consistency(settings),
        )

    # -- running a session: every step looks first whether its result is there

    async def run(self, session_id: str) -> None:
        """Do whatever the session still needs; may be called again at any time and then continues."""
        began, at_work = time.monotonic(), True
        try:
            session = await self.store.change(session_id, begin)
            await self._close_left(session_id, "bible")
            at_work = session.status in UNFINISHED
            if has_any_work(session):
                await self.plan(session_id)
                await self._choose_anchors(session_id)
                if self.runner.apart and await self._scatter(session_id):
                    return
                await self._render_all(session_id)
            session, ends = await self._finish(session_id)
        except SessionNotFound:
            log.info("session gone while it ran", extra={"session_id": session_id})
            return
        except StoreUnavailable:
            raise  # nothing can be written down: the run comes again when it can
        except StorageUnavailable as error:
            log.error("session stopped: no storage", extra={"session_id": session_id})
            session = await self.store.change(session_id, partial(fail_session, problem=error.as_problem()))
            ends = True
        if ends or (at_work and session.status in ENDED):  # it may have ended before: cancelled, or without money
            self._tell_end(session, began)

    def _tell_end(self, session: Session, began: float) -> None:
        self.observe(SessionEnded(session.status, time.monotonic() - began))
        log.info("session ended", extra={"session_id": session.session_id, "status": session.status})

    async def _scatter(self, session_id: str) -> bool:
        """Make a job of each scene that has work, else of each portrait; False when there is none."""
        session = await self.store.get(session_id)
        if self._halted(session) or session.story_bible is None:
            return False
        waiting = [scene.scene_id for scene in session.scenes if has_work(session, scene)]
        if not waiting:  # portraits that no scene is waiting for
            waiting = [f"{ANCHOR}{anchor.anchor_id}" for anchor in anchors_to_draw(session)]
        if waiting:
            await self.runner.scatter(session_id, waiting)
        return bool(waiting)

    async def render_apart(self, session_id: str, scene_id: str) -> None:
        """Draw one scene as a job of its own; the last one of a session ends it. May be called again at any time.

        What an earlier worker left open of the scene's money is closed first: nobody but us holds the scene now.
        """
        began = time.monotonic()
        try:
            if scene_id.startswith(ANCHOR):
                await self.draw_anchor(session_id, scene_id.removeprefix(ANCHOR))
            async with self.flights("", f"scene:{session_id}:{scene_id}") as fence:
                await self._close_left(session_id, f"{scene_id}:")
                while await self._scene_waits(session_id, scene_id):
                    await self.render(session_id, scene_id, fence)
            session = await self.store.get(session_id)
            if session.status in UNFINISHED and has_any_work(session):
                if not any(has_work(session, scene) for scene in session.scenes):  # portraits that no scene needs
                    await self.runner.submit(session_id)
                return
            await self._take_stock(session)
            session, ends = await self._finish(session_id)
            if ends:
                self._tell_end(session, began)
        except SessionNotFound:
            log.info("session gone while it ran", extra={"session_id": session_id})
            return

    async def _scene_waits(self, session_id: str, scene_id: str) -> bool:
        session = await self.store.get(session_id)
        scene = next((scene for scene in session.scenes if scene.scene_id == scene_id), None)
        return scene is not None and not self._halted(session) and has_work(session, scene)

    async def plan(self, session_id: str) -> None:
        """Write the story bible, unless it is there."""
        session = await self.store.get(session_id)
        if session.story_bible is not None or self._halted(session):
            return
        try:
            bible = await self._write_bible(session)
        except Halted:
            return
        except (BudgetReached, PriceUnknown) as error:
            await self.store.change(session_id, partial(fail_session, problem=error.as_problem()))
            return
        await self.store.change(session_id, partial(put_bible, bible=bible))

    async def _write_bible(self, session: Session) -> StoryBible:
        if self.text is not None:
            parts = await self._parts(session.story_text, session.settings)
            bibles = await self._read_parts(session, parts)
            if len(bibles) > 1:
                return await self._merge(session, merge_bibles(bibles))
            if bibles:
                return bibles[0]
        facts = [scene.facts for scene in session.scenes]
        return self.rules.bible(session.title, session.story_text, session.analysis, facts, session.settings)

    async def _read_parts(self, session: Session, parts: list[str]) -> list[StoryBible]:
        """The bible of each part that the model could read, in their order; all parts are asked about at once."""
        questions = bible_requests(parts, session.analysis, session.settings, seed=session.settings.seed)
        steps = [f"part{number}" if len(parts) > 1 else "" for number in range(len(parts))]
        jobs = [partial(self._read_part, session, *pair) for pair in zip(questions, steps, strict=True)]
        return [bible for bible in await gather_bounded(len(jobs), jobs) if bible is not None]

    async def _read_part(self, session: Session, question: TextRequest, step: str) -> StoryBible | None:
        """One part's bible, None when the model gave none: the others, or the rules, have to do."""
        read = partial(read_bible, fallback_title=session.title)
        try:
            return await self._ask(session, question, read, Unit(session.session_id, step=step))
        except ProviderError as error:
            log.warning("part not read", extra={"session_id": session.session_id, "reason": error.code})
            return None

    async def _merge(self, session: Session, merged: StoryBible) -> StoryBible:
        """One bible of those of the parts: by the model, else as the rules merged it."""
        question = merge_request(merged, session.settings, seed=session.settings.seed)
        read = partial(read_bible, fallback_title=merged.title)
        try:
            return await self._ask(session, question, read, Unit(session.session_id, step="merge"))
        except ProviderError as error:
            log.warning("bible merged by rule", extra={"session_id": session.session_id, "reason": error.code})
            return shortened(merged)

    async def _render_all(self, session_id: str) -> None:
        """Every scene at once, each on its own way, until none has work left."""
        while True:
            session = await self.store.get(session_id)
            if self._halted(session) or session.story_bible is None:
                return
            anchors = [partial(self.draw_anchor, session_id, anchor.name) for anchor in anchors_to_draw(session)]
            waiting = [scene.scene_id for scene in session.scenes if has_work(session, scene)]
            jobs = [*anchors, *(partial(self.render, session_id, scene_id) for scene_id in waiting)]
            if not jobs:
                return
            await gather_bounded(len(jobs), jobs)

    async def render(self, session_id: str, scene_id: str, fence: str = "") -> None:
        """Take one scene as far as it goes: prompt, picture, ready; what fails is a value on the scene."""
        began = time.monotonic()
        try:
            reused = await self._render(session_id, scene_id)
        except (Halted, SceneNotFound):  # not wanted any more, or merged into another before its turn
            return
        except StoreUnavailable:
            raise
        except (ProviderError, BudgetReached, PriceUnknown, StorageUnavailable) as error:
            problem = error.as_problem()
            await self.store.change_scene(session_id, scene_id, partial(fail_unless_ready, problem=problem))
            self.observe(SceneEnded(error.code, time.monotonic() - began))
            log.warning("scene failed", extra={"session_id": session_id, "scene_id": scene_id, "code": error.code})
        else:
            self.observe(SceneEnded("ready", time.monotonic() - began, reused=reused))
        finally:
            await self.ledger.release_all(f"{session_id}:{scene_id}", fence)

    async def _render(self, session_id: str, scene_id: str) -> bool:
        session = await self.still_wanted(session_id, scene_id)
        scene = session.scene(scene_id)
        if scene.image_prompt is None:
            session = await self._take_up(session, scene, "prompting")
            await self._write_prompt(session, session.scene(scene_id))
            session = await self.still_wanted(session_id, scene_id)
        session = await self._with_anchors(session, session.scene(scene_id))
        reused = False
        if session.scene(scene_id).repair_of is None:
            reused = await self._draw_once_softened(session, session.scene(scene_id))
            session = await self._judge(session_id, scene_id)
        if session.scene(scene_id).repair_of is not None:
            await self._repair(session_id, scene_id)
        return reused

    async def _take_up(self, session: Session, scene: Scene, status: SceneStatus) -> Session:
        """The session with that scene at work; raises `Halted` when it is done: somebody took over and was faster."""
        taken = await self.store.change_scene(session.session_id, scene.scene_id, partial(take_up, status=status))
        if taken.scene(scene.scene_id).status != status:
            raise Halted
        return taken

    async def _draw_once_softened(self, session: Session, scene: Scene) -> bool:
        try:
            return await self._draw(session, scene)
        except ContentBlocked as blocked:
            return await self._draw_softened(session.session_id, scene.scene_id, blocked)

    async def still_wanted(self, session_id: str, scene_id: str | None = None) -> Session:
        """The session as it is now; raises `Halted` when nothing more may be sent for it, or for that scene of it."""
        session = await self.store.get(session_id)
        if self._halted(session) or (scene_id is not None and not has_work(session, session.scene(scene_id))):
            raise Halted
        return session

    def _halted(self, session: Session) -> bool:
        return session.status not in UNFINISHED or self.runner.stopping

    async def _finish(self, session_id: str) -> tuple[Session, bool]:
        """The session as it has ended, and whether that is news: several may find that nothing is left to do."""
        if self.runner.stopping:
            return await self.store.get(session_id), False
        ends = False

        def end(now: Session) -> Session:
            nonlocal ends
            after = finish(now)
            ends = now.status in UNFINISHED and after.status in ENDED
            return after

        session = await self.store.change(session_id, end)
        await self._write_project(session)
        await self.store.commit()
        return session, ends

    async def crashed(self, session_id: str) -> None:
        """Called by a runner when `run` raised what nobody expected: the session says so and may be continued."""
        problem = Problem(code="internal_error", message="Something went wrong here; please continue.", retryable=True)
        await self.store.change(session_id, partial(fail_session, problem=problem))

    async def scene_crashed(self, session_id: str, scene_id: str) -> None:
        """Called by a runner when `render_apart` raised what nobody expected: the scene fails, the others go on."""
        problem = Problem(code="internal_error", message="Something went wrong here; please continue.", retryable=True)
        with contextlib.suppress(SceneNotFound):
            await self.store.change_scene(session_id, scene_id, partial(fail_unless_ready, problem=problem))
        await self.render_apart(session_id, scene_id)  # which has nothing left to draw, and ends the session

    # -- one scene's prompt

    async def _write_prompt(self, session: Session, scene: Scene) -> None:
        words, source = await self._scene_text(session, scene)
        put = partial(put_text, words=words, source=source)
        await self.store.change_scene(session.session_id, scene.scene_id, put)
        if source == "offline" and not session.offline:
            await self.store.change(session.session_id, mark_offline)

    async def _scene_text(self, session: Session, scene: Scene) -> tuple[SceneText, PromptSource]:
        bible = session.story_bible or StoryBible(title=session.title, style="")
        if self.text is not None:
            question = self._scene_question(session, scene, bible)
            picture = self._picture_cost(session, scene)
            try:
                words = await self._ask(session, question, self._reader(bible), unit_of(session, scene), picture)
                return words, "model"
            except ProviderError as error:
                log.warning("prompt by rule", extra={"session_id": session.session_id, "reason": error.code})
        text, chars = session.text_of(scene), self.limits.max_prompt_chars
        return self.rules.scene(bible, text, scene.facts, session.settings, chars), "offline"

    def _reader(self, bible: StoryBible) -> Callable[[TextAnswer], SceneText]:
        return partial(read_scene, bible=bible, max_prompt_chars=self.limits.max_prompt_chars)

    async def _ask(
        self,
        session: Session,
        question: TextRequest,
        read: Callable[[TextAnswer], T],
        unit: Unit,
        picture: PicturePrice | None = None,
    ) -> T:
        """What `read` finds in an answer, from what was paid before or from the model; raises `ProviderError`,
        `BudgetReached`, `Halted`. With `picture` the picture's money is reserved together with the question's, so that
        no prompt is paid for in vain. An answer that cannot be read is not kept."""
        if self.text is None:
            raise ProviderRefused("There is no text model.")
        key = question_key(question)
        async with self.flights(session.owner, key):
            kept = await self.store.find_answer(session.owner, key)
            if kept is not None:
                self.journal.save_answer(kept, self.clock())  # taken again: it stays
                return read(TextAnswer(**json.loads(kept.body)))
            session = await self.still_wanted(session.session_id, unit.scene_id)
            purse = Purse(self, session, unit, question.model)
            await purse.reserve(self.text.worst_cost(question), picture)
            try:
                answer = await self.text.answer(dataclasses.replace(question, fresh=key in self.unreadable), purse)
            finally:
                await purse.release()
            found = self._readable(key, answer, read)
            body = json.dumps(dataclasses.asdict(answer) | {"cost_usd": 0.0}, ensure_ascii=False)
            self.journal.save_answer(Answer(session.owner, key, "text", body), self.clock())
            await self.store.commit()
            return found

    def _readable(self, key: str, answer: TextAnswer, read: Callable[[TextAnswer], T]) -> T:
        """What `read` finds; an answer that cannot be read would come again from the provider's cache, so that is not
        asked the next time."""
        if len(self.unreadable) >= UNREADABLE_KEPT:
            self.unreadable.clear()  # whoever is forgotten meets the cached answer once more
        self.unreadable.add(key)
        found = read(answer)
        self.unreadable.discard(key)
        return found

    def _picture_cost(self, session: Session, scene: Scene) -> PicturePrice | None:
        """The price of the scene's picture, None where it costs nothing or none is wanted."""
        if not goes_to_picture(session, scene):
            return None
        request = self._blank_request(session.settings, scene.quality, references=len(session.anchors or ()))
        worst = self._painter(request.model).worst_cost(request)
        return None if worst == 0 else PicturePrice(request.model, worst)

    async def reserve(self, charges: list[Charge], unit: Unit) -> Session:
        """Reserve all of them or none, for a unit that holds no money yet.

        Waits while others have reserved more than they will need: what they do not spend comes back. Whoever waits
        holds nothing, and for a portrait scenes wait that do hold something, so it never waits. Raises
        `BudgetReached` when nothing can come back, `Halted`.
        """
        patience = time.monotonic() + MONEY_PATIENCE_SECONDS
        while True:
            session = await self.still_wanted(unit.session_id, unit.scene_id)
            try:
                await self.ledger.reserve(charges, max_cost_usd=session.max_cost_usd)
                return session
            except BudgetReached:
                may_return = unit.anchor is None and await self.ledger.may_return(session.session_id)
                if not may_return or time.monotonic() > patience:
                    raise
            await self.store.wait(session.session_id, session.version, MONEY_WAIT_SECONDS)

    # -- one scene's picture

    async def _draw(self, session: Session, scene: Scene) -> bool:
        """Draw, fetch, keep and show; returns whether the picture was there already."""
        session = await self._take_up(session, scene, "drawing")
        scene = session.scene(scene.scene_id)
        if scene.image_prompt is None:  # its borders were moved a moment ago: the run comes again
            raise Halted
        request = self.image_request(session, scene)
        key = content_key(request)
        if await self._show_again(session, scene, key):
            return True
        try:
            async with self.flights(session.owner, key) as fence:
                kept = await self._kept_picture(session.owner, key)
                if kept is None:
                    session = await self.still_wanted(session.session_id, scene.scene_id)
                    kept = await self._make_picture(session, unit_of(session, scene), request, key, fence)
        except NotTaken as refused:
            return await self._draw_by_words(session, scene, refused.name)
        await self._show(session, scene, request, key, kept)
        return kept.reused

    async def _draw_by_words(self, session: Session, scene: Scene, name: str) -> bool:
        """The scene without that character's reference picture: the bible's words have to do."""
        problem = Problem(code=REFUSED, message="The image provider does not take this reference.", retryable=False)
        log.warning("reference not taken", extra={"session_id": session.session_id})
        session = await self.store.change(session.session_id, partial(fail_anchor, name=name, problem=problem))
        return await self._draw(session, session.scene(scene.scene_id))

    async def _show_again(self, session: Session, scene: Scene, key: str) -> bool:
        """Show the version of the scene that is this very picture, where there is one and nobody asked for another."""
        shown = next((version for version in scene.versions if version.content_key == key), None)
        if shown is None or scene.asked:
            return False
        put = partial(put_shown, number=shown.version, to_check=session.settings.check_images)
        await self.store.change_scene(session.session_id, scene.scene_id, put)
        return True

    async def _draw_softened(self, session_id: str, scene_id: str, blocked: ContentBlocked) -> bool:
        """Once, a softer prompt: never the same one again. Raises `blocked` when that is all we have."""
        session = await self.store.get(session_id)
        scene = session.scene(scene_id)
        if scene.prompt_source == "softened":
            raise blocked
        softer, parts = await self._softer_prompt(session, scene)
        if softer == scene.image_prompt:
            raise blocked
        put = partial(put_softened, prompt=softer, parts=parts)
        session = await self.store.change_scene(session_id, scene_id, put)
        return await self._draw(session, session.scene(scene_id))

    async def _softer_prompt(self, session: Session, scene: Scene) -> tuple[str, PromptParts | None]:
        """Another moment of the scene by the model; of a prompt that a person wrote, only the words are changed."""
        bible = session.story_bible
        if self.text is not None and bible is not None and scene.prompt_source != "edited":
            question = self._scene_question(session, scene, bible, softened=True)
            unit = dataclasses.replace(unit_of(session, scene), softened=True)
            picture = self._picture_cost(session, scene)
            try:
                words = await self._ask(session, question, self._reader(bible), unit, picture)
                return words.image_prompt, words.parts
            except (ProviderError, BudgetReached) as error:
                log.warning("softened by rule", extra={"session_id": session.session_id, "reason": error.code})
            except Halted:  # cancelled: what a later run sends must be another prompt, so the rules have to do
                if self.runner.stopping:
                    raise
        return self.rules.soften(scene.image_prompt or ""), scene.parts

    # -- checking a picture

    async def _judge(self, session_id: str, scene_id: str) -> Session:
        """Look at the picture that was drawn, where that is wanted: the scene is ready, or waits to be mended once."""
        session = await self.store.get(session_id)
        scene = session.scene(scene_id)
        if scene.status != "drawing" or scene.current is None:
            return session
        verdict = await self._look(session, scene, scene.current)
        most = self.limits.max_prompt_chars
        return await self.store.change_scene(
            session_id, scene_id, partial(put_verdict, verdict=verdict, max_prompt_chars=most)
        )

    async def _look(self, session: Session, scene: Scene, image: ImageVersion) -> Verdict:
        """What the check model sees; a check that cannot be made is said, and never sinks the scene."""
        reason = self._why_unchecked(session.settings, image.model)
        if reason is not None or self.text is None:
            return Verdict(unchecked=reason)
        bible = session.story_bible or StoryBible(title=session.title, style="")
        questions = check_questions(bible, scene.facts)
        unit = dataclasses.replace(unit_of(session, scene), step="check")
        try:
            path = await asyncio.to_thread(self.files.picture, session.session_id, image.file)
            picture = await asyncio.to_thread(shrunk_file, path)
            model = check_model_of(session.settings)
            question = check_request(
                model, image.prompt or scene.description, questions, picture, seed=session.settings.seed
            )
            return Verdict(await self._ask(session, question, partial(read_check, questions=questions), unit))
        except (ProviderError, BudgetReached, PriceUnknown, ImageNotFound, StorageUnavailable) as error:
            log.warning("picture not checked", extra={"session_id": session.session_id, "reason": error.code})
            return Verdict(unchecked=f"Not checked: {error}")
        except Halted:
            if self.runner.stopping:
                raise
            return Verdict(unchecked="Not checked: the session was cancelled.")

    def _why_unchecked(self, settings: GenerationSettings, image_model: str) -> str | None:
        """Why pictures of that model are not checked, None when they are; empty when nobody asked for it."""
        if not settings.check_images:
            return ""
        if is_draft(image_model):
            return "Not checked: it is an offline draft."
        if self.text is None:
            return "Not checked: there is no text model."
        if not self.text.sees(check_model_of(settings)):
            return "Not checked: the check model takes no pictures."
        return None

    async def _repair(self, session_id: str, scene_id: str) -> None:
        """Draw once more with what was wrong in the prompt; whatever goes wrong with that, the first picture stays."""
        try:
            session = await self.still_wanted(session_id, scene_id)
            await self._draw(session, session.scene(scene_id))
            await self._judge(session_id, scene_id)
        except (ProviderError, BudgetReached, PriceUnknown) as error:
            log.warning("picture not mended", extra={"session_id": session_id, "reason": error.code})
            await self.store.change_scene(session_id, scene_id, give_up_repair)
        except Halted:
            if self.runner.stopping:
                raise
            await self.store.change_scene(session_id, scene_id, give_up_repair)

    def _scene_question(
        self, session: Session, scene: Scene, bible: StoryBible, *, softened: bool = False
    ) -> TextRequest:
        return scene_request(
            bible,
            session.text_of(scene),
            scene.facts,
            session.settings,
            self.limits.max_prompt_chars,
            seed=session.settings.seed,
            softened=softened,
        )

    async def _kept_picture(self, owner: str, key: str) -> KeptPicture | None:
        answer = await self.store.find_answer(owner, key)
        if answer is None:
            return None
        kept = KeptPicture(**json.loads(answer.body))
        if not await asyncio.to_thread(self.files.has_picture, kept.name):
            return None
        self.journal.save_answer(answer, self.clock())  # taken again: it stays
        return dataclasses.replace(kept, cost_usd=0.0, reused=True)

    async def _make_picture(
        self, session: Session, unit: Unit, request: ImageRequest, key: str, fence: str
    ) -> KeptPicture:
        painter = self._painter(request.model)
        record = await self.store.find_drawing(session.owner, key)
        task = PictureTask(self, session, unit, key, request.model, record, fence)
        if record is not None and record.url is not None:
            seed = request.seed if record.seed is None else record.seed
            drawing = Drawing(seed=seed, cost_usd=record.cost_usd, url=record.url)
        else:
            await task.reserve(self._painter(request.model).worst_cost(request))
            drawing = await self._draw_after(session, unit, request, task)
        cost = await task.made(drawing)
        try:
            picture = await painter.fetch(drawing, request)
        except UnreadableImage:
            raise  # it may be whole where it lies: `/continue` fetches it again
        except (BadImage, ProviderRefused):
            task.forget()  # paid for, but of no use: the next try is a new drawing
            raise
        name = await asyncio.to_thread(self.files.keep_picture, picture.content, picture.suffix)
        kept = KeptPicture(name, picture.width, picture.height, drawing.seed, cost)
        body = json.dumps(dataclasses.asdict(kept))
        self.journal.save_answer(Answer(session.owner, key, "picture", body), self.clock())
        task.forget()
        await self.store.commit()
        return kept

    async def _draw_after(self, session: Session, unit: Unit, request: ImageRequest, task: PictureTask) -> Drawing:
        """The drawing, after its references; one the provider has lost is uploaded again, once."""
        painter = self._painter(request.model)
        sent = await self._with_media(session, unit, request)
        try:
            return await self._draw_once(painter, sent, task)
        except ReferenceLost:
            if not sent.references:
                raise
            for reference in sent.references:  # it does not say which
                await self._forget_media(session.owner, reference)
            return await self._draw_once(painter, await self._with_media(session, unit, request), task)

    async def _draw_once(self, painter: ImageModel, request: ImageRequest, task: PictureTask) -> Drawing:
        try:
            return await painter.draw(request, task)
        except ProviderError:
            await task.given_up()
            raise

    async def _show(self, session: Session, scene: Scene, request: ImageRequest, key: str, kept: KeptPicture) -> None:
        await self.store.get(session.session_id)  # deleted meanwhile: nothing is written
        number = scene.wanted_version
        file = await asyncio.to_thread(self.files.link_picture, kept.name, session.session_id, scene.scene_id, number)
        version = ImageVersion(
            version=number,
            file=file,
            prompt=scene.image_prompt or request.prompt,
            prompt_source=scene.prompt_source or "offline",
            seed=request.seed,
            model=request.model,
            quality=scene.quality,
            width=kept.width,
            height=kept.height,
            cost_usd=kept.cost_usd,
            content_key=key,
            created_at=self.clock(),
            parts=scene.parts,
            references=tuple(reference.name for reference in request.references),
        )
        put = partial(put_picture, version=version, to_check=session.settings.check_images)
        try:
            await self.store.change_scene(session.session_id, scene.scene_id, put)
        except SessionNotFound:
            await asyncio.to_thread(self.files.remove, session.session_id)
            raise

    def image_request(self, session: Session, scene: Scene) -> ImageRequest:
        """What drawing this scene now would send."""
        settings = session.settings
        model = model_for(settings, scene.quality)
        width, height = self._painter(model).size(model, settings.aspect_ratio, scene.quality)
        edited = scene.prompt_source == "edited" and is_draft(model)
        facts = facts_of_edited(session, scene) if edited else scene.facts
        depiction = Depiction(
            facts=facts,
            figures=figures_of(session.story_bible, facts.characters),
            media_type=settings.media_type,
            text=scene.image_prompt or "" if edited else session.text_of(scene),
            story_seed=settings.seed,
        )
        pictures = [(anchor.name, anchor.picture) for anchor in self._anchors_of(session, scene)]
        references = tuple(Reference(name, picture.kept) for name, picture in pictures if picture is not None)
        names = [reference.name for reference in references]
        prompt = name_references(scene.image_prompt or "", names, self.limits.max_prompt_chars)
        return ImageRequest(prompt, model, width, height, scene.seed, depiction, references)

    def _blank_request(
        self, settings: GenerationSettings, quality: str | None = None, *, references: int = 0
    ) -> ImageRequest:
        model = model_for(settings, quality)
        wanted = "draft" if (quality or settings.quality) == "draft" else "final"
        width, height = self._painter(model).size(model, settings.aspect_ratio, wanted)  # type: ignore[arg-type]
        blank = (Reference("", ""),) * min(references, self._references_taken(model))
        return ImageRequest("", model, width, height, settings.seed, references=blank)

    def _painter(self, model: str) -> ImageModel:
        name = "draft" if is_draft(model) else "runware"
        painter = self.painters.get(name)
        if painter is None:
            raise ProviderRefused(f"{model} cannot draw here: its provider has no key.")
        return painter

    # -- reference pictures

    def _references_taken(self, model: str) -> int:
        """How many reference pictures that model takes."""
        painter = self._painter(model)
        return painter.references(model) if isinstance(painter, TakesReferences) else 0

    def _consistency(self, settings: GenerationSettings) -> Consistency:
        """What was asked for, as far as the model can do it: the draft painter keeps its figures by itself."""
        wanted = settings.consistency == "references"
        return "references" if wanted and self._references_taken(model_for(settings)) else "prompt"

    async def _choose_anchors(self, session_id: str) -> None:
        session = await self.store.get(session_id)
        if session.consistency == "references":
            await self.store.change(session_id, partial(choose_anchors, most=self._most_portraits(session)))

    def _most_portraits(self, session: Session) -> int:
        return min(MAX_ANCHORS, self._references_taken(model_for(session.settings)))

    def _anchors_of(self, session: Session, scene: Scene) -> list[Anchor]:
        """The anchors of who is in that scene, as many as the model it is drawn with takes."""
        if not session.anchors:
            return []
        names = who_is_in(session, scene)
        present = [anchor for anchor in session.anchors if anchor.name in names and not is_refused(anchor)]
        return present[: self._references_taken(model_for(session.settings, scene.quality))]

    async def _with_anchors(self, session: Session, scene: Scene) -> Session:
        """The session once the reference pictures this scene is drawn after are there, or have failed.

        Without one the words have to do; but where the money ended before it, raises `BudgetReached`.
        """
        wanted = [anchor.anchor_id for anchor in self._anchors_of(session, scene)]
        if not wanted:
            return session
        jobs = [partial(self.draw_anchor, session.session_id, name) for name in wanted]
        await gather_bounded(1 if self.runner.apart else len(jobs), jobs)
        session = await self.still_wanted(session.session_id, scene.scene_id)
        for anchor in map(session.anchor, wanted):
            if anchor.picture is None and anchor.error is not None and anchor.error.code == BudgetReached.code:
                raise BudgetReached(anchor.error.message)
        return session

    async def draw_anchor(self, session_id: str, name: str) -> None:
        """Have one reference picture drawn, unless it is there; what fails is a value on the anchor."""
        try:
            await self._draw_anchor(session_id, name)
        except Halted:
            return
        except StoreUnavailable:
            raise
        except (ProviderError, BudgetReached, PriceUnknown, StorageUnavailable) as error:
            await self.store.change(session_id, partial(fail_anchor, name=name, problem=error.as_problem()))
            log.warning("reference picture failed", extra={"session_id": session_id, "code": error.code})

    async def _draw_anchor(self, session_id: str, name: str) -> None:
        session = await self.still_wanted(session_id)
        name = session.anchor(name).name
        async with self.flights(session.owner, f"{session_id}:anchor:{name}"):
            await self._close_left(session_id, f"anchor:{quote(name, safe='')}:")
            session = await self.still_wanted(session_id)
            if session.anchor(name).status in DONE:
                return
            session = await self.store.change(session_id, partial(to_drawing, name=name))
            anchor = session.anchor(name)
            request = self.anchor_request(session, anchor)
            key = content_key(request)
            async with self.flights(session.owner, key) as fence:
                kept = await self._kept_picture(session.owner, key)
                if kept is None:
                    now = await self.still_wanted(session_id)
                    unit = Unit(session_id, version=anchor.wanted_version, anchor=name)
                    kept = await self._make_picture(now, unit, request, key, fence)
            picture = await self._link_anchor(session, anchor, kept, request=request)
            await self._put_anchor(session_id, partial(put_anchor, name=name, picture=picture, cost_usd=kept.cost_usd))

    def anchor_request(self, session: Session, anchor: Anchor) -> ImageRequest:
        """What drawing this reference picture now would send."""
        settings = session.settings
        model = model_for(settings)
        width, height = self._painter(model).size(model, "1:1", settings.quality)
        prompt = anchor_prompt(session, anchor)[: self.limits.max_prompt_chars]
        return ImageRequest(prompt, model, width, height, anchor.seed)

    async def _link_anchor(
        self, session: Session, anchor: Anchor, kept: KeptPicture, *, request: ImageRequest | None
    ) -> AnchorPicture:
        """The picture in the session's folder; without a request it is somebody's own."""
        session_id, number = session.session_id, anchor.wanted_version
        await self.store.get(session_id)  # deleted meanwhile: nothing is written
        file = await asyncio.to_thread(self.files.link_picture, kept.name, session_id, anchor.anchor_id, number)
        return AnchorPicture(
            version=number,
            kept=kept.name,
            file=file,
            source="uploaded" if request is None else "drawn",
            prompt=anchor_prompt(session, anchor),
            seed=anchor.seed,
            model=None if request is None else request.model,
            width=kept.width,
            height=kept.height,
            created_at=self.clock(),
        )

    async def _put_anchor(self, session_id: str, put: Callable[[Session], Session]) -> Session:
        try:
            return await self.store.change(session_id, put)
        except SessionNotFound:
            await asyncio.to_thread(self.files.remove, session_id)
            raise

    async def _with_media(self, session: Session, unit: Unit, request: ImageRequest) -> ImageRequest:
        """The request with its references at the provider: each is uploaded once for its owner."""
        media = [await self._uploaded(session, unit, request.model, reference) for reference in request.references]
        return dataclasses.replace(request, references=tuple(media)) if media else request

    async def _uploaded(self, session: Session, unit: Unit, model: str, reference: Reference) -> Reference:
        async with self.flights(session.owner, media_key(reference)):
            media = await self._media_of(session.owner, reference)
            if not media:
                await self.still_wanted(session.session_id, unit.scene_id)
                media = await self._upload(model, reference)
            self._keep_media(session.owner, reference, media)
            await self.store.commit()  # a picture that is sent again after a crash is sent as it was
        return dataclasses.replace(reference, media=media)

    async def _upload(self, model: str, reference: Reference) -> str:
        painter = self._painter(model)
        if not isinstance(painter, TakesReferences):
            raise ProviderRefused(f"{model} takes no reference pictures.")
        content = await asyncio.to_thread(self.files.read_picture, reference.kept)
        try:
            return await painter.keep_reference(content, reference.kept.rpartition(".")[2])
        except ProviderRefused as refused:
            raise NotTaken(reference.name) from refused

    async def _media_of(self, owner: str, reference: Reference) -> str:
        """What the provider calls that picture; empty when it has to be uploaded."""
        kept = await self.store.find_answer(owner, media_key(reference))
        return str(json.loads(kept.body)["media"]) if kept else ""

    async def _forget_media(self, owner: str, reference: Reference) -> None:
        """The provider has lost it; unless somebody has uploaded it again meanwhile, whoever needs it next will."""
        async with self.flights(owner, media_key(reference)):
            if await self._media_of(owner, reference) == reference.media:
                self._keep_media(owner, reference, "")
                await self.store.commit()

    def _keep_media(self, owner: str, reference: Reference, media: str) -> None:
        """Remember what the provider calls a picture; nothing, when it has lost it."""
        body = json.dumps({"media": media})
        self.journal.save_answer(Answer(owner, media_key(reference), "media", body), self.clock())

    async def anchor(self, owner: str, session_id: str, name: str) -> AnchorView:
        """One reference picture; raises `AnchorNotFound`."""
        session = await self.owned(owner, session_id)
        return self.anchor_view(session, session.anchor(name))

    async def edit_anchor(self, owner: str, session_id: str, name: str, edit: AnchorEdit) -> AnchorView:
        """Approve a reference picture, or take the approval back; raises `NotReady` while there is none."""
        session = await self.owned(owner, session_id)
        session.anchor(name)
        change = partial(approve_anchor, name=name, approved=edit.approved)
        session = await self.store.change(session_id, change)
        await self.store.commit()
        return self.anchor_view(session, session.anchor(name))

    async def redraw_anchor(self, owner: str, session_id: str, name: str, request: AnchorRedraw) -> Accepted:
        """Draw a reference picture again; its scenes are stale once it is there. Raises `EditConflict`."""
        session = await self.owned(owner, session_id)
        self._check_prompt(request.prompt, field="prompt")
        change = partial(redraw_anchor, name=name, request=request)
        await self._admit(session, change(session))
        return accepted(await self._go(await self.store.change(session_id, change)))

    async def replace_anchor(self, owner: str, session_id: str, name: str, content: bytes) -> AnchorView:
        """Somebody's own picture instead; its scenes become stale. Raises `InvalidRequest`, `EditConflict`."""
        session = await self.owned(owner, session_id)
        anchor = free_anchor(session, name)
        try:
            async with self.turns("", "decoding"):  # one at a time: a picture may take 64 MB
                picture = await asyncio.to_thread(prepare_reference, content)
        except BadImage as error:
            raise InvalidRequest(str(error)) from error
        stored = await asyncio.to_thread(self.files.keep_picture, picture.content, picture.suffix)
        kept = KeptPicture(stored, picture.width, picture.height, anchor.seed, 0.0)
        shown = await self._link_anchor(session, anchor, kept, request=None)
        session = await self._put_anchor(session_id, partial(exchange_anchor, name=name, picture=shown))
        await self.store.commit()
        return self.anchor_view(session, session.anchor(name))

    def anchor_view(self, session: Session, anchor: Anchor) -> AnchorView:
        """A reference picture as clients see it."""
        picture = anchor.picture
        return AnchorView(
            anchor_id=anchor.anchor_id,
            name=anchor.name,
            status=anchor.status,
            prompt=anchor_prompt(session, anchor),
            seed=anchor.seed,
            source=picture.source if picture else None,
            stale=is_stale_anchor(session, anchor),
            approved=anchor.approved,
            image_url=self.file_url(session, picture.file) if picture else None,
            image_path=f"{session.session_id}/images/{picture.file}" if picture else None,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            model=picture.model if picture else None,
            cost_usd=round(anchor.cost_usd, COST_DIGITS),
            redraw_cost_usd=self._anchor_cost(session, anchor),
            scenes=[scene.scene_number for scene in session.scenes if anchor.name in who_is_in(session, scene)],
            error=anchor.error,
        )

    def _anchor_cost(self, session: Session, anchor: Anchor) -> float | None:
        with contextlib.suppress(ProviderError):
            return self._painter(model_for(session.settings)).worst_cost(self.anchor_request(session, anchor))
        return None

    # -- watching

    async def owned(self, owner: str, session_id: str) -> Session:
        """The owner's session; somebody else's does not exist for them."""
        if not is_session_id(session_id):
            raise SessionNotFound(session_id)
        session_in_log.set(session_id)
        session = await self.store.get(session_id)
        if session.owner != owner:
            raise SessionNotFound(session_id)
        if session.status in ENDED and is_anything_unsettled(session):
            await self.runner.submit(session_id)  # ended in the middle of a drawing: a run tidies up as soon as it can
        return session

    async def status(self, owner: str, session_id: str, *, seen: Collection[int] = (), wait: float = 0.0) -> Page:
        """The session, rendered. With `wait`, as soon as its version is none of those `seen` or it has ended."""
        session = await self.owned(owner, session_id)
        if wait > 0 and session.version in seen and session.status in UNFINISHED:
            session = await self._next_version(session, min(wait, MAX_WAIT_SECONDS))
        return self._page(session)

    async def _next_version(self, session: Session, seconds: float) -> Session:
        """The session at its next version, or as it is after that time or when the service is being stopped."""
        until, seen = time.monotonic() + seconds, session.version
        while session.version == seen and not self.runner.stopping and (left := until - time.monotonic()) > 0:
            session = await self.store.wait(session.session_id, seen, min(left, STOP_CHECK_SECONDS))
        return session

    def _page(self, session: Session) -> Page:
        page = self.pages.get(session.session_id)
        if page is None or page.version != session.version:
            body = self.view(session).model_dump_json().encode()
            page = Page(session.version, session.status in ENDED, body, entity_tag(body, session.version))
            self.pages[session.session_id] = page
            if len(self.pages) > STATUS_PAGES:
                self.pages.popitem(last=False)
        self.pages.move_to_end(session.session_id)
        return page

    async def events(self, owner: str, session_id: str, *, after: int = 0) -> AsyncIterator[StreamEvent]:
        """The session as events: what changed since version `after`, then each change, until it has ended."""
        session = await self.owned(owner, session_id)
        seen = after
        while True:
            for event in self._events_since(session, seen):
                yield event
            seen = session.version
            if session.status in ENDED or self.runner.stopping:
                return
            try:
                session = await self._next_version(session, MAX_WAIT_SECONDS)
            except SessionNotFound:
                return

    def _events_since(self, session: Session, seen: int) -> list[StreamEvent]:
        """What has changed since version `seen`; only the last event carries the version."""
        changed = [scene for scene in session.scenes if scene.changed_in > seen or seen == 0]
        events = [StreamEvent("scene", self.scene_view(session, scene).model_dump_json()) for scene in changed]
        if session.version != seen or session.status in ENDED:
            events.append(StreamEvent("progress", progress_json(session, stale=self.stale_scenes(session))))
        if session.status in ENDED:
            events.append(StreamEvent("done", progress_json(session, stale=self.stale_scenes(session))))
        return [*events[:-1], dataclasses.replace(events[-1], id=str(session.version))] if events else []

    async def scene(self, owner: str, session_id: str, number: int) -> tuple[int, SceneDetail]:
        """One scene in full, and its version (the ETag)."""
        session = await self.owned(owner, session_id)
        scene = session.scene_at(number)
        return scene.changed_in, self.scene_detail(session, scene)

    # -- steering

    async def edit_scene(
        self, owner: str, session_id: str, number: int, edit: SceneEdit, *, expected: int | None = None
    ) -> tuple[int, SceneDetail]:
        """Change words or the shown picture; raises `VersionMismatch`, `EditConflict`, `InvalidRequest`."""
        session = await self.owned(owner, session_id)
        self._check_prompt(edit.image_prompt)
        scene_id = session.scene_at(number).scene_id
        session = await self.store.change_scene(session_id, scene_id, partial(apply_edit, edit=edit, expected=expected))
        await self._write_project(session)
        await self.store.commit()
        scene = session.scene(scene_id)
        return scene.changed_in, self.scene_detail(session, scene)

    def _check_prompt(self, prompt: str | None, *, field: str = "image_prompt") -> None:
        """Raises `InvalidRequest` for a prompt that is longer than the image provider takes."""
        if prompt is not None and len(prompt) > self.limits.max_prompt_chars:
            raise InvalidRequest(f"{field} is longer than {self.limits.max_prompt_chars} characters.")

    async def regenerate(self, owner: str, request: RegenerateRequest) -> Accepted:
        """Draw one scene again; the earlier picture stays as a version. Raises `EditConflict` while it is drawn."""
        session = await self.owned(owner, request.session_id)
        self._check_prompt(request.image_prompt)
        scene_id = session.scene_at(request.scene_number).scene_id

        def ask(now: Session) -> Session:
            return reopen_for_asked(now.with_scene(redraw(now.scene(scene_id), request)))

        await self._admit(session, ask(session))
        return accepted(await self._go(await self.store.change(session.session_id, ask)))

    async def continue_(self, owner: str, request: ContinueRequest) -> Accepted:
        """Do what is missing, failed or stale; may be repeated."""
        session = await self.owned(owner, request.session_id)
        change = partial(go_on, max_cost_usd=request.max_cost_usd, stale=self.is_stale)
        wanted = change(session)
        if wanted.status in UNFINISHED:
            self._refuse_unknown_price(wanted)
            await self._admit(session, wanted)
        return accepted(await self._go(await self.store.change(session.session_id, change)))

    async def _go(self, session: Session) -> Session:
        """Commit, then run what there is to do; without storage too: the run then says so on the session."""
        try:
            await self.store.commit()
        finally:
            if session.status in UNFINISHED:
                await self.runner.submit(session.session_id)
        return session

    async def cancel(self, owner: str, session_id: str) -> Accepted:
        """Stop before the next call; what is in flight is kept when it arrives. May be repeated."""
        await self.owned(owner, session_id)
        session = await self.store.change(session_id, cancel)
        await self.store.commit()
        return accepted(session)

    async def delete(self, owner: str, session_id: str) -> None:
        """Stop a session and remove it and its files."""
        await self.owned(owner, session_id)
        await self.store.change(session_id, cancel)
        await self._remove(session_id)

    async def _admit(self, session: Session, wanted: Session) -> None:
        """Raises `ServiceFull` when waking this session would pass the limit, `DayBudgetReached` when what it is
        wanted to do cannot be paid today."""
        if session.status not in UNFINISHED:
            await self.check_room()
        await self._refuse_spent_day(wanted)

    # -- borders, order and the bible: edited without a model call

    async def split_scene(
        self, owner: str, session_id: str, number: int, at: int, *, expected: int | None = None
    ) -> tuple[int, StatusView]:
        """Cut a scene in two at an offset into the story; raises `InvalidRequest`, `EditConflict`, `VersionMismatch`.

        The first half keeps the scene's id and pictures. Returns the session and its version (the ETag).
        """
        session = await self.owned(owner, session_id)
        scene = session.scene_at(number)
        check_cut(session, scene, at)
        halves = await self._read_again(session, (scene.start, at), (at, scene.end))
        change = partial(
            split,
            scene_id=scene.scene_id,
            halves=(halves[0], halves[1]),
            new_id=new_scene_id(),
            most=self.limits.max_scenes,
            expected=expected,
        )
        return await self._edited(session_id, change)

    async def merge_scene(
        self, owner: str, session_id: str, number: int, *, expected: int | None = None
    ) -> tuple[int, StatusView]:
        """Join a scene with the next one, whose pictures become versions; raises as `split_scene` does."""
        session = await self.owned(owner, session_id)
        first = session.scene_at(number)
        second = next((scene for scene in session.scenes if scene.scene_number == number + 1), None)
        if second is None:
            raise InvalidRequest(f"Scene {number} is the last one: there is no next scene to join it with.")
        if first.end != second.start:
            raise InvalidRequest(f"Scenes {number} and {number + 1} do not follow one another in the story.")
        whole = await self._read_again(session, (first.start, second.end))
        ids = (first.scene_id, second.scene_id)
        return await self._edited(session_id, partial(merge, scene_ids=ids, whole=whole[0], expected=expected))

    async def move_scene(
        self, owner: str, session_id: str, number: int, to: int, *, expected: int | None = None
    ) -> tuple[int, StatusView]:
        """Show a scene at another place; its text, id and pictures stay. Raises as `split_scene` does."""
        session = await self.owned(owner, session_id)
        scene_id = session.scene_at(number).scene_id
        return await self._edited(session_id, partial(move, scene_id=scene_id, to=to, expected=expected))

    async def edit_bible(
        self, owner: str, session_id: str, edit: BibleEdit, *, expected: int | None = None
    ) -> tuple[int, StatusView]:
        """Change the story bible; the prompts of exactly the scenes it concerns are composed anew from their parts.

        Raises `InvalidRequest`, `EditConflict` while such a scene is being made, `VersionMismatch`.
        """
        session = await self.owned(owner, session_id)
        change = partial(edit_bible, edit=edit, composed=self.composed, expected=expected)
        if len(session.story_text) <= INLINE_STORY_CHARS:
            return await self._edited(session_id, change)
        ahead = await asyncio.to_thread(change, session)  # of a novel too long for the loop; seldom in vain
        return await self._edited(session_id, lambda now: ahead if now is session else change(now))

    async def _edited(self, session_id: str, change: Callable[[Session], Session]) -> tuple[int, StatusView]:
        """Apply an edit, safely on disk when this returns; a run under way does what it adds."""
        session = await self._go(await self.store.change(session_id, change))
        if session.status in ENDED:
            await self._write_project(session)
        return session.version, self.view(session)

    async def _read_again(self, session: Session, *borders: tuple[int, int]) -> list[SceneReading]:
        """Title and facts of the texts with these borders, read as a part of the whole story, as at the beginning."""
        earlier = sorted((s.start, s.end) for s in session.scenes if s.start < borders[0][0])
        chars = borders[-1][1]
        found = await self._apart(chars, read_borders, session.story_text, [*earlier, *borders], session.analysis)
        return found[len(earlier) :]

    def composed(self, session: Session, scene: Scene, bible: StoryBible) -> str | None:
        """The scene's prompt in that bible's words, by rule; None where it has none or a person wrote it."""
        if scene.image_prompt is None or scene.prompt_source == "edited":
            return None
        most = self.limits.max_prompt_chars
        if scene.parts is not None:
            prompt = compose_scene(bible, scene.parts, most)
        else:
            text = session.text_of(scene)
            prompt = self.rules.scene(bible, text, scene.facts, session.settings, most).image_prompt
        return self.rules.soften(prompt) if scene.prompt_source == "softened" else prompt

    # -- handing over

    async def approve(self, owner: str, request: ApproveRequest) -> ApproveView:
        """Make the approved scenes the project; `upgrade` draws their drafts final first. May be repeated."""
        session = await self.owned(owner, request.session_id)
        numbers = sorted(set(request.approved_scenes))
        for number in numbers:
            if session.scene_at(number).current is None:
                missing = NotReady if session.status in UNFINISHED else InvalidRequest
                raise missing(f"Scene {number} has no picture yet.")
        change = partial(approve, numbers=numbers, upgrade=request.upgrade, at=self.clock())
        if request.upgrade:
            await self._admit(session, change(session))
        session = await self.store.approve(session.session_id, change)
        await self._write_project(session)
        await self._go(session)
        ready = approval_ready(session)
        return ApproveView(
            message="The project is ready." if ready else "The approved scenes are being drawn in final quality.",
            download_status="ready" if ready else "preparing",
            project_id=session.session_id,
            approved_scenes=numbers,
        )

    async def download(self, owner: str, request: DownloadRequest) -> Download:
        """The approved scenes, or before an approval every ready one, as a file of that format.

        What is not streamed is made once in another process and kept in `exports/`. Raises `NotReady`,
        `NothingReady`, `FontMissing`, `StorageUnavailable`.
        """
        session = await self.owned(owner, request.session_id)
        book = await asyncio.to_thread(self._book, session, handed_over(session))
        options = ExportOptions(request.page_size, request.layout)
        export = self.exports[request.format]
        filename = file_name(session.title, export.suffix)
        if isinstance(export, StreamedExport):
            return Download(filename, export.media_type, chunks=export.chunks(book, options))
        return Download(filename, export.media_type, path=await self._exported(session, book, options, export))

    async def _exported(self, session: Session, book: Book, options: ExportOptions, export: FileExport) -> Path:
        """The file, made unless it is there: the same pictures, words and options give the same file."""
        key = fingerprint([self.limits.version, export.suffix, dataclasses.asdict(options), book_key(book)])[:16]
        folder = self.files.folder(session.session_id) / EXPORTS_FOLDER
        path = folder / f"{key}.{export.suffix}"
        async with self.turns("", f"{session.session_id}:{path.name}"):
            if not await asyncio.to_thread(path.is_file):
                temporary = await asyncio.to_thread(self.files.begin, path)
                try:
                    await self.pool.run(export.write, book, options, temporary)
                    await self.store.get(session.session_id)  # deleted meanwhile: nothing is kept
                    await asyncio.to_thread(self.files.finish, temporary, path, keep=EXPORTS_KEPT)
                except OSError as error:
                    raise StorageUnavailable("The service cannot write to its disk.") from error
                finally:
                    await asyncio.to_thread(temporary.unlink, missing_ok=True)
        return path

    def _book(self, session: Session, shown: list[tuple[Scene, ImageVersion]]) -> Book:
        """What is handed over; blocks while it looks for the pictures."""
        portraits = shown_anchors(session)
        wanted = [image.file for _, image in shown] + [portrait.file for _, portrait in portraits]
        pictures = self.files.pictures(session.session_id, wanted)
        scenes = []
        for (scene, image), picture in zip(shown, pictures, strict=False):
            scenes.append(
                BookScene(
                    scene_number=scene.scene_number,
                    title=scene.title,
                    description=scene.description,
                    text=session.text_of(scene),
                    image_prompt=image.prompt,
                    characters=tuple(scene.facts.characters),
                    location=scene.facts.location,
                    time_of_day=scene.facts.time_of_day,
                    picture=picture,
                    name=zip_name(scene.scene_number, scene.title, picture.suffix[1:]),
                    width=image.width,
                    height=image.height,
                )
            )
        files: list[tuple[str, Path | bytes]] = []
        for number, ((anchor, _), path) in enumerate(zip(portraits, pictures[len(shown) :], strict=True)):
            files.append((anchor_name(number, anchor, path.suffix), path))
        names = {scene.scene_id: made.name for (scene, _), made in zip(shown, scenes, strict=True)}
        files.append(("story.txt", session.story_text.encode("utf-8")))
        files.append(("scenes.json", scenes_json(session, names)))
        files.append(("project_info.json", self._info_json(session)))
        return Book(
            title=session.title,
            story_text=session.story_text,
            scenes=tuple(scenes),
            files=tuple(files),
            media_type=session.settings.media_type,
            draft=any(is_draft(image.model) for _, image in shown),
            created_at=session.created_at,
        )

    async def picture(self, owner: str | None, session_id: str, file: str, signature: str | None) -> Path:
        """The path of a picture, for its owner or for whoever has its signed address."""
        if signature is None or not self.signer.verify(session_id, file, signature):
            if owner is None:
                raise SessionNotFound(session_id)
            await self.owned(owner, session_id)
        return await asyncio.to_thread(self.files.picture, session_id, file)

    async def projects(self, owner: str, *, after: str | None, limit: int, query: str | None = None) -> ProjectPage:
        """Approved work, newest first, a page at a time; with a query what has it in its title or its story."""
        limit, query = min(limit, PAGE_LIMIT), folded(query or "") or None
        found = await self.store.list_approved(owner, before=read_cursor(after), limit=limit + 1, query=query)
        more = len(found) > limit
        page = found[:limit]
        return ProjectPage(
            projects=[self._project_view(session) for session in page],
            next=write_cursor(page[-1]) if more else None,
        )

    async def project(self, owner: str, project_id: str) -> ProjectDetail:
        """One piece of approved work with its scenes; raises `ProjectNotFound`."""
        try:
            session = await self.owned(owner, project_id)
        except SessionNotFound as error:
            raise ProjectNotFound from error
        if session.approved_at is None:
            raise ProjectNotFound
        approved = [as_handed_over(scene) for scene in session.scenes if scene.approved_version is not None]
        scenes = [self.scene_view(session, scene) for scene in approved]
        return ProjectDetail(**self._project_view(session).model_dump(), scenes=scenes)

    def _project_view(self, session: Session) -> ProjectView:
        approved = [scene for scene in session.scenes if scene.approved_version is not None]
        cover = next((image for scene in approved if (image := scene.approved_image)), None)
        return ProjectView(
            project_id=session.session_id,
            title=session.title,
            approved_scenes=len(approved),
            cover_url=self.image_url(session, cover) if cover else None,
            created_at=session.created_at,
            approved_at=session.approved_at or session.updated_at,
        )

    # -- the service itself

    def models(self) -> ModelList:
        """Every model that may be named, with its price in words."""
        chosen = {self.limits.text_model, self.limits.image_model, self.limits.draft_image_model}
        known = [model for provider in self.providers.values() for model in provider.models()]
        return ModelList(models=[model.model_copy(update={"default": model.id in chosen}) for model in known])

    async def health(self) -> HealthView:
        """How the service and its providers are."""
        services: dict[str, ServiceState] = {"openrouter": "not_configured", "runware": "not_configured"}
        details: dict[str, str] = {}
        for name, provider in self.providers.items():
            state, reason = provider.health()
            if name in services:
                services[name] = state
            if reason and state == "unavailable":
                details[name] = reason
        services["sessions"] = "available"
        try:
            await self.store.check()
        except StorageUnavailable as error:
            services["sessions"], details["sessions"] = "unavailable", str(error)
        if self.files.remote:
            services["storage"] = "available"
            try:
                self.files.check()
            except StorageUnavailable as error:
                services["storage"], details["storage"] = "unavailable", str(error)
        services["database"] = "not_configured"
        if self.projects_kept is not None:
            services["database"] = "available"
            try:
                await self.projects_kept.check()
            except StorageUnavailable as error:
                services["database"], details["database"] = "unavailable", str(error)
        return HealthView(
            status=overall(services),
            version=self.limits.version,
            environment=self.limits.environment,
            services=services,
            details=details,
            active_sessions=await self.store.count_unfinished(),
            uptime_seconds=round(time.monotonic() - self.started, 3),
            timestamp=self.clock(),
        )

    async def check_ready(self) -> None:
        """Raises `StorageUnavailable` when no work should be sent here; without the database drawing goes on."""
        if self.runner.stopping:
            raise StorageUnavailable("The service is being stopped.")
        await self.store.check()

    async def debug_sessions(self) -> DebugSessions:
        """The sessions in memory, newest change last, without their stories."""
        sessions = await self.store.list_active()
        return DebugSessions(count=len(sessions), sessions=[debug_session(session) for session in sessions])

    async def clean_up(self) -> int:
        """Remove sessions nobody touched for `session_cleanup_hours`; approved projects stay. Returns how many."""
        since = self.clock() - timedelta(hours=self.limits.session_cleanup_hours)
        old = await self.store.list_untouched(since)
        removed = [session_id for session_id in old if await self._remove_untouched(session_id, since)]
        await asyncio.to_thread(partial(self.files.sweep, untouched_since=since))
        self.journal.delete_answers(before=self.clock() - ANSWERS_KEPT)
        return len(removed)

    async def _remove_untouched(self, session_id: str, since: datetime) -> bool:
        """Remove it, unless somebody has touched it since the list was made."""
        try:
            session = await self.store.get(session_id)
        except SessionNotFound:
            return False
        if session.status in UNFINISHED or session.approved_at is not None or session.updated_at >= since:
            return False
        await self._remove(session_id)
        return True

    async def _remove(self, session_id: str) -> None:
        await self._close_left(session_id, "")
        await asyncio.to_thread(self.files.unlink, session_id, SESSION_FILE)  # else a restart would take it back
        await self.store.delete(session_id)
        self.pages.pop(session_id, None)
        await asyncio.to_thread(self.files.remove, session_id)

    # -- rendering

    def view(self, session: Session) -> StatusView:
        """A session as clients see it."""
        scenes = [self.scene_view(session, scene) for scene in session.scenes]
        stale = sum(scene.stale for scene in scenes) if session.status in ENDED else 0
        return StatusView(
            session_id=session.session_id,
            title=session.title,
            status=session.status,
            progress=progress(session, stale=stale),
            analysis=session.analysis,
            story_bible=session.story_bible,
            settings=session.settings,
            consistency=session.consistency,
            anchors=[self.anchor_view(session, anchor) for anchor in session.anchors or ()],
            scenes=scenes,
            cost_usd=round(session.cost_usd, COST_DIGITS),
            max_cost_usd=session.max_cost_usd,
            offline=session.offline,
            error=session.error,
            created_at=session.created_at,
            updated_at=session.updated_at,
        )

    def scene_view(self, session: Session, scene: Scene) -> SceneView:
        """A scene as clients see it."""
        return SceneView(**self._scene_fields(session, scene))

    def scene_detail(self, session: Session, scene: Scene) -> SceneDetail:
        """A scene with its text and its versions."""
        return SceneDetail(
            **self._scene_fields(session, scene),
            session_id=session.session_id,
            text=session.text_of(scene),
            current_version=scene.current_version,
            versions=[self._version_view(session, image) for image in scene.versions],
        )

    def _scene_fields(self, session: Session, scene: Scene) -> dict[str, object]:
        image = scene.current
        return {
            "scene_id": scene.scene_id,
            "scene_number": scene.scene_number,
            "title": scene.title,
            "description": scene.description,
            "excerpt": scene.excerpt,
            "start": scene.start,
            "end": scene.end,
            "characters": list(scene.facts.characters),
            "location": scene.facts.location,
            "time_of_day": scene.facts.time_of_day,
            "image_prompt": scene.image_prompt,
            "prompt_source": scene.prompt_source,
            "status": scene.status,
            "stale": self.is_stale(session, scene),
            "redraw_cost_usd": self._redraw_cost(session, scene),
            "image_url": self.image_url(session, image) if image else None,
            "image_path": image_path(session, image) if image else None,
            "width": image.width if image else None,
            "height": image.height if image else None,
            "seed": scene.seed,
            "model": image.model if image else None,
            "cost_usd": round(scene.cost_usd, COST_DIGITS),
            "attempts": scene.attempts,
            "approved": scene.approved_version is not None,
            "references": list(image.references) if image else [],
            "checks": list(image.checks) if image else [],
            "unchecked": image.unchecked if image else None,
            "error": scene.error,
        }

    def _version_view(self, session: Session, image: ImageVersion) -> VersionView:
        return VersionView(
            version=image.version,
            image_url=self.image_url(session, image),
            image_path=image_path(session, image),
            prompt=image.prompt,
            prompt_source=image.prompt_source,
            seed=image.seed,
            model=image.model,
            quality=image.quality,
            width=image.width,
            height=image.height,
            cost_usd=round(image.cost_usd, COST_DIGITS),
            checks=list(image.checks),
            unchecked=image.unchecked,
            created_at=image.created_at,
        )

    def is_stale(self, session: Session, scene: Scene) -> bool:
        """Whether drawing the scene now would make another picture than the one it shows."""
        if scene.current is None or scene.status != "ready":
            return False
        try:
            if any(is_stale_anchor(session, anchor) for anchor in self._anchors_of(session, scene)):
                return True  # its portrait is drawn anew first, and then the scene is another picture
            return is_stale(scene, content_key(self.image_request(session, scene)))
        except ProviderError:  # nobody here can draw it: all that is known is its prompt
            return scene.image_prompt != scene.current.prompt

    def stale_scenes(self, session: Session) -> int:
        """How many pictures `/continue` would draw anew."""
        return sum(self.is_stale(session, scene) for scene in session.scenes) if session.status in ENDED else 0

    def _redraw_cost(self, session: Session, scene: Scene) -> float | None:
        """The most drawing the scene again can cost: its picture, and its prompt where that has to be written anew."""
        try:
            references = len(self._anchors_of(session, scene))
            request = self._blank_request(session.settings, scene.quality, references=references)
            picture = self._painter(request.model).worst_cost(request)
        except ProviderError:
            return None
        bible = session.story_bible
        if self.text is None or bible is None or scene.image_prompt is not None or session.status in UNFINISHED:
            return None if picture is None else round(picture, COST_DIGITS)
        prompt = self.text.worst_cost(self._scene_question(session, scene, bible))
        return None if picture is None or prompt is None else round(picture + prompt, COST_DIGITS)

    def image_url(self, session: Session, image: ImageVersion) -> str:
        """A picture's address on this service, with its signature."""
        return self.file_url(session, image.file)

    def file_url(self, session: Session, file: str) -> str:
        """The address of one of a session's picture files, with its signature."""
        return f"/images/{session.session_id}/{file}?sig={self.signer.sign(session.session_id, file)}"

    # -- project files

    async def _write_project(self, session: Session) -> None:
        """Bring the files of a session up to date; a full disk is told, not fatal: the journal has it all."""
        try:
            await asyncio.to_thread(self._write_files, session)
            await self.store.get(session.session_id)
        except StorageUnavailable:
            log.error("project files not written", extra={"session_id": session.session_id})
        except SessionNotFound:  # deleted while they were written
            await asyncio.to_thread(self.files.remove, session.session_id)
            raise

    def _write_files(self, session: Session) -> None:
        names = {scene.scene_id: f"images/{image.file}" for scene in session.scenes if (image := shown_image(scene))}
        self.files.write(session.session_id, "story.txt", session.story_text.encode("utf-8"))
        self.files.write(session.session_id, "scenes.json", scenes_json(session, names))
        self.files.write(session.session_id, "project_info.json", self._info_json(session))
        self.files.write(session.session_id, SESSION_FILE, SESSION_BODY.dump_json(session))

    def _info_json(self, session: Session) -> bytes:
        """Enough to make the project again: settings, models, seeds, prompts, costs, hashes."""
        pictures = [
            {
                "scene_id": scene.scene_id,
                "scene_number": scene.scene_number,
                "version": image.version,
                "model": image.model,
                "quality": image.quality,
                "draft": is_draft(image.model),
                "seed": image.seed,
                "prompt": image.prompt,
                "prompt_source": image.prompt_source,
                "width": image.width,
                "height": image.height,
                "cost_usd": round(image.cost_usd, COST_DIGITS),
                "sha256_starts": image.file.rpartition("-")[2].partition(".")[0],
                "content_key": image.content_key,
                "references": list(image.references),
                "approved": image.version == scene.approved_version,
            }
            for scene in session.scenes
            for image in scene.versions
        ]
        anchors = [
            {
                "name": anchor.name,
                "file": anchor_name(number, anchor, Path(picture.file).suffix),
                "source": picture.source,
                "model": picture.model,
                "seed": picture.seed,
                "prompt": picture.prompt,
                "sha256": picture.sha256,
                "cost_usd": round(anchor.cost_usd, COST_DIGITS),
                "approved": anchor.approved,
            }
            for number, (anchor, picture) in enumerate(shown_anchors(session))
        ]
        return json_bytes(
            {
                "format": PROJECT_FILE_VERSION,
                "generator": f"Story to Image Generator {self.limits.version}",
                "session_id": session.session_id,
                "title": session.title,
                "story_sha256": hashlib.sha256(session.story_text.encode()).hexdigest(),
                "settings": session.settings.model_dump(mode="json"),
                "story_bible": session.story_bible.model_dump(mode="json") if session.story_bible else None,
                "analysis": session.analysis.model_dump(mode="json"),
                "offline": session.offline,
                "cost_usd": round(session.cost_usd, COST_DIGITS),
                "created_at": session.created_at.isoformat(),
                "approved_at": session.approved_at.isoformat() if session.approved_at else None,
                "consistency": session.consistency,
                "anchors": anchors,
                "pictures": pictures,
            }
        )

    # -- money

    async def settle(self, charge_id: str, cost_usd: float | None) -> Charge | None:
        """Close a charge, add it to its session and tell whoever counts; None when it was closed before."""
        charge = await self.ledger.settle(charge_id, cost_usd)
        if charge is None:
            return None
        self.observe(MoneySpent(charge.provider, charge.model, charge.amount_usd, charge.known))
        try:
            await self.store.commit()  # before anybody sees it: a cost that was shown is not taken back by a crash
        finally:
            if charge.amount_usd:
                await self._add_cost(charge)
        return charge

    async def mark_sent(self, charge_id: str) -> None:
        """The call this pays for is about to leave; raises `Halted` when somebody took over and closed the charge."""
        try:
            await self.ledger.mark_sent(charge_id)
        except KeyError as error:
            raise Halted from error

    async def _close_left(self, session_id: str, place: str) -> None:
        """Close what a worker that is gone left open at that place of the session; ours alone while we are there."""
        for charge in await self.ledger.close_left(f"{session_id}:{place}"):
            self.observe(MoneySpent(charge.provider, charge.model, charge.amount_usd, charge.known))
            await self._add_cost(charge)

    async def _take_stock(self, session: Session) -> None:
        """Have the session say what the ledger says: a worker may have gone between the two."""
        settled = await self.ledger.settled(session.session_id)
        if abs(settled - session.cost_usd) > CENT_DUST:
            await self.store.change(session.session_id, partial(with_cost, usd=settled))

    async def _add_cost(self, charge: Charge) -> None:
        try:
            await self.store.change(charge.session_id, partial(add_cost, usd=charge.amount_usd))
        except SessionNotFound:
            log.info("cost of a deleted session", extra={"session_id": charge.session_id})


# --- The purse of one call -------------------------------------------------------------------------------------


class Purse:
    """Pays for the text calls of one unit of work (the bible, or a scene's prompt): the `Spending` of ai_services."""

    def __init__(self, studio: Studio, session: Session, unit: Unit, model: str) -> None:
        self._studio = studio
        self._session = session
        self._unit = unit
        self._model = model
        self._reserved: str | None = None

    async def reserve(self, worst_usd: float | None, picture: PicturePrice | None) -> None:
        """Reserve the call and the picture that follows it as one; raises `BudgetReached`, `PriceUnknown`."""
        charges = [self._charge(worst_usd)]
        if picture is not None:
            charges.append(new_picture_charge(self._studio, self._session, self._unit, picture))
        self._session = await self._studio.reserve(charges, self._unit)
        self._reserved = charges[0].charge_id

    async def before_call(self, worst_usd: float | None) -> str:
        self._session = await self._studio.still_wanted(self._unit.session_id, self._unit.scene_id)
        charge_id, self._reserved = self._reserved, None
        if charge_id is None:
            charge = self._charge(worst_usd)
            charge_id = charge.charge_id
            await self._studio.ledger.reserve([charge], max_cost_usd=self._session.max_cost_usd)
        await self._studio.mark_sent(charge_id)
        await self._studio.store.commit()
        return charge_id

    async def after_call(self, charge_id: str, cost_usd: float | None) -> None:
        await self._studio.settle(charge_id, cost_usd)

    async def release(self) -> None:
        """Give back what was reserved and not sent."""
        if self._reserved is not None:
            await self._studio.ledger.release(self._reserved)
            self._reserved = None

    def _charge(self, worst_usd: float | None) -> Charge:
        place = f"{self._unit.charges}:text"
        return new_charge(self._studio, self._session, place, "openrouter", self._model, worst_usd)


class PictureTask:
    """The durable side of one picture: the `DrawingTask` of ai_services."""

    def __init__(
        self,
        studio: Studio,
        session: Session,
        unit: Unit,
        key: str,
        model: str,
        record: DrawingRecord | None,
        fence: str = "",
    ) -> None:
        self._studio = studio
        self._session = session
        self._unit = unit
        self._key = key
        self._model = model
        self._record = record
        self._fence = fence

    @property
    def task_id(self) -> str | None:
        return self._record.task_id if self._record else None

    async def wanted(self) -> None:
        await self._studio.still_wanted(self._unit.session_id, self._unit.scene_id)

    async def reserve(self, worst_usd: float | None) -> None:
        """Reserve the picture before it queues for a slot, unless that was done together with its prompt."""
        if worst_usd == 0 or self._record is not None or await self._reserved() is not None:
            return
        price = PicturePrice(self._model, worst_usd)
        await self._studio.reserve([new_picture_charge(self._studio, self._session, self._unit, price)], self._unit)

    async def new_id(self, worst_usd: float | None) -> str:
        studio = self._studio
        session = await studio.still_wanted(self._unit.session_id, self._unit.scene_id)
        studio.files.check()  # nothing is paid for while it is known that it cannot be kept
        charge_id = await self._reserved() or await self._reserve(session, worst_usd)
        await studio.mark_sent(charge_id)
        record = DrawingRecord(session.owner, self._key, str(uuid4()), charge_id)
        if not await studio.store.claim_drawing(record, self._fence):  # we stood still, and somebody took over
            await studio.settle(charge_id, 0.0)
            raise Halted
        self._record = record
        return record.task_id

    async def _reserved(self) -> str | None:
        """What was reserved for this picture together with its prompt and is still unspent."""
        return await self._studio.ledger.reserved(self._unit.picture_charges)

    async def _reserve(self, session: Session, worst_usd: float | None) -> str:
        charge = new_picture_charge(self._studio, session, self._unit, PicturePrice(self._model, worst_usd))
        await self._studio.ledger.reserve([charge], max_cost_usd=session.max_cost_usd)
        return charge.charge_id

    async def failed(self, cost_usd: float | None) -> None:
        if self._record is None:
            return
        self.forget()
        charge_id, self._record = self._record.charge_id, None
        await self._studio.settle(charge_id, cost_usd)

    def forget(self) -> None:
        """Its record is of no use any more."""
        if self._record is not None:
            self._studio.journal.delete_drawing(self._session.owner, self._key, self._record.task_id)

    async def given_up(self) -> None:
        """Nobody waits for it now. It may have been billed, so the whole charge is kept; its id is asked for later."""
        if self._record is not None:
            await self._studio.settle(self._record.charge_id, None)

    async def made(self, drawing: Drawing) -> float:
        """The picture exists: remember, before it is fetched, where it lies; returns what it cost this session."""
        record = self._record
        if record is None:
            return 0.0
        charge = await self._studio.settle(record.charge_id, drawing.cost_usd)
        cost = charge.amount_usd if charge else (drawing.cost_usd or 0.0)
        self._record = dataclasses.replace(record, url=drawing.url, seed=drawing.seed, cost_usd=cost)
        self._studio.journal.save_drawing(self._record)
        await self._studio.store.commit()
        return cost if record.charge_id.startswith(self._unit.session_id) else 0.0


def new_charge(
    studio: Studio, session: Session, place: str, provider: str, model: str, worst_usd: float | None
) -> Charge:
    """A charge of the worst case, with an id of its own that begins with its place.

    Without a budget an unknown price counts nothing; with one it raises `PriceUnknown`.
    """
    if worst_usd is None and studio.has_budget(session):
        raise PriceUnknown
    return Charge(
        charge_id=f"{place}:{uuid4().hex[:12]}",
        session_id=session.session_id,
        owner=session.owner,
        provider=provider,
        model=model,
        amount_usd=worst_usd or 0.0,
        day=studio.ledger.today(),
    )


def new_picture_charge(studio: Studio, session: Session, unit: Unit, price: PicturePrice) -> Charge:
    return new_charge(studio, session, unit.picture_charges, "runware", price.model, price.worst_usd)


# --- Pure functions: what a session becomes --------------------------------------------------------------------


def begin(session: Session) -> Session:
    return dataclasses.replace(session, status="processing") if session.status == "pending" else session


def bible_question(session: Session) -> TextRequest:
    """What the text model is asked about the whole story."""
    return bible_request(session.story_text, session.analysis, session.settings, seed=session.settings.seed)


def shortened(bible: StoryBible) -> StoryBible:
    """As much of a merged bible as one that was written at once has."""
    people, places = bible.characters[:MAX_BIBLE_CHARACTERS], bible.places[:MAX_BIBLE_PLACES]
    return bible.model_copy(update={"characters": people, "places": places})


def check_model_of(settings: GenerationSettings) -> str:
    return settings.check_model or settings.text_model


def widest_check(settings: GenerationSettings) -> TextRequest:
    """The largest question a check can ask, for an estimate."""
    order = "x" * (3 * MAX_RUNWARE_PROMPT + BIBLE_ALLOWANCE_CHARS)
    return check_request(check_model_of(settings), order, check_questions(widest_bible(), SceneFacts()), b"x", seed=0)


def shrunk_file(path: Path) -> bytes:
    return shrink_picture(path.read_bytes())


def put_bible(session: Session, *, bible: StoryBible) -> Session:
    if session.story_bible is not None:
        return session
    return dataclasses.replace(session, story_bible=bible, offline=session.offline or bible.source == "offline")


def mark_offline(session: Session) -> Session:
    return session if session.offline else dataclasses.replace(session, offline=True)


def add_cost(session: Session, *, usd: float) -> Session:
    return dataclasses.replace(session, cost_usd=session.cost_usd + usd)


def with_cost(session: Session, *, usd: float) -> Session:
    return dataclasses.replace(session, cost_usd=usd)


def cancel(session: Session) -> Session:
    return dataclasses.replace(session, status="cancelled") if session.status in UNFINISHED else session


def fail_session(session: Session, *, problem: Problem) -> Session:
    """Failed as a whole, with nothing in flight any more."""
    if session.status in ENDED:
        return session
    return at_rest(dataclasses.replace(session, status="failed", error=problem))


def finish(session: Session) -> Session:
    """The state of a session whose run is over; one that was cancelled or has failed stays so."""
    if session.status in ENDED:
        return at_rest(session)
    if has_any_work(session):
        return session
    if any(scene.status not in DONE for scene in session.scenes):
        return at_rest(dataclasses.replace(session, status="awaiting_review"))
    errors = [scene.error for scene in session.scenes if scene.status == "failed" and scene.error]
    money = next((error for error in errors if error.code == BudgetReached.code), None)
    if any(scene.current is not None for scene in session.scenes):
        return dataclasses.replace(session, status="completed", error=money)
    return dataclasses.replace(session, status="failed", error=money or (errors[0] if errors else None))


def has_any_work(session: Session) -> bool:
    """Whether the run should do anything."""
    return bool(anchors_to_draw(session)) or any(has_work(session, scene) for scene in session.scenes)


def has_work(session: Session, scene: Scene) -> bool:
    """Whether the run should take this scene further."""
    if session.status in ENDED or scene.status in DONE:
        return False
    if goes_to_picture(session, scene):
        return True
    return session.settings.stop_at == "prompts" and scene.image_prompt is None


def goes_to_picture(session: Session, scene: Scene) -> bool:
    """Whether the scene is to be drawn: all are, or somebody asked for this one."""
    return scene.asked or session.settings.stop_at == "images"


def at_rest(session: Session) -> Session:
    """The session with nothing in flight: what was under way waits again, and no approval waits for a picture."""
    if not is_anything_unsettled(session):
        return session
    anchors = session.anchors and tuple(_anchor_at_rest(anchor) for anchor in session.anchors)
    scenes = tuple(_scene_at_rest(scene) for scene in session.scenes)
    return dataclasses.replace(session, scenes=scenes, anchors=anchors)


def is_anything_unsettled(session: Session) -> bool:
    """Whether something is under way for the session, or waited for."""
    anchors = any(anchor.asked or anchor.status == "drawing" for anchor in session.anchors or ())
    return anchors or any(is_unsettled(scene) for scene in session.scenes)


def is_unsettled(scene: Scene) -> bool:
    """Whether something is under way for the scene, or waited for."""
    waited = scene.approved_version is not None and scene.approved_image is None
    return waited or scene.asked or scene.status in BUSY


def _scene_at_rest(scene: Scene) -> Scene:
    if not is_unsettled(scene):
        return scene
    status: SceneStatus = "pending" if scene.status in BUSY else scene.status
    return dataclasses.replace(scene, status=status, approved_version=approved_or_shown(scene), asked=False)


def approved_or_shown(scene: Scene) -> int | None:
    """The approved version; the one that is shown where the approved one was never made."""
    waited = scene.approved_version is not None and scene.approved_image is None
    return scene.current_version if waited else scene.approved_version


def reopen(session: Session) -> Session:
    """Back to work, all the way to pictures."""
    if session.status in UNFINISHED and session.settings.stop_at == "images":
        return session
    settings = session.settings.model_copy(update={"stop_at": "images"})
    return dataclasses.replace(session, status="processing", settings=settings, error=None)


def reopen_for_asked(session: Session) -> Session:
    """Back to work for the scenes somebody asked for; whatever else waits goes on waiting, and costs nothing."""
    if session.status in UNFINISHED:
        return session
    settings = session.settings
    if any(scene.status not in DONE and not scene.asked for scene in session.scenes):
        settings = settings.model_copy(update={"stop_at": "scenes"})
    return dataclasses.replace(session, status="processing", settings=settings, error=None)


def go_on(session: Session, *, max_cost_usd: float | None, stale: Callable[[Session, Scene], bool]) -> Session:
    """What `/continue` makes of a session: missing, failed and stale scenes wait to be done."""
    if max_cost_usd is not None and max_cost_usd != session.max_cost_usd:
        session = dataclasses.replace(session, max_cost_usd=max_cost_usd)
    woken = tuple(_wake(scene, stale=stale(session, scene)) for scene in session.scenes)
    anchors = any(is_stale_anchor(session, anchor) for anchor in session.anchors or ())
    if all(scene.status in DONE for scene in woken) and session.status != "cancelled" and not anchors:
        return session
    session = wake_anchors(session)
    if any(before is not after for before, after in zip(session.scenes, woken, strict=True)):
        session = dataclasses.replace(session, scenes=woken)
    return reopen(session)


def _wake(scene: Scene, *, stale: bool) -> Scene:
    """The scene waiting, when it failed or is stale. A prompt that was blocked is never sent again as it stands."""
    if stale:
        return dataclasses.replace(scene, status="pending", error=None, wanted_version=next_version(scene))
    blocked = scene.error is not None and scene.error.code == ContentBlocked.code
    if scene.status != "failed" or (blocked and scene.prompt_source != "edited"):
        return scene
    return dataclasses.replace(scene, status="pending", error=None)


def is_stale(scene: Scene, key: str) -> bool:
    """Whether drawing the scene now, with that content key, would make another picture than the one it shows."""
    image = scene.current
    if image is None or scene.status != "ready":
        return False
    return scene.image_prompt is None or image.content_key != key


def approve(session: Session, *, numbers: list[int], upgrade: bool, at: datetime) -> Session:
    """Mark these scenes approved and all others not; drafts wait to be drawn final when `upgrade` is set."""
    chosen = set(numbers)
    scenes = tuple(_approve_scene(scene, scene.scene_number in chosen, upgrade=upgrade) for scene in session.scenes)
    session = dataclasses.replace(session, scenes=scenes, approved_at=session.approved_at or at)
    waiting = any(scene.asked and scene.status == "pending" for scene in scenes)
    return reopen_for_asked(session) if waiting else session


def _approve_scene(scene: Scene, approved: bool, *, upgrade: bool) -> Scene:
    if not approved:
        return scene if scene.approved_version is None else dataclasses.replace(scene, approved_version=None)
    image = scene.current
    if upgrade and image is not None and can_be_upgraded(scene):
        version = next_version(scene)
        return dataclasses.replace(
            scene,
            status="pending",
            image_prompt=image.prompt,  # what was seen is what was approved, whatever was tried after it
            prompt_source=image.prompt_source,
            parts=image.parts,
            seed=image.seed,
            quality="final",
            wanted_version=version,
            approved_version=version,
            asked=True,
            error=None,
        )
    if scene.approved_version == scene.wanted_version and scene.status not in DONE:
        return scene  # its final picture is on the way
    return dataclasses.replace(scene, approved_version=scene.current_version)


def can_be_upgraded(scene: Scene) -> bool:
    """Whether the scene shows a draft and nothing is being done about it."""
    image = scene.current
    return image is not None and image.quality == "draft" and scene.status not in BUSY and not scene.asked


def approval_ready(session: Session) -> bool:
    """Whether every approved picture exists."""
    return all(scene.approved_image is not None for scene in session.scenes if scene.approved_version is not None)


def handed_over(session: Session) -> list[tuple[Scene, ImageVersion]]:
    """The scenes a download contains, in order; raises `NotReady`, `NothingReady`."""
    if session.approved_at is not None:
        if not approval_ready(session):
            raise NotReady
        chosen = [(scene, scene.approved_image) for scene in session.scenes]
    else:
        if session.status in UNFINISHED:
            raise NotReady("The pictures are still being drawn.")
        chosen = [(scene, scene.current) for scene in session.scenes]
    shown = [(scene, image) for scene, image in chosen if image is not None]
    if not shown:
        raise NothingReady
    return sorted(shown, key=lambda pair: pair[0].scene_number)


# --- Pure functions: borders and order -------------------------------------------------------------------------


def check_cut(session: Session, scene: Scene, at: int) -> None:
    """Raises `InvalidRequest` where the scene cannot be cut, with the nearest offset where it can."""
    story, nearest = session.story_text, nearest_cut(session.story_text, at, scene.start, scene.end)
    if nearest is None:
        raise InvalidRequest("This scene is too short to be cut in two.")
    if nearest == at:
        return
    if not scene.start < at < scene.end:
        why = f"lies outside the scene ({scene.start} to {scene.end})"
    elif not is_cut(story, at):
        why = "lies within a word"
    else:
        why = "leaves one half without words"
    raise InvalidRequest(f"The offset {at} {why}; the nearest place to cut is {nearest}.")


def split(
    session: Session,
    *,
    scene_id: str,
    halves: tuple[SceneReading, SceneReading],
    new_id: str,
    most: int,
    expected: int | None,
) -> Session:
    """The session with one scene as two: the first half goes on as that scene, the second waits to be drawn."""
    scene, (first, second) = editable(session, scene_id, expected), halves
    if (scene.start, scene.end) != (first.start, second.end):
        raise EditConflict("The scene's borders have just changed; read it again.")
    if len(session.scenes) >= most:
        raise InvalidRequest(f"A session has at most {most} scenes.")
    added = new_scene(session.story_text, second, session.settings, scene_id=new_id)
    pair = with_text(scene, first, session.story_text), dataclasses.replace(added, quality=scene.quality)
    return in_order(session, [each for s in session.scenes for each in (pair if s is scene else (s,))])


def merge(session: Session, *, scene_ids: tuple[str, str], whole: SceneReading, expected: int | None) -> Session:
    """The session with two scenes as one: the first goes on, with the pictures of both."""
    first, second = editable(session, scene_ids[0], expected), editable(session, scene_ids[1], None)
    together = second.scene_number == first.scene_number + 1 and first.end == second.start
    if not together or (first.start, second.end) != (whole.start, whole.end):
        raise EditConflict("The scenes' borders have just changed; read them again.")
    known = next_version(first) - 1
    added = tuple(dataclasses.replace(image, version=known + image.version) for image in second.versions)
    both = dataclasses.replace(
        first,
        versions=first.versions + added,
        current_version=first.current_version or _moved(second.current_version, known),
        approved_version=first.approved_version or _moved(second.approved_version, known),
        attempts=first.attempts + second.attempts,
    )
    one = with_text(both, whole, session.story_text)
    return in_order(session, [one if s is first else s for s in session.scenes if s is not second])


def _moved(version: int | None, by: int) -> int | None:
    return None if version is None else version + by


def move(session: Session, *, scene_id: str, to: int, expected: int | None) -> Session:
    """The session with a scene at another place; nothing else of any scene changes but its number."""
    scene = editable(session, scene_id, expected)
    if to >= len(session.scenes):
        raise InvalidRequest(f"There is no place {to}: the last one is {len(session.scenes) - 1}.")
    others = [s for s in session.scenes if s is not scene]
    return in_order(session, [*others[:to], scene, *others[to:]])


def editable(session: Session, scene_id: str, expected: int | None) -> Scene:
    """The scene, when its borders may be changed; raises `VersionMismatch`, `EditConflict` while it is being made.

    `expected` is the version of the scene, or of the session, that the caller has read.
    """
    scene = session.scene(scene_id)
    if expected is not None and expected not in (scene.changed_in, session.version):
        raise VersionMismatch
    if is_unsettled(scene):
        raise EditConflict
    return scene


def in_order(session: Session, scenes: list[Scene]) -> Session:
    """The session with these scenes, numbered in this order."""
    numbered = tuple(
        scene if scene.scene_number == number else dataclasses.replace(scene, scene_number=number)
        for number, scene in enumerate(scenes)
    )
    unchanged = len(numbered) == len(session.scenes) and all(map(operator.is_, numbered, session.scenes))
    return session if unchanged else dataclasses.replace(session, scenes=numbered)


def new_scene(
    story: str, reading: SceneReading, settings: GenerationSettings, *, scene_id: str, number: int = 0
) -> Scene:
    """A scene that waits to be drawn. Its seed follows from where it begins: borders may be moved and moved back."""
    return Scene(
        scene_id=scene_id,
        scene_number=number,
        start=reading.start,
        end=reading.end,
        excerpt=excerpt_of(story, reading),
        title=reading.title,
        facts=reading.facts,
        seed=derive_seed(settings.seed, reading.start),
        quality=settings.quality,
    )


def excerpt_of(story: str, reading: SceneReading) -> str:
    return story[reading.start : reading.end].strip()[:EXCERPT_CHARS]


def with_text(scene: Scene, reading: SceneReading, story: str) -> Scene:
    """The scene with other borders: what was written for its old text goes, but for what a person wrote."""
    kept = scene.prompt_source == "edited"
    return dataclasses.replace(
        scene,
        start=reading.start,
        end=reading.end,
        excerpt=excerpt_of(story, reading),
        facts=reading.facts,
        title=scene.title if "title" in scene.written else reading.title,
        description=scene.description if "description" in scene.written else "",
        image_prompt=scene.image_prompt if kept else None,
        prompt_source=scene.prompt_source if kept else None,
        parts=None,
        status="pending" if scene.current is None else "ready",
        error=None,
    )


# --- Pure functions: the bible ---------------------------------------------------------------------------------


def edit_bible(
    session: Session,
    *,
    edit: BibleEdit,
    composed: Callable[[Session, Scene, StoryBible], str | None],
    expected: int | None,
) -> Session:
    """The session with another bible, and with other prompts in exactly the scenes that it concerns."""
    if expected is not None and expected != session.version:
        raise VersionMismatch("The session has changed since you read it.")
    before = session.story_bible
    if before is None:
        raise EditConflict("The story bible is not written yet.")
    after = edited_bible(before, edit)
    title = session.title if edit.title is None else after.title
    if after == before and title == session.title:
        return session
    scenes = tuple(_with_bible(session, scene, before, after, composed) for scene in session.scenes)
    said_otherwise = after.model_copy(update={"title": before.title}) != before
    for old, new in zip(session.scenes, scenes, strict=True):
        if (new is not old and old.status in BUSY) or (said_otherwise and old.status == "prompting"):
            raise EditConflict
    return dataclasses.replace(session, story_bible=after, title=title, scenes=scenes)


def _with_bible(
    session: Session,
    scene: Scene,
    before: StoryBible,
    after: StoryBible,
    composed: Callable[[Session, Scene, StoryBible], str | None],
) -> Scene:
    """The scene under the new bible; the same object when nothing of it is concerned."""
    cast = recast(session, scene, before, after)
    old, new = composed(session, scene, before), composed(session, cast, after)
    ours = scene.parts is not None or scene.image_prompt == old  # else a version from elsewhere is shown
    if old != new and ours:
        return dataclasses.replace(cast, image_prompt=new)
    looks_same = figures_of(before, scene.facts.characters) == figures_of(after, cast.facts.characters)
    return cast if looks_same else dataclasses.replace(cast)  # another value, so that watchers are told


def recast(session: Session, scene: Scene, before: StoryBible, after: StoryBible) -> Scene:
    """The scene without the characters that left the bible, and with the new ones whom its text names."""
    known = {character.name.casefold() for character in before.characters}
    gone = known - {character.name.casefold() for character in after.characters}
    text, language = session.text_of(scene), session.analysis.language
    named = [
        character.name
        for character in after.characters
        if character.name.casefold() not in known
        and any(is_named(text, spelling, language) for spelling in (character.name, *character.aliases))
    ]
    if not named and not any(name.casefold() in gone for name in scene.facts.characters):
        return scene
    facts = dataclasses.replace(scene.facts, characters=_cast(scene.facts.characters, named, gone))
    parts = scene.parts
    if parts is not None:
        parts = dataclasses.replace(parts, characters=_cast(parts.characters, named, gone))
    return dataclasses.replace(scene, facts=facts, parts=parts)


def _cast(names: tuple[str, ...], added: list[str], gone: set[str]) -> tuple[str, ...]:
    present = {name.casefold(): name for name in names if name.casefold() not in gone}
    return tuple((present | {name.casefold(): name for name in added}).values())


def figures_of(bible: StoryBible | None, names: Iterable[str]) -> tuple[Figure, ...]:
    """These people, with the bible's words for their looks."""
    looks = {c.name: c.appearance for c in bible.characters} if bible else {}
    return tuple(Figure(name, looks.get(name, "")) for name in names)


def edited_bible(bible: StoryBible, edit: BibleEdit) -> StoryBible:
    """The bible with the edit applied; raises `InvalidRequest` where it names nobody or nothing it could change."""
    people = {character.name.casefold(): character for character in bible.characters}
    for person in edit.characters:
        _edit_entry(people, person.name, _edited_character(people, person))
    places = {place.name.casefold(): place for place in bible.places}
    for place in edit.places:
        _edit_entry(places, place.name, _edited_place(places, place))
    if len(people) > max(MAX_BIBLE_CHARACTERS, len(bible.characters)):
        raise InvalidRequest(f"A story bible has at most {MAX_BIBLE_CHARACTERS} characters.")
    if len(places) > max(MAX_BIBLE_PLACES, len(bible.places)):
        raise InvalidRequest(f"A story bible has at most {MAX_BIBLE_PLACES} places.")
    return bible.model_copy(
        update={
            "title": bible.title if edit.title is None else one_line(edit.title, "title"),
            "style": bible.style if edit.style is None else one_line(edit.style, "style"),
            "characters": list(people.values()),
            "places": list(places.values()),
        }
    )


def _edit_entry(entries: dict[str, Entry], name: str, entry: Entry | None) -> None:
    """Put the entry under its name, or take out what stands there when it is None."""
    key = one_line(name, "name").casefold()
    if entry is not None:
        entries[key] = entry
    elif entries.pop(key, None) is None:
        raise InvalidRequest("The story bible has no entry of that name to remove.")


def _edited_character(people: Mapping[str, BibleCharacter], edit: CharacterEdit) -> BibleCharacter | None:
    if edit.remove:
        return None
    name = one_line(edit.name, "name")
    known = people.get(name.casefold())
    if known is None and edit.appearance is None:
        raise InvalidRequest("A new character needs an appearance.")
    known = known or BibleCharacter(name=name, appearance="")
    aliases = known.aliases if edit.aliases is None else [one_line(alias, "aliases") for alias in edit.aliases]
    looks = known.appearance if edit.appearance is None else one_line(edit.appearance, "appearance")
    return known.model_copy(update={"appearance": looks, "aliases": aliases})


def _edited_place(places: Mapping[str, BiblePlace], edit: PlaceEdit) -> BiblePlace | None:
    if edit.remove:
        return None
    name = one_line(edit.name, "name")
    known = places.get(name.casefold())
    if known is None and edit.description is None:
        raise InvalidRequest("A new place needs a description.")
    known = known or BiblePlace(name=name, description="")
    said = known.description if edit.description is None else one_line(edit.description, "description")
    return known.model_copy(update={"description": said})


def one_line(text: str, field: str) -> str:
    """The text on one line; raises `InvalidRequest` when nothing is on it."""
    line = " ".join(text.split())
    if not line:
        raise InvalidRequest(f"{field} is empty.")
    return line


# --- Pure functions: reference pictures ------------------------------------------------------------------------


def choose_anchors(session: Session, *, most: int) -> Session:
    """The characters who get a reference picture: those in most scenes first, two at least. Chosen once."""
    bible = session.story_bible
    if session.anchors is not None or bible is None:
        return session
    counts = {character.name: scenes_with(session, character) for character in bible.characters}
    names = sorted((name for name in counts if counts[name] >= RECURS_IN), key=lambda name: -counts[name])
    return dataclasses.replace(session, anchors=tuple(_new_anchor(session, name) for name in names[:most]))


def _new_anchor(session: Session, name: str) -> Anchor:
    return Anchor(
        anchor_id=fingerprint({"anchor": name})[:12],
        name=name,
        seed=derive_seed(session.settings.seed, "anchor", name),
    )


def scenes_with(session: Session, character: BibleCharacter) -> int:
    """In how many scenes the character is, by the facts of a scene or by its name in the text."""
    spellings = [re.escape(name) for name in (character.name, *character.aliases) if name]
    named = re.compile(rf"(?<!\w)(?:{'|'.join(spellings)})(?!\w)")
    texts = ((session.text_of(scene), who_is_in(session, scene)) for scene in session.scenes)
    return sum(character.name in present or named.search(text) is not None for text, present in texts)


def who_is_in(session: Session, scene: Scene) -> tuple[str, ...]:
    """The names, as the bible has them, of its characters in that scene."""
    bible = session.story_bible
    return tuple(figure.name for figure in present_figures(bible, scene.facts.characters)) if bible else ()


def anchor_prompt(session: Session, anchor: Anchor) -> str:
    """What a person wrote, else what follows from the bible as it is now."""
    if anchor.prompt is not None or session.story_bible is None:
        return anchor.prompt or anchor.name
    return portrait_prompt(session.story_bible, anchor.name)


def is_stale_anchor(session: Session, anchor: Anchor) -> bool:
    """Whether drawing it now would make another picture than the one it shows; somebody's own stays what it is."""
    picture = anchor.picture
    if picture is None or picture.source == "uploaded" or not is_in_bible(session, anchor):
        return False
    return picture.prompt != anchor_prompt(session, anchor)


def is_in_bible(session: Session, anchor: Anchor) -> bool:
    """Whether the bible still has the character: of one that was taken out, nothing more is drawn."""
    bible = session.story_bible
    return bible is not None and any(character.name == anchor.name for character in bible.characters)


def anchors_to_draw(session: Session) -> list[Anchor]:
    """The reference pictures to draw now: those asked for, and all that wait when the scenes are to be drawn."""
    if session.status in ENDED:
        return []
    everything = session.settings.stop_at == "images" and any(has_work(session, scene) for scene in session.scenes)
    waiting = (anchor for anchor in session.anchors or () if anchor.status not in DONE)
    return [anchor for anchor in waiting if anchor.asked or (everything and is_in_bible(session, anchor))]


def to_drawing(session: Session, *, name: str) -> Session:
    return session.with_anchor(dataclasses.replace(session.anchor(name), status="drawing", error=None))


def put_anchor(session: Session, *, name: str, picture: AnchorPicture, cost_usd: float) -> Session:
    anchor = session.anchor(name)
    return session.with_anchor(
        dataclasses.replace(
            anchor,
            picture=picture,
            status="ready",
            asked=False,
            error=None,
            wanted_version=picture.version + 1,
            cost_usd=anchor.cost_usd + cost_usd,
        )
    )


def exchange_anchor(session: Session, *, name: str, picture: AnchorPicture) -> Session:
    """The session with somebody's own picture, approved by having been chosen; raises `EditConflict`."""
    free_anchor(session, name)
    session = put_anchor(session, name=name, picture=picture, cost_usd=0.0)
    return session.with_anchor(dataclasses.replace(session.anchor(name), approved=True))


def is_refused(anchor: Anchor) -> bool:
    """Whether the image provider does not take this picture as a reference; another one may be."""
    return anchor.error is not None and anchor.error.code == REFUSED


def fail_anchor(session: Session, *, name: str, problem: Problem) -> Session:
    """An anchor that failed keeps the picture it had."""
    return session.with_anchor(dataclasses.replace(session.anchor(name), status="failed", error=problem, asked=False))


def approve_anchor(session: Session, *, name: str, approved: bool) -> Session:
    anchor = session.anchor(name)
    if anchor.picture is None:
        raise NotReady("The reference picture is not there yet.")
    return session.with_anchor(dataclasses.replace(anchor, approved=approved))


def redraw_anchor(session: Session, *, name: str, request: AnchorRedraw) -> Session:
    """The anchor waiting for another picture; raises `EditConflict`."""
    anchor = free_anchor(session, name)
    version = anchor.wanted_version + 1
    anchor = dataclasses.replace(
        anchor,
        status="pending",
        asked=True,
        approved=False,
        error=None,
        wanted_version=version,
        seed=derive_seed(anchor.seed, version) if request.seed is None else request.seed,
        prompt=request.prompt or anchor.prompt,
    )
    return reopen_for_asked(session.with_anchor(anchor))


def free_anchor(session: Session, name: str) -> Anchor:
    """The anchor; raises `EditConflict` while it, or a scene the character is in, is being drawn."""
    anchor = session.anchor(name)
    if anchor.status == "drawing":
        raise EditConflict("The reference picture is being drawn; try again when it is ready.")
    if any(scene.status in BUSY and anchor.name in who_is_in(session, scene) for scene in session.scenes):
        raise EditConflict("A scene with that character is being drawn; try again when it is ready.")
    return anchor


def _anchor_at_rest(anchor: Anchor) -> Anchor:
    if anchor.status != "drawing":
        return dataclasses.replace(anchor, asked=False) if anchor.asked else anchor
    return dataclasses.replace(anchor, status="pending", asked=False)


def wake_anchors(session: Session) -> Session:
    """Stale reference pictures wait to be drawn, and failed ones; a prompt that was blocked is never sent again."""
    woken = tuple(_wake_anchor(session, anchor) for anchor in session.anchors or ())
    if all(before is after for before, after in zip(session.anchors or (), woken, strict=True)):
        return session
    return dataclasses.replace(session, anchors=woken)


def _wake_anchor(session: Session, anchor: Anchor) -> Anchor:
    if anchor.status == "ready" and is_stale_anchor(session, anchor):
        return dataclasses.replace(anchor, status="pending", asked=True, approved=False)
    if anchor.status != "failed" or (anchor.error is not None and anchor.error.code == ContentBlocked.code):
        return anchor
    return dataclasses.replace(anchor, status="pending", error=None)


def shown_anchors(session: Session) -> list[tuple[Anchor, AnchorPicture]]:
    """The reference pictures there are."""
    return [(anchor, anchor.picture) for anchor in session.anchors or () if anchor.picture is not None]


def book_key(book: Book) -> list[object]:
    """What makes a book the same book: its words, and its pictures by their names, which follow from their bytes."""
    scenes = [dataclasses.asdict(scene) | {"picture": scene.picture.name} for scene in book.scenes]
    return [book.title, scenes, book.media_type, book.draft, book.created_at.isoformat()]


def anchor_name(number: int, anchor: Anchor, suffix: str) -> str:
    """The name of a reference picture in a ZIP, `anchors/00_Mira.jpg`."""
    return f"anchors/{number:02d}_{file_name(anchor.name, suffix.lstrip('.'))}"


def media_key(reference: Reference) -> str:
    """By what the provider's name for a picture is kept."""
    return fingerprint({"media": reference.sha256})


# --- Pure functions: what a scene becomes ----------------------------------------------------------------------


def take_up(scene: Scene, *, status: SceneStatus) -> Scene:
    """The scene at work, unless it is done already."""
    return scene if scene.status in DONE else to_status(scene, status=status)


def to_status(scene: Scene, *, status: SceneStatus) -> Scene:
    return dataclasses.replace(scene, status=status, attempts=scene.attempts + (status == "drawing"), error=None)


def put_text(scene: Scene, *, words: SceneText, source: PromptSource) -> Scene:
    """The words of the model or of the rules; what a person wrote wins."""
    if scene.status in DONE:
        return scene
    if scene.image_prompt is not None:
        return dataclasses.replace(scene, status="pending")
    said = words.characters if words.parts else words.characters or scene.facts.characters
    facts = dataclasses.replace(
        scene.facts,
        characters=said,
        location=words.location or scene.facts.location,
        time_of_day=words.time_of_day if words.time_of_day != "unknown" else scene.facts.time_of_day,
    )
    return dataclasses.replace(
        scene,
        title=scene.title if "title" in scene.written else words.title or scene.title,
        description=scene.description if "description" in scene.written else words.description,
        image_prompt=words.image_prompt,
        prompt_source=source,
        parts=words.parts,
        facts=facts,
        status="pending",
    )


def put_softened(scene: Scene, *, prompt: str, parts: PromptParts | None = None) -> Scene:
    return dataclasses.replace(scene, image_prompt=prompt, prompt_source="softened", parts=parts)


def put_picture(scene: Scene, *, version: ImageVersion, to_check: bool = False) -> Scene:
    """The scene showing its new picture; one that is still to be looked at is not ready yet."""
    there = any((v.version, v.content_key) == (version.version, version.content_key) for v in scene.versions)
    if there and (scene.status == "ready" or version.version < scene.wanted_version):
        return scene  # brought again by whoever stood still meanwhile
    shown_before = scene.current
    if shown_before and (shown_before.version, shown_before.content_key) == (version.version, version.content_key):
        version = shown_before  # shown again after a restart: what it cost stays
    versions = (*(v for v in scene.versions if v.version != version.version), version)
    shown = dataclasses.replace(scene, versions=versions, current_version=version.version, error=None)
    return shown if to_check else dataclasses.replace(shown, status="ready", asked=False)


def put_shown(scene: Scene, *, number: int, to_check: bool = False) -> Scene:
    """The scene showing a picture it has already; one that nobody has looked at yet may still be looked at."""
    image = next(version for version in scene.versions if version.version == number)
    unseen = to_check and not image.checks and image.unchecked is None
    status: SceneStatus = "drawing" if unseen else "ready"
    return dataclasses.replace(scene, current_version=number, status=status, error=None)


def put_verdict(scene: Scene, *, verdict: Verdict, max_prompt_chars: int) -> Scene:
    """The scene with what was found in its picture: ready, or waiting for the one picture that mends it."""
    image = scene.current
    if image is None or scene.status != "drawing":
        return scene
    seen = dataclasses.replace(image, checks=verdict.checks, unchecked=verdict.unchecked or None)
    scene = with_version(scene, seen)
    if scene.repair_of is not None:
        return settle_repair(scene)
    if not verdict.failed:
        return dataclasses.replace(scene, status="ready", asked=False)
    version = next_version(scene)
    most = max_prompt_chars - (REFERENCES_ALLOWANCE_CHARS if image.references else 0)
    waited = scene.asked and scene.approved_version == image.version  # an approval that waits for this picture
    return dataclasses.replace(
        scene,
        repair_of=image.version,
        wanted_version=version,
        approved_version=version if waited else scene.approved_version,
        image_prompt=repair_prompt(image.prompt, verdict.checks, most),
        seed=derive_seed(image.seed, version),
    )


def settle_repair(scene: Scene) -> Scene:
    """Mended: the picture with fewer faults is shown, the later one when they are even or nobody could look."""
    first = next((version for version in scene.versions if version.version == scene.repair_of), None)
    later = scene.current
    if first is None or later is None or faults(later) <= faults(first):
        return dataclasses.replace(scene, status="ready", repair_of=None, asked=False)
    return give_up_repair(scene)


def give_up_repair(scene: Scene) -> Scene:
    """The scene showing the picture that was to be mended, with its faults told."""
    if scene.repair_of is None:
        return scene
    approved = scene.repair_of if scene.approved_version == scene.wanted_version else scene.approved_version
    shown = show_version(scene, scene.repair_of)
    return dataclasses.replace(shown, status="ready", repair_of=None, asked=False, approved_version=approved)


def faults(image: ImageVersion) -> int:
    return sum(not check.ok for check in image.checks)


def with_version(scene: Scene, image: ImageVersion) -> Scene:
    """The scene with that version in the place of the one of the same number."""
    versions = tuple(image if version.version == image.version else version for version in scene.versions)
    return dataclasses.replace(scene, versions=versions)


def fail_scene(scene: Scene, *, problem: Problem) -> Scene:
    """A scene that failed keeps the picture it had; an approval that waited for a better one falls back to it."""
    approved = approved_or_shown(scene)
    return dataclasses.replace(
        scene, status="failed", error=problem, approved_version=approved, asked=False, repair_of=None
    )


def fail_unless_ready(scene: Scene, *, problem: Problem) -> Scene:
    """A scene that failed, unless somebody else has brought its picture meanwhile."""
    return scene if scene.status == "ready" else fail_scene(scene, problem=problem)


def redraw(scene: Scene, request: RegenerateRequest) -> Scene:
    """The scene waiting for its next version; raises `EditConflict` while it is being drawn."""
    if scene.status in BUSY:
        raise EditConflict
    version = next_version(scene)
    edited = request.image_prompt is not None and request.image_prompt != scene.image_prompt
    return dataclasses.replace(
        scene,
        status="pending",
        asked=True,
        error=None,
        wanted_version=version,
        seed=derive_seed(scene.seed, version) if request.seed is None else request.seed,
        image_prompt=request.image_prompt or scene.image_prompt,
        prompt_source="edited" if edited else scene.prompt_source,
        parts=None if edited else scene.parts,
        quality=request.quality or scene.quality,
        repair_of=None,
    )


def apply_edit(scene: Scene, *, edit: SceneEdit, expected: int | None) -> Scene:
    """The scene with the edit applied; raises `VersionMismatch`, `EditConflict`, `InvalidRequest`."""
    if expected is not None and expected != scene.changed_in:
        raise VersionMismatch
    touches_picture = edit.image_prompt is not None or edit.current_version is not None
    if touches_picture and scene.status in BUSY:
        raise EditConflict
    if edit.current_version is not None:
        scene = show_version(scene, edit.current_version)
    changes: dict[str, object] = {
        name: value for name, value in (("title", edit.title), ("description", edit.description)) if value is not None
    }
    if edit.image_prompt is not None and edit.image_prompt != scene.image_prompt:
        changes |= {"image_prompt": edit.image_prompt, "prompt_source": "edited", "parts": None}
    written = tuple(name for name in WRITABLE if name in changes and name not in scene.written)
    if written:
        changes["written"] = (*scene.written, *written)
    return dataclasses.replace(scene, **changes) if changes else scene  # type: ignore[arg-type]


def show_version(scene: Scene, number: int) -> Scene:
    """The scene showing an earlier picture, with the prompt and seed that made it."""
    image = next((version for version in scene.versions if version.version == number), None)
    if image is None:
        raise InvalidRequest(f"The scene has no version {number}.")
    return dataclasses.replace(
        scene,
        current_version=number,
        image_prompt=image.prompt,
        prompt_source=image.prompt_source,
        parts=image.parts,
        seed=image.seed,
        quality=image.quality,
        status="ready" if scene.status == "failed" else scene.status,
        error=None,
    )


def as_handed_over(scene: Scene) -> Scene:
    """The scene with the picture that was approved and the prompt that made it, whatever it shows by now."""
    image = scene.approved_image
    return scene if image is None else show_version(scene, image.version)


def next_version(scene: Scene) -> int:
    return max((version.version for version in scene.versions), default=0) + 1


def unit_of(session: Session, scene: Scene) -> Unit:
    """The unit of money a scene's prompt and picture belong to; a softened prompt begins another."""
    return Unit(session.session_id, scene.scene_id, scene.wanted_version, scene.prompt_source == "softened")


# --- Pure functions: answers -----------------------------------------------------------------------------------


def accepted(session: Session) -> Accepted:
    messages = {
        "pending": "The story is accepted.",
        "processing": "The story is being drawn.",
        "awaiting_review": "The session waits for your review.",
        "completed": "The session is complete.",
        "failed": "The session has failed; it may be continued.",
        "cancelled": "The session is cancelled; what is done is kept.",
    }
    status = "processing" if session.status == "pending" else session.status
    return Accepted(session_id=session.session_id, status=status, message=messages[session.status])


def progress(session: Session, *, stale: int = 0) -> Progress:
    """Steps: the split, the bible, and for each scene its prompt and its picture, as far as `stop_at` goes.

    `stale` pictures are there, so they count as done; the description tells of them.
    """
    wanted = [_steps_wanted(session, scene) for scene in session.scenes]
    done = [_steps_done(scene) for scene in session.scenes]
    bible = int(any(wanted))
    total = 1 + bible + sum(wanted)
    current = 1 + min(bible, int(session.story_bible is not None)) + sum(map(min, wanted, done))
    ready = sum(scene.status == "ready" for scene in session.scenes)
    return Progress(
        current_step=current,
        total_steps=total,
        percent=100 * current // total,
        description=_describe(session, ready, stale),
    )


def _steps_wanted(session: Session, scene: Scene) -> int:
    if goes_to_picture(session, scene) or scene.status in DONE:
        return 2
    return int(session.settings.stop_at == "prompts")


def _steps_done(scene: Scene) -> int:
    return 2 if scene.status in DONE else int(scene.image_prompt is not None)


def _describe(session: Session, ready: int, stale: int) -> str:
    scenes = len(session.scenes)
    failed = sum(scene.status == "failed" for scene in session.scenes)
    if session.status in ("processing", "pending"):
        if session.story_bible is None:
            return "Writing the story bible"
        return f"Drawing: {ready} of {scenes} pictures ready"
    if session.status == "awaiting_review":
        return "Waiting for your review"
    waiting = scenes - ready - failed
    notes = [(failed, "failed"), (waiting, "not drawn yet"), (stale, "stale")]
    return ", ".join([f"{ready} of {scenes} pictures ready", *(f"{n} {what}" for n, what in notes if n)])


def progress_json(session: Session, *, stale: int = 0) -> str:
    return json.dumps(
        progress(session, stale=stale).model_dump()
        | {
            "session_id": session.session_id,
            "status": session.status,
            "scene_ids": [scene.scene_id for scene in session.scenes],
            "cost_usd": round(session.cost_usd, COST_DIGITS),
            "error": session.error.model_dump() if session.error else None,
        },
        ensure_ascii=False,
    )


def debug_session(session: Session) -> DebugSession:
    return DebugSession(
        session_id=session.session_id,
        owner=session.owner,
        status=session.status,
        scenes=len(session.scenes),
        ready=sum(scene.status == "ready" for scene in session.scenes),
        failed=sum(scene.status == "failed" for scene in session.scenes),
        cost_usd=round(session.cost_usd, COST_DIGITS),
        version=session.version,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )


def overall(services: Mapping[str, ServiceState]) -> Literal["healthy", "degraded", "unhealthy"]:
    if services["sessions"] == "unavailable":
        return "unhealthy"
    return "degraded" if "unavailable" in services.values() else "healthy"


def shown_image(scene: Scene) -> ImageVersion | None:
    """The approved picture of a scene, else the one it shows."""
    return scene.approved_image or scene.current


def scenes_json(session: Session, names: Mapping[str, str]) -> bytes:
    """The scenes in order, each with its words and the name of its picture's file (by `scene_id`, or null)."""
    scenes = [
        {
            "scene_id": scene.scene_id,
            "scene_number": scene.scene_number,
            "title": scene.title,
            "description": scene.description,
            "text": session.text_of(scene),
            "start": scene.start,
            "end": scene.end,
            "characters": list(scene.facts.characters),
            "location": scene.facts.location,
            "time_of_day": scene.facts.time_of_day,
            "image_prompt": scene.image_prompt,
            "approved": scene.approved_version is not None,
            "file": names.get(scene.scene_id),
        }
        for scene in map(as_handed_over, session.scenes)
    ]
    return json_bytes(scenes)


def image_path(session: Session, image: ImageVersion) -> str:
    return f"{session.session_id}/images/{image.file}"


def facts_of_edited(session: Session, scene: Scene) -> SceneFacts:
    """What an edited prompt shows, by the rules that read scenes; what it does not say stays as in the story."""
    told, known = read_facts(scene.image_prompt or "", session.analysis), scene.facts
    return SceneFacts(
        characters=told.characters or known.characters,
        location=told.location or known.location,
        place_kind=told.place_kind or known.place_kind,
        time_of_day=told.time_of_day if told.time_of_day != "unknown" else known.time_of_day,
        weather=told.weather if told.weather != "unknown" else known.weather,
        mood=told.mood or known.mood,
    )


def model_for(settings: GenerationSettings, quality: str | None = None) -> str:
    """The image model a picture of that quality is drawn with."""
    draft = (quality or settings.quality) == "draft" and not is_draft(settings.image_model)
    return settings.draft_image_model if draft else settings.image_model


def is_draft(model: str) -> bool:
    """Whether that is the offline draft painter."""
    return model.startswith(DRAFT_PREFIX)


def question_key(question: TextRequest) -> str:
    """What makes a question the same question; a picture in it counts by its hash."""
    parts = dataclasses.asdict(question)
    picture = parts.pop("picture")
    del parts["fresh"]
    return fingerprint(parts if picture is None else parts | {"picture": hashlib.sha256(picture).hexdigest()})


def content_key(request: ImageRequest) -> str:
    """What makes a picture the same picture: prompt, model, size, seed; for a draft also the facts it is made of."""
    parts: dict[str, object] = {
        "prompt": request.prompt,
        "model": request.model,
        "size": [request.width, request.height],
        "seed": request.seed,
    }
    if request.references:
        parts["references"] = [reference.sha256 for reference in request.references]
    if is_draft(request.model):
        parts["depiction"] = dataclasses.asdict(request.depiction)
    return fingerprint(parts)


def read_cursor(after: str | None) -> tuple[datetime, str] | None:
    """The place `?after=` names; raises `InvalidRequest`."""
    if after is None:
        return None
    at, _, session_id = after.partition("_")
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is not None and is_session_id(session_id):
            return moment, session_id
    raise InvalidRequest("after is not a place in the list: take it from `next`.")


def write_cursor(session: Session) -> str:
    return f"{(session.approved_at or session.updated_at).isoformat()}_{session.session_id}"


def json_bytes(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
