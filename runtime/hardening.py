"""What stands between the services and the internet at large: rate limits, headers of browsers' defences, CORS by allow-list."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from flask import Response, g, request
from flask_cors import CORS
from flask_limiter import Limiter
from redis.exceptions import RedisError

from runtime import caller
from runtime.web import PROBES, problem
from runtime.web_settings import NO_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection

    from flask import Flask
    from flask_limiter import RequestLimit

    from runtime.web_settings import WebSettings

# Nothing that is answered here is a page; one that is says so itself
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_EXPOSED = [
    *(
        "ETag",
        "Location",
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
        "X-Request-ID",
        "Idempotent-Replayed",
    ),
    *("Content-Disposition", "Upload-Offset", "Upload-Length", "Upload-Expires", "Tus-Resumable"),
]


def install(app: Flask, settings: WebSettings, free: Collection[str] = ()) -> None:
    """Defend an app.

    Args:
        app: Its hooks know by now whom a request comes from.
        settings: The limits and lists.
        free: Endpoints that are not counted.
    """
    _install_headers(app, settings.hsts_seconds)
    if settings.origins:
        CORS(app, origins=settings.origins, expose_headers=_EXPOSED, max_age=600)
    if settings.rate_limit != NO_LIMIT:
        _install_limits(app, settings, frozenset(free) | PROBES)


def _install_headers(app: Flask, hsts_seconds: int) -> None:
    @app.after_request
    def _protect(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if hsts_seconds:
            response.headers["Strict-Transport-Security"] = f"max-age={hsts_seconds}; includeSubDomains"
        return response


def _install_limits(app: Flask, settings: WebSettings, free: frozenset[str]) -> None:
    """Count requests in Redis, so that all processes count together; while it is away, each counts by itself."""
    limiter = Limiter(
        lambda: caller.identity() or caller.address(settings.trusted_proxies),
        application_limits=[settings.rate_limit],
        storage_uri=settings.redis_url.replace("unix://", "redis+unix://", 1),
        # A dead Redis must not hold up the request that finds it so; the next look is seconds later, then ever more
        storage_options={"socket_timeout": 1, "socket_connect_timeout": 0.5},  # type: ignore[dict-item] # they are redis' own
        key_prefix=app.name,
        in_memory_fallback_enabled=True,
        swallow_errors=True,  # of the requests at hand when another one finds that Redis went away
        headers_enabled=False,  # they would be those of a draft long past
        on_breach=_refusal,
    )
    limiter.request_filter(lambda: request.endpoint in free)
    limiter.init_app(app)

    @app.after_request
    def _tell(response: Response) -> Response:
        # draft-ietf-httpapi-ratelimit-headers: the policy, what is left of it, and seconds until it is whole again
        told = [(one.limit.amount, one.limit.get_expiry(), one) for one in limiter.current_limits]
        if not told or "limit_breached" in g:
            return response
        try:
            left = ", ".join(f'"{w}s";r={max(one.remaining, 0)};t={_seconds(one)}' for _, w, one in told)
        except RedisError:
            return response  # it went away within this request, whose answer does without
        response.headers["RateLimit-Policy"] = ", ".join(f'"{w}s";q={q};w={w}' for q, w, _ in told)
        response.headers["RateLimit"] = left
        return response


def _refusal(breached: RequestLimit) -> Response:
    g.limit_breached = True
    amount, window = breached.limit.amount, breached.limit.get_expiry()
    wait = _seconds(breached)
    answer = problem(
        429,
        "Too Many Requests",
        f"More than {amount} requests in {window} s; go on in {wait} s (RATE_LIMIT).",
    )
    answer.headers["Retry-After"] = str(wait)
    answer.headers["RateLimit-Policy"] = f'"{window}s";q={amount};w={window}'
    answer.headers["RateLimit"] = f'"{window}s";r=0;t={wait}'
    return answer


def _seconds(one: RequestLimit) -> int:
    return max(1, math.ceil(one.window.reset_time - time.time()))
