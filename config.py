"""The settings of the service, read once from the environment and `.env`."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

VERSION = "0.1.0"
ENV_EXAMPLE = Path(__file__).with_name(".env.example")

ORIGIN = re.compile(r"https?://[^\s/?#@]+")

CommaList = Annotated[tuple[str, ...], NoDecode]


class ConfigurationError(Exception):
    """The settings do not allow a start; the message is one sentence that says what to set."""


class Settings(BaseSettings):
    """Every setting, frozen. `docs/config.md` has a sentence for each; `.env.example` a line."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    environment: Literal["development", "staging", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    reload: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    error_dsn: SecretStr | None = None
    fastapi_otel_auto_configure: bool = False
    cors_origins: CommaList = ("*",)
    secrets_dir: Path | None = None

    openrouter_api_key: SecretStr | None = None
    runware_api_key: SecretStr | None = None
    openrouter_base_url: str = "https://openrouter.ai/api/v1"
    runware_base_url: str = "https://api.runware.ai/v1"
    image_origins: CommaList = ("https://im.runware.ai",)
    text_model: str = "openai/gpt-6-luna"
    check_model: str | None = None
    image_model: str = "runware:400@2"
    draft_image_model: str = "runware:400@4"

    text_concurrency: int = Field(default=8, ge=1, le=256)
    image_concurrency: int = Field(default=4, ge=1, le=256)
    connect_timeout_seconds: float = Field(default=10, gt=0)
    text_timeout_seconds: float = Field(default=60, gt=0)
    image_timeout_seconds: float = Field(default=180, gt=0)
    retry_attempts: int = Field(default=4, ge=1, le=20)

    max_sessions: int = Field(default=100, ge=1)
    session_cleanup_hours: float = Field(default=24, gt=0)
    drain_seconds: float = Field(default=2, ge=0, le=3600)
    trusted_proxies: CommaList = ()
    rate_limit: str = Field(default="60/minute", pattern=r"^[1-9]\d{0,8}/(second|minute|hour|day)$")
    api_keys: Annotated[dict[str, SecretStr], NoDecode] = Field(default={}, repr=False)
    admin_api_key: SecretStr | None = None
    signing_key: SecretStr | None = None

    max_story_chars: int = Field(default=100_000, ge=10)
    max_scenes: int = Field(default=50, ge=1, le=1000)
    max_body_bytes: int = Field(default=1_000_000, ge=1000)
    max_upload_bytes: int = Field(default=20_000_000, ge=1000)
    max_image_bytes: int = Field(default=30_000_000, ge=1000)
    max_prompt_chars: int = Field(default=1900, ge=200, le=3000)
    daily_budget_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    projects_dir: Path = Path("projects")
    storage_url: SecretStr | None = None
    storage_cache_bytes: int = Field(default=1_000_000_000, ge=1_000_000)
    redis_url: SecretStr | None = None
    database_url: SecretStr | None = None
    job_lease_seconds: float = Field(default=15, gt=0)
    job_max_tries: int = Field(default=5, ge=1)
    total_image_concurrency: int | None = Field(default=None, ge=1, le=10_000)
    worker_host: str = "127.0.0.1"
    worker_port: int = Field(default=8001, ge=0, le=65535)

    @field_validator("cors_origins", "image_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return (
            tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("cors_origins", "image_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """An origin is compared exactly, so one that no browser sends would silently never match."""
        for origin in origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError("write each origin as https://example.com, with its port and without a path")
        return origins

    @field_validator("openrouter_base_url", "runware_base_url")
    @classmethod
    def _address(cls, address: str) -> str:
        if not address.startswith(("http://", "https://")):
            raise ValueError("write an address that begins with https:// (or http://)")
        return address.rstrip("/")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return parse_api_keys(value) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _from_secret_files(cls, given: dict[str, object]) -> dict[str, object]:
        """What the environment leaves open is read from the files of SECRETS_DIR, each named like its setting."""
        if folder := given.get("secrets_dir"):
            for name, value in secret_files(Path(str(folder)), cls.model_fields).items():
                if given.get(name, "") == "":
                    given[name] = value
        return given

    @field_validator("*", mode="before")
    @classmethod
    def _empty_means_default(cls, value: object, info: object) -> object:
        """`NAME=` in a file means "not set"; an empty list stays an empty list."""
        if value != "" or info.field_name in ("cors_origins", "image_origins", "trusted_proxies", "api_keys"):  # type: ignore[attr-defined]
            return value
        return cls.model_fields[info.field_name].get_default(call_default_factory=True)  # type: ignore[attr-defined]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if "*" in self.cors_origins and len(self.cors_origins) > 1:
            raise ValueError("CORS_ORIGINS is either * or a list of origins, not both")
        if self.environment == "production":
            self._refuse_unsafe_production()
        return self

    def _refuse_unsafe_production(self) -> None:
        if "*" in self.cors_origins:
            raise ValueError("set CORS_ORIGINS to the origins of your pages: production does not start with *")
        if not self.api_keys:
            raise ValueError("set API_KEYS to name:key pairs: production does not start without them")
        for name in example_values_left(self):
            raise ValueError(f"set {name}: production does not start with the value from .env.example")

    @property
    def debug(self) -> bool:
        """Whether the debug endpoints are open to everybody."""
        return self.environment == "development"

    def public(self) -> dict[str, str | int | float | bool | list[str] | None]:
        """The settings as `/debug/config` shows them: a secret is only `configured` or `missing`."""
        return {name.upper(): _public_value(name, getattr(self, name)) for name in type(self).model_fields}


SECRETS = frozenset(
    {
        "openrouter_api_key",
        "runware_api_key",
        "admin_api_key",
        "signing_key",
        "api_keys",
        "redis_url",
        "database_url",
        "storage_url",
        "error_dsn",
    }
)


def load_settings() -> Settings:
    """The settings of this process; raises `ConfigurationError` with one sentence instead of a traceback."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "string_pattern_mismatch":
            message = f"write it like {Settings.model_fields[name.lower()].default}"
        raise ConfigurationError(f"{name}: {message}." if name else f"{message[0].upper()}{message[1:]}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(".env: the file cannot be read as UTF-8 text.") from error


def secret_files(folder: Path, names: Container[str]) -> dict[str, str]:
    """The text of those files of the folder without its last line break; raises ValueError in one sentence."""
    found = {}
    try:
        for file in sorted(folder.iterdir()):
            if file.name.lower() in names and file.is_file():
                found[file.name.lower()] = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ValueError("SECRETS_DIR: set it to a folder whose files this process can read as UTF-8 text") from None
    return found


def parse_api_keys(value: str) -> dict[str, str]:
    """`name:key,name:key` as a dict; raises ValueError for a missing half, a repeated name or a repeated key."""
    keys: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in value.split(","))):
        name, colon, key = part.partition(":")
        if not (name and colon and key) or not name.isascii() or name == "local":
            raise ValueError("API_KEYS takes name:key pairs separated by commas (the name `local` is taken)")
        if name in keys or key in keys.values():
            raise ValueError("API_KEYS names one person or one key twice")
        keys[name] = key
    return keys


def example_values_left(settings: Settings) -> list[str]:
    """The names of the secrets that still have the value `.env.example` shows."""
    examples = _example_values()
    left = []
    for name in sorted(SECRETS):
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(plain, dict):
            shown = parse_api_keys(examples.get(name, ""))
            if any(key.get_secret_value() in shown.values() for key in plain.values()):
                left.append(name.upper())
        elif plain and plain == examples.get(name):
            left.append(name.upper())
    return left


def _example_values() -> dict[str, str]:
    """Every value in `.env.example`, also of the lines that are commented out."""
    if not ENV_EXAMPLE.is_file():
        return {}
    pairs = (line.lstrip("# ").split("=", 1) for line in ENV_EXAMPLE.read_text("utf-8").splitlines() if "=" in line)
    return {
        name.strip().lower(): value.strip() for name, value in pairs if name.strip().isidentifier() and value.strip()
    }


def _public_value(name: str, value: object) -> str | int | float | bool | list[str] | None:
    if name in SECRETS:
        return "configured" if value else "missing"
    if isinstance(value, tuple):
        return [str(item) for item in value]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)
