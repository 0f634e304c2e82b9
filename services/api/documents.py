"""Routes that describe the REST API: one OpenAPI document of all services, and a page to read and try it."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from flask import Flask, send_from_directory
from flask_smorest import Api
from werkzeug.exceptions import NotFound

from runtime import openapi
from runtime.access import signins
from runtime.arguments import Blueprint
from services.api import idempotency
from services.api.wire import datasets as wire_datasets
from services.api.wire import maintenance as wire_maintenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response

# Answered by the metrics service, which this one does not import: scripts/metrics_openapi.py writes it, a test compares
_METRICS = "metrics_openapi.json"
_PAGE = ("index.html", "page.js")
_SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
# Swagger UI styles elements itself, and draws with pictures in data: URLs
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WITHOUT_A_KEY = {
    ("get", "/api/health/"),
    ("post", "/api/session/"),
    ("delete", "/api/session/"),
    ("patch", "/api/training_jobs/{job_id}/metrics/"),  # a trainer's callback proves itself
}
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_IDS = dict.fromkeys(("dataset_id", "upload_id", "job_id", "prediction_id", "webhook_id"), _ID) | {
    "path": {"type": "string", "minLength": 1, "description": "of an uploaded file; may hold slashes"}
}


def add_routes(app: Flask, blueprints: Sequence[Blueprint]) -> None:
    """Add the API's routes, and serve their document at /api/openapi.json and the page at /api/docs/; both work without internet."""
    documented = [*blueprints, _health()]
    for blueprint in documented:
        app.register_blueprint(blueprint)

    def document() -> dict[str, Any]:
        own = openapi.finish(
            _with_headers(_described(documented)), wire_datasets.MODELS, _IDS, mode="serialization"
        )
        metrics = json.loads((resources.files("services.api") / _METRICS).read_text("utf-8"))
        return _with_access(openapi.merge(own, metrics))

    openapi.publish(app, "/api/openapi.json", document)

    @app.get("/api/docs/", defaults={"name": "index.html"})
    @app.get("/api/docs/<name>")
    def api_docs(name: str) -> Response:
        if name in _PAGE:
            answer = send_from_directory(str(resources.files("services.api") / "swagger"), name)
        elif name in _SWAGGER_UI:
            answer = send_from_directory(
                str(resources.files("flask_swagger_ui") / "dist"), name, max_age=86_400
            )
        else:
            raise NotFound(f"There is no {name!r} here.")
        answer.headers["Content-Security-Policy"] = PAGE_POLICY
        return answer


def _described(blueprints: Sequence[Blueprint]) -> dict[str, Any]:
    """Have routes described by flask-smorest, in an app of their own: that takes as long as all else of the api's making, and few ask."""
    app = Flask("described", static_folder=None)
    app.config.update(API_TITLE="Triptych", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    api = Api(app)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    document: dict[str, Any] = api.spec.to_dict()
    return document


def _with_headers(document: dict[str, Any]) -> dict[str, Any]:
    """Add what every call of a kind takes and answers."""
    for item in document["paths"].values():
        for method, call in openapi.operations(item):
            if method == "post":
                call["parameters"] = [*call.get("parameters", ()), idempotency.PARAMETER]
                call["responses"].setdefault(
                    "409",
                    {
                        "description": "Its Idempotency-Key is in use, or what it is about is not in a state for it"
                    },
                )
            told = call["responses"].get("200", {})
            if method in {"get", "patch"} and "application/json" in told.get("content", {}):
                told.setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}}
                if method == "get":
                    call["responses"]["304"] = {"description": "It is still what If-None-Match names"}
    return document


def _with_access(document: dict[str, Any]) -> dict[str, Any]:
    """Say how a caller proves who it is, and which calls need no such proof."""
    document.setdefault("components", {})["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key, trp_…"},
        "session": {"type": "apiKey", "in": "cookie", "name": signins.COOKIE},
    }
    document["security"] = [{"key": []}, {"session": []}]
    for path, item in document["paths"].items():
        for method, call in openapi.operations(item):
            if (method, path) in _WITHOUT_A_KEY:
                call["security"] = []
    return document


def _health() -> Blueprint:
    routes = Blueprint("health", __name__, url_prefix="/api/health", description="Whether the API answers")

    @routes.get("/")
    @routes.response(200, wire_maintenance.Health)
    def health() -> dict[str, str]:
        """Say that the API answers."""
        return {"status": "ok"}

    return routes
