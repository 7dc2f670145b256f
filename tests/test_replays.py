"""The same request again, twice, fifty times at once, after a crash: done once, paid once."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.checks import open_charges, until
from tests.fake_providers import FakeProviders
from tests.service import Service, ready
from tests.stories import story

PATIENCE_SECONDS = 60.0  # a safety net: nothing is measured
CROWD = 50
KEYS = {"ann": "key-of-ann", "ben": "key-of-ben"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(text_ms=20, image_ms=80, picture_bytes=5_000) as fake:
        yield fake


@pytest.fixture(scope="module")
def shared(providers: FakeProviders) -> Iterator[Service]:
    with Service(providers, image_concurrency=8, api_keys=",".join(f"{n}:{key}" for n, key in KEYS.items())) as service:
        yield service


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    providers.reset()
    providers.control(text_ms=20, image_ms=80)
    return providers


@pytest.fixture
def service(shared: Service, fake: FakeProviders) -> Service:
    return as_caller(shared, "ann")


def as_caller(service: Service, name: str) -> Service:
    """The service, called with that person's key: a restart forgets it."""
    service.client.headers["X-API-Key"] = KEYS[name]
    return service


def restarted(service: Service, *, kill: bool = False) -> Service:
    if kill:
        service.kill()
    else:
        service.stop()
    service.start()
    return as_caller(service, "ann")


