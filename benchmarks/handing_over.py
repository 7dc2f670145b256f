"""How quickly a project is handed over: the ZIP of forty large pictures, beside `zip -0` of the same files."""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.figures import Figure, median
from tests.fake_providers import FakeProviders
from tests.service import Service, memory_mb, ready
from tests.stories import story

PICTURES = 40
PICTURE_BYTES = 2_700_000
LEAST_OF_ZIP = 0.9  # of its speed


def measure(*, quick: bool = False) -> list[Figure]:
    if shutil.which("zip") is None:
        raise RuntimeError("zip is not installed: scripts/system-packages installs what is measured against")
    with (
        FakeProviders(image_ms=50, picture_bytes=PICTURE_BYTES) as fake,
        Service(fake, image_concurrency=8) as service,
    ):
        session_id = service.generate(story(1, PICTURES), num_scenes=PICTURES)
        state = service.wait(session_id)
        if ready(state) != PICTURES:
            raise RuntimeError(f"only {ready(state)} of {PICTURES} pictures: {state['error']}")
        before = memory_mb(service.pid)
        Path(f"/proc/{service.pid}/clear_refs").write_text("5")  # the peak starts anew
        pairs = [(_download(service, session_id, "zip"), _zip(service, session_id)) for _ in range(3 if quick else 9)]
        page = [_download(service, session_id, "html") for _ in range(2 if quick else 3)]
        most = memory_mb(service.pid, "VmHWM") - before
    ours, theirs = zip(*pairs, strict=True)
    return [
        median("handing-over", "the ZIP of 40 × 2.7 MB", ours, "s", reference=statistics.median(theirs)),
        median(
            "handing-over",
            "… its speed against zip -0",
            [zipped / downloaded for downloaded, zipped in pairs],
            "×",
            limit=LEAST_OF_ZIP,
            at_least=True,
        ),
        median("handing-over", "the reading page of them", page, "s"),
        Figure("handing-over", "… and peak memory beyond what it had", most, "MB"),
    ]


def _download(service: Service, session_id: str, kind: str) -> float:
    """Seconds from the request to the last byte in a file; a bare socket, since an HTTP library would be measured."""
    body = json.dumps({"session_id": session_id, "format": kind}).encode()
    head = (
        f"POST /download HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    buffer = memoryview(bytearray(1024 * 1024))
    target = service.folder / f"taken.{kind}"
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", service.port)) as connection, target.open("wb") as file:
        connection.sendall(head.encode() + body)
        while count := connection.recv_into(buffer):
            file.write(buffer[:count])
    seconds = time.perf_counter() - began
    taken = target.stat().st_size
    target.unlink()
    if taken < PICTURES * PICTURE_BYTES:
        raise RuntimeError(f"only {taken} bytes of the {kind}")
    return seconds


def _zip(service: Service, session_id: str) -> float:
    """Seconds `zip -0` takes for the session's pictures."""
    target = service.folder / "theirs.zip"
    pictures = sorted((service.folder / "projects" / session_id / "images").iterdir())
    began = time.perf_counter()
    subprocess.run(["zip", "-0", "-q", "-j", str(target), *map(str, pictures)], check=True)
    seconds = time.perf_counter() - began
    Path(target).unlink()
    return seconds
