"""Takes callbacks before Flask does: what Flask adds to a request costs more than a callback's share of a transaction.

Only the common case is here. Whatever else there is (another route, a body without a length, an error) goes on to the app,
so that errors are mapped, routes described and limits told in one place.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from runtime import log, web
from runtime.tracing import PARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runtime.telemetry import Telemetry
    from services.metrics.receiver import Receiver

    Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FAILED = "triptych.failed"  # in the WSGI environment: what the app shall answer
ROUTE = "/api/training_jobs/<string:job_id>/metrics/"
_PARENT = f"HTTP_{PARENT.upper()}"
_PATH = re.compile(r"/api/training_jobs/([A-Za-z0-9_-]{1,64})/metrics/", re.ASCII)


class CallbackEndpoint:
    """A WSGI application around the app's own."""

    def __init__(self, app: Wsgi, receiver: Receiver, telemetry: Telemetry, *, max_body_bytes: int) -> None:
        """Wrap an app.

        Args:
            app: What answers everything else, and errors: it finds them in the environment under FAILED.
            receiver: Checks and stores callbacks.
            telemetry: Times requests and makes spans, as for the app's.
            max_body_bytes: Larger bodies are the app's to refuse.
        """
        self._app = app
        self._receiver = receiver
        self._tracer = telemetry.tracer
        self._seconds = telemetry.request_seconds.labels(telemetry.service, ROUTE, "PATCH", "204")
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        path = _PATH.fullmatch(environ["PATH_INFO"])
        length = environ.get("CONTENT_LENGTH") or ""
        if (
            path is None
            or environ["REQUEST_METHOD"] != "PATCH"
            or not length.isdecimal()
            or int(length) > self._max_body_bytes
        ):
            return self._app(environ, start_response)
        began_at = time.perf_counter()
        request_id = web.request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        try:
            self._receive(path[1], environ, int(length), request_id)
        except Exception as error:  # noqa: BLE001 - the app answers it, a defect too
            environ[FAILED], environ["HTTP_X_REQUEST_ID"] = error, request_id
            return self._app(environ, start_response)
        self._seconds.observe(time.perf_counter() - began_at)
        start_response("204 No Content", [("X-Request-ID", request_id)])
        return []

    def _receive(self, job_id: str, environ: Mapping[str, Any], length: int, request_id: str) -> None:
        told = {"http.request.method": "PATCH", "http.route": ROUTE, "triptych.job_id": job_id}
        with (
            log.bound(request_id=request_id),
            self._tracer.span(f"PATCH {ROUTE}", "server", told, parent=environ.get(_PARENT, "")) as span,
        ):
            self._receiver.receive(job_id, environ, environ["wsgi.input"].read(length))
            span.tell({"http.response.status_code": 204})
