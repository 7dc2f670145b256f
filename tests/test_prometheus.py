"""A real Prometheus scrapes two instances beside one provider: sums are true, alerts sound, every panel has data."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.metrics import Metrics
from config import VERSION
from models import SceneEnded, SessionEnded
from tests.checks import cost_of
from tests.conftest import missing, need_program
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.prometheus_server import Prometheus, Served
from tests.service import Json, Service, ready
from tests.stories import story
from tests.test_money import CALLS, DUST

FOLDER = REPOSITORY / "deploy" / "prometheus"
DASHBOARD = json.loads((REPOSITORY / "deploy" / "grafana" / "dashboards" / "story.json").read_text("utf-8"))
PAGE = REPOSITORY / "docs" / "metrics.md"
OPERATIONS = REPOSITORY / "docs" / "operations.md"
VARIABLES = {"$__rate_interval": "2m", "$__range": "10m", "$instance": ".*", "${datasource}": "prometheus"}
FAULTS: list[Json] = [  # in each round; each is met by a further try, or is the end of one scene
    {"on": "text", "kind": "status", "status": 503, "skip": 3},
    {"on": "draw", "kind": "status", "status": 503, "skip": 3},
    {"on": "fetch", "kind": "status", "status": 503, "skip": 3},
    {"on": "text", "kind": "wrong_schema", "skip": 5},
    {"on": "task", "kind": "error", "skip": 2},
]


@dataclass(frozen=True)
class World:
    """What was done, and who saw it."""

    prometheus: Prometheus
    fake: FakeProviders
    services: tuple[Service, Service]
    states: list[Json]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Good and bad traffic on two instances, in two rounds, so that there is something to compare."""
    need_program("prometheus")
    worker = worker_metrics()
    with (
        FakeProviders(text_ms=20, image_ms=60, picture_bytes=5_000) as fake,
        Service(fake, daily_budget_usd=2, image_concurrency=6) as first,
        Service(fake, daily_budget_usd=2, image_concurrency=6) as second,
        Served(worker.application()) as worker_port,
    ):
        services = (first, second)
        jobs = {"story-api": [first.port, second.port], "story-worker": [worker_port.port]}
        folder = tmp_path_factory.mktemp("prometheus")
        with Prometheus(folder, jobs, FOLDER / "alerts.yml") as prometheus:
            prometheus.until(lambda: prometheus.number("sum(up)") == 3)
            states: list[Json] = []
            for number in range(2):
                states += traffic(fake, services, number)
                work(worker)
                prometheus.catch_up()
            yield World(prometheus, fake, services, states)


def worker_metrics() -> Metrics:
    """What a worker would show that found three jobs and has taken one up."""
    metrics = Metrics()
    metrics.tell_about(version=VERSION, environment="staging", queue="local")
    metrics.watch_queue(lambda: {"waiting": 3, "running": 1})
    return metrics


def work(metrics: Metrics) -> None:
    metrics.observe(SceneEnded("ready", 1.5))
    metrics.observe(SessionEnded("completed", 2.5))


def traffic(fake: FakeProviders, services: tuple[Service, Service], number: int) -> list[Json]:
    fake.control(faults=FAULTS)
    ids = [
        (service, service.generate(story(700 + 10 * number + place, 3), num_scenes=3, consistency="references"))
        for place, service in enumerate((*services, *services))
    ]
    states = [service.wait(session_id) for service, session_id in ids]
    for service in services:
        again = story(700 + 10 * number + services.index(service), 3)
        states.append(service.wait(service.generate(again, num_scenes=3, consistency="references")))  # free
        service.client.get("/no-such-thing")
        service.client.post("/generate", json={"story_text": "short"})
        service.client.post("/generate", json={"story_text": story(1, 2), "image_model": f"made-up:{number}@1"})
        service.client.get(f"/status/{ids[0][1]}", params={"wait": 1})
        service.status(states[-1]["session_id"])
    return states


# --- The sums --------------------------------------------------------------------------------------------------


