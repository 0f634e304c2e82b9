"""Makes the api's Flask app: the only place where its collaborators are constructed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
from flask import Flask, g, request

from runtime import hardening, web
from runtime.access.guard import PUBLIC, Guard
from runtime.access.principal import ADMIN, OPERATOR, READ
from runtime.announcer import Announcer
from runtime.bus import Bell
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.pending import Backlog
from runtime.storage import open_store
from runtime.telemetry import Telemetry
from services.api import (
    conditional,
    documents,
    routes_access,
    routes_audit,
    routes_datasets,
    routes_deliveries,
    routes_direct,
    routes_jobs,
    routes_maintenance,
    routes_oidc,
    routes_predictions,
    routes_uploads,
    routes_webhooks,
)
from services.api.audit import Audit
from services.api.catalogue import Catalogue
from services.api.changes import Changes
from services.api.completion import Completion
from services.api.context import Context
from services.api.direct import Direct
from services.api.files import Files
from services.api.idempotency import Idempotency
from services.api.oidc import Provider
from services.api.preflight import Checks
from services.api.quotas import Quotas
from services.api.recording import RecordingDatabase
from services.api.scope import ScopedDatabase
from services.api.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.api.settings import ApiSettings


# What a request needs beyond the rule that looking is READ and all else WRITE, by endpoint or by blueprint
NEEDS = {
    "health": PUBLIC,
    "api_docs": PUBLIC,
    "openapi_document": PUBLIC,
    "session": PUBLIC,
    "session.who": READ,
    "oidc": PUBLIC,
    "keys": ADMIN,
    "workspaces": OPERATOR,
    "audit": ADMIN,
    "webhooks": ADMIN,
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
    plain, bell, store = (
        Database(settings.database_url),
        Bell(settings.redis_url),
        open_store(
            settings.objects_url,
            attempts=settings.objects_attempts,
            timeout_seconds=settings.objects_timeout_seconds,
        ),
    )
    # What requests change is recorded; what finds out who asks is not
    everything = RecordingDatabase(plain.engine)
    db = ScopedDatabase(plain.engine, lambda: g.principal.workspace)
    changes = Changes(Announcer.of(settings))
    for each in (everything, db):
        each.watchers.append(changes.watch)
    quotas = Quotas(db, Backlog(db), settings)
    files = Files(settings.spool_dir, store, settings.image_limits)
    direct = Direct(store, from_bytes=settings.direct_upload_bytes, link_seconds=settings.direct_link_seconds)
    uploads = Uploads(db, settings, quotas, direct)
    context = Context(
        settings=settings,
        db=db,
        all_workspaces=everything,
        outbox=Outbox(bell.ring),
        store=store,
        files=files,
        quotas=quotas,
        uploads=uploads,
        completion=Completion(db, settings, uploads, direct),
        checks=Checks(files, settings),
        catalogue=Catalogue.read(settings.models_file),
        guard=Guard(plain, NEEDS, settings.origins),
        provider=Provider(settings, httpx2.create_ssl_context()) if settings.oidc_issuer else None,
    )
    app = Flask("triptych-api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined] # forms show a model's parameters in the order written
    app.extensions["triptych"] = context
    documents.add_routes(
        app,
        [
            routes_datasets.blueprint(context),
            routes_predictions.blueprint(context),
            routes_uploads.blueprint(context),
            routes_direct.blueprint(context),
            routes_deliveries.blueprint(context),
            routes_maintenance.blueprint(context),
            *routes_access.blueprints(context),
            routes_oidc.blueprint(context),
            routes_audit.blueprint(context),
            routes_webhooks.blueprint(context),
            *routes_jobs.blueprints(context),
        ],
    )

    checks = {
        "database": plain.check,
        "redis": bell.check,
        "objects": store.check,
        "spool": _writable(settings),
    }
    web.install(app, checks, Telemetry.of("api", settings))
    # After what gives a request its id, before what counts or keeps for each caller
    context.guard.install(app)
    _limit_bodies(app, settings)
    conditional.install(app)
    hardening.install(app, settings, free={"uploads.append", "uploads.offset"})
    _record(app, plain, [db, everything], settings)
    return app


def _limit_bodies(app: Flask, settings: ApiSettings) -> None:
    """Limit the bodies that are read into memory whole; the others are streamed, and have MAX_UPLOAD_BYTES."""
    streamed = {"datasets.upload_and_detect", "uploads.begin", "uploads.append"}

    @app.before_request
    def _limit() -> None:
        if request.endpoint not in streamed:
            inline = request.endpoint == "predictions.create"
            request.max_content_length = settings.max_inline_bytes if inline else settings.max_json_bytes


def _record(
    app: Flask, plain: Database, recording: Sequence[RecordingDatabase], settings: ApiSettings
) -> None:
    """Keep what is kept beside the changes of requests: the audit log, and the keys of those that may come again."""
    audit = Audit(plain)
    idempotency = Idempotency(
        plain, keep_hours=settings.idempotency_hours, busy_seconds=settings.idempotency_busy_seconds
    )
    for db in recording:
        db.notes += [idempotency.note, audit.note]
    idempotency.install(app)
    audit.install(app)


def _writable(settings: ApiSettings) -> Any:
    def check() -> None:
        probe = settings.spool_dir / ".probe"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)

    return check
