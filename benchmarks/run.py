"""Every bar of `docs/performance.md`, measured in one go beside its floor or a bare app.

python -m benchmarks.run                 all of them, about a quarter of an hour
python -m benchmarks.run pace startup    some of them
python -m benchmarks.run --quick --json figures.json
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    crowd,
    drafts,
    flat,
    fleet,
    footprint,
    handing_over,
    pace,
    page,
    promises,
    reading,
    repeats,
    splitting,
    startup,
)
from benchmarks.figures import Figure, as_json, table

BARS: dict[str, Callable[..., list[Figure]]] = {
    "pace": pace.measure,
    "drafts": drafts.measure,
    "reading": reading.measure,
    "repeats": repeats.measure,
    "footprint": footprint.measure,
    "handing-over": handing_over.measure,
    "startup": startup.measure,
    "splitting": splitting.measure,
    "promises": promises.measure,
    "crowd": crowd.measure,
    "flat": flat.measure,
    "page": page.measure,
    "fleet": fleet.measure,
}


def main() -> int:
    """0 when every bar is reached, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bars", nargs="*", metavar="bar", help=f"of {', '.join(BARS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if unknown := set(options.bars) - BARS.keys():
        parser.error(f"there is no bar {', '.join(sorted(unknown))}")
    figures, broken = _measure(options.bars or list(BARS), quick=options.quick)
    print(table(figures))
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores, load at the end {load}")
    if options.json:
        options.json.write_text(as_json(figures), encoding="utf-8")
    return 1 if broken or any(figure.reached is False for figure in figures) else 0


def _measure(bars: list[str], *, quick: bool) -> tuple[list[Figure], bool]:
    """All figures, and whether a benchmark broke off: one that does must not hide the others."""
    figures: list[Figure] = []
    broken = False
    for bar in bars:
        print(f"measuring {bar} …", file=sys.stderr, flush=True)
        try:
            figures += BARS[bar](quick=quick)
        except Exception:
            broken = True
            traceback.print_exc()
    return figures, broken


if __name__ == "__main__":
    raise SystemExit(main())
