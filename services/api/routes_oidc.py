"""Routes of sign-in at an OpenID provider, and of the ways to sign in that there are."""

from __future__ import annotations

import base64
import hashlib
import logging
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response, request
from marshmallow import EXCLUDE
from werkzeug.exceptions import NotFound

from contracts.navigation import is_own_path
from runtime.access import flows, signins
from runtime.access.models import Workspace
from runtime.access.principal import Principal
from runtime.arguments import Blueprint
from runtime.web import problem
from services.api.oidc import NotSignedIn
from services.api.routes_access import hand_cookie
from services.api.wire import access as wire_access
from services.api.wire import errors as wire_errors

if TYPE_CHECKING:
    from services.api.context import Context
    from services.api.oidc import Provider

_HOME = "/api/session/oidc/"  # and below: all that the cookie of a sign-in under way is sent to
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem;"
    "color-scheme:light dark;overflow-wrap:anywhere}h1{font-size:1.4rem}"
)
_log = logging.getLogger(__name__)


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "oidc", __name__, url_prefix="/api/session", description="Signing in at an OpenID provider"
    )
    db, settings = context.all_workspaces, context.settings
    provider = context.provider
    secure = settings.public_url.startswith("https:")

    @routes.get("/ways/")
    @routes.response(200, wire_access.Ways)
    def ways() -> dict[str, Any]:
        """Tell the ways to sign a browser in."""
        return {"key": True, "oidc": {"name": provider.name} if provider else None}

    @routes.get("/oidc/")
    @routes.arguments(wire_access.OidcWish, location="query")
    @routes.response(302)
    @routes.alt_response(404, schema=wire_errors.Problem, description="It is not set up")
    @routes.alt_response(503, schema=wire_errors.Problem, description="The provider does not answer")
    def begin(query: dict[str, Any]) -> Response:
        """Send a browser to the provider, from where it comes back to the callback."""
        asked = _offered(provider)
        with db.write() as session:
            cookie, flow = flows.begin(session, own(query["next"]))
        try:
            answer = _to(asked.address(flow), HTTPStatus.FOUND)
        except NotSignedIn as error:
            return _told(error)
        answer.set_cookie(
            flows.COOKIE,
            cookie,
            max_age=flows.SECONDS,
            path=_HOME,
            httponly=True,
            samesite="Lax",
            secure=secure,
        )
        return _kept_by_nobody(answer)

    @routes.get("/oidc/callback/")
    @routes.arguments(wire_access.OidcAnswer, location="query", unknown=EXCLUDE)
    @routes.response(303)
    @routes.alt_response(
        400, schema=wire_errors.Problem, description="No sign-in is under way in this browser"
    )
    @routes.alt_response(401, schema=wire_errors.Problem, description="What the provider says does not count")
    @routes.alt_response(403, schema=wire_errors.Problem, description="The person may not come in")
    @routes.alt_response(404, schema=wire_errors.Problem, description="It is not set up")
    @routes.alt_response(503, schema=wire_errors.Problem, description="The provider does not answer")
    def callback(query: dict[str, Any]) -> Response:
        """Sign in the browser that the provider sent back, if it may come in."""
        asked = _offered(provider)
        try:
            target, name = _finished(context, asked, query)
            answer = _to(target, HTTPStatus.SEE_OTHER)
            hand_cookie(answer, _signed_in(context, name), hours=settings.session_hours, secure=secure)
        except NotSignedIn as error:
            answer = _told(error)
        answer.delete_cookie(flows.COOKIE, path=_HOME, httponly=True, samesite="Lax", secure=secure)
        return _kept_by_nobody(answer)

    return routes


def _offered(provider: Provider | None) -> Provider:
    if provider is None:
        raise NotFound("Sign-in at an OpenID provider is not set up here (OIDC_ISSUER).")
    return provider


def _finished(context: Context, provider: Provider, query: dict[str, Any]) -> tuple[str, str]:
    """Give where to go and who signed in, by what the provider sent a browser back with."""
    with context.all_workspaces.write() as session:
        flow = flows.take(session, request.cookies.get(flows.COOKIE, ""), query["state"])
    if flow is None:
        raise NotSignedIn(
            400,
            "This browser has no such sign-in under way: it took longer than ten minutes, was ended already, or "
            f"began in another tab or at another address than {context.settings.public_url}. Sign in once more.",
        )
    if query["error"] or not query["code"]:
        raise provider.refused(query["error"])
    return flow.target, provider.person(query["code"], flow)


def _signed_in(context: Context, name: str) -> str:
    """Give the cookie of a new session."""
    settings = context.settings
    principal = Principal(settings.oidc_workspace, settings.scopes, name, f"session:{name}", by_cookie=True)
    with context.all_workspaces.write() as session:
        if session.get(Workspace, principal.workspace) is None:
            raise NotSignedIn(
                503,
                f"There is no workspace {principal.workspace!r} to work in: whoever runs this platform should look "
                "at OIDC_WORKSPACE.",
            )
        cookie = signins.begin(session, principal, key_id=None, hours=settings.session_hours)
    _log.info("signed in at the OpenID provider", extra={"who": name, "workspace": principal.workspace})
    return cookie


def own(given: str) -> str:
    """Give a path to go to if it is one of this origin, else home."""
    return quote(given, safe="/?#&=%+:;,@!$'()*~[]") if is_own_path(given) else "/"


def _told(error: NotSignedIn) -> Response:
    """Say why somebody is not signed in: as a page to a browser, else as a problem."""
    title = "Not signed in"
    if request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) != "text/html":
        return problem(error.status, title, str(error))
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title} · Triptych</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><main><h1>{title}</h1><p>{escape(str(error))}</p><p><a href="/sign-in">Back to sign-in</a></p></main>'
        "</body></html>"
    )
    answer = Response(page, error.status, mimetype="text/html")
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return answer


def _to(address: str, status: HTTPStatus) -> Response:
    return Response(status=status, headers={"Location": address})


def _kept_by_nobody(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
