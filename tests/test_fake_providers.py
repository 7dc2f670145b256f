"""The fake providers keep to the contract themselves, and notice who does not."""

from __future__ import annotations

import gzip
import io
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests import fake_answers, fake_pictures
from tests.fake_contract import Json, strict_schema_faults
from tests.fake_providers import IMAGE_KEY, TEXT_KEY, FakeProviders

SCENE_SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "image_prompt", "mood", "characters"],
    "properties": {
        "title": {"type": "string", "maxLength": 60},
        "image_prompt": {"type": "string"},
        "mood": {"enum": ["calm", "tense"]},
        "characters": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    },
}


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=40_000) as running:
        yield running


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    providers.control(clear_faults=True, text_ms=0, image_ms=0, max_drawing=None)
    providers.reset()
    return providers


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as opened:
        yield opened


def chat_body(user: str = "Scene: Mira rows to the island.", **changes: Any) -> Json:
    schema = {"name": "scene", "strict": True, "schema": SCENE_SCHEMA}
    return {
        "model": "google/gemini-3.1-flash-lite",
        "messages": [{"role": "system", "content": "Write a prompt."}, {"role": "user", "content": user}],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "provider": {"require_parameters": True},
        "temperature": 0.4,
        "max_tokens": 900,
    } | changes


def ask(fake: FakeProviders, client: httpx.Client, body: Json, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {TEXT_KEY}"} | headers
    return client.post(f"{fake.openrouter_url}/chat/completions", json=body, headers=sent)


def drawing_task(**changes: Any) -> Json:
    return {
        "taskType": "imageInference",
        "taskUUID": str(uuid.uuid4()),
        "model": "runware:400@2",
        "positivePrompt": "a paper boat on black water",
        "width": 1024,
        "height": 576,
        "seed": 7,
        "outputType": "URL",
        "outputFormat": "JPG",
        "includeCost": True,
        "deliveryMethod": "async",
    } | changes


def send(fake: FakeProviders, client: httpx.Client, *tasks: Json) -> httpx.Response:
    return client.post(fake.runware_url, json=list(tasks), headers={"Authorization": f"Bearer {IMAGE_KEY}"})


def poll(fake: FakeProviders, client: httpx.Client, *ids: str) -> Json:
    answer: Json = send(fake, client, *({"taskType": "getResponse", "taskUUID": i} for i in ids)).json()
    return answer


def finished(fake: FakeProviders, client: httpx.Client, task_id: str) -> Json:
    for _ in range(200):
        answer = poll(fake, client, task_id)
        if answer.get("errors") or any(item.get("status") == "success" for item in answer["data"]):
            return answer
        time.sleep(0.01)
    raise AssertionError("the drawing never ended")


# --- Text ------------------------------------------------------------------------------------------------------


def test_a_text_answer_fits_the_schema_and_costs_what_its_tokens_cost(
    fake: FakeProviders, client: httpx.Client
) -> None:
    reply = ask(fake, client, chat_body())

    answer = reply.json()
    content = json.loads(answer["choices"][0]["message"]["content"])
    assert content.keys() == SCENE_SCHEMA["properties"].keys()
    assert content["mood"] in ("calm", "tense")
    assert "island" in content["image_prompt"]
    assert fake.counts()["usd"]["openrouter"] == pytest.approx(answer["usage"]["cost"])
    assert fake.counts()["violations"] == []


def test_another_scene_gives_another_prompt_and_the_same_one_the_same() -> None:
    first, again, other = (fake_answers.answer(SCENE_SCHEMA, user=u)["image_prompt"] for u in ("a sea", "a sea", "b"))

    assert first == again != other


def test_a_softened_wording_leaves_out_the_forbidden_word() -> None:
    user, system = "the dragon burns", "Choose a calm, harmless moment."

    answer = fake_answers.answer(SCENE_SCHEMA, user=user, system=system, forbidden=("dragon",))

    assert "dragon" not in answer["image_prompt"]


def test_the_same_body_is_free_from_the_cache(fake: FakeProviders, client: httpx.Client) -> None:
    first = ask(fake, client, chat_body(), **{"X-OpenRouter-Cache": "true"})
    again = ask(fake, client, chat_body(), **{"X-OpenRouter-Cache": "true"})

    assert again.headers["X-OpenRouter-Cache-Status"] == "HIT"
    assert again.json()["choices"] == first.json()["choices"]
    assert again.json()["usage"]["cost"] == 0
    assert (fake.counts()["text_paid"], fake.counts()["text_paid_twice"]) == (1, 0)


def test_the_same_body_without_the_cache_is_paid_twice(fake: FakeProviders, client: httpx.Client) -> None:
    ask(fake, client, chat_body())
    ask(fake, client, chat_body())

    assert fake.counts()["text_paid_twice"] == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"temprature": 1}, 400),
        ({"messages": []}, 400),
        ({"temperature": 3}, 400),
        ({"models": ["a", "b", "c", "d"]}, 400),
        ({"model": "openai/gpt-6-luna"}, 404),
        ({"model": "nobody/nothing"}, 404),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}, 400),
    ],
    ids=["unknown-field", "no-messages", "too-hot", "four-fallbacks", "no-temperature-here", "no-model", "not-strict"],
)
def test_a_wrong_chat_request_is_refused_and_noted(
    fake: FakeProviders, client: httpx.Client, changes: Json, status: int
) -> None:
    reply = ask(fake, client, chat_body(**changes))

    assert reply.status_code == status
    assert fake.counts()["violation_count"] >= 1


