"""Measures the requests of a Flask service, makes a span of each, and serves /metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from runtime.metrics import CONTENT_TYPE
from runtime.tracing import PARENT

if TYPE_CHECKING:
    from runtime.telemetry import Telemetry

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by machines, every few seconds
_SERVER_ERROR = 500


def watch(app: Flask, telemetry: Telemetry) -> None:
    """Watch an app's requests. Call it after what binds the request's id, which spans then carry.

    A request is timed until its answer begins: how long an event stream or a download goes on is up to who reads it.
    """
    seconds = telemetry.request_seconds

    @app.before_request
    def _begin() -> None:
        g.began_at = time.perf_counter()
        if _route() in _QUIET:
            return
        ids = {f"triptych.{name}": value for name, value in (request.view_args or {}).items()}
        told = {"http.request.method": _method(), "http.route": _route(), **ids}
        g.span_scope = telemetry.tracer.span(
            f"{_method()} {_route()}", "server", told, parent=request.headers.get(PARENT, "")
        )
        g.span = g.span_scope.__enter__()

    @app.after_request
    def _measure(response: Response) -> Response:
        # Where another hook answered before _begin, nothing was begun
        if "span" in g:
            status = str(response.status_code)
            seconds.labels(telemetry.service, _route(), _method(), status).observe(
                time.perf_counter() - g.began_at
            )
            g.span.tell({"http.response.status_code": response.status_code})
            if response.status_code >= _SERVER_ERROR:
                g.span.fail(response.status)
        return response

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        scope = g.pop("span_scope", None)
        if scope is not None:
            scope.__exit__(None, None, None)

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(telemetry.registry.text(), content_type=CONTENT_TYPE)


def _route() -> str:
    """Give the route's template: a raw path would make a series of every id."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def _method() -> str:
    return request.method if request.method in _METHODS else "other"
