"""Asks an OpenID provider who somebody is: authorization code flow with PKCE, and an ID token that is looked at closely."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.httpx_client import OAuth2Client, OAuthError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from services.api.oidc_settings import EVERYBODY, is_safe

if TYPE_CHECKING:
    from ssl import SSLContext

    from runtime.access.models import Flow
    from services.api.oidc_settings import OidcSettings

CALLBACK = "/api/session/oidc/callback/"
# By a private key of the provider's: not "none", and not HS…, whose key might be one that is public
_ALGORITHMS = [f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)] + [
    "Ed25519",
    "EdDSA",
]
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_KEEP_SECONDS = 600  # for what a provider says of itself; of new keys one hears at once
_LEEWAY_SECONDS = 60  # between the provider's clock and ours
_LONGEST_NAME = 300
_UNSIGNED = "it is malformed, or not signed by a key of its own"
_MISCONFIGURED = frozenset({"invalid_client", "unauthorized_client"})
_CODE = re.compile(r"[\w.-]{1,60}", re.ASCII)
_log = logging.getLogger(__name__)


class NotSignedIn(Exception):
    """It came to no sign-in; the text says why, to the person and without secrets.

    Attributes:
        status: Of the answer.
    """

    def __init__(self, status: int, detail: str) -> None:
        """Take what to answer."""
        super().__init__(detail)
        self.status = status


class Provider:
    """The provider of the settings."""

    def __init__(self, settings: OidcSettings, tls: SSLContext) -> None:
        """Ask nothing yet: it may be away while the api starts.

        Args:
            settings: With OIDC_ISSUER.
            tls: For all connections; each would spend 50 ms of CPU on one of its own.
        """
        self._settings = settings
        self._tls = tls
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    @property
    def name(self) -> str:
        """Its host, by which people know it."""
        return urlsplit(self._settings.oidc_issuer).netloc

    def address(self, flow: Flow) -> str:
        """Give where to send a browser that signs in.

        Raises:
            NotSignedIn: The provider is away.
        """
        endpoint = self._about_itself()["authorization_endpoint"]
        with self._client() as client:
            address, _ = client.create_authorization_url(
                endpoint, state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
            )
        return str(address)

    def person(self, code: str, flow: Flow) -> str:
        """Exchange a code, and give the name of who signed in: the verified e-mail address, where there is one.

        Args:
            code: As the browser brought it.
            flow: What it is held against.

        Raises:
            NotSignedIn: The code or the token does not count, the person may not come in, or the provider is away.
        """
        token = self._token(code, flow)
        claims = self._verified(token, flow)
        return self._admitted(self._with_email(claims, token))

    def refused(self, error: str) -> NotSignedIn:
        """Say that the provider signed nobody in, by the `error` that it sent the browser back with."""
        if error == "access_denied":
            return NotSignedIn(403, f"The sign-in was refused or given up at {self.name}.")
        shown = f" ({error})" if _CODE.fullmatch(error) else ""
        return NotSignedIn(403, f"{self.name} signed nobody in{shown}.")

    def _token(self, code: str, flow: Flow) -> dict[str, Any]:
        about = self._about_itself()
        try:
            with self._client(about) as client:
                token = client.fetch_token(
                    about["token_endpoint"],
                    code=code,
                    code_verifier=flow.verifier,
                    grant_type="authorization_code",
                )
        except OAuthError as error:
            reason = str(error.error)
            _log.warning("the provider refused a code", extra={"error": reason})
            if reason in _MISCONFIGURED:
                raise NotSignedIn(
                    503,
                    f"{self.name} does not take this platform for what it says it is: whoever runs it should look at "
                    "OIDC_CLIENT_ID and OIDC_CLIENT_SECRET.",
                ) from None
            shown = f" ({reason})" if _CODE.fullmatch(reason) else ""
            raise NotSignedIn(
                401, f"{self.name} refused the code of this sign-in{shown}. Sign in once more."
            ) from None
        except (httpx2.HTTPError, ValueError) as error:
            raise self._away(error) from None
        return dict(token)

    def _verified(self, token: dict[str, Any], flow: Flow) -> dict[str, Any]:
        raw = token.get("id_token")
        if not isinstance(raw, str):
            raise NotSignedIn(401, f"{self.name} sent no ID token.")
        settings = self._settings
        try:
            read = self._decoded(raw)
            claims = CodeIDToken(
                read.claims,
                read.header,
                options={"iss": {"value": settings.oidc_issuer}, "aud": {"value": settings.oidc_client_id}},
                params={
                    "nonce": flow.nonce,
                    "client_id": settings.oidc_client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            _log.warning("an ID token does not count", extra={"error": repr(error)})
            why = error.description if isinstance(error, JoseError) and error.description else _UNSIGNED
            raise NotSignedIn(
                401, f"The ID token of {self.name} does not count: {why.rstrip('.')}."
            ) from None
        return dict(claims)

    def _decoded(self, raw: str) -> jwt.Token:
        keys, fresh = self._keys(_KEEP_SECONDS)
        try:
            return jwt.decode(raw, keys, algorithms=_ALGORITHMS)
        except (BadSignatureError, InvalidKeyIdError):
            if fresh:
                raise
            # It may have changed its keys meanwhile
            return jwt.decode(raw, self._keys(0)[0], algorithms=_ALGORITHMS)

    def _keys(self, keep: float) -> tuple[KeySet, bool]:
        found, fresh = self._get(self._about_itself()["jwks_uri"], keep)
        try:
            return KeySet.import_key_set(found), fresh  # type: ignore[arg-type] # it says itself what is wrong with it
        except (JoseError, KeyError, ValueError, TypeError) as error:
            raise self._away(error) from None

    def _with_email(self, claims: dict[str, Any], token: dict[str, Any]) -> dict[str, Any]:
        """Add what providers say at their UserInfo alone, as OpenID Connect Core 5.4 has it."""
        endpoint = self._about_itself().get("userinfo_endpoint")
        access = token.get("access_token")
        if "email" in claims or not isinstance(endpoint, str) or not is_safe(endpoint) or not access:
            return claims
        told, _ = self._get(endpoint, 0, Authorization=f"Bearer {access}")
        if told.get("sub") != claims["sub"]:
            raise NotSignedIn(401, f"{self.name} told of somebody else than who signed in.")
        return {**claims, "email": told.get("email"), "email_verified": told.get("email_verified")}

    def _admitted(self, claims: dict[str, Any]) -> str:
        """Give the name of who may come in.

        Raises:
            NotSignedIn: They may not.
        """
        email = claims.get("email")
        # Cognito writes it as a text
        verified = isinstance(email, str) and str(claims.get("email_verified")).lower() == "true"
        if verified and _is_among(str(email), self._settings.allowed) and len(str(email)) <= _LONGEST_NAME:
            return str(email)
        if EVERYBODY in self._settings.allowed:
            return f"{claims['sub']} at {self.name}"[:_LONGEST_NAME]
        if not isinstance(email, str) or not email:
            why = f"{self.name} does not tell your e-mail address"
        elif not verified:
            why = f"{self.name} has not verified that {email} is yours"
        else:
            why = f"{email} is not among those who may come in here"
        raise NotSignedIn(403, f"{why}. Ask whoever runs this platform (OIDC_ALLOWED).")

    def _client(self, about: dict[str, Any] | None = None) -> OAuth2Client:
        settings, secret = self._settings, self._settings.oidc_client_secret
        taken = (about or {}).get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        way = "client_secret_basic" if "client_secret_basic" in taken else "client_secret_post"
        return OAuth2Client(
            client_id=settings.oidc_client_id,
            client_secret=secret and secret.get_secret_value(),
            token_endpoint_auth_method=way if secret else "none",
            scope="openid email",
            redirect_uri=settings.public_url + CALLBACK,
            code_challenge_method="S256",
            timeout=settings.oidc_timeout_seconds,
            verify=self._tls,
        )

    def _about_itself(self) -> dict[str, Any]:
        """Give what the provider says of itself (OpenID Connect Discovery 1.0)."""
        issuer = self._settings.oidc_issuer
        found, _ = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", _KEEP_SECONDS)
        if found.get("issuer") != issuer:
            raise NotSignedIn(
                503,
                f"{self.name} says that its issuer is {found.get('issuer')!r}, and OIDC_ISSUER is {issuer!r}.",
            )
        for name in _ENDPOINTS:
            if not isinstance(found.get(name), str) or not is_safe(found[name]):
                raise NotSignedIn(503, f"{self.name} does not say a {name} at https://….")
        return found

    def _get(self, address: str, keep: float, **headers: str) -> tuple[dict[str, Any], bool]:
        """Give a JSON object, which may be so many seconds old, and whether it was fetched just now.

        Two threads may fetch it at a time, which costs a request.
        """
        at, found = self._kept.get(address, (0.0, {}))
        if found and time.monotonic() - at < keep:
            return found, False
        try:
            answer = httpx2.get(
                address, headers=headers, timeout=self._settings.oidc_timeout_seconds, verify=self._tls
            )
            answer.raise_for_status()
            found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise self._away(error) from None
        if not isinstance(found, dict):
            raise self._away(ValueError(f"{address} answers with no JSON object"))
        if not headers:  # what it tells of a person is not kept
            self._kept[address] = (time.monotonic(), found)
        return found, True

    def _away(self, error: Exception) -> NotSignedIn:
        _log.warning("the OpenID provider does not answer", extra={"error": repr(error)})
        return NotSignedIn(
            503,
            f"{self.name} does not answer as it should at the moment; try again in a while, or sign in by a key.",
        )


def _is_among(email: str, allowed: list[str]) -> bool:
    name, _, domain = _folded(email).rpartition("@")
    if not name or "@" in name:
        return False
    wanted = {_folded(each) for each in allowed}
    return not wanted.isdisjoint({EVERYBODY, f"@{domain}", f"{name}@{domain}"})


def _folded(email: str) -> str:
    """Write an address small where that makes no other of it: beyond ASCII some letters of two people become one."""
    return email.lower() if email.isascii() else email