def test_the_sum_over_the_instances_is_what_the_providers_counted(world: World) -> None:
    counts, ask = world.fake.counts(), world.prometheus

    calls = ask.numbers("sum by (kind) (story_provider_calls_total)", "kind")

    assert calls == {
        kind: sum(counts["calls"].get(name, 0) for name in names) for kind, names in CALLS.items() if kind in calls
    }
    assert {"text", "draw", "poll", "fetch", "upload", "models"} == set(calls)
    tokens = ask.numbers("sum by (direction) (story_text_tokens_total)", "direction")
    assert tokens == counts["tokens"]
    spent = ask.numbers('sum by (provider) (story_spent_usd_total{known="true"})', "provider")
    assert spent == pytest.approx(counts["usd"], abs=DUST)
    assert ask.number("sum(story_spent_usd_total)") == pytest.approx(cost_of(world.states), abs=1e-7)
    for service in world.services:  # each has its part, so a sum over one would not do
        assert 0 < ask.number(spent_by(service)) < cost_of(world.states)


def spent_by(service: Service) -> str:
    return f'sum(story_spent_usd_total{{instance="127.0.0.1:{service.port}"}})'


def test_pictures_retries_and_scenes_are_what_happened(world: World) -> None:
    counts, ask = world.fake.counts(), world.prometheus
    struck = counts["faults_struck"]

    made = ask.number('sum(story_provider_calls_total{kind="draw",outcome="ok"})')
    retries = ask.numbers("sum by (provider) (story_provider_retries_total)", "provider")

    assert struck == {f"{fault['on']}:{fault['kind']}": 2 for fault in FAULTS}
    assert made == counts["pictures_made"] + struck["task:error"]
    assert retries == {"openrouter": struck["text:status"] + struck["text:wrong_schema"], "runware": 6}
    reused = ask.numbers('sum by (reused) (story_scenes_total{code="ready",job="story-api"})', "reused")
    assert sum(reused.values()) == sum(map(ready, world.states))
    assert reused["true"] == 2 * 2 * 3
    assert ask.number('sum(story_sessions_total{status="completed",job="story-api"})') == len(world.states)


def test_what_is_shared_is_taken_once_and_what_callers_make_up_is_no_label(world: World) -> None:
    ask = world.prometheus

    assert ask.numbers("max by (state) (story_queue_depth)", "state") == {"waiting": 3, "running": 1}
    assert ask.numbers('max by (state) (story_queue_depth{job="story-api"})', "state") == {"waiting": 0, "running": 0}
    assert ask.number("max(story_day_budget_usd)") == 2
    for service in world.services:  # each its own day: they share no store
        committed = ask.number(f'story_day_committed_usd{{instance="127.0.0.1:{service.port}"}}')
        assert committed == pytest.approx(ask.number(spent_by(service)), abs=1e-7)
    labels = ask.client.get("/api/v1/label/model/values").json()["data"]
    assert labels
    assert not [model for model in labels if "made-up" in model]
    routes = ask.client.get("/api/v1/label/route/values").json()["data"]
    assert {"/generate", "/status/{session_id}", "/status/{session_id}?wait", "static"} <= set(routes)
    assert not [route for route in routes if "no-such" in route]


# --- The alerts ------------------------------------------------------------------------------------------------


