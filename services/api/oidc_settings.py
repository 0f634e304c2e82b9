"""Settings of sign-in by OpenID Connect, which is off until OIDC_ISSUER is set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from runtime.access.models import DEFAULT
from runtime.access.principal import SCOPES
from runtime.web_settings import WebSettings

if TYPE_CHECKING:
    from typing import Self

EVERYBODY = "*"
_ALLOWED = re.compile(r"\*|[^@\s,]*@[^@\s,]+")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class OidcSettings(WebSettings):
    """Where people sign in, and who of them may come in."""

    oidc_issuer: str = Field(
        default="",
        description="OpenID provider that people may sign in at, as its /.well-known/openid-configuration says issuer, e.g. https://accounts.example.org; empty: keys only",
    )
    oidc_client_id: str = Field(
        default="", max_length=500, description="what that provider calls this platform"
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="its secret there; unset: a public client, which has none"
    )
    oidc_allowed: str = Field(
        default="",
        description="who may come in, by the e-mail address that the provider has verified, e.g. ada@example.org,@example.com; *: whoever can sign in there",
    )
    oidc_workspace: str = Field(
        default=DEFAULT, min_length=1, max_length=32, description="id of the workspace that they work in"
    )
    oidc_scopes: str = Field(default="read,write", description="what they may do there")
    oidc_timeout_seconds: float = Field(
        default=10, gt=0, le=60, description="longest silence of the provider"
    )
    public_url: str = Field(
        default="",
        description="origin that browsers have this platform at, e.g. https://triptych.example.org; the provider sends people back there",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        if value and (not is_safe(value) or urlsplit(value).query):
            raise ValueError("it must be https://…, or http:// of this machine, without ? and #")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (not is_safe(value) or parts.path not in {"", "/"} or parts.query):
            raise ValueError("it must be https://host, or http://host:port of this machine, without a path")
        return value.rstrip("/")

    @field_validator("oidc_allowed")
    @classmethod
    def _are_people(cls, value: str) -> str:
        for each in _parts(value):
            if _ALLOWED.fullmatch(each) is None:
                raise ValueError(f"{each!r} is neither an e-mail address nor @domain nor *")
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _are_scopes(cls, value: str) -> str:
        unknown = [each for each in _parts(value) if each not in SCOPES]
        if unknown or not _parts(value):
            raise ValueError(f"{', '.join(unknown) or 'nothing'} is no scope; there are {', '.join(SCOPES)}")
        return value

    @model_validator(mode="after")
    def _are_whole(self) -> Self:
        missing = [
            name.upper()
            for name in ("oidc_client_id", "oidc_allowed", "public_url")
            if not getattr(self, name)
        ]
        if self.oidc_issuer and missing:
            raise ValueError(f"OIDC_ISSUER is set, and so must be {', '.join(missing)}")
        return self

    @property
    def allowed(self) -> list[str]:
        """The parts of OIDC_ALLOWED."""
        return _parts(self.oidc_allowed)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of OIDC_SCOPES."""
        return frozenset(_parts(self.oidc_scopes))


def is_safe(address: str) -> bool:
    """Tell whether secrets may go to an address: by TLS, or within this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    whole = bool(host) and not parts.fragment and parts.username is None and not re.search(r"[\s\\]", address)
    return whole and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _parts(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]
