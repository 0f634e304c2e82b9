"""Settings from environment variables: read once per process, every mistake reported at once by its variable's name."""

from __future__ import annotations

import re
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.redaction import hide, passwords_of, redacted

KEY_FORM = re.compile(r"trp_[A-Za-z0-9_-]{32,128}", re.ASCII)  # of an API key


class Settings(BaseSettings):
    """What every service process needs. A service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str = Field(
        pattern=r"^(sqlite:///.+|postgresql(\+psycopg)?://.+)$",
        description="sqlite:////path/file.db or postgresql://user:password@host/database",
    )
    redis_url: str = Field(
        pattern=r"^(rediss?|unix)://.+", description="broker and pub/sub, e.g. redis://host:6379/0"
    )
    objects_url: str = Field(
        pattern=r"^(s3://.+|file:///.+)$", description="object store: s3://bucket/prefix or file:///folder"
    )
    objects_attempts: int = Field(
        default=6,
        ge=1,
        le=100,
        description="S3: how often a request is made, with growing random pauses, before it has failed",
    )
    objects_timeout_seconds: float = Field(
        default=60, gt=0, le=3600, description="S3: the longest silence of the store within a request"
    )
    store_wait_hours: float = Field(
        default=24,
        ge=0,
        description="work that meets an object store or a disk that is away, full or refuses is tried for so long, with pauses up to 5 minutes",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level logged"
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="json for machines, text for people"
    )
    health_port: int = Field(
        default=0, ge=0, le=65535, description="port of /healthz, /readyz and /metrics of a worker; 0: none"
    )
    health_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - an orchestrator probes from outside
        min_length=1,
        description="address those probes are answered at",
    )
    work_max_seconds: float = Field(
        default=7200,
        gt=0,
        description="a worker's handler that shows no progress for so long loses its work to another; alike for all workers",
    )
    work_stop_seconds: float = Field(
        default=7,
        gt=0,
        description="time that a worker's work at hand gets after SIGTERM; then others take it. At least 3 below the time to SIGKILL",
    )
    canary_seconds: float = Field(
        default=120,
        gt=0,
        description="a worker that could take messages and took none for so long, not even a canary, fails /healthz",
    )
    scrape_wait_seconds: float = Field(
        default=2.0, gt=0, le=60, description="longest wait of /metrics for figures from database and Redis"
    )
    scrape_keep_seconds: float = Field(
        default=2.0, ge=0, le=60, description="such figures serve further scrapes for so long"
    )
    otel_exporter_otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="origin of an OTLP/HTTP collector that gets traces, e.g. http://collector:4318; empty: none are made",
    )


class PublishSettings(Settings):
    """The environment of services that tell viewers something."""

    publish_timeout_seconds: float = Field(
        default=0.25, gt=0, le=10, description="longest wait for Redis when viewers are told"
    )
    publish_pause_seconds: float = Field(
        default=2.0, gt=0, le=60, description="after Redis failed, it is left alone for so long"
    )


class MigrationSettings(Settings):
    """The environment of the migrations, which also make the key that a deployment begins with."""

    first_key: SecretStr | None = Field(
        default=None,
        description="API key of the first workspace with every scope, made where it is not known: trp_ and 32 to 128 letters, digits, - and _",
    )

    @field_validator("first_key")
    @classmethod
    def _is_one(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and KEY_FORM.fullmatch(value.get_secret_value()) is None:
            raise ValueError("it is not of that form")
        return value


class RelaySettings(Settings):
    """The environment of the relay, which also forgets what is long over."""

    events_keep_days: float = Field(
        default=7,
        ge=0,
        description="deliveries that were handled are kept so long, with their events; 0: for ever",
    )
    dead_keep_days: float = Field(
        default=90, ge=0, description="deliveries that were given up for dead are kept so long; 0: for ever"
    )


S = TypeVar("S", bound=BaseSettings)


class InvalidSettings(SystemExit):
    """The environment is wrong; leaving it uncaught prints every problem and ends the process."""


def load(cls: type[S]) -> S:
    """Read settings from the environment; what is secret in them is hidden in this process's logs from then on.

    Raises:
        InvalidSettings: With one line for each variable that is missing or wrong, saying what is allowed.
    """
    try:
        settings = cls()
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            if not problem["loc"]:  # about several variables together; the message names them
                lines.append(f"  {problem['msg'].removeprefix('Value error, ')}")
                continue
            name = str(problem["loc"][0])
            field = cls.model_fields.get(name)
            allowed = f" ({field.description})" if field and field.description else ""
            got = (
                "is not set"
                if problem["type"] == "missing"
                else f"is {_shown(name, problem['input'])}: {problem['msg']}"
            )
            lines.append(f"  {name.upper()} {got}{allowed}")
        # Also of what a check repeats of a value
        raise InvalidSettings(redacted("Settings are wrong:\n" + "\n".join(lines))) from None
    hide(secrets_of(settings))
    return settings


def secrets_of(settings: BaseSettings) -> list[str]:
    """Give what of settings no log may show: secrets, and the passwords of URLs."""
    found: list[str] = []
    for _, value in settings:
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, str):
            found += passwords_of(value)
    return found


def _shown(name: str, value: object) -> str:
    """Show a wrong value, but never a secret, nor a URL that may hold a password."""
    if "secret" in name or name.endswith("_key"):
        return "wrong"
    if name.endswith("_url"):
        return f"'{str(value).partition('://')[0]}://…'"
    return repr(value)
