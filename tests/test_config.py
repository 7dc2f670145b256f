"""Settings are read once, refused in one sentence, and shown without their secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config import SECRETS, ConfigurationError, Settings, load_settings, parse_api_keys
from tests.conftest import plain_settings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
PAGE = (ROOT / "docs" / "config.md").read_text("utf-8")
PRODUCTION = {
    "ENVIRONMENT": "production",
    "CORS_ORIGINS": "https://stories.example",
    "API_KEYS": "ann:kVb2-a-key-of-ann,ben:9sQx-a-key-of-ben",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_has_its_line_and_its_sentence(name: str) -> None:
    assert re.search(rf"^(# )?{name.upper()}=", EXAMPLE, re.MULTILINE)
    row = re.search(rf"^\| `{name.upper()}` \|(.+)\|(.+)\|$", PAGE, re.MULTILINE)
    assert row
    assert len(row[2].split()) >= 3


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - SECRETS))
def test_the_page_and_the_example_tell_the_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = ",".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
    shown = {"True": "true", "False": "false"}.get(shown, shown).removesuffix(".0")
    row = re.search(rf"^\| `{name.upper()}` \|([^|]+)\|", PAGE, re.MULTILINE)

    assert re.search(rf"^{name.upper()}={re.escape(shown)}$", EXAMPLE, re.MULTILINE)
    assert row
    assert row[1].strip() == (f"`{shown}`" if shown else "–")


def test_the_example_as_it_stands_gives_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE, "utf-8")

    assert load_settings() == Settings(_env_file=None)


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        setattr(plain_settings(tmp_path), "port", 1)  # noqa: B010 (as somebody without a type checker would)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("CORS_ORIGINS", "https://a.example, https://b.example/", ("https://a.example", "https://b.example")),
        ("CORS_ORIGINS", "", ()),
        ("IMAGE_ORIGINS", "http://127.0.0.1:9000", ("http://127.0.0.1:9000",)),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("DAILY_BUDGET_USD", "", None),
        ("DAILY_BUDGET_USD", "2.5", 2.5),
        ("PORT", "", 8000),
        ("RATE_LIMIT", "", "60/minute"),
        ("OPENROUTER_BASE_URL", "http://127.0.0.1:9001/api/v1/", "http://127.0.0.1:9001/api/v1"),
        ("RELOAD", "true", True),
    ],
)
def test_a_value_is_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, wanted: Any) -> None:
    assert getattr(load(monkeypatch, **{name: value}), name.lower()) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "live"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("LOG_LEVEL", "LOUD"),
        ("MAX_SESSIONS", "0"),
        ("RATE_LIMIT", "many"),
        ("RATE_LIMIT", "0/hour"),
        ("RATE_LIMIT", "60 per fortnight"),
        ("CORS_ORIGINS", "stories.example"),
        ("CORS_ORIGINS", "https://stories.example/page"),
        ("CORS_ORIGINS", "*,https://stories.example"),
        ("IMAGE_ORIGINS", "im.runware.ai"),
        ("RUNWARE_BASE_URL", "api.runware.ai"),
        ("API_KEYS", "ann"),
        ("API_KEYS", "ann:"),
        ("API_KEYS", "local:a-key"),
        ("API_KEYS", "ann:one-key,ann:another"),
        ("API_KEYS", "ann:one-key,ben:one-key"),
        ("DAILY_BUDGET_USD", "nan"),
        ("DAILY_BUDGET_USD", "-1"),
        ("IMAGE_CONCURRENCY", "0"),
        ("TEXT_TIMEOUT_SECONDS", "0"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(monkeypatch, **{name: value})

    sentence = str(refusal.value)
    assert name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert value not in sentence.replace(name, "") or value in ("0", "-1", "*")


def test_production_starts_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, **PRODUCTION).environment == "production"


@pytest.mark.parametrize(
    ("changes", "to_set"),
    [
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
        ({"API_KEYS": ""}, "API_KEYS"),
        ({"API_KEYS": "ann:change-me-to-a-long-random-key"}, "API_KEYS"),
        ({"API_KEYS": "ann:kVb2-a-key,zoe:change-me-to-another-one"}, "API_KEYS"),
        ({"ADMIN_API_KEY": "change-me-to-an-admin-key"}, "ADMIN_API_KEY"),
        ({"SIGNING_KEY": "change-me-to-a-signing-key"}, "SIGNING_KEY"),
    ],
)
def test_production_refuses_to_start_and_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], to_set: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Set {to_set}[ :].*\.$"):
        load(monkeypatch, **PRODUCTION | changes)


def test_an_unreadable_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENROUTER_API_KEY=\xff\xfe")

    with pytest.raises(ConfigurationError, match=r"^\.env: .*\.$"):
        load_settings()


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("SECRETS_DIR", str(folder))
    return folder


def test_secrets_are_read_from_files_named_like_the_settings(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "api_keys").write_text("ann:kVb2-a-key,ben:9sQx-a-key\n", "utf-8")
    (secrets / "SIGNING_KEY").write_text(" spaces are part of it \r\n", "utf-8")
    (secrets / "postgres_password").write_text("not a setting", "utf-8")

    settings = load(monkeypatch, ENVIRONMENT="production", CORS_ORIGINS="https://stories.example")

    assert {name: key.get_secret_value() for name, key in settings.api_keys.items()} == {
        "ann": "kVb2-a-key",
        "ben": "9sQx-a-key",
    }
    assert settings.signing_key
    assert settings.signing_key.get_secret_value() == " spaces are part of it "
    assert settings.public()["SECRETS_DIR"] == str(secrets)


def test_the_environment_wins_over_a_secret_file_unless_it_is_empty(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("runware_api_key", "openrouter_api_key", "signing_key"):
        (secrets / name).write_text(f"{name} of the file\n", "utf-8")
    (tmp_path / ".env").write_text("RUNWARE_API_KEY=of .env\nSIGNING_KEY=\n", "utf-8")

    settings = load(monkeypatch, OPENROUTER_API_KEY="of the environment")

    values = (settings.openrouter_api_key, settings.runware_api_key, settings.signing_key)
    assert [value and value.get_secret_value() for value in values] == [
        "of the environment",
        "of .env",
        "signing_key of the file",
    ]


def test_an_empty_secret_file_means_not_set(secrets: Path) -> None:
    (secrets / "runware_api_key").write_text("\n", "utf-8")

    assert load_settings().runware_api_key is None


def test_a_wrong_value_in_a_secret_file_is_named_and_not_told(secrets: Path) -> None:
    (secrets / "api_keys").write_text("zqxmark", "utf-8")

    with pytest.raises(ConfigurationError, match=r"^API_KEYS: .*\.$") as refusal:
        load_settings()

    assert "zqxmark" not in str(refusal.value)


@pytest.mark.parametrize("made", ["nothing", "a file", "no text"])
def test_a_secrets_folder_that_cannot_be_read_is_one_sentence(
    secrets: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    (secrets / "signing_key").write_bytes(b"\xff\xfe")
    place = {"nothing": secrets / "nothing", "a file": secrets / "signing_key", "no text": secrets}[made]

    with pytest.raises(ConfigurationError, match=r"^SECRETS_DIR: .*\.$") as refusal:
        load(monkeypatch, SECRETS_DIR=str(place))

    assert "\n" not in str(refusal.value)


def test_secrets_are_only_configured_or_missing(tmp_path: Path) -> None:
    marked = {name: f"zqxmark-{name}" for name in SECRETS - {"api_keys"}}
    chosen = plain_settings(tmp_path, api_keys="ann:zqxmark-key", **marked)

    shown = chosen.public()

    assert {shown[name.upper()] for name in SECRETS} == {"configured"}
    assert {plain_settings(tmp_path).public()[name.upper()] for name in SECRETS} == {"missing"}
    assert "zqxmark" not in str(shown)
    assert "zqxmark" not in repr(chosen)


def test_keys_are_pairs_of_name_and_key() -> None:
    assert parse_api_keys(" ann:k:1 , ben:k2,") == {"ann": "k:1", "ben": "k2"}
