"""Settings of the services that answer HTTP to anyone: how much, from which sites, and over what."""

from __future__ import annotations

from urllib.parse import urlsplit

from limits import parse_many
from pydantic import Field, field_validator

from runtime.settings import PublishSettings

NO_LIMIT = "none"


class WebSettings(PublishSettings):
    """What api and metrics have in common."""

    rate_limit: str = Field(
        default="12000/minute",
        description="most requests of one caller to one service, e.g. 200/second;12000/minute; callbacks, event streams and upload chunks are free; none: no limit",
    )
    trusted_proxies: int = Field(
        default=1,
        ge=0,
        le=10,
        description="proxies of yours before a service, whose word on a caller's address (X-Forwarded-For) counts; the gateway is one",
    )
    cors_origins: str = Field(
        default="",
        description="other sites whose pages may read the API's answers in a browser, e.g. https://a.example,https://b.example; empty: none",
    )
    hsts_seconds: int = Field(
        default=0,
        ge=0,
        description="how long browsers shall use https only (Strict-Transport-Security), once everything is served so; 0: unsaid",
    )

    @field_validator("rate_limit")
    @classmethod
    def _limits(cls, value: str) -> str:
        if value != NO_LIMIT:
            try:
                parse_many(value)
            except ValueError:
                raise ValueError("it must be like 100/second or 100/second;6000/minute, or none") from None
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in value.split(",") if value.strip() else ():
            parts = urlsplit(origin.strip())
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
                raise ValueError(
                    f"{origin.strip()!r} is no origin, https://host or http://host:port, without a path"
                )
        return value

    @property
    def origins(self) -> list[str]:
        """The origins of CORS_ORIGINS."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
