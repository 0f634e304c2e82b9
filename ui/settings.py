"""Settings of the UI, from environment variables."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class UiSettings(BaseSettings):
    """The UI's environment. It reaches the platform by the public REST API alone."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    api_base: str = Field(
        default="http://localhost:8080",
        description="origin of the REST API as this process reaches it, e.g. http://gateway:8080",
    )
    api_timeout_seconds: float = Field(
        default=10, gt=0, le=120, description="longest wait for one API answer"
    )
    csp_origins: str = Field(
        default="",
        pattern=r"^(https?://[A-Za-z0-9.:*-]+( https?://[A-Za-z0-9.:*-]+)*)?$",
        description="origins beside its own that the pages may ask and take pictures from, with blanks between; e.g. an object store's, where browsers are sent there",
    )
    hsts_seconds: int = Field(
        default=0,
        ge=0,
        description="how long browsers shall use https only (Strict-Transport-Security), once everything is served so; 0: unsaid",
    )
    ui_workers: int = Field(default=1, ge=1, le=64, description="processes that answer HTTP")
    ui_threads: int = Field(default=8, ge=1, le=256, description="requests each of them answers at a time")
    ui_stop_seconds: int = Field(
        default=8, ge=1, le=300, description="time for requests at hand after SIGTERM"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level logged"
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="json for machines, text for people"
    )

    @field_validator("api_base")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
            raise ValueError("it must be an origin, http://host:port or https://host, without a path")
        return value.rstrip("/")


def load() -> UiSettings:
    """Read the settings from the environment.

    Raises:
        SystemExit: With one line for each variable that is wrong, saying what is allowed.
    """
    try:
        return UiSettings()
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            allowed = UiSettings.model_fields[name].description
            lines.append(f"  {name.upper()} is {problem['input']!r}: {problem['msg']} ({allowed})")
        raise SystemExit("Settings are wrong:\n" + "\n".join(lines)) from None
