"""Talks to the models: OpenRouter for text, Runware for pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from models import (
    AspectRatio,
    Drawing,
    Event,
    ImageRequest,
    ModelView,
    Picture,
    Quality,
    ServiceState,
    TextAnswer,
    TextRequest,
)

log = logging.getLogger(__name__)

Observe = Callable[[Event], None]


class Spending(Protocol):
    """The purse of one text call: every request that may be billed is charged before it leaves."""

    async def before_call(self, worst_usd: float | None) -> str:
        """Commit a charge of the worst case and return its id; raises `BudgetReached`, and then nothing may be sent."""
        ...

    async def after_call(self, charge_id: str, cost_usd: float | None) -> None:
        """Settle it: what the answer said, 0.0 when certainly nothing was billed, None (unknown) keeps the charge."""
        ...


class DrawingTask(Protocol):
    """The durable side of one picture: its `taskUUID` is on disk before the provider hears of it."""

    @property
    def task_id(self) -> str | None:
        """An id that was committed earlier and may have been sent: ask for it before sending anything."""
        ...

    async def new_id(self, worst_usd: float | None) -> str:
        """Commit a fresh UUID v4 with its charge and return it; raises `BudgetReached`."""
        ...

    async def failed(self, cost_usd: float | None) -> None:
        """The current id has ended in a definite error (0.0: certainly unbilled, None: unknown). `task_id` is None."""
        ...


class TextModel(Protocol):
    """Answers a question with a JSON object that fits a schema."""

    def worst_cost(self, request: TextRequest) -> float | None:
        """The most one call of this can cost in USD, None when no price is known."""
        ...

    async def answer(self, request: TextRequest, spending: Spending) -> TextAnswer:
        """The answer; raises `ProviderError` or `BudgetReached`."""
        ...


class ImageModel(Protocol):
    """Makes pictures: `draw` pays for one, `fetch` brings and checks it. A drawing slot is held only by `draw`."""

    def size(self, model: str, aspect_ratio: AspectRatio, quality: Quality) -> tuple[int, int]:
        """Width and height in pixels this model makes for that shape."""
        ...

    def worst_cost(self, request: ImageRequest) -> float | None:
        """The most one drawing of this can cost in USD, None when no price is known."""
        ...

    async def draw(self, request: ImageRequest, task: DrawingTask) -> Drawing:
        """The drawing; raises `ProviderError` or `BudgetReached`."""
        ...

    async def fetch(self, drawing: Drawing, request: ImageRequest) -> Picture:
        """The checked bytes of a drawing; raises `ProviderError` (`BadImage` when they are not what was asked for)."""
        ...


class Provider(Protocol):
    """What health and the model list ask of every provider."""

    def health(self) -> tuple[ServiceState, str]:
        """The state and, unless available, the reason in a sentence."""
        ...

    def models(self) -> list[ModelView]:
        """The models of this provider that may be asked for."""
        ...
