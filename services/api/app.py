"""Makes the api's Flask app: the only place where its collaborators are constructed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, jsonify
from flask_smorest import Api

from runtime import web
from runtime.access.guard import PUBLIC, Guard
from runtime.access.principal import ADMIN, OPERATOR, READ
from runtime.bus import Bell
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.pending import Backlog
from runtime.storage import open_store
from runtime.telemetry import Telemetry
from services.api import (
    routes_access,
    routes_datasets,
    routes_deliveries,
    routes_direct,
    routes_jobs,
    routes_maintenance,
    routes_predictions,
    routes_uploads,
)
from services.api.catalogue import Catalogue
from services.api.context import Context
from services.api.direct import Direct
from services.api.files import Files
from services.api.preflight import Checks
from services.api.quotas import Quotas
from services.api.scope import ScopedDatabase
from services.api.uploads import Uploads

if TYPE_CHECKING:
    from services.api.settings import ApiSettings


# What a request needs beyond the rule that looking is READ and all else WRITE, by endpoint or by blueprint
NEEDS = {
    "health": PUBLIC,
    "api-docs": PUBLIC,
    "session": PUBLIC,
    "session.who": READ,
    "keys": ADMIN,
    "workspaces": OPERATOR,
    "deliveries": OPERATOR,
    "maintenance": OPERATOR,
    # They ask about a job and change nothing
    "training_jobs.check": READ,
}


def create_app(settings: ApiSettings) -> Flask:
    """Wire the api.

    Args:
        settings: Its environment.
    """
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    everything, bell, store = (
        Database(settings.database_url),
        Bell(settings.redis_url),
        open_store(
            settings.objects_url,
            attempts=settings.objects_attempts,
            timeout_seconds=settings.objects_timeout_seconds,
        ),
    )
    db = ScopedDatabase(everything, lambda: g.principal.workspace)
    quotas = Quotas(db, Backlog(db), settings)
    files = Files(settings.spool_dir, store, settings.image_limits)
    direct = Direct(store, from_bytes=settings.direct_upload_bytes, link_seconds=settings.direct_link_seconds)
    context = Context(
        settings=settings,
        db=db,
        all_workspaces=everything,
        outbox=Outbox(bell.ring),
        store=store,
        files=files,
        quotas=quotas,
        uploads=Uploads(db, settings, quotas, direct),
        checks=Checks(files, settings),
        catalogue=Catalogue.read(settings.models_file),
        guard=Guard(everything, NEEDS, settings.trusted_origins),
    )
    app = Flask("triptych-api", static_folder=None)
    app.config.update(
        API_TITLE="Triptych",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined] # forms show a model's parameters in the order written
    app.extensions["triptych"] = context
    api = Api(app)
    api.register_blueprint(routes_datasets.blueprint(context))
    api.register_blueprint(routes_predictions.blueprint(context))
    api.register_blueprint(routes_uploads.blueprint(context))
    api.register_blueprint(routes_direct.blueprint(context))
    api.register_blueprint(routes_deliveries.blueprint(context))
    api.register_blueprint(routes_maintenance.blueprint(context))
    for routes in routes_access.blueprints(context):
        api.register_blueprint(routes)
    for routes in routes_jobs.blueprints(context):
        api.register_blueprint(routes)

    @app.get("/api/health/")
    def health() -> Response:
        return jsonify(status="ok")

    # After flask-smorest, whose own error handler these replace
    checks = {
        "database": everything.check,
        "redis": bell.check,
        "objects": store.check,
        "spool": _writable(settings),
    }
    web.install(app, checks, Telemetry.of("api", settings))
    context.guard.install(app)  # after what gives a request its id
    return app


def _writable(settings: ApiSettings) -> Any:
    def check() -> None:
        probe = settings.spool_dir / ".probe"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)

    return check
