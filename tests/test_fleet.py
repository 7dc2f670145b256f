"""Many instances, many workers, one Redis: any of them may die at any moment, and nothing is lost or paid twice."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.checks import PATIENCE_SECONDS, check_listed, check_pictures, drawings_under_way, until
from tests.conftest import need_program, scale
from tests.fake_providers import FakeProviders
from tests.fleet import LEASE_SECONDS, Fleet
from tests.s3_server import KEYS, S3Server
from tests.service import ENDED, Json, Service, Worker, ready
from tests.stories import story
from tests.tcp_link import TcpLink

SCENES = 4


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=20_000) as fake:
        yield fake


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    need_program("redis-server")
    providers.reset()
    providers.control(clear_faults=True, text_ms=60, image_ms=250, spread=0)
    return providers


def begin(fleet: Fleet, first: int, count: int) -> list[str]:
    """Start sessions, at each instance in turn."""
    instances = fleet.instances
    return [
        instances[n % len(instances)].generate(story(first + 10 * n, SCENES), num_scenes=SCENES) for n in range(count)
    ]


def check_all(service: Service, fake: FakeProviders, ids: list[str], *, scenes: int = SCENES) -> list[Json]:
    """Every session ends with all of its pictures, and each is paid once."""
    states = service.wait_all(ids, patience=PATIENCE_SECONDS)
    counts = fake.counts()

    assert [(state["status"], ready(state)) for state in states] == [("completed", scenes)] * len(ids)
    assert (counts["pictures_paid"], counts["pictures_paid_twice"]) == (scenes * len(ids), 0)
    assert counts["violations"] == []
    return states


# --- Any instance answers for any session ----------------------------------------------------------------------


def test_any_instance_answers_for_any_session(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        one, two = fleet.instances
        ids = begin(fleet, 100_000, 4)
        states = check_all(two, fake, ids)

        assert [one.status(session_id) for session_id in ids] == states
        for service in fleet.instances:
            for state in states:  # the pictures' addresses are signed with one key
                for scene in state["scenes"]:
                    assert service.client.get(scene["image_url"]).raise_for_status().headers["content-type"]
        drawn = [worker.client.get("/metrics").text.count('outcome="ok"') for worker in fleet.workers]
        assert all(drawn)  # both have worked
        logs = "".join(server.log() for server in [*fleet.instances, *fleet.workers])
        assert fleet.redis.password not in logs
        spent = sum(fake.counts()["usd"].values())
        assert sum(state["cost_usd"] for state in states) == pytest.approx(spent, abs=1e-6)


def test_live_events_and_edits_go_through_any_instance(fake: FakeProviders) -> None:
    fake.control(image_ms=400)
    with Fleet(fake) as fleet:
        one, two = fleet.instances
        session_id = one.generate(story(101_000, SCENES), num_scenes=SCENES)
        events = []
        with two.client.stream("GET", f"/events/{session_id}") as stream:
            events += [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
        body = {"session_id": session_id, "scene_number": 1, "image_prompt": "a red kite over the harbour"}
        two.client.post("/regenerate", json=body).raise_for_status()
        state = one.wait(session_id)

        assert events[-1] == "done"
        assert events.count("scene") > SCENES
        assert state["scenes"][1]["attempts"] == 2
        assert (fake.counts()["pictures_paid"], fake.counts()["pictures_paid_twice"]) == (SCENES + 1, 0)
        one.client.post("/approve", json={"session_id": session_id, "approved_scenes": [0, 1]}).raise_for_status()
        assert [project["project_id"] for project in two.client.get("/projects").json()["projects"]] == [session_id]
        two.client.delete(f"/sessions/{session_id}").raise_for_status()
        assert one.client.get(f"/status/{session_id}").status_code == 404


def test_one_key_over_all_instances_is_one_session(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        body = {"story_text": story(102_000, 2), "num_scenes": 2, "consistency": "prompt"}

        def post(number: int) -> httpx.Response:
            client = fleet.instances[number % 2].client
            return client.post("/generate", json=body, headers={"Idempotency-Key": "one"})

        with ThreadPoolExecutor(20) as callers:
            answers = list(callers.map(post, range(20)))
        ids = {answer.raise_for_status().json()["session_id"] for answer in answers}
        other = fleet.instances[1].client.post(
            "/generate", json=body | {"num_scenes": 1}, headers={"Idempotency-Key": "one"}
        )

        assert len(ids) == 1
        assert other.status_code == 422
        check_all(fleet.instances[0], fake, list(ids), scenes=2)


def test_the_same_story_twice_is_paid_once_wherever_it_is_drawn(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        text = story(103_000, SCENES)
        ids = [
            fleet.instances[number % 2].generate(text, num_scenes=SCENES, seed=7, consistency="references")
            for number in range(4)
        ]
        states = fleet.instances[0].wait_all(ids)
        counts = fake.counts()

        assert [ready(state) for state in states] == [SCENES] * 4
        assert (counts["pictures_paid_twice"], counts["text_paid_twice"], counts["violations"]) == (0, 0, [])


def test_callers_are_limited_and_money_is_capped_over_all_instances(fake: FakeProviders) -> None:
    fake.control(image_ms=50)
    with Fleet(fake, rate_limit="10/minute", daily_budget_usd="0.005") as fleet:
        bodies = [{"story_text": story(104_000 + n, 3), "num_scenes": 3, "consistency": "prompt"} for n in range(20)]
        answers = [fleet.instances[n % 2].client.post("/generate", json=body) for n, body in enumerate(bodies)]
        ids = [answer.json()["session_id"] for answer in answers if answer.status_code == 202]
        states = fleet.instances[0].wait_all(ids)

        assert 429 in [answer.status_code for answer in answers[10:]]
        assert len(ids) <= 10
        assert sum(fake.counts()["usd"].values()) <= 0.005
        assert any(state["error"] and state["error"]["code"] == "budget_reached" for state in states) or any(
            answer.status_code == 402 for answer in answers
        )


def test_all_workers_together_draw_no_more_at_once_than_they_may(fake: FakeProviders) -> None:
    fake.control(image_ms=1500, text_ms=10)
    with Fleet(fake, workers=3, total_image_concurrency=8) as fleet:
        ids = begin(fleet, 105_000, 12)
        check_all(fleet.instances[0], fake, ids)

        assert fake.counts()["most_at_once"]["drawing"] <= 8
        assert fake.counts()["most_at_once"]["drawing"] >= 7


# --- Somebody dies ---------------------------------------------------------------------------------------------


def test_a_killed_workers_scenes_go_on_elsewhere(fake: FakeProviders) -> None:
    fake.control(text_ms=150, image_ms=600, spread=0.5)
    with Fleet(fake) as fleet:
        for round_ in range(scale(1, 10)):
            fake.reset()
            ids = begin(fleet, 110_000 + 1000 * round_, 6)
            time.sleep(random.Random(round_).uniform(0.2, 2.0))
            fleet.workers[0].kill()
            states = check_all(fleet.instances[0], fake, ids)
            check_pictures_of(fleet, states)
            fleet.workers[0].start()


def test_all_workers_killed_sessions_wait_and_go_on_when_one_starts(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        begun = begin(fleet, 120_000, 4)
        drawings_under_way(fake, 2)
        for worker in fleet.workers:
            worker.kill()
        queued = begin(fleet, 121_000, 2)
        waiting = fleet.instances[0].status(queued[0])
        fleet.workers[0].start()

        check_all(fleet.instances[0], fake, begun + queued)
        assert waiting["status"] == "pending"


def test_a_killed_instance_is_one_failed_poll(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        ids = begin(fleet, 130_000, 4)
        drawings_under_way(fake, 2)
        fleet.instances[0].kill()

        check_all(fleet.instances[1], fake, ids)
        fleet.instances[0].start()
        assert ready(fleet.instances[0].status(ids[0])) == SCENES


def test_a_frozen_worker_that_comes_back_pays_nothing_twice(fake: FakeProviders) -> None:
    fake.control(text_ms=150, image_ms=500, spread=0.5)
    with Fleet(fake) as fleet:
        ids = begin(fleet, 140_000, 6)
        drawings_under_way(fake, 3)
        fleet.workers[0].freeze()
        until(lambda: all(fleet.instances[0].status(each)["status"] in ENDED for each in ids))
        fleet.workers[0].resume()
        time.sleep(1.0)  # it finds out what has happened meanwhile

        check_all(fleet.instances[0], fake, ids)
        again = begin(fleet, 141_000, 2)  # and it works on
        assert [ready(state) for state in fleet.instances[0].wait_all(again)] == [SCENES] * 2


def test_redis_killed_in_the_middle_nothing_is_sent_that_cannot_be_recorded(fake: FakeProviders) -> None:
    fake.control(text_ms=150, image_ms=500, spread=0.5)
    with Fleet(fake) as fleet:
        one = fleet.instances[0]
        ids = begin(fleet, 150_000, 6)
        drawings_under_way(fake, 3)
        fleet.redis.kill()
        time.sleep(1.0)  # whatever was about to leave has left or not
        sent = calls(fake)
        refused = one.client.post("/generate", json={"story_text": story(151_000, 2)})
        live, prepared = one.client.get("/health/live"), one.client.get("/health/ready")
        polled = one.client.get(f"/status/{ids[0]}")
        time.sleep(1.0)
        meanwhile = calls(fake)
        fleet.redis.start()
        states = check_all(one, fake, ids)

        assert (refused.status_code, polled.status_code) == (503, 503)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["retryable"] is True
        assert (live.status_code, prepared.status_code) == (204, 503)
        assert meanwhile == sent
        check_pictures_of(fleet, states)
        until(lambda: one.client.get("/health/ready").status_code == 204)


def test_a_silent_redis_makes_nobody_wait_for_ever(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        one = fleet.instances[0]
        ids = begin(fleet, 160_000, 4)
        drawings_under_way(fake, 2)
        fleet.redis.freeze()
        refused = one.client.post("/generate", json={"story_text": story(161_000, 2)})
        until(lambda: one.client.get("/health/ready").status_code == 503)
        time.sleep(2 * LEASE_SECONDS)
        fleet.redis.resume()

        check_all(one, fake, ids)
        assert refused.status_code == 503


def test_a_full_redis_is_read_and_takes_no_new_jobs(fake: FakeProviders) -> None:
    with Fleet(fake) as fleet:
        one = fleet.instances[0]
        ids = begin(fleet, 170_000, 2)
        states = check_all(one, fake, ids)
        fleet.redis.configure("maxmemory", "1mb")
        status = fleet.instances[1].client.get(f"/status/{ids[0]}")
        refused = one.client.post("/generate", json={"story_text": story(171_000, 2), "num_scenes": 2})
        fleet.redis.configure("maxmemory", "0")

        assert status.raise_for_status().json() == states[0]
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        fake.reset()
        check_all(one, fake, begin(fleet, 172_000, 1))


def test_a_job_that_kills_its_worker_again_and_again_is_given_up() -> None:
    need_program("redis-server")
    with (  # providers of its own: what they draw for a minute would be counted in another test
        FakeProviders(picture_bytes=20_000, image_ms=60_000) as fake,
        Fleet(fake, workers=1, job_max_tries=2, image_timeout_seconds=90) as fleet,
    ):
        session_id = fleet.instances[0].generate(story(180_000, 1), num_scenes=1)
        for _ in range(2):
            drawings_under_way(fake, 1)
            tries = int(fleet.redis.ask("GET", draw_tries(fleet)) or 0)
            until(lambda seen=tries: int(fleet.redis.ask("GET", draw_tries(fleet)) or 0) >= max(1, seen))  # type: ignore[misc]
            fleet.workers[0].kill()
            fleet.workers[0].start()
            until(lambda before=tries: int(fleet.redis.ask("GET", draw_tries(fleet)) or 9) > before)  # type: ignore[misc]
        state = fleet.instances[0].wait(session_id)

        assert state["scenes"][0]["status"] == "failed"
        assert state["scenes"][0]["error"]["code"] == "internal_error"
        assert state["status"] == "failed"


def test_the_link_to_redis_is_cut_and_healed(fake: FakeProviders) -> None:
    with Fleet(fake, instances=0, workers=0) as fleet, TcpLink(fleet.redis.port) as link:
        url = fleet.redis.url.replace(f":{fleet.redis.port}/", f":{link.port}/")
        one, worker = fleet.add_instance(redis_url=url), fleet.add_worker(redis_url=url)
        ids = begin(fleet, 165_000, 3)
        drawings_under_way(fake, 2)
        link.cut()
        refused = one.client.post("/generate", json={"story_text": story(166_000, 2)})
        until(lambda: worker.client.get("/health/ready").status_code == 503)
        link.heal()

        check_all(one, fake, ids)
        assert refused.status_code == 503


def test_what_is_wanted_while_it_is_done_is_done_again(fake: FakeProviders) -> None:
    fake.control(image_ms=300)
    with Fleet(fake, instances=1, workers=2, job_lease_seconds=600) as fleet:  # no nudge comes to help
        service = fleet.instances[0]
        session_id = service.generate(story(167_000, 2), num_scenes=2)
        for attempt in range(2, 6):
            service.wait(session_id)
            for number in (0, 1):  # at the very moment at which it is ready
                body = {"session_id": session_id, "scene_number": number, "image_prompt": f"kite {attempt}"}
                service.client.post("/regenerate", json=body).raise_for_status()
        state = service.wait(session_id)

        assert [scene["attempts"] for scene in state["scenes"]] == [5, 5]
        assert fake.counts()["pictures_paid_twice"] == 0


# --- A rolling restart -----------------------------------------------------------------------------------------


def test_a_rolling_restart_under_load_loses_nothing(fake: FakeProviders) -> None:
    fake.control(text_ms=100, image_ms=400, spread=0.5)
    with Fleet(fake, job_lease_seconds=600) as fleet:  # nothing may need to wait for a lease, or for a nudge
        ids: list[str] = []
        failed: list[str] = []
        stop = threading.Event()

        def load() -> None:
            """Two clients behind a proxy: what one instance does not take, the other does."""
            number = 0
            while not stop.is_set():
                body = {"story_text": story(190_000 + 10 * number, SCENES), "num_scenes": SCENES}
                headers = {"Idempotency-Key": f"load-{number}"}
                for service in fleet.instances * 10:
                    with contextlib.suppress(httpx.HTTPError, RuntimeError):
                        url = f"http://127.0.0.1:{service.port}/generate"
                        posted = body | {"consistency": "prompt"}
                        answer = httpx.post(url, json=posted, headers=headers, trust_env=False, timeout=20)
                        if answer.status_code == 202:
                            ids.append(answer.json()["session_id"])
                            break
                    time.sleep(0.05)
                else:
                    failed.append(headers["Idempotency-Key"])
                number += 1
                time.sleep(0.3)

        loading = threading.Thread(target=load)
        loading.start()
        stopped: list[float] = []
        for server in [*fleet.workers, *fleet.instances]:
            time.sleep(0.7)
            stopped.append(server.stop())
            server.start()
        stop.set()
        loading.join()
        states = check_all(fleet.instances[0], fake, ids)

        assert failed == []
        assert len(ids) >= 4
        assert max(stopped) < 20  # nobody had to be killed
        check_listed_of(fleet, states)


def calls(fake: FakeProviders) -> int:
    """The requests that cost money."""
    seen = fake.counts()["calls"]
    return sum(number for name, number in seen.items() if name.startswith(("text", "draw")))


def draw_tries(fleet: Fleet) -> str:
    keys = fleet.redis.ask("KEYS", "story:tries:draw:*")
    return keys[0].decode() if keys else "none"


def check_pictures_of(fleet: Fleet, states: list[Json]) -> None:
    for service in fleet.instances:
        check_pictures(service, states)


def check_listed_of(fleet: Fleet, states: list[Json]) -> None:
    for service in fleet.instances:
        check_listed(service, states)


def test_a_worker_without_redis_says_what_to_set() -> None:
    with pytest.raises(RuntimeError, match="REDIS_URL: a worker needs it"), Worker():
        pass


# --- All of it: Redis, PostgreSQL and S3 -----------------------------------------------------------------------


def test_everything_together_survives_its_parts(fake: FakeProviders, database_url: str, tmp_path: Path) -> None:
    fake.control(text_ms=100, image_ms=400, spread=0.5)
    with (
        S3Server() as s3,
        Fleet(fake, instances=0, workers=0, database_url=database_url, storage_url=s3.url(), **KEYS) as fleet,
    ):
        for number in range(2):  # no disk in common
            fleet.add_instance(PROJECTS_DIR=str(tmp_path / f"instance-{number}"))
            fleet.add_worker(PROJECTS_DIR=str(tmp_path / f"worker-{number}"))
        one, two = fleet.instances
        ids = begin(fleet, 200_000, 4)
        drawings_under_way(fake, 2)
        fleet.workers[0].kill()
        fleet.redis.kill()
        time.sleep(0.5)
        fleet.redis.start()
        one.kill()
        states = check_all(two, fake, ids)
        one.start()
        body = {"session_id": ids[0], "approved_scenes": [0, 1, 2, 3]}
        one.client.post("/approve", json=body).raise_for_status()

        assert [project["project_id"] for project in two.client.get("/projects").json()["projects"]] == [ids[0]]
        for service in (one, two):  # each fetches what the other worker has put into the bucket
            for state in states:
                for scene in state["scenes"]:
                    assert len(service.client.get(scene["image_url"]).raise_for_status().content) > 10_000
        fleet.redis.ask("FLUSHALL")  # the sessions are gone: what was approved is not
        found = two.client.get("/projects", params={"q": states[0]["title"]}).raise_for_status().json()["projects"]
        assert [project["project_id"] for project in found] == [ids[0]]
        assert ready(two.status(ids[0])) == SCENES