def test_open_or_half_required_objects_are_not_strict() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": False}}}

    assert strict_schema_faults(SCENE_SCHEMA) == []
    assert len(strict_schema_faults(schema)) == 2


def test_the_model_list_says_what_each_model_takes(fake: FakeProviders, client: httpx.Client) -> None:
    url = f"{fake.openrouter_url}/models"
    everyone = client.get(url).json()["data"]
    strict = client.get(url, params={"supported_parameters": "structured_outputs"}).json()["data"]

    assert {"id", "pricing", "supported_parameters", "expiration_date"} <= everyone[0].keys()
    assert 0 < len(strict) < len(everyone)


# --- Pictures --------------------------------------------------------------------------------------------------


def test_a_drawing_is_acknowledged_polled_and_fetched(fake: FakeProviders, client: httpx.Client) -> None:
    fake.control(image_ms=100)
    task = drawing_task()

    acknowledged = send(fake, client, task).json()
    running = poll(fake, client, task["taskUUID"])
    result = finished(fake, client, task["taskUUID"])["data"][0]
    fetched = client.get(result["imageURL"])

    assert acknowledged == {"data": [{"taskType": "imageInference", "taskUUID": task["taskUUID"]}]}
    assert running["data"][0]["status"] == "processing"
    assert (result["cost"], result["seed"]) == (0.0008, 7)
    assert fetched.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(fetched.content)).size == (1024, 576)
    counts = fake.counts()
    assert (counts["pictures_made"], counts["pictures_paid_twice"], counts["violations"]) == (1, 0, [])
    assert counts["usd"]["runware"] == 0.0008


def test_a_running_id_is_a_conflict_and_an_unknown_one_is_silence(fake: FakeProviders, client: httpx.Client) -> None:
    fake.control(image_ms=300)
    task = drawing_task()
    send(fake, client, task)

    again = send(fake, client, task)

    assert (again.status_code, again.json()["errors"][0]["code"]) == (400, "conflictTaskUUID")
    assert poll(fake, client, str(uuid.uuid4())) == {"data": []}
    assert fake.counts()["violations"] == []
    finished(fake, client, task["taskUUID"])


def test_the_same_picture_under_two_ids_is_paid_twice(fake: FakeProviders, client: httpx.Client) -> None:
    first, second = drawing_task(), drawing_task()
    send(fake, client, first, second)
    finished(fake, client, first["taskUUID"])
    finished(fake, client, second["taskUUID"])

    assert fake.counts()["pictures_paid_twice"] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"width": 1000}, "invalidCustomWidth"),
        ({"height": 4096}, "invalidCustomHeight"),
        ({"taskUUID": "11111111-1111-1111-8111-111111111111"}, "invalidTaskUUID"),
        ({"negativePrompt": "rain"}, "unsupportedParameter"),
        ({"positivePrompt": "x"}, "invalidPositivePrompt"),
        ({"model": "google:4@1"}, "unknownModel"),
        ({"model": "google:nano-banana@2-lite", "steps": 4}, "unsupportedParameter"),
        ({"inputs": {"referenceImages": ["data:image/png;base64,AA=="] * 5}}, "maxReferenceImages"),
        ({"inputs": {"referenceImages": ["https://elsewhere.example/a.png"]}}, "imageNotFound"),
    ],
    ids=["width", "height", "not-v4", "unknown-parameter", "short", "retired", "not-this-model", "five-refs", "ref"],
)
def test_a_wrong_drawing_task_is_refused_noted_and_free(
    fake: FakeProviders, client: httpx.Client, changes: Json, code: str
) -> None:
    reply = send(fake, client, drawing_task(**changes))

    assert reply.status_code in (400, 404)
    assert reply.json()["errors"][0]["code"] == code
    assert fake.counts()["violation_count"] >= 1
    assert fake.counts()["usd"]["runware"] == 0


