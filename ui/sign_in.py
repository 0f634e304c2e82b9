"""Signing in and out: a page without Dash, for it has to be there before anything else may be seen, and the ways to it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import httpx
from flask import Response, request

from client import ApiError, Away, Refused
from contracts.navigation import is_own_path
from ui import shell
from ui.access import COOKIE

if TYPE_CHECKING:
    from flask import Flask

    from client import Api
    from ui.bundles import Bundle

PATH = "/sign-in"
_FORM = """
        <form method="post" action="/sign-in" class="sign-in-form">
          <input type="hidden" name="next" value="{wanted}">
          <label for="key">API key</label>
          <input id="key" name="key" type="password" autocomplete="current-password" maxlength="200" spellcheck="false"
            required autofocus aria-describedby="key-about">
          <p id="key-about" class="quiet">The platform's operator gives you one; on the machine that it runs on, one is in the file
            <code>var/first-key</code>.</p>
          <button type="submit" class="link-button primary">Sign in</button>
        </form>"""
_AT_PROVIDER = """
        <p class="sign-in-provider"><a href="{address}" class="link-button">Sign in with {name}</a></p>
        <p class="quiet sign-in-or">or by a key</p>"""
_BACK = '<p><a href="/account" class="link-button">Back</a></p>'


def register(server: Flask, api: Api, files: dict[str, Bundle]) -> None:
    """Serve the page, and let it sign in and out."""

    def page(title: str, body: str, error: ApiError | None = None) -> Response:
        answer = Response(_document(files, title, _told(error) + body), status=_status(error))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def form(wanted: str, error: ApiError | None = None) -> Response:
        return page("Sign in", _at_provider(api, wanted) + _FORM.replace("{wanted}", escape(wanted)), error)

    @server.get(PATH)
    def sign_in_form() -> Response:
        return form(own(request.args.get("next", "")))

    @server.post(PATH)
    def sign_in() -> Response:
        wanted = own(request.form.get("next", ""))
        try:
            cookies = api.sign_in(request.form.get("key", "").strip(), https=_by_https())
        except ApiError as error:
            return form(wanted, error)
        return _sent_on(wanted, cookies)

    @server.post("/sign-out")
    def sign_out() -> Response:
        try:
            cookies = api.sign_out()
        except ApiError as error:
            return page("Still signed in", _BACK, error)
        return _sent_on(PATH, cookies)


def own(given: str) -> str:
    """Give an address to go to if it is one of this origin, and not this page's own; else home."""
    return given if is_own_path(given) and urlsplit(given).path.rstrip("/") != PATH else "/"


def needed() -> Response:
    """Send a browser to sign in, from where it comes back to the page that it asks for.

    One with a cookie that no longer counts first asks once more without: behind the gateway of its own machine it needs none.
    """
    query = request.query_string.decode("latin-1")
    asked = own(quote(request.path) + (f"?{query}" if query else ""))
    stale = COOKIE in request.cookies and "Authorization" not in request.headers
    answer = _to(asked if stale else f"{PATH}?{urlencode({'next': asked})}", httpx.codes.FOUND)
    if stale:
        answer.delete_cookie(COOKIE, httponly=True, samesite="Lax")
    return answer


def _sent_on(address: str, cookies: list[str]) -> Response:
    answer = _to(address, httpx.codes.SEE_OTHER)
    for cookie in cookies:
        if cookie.startswith(f"{COOKIE}="):  # a load balancer's is none of the browser's
            answer.headers.add("Set-Cookie", cookie)
    return answer


def _to(address: str, status: int) -> Response:
    return Response(status=status, headers={"Location": address, "Cache-Control": "no-store"})


def _document(files: dict[str, Bundle], title: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{title} · Triptych</title>
    <link rel="icon" type="image/x-icon" href="/_favicon.ico">
    <script>{shell.early(files)}</script>
    <link rel="stylesheet" href="{files["triptych.css"].address}">
  </head>
  <body>
    <main id="page" class="sign-in">
      <p class="brand"><span class="logo" aria-hidden="true"><i></i><i></i><i></i></span>Triptych</p>
      <section class="card">
        <h1 class="page-title">{title}</h1>
        {body}
      </section>
    </main>
  </body>
</html>"""


def _at_provider(api: Api, wanted: str) -> str:
    """Offer the OpenID provider, where there is one; the form works without its being known."""
    try:
        provider = api.ways()["oidc"]
    except ApiError:
        return ""
    if provider is None:
        return ""
    address = f"/api/session/oidc/?{urlencode({'next': wanted})}"
    return _AT_PROVIDER.replace("{address}", escape(address)).replace("{name}", escape(provider["name"]))


def _told(error: ApiError | None) -> str:
    if error is None:
        return ""
    if isinstance(error, Away):
        title = "The platform does not answer"
    else:
        refused = _status(error) == httpx.codes.UNAUTHORIZED
        title = "That key does not count" if refused else "That did not work"
    return f'<div class="message error" role="alert"><strong>{title}</strong><div>{escape(str(error))}</div></div>'


def _by_https() -> bool:
    scheme: str = request.headers.get("X-Forwarded-Proto", request.scheme)
    return scheme.partition(",")[0] == "https"  # each proxy may add its own, the browser's comes first


def _status(error: ApiError | None) -> int:
    if error is None:
        return int(httpx.codes.OK)
    return error.status if isinstance(error, Refused) else int(httpx.codes.SERVICE_UNAVAILABLE)
