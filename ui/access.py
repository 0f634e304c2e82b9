"""Whom a browser's requests come from: their proof goes along to the API, and other sites' pages are kept out."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import flask

if TYPE_CHECKING:
    import httpx

COOKIE = "triptych_session"
_SAFE = {"GET", "HEAD", "OPTIONS"}


def forward(call: httpx.Request) -> httpx.Request:
    """Give a call of the API the proof of the browser's request that it is made for."""
    if not flask.has_request_context():
        return call
    if given := flask.request.headers.get("Authorization"):  # the gateway's, for the person at the machine
        call.headers["Authorization"] = given
    elif cookie := flask.request.cookies.get(COOKIE):
        call.headers["Cookie"] = f"{COOKIE}={cookie}"
    return call


def no_cookies() -> CookieJar:
    """Give what a client keeps of the API's cookies: nothing. It calls for everybody, and each cookie is one browser's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def has_proof() -> bool:
    """Tell whether the present request says whom it comes from, truly or not."""
    return "Authorization" in flask.request.headers or COOKIE in flask.request.cookies


def install(server: flask.Flask) -> None:
    """Refuse what another site's page makes a browser do: it would be done in the name of who is signed in."""

    @server.before_request
    def _same_site() -> flask.Response | None:
        origin = flask.request.headers.get("Origin")
        if flask.request.method in _SAFE or origin is None:
            return None
        if urlsplit(origin).netloc.lower() == flask.request.host.lower():
            return None
        return flask.Response("A page of another site may not use this one.", 403, mimetype="text/plain")