def test_one_bad_task_does_not_sink_its_neighbour(fake: FakeProviders, client: httpx.Client) -> None:
    good, bad = drawing_task(), drawing_task(height=50)

    reply = send(fake, client, good, bad)

    assert reply.status_code == 200
    assert reply.json()["data"][0]["taskUUID"] == good["taskUUID"]
    assert reply.json()["errors"][0]["taskUUID"] == bad["taskUUID"]


def test_a_wrong_key_and_a_bare_object_are_refused(fake: FakeProviders, client: httpx.Client) -> None:
    no_key = client.post(fake.runware_url, json=[drawing_task()])
    bare = client.post(fake.runware_url, json=drawing_task(), headers={"Authorization": f"Bearer {IMAGE_KEY}"})

    assert (no_key.status_code, no_key.json()["errors"][0]["code"]) == (401, "invalidApiKey")
    assert bare.status_code == 400
    assert fake.counts()["violation_count"] == 2


def test_a_key_sent_to_the_picture_host_is_noted(fake: FakeProviders, client: httpx.Client) -> None:
    client.get(f"{fake.origin}/image/x.jpg", headers={"Authorization": f"Bearer {IMAGE_KEY}"})

    assert fake.counts()["violations"][0]["where"] == "fetch"


def test_an_uploaded_reference_may_be_used_and_costs_more(fake: FakeProviders, client: httpx.Client) -> None:
    upload = {"taskType": "mediaStorage", "taskUUID": str(uuid.uuid4()), "operation": "upload", "media": "data:x"}
    media = send(fake, client, upload).json()["data"][0]["mediaUUID"]
    task = drawing_task(inputs={"referenceImages": [media]})

    send(fake, client, task)

    assert finished(fake, client, task["taskUUID"])["data"][0]["cost"] == 0.005
    assert fake.counts()["violations"] == []


@pytest.mark.parametrize("kind", ["JPG", "PNG"])
def test_padded_pictures_decode_and_no_two_are_the_same(kind: str) -> None:
    one, other = (fake_pictures.picture(640, 352, size_bytes=500_000, kind=kind, mark=m) for m in ("a", "b"))

    image = Image.open(io.BytesIO(one))
    image.load()
    assert image.size == (640, 352)
    assert 500_000 <= len(one) < 510_000
    assert one != other


# --- Faults ----------------------------------------------------------------------------------------------------


def test_a_refusal_strikes_as_often_as_ordered_and_costs_nothing(fake: FakeProviders, client: httpx.Client) -> None:
    fake.control(faults=[{"on": "draw", "kind": "status", "status": 429, "retry_after": 2, "times": 2}])
    task = drawing_task()

    replies = [send(fake, client, task) for _ in range(3)]

    assert [r.status_code for r in replies] == [429, 429, 200]
    assert replies[0].headers["Retry-After"] == "2"
    assert fake.counts()["task_ids"] == 1


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_a_lost_answer_leaves_a_drawing_that_can_be_asked_for(
    fake: FakeProviders, client: httpx.Client, kind: str
) -> None:
    fake.control(faults=[{"on": "draw", "kind": kind}])
    task = drawing_task()

    with pytest.raises(httpx.TransportError):
        send(fake, client, task)

    assert finished(fake, client, task["taskUUID"])["data"][0]["cost"] == 0.0008


def test_a_content_policy_blocks_only_the_word_it_watches(fake: FakeProviders, client: httpx.Client) -> None:
    order = {"on": "task", "kind": "error", "code": "contentPolicyViolation", "match": "dragon", "times": None}
    fake.control(faults=[order])
    blocked, clean = drawing_task(positivePrompt="a Dragon burns"), drawing_task()
    send(fake, client, blocked, clean)

    assert finished(fake, client, blocked["taskUUID"])["errors"][0]["code"] == "contentPolicyViolation"
    assert finished(fake, client, clean["taskUUID"])["data"]
    assert fake.counts()["pictures_made"] == 1


@pytest.mark.parametrize(
    ("kind", "shows"),
    [
        ("error_in_200", lambda answer: "error" in answer),
        ("finish_error", lambda answer: answer["choices"][0]["finish_reason"] == "error"),
        ("length", lambda answer: answer["choices"][0]["finish_reason"] == "length"),
        ("null_content", lambda answer: answer["choices"][0]["message"]["content"] is None),
        ("no_cost", lambda answer: "cost" not in answer["usage"]),
    ],
    ids=["error", "finish", "length", "null", "cost"],
)
def test_a_200_can_be_a_failure(fake: FakeProviders, client: httpx.Client, kind: str, shows: Any) -> None:
    fake.control(faults=[{"on": "text", "kind": kind}])

    reply = ask(fake, client, chat_body())

    assert reply.status_code == 200
    assert shows(reply.json())


