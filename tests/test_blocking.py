"""Nothing of the service waits for a disk, a socket or a clock on the event loop, over a whole job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from blockbuster import blockbuster_ctx

from main import create_app
from tests.conftest import Json, client_of, finished, plain_settings
from tests.fake_providers import FakeProviders
from tests.stories import story

OURS = ["main", "business_logic", "ai_services", "session_manager", "utils", "adapters"]
MAY_BLOCK = {
    "main.py": {"create_app"},  # before all requests
    "adapters/sqlite_journal.py": {"start", "close"},  # before and after them
    "adapters/wiring.py": {"open_studio", "recover", "take_back"},
    "adapters/metrics.py": {"render"},  # of /proc, which waits for nothing
}


@pytest.fixture(autouse=True)
def _blocking_calls_raise() -> Iterator[None]:
    with blockbuster_ctx(scanned_modules=OURS) as blocking:
        for function in blocking.functions.values():
            for file, names in MAY_BLOCK.items():
                function.can_block_in(file, names)
        yield


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The application with its own lifespan, beside fake providers."""
    with FakeProviders(picture_bytes=20_000) as fake:
        keys = {name.lower(): value for name, value in fake.env().items()}
        app = create_app(plain_settings(tmp_path / "projects", **keys))
        async with app.router.lifespan_context(app), client_of(app) as opened:
            yield opened


async def test_a_whole_job_blocks_nobody(client: httpx.AsyncClient) -> None:
    body = {"story_text": story(1, 4), "num_scenes": 4}
    await said(client, "POST", "/analyze", body)
    await said(client, "POST", "/analyze", {"story_text": story(2, 40)})  # read in a thread
    upload = await client.post("/upload", files={"file": ("story.txt", story(3, 3).encode())})
    session = (await said(client, "POST", "/generate", body))["session_id"]
    first = await finished(client, session)
    scenes = f"/sessions/{session}/scenes"
    await said(client, "PATCH", f"{scenes}/0", {"image_prompt": "A castle in heavy snow at night"})
    await said(client, "POST", f"{scenes}/1/split", {"at": await border_in(client, f"{scenes}/1")})
    await said(client, "POST", f"{scenes}/1/merge")
    await said(client, "POST", f"{scenes}/0/move", {"to": 1})
    await said(client, "PATCH", f"/sessions/{session}/bible", {"style": "woodcut"})
    await said(client, "POST", "/regenerate", {"session_id": session, "scene_number": 3})
    await finished(client, session)
    await said(client, "POST", "/continue", {"session_id": session})
    second = await finished(client, session)
    await said(client, "POST", "/approve", {"session_id": session, "approved_scenes": [0, 1]})
    zipped = await client.post("/download", json={"session_id": session})
    picture = await client.get(second["scenes"][0]["image_url"])
    events = await client.get(f"/events/{session}")
    for path in ("/health", "/health/ready", "/metrics", "/projects", f"/projects/{session}", "/models", "/", "/docs"):
        assert (await client.get(path)).is_success, path
    await said(client, "GET", "/debug/sessions")
    gone = await client.delete(f"/sessions/{session}")

    assert first["status"] == second["status"] == "completed"
    for answer in (upload, zipped, picture, events, gone):
        assert answer.is_success, answer.text


async def test_a_cancelled_job_blocks_nobody(client: httpx.AsyncClient) -> None:
    session = (await said(client, "POST", "/generate", {"story_text": story(4, 4), "num_scenes": 4}))["session_id"]
    await said(client, "POST", "/cancel", {"session_id": session})
    await said(client, "POST", "/continue", {"session_id": session})

    assert (await finished(client, session))["status"] == "completed"


async def said(client: httpx.AsyncClient, method: str, path: str, body: Json | None = None) -> Json:
    answer = await client.request(method, path, json=body)
    assert answer.is_success, answer.text
    found: Json = answer.json()
    return found


async def border_in(client: httpx.AsyncClient, scene: str) -> int:
    """An offset at which that scene can be cut: after its first sentence."""
    found = await said(client, "GET", scene)
    text: str = found["text"]
    return int(found["start"]) + text.index(". ") + 2
