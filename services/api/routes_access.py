"""Routes of sign-in, API keys and workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, g, jsonify, request
from werkzeug.exceptions import Forbidden, Unauthorized

from runtime.access import keys, signins
from runtime.access.models import Workspace
from runtime.access.principal import OPERATOR
from runtime.arguments import Blueprint
from services.api.wire import access as wire_access
from services.api.wire import errors as wire_errors

if TYPE_CHECKING:
    from runtime.access.principal import Principal
    from services.api.context import Context


def blueprints(context: Context) -> list[Blueprint]:
    """Make the routes over their collaborators."""
    return [_session(context), _keys(context), _workspaces(context)]


def _session(context: Context) -> Blueprint:
    routes = Blueprint(
        "session", __name__, url_prefix="/api/session", description="Signing a browser in and out"
    )
    db, settings = context.all_workspaces, context.settings

    @routes.post("/")
    @routes.arguments(wire_access.SignIn)
    @routes.response(200, wire_access.Who)
    @routes.alt_response(401, schema=wire_errors.Problem, description="The key does not count")
    def sign_in(body: dict[str, Any]) -> Response:
        """Sign a browser in by a key; the cookie ends with the key at the latest."""
        context.guard.require_same_site()
        with db.write() as session:
            key = keys.find(session, body["key"].strip())
            if key is None:
                raise Unauthorized("This key is not known here, was revoked, or has expired.")
            principal = keys.principal_of(key)
            cookie = signins.begin(session, principal, key_id=key.id, hours=settings.session_hours)
        response = jsonify(_who(context, principal, signed_in=True))
        secure = request.headers.get("X-Forwarded-Proto", request.scheme).partition(",")[0] == "https"
        hand_cookie(response, cookie, hours=settings.session_hours, secure=secure)
        return response

    @routes.get("/")
    @routes.response(200, wire_access.Who)
    def who() -> dict[str, Any]:
        """Tell whom the request comes from, and what that one may do."""
        return _who(context, g.principal, signed_in=g.principal.by_cookie)

    @routes.delete("/")
    @routes.response(204)
    def sign_out() -> Response:
        """Sign the browser out; without one it is out already."""
        context.guard.require_same_site()
        if cookie := request.cookies.get(signins.COOKIE, ""):
            with db.write() as session:
                signins.end(session, cookie)
        response = Response(status=204)
        response.delete_cookie(signins.COOKIE, httponly=True, samesite="Lax")
        return response

    return routes


def hand_cookie(response: Response, cookie: str, *, hours: float, secure: bool) -> None:
    """Let an answer sign the browser in.

    Args:
        response: The answer; changed.
        cookie: Of `signins.begin`.
        hours: How long it lasts.
        secure: Whether the browser may send it by https alone.
    """
    response.set_cookie(
        signins.COOKIE, cookie, max_age=round(hours * 3600), httponly=True, samesite="Lax", secure=secure
    )


def _who(context: Context, principal: Principal, *, signed_in: bool) -> dict[str, Any]:
    with context.all_workspaces.read() as session:
        workspace = session.get_one(Workspace, principal.workspace)
    return {
        "name": principal.name,
        "workspace": workspace.id,
        "workspace_name": workspace.name,
        "scopes": sorted(principal.scopes),
        "signed_in": signed_in,
    }


def _keys(context: Context) -> Blueprint:
    routes = Blueprint("keys", __name__, url_prefix="/api/keys", description="API keys of a workspace")
    db = context.all_workspaces

    @routes.get("/")
    @routes.arguments(wire_access.KeyQuery, location="query")
    @routes.response(200, wire_access.KeyList)
    def list_keys(query: dict[str, Any]) -> dict[str, Any]:
        """List keys, newest first, revoked and expired ones included."""
        with db.read() as session:
            return {"items": keys.of_workspace(session, _workspace(query["workspace"]))}

    @routes.post("/")
    @routes.arguments(wire_access.KeyWish)
    @routes.response(201, wire_access.NewKey)
    def make(wish: dict[str, Any]) -> dict[str, Any]:
        """Make a key, which may do no more than the one that makes it. It is shown this once."""
        if beyond := sorted(set(wish["scopes"]) - g.principal.scopes):
            raise Forbidden(f"{g.principal.name!r} has not the scope {beyond[0]!r}, so it cannot give it.")
        with db.write() as session:
            key, secret = keys.make(
                session,
                _workspace(wish["workspace"]),
                wish["name"],
                wish["scopes"],
                expires_at=wish["expires_at"],
            )
            return {**{name: getattr(key, name) for name in wire_access.Key().fields}, "key": secret}

    @routes.delete("/<key_id>/")
    @routes.arguments(wire_access.KeyQuery, location="query")
    @routes.response(200, wire_access.Key)
    def revoke(query: dict[str, Any], key_id: str) -> Any:
        """Revoke a key for good; browsers that it signed in are out at once."""
        with db.write() as session:
            return keys.revoke(session, _workspace(query["workspace"]), key_id)

    return routes


def _workspace(wanted: str | None) -> str:
    """Give one's own workspace, or for operators the one that they name."""
    own: str = g.principal.workspace
    if wanted is None or wanted == own:
        return own
    if OPERATOR not in g.principal.scopes:
        raise Forbidden(f"Keys of another workspace need the scope {OPERATOR!r}.")
    return wanted


def _workspaces(context: Context) -> Blueprint:
    routes = Blueprint(
        "workspaces", __name__, url_prefix="/api/workspaces", description="What owns data sets and jobs"
    )
    db = context.all_workspaces

    @routes.get("/")
    @routes.response(200, wire_access.WorkspaceList)
    def list_workspaces() -> dict[str, Any]:
        """List the workspaces by name."""
        with db.read() as session:
            return {"items": keys.workspaces(session)}

    @routes.post("/")
    @routes.arguments(wire_access.WorkspaceWish)
    @routes.response(201, wire_access.Workspace)
    @routes.alt_response(409, schema=wire_errors.Problem, description="There is one of that name")
    def make(wish: dict[str, Any]) -> Workspace:
        """Make a workspace; then make a key for it."""
        with db.write() as session:
            return keys.make_workspace(session, wish["name"])

    return routes