def test_a_check_finds_everything_well_but_what_it_is_told_to_fail(fake: FakeProviders, client: httpx.Client) -> None:
    item = {
        "type": "object",
        "additionalProperties": False,
        "required": ["note", "ok"],
        "properties": {"note": {"type": "string"}, "ok": {"type": "boolean"}},
    }
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["place", "person_1"],
        "properties": {"place": item, "person_1": item},
    }
    wrapper = {"name": "picture_check", "strict": True, "schema": schema}
    picture = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}}
    content = [{"type": "text", "text": "Look at it."}, picture]
    body = chat_body(
        messages=[{"role": "user", "content": content}], response_format={"type": "json_schema", "json_schema": wrapper}
    )
    fake.control(failing_checks="person", failing_times=1)

    first, second = (
        json.loads(ask(fake, client, body | {"seed": seed}).json()["choices"][0]["message"]["content"])
        for seed in (1, 2)
    )

    assert (first["place"]["ok"], first["person_1"]["ok"]) == (True, False)
    assert second["place"]["ok"] and second["person_1"]["ok"]
    assert first["person_1"]["note"]
    assert fake.counts()["violations"] == []


def test_a_limit_on_drawings_at_once_answers_429(fake: FakeProviders, client: httpx.Client) -> None:
    fake.control(image_ms=200, max_drawing=1)
    first = drawing_task()
    send(fake, client, first)

    assert send(fake, client, drawing_task()).status_code == 429
    finished(fake, client, first["taskUUID"])


def test_an_order_that_means_nothing_is_refused(fake: FakeProviders) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        fake.control(faults=[{"on": "draw", "kind": "nonsense"}])


def test_a_reset_forgets_what_was_counted(fake: FakeProviders, client: httpx.Client) -> None:
    ask(fake, client, chat_body())
    fake.control(faults=[{"on": "draw", "kind": "status", "status": 429, "retry_after": 5}])
    send(fake, client, drawing_task())

    fake.reset()

    assert fake.counts()["calls"] == {}
    send(fake, client, drawing_task())
    assert fake.counts()["hurried"] == 0


# --- What strikes for a while, and what is watched -------------------------------------------------------------


def test_a_fault_can_last_for_a_while_or_strike_a_share_of_the_calls(fake: FakeProviders, client: httpx.Client) -> None:
    fake.control(faults=[{"on": "text", "kind": "status", "times": None, "for_seconds": 0}])
    over = ask(fake, client, chat_body())
    fake.control(faults=[{"on": "text", "kind": "status", "times": None, "chance": 0.5}])
    statuses = [ask(fake, client, chat_body(f"Scene {number}.")).status_code for number in range(20)]

    assert over.status_code == 200
    assert set(statuses) == {200, 503}


def test_whoever_follows_a_redirect_meets_the_canary(fake: FakeProviders, client: httpx.Client) -> None:
    fake.control(faults=[{"on": "text", "kind": "redirect", "status": 307, "value": "{canary}/v1"}])
    answer = ask(fake, client, chat_body())

    assert (answer.status_code, fake.counts()["canary"]) == (307, 0)
    client.get(answer.headers["Location"])
    assert fake.counts()["canary"] == 1


def test_what_comes_for_a_task_is_written_down_in_its_order(fake: FakeProviders, client: httpx.Client) -> None:
    task = drawing_task()
    fake.control(faults=[{"on": "draw", "kind": "status", "status": 429, "retry_after": 5}])
    for tasks in ([task], [task]):
        send(fake, client, *tasks)
    finished(fake, client, task["taskUUID"])
    counts = fake.counts()

    assert [event.split()[0] for event in counts["events"]] == ["draw", "draw", "poll"]
    assert (counts["most_tries"]["draw"], counts["hurried"]) == (2, 1)


def test_a_bomb_is_small_and_a_picture_all_the_same() -> None:
    bomb = fake_pictures.flat_png(9_400, 9_400)
    small = fake_pictures.flat_png(40, 30, text_bytes=500_000, extra_bytes=5_000_000)
    packed = fake_pictures.gzip_bomb(5_000_000, b"end")

    assert len(bomb) < 200_000
    with Image.open(io.BytesIO(small)) as image:
        image.load()
        assert (image.size, image.getpixel((39, 29))) == ((40, 30), 0)
    with Image.open(io.BytesIO(small)) as image:
        image.verify()
    assert len(packed) < 20_000
    assert gzip.decompress(packed) == b" " * 5_000_000 + b"end"
