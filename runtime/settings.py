"""Settings from environment variables: read once per process, every mistake reported at once by its variable's name."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level logged"
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="json for machines, text for people"
    )
    health_port: int = Field(
        default=0, ge=0, le=65535, description="port of /healthz and /readyz of a worker; 0: none"
    )
    health_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - an orchestrator probes from outside
        min_length=1,
        description="address those probes are answered at",
    )


S = TypeVar("S", bound=BaseSettings)


class InvalidSettings(SystemExit):
    """The environment is wrong; leaving it uncaught prints every problem and ends the process."""


def load(cls: type[S]) -> S:
    """Read settings from the environment.

    Raises:
        InvalidSettings: With one line for each variable that is missing or wrong, saying what is allowed.
    """
    try:
        return cls()
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
        raise InvalidSettings("Settings are wrong:\n" + "\n".join(lines)) from None


def _shown(name: str, value: object) -> str:
    """Show a wrong value, but never a secret, nor a URL that may hold a password."""
    if "secret" in name:
        return "wrong"
    if name.endswith("_url"):
        return f"'{str(value).partition('://')[0]}://…'"
    return repr(value)
