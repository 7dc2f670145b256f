"""How soon the page is usable after the server's answer, in a real Chromium with nothing cached."""

from __future__ import annotations

import shutil
import statistics

from playwright.sync_api import sync_playwright

from benchmarks.figures import Figure
from tests.service import Service

USABLE = """() => new Promise((done) => {
  const told = () => {
    if (document.documentElement.classList.contains("loading")) return requestAnimationFrame(told);
    done(performance.now() - performance.getEntriesByType("navigation")[0].responseEnd);
  };
  told();
})"""


def measure(*, quick: bool = False) -> list[Figure]:
    loads = 5 if quick else 15
    with Service() as service, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        took: list[float] = []
        for _ in range(loads + 1):  # the first also starts what Chromium starts late
            tab = chromium.new_context().new_page()
            tab.goto(f"http://127.0.0.1:{service.port}/", wait_until="commit")
            took.append(float(tab.evaluate(USABLE)))
            tab.context.close()
        chromium.close()
    middle, slowest = statistics.median(took[1:]), max(took[1:])
    note = f"median of {loads} loads, slowest {slowest:.0f} ms"
    return [Figure("page", "usable after the server's answer", middle, "ms", limit=300, note=note)]
