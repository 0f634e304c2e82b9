"""Structured logs: one JSON object a line, carrying the ids of the request, data set and job at hand, and no secret."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pythonjsonlogger.json import JsonFormatter

from contracts.redaction import Redacting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_context: ContextVar[dict[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never mutated, only replaced


def context() -> dict[str, str]:
    """Give the ids bound at this point: request_id, dataset_id, job_id, as far as known."""
    return dict(_context.get())


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Bind ids to every log line, and to every event emitted, inside the block."""
    token = _context.set({**_context.get(), **ids})
    try:
        yield
    finally:
        _context.reset(token)


class _AddContext(logging.Filter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def filter(self, record: logging.LogRecord) -> bool:
        record.service = self._service
        for name, value in _context.get().items():
            setattr(record, name, value)
        return True


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is not None and not issubclass(kind, (SystemExit, KeyboardInterrupt)):
        logging.getLogger("uncaught").critical("uncaught", exc_info=(kind, error, trace))


def configure(service: str, level: str = "INFO", form: str = "json") -> None:
    """Send all logs of this process to standard output.

    Args:
        service: Name that every line carries.
        level: Least level logged.
        form: "json", or "text" for people.
    """
    handler = logging.StreamHandler(sys.stdout)
    if form == "json":
        handler.setFormatter(
            Redacting(
                JsonFormatter(
                    "%(asctime)s %(levelname)s %(name)s %(message)s",
                    rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                    datefmt="%Y-%m-%dT%H:%M:%S%z",
                )
            )
        )
    else:
        handler.setFormatter(
            Redacting(logging.Formatter("%(asctime)s %(levelname)-7s %(service)s %(message)s", "%H:%M:%S"))
        )
    handler.addFilter(_AddContext(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What would go to standard error past all of this
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda told: _log_uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    # These tell of every connection at INFO; their warnings still come through
    for noisy in ("botocore", "boto3", "urllib3", "s3transfer", "alembic.runtime.migration", "httpx"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
