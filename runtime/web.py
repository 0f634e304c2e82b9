"""What every Flask service shares: problem documents (RFC 9457), request ids, health routes, telemetry."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import Flask, Response, g, jsonify, request
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException

from runtime import log, web_telemetry
from runtime.arguments import refuse_nul
from runtime.errors import Conflict, DomainError, Invalid, NotFound
from runtime.health import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from runtime.telemetry import Telemetry

# Endpoints that an orchestrator asks, without a key or a count
PROBES = frozenset({"healthz", "readyz", "prometheus"})
_STATUS: dict[type[DomainError], int] = {NotFound: 404, Conflict: 409, Invalid: 422}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_RETRY_AFTER = 5  # seconds: a database is back after a restart or a failover, not after a moment
_log = logging.getLogger(__name__)


class InsufficientStorage(HTTPException):
    """No room on the server (RFC 4918, 507)."""

    code = 507
    name = "Insufficient Storage"


def problem(status: int, title: str, detail: str, **extra: object) -> Response:
    """Make an RFC 9457 problem document."""
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, **extra)
    response.status_code = status
    response.content_type = "application/problem+json"
    return response


def unavailable(detail: str) -> Response:
    """Make the answer to what may be asked again in a while (RFC 9110, 503)."""
    response = problem(503, "Service Unavailable", detail)
    response.headers["Retry-After"] = str(_RETRY_AFTER)
    return response


def request_id(given: str) -> str:
    """Give the id that came with a request where it is one, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def install(app: Flask, checks: Mapping[str, Callable[[], object]], telemetry: Telemetry) -> None:
    """Give an app its error mapping, request ids, probes and telemetry.

    Args:
        app: The Flask app.
        checks: Readiness checks by name.
        telemetry: Of this process.
    """

    @app.errorhandler(DomainError)
    def _domain(error: DomainError) -> Response:
        status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
        more: dict[str, object] = {}
        if isinstance(error, Invalid):
            more = {"errors": error.errors, **error.members} if error.errors else error.members
        return problem(status, type(error).__name__, str(error), **more)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        # flask-smorest puts webargs' messages here: {"json": {"field": ["what is wrong"]}}
        data = getattr(error, "data", None) or {}
        messages = data.get("messages") or {}
        detail = _flatten(messages) or str(data.get("message") or error.description or "")
        members: dict[str, object] = getattr(error, "members", {})
        if messages:
            members = {**members, "errors": messages}
        response = problem(error.code or 500, error.name, detail, **members)
        if error.code in {405, 413, 429}:
            response.headers.extend(
                [
                    header
                    for header in error.get_headers()
                    if header[0] not in {"Content-Type", "Content-Length"}
                ]
            )
        return response

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    def _database_away(error: OperationalError | InterfaceError) -> Response:
        _log.warning("the database does not answer", extra={"path": request.path, "error": str(error.orig)})
        return unavailable("The database does not answer at the moment; nothing was stored.")

    @app.errorhandler(DataError)
    def _does_not_fit(error: DataError) -> Response:
        _log.warning(
            "a value does not fit its column", extra={"path": request.path, "error": str(error.orig)}
        )
        return problem(422, "Unprocessable Content", "A value is larger than what is kept here may be.")

    @app.errorhandler(Exception)
    def _defect(error: Exception) -> Response:
        _log.error("request failed", exc_info=error, extra={"path": request.path})
        return problem(
            500, "Internal Server Error", f"This is a defect; the log has it under request {g.request_id}."
        )

    _install_request_ids(app)
    web_telemetry.watch(app, telemetry)
    _install_probes(app, checks)


def _install_probes(app: Flask, checks: Mapping[str, Callable[[], object]]) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        status, results = probe(checks)
        return jsonify(status="ok" if status == 200 else "unavailable", checks=results), status  # noqa: PLR2004 - HTTP OK


def _install_request_ids(app: Flask) -> None:
    @app.before_request
    def _begin() -> None:
        g.request_id = request_id(request.headers.get("X-Request-ID", ""))
        g.log_scope = log.bound(request_id=g.request_id)
        g.log_scope.__enter__()

    @app.before_request
    def _check() -> None:
        refuse_nul({"path": request.path, **request.args})

    @app.after_request
    def _mark(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        return response

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        scope: AbstractContextManager[None] | None = g.pop("log_scope", None)
        if scope is not None:
            scope.__exit__(None, None, None)


def _flatten(messages: object, at: str = "") -> str:
    """Put nested validation messages into a sentence each: 'field: what is wrong'."""
    if isinstance(messages, dict):
        inner = (
            _flatten(value, key if at in {"", "json", "query", "files"} else f"{at}.{key}")
            for key, value in messages.items()
        )
        return "; ".join(text for text in inner if text)
    if isinstance(messages, list):
        return f"{at}: {' '.join(map(str, messages))}"
    return str(messages)