def at_once(count: int, ask: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """That many requests at the same moment."""
    ready_to_go = threading.Barrier(count)

    def one(_: int) -> httpx.Response:
        ready_to_go.wait(timeout=PATIENCE_SECONDS)
        return ask()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def body(number: int, scenes: int = 3, **more: Any) -> Json:
    return {"story_text": story(number, scenes), "num_scenes": scenes, "consistency": "prompt"} | more


def begin(service: Service, number: int, scenes: int = 3, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return service.client.post("/generate", json=body(number, scenes, **more), headers=headers)


def finished(service: Service, number: int, scenes: int = 3, **more: Any) -> Json:
    """A story that is drawn."""
    return service.wait(begin(service, number, scenes, **more).json()["session_id"], patience=PATIENCE_SECONDS)


def once(fake: FakeProviders, *, pictures: int) -> None:
    """So many pictures were paid for, and nothing twice."""
    counts = fake.counts()
    assert (counts["pictures_paid"], counts["pictures_paid_twice"], counts["text_paid_twice"]) == (pictures, 0, 0)
    assert counts["violations"] == []


# --- One key, one session --------------------------------------------------------------------------------------


def test_a_crowd_with_one_key_makes_one_session_that_outlives_restart_and_kill(
    service: Service, fake: FakeProviders
) -> None:
    answers = at_once(CROWD, lambda: begin(service, 1, key="boat"))
    ids = {answer.json()["session_id"] for answer in answers}
    state = service.wait(ids.copy().pop(), patience=PATIENCE_SECONDS)
    other = begin(service, 2, key="boat")
    stopped = begin(restarted(service), 1, key="boat")
    killed = begin(restarted(service, kill=True), 1, key="boat")
    still = begin(service, 2, key="boat")

    assert {answer.status_code for answer in answers} == {202}
    assert len(ids) == 1
    assert {stopped.json()["session_id"], killed.json()["session_id"]} == ids
    for answer in (other, still):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert ready(state) == 3
    once(fake, pictures=3)
    assert fake.counts()["text_paid"] == 4


def test_a_key_killed_right_after_its_answer_is_kept(service: Service, fake: FakeProviders) -> None:
    first = begin(service, 3, key="killed")
    again = begin(restarted(service, kill=True), 3, key="killed")
    state = service.wait(again.json()["session_id"], patience=PATIENCE_SECONDS)

    assert again.json()["session_id"] == first.json()["session_id"]
    assert ready(state) == 3
    assert fake.counts()["pictures_paid_twice"] == 0


def test_a_key_of_one_is_no_key_of_another(service: Service, fake: FakeProviders) -> None:
    hers = begin(service, 4, key="ours")
    his = begin(as_caller(service, "ben"), 5, key="ours")

    assert (hers.status_code, his.status_code) == (202, 202)
    assert hers.json()["session_id"] != his.json()["session_id"]
    assert service.client.get(f"/status/{hers.json()['session_id']}").status_code == 404
    service.wait(his.json()["session_id"], patience=PATIENCE_SECONDS)
    as_caller(service, "ann").wait(hers.json()["session_id"], patience=PATIENCE_SECONDS)


def test_a_key_goes_with_its_session(service: Service, fake: FakeProviders) -> None:
    first = finished(service, 6, key="gone")
    service.client.delete(f"/sessions/{first['session_id']}").raise_for_status()

    second = finished(service, 7, key="gone")

    assert second["session_id"] != first["session_id"]


# --- Approving, going on, redrawing ----------------------------------------------------------------------------


@pytest.mark.parametrize("upgrade", [False, True], ids=["plain", "upgrade"])
def test_approving_in_a_crowd_draws_each_picture_once(service: Service, fake: FakeProviders, upgrade: bool) -> None:
    quality = "draft" if upgrade else "final"
    session_id = finished(service, 10 + upgrade, quality=quality)["session_id"]
    approval = {"session_id": session_id, "approved_scenes": [2, 0, 0, 2, 2], "upgrade": upgrade}

    answers = at_once(CROWD, lambda: service.client.post("/approve", json=approval))
    state = service.wait(session_id, patience=PATIENCE_SECONDS)

    assert {answer.status_code for answer in answers} == {200}
    assert {tuple(answer.json()["approved_scenes"]) for answer in answers} == {(0, 2)}
    assert [scene["approved"] for scene in state["scenes"]] == [True, False, True]
    assert [versions(service, session_id, number) for number in range(3)] == ([2, 1, 2] if upgrade else [1, 1, 1])
    once(fake, pictures=3 + 2 * upgrade)


def versions(service: Service, session_id: str, number: int) -> int:
    """How many pictures a scene has."""
    return len(service.client.get(f"/sessions/{session_id}/scenes/{number}").raise_for_status().json()["versions"])


def test_going_on_in_a_crowd_draws_what_is_missing_once(service: Service, fake: FakeProviders) -> None:
    refused = {"on": "draw", "kind": "task_error", "code": "invalidPositivePrompt", "status": 400, "times": 2}
    fake.control(faults=[refused])
    session_id = finished(service, 20, 4)["session_id"]

    answers = at_once(CROWD, lambda: service.client.post("/continue", json={"session_id": session_id}))
    state = service.wait(session_id, patience=PATIENCE_SECONDS)
    again = service.client.post("/continue", json={"session_id": session_id})

    assert {answer.status_code for answer in answers} == {202}
    assert (state["status"], ready(state)) == ("completed", 4)
    assert (again.status_code, again.json()["status"]) == (202, "completed")
    once(fake, pictures=4)


def test_cancelling_again_changes_nothing_and_going_on_pays_for_the_rest_alone(
    service: Service, fake: FakeProviders
) -> None:
    fake.control(image_ms=400)
    session_id = begin(service, 30, 12).json()["session_id"]
    until(lambda: fake.counts()["now"].get("drawing", 0) > 0)

    answers = at_once(10, lambda: service.client.post("/cancel", json={"session_id": session_id}))
    until(lambda: fake.counts()["now"].get("drawing", 0) == 0)
    drawn = fake.counts()["pictures_paid"]
    late = service.client.post("/cancel", json={"session_id": session_id})
    at_once(10, lambda: service.client.post("/continue", json={"session_id": session_id}))
    state = service.wait(session_id, patience=PATIENCE_SECONDS)

    assert {(answer.status_code, answer.json()["status"]) for answer in [*answers, late]} == {(202, "cancelled")}
    assert 0 < drawn < 12
    assert ready(state) == 12
    once(fake, pictures=12)


def test_redrawing_a_scene_in_a_crowd_draws_as_often_as_it_was_taken(service: Service, fake: FakeProviders) -> None:
    fake.control(image_ms=400)
    session_id = finished(service, 40)["session_id"]

    redraw = {"session_id": session_id, "scene_number": 1}
    answers = at_once(20, lambda: service.client.post("/regenerate", json=redraw))
    state = service.wait(session_id, patience=PATIENCE_SECONDS)
    taken = Counter(answer.status_code for answer in answers)

    assert set(taken) <= {202, 409}
    assert all(answer.json()["code"] == "conflict" for answer in answers if answer.status_code == 409)
    drawn = versions(service, session_id, 1) - 1
    assert 1 <= drawn <= taken[202]
    assert [versions(service, session_id, number) for number in (0, 2)] == [1, 1]
    assert ready(state) == 3
    once(fake, pictures=3 + drawn)


# --- Deleting --------------------------------------------------------------------------------------------------


def test_what_is_deleted_while_it_is_drawn_stays_dead_and_its_pictures_serve_the_next(
    service: Service, fake: FakeProviders
) -> None:
    fake.control(image_ms=600)
    other = finished(service, 50)
    gone = begin(service, 51, 6).json()["session_id"]
    twin = begin(service, 50).json()["session_id"]  # shows the same pictures as `other`
    until(lambda: fake.counts()["now"].get("drawing", 0) >= 3)
    service.wait(twin, patience=PATIENCE_SECONDS)

    answers = at_once(10, lambda: service.client.delete(f"/sessions/{gone}"))
    service.client.delete(f"/sessions/{twin}").raise_for_status()
    until(lambda: fake.counts()["now"].get("drawing", 0) == 0)
    until(lambda: open_charges(service) == 0)
    charged = sum(fake.counts()["usd"].values())
    dead = [service.client.get(path).status_code for path in (f"/status/{gone}", f"/sessions/{gone}/scenes/0")]
    late = service.client.delete(f"/sessions/{gone}")

    assert sorted({answer.status_code for answer in answers}) in ([204], [204, 404])
    assert dead == [404, 404]
    assert late.status_code == 404
    assert not (service.folder / "projects" / gone).exists()
    assert spent(service, gone) + spent(service, other["session_id"]) == pytest.approx(charged, abs=1e-9)
    for scene in other["scenes"]:
        assert service.client.get(scene["image_url"]).status_code == 200
    drawn = fake.counts()["pictures_paid"] - 3
    assert 0 < drawn
    again = finished(service, 51, 6)
    assert ready(again) == 6
    once(fake, pictures=3 + 6)
    assert not (service.folder / "projects" / gone).exists()
    restarted(service, kill=True)
    assert service.client.get(f"/status/{gone}").status_code == 404


def spent(service: Service, session_id: str) -> float:
    """What the ledger of the day says about a session, also of one that is gone."""
    return ledger(service, f"SELECT total(amount_usd) FROM charges WHERE session_id = '{session_id}'")


def ledger(service: Service, question: str) -> float:
    with closing(sqlite3.connect(service.folder / "projects" / "journal.db")) as db:
        return float(db.execute(question).fetchone()[0])
