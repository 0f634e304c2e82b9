"""Lets a request to a Flask app through, or says why not: who it comes from, and whether that one may do it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.exceptions import Forbidden

from runtime.access import keys, signins
from runtime.access.principal import READ, WRITE
from runtime.db import now
from runtime.web import PROBES, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runtime.access.principal import Principal
    from runtime.db import Database

PUBLIC = ""  # needs no key
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing (RFC 9110, 9.2.1)


class Guard:
    """Finds the principal of each request, as `g.principal`, and refuses what it may not do."""

    def __init__(self, db: Database, needs: Mapping[str, str], origins: Collection[str]) -> None:
        """Take the rules.

        Args:
            db: Where keys are.
            needs: The scope that an endpoint needs, or all of a blueprint; PUBLIC: none. What is not named needs READ
                to look and WRITE for all else.
            origins: Origins, beside the request's own, whose pages may send a browser's cookie along.
        """
        self._db = db
        self._needs = {**dict.fromkeys(PROBES, PUBLIC), **needs}
        self._origins = frozenset(origins)

    def install(self, app: Flask) -> None:
        """Look at every request of an app first."""
        app.before_request(self._look)

    def needed(self, endpoint: str, method: str) -> str:
        """Give the scope that a request needs, or PUBLIC."""
        blueprint = endpoint.rpartition(".")[0]
        for name in (endpoint, blueprint):
            if name in self._needs:
                return self._needs[name]
        return READ if method in SAFE else WRITE

    def _look(self) -> Response | None:
        if request.endpoint is None or request.method == "OPTIONS":
            return None  # no such route: 404 or 405, as for everybody; or a browser's question, which has no proof yet
        needed = self.needed(request.endpoint, request.method)
        if needed == PUBLIC:
            return None
        principal = self.principal()
        if principal is None:
            return unauthorized()
        if principal.by_cookie and request.method not in SAFE:
            self.require_same_site()
        if needed not in principal.scopes:
            has = ", ".join(sorted(principal.scopes))
            return problem(
                403,
                "Forbidden",
                f"This needs the scope {needed!r}; {principal.name!r} has {has}.",
                needs=needed,
            )
        g.principal = principal
        return None

    def principal(self) -> Principal | None:
        """Give whom the present request comes from, if it says so truly."""
        return self._by_proof(*_proof())

    def still(self) -> Callable[[], bool]:
        """Give a question for an answer that goes on and on: whether the proof of the present request still counts."""
        proof = _proof()
        return lambda: self._by_proof(*proof) is not None

    def _by_proof(self, authorization: str, cookie: str) -> Principal | None:
        kind, _, secret = authorization.partition(" ")
        if kind:
            return self._by_key(secret.strip()) if kind.lower() == "bearer" else None
        if not cookie:
            return None
        with self._db.read() as session:
            return signins.find(session, cookie)

    def _by_key(self, secret: str) -> Principal | None:
        with self._db.read() as session:
            key = keys.find(session, secret)
        if key is None:
            return None
        if keys.is_stale(key):
            with self._db.write() as session:
                session.merge(key).used_at = now()
        return keys.principal_of(key)

    def require_same_site(self) -> None:
        """Refuse what another site's page made a browser send, whose cookie says nothing of the person's wish.

        Raises:
            Forbidden: The request has the Origin of a page that is neither of this origin nor on the list.
        """
        origin = request.headers.get("Origin")
        if origin is None:  # a program, or an old browser's form
            trusted = request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
        else:
            trusted = origin in self._origins or urlsplit(origin).netloc.lower() == request.host.lower()
        if not trusted:
            raise Forbidden(
                f"The request comes from a page of {origin or 'another site'}, whose requests a signed-in browser is "
                "not trusted with here (CORS_ORIGINS)."
            )


def _proof() -> tuple[str, str]:
    return request.headers.get("Authorization", ""), request.cookies.get(signins.COOKIE, "")


def unauthorized() -> Response:
    """Make the answer to a request without a key that counts."""
    given = "Authorization" in request.headers or signins.COOKIE in request.cookies
    detail = (
        "The key or sign-in is not known here, was revoked, or has expired."
        if given
        else "Send an API key as `Authorization: Bearer trp_…`, or sign in."
    )
    response = problem(401, "Unauthorized", detail)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
