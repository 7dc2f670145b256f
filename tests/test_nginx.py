"""A real nginx with the configuration of deploy/ in front of the real service: what it lets through and what not."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

from tests.conftest import Json, need_program, scale
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.raw_http import PATIENCE_SECONDS, Caller, answer_to, ask, request_bytes
from tests.service import Service, free_port, ready
from tests.stories import story
from tests.test_hostile_requests import CASES, MARK, Hostile

SHIPPED = REPOSITORY / "deploy" / "nginx"
ONE, SEVERAL = "upstream.conf", "upstream-compose.conf"
AT_ONCE = 20  # hostile requests at a time


class Nginx:
    """nginx with our configuration on a free port before the instances at those ports, its files in `folder`."""

    def __init__(self, instances: int | tuple[int, int], folder: Path, **changes: str) -> None:
        self._program = need_program("nginx")
        self.port = free_port()
        self._folder = folder
        self._arguments = [self._program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        (folder / "nginx.conf").write_text(self._configuration(changes), "utf-8")
        (folder / "upstream.conf").write_text(upstream(instances), "utf-8")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=PATIENCE_SECONDS)

    def _configuration(self, changes: dict[str, str]) -> str:
        """The file as it is shipped, with places and ports of our own."""
        places = {
            "user www-data;": "user root;" if os.getuid() == 0 else "",
            "/run/nginx.pid": f"{self._folder}/nginx.pid",
            "/var/log/nginx": str(self._folder),
            "/var/lib/nginx": str(self._folder),
            "worker_processes auto": "worker_processes 1",
            "listen 80 default_server": f"listen 127.0.0.1:{self.port} default_server",
            "    listen [::]:80 default_server;\n": "",
            "/etc/nginx/upstream.conf": f"{self._folder}/upstream.conf",
        }
        return changed((SHIPPED / "nginx.conf").read_text("utf-8"), places | changes)

    def test(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._arguments, "-t"], capture_output=True, text=True, check=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([*self._arguments, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._listens():
            assert self._process.poll() is None and time.monotonic() < until, self.log()
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=PATIENCE_SECONDS)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def log(self) -> str:
        path = self._folder / "error.log"
        return path.read_text("utf-8", "replace") if path.is_file() else ""

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True


def upstream(instances: int | tuple[int, int]) -> str:
    """The shipped file for one or for several instances, with those at these ports of this machine."""
    if isinstance(instances, int):
        return changed((SHIPPED / ONE).read_text("utf-8"), {"127.0.0.1:8000": f"127.0.0.1:{instances}"})
    places = {f"172.30.61.{11 + i}:8000": f"127.0.0.1:{port}" for i, port in enumerate(instances)}
    return changed((SHIPPED / SEVERAL).read_text("utf-8"), places)


def changed(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, f"{before} is not in the configuration"
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=20_000) as providers:
        yield providers


@pytest.fixture(scope="module")
def service(fake: FakeProviders) -> Iterator[Service]:
    need_program("nginx")
    with Service(fake, image_concurrency=1, trusted_proxies="127.0.0.1") as started:
        yield started


@pytest.fixture(scope="module")
def nginx(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    quick = {"client_header_timeout 10s": f"client_header_timeout {scale(1, 10)}s"}
    with Nginx(service.port, tmp_path_factory.mktemp("nginx"), **quick) as started:
        yield started


def test_the_configuration_is_one_that_nginx_takes(nginx: Nginx) -> None:
    tested = nginx.test()

    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


# --- The whole job ---------------------------------------------------------------------------------------------


def test_the_whole_job_is_done_through_nginx(nginx: Nginx, fake: FakeProviders) -> None:
    client = nginx.client
    document = {"file": ("story.txt", story(1, 3).encode(), "text/plain")}
    text = client.post("/upload", files=document).raise_for_status().json()["story_text"]
    accepted = client.post(
        "/generate", json={"story_text": text, "num_scenes": 3}, headers={"X-Request-ID": "the-job1"}
    )
    session_id = accepted.json()["session_id"]
    with client.stream("GET", f"/events/{session_id}") as stream:
        names = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
    state = client.get(accepted.headers["location"]).json()
    approved = client.post("/approve", json={"session_id": session_id, "approved_scenes": [0, 2]}).json()
    zipped = client.post("/download", json={"session_id": session_id}).raise_for_status()
    archive = zipfile.ZipFile(io.BytesIO(zipped.content))

    assert (accepted.status_code, accepted.headers["x-request-id"]) == (202, "the-job1")
    assert (state["status"], ready(state)) == ("completed", 3)
    assert (names[0], names[-1]) == ("scene", "done")
    assert approved["download_status"] == "ready"
    assert archive.testzip() is None
    assert sum(name.startswith("scene_") for name in archive.namelist()) == 2
    assert client.get(state["scenes"][0]["image_url"]).headers["content-type"] == "image/jpeg"
    assert "style.css" in client.get("/").text
    assert accepted.headers["server"] == "nginx"
    assert accepted.headers["x-content-type-options"] == "nosniff"
    assert fake.counts()["violations"] == []


def test_each_event_arrives_when_it_happens(nginx: Nginx, service: Service, fake: FakeProviders) -> None:
    fake.control(image_ms=1000)
    session_id = service.generate(story(2, 3), num_scenes=3)
    left: list[int] = []  # scenes without a picture, at the moment a picture is announced
    with nginx.client.stream("GET", f"/events/{session_id}") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and json.loads(line.removeprefix("data: ")).get("image_url"):
                left.append(3 - ready(service.status(session_id)))
    fake.control(image_ms=0)

    assert left == [2, 1, 0]


# --- What does not get through ---------------------------------------------------------------------------------


async def test_huge_headers_are_refused(nginx: Nginx) -> None:
    huge = b"GET /health HTTP/1.1\r\nHost: test\r\nX-Filler: " + b"a" * 20_000_000 + b"\r\n\r\n"
    many = b"GET /health HTTP/1.1\r\nHost: test\r\n" + b"X-Filler: abcdefghij\r\n" * 1_000_000 + b"\r\n"
    address = b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n"

    answers = [await ask(nginx.port, sent) for sent in (huge, many, address)]

    for answer in answers:
        assert answer is not None
        answer.problem()
    assert [answer.status for answer in answers if answer] == [431, 431, 414]


async def test_half_headers_are_closed(nginx: Nginx, service: Service) -> None:
    before = service.open_files()
    half = b"POST /generate HTTP/1.1\r\nHost: test\r\nContent-Ty"
    callers = [await Caller.connect(nginx.port, half) for _ in range(scale(50, 200))]

    healthy = await answer_to(nginx.port, request_bytes("GET", b"/health"))
    received = await asyncio.gather(*(caller.closed() for caller in callers))

    assert healthy.status == 200
    assert not any(received)
    assert service.open_files() <= before + 2  # none of them got as far as the service


UNPARSABLE = {
    "noise": b"\x00\x01\x02\x03\r\n\r\n",
    "one word": b"GARBAGE\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "another HTTP": b"GET / HTTP/9.9\r\nHost: test\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a bad host": b"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n",
    "small letters": b"get / HTTP/1.1\r\nHost: test\r\n\r\n",
    "a null byte": b"GET /\x00 HTTP/1.1\r\nHost: test\r\n\r\n",
    "above the root": b"GET /../../etc/passwd HTTP/1.1\r\nHost: test\r\n\r\n",
    "a length of words": b"POST /generate HTTP/1.1\r\nHost: test\r\nContent-Length: ten\r\n\r\n",
    "a negative length": b"POST /generate HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /generate HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "length and chunks": b"POST /generate HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunks": b"POST /generate HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "an unknown coding": b"POST /generate HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: zqxmark\r\n\r\n",
    "a header that is none": b"GET / HTTP/1.1\r\nHost: test\r\nzqxmark\x00: 1\r\n\r\n",
}


@pytest.mark.parametrize("sent", UNPARSABLE.values(), ids=UNPARSABLE)
async def test_what_cannot_be_parsed_is_refused_with_a_problem_document(nginx: Nginx, sent: bytes) -> None:
    answer = await answer_to(nginx.port, sent)
    document = answer.problem()

    assert 400 <= answer.status < 500
    assert MARK not in answer.body.decode()
    assert answer.headers["server"] == "nginx"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert document["retryable"] is False


@pytest.mark.parametrize("sent", UNPARSABLE.values(), ids=UNPARSABLE)
async def test_without_nginx_the_service_refuses_them_in_the_same_shape(service: Service, sent: bytes) -> None:
    answer = await answer_to(service.port, sent.replace(b"\r\nHost", b"\r\nConnection: close\r\nHost", 1))
    if sent in (UNPARSABLE["another HTTP"], UNPARSABLE["a bad host"]):  # h11 is less strict than nginx
        assert answer.status == 200
        return

    assert 400 <= answer.status < 500
    assert MARK not in answer.body.decode()
    assert answer.problem()["retryable"] is False
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_hostile_requests_are_refused_through_nginx_too(nginx: Nginx, service: Service) -> None:
    session_id = service.wait(service.generate(story(3, 1), num_scenes=1))["session_id"]
    gate = asyncio.Semaphore(AT_ONCE)

    async def refused(case: Hostile) -> str | None:
        target, body = (part.replace(b"SESSION", session_id.encode()) for part in (case.target, case.body))
        async with gate:
            answer = await ask(nginx.port, request_bytes(case.method, target, body, case.headers))
        if answer is None or not 400 <= answer.status < 500:
            return f"{case.name}: {answer and answer.status}"
        if case.method != "HEAD":
            answer.problem()
            assert MARK not in answer.body.decode(), case.name
        return None

    unfit = [case for case in await asyncio.gather(*map(refused, CASES)) if case]

    assert unfit == []
    assert nginx.client.get("/health").status_code == 200


def test_a_body_that_is_too_large_is_refused_by_either(nginx: Nginx) -> None:
    for path, size in (("/generate", 1_000_001), ("/upload", 20_100_000), ("/nowhere", 2_000_000)):
        answer = nginx.client.post(path, content=b"a" * size)

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_caller_cannot_choose_the_address_it_is_counted_by(tmp_path: Path) -> None:
    body = {"story_text": story(4, 1), "num_scenes": 1}
    need_program("nginx")
    with (
        Service(folder=tmp_path, trusted_proxies="127.0.0.1", rate_limit="3/hour") as service,
        Nginx(service.port, tmp_path) as nginx,
    ):
        forged = [
            {
                "X-Forwarded-For": f"10.0.0.{number}",
                "X-Real-IP": f"10.0.1.{number}",
                "Forwarded": f"for=10.0.2.{number}",
            }
            for number in range(10)
        ]
        answers = [nginx.client.post("/analyze", json=body, headers=headers) for headers in forged]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 7
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers[3:])


def test_a_service_that_is_away_is_a_problem_document_too(tmp_path: Path) -> None:
    need_program("nginx")
    with Nginx(free_port(), tmp_path) as nginx:
        answer = nginx.client.post("/generate", json={}, headers={"X-Request-ID": "away-1234"})
        document: Json = answer.json()

    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
    assert (document["code"], document["retryable"]) == ("service_unavailable", True)
    assert document["request_id"] == answer.headers["x-request-id"] == "away-1234"
    assert answer.headers["retry-after"] == "5"
