"""A real nginx in front of two instances of the real service: who answers, what is sent again and what never is."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import need_program
from tests.fake_providers import FakeProviders
from tests.raw_http import PATIENCE_SECONDS
from tests.service import Service, ready
from tests.stories import story
from tests.test_nginx import Nginx

ELSEWHERE = "127.0.0.9"  # a caller that is not nginx's own machine
ESTABLISHED = "01"  # in /proc/net/tcp
BODY = {"story_text": story(5, 1), "num_scenes": 1}


@dataclass(frozen=True)
class Pair:
    """Two instances, each with a folder of its own, and the nginx before them."""

    first: Service
    second: Service
    nginx: Nginx

    def counted(self, method: str, route: str) -> list[int]:
        """How many such requests each instance has answered, as it says itself."""
        return [counted(service, method, route) for service in (self.first, self.second)]

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        """One request over a connection of its own."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.nginx.port}{path}",
            trust_env=False,
            timeout=PATIENCE_SECONDS,
            json=more or None,
        )


def counted(service: Service, method: str, route: str) -> int:
    families = text_string_to_metric_families(service.client.get("/metrics").text)
    wanted = {"method": method, "route": route}
    return sum(
        int(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == "story_http_requests_total" and wanted.items() <= sample.labels.items()
    )


@contextmanager
def opened(folder: Path, fake: FakeProviders | None = None, **settings: int | str) -> Iterator[Pair]:
    need_program("nginx")
    chosen: dict[str, int | str] = {"trusted_proxies": "127.0.0.1", "image_concurrency": 1, **settings}
    folders = [folder / name for name in ("first", "second", "nginx")]
    for each in folders:
        each.mkdir()
    with (
        Service(fake, folder=folders[0], **chosen) as first,
        Service(fake, folder=folders[1], **chosen) as second,
        Nginx((first.port, second.port), folders[2]) as nginx,
    ):
        yield Pair(first, second, nginx)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=20_000) as providers:
        yield providers


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory: pytest.TempPathFactory, fake: FakeProviders) -> Iterator[Pair]:
    with opened(tmp_path_factory.mktemp("pair"), fake) as both:
        yield both


@pytest.fixture
def pair(opened_once: Pair) -> Iterator[Pair]:
    """Both in service; what a test has killed is started again and taken up by nginx."""
    yield opened_once
    for service in (opened_once.first, opened_once.second):
        if not service.running:
            service.start()
            wait_until_asked(opened_once, service)


