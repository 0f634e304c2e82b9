"""Sign-in, API keys and workspaces of the fake platform. It asks for a key only where a test says so."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from browser.fake_api import FakePlatform, problem
from flask import Flask, Response, jsonify, request

if TYPE_CHECKING:
    from browser.fake_api import JSON

COOKIE = "triptych_session"
OPEN = ("/session/", "/session/ways/", "/health/")


def add_access(app: Flask, platform: FakePlatform) -> None:  # noqa: C901 - one closure for each route
    """Ask for a proof before every other route, and serve those of access."""

    @app.before_request
    def ask() -> Response | None:
        public = request.path in OPEN and (request.path, request.method) != ("/session/", "GET")
        return None if public or _key(platform) else unauthorized()

    @app.route("/session/", methods=["GET", "POST", "DELETE"])
    def session() -> Any:
        if request.method == "DELETE":
            platform.sessions.pop(request.cookies.get(COOKIE, ""), None)
            answer = Response(status=204)
            answer.delete_cookie(COOKIE, httponly=True, samesite="Lax")
            return answer
        if request.method == "GET":
            return jsonify(_who(platform, _key(platform) or {}))
        key = platform.keys.get(request.json["key"])
        if key is None or key["revoked_at"]:
            return problem(401, "Unauthorized", "This key is not known here, was revoked, or has expired.")
        cookie = secrets.token_hex(8)
        platform.sessions[cookie] = key
        answer = jsonify(_who(platform, key) | {"signed_in": True})
        secure = request.headers.get("X-Forwarded-Proto") == "https"
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="Lax", secure=secure)
        return answer

    @app.get("/session/ways/")
    def ways() -> Response:
        return jsonify(key=True, oidc=platform.provider and {"name": platform.provider})

    @app.route("/keys/", methods=["GET", "POST"])
    def keys() -> Any:
        if request.method == "GET":
            return jsonify(
                items=[
                    _shown(key) for key in reversed(platform.keys.values()) if key["workspace"] == "default"
                ]
            )
        made, secret = platform.add_key(**request.json)
        return jsonify(_shown(made) | {"key": secret}), 201

    @app.delete("/keys/<key_id>/")
    def revoke(key_id: str) -> Response:
        key = next(key for key in platform.keys.values() if key["id"] == key_id)
        key["revoked_at"] = datetime.now(UTC).isoformat()
        return jsonify(_shown(key))

    @app.route("/workspaces/", methods=["GET", "POST"])
    def workspaces() -> Any:
        if request.method == "GET":
            return jsonify(items=platform.workspaces)
        name = request.json["name"]
        if any(one["name"] == name for one in platform.workspaces):
            return problem(409, "Conflict", f"There is a workspace {name!r} already.")
        return jsonify(platform.add_workspace(name)), 201


def unauthorized() -> Response:
    return problem(401, "Unauthorized", "The key or sign-in is not known here, was revoked, or has expired.")


def _key(platform: FakePlatform) -> JSON | None:
    """Give the key that the request stands on, if it counts."""
    first = next(iter(platform.keys.values()))
    if not platform.asks_for_key:
        return first
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = platform.keys.get(secret) if kind else platform.sessions.get(request.cookies.get(COOKIE, ""))
    return key if key and not key["revoked_at"] else None


def _who(platform: FakePlatform, key: JSON) -> JSON:
    workspace = next(one for one in platform.workspaces if one["id"] == key["workspace"])
    return {
        "name": key["name"],
        "workspace": workspace["id"],
        "workspace_name": workspace["name"],
        "scopes": sorted(key["scopes"]),
        "signed_in": request.cookies.get(COOKIE) in platform.sessions,
    }


def _shown(key: JSON) -> JSON:
    return {name: value for name, value in key.items() if name != "workspace"}
