"""A small OpenID provider, whose answers a test may change one at a time."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import flask
from joserfc import jwt
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joserfc.jwk import RSAKey

CLIENT, SECRET = "triptych", "a-secret-of-the-client"


@dataclass
class OpenIdProvider:
    """What it does unless a test says otherwise.

    Attributes:
        key: That it signs by.
        published: The keys that it shows.
        claims: Changes to those of its ID tokens; None leaves one out.
        about: Changes to what it says of itself.
        userinfo: Its answer about the person.
        refuses: The error that it answers codes with.
        token: Changes to its answer to a code.
        forge: What is done to its ID tokens on the way.
        asked: What it was asked to sign somebody in for, by code.
        exchanged: Forms and client of the codes that were exchanged.
        calls: Paths that it was asked for.
    """

    key: RSAKey
    published: list[RSAKey] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    refuses: str = ""
    token: dict[str, Any] = field(default_factory=dict)
    forge: Callable[[str], str] = str
    exchanged: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    origin: str = ""
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.published = self.published or [self.key]

    def app(self) -> flask.Flask:
        app = flask.Flask("openid-provider")

        @app.before_request
        def _note() -> None:
            self.calls.append(flask.request.path)

        @app.get("/.well-known/openid-configuration")
        def about() -> dict[str, Any]:
            return {
                "issuer": self.origin,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "jwks_uri": f"{self.origin}/keys",
                "userinfo_endpoint": f"{self.origin}/userinfo",
            } | self.about

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return {"keys": [key.as_dict(private=False) for key in self.published]}

        @app.get("/authorize")
        def authorize() -> flask.Response:
            """Sign everybody in at once."""
            asked = flask.request.args.to_dict()
            code = f"code{len(self.asked)}"
            self.asked[code] = asked
            back = {"code": code, "state": asked["state"], "session_state": "of its own"}
            return flask.redirect(f"{asked['redirect_uri']}?{urlencode(back)}")

        @app.post("/token")
        def token() -> Any:
            form = flask.request.form.to_dict()
            client = flask.request.authorization
            self.exchanged.append({**form, "basic": client and (client.username, client.password)})
            asked = self.asked.pop(form["code"], None)
            challenge = _challenge(form["code_verifier"])
            if self.refuses or asked is None or asked["code_challenge"] != challenge:
                return {"error": self.refuses or "invalid_grant", "error_description": SECRET}, 400
            return {
                "access_token": "access",
                "token_type": "Bearer",
                "id_token": self.signed(asked["nonce"]),
            } | self.token

        @app.get("/userinfo")
        def userinfo() -> dict[str, Any]:
            assert flask.request.headers["Authorization"] == "Bearer access"
            return self.userinfo

        return app

    def visit(self, address: str) -> str:
        """Go where the platform sends a browser; gives where that is sent back to."""
        answer = self.app().test_client().get(address.removeprefix(self.origin))
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def signed(self, nonce: str) -> str:
        """Make an ID token."""
        now = int(time.time())
        claims = {
            "iss": self.origin,
            "sub": "248289761001",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "email": "ada@example.org",
            "email_verified": True,
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.forge(jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer on a port of this machine."""
        server = make_server("127.0.0.1", 0, self.app(), threaded=True, request_handler=_Quiet)
        self.origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Write nothing."""


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
