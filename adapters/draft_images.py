"""Draws offline: a paper-cut draft of each scene, for nothing and without a key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.process_pool import ProcessPool, WorkerDied
from ai_services import DrawingTask
from models import (
    AspectRatio,
    BadImage,
    Drawing,
    ImageRequest,
    ModelView,
    Picture,
    ProviderUnavailable,
    Quality,
    ServiceState,
)

if TYPE_CHECKING:
    from adapters.paper_cut import Sketch

MODEL = "draft:paper-cut"
JPEG_START = b"\xff\xd8\xff"

SIZES: dict[AspectRatio, tuple[int, int]] = {  # pixels; about equal areas, multiples of 16, halves too
    "16:9": (1024, 576),
    "3:2": (960, 640),
    "4:3": (896, 672),
    "1:1": (768, 768),
    "3:4": (672, 896),
    "2:3": (640, 960),
    "9:16": (576, 1024),
}


class DraftImages:
    """An image model that composes the scene's facts instead of its prompt; the pool belongs to the caller."""

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool
        self._slots = asyncio.Semaphore(pool.max_workers + 1)  # one at hand; what waits here can still be cancelled

    def size(self, model: str, aspect_ratio: AspectRatio, quality: Quality) -> tuple[int, int]:
        """1024×576 and shapes of the same area; a draft is half as wide and half as high."""
        width, height = SIZES[aspect_ratio]
        return (width, height) if quality == "final" else (width // 2, height // 2)

    def worst_cost(self, request: ImageRequest) -> float | None:
        """Nothing, always."""
        return 0.0

    async def draw(self, request: ImageRequest, task: DrawingTask) -> Drawing:
        """The drawing as JPEG bytes, the same for the same request; the task is left alone, for nothing is bought.

        Raises `ProviderUnavailable` when the worker process died twice.
        """
        async with self._slots:
            await task.wanted()
            return Drawing(seed=request.seed, cost_usd=0.0, content=await self._painted(request))

    async def _painted(self, request: ImageRequest) -> bytes:
        from adapters.paper_cut import paint  # with the first draft: the start does not wait for it

        try:
            return await self._pool.run(paint, sketch_of(request))
        except WorkerDied as error:
            raise ProviderUnavailable("The draft painter's worker process died; try again.") from error

    async def fetch(self, drawing: Drawing, request: ImageRequest) -> Picture:
        """The bytes that `draw` made; raises `BadImage` when the drawing holds none."""
        if drawing.content is None or not drawing.content.startswith(JPEG_START):
            raise BadImage("The draft holds no picture.")
        return Picture(content=drawing.content, suffix="jpg", width=request.width, height=request.height)

    def health(self) -> tuple[ServiceState, str]:
        return "available", ""

    def models(self) -> list[ModelView]:
        return [
            ModelView(
                id=MODEL,
                kind="image",
                provider="draft",
                description="Offline draft: layered paper-cut pictures from the scene's facts, without a model.",
                price_usd="free",
                default=False,
                available=True,
            )
        ]


def sketch_of(request: ImageRequest) -> Sketch:
    """What the painter needs of a request, in plain types: the worker never imports `models`."""
    from adapters.paper_cut import Sketch

    depiction = request.depiction
    facts = depiction.facts
    figures = depiction.figures or tuple()
    return Sketch(
        width=request.width,
        height=request.height,
        seed=request.seed,
        story_seed=depiction.story_seed,
        place=facts.place_kind,
        location=facts.location,
        time=facts.time_of_day,
        weather=facts.weather,
        mood=facts.mood,
        media=depiction.media_type,
        figures=tuple((figure.name, figure.appearance) for figure in figures)
        or tuple((name, "") for name in facts.characters),
        text=depiction.text,
    )