def test_the_rules_and_the_configuration_are_sound_and_each_alert_fires_and_keeps_quiet() -> None:
    for arguments in (
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        ran = subprocess.run(
            [need_program("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_says_what_it_is_and_where_to_read_on(world: World) -> None:
    rules = world.prometheus.rules()
    tests, page = (FOLDER / "alerts_test.yml").read_text("utf-8"), PAGE.read_text("utf-8")

    assert len(rules) == 20
    for rule in rules:
        name = rule["name"]
        world.prometheus.until(lambda name=name: health(world.prometheus, name) == "ok")
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert len(rule["annotations"]["summary"]) < 70, name
        assert rule["annotations"]["description"].endswith("."), name
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{anchor(name)}"
        parts = tests.split(f"- alertname: {name}\n")[1:]
        quiet = [part for part in parts if part.lstrip().split("\n")[1].strip() == "exp_alerts: []"]
        assert 0 < len(quiet) < len(parts), f"{name} is tested both ways"
        assert f"`{name}`" in page, name


def test_the_runbook_has_a_place_for_each_alert() -> None:
    if not OPERATIONS.is_file():
        missing("docs/operations.md is not written yet")
    text = OPERATIONS.read_text("utf-8")
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    places = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    places |= set(re.findall(r'id="([^"]+)"', text))

    for name in re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yml").read_text("utf-8")):
        assert anchor(name) in places, name


def health(prometheus: Prometheus, name: str) -> str:
    return str(next(rule["health"] for rule in prometheus.rules() if rule["name"] == name))


def anchor(name: str) -> str:
    """`StoryServiceDown` → `alert-story-service-down`."""
    return "alert-" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


# --- The dashboard ---------------------------------------------------------------------------------------------

PANELS: list[Json] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_every_query_of_a_panel_has_data_and_is_explained(world: World, panel: Json) -> None:
    assert len(panel["description"].split()) >= 4
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for target in panel["targets"]:
        expression = filled(target["expr"])
        assert "$" not in expression, expression
        values = [float(found["value"][1]) for found in world.prometheus.query(expression)]
        assert [value for value in values if not math.isnan(value)], expression


def test_panels_do_not_lie_on_each_other_and_the_variables_have_values(world: World) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells

    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == [
        *("At a glance", "Traffic", "Drawing", "Providers", "Money", "Processes")
    ]
    by_name: dict[str, Any] = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    matched = re.fullmatch(r"label_values\((.+), (\w+)\)", by_name["instance"]["definition"])
    assert matched
    assert len(world.prometheus.numbers(matched[1], matched[2])) == 3


def test_every_metric_of_the_alerts_and_the_dashboard_is_one_that_we_show_and_explain(world: World) -> None:
    page = PAGE.read_text("utf-8")
    queries = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    used = set(re.findall(r"\bstory_[a-z_]+", queries + (FOLDER / "alerts.yml").read_text("utf-8")))
    shown = set(world.prometheus.client.get("/api/v1/label/__name__/values").json()["data"])

    assert len(used) > 20
    assert used <= shown
    for name in shown:
        if name.startswith("story_"):
            assert f"`{re.sub('_(bucket|sum|count)$', '', name)}`" in page, name


def filled(expression: str) -> str:
    """A query as Grafana would send it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


# --- What an operator would see --------------------------------------------------------------------------------
# The last tests: they break what the others look at.


@pytest.mark.parametrize(
    ("on", "status", "provider"), [("draw", 401, "runware"), ("text", 402, "openrouter")], ids=["key", "credit"]
)
def test_a_provider_that_refuses_us_is_seen(world: World, on: str, status: int, provider: str) -> None:
    service, ask = world.services[0], world.prometheus
    assert ask.numbers("max by (provider) (story_provider_refusing)", "provider")[provider] == 0

    world.fake.control(faults=[{"on": on, "kind": "status", "status": status, "times": None}])
    service.wait(service.generate(story(800 + status, 1), num_scenes=1))

    ask.until(lambda: ask.numbers("max by (provider) (story_provider_refusing)", "provider")[provider] == 1)
    assert ask.numbers("min by (provider) (story_provider_available)", "provider")[provider] == 0
    ask.until(lambda: "StoryProviderRefuses" in ask.alerts())
    world.fake.control(clear_faults=True)


def test_an_instance_that_is_gone_is_seen(world: World) -> None:
    ask = world.prometheus
    assert "StoryServiceDown" not in ask.alerts()

    world.services[1].kill()

    ask.until(lambda: "StoryServiceDown" in ask.alerts())
    assert ask.number('count(up{job="story-api"} == 0)') == 1
