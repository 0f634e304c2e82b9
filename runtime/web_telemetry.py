"""Measures the requests of a Flask service, makes a span of each, and serves /metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask, Response, g, request

from runtime.metrics import CONTENT_TYPE
from runtime.tracing import PARENT

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runtime.telemetry import Telemetry
    from runtime.tracing import Span

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by machines, every few seconds
_SERVER_ERROR = 500


class _Watched(NamedTuple):
    """A request that has begun. Read once: each look through Flask's proxies costs a callback a microsecond."""

    began_at: float
    route: str
    method: str
    scope: AbstractContextManager[Span]
    span: Span


def watch(app: Flask, telemetry: Telemetry) -> None:
    """Watch an app's requests. Call it after what binds the request's id, which spans then carry.

    A request is timed until its answer begins: how long an event stream or a download goes on is up to who reads it.
    """
    seconds = telemetry.registry.histogram(
        "triptych_http_request_seconds",
        "Time until the answer to a request begins.",
        *("service", "route", "method", "status"),
    )

    @app.before_request
    def _begin() -> None:
        route, method = _route(), _method()
        if route in _QUIET:
            return
        ids = {f"triptych.{name}": value for name, value in (request.view_args or {}).items()}
        told = {"http.request.method": method, "http.route": route, **ids}
        scope = telemetry.tracer.span(
            f"{method} {route}", "server", told, parent=request.headers.get(PARENT, "")
        )
        g.watched = _Watched(time.perf_counter(), route, method, scope, scope.__enter__())

    @app.after_request
    def _measure(response: Response) -> Response:
        # Where another hook answered before _begin, nothing was begun
        watched: _Watched | None = g.get("watched")
        if watched is not None:
            status = response.status_code
            seconds.labels(telemetry.service, watched.route, watched.method, str(status)).observe(
                time.perf_counter() - watched.began_at
            )
            watched.span.tell({"http.response.status_code": status})
            if status >= _SERVER_ERROR:
                watched.span.fail(response.status)
        return response

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        watched: _Watched | None = g.pop("watched", None)
        if watched is not None:
            watched.scope.__exit__(None, None, None)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(telemetry.registry.text(), content_type=CONTENT_TYPE)


def _route() -> str:
    """Give the route's template: a raw path would make a series of every id."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def _method() -> str:
    return request.method if request.method in _METHODS else "other"