def unanswered(port: int) -> int:
    """How many connections to that port have sent what nobody has read yet."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED]
    return sum(int(row[4].split(":")[1], 16) > 0 for row in mine)


def wait_until_sent(port: int, requests: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while unanswered(port) < requests:
        assert time.monotonic() < until, "the requests did not arrive"
        time.sleep(0.01)


def wait_until_asked(pair: Pair, service: Service) -> None:
    """Until nginx hands requests to that instance again; every one of them is answered."""
    before, until = counted(service, "GET", "/models"), time.monotonic() + PATIENCE_SECONDS
    while counted(service, "GET", "/models") == before:
        assert pair.ask("GET", "/models").status_code == 200
        assert time.monotonic() < until, "nginx does not ask it"


def test_the_configuration_for_several_is_one_that_nginx_takes(pair: Pair) -> None:
    tested = pair.nginx.test()

    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


def test_requests_go_to_both_in_turn(pair: Pair) -> None:
    before = pair.counted("GET", "/models")
    answers = [pair.ask("GET", "/models") for _ in range(20)]
    after = pair.counted("GET", "/models")

    assert {answer.status_code for answer in answers} == {200}
    assert [late - early for late, early in zip(after, before, strict=True)] == [10, 10]


def test_events_pass_through_as_they_happen_from_either(pair: Pair, fake: FakeProviders) -> None:
    fake.control(image_ms=1000)
    for number, service in enumerate((pair.first, pair.second)):
        session_id = service.generate(story(6 + number, 3), num_scenes=3)
        left: list[int] = []  # scenes without a picture, at the moment a picture is announced
        for _ in range(2):  # the other instance does not know the session: each keeps its own here
            with pair.nginx.client.stream("GET", f"/events/{session_id}") as stream:
                for line in stream.iter_lines() if stream.status_code == 200 else ():
                    if line.startswith("data: ") and json.loads(line.removeprefix("data: ")).get("image_url"):
                        left.append(3 - ready(service.status(session_id)))
            if left:
                break
        assert left == [2, 1, 0]
    fake.control(image_ms=0)


def test_reads_and_new_work_go_on_when_an_instance_is_gone(pair: Pair) -> None:
    pair.ask("GET", "/models")
    pair.ask("GET", "/models")  # nginx keeps a connection to either

    pair.first.kill()
    reads = [pair.ask("GET", "/models") for _ in range(40)]
    before = counted(pair.second, "POST", "/generate")
    accepted = [pair.ask("POST", "/generate", **BODY, seed=number) for number in range(4)]

    assert {answer.status_code for answer in reads} == {200}
    assert {answer.status_code for answer in accepted} == {202}
    assert counted(pair.second, "POST", "/generate") - before == 4


def test_an_instance_that_is_back_is_asked_again(pair: Pair) -> None:
    pair.first.kill()
    assert {pair.ask("GET", "/models").status_code for _ in range(4)} == {200}

    pair.first.start()

    wait_until_asked(pair, pair.first)


def test_no_read_fails_while_the_instances_are_restarted_in_turn(pair: Pair) -> None:
    statuses = set()
    with ThreadPoolExecutor(1) as pool:
        restarted = pool.submit(restart_in_turn, pair)
        while not restarted.done():
            statuses.add(pair.ask("GET", "/models").status_code)
        restarted.result()

    assert statuses == {200}


def restart_in_turn(pair: Pair) -> None:
    """As the runbook says: the next one when nginx asks the one before again."""
    for service in (pair.first, pair.second):
        service.stop()
        service.start()
        wait_until_asked(pair, service)


def test_work_that_was_sent_is_never_sent_again(pair: Pair) -> None:
    """Both get a story; the first is frozen with it and dies: its caller is told, the other never sees that story."""
    before = counted(pair.second, "POST", "/generate")
    os.kill(pair.first.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(pair.ask, "POST", "/generate", **BODY, seed=number) for number in range(2)]
        wait_until_sent(pair.first.port, 1)
        pair.first.kill()
        answers = sorted((future.result() for future in sent), key=lambda answer: answer.status_code)

    assert [answer.status_code for answer in answers] == [202, 502]
    assert answers[1].headers["content-type"] == "application/problem+json"
    assert counted(pair.second, "POST", "/generate") - before == 1


def test_a_read_that_an_instance_took_to_its_grave_is_answered_by_the_other(pair: Pair) -> None:
    os.kill(pair.first.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(pair.ask, "GET", "/models") for _ in range(2)]
        wait_until_sent(pair.first.port, 1)
        pair.first.kill()
        answers = [future.result() for future in asked]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_callers_are_told_apart_by_their_own_address(tmp_path: Path) -> None:
    body = {"story_text": story(4, 1), "num_scenes": 1}
    with opened(tmp_path, rate_limit="3/hour") as pair:
        url = pair.nginx.url("/analyze")
        forged = [pair.nginx.client.post(url, json=body, headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(10)]
        with httpx.Client(transport=httpx.HTTPTransport(local_address=ELSEWHERE)) as another:
            fresh = [another.post(url, json=body).status_code for _ in range(2)]

    # Each instance counts for itself: three of the five that it got.
    assert [answer.status_code for answer in forged] == [200] * 6 + [429] * 4
    assert fresh == [200, 200]


@pytest.mark.parametrize("path", ["/metrics", "/debug/config", "/debug/sessions"])
def test_what_is_for_the_operator_is_not_shown_outside(pair: Pair, path: str) -> None:
    url = pair.nginx.url(path)
    with httpx.Client(transport=httpx.HTTPTransport(local_address=ELSEWHERE)) as outside:
        refused = outside.get(url)
        nowhere = outside.get(pair.nginx.url("/debug"))

    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert refused.headers["content-type"] == "application/problem+json"
    assert nowhere.status_code == 404
    assert pair.nginx.client.get(path).status_code == 200
