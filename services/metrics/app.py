"""Builds the metrics service's Flask app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_compress import Compress
from flask_smorest import Api

from contracts.callback import CallbackBody, Refused
from runtime import hardening, openapi, web
from runtime.access import jobs as owners
from runtime.access.guard import PUBLIC, Guard
from runtime.announcer import Announcer
from runtime.bus import Bell
from runtime.db import Database
from runtime.loop import Loop
from runtime.outbox import Outbox
from runtime.telemetry import Telemetry
from services.metrics import deletion, routes, routes_streams
from services.metrics.auth import Authenticator
from services.metrics.endpoint import CallbackEndpoint
from services.metrics.flood import FloodGate
from services.metrics.herald import Herald
from services.metrics.history import History
from services.metrics.hub import Hub, TooManyStreams
from services.metrics.intake import Intake
from services.metrics.measures import Measures
from services.metrics.publisher import Publisher
from services.metrics.receiver import Receiver
from services.metrics.routes import JOB_ID, Parts
from services.metrics.silence import LOOKS, SilenceWatch
from services.metrics.thinning import Digests

if TYPE_CHECKING:
    from flask import Response

    from services.metrics.settings import MetricsSettings

# Callbacks have a proof of their own
NEEDS = {"openapi_document": PUBLIC, "metrics.receive_callback": PUBLIC}
BLUEPRINTS = (routes.blueprint, routes_streams.blueprint)
EXTENSION = "triptych_metrics"
DESCRIPTION = {"API_TITLE": "Triptych metrics", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}


class Service:
    """What one process of the service holds, to be closed with it."""

    def __init__(self, settings: MetricsSettings) -> None:
        self.telemetry = Telemetry.of("metrics", settings)
        measures = Measures(self.telemetry.registry)
        self.db = Database(settings.database_url, pool_size=settings.metrics_database_connections)
        self.announcer = Announcer.of(settings)
        self.herald = Herald(Publisher(self.announcer))
        self.hub = Hub(
            settings.redis_url,
            max_viewers=settings.events_max_streams,
            buffer_bytes=settings.events_buffer_bytes,
            tell_viewers=measures.viewers.set,
        )
        outbox = Outbox(Bell(settings.redis_url).ring)
        # In the process that takes callbacks: one that is down hears nobody, and tells nothing
        watch = SilenceWatch(self.db, outbox, settings.silent_seconds)
        self.watching = Loop("silence watch", watch.look, seconds=settings.silent_seconds / LOOKS)
        self.watching.start()
        fixed = settings.callback_secret
        self.intake = Intake(
            self.db,
            outbox,
            self.herald,
            grace_seconds=settings.callback_grace_seconds,
            most_items=settings.max_items_per_job,
        )
        authenticator = Authenticator(
            settings.callback_roots,
            fixed.get_secret_value() if fixed else None,
            leeway=settings.callback_leeway_seconds,
            max_ttl=settings.callback_max_ttl_seconds,
        )
        gate = FloodGate(settings.callbacks_per_second, settings.callbacks_burst)
        self.receiver = Receiver(authenticator, gate, self.intake, measures)
        self.guard = Guard(self.db, NEEDS, settings.origins)
        self.parts = Parts(
            settings=settings,
            receiver=self.receiver,
            history=History(self.db, Digests(settings.history_kept_jobs)),
            hub=self.hub,
            guard=self.guard,
            require_job=self.require_job,
        )

    def require_job(self, job_id: str, workspace_id: str) -> None:
        """Raise NotFound where the job is another workspace's, or was deleted."""
        with self.db.read() as session:
            owners.require(session, job_id, workspace_id)
            deletion.require(session, job_id)

    def end_streams(self) -> None:
        """End every open stream; its viewer comes back to another process."""
        self.hub.close()

    def close(self) -> None:
        """Give everything back."""
        self.watching.stop()
        self.hub.close()
        self.hub.join()
        self.herald.close()
        self.announcer.close()
        self.db.engine.dispose()


def create_app(settings: MetricsSettings) -> Flask:
    """Build the app; must run in the process that serves it, because of its connections and its thread."""
    service = Service(settings)
    app = Flask("services.metrics", static_folder=None)
    app.extensions[EXTENSION] = service
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        **DESCRIPTION,
        COMPRESS_MIMETYPES=["application/json"],
        COMPRESS_STREAMS=False,  # the events' items would be held back
    )
    Compress(app)
    api = Api(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint(service.parts))
    openapi.publish(app, "/api/metrics/openapi.json", lambda: described(api))
    # After Api, which installs an error page of its own. Redis is not among the checks: without it callbacks are
    # taken and viewers served, only later
    web.install(app, {"database": service.db.check}, service.telemetry)
    service.guard.install(app)
    _install_errors(app)
    hardening.install(app, settings, free={"metrics.receive_callback", *routes_streams.FREE})
    app.wsgi_app = CallbackEndpoint(  # type: ignore[method-assign]  # Flask's own way to wrap an app
        app.wsgi_app, service.receiver, service.telemetry, max_body_bytes=settings.max_body_bytes
    )
    return app


def _install_errors(app: Flask) -> None:
    @app.errorhandler(Refused)
    def _refused(error: Refused) -> Response:
        response = web.problem(401, "Unauthorized", str(error))
        response.headers["WWW-Authenticate"] = "Triptych-Callback"
        return response

    @app.errorhandler(TooManyStreams)
    def _busy(error: TooManyStreams) -> Response:
        return web.unavailable(str(error))


def described(api: Api) -> dict[str, Any]:
    """Give the OpenAPI document, with the body of callbacks, which no schema of the routes describes."""
    return openapi.finish(api.spec.to_dict(), (CallbackBody,), {"job_id": {"pattern": JOB_ID}})
