"""Turns the stories in `examples/` into finished ZIPs, offline and without keys, and prints where they are."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from adapters.metrics import Metrics  # noqa: E402 (the project is not installed as a package)
from adapters.wiring import open_studio  # noqa: E402
from business_logic import Studio  # noqa: E402
from config import Settings  # noqa: E402
from models import ENDED, ApproveRequest, DownloadRequest, GenerateRequest, MediaType, Session  # noqa: E402

LOOKS: tuple[MediaType, ...] = ("cinematic", "cartoon", "artistic", "realistic")
SUFFIXES = (".txt", ".fountain")
WIDTH = 40
OWNER = "local"


@dataclass
class Bar:
    """A line that says how far we are; a dozen lines are cheaper than one more dependency."""

    total: int
    done: int = 0

    def show(self, words: str) -> None:
        filled = WIDTH * self.done // max(1, self.total)
        line = f"[{'█' * filled}{'·' * (WIDTH - filled)}] {self.done}/{self.total} {words[:40]:40}"
        end = "\r" if sys.stdout.isatty() and self.done < self.total else "\n"
        print(line, end=end, flush=True)


async def main() -> int:
    """Draw every example; 0 when each became a ZIP."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "demo-output", help="where the ZIPs go")
    parser.add_argument("--examples", type=Path, default=ROOT / "examples", help="where the stories are")
    options = parser.parse_args()
    stories = sorted(path for path in options.examples.iterdir() if path.suffix in SUFFIXES)
    options.output.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="story-demo-") as folder:
        settings = Settings(
            openrouter_api_key=None, runware_api_key=None, api_keys={}, environment="development",
            cors_origins=(), projects_dir=Path(folder), max_sessions=max(100, len(stories)), daily_budget_usd=None,
        )  # fmt: skip
        async with open_studio(settings, Metrics()) as studio:
            zips = await draw_all(studio, stories, options.output)
    for path in zips:
        print(f"{path}  ({path.stat().st_size // 1000} kB)")
    return 0 if len(zips) == len(stories) else 1


async def draw_all(studio: Studio, stories: list[Path], output: Path) -> list[Path]:
    """Start every story, watch all of them in one bar, and save what each became."""
    sessions = [await start(studio, story, LOOKS[number % len(LOOKS)]) for number, story in enumerate(stories)]
    bar = Bar(total=sum(len(session.scenes) for session in sessions))
    bar.show("offline drafts")
    await asyncio.gather(*(watch(studio, session.session_id, bar) for session in sessions))
    pairs = zip(stories, sessions, strict=True)
    return [await save(studio, session.session_id, output / f"{story.stem}.zip") for story, session in pairs]


async def start(studio: Studio, story: Path, look: MediaType) -> Session:
    request = GenerateRequest(story_text=story.read_text("utf-8"), media_type=look)
    accepted = await studio.generate(OWNER, request)
    return await studio.owned(OWNER, accepted.session_id)


async def watch(studio: Studio, session_id: str, bar: Bar) -> None:
    ready: set[str] = set()
    session = await studio.owned(OWNER, session_id)
    while True:
        for scene in session.scenes:
            if scene.status == "ready" and scene.scene_id not in ready:
                ready.add(scene.scene_id)
                bar.done += 1
                bar.show(f"{session.title}: {scene.title}")
        if session.status in ENDED:
            return
        session = await studio.store.wait(session_id, session.version, 60)


async def save(studio: Studio, session_id: str, path: Path) -> Path:
    """Approve every scene and write the ZIP."""
    session = await studio.owned(OWNER, session_id)
    numbers = [scene.scene_number for scene in session.scenes if scene.current is not None]
    await studio.approve(OWNER, ApproveRequest(session_id=session_id, approved_scenes=numbers))
    download = await studio.download(OWNER, DownloadRequest(session_id=session_id))
    with path.open("wb") as file:
        for chunk in download.chunks:
            file.write(chunk)
    return path


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
