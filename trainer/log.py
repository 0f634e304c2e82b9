"""Logs on standard output: one JSON object a line with the job's ids, or plain text for people."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from pythonjsonlogger.json import JsonFormatter

from contracts.redaction import Redacting

if TYPE_CHECKING:
    from collections.abc import Mapping


class _AddIds(logging.Filter):
    def __init__(self, ids: Mapping[str, str | int]) -> None:
        super().__init__()
        self._ids = ids

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in self._ids.items():
            setattr(record, name, value)
        return True


def configure(ids: Mapping[str, str | int], *, level: str, form: str) -> None:
    """Send all logs of this process to standard output.

    Args:
        ids: Fields that every JSON line carries, e.g. job_id and attempt.
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
        handler.addFilter(_AddIds({"service": "trainer", **ids}))
    else:
        handler.setFormatter(
            Redacting(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell of every connection at INFO; their warnings still come through
    for noisy in ("botocore", "boto3", "urllib3", "s3transfer", "httpx", "httpcore", "PIL"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
