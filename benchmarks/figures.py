"""One measured figure, what it is held against, and the table they are printed in."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement: `reference` is the floor or the bare app measured in the same run, `limit` the bar."""

    bar: str
    what: str
    value: float
    unit: str
    limit: float | None = None
    reference: float | None = None
    at_least: bool = False  # the limit is a minimum
    runs: tuple[float, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.reference else self.value / self.reference

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"ratio": self.ratio, "reached": self.reached}


def median(bar: str, what: str, runs: Sequence[float], unit: str, **more: Any) -> Figure:
    """A figure that is the median of several runs, which are kept beside it."""
    return Figure(bar, what, statistics.median(runs), unit, runs=tuple(round(run, 4) for run in runs), **more)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows: list[tuple[str, ...]] = [
        ("bar", "what", "measured", "floor or bare app", "ratio", "limit", "reached", "note")
    ]
    rows += [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def as_json(figures: Iterable[Figure]) -> str:
    return json.dumps([figure.as_json() for figure in figures], indent=1, ensure_ascii=False)


def _row(figure: Figure) -> tuple[str, ...]:
    limit = "" if figure.limit is None else f"{'≥' if figure.at_least else '≤'} {figure.limit:g} {figure.unit}"
    reached = "" if figure.reached is None else "yes" if figure.reached else "NO"
    return (
        figure.bar,
        figure.what,
        f"{figure.value:.4g} {figure.unit}".strip(),
        "" if figure.reference is None else f"{figure.reference:.4g} {figure.unit}".strip(),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        limit.strip(),
        reached,
        figure.note,
    )
