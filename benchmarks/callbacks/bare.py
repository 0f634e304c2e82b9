"""The bare endpoints: one verifies a callback and answers, the other also stores it, under the same gunicorn as the metrics service.

What the second one takes is the most that any service in Python could which commits each point to SQLite before it answers.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from benchmarks.callbacks.calls import ROOT_SECRET
from contracts.callback import derive_secret, verify_body, verify_token
from runtime.serve import serve
from services.metrics.settings import MetricsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    Wsgi = Callable[[dict[str, Any], Callable[..., object]], list[bytes]]

# As the metrics service's, but for what a point does not change
_TABLES = """
    PRAGMA journal_mode=WAL;
    CREATE TABLE jobs (job_id TEXT PRIMARY KEY, last_seq INTEGER, last_seen TEXT);
    CREATE TABLE items (job_id TEXT, seq INTEGER, identity TEXT, kind TEXT, attempt INTEGER, at TEXT, data TEXT,
                        PRIMARY KEY (job_id, seq), UNIQUE (job_id, identity));
"""


def only_verify(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Be the bare endpoint."""
    _verified(environ)
    start_response("204 No Content", [])
    return []


class VerifyAndStore:
    """The bare endpoint that also commits each callback's point by plain statements."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(_TABLES)
        self._database.execute("PRAGMA synchronous=FULL")
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        """Answer a callback of one point."""
        job, raw = _verified(environ)
        (point,) = from_json(raw)["points"]
        with self._lock:
            execute = self._database.execute
            execute("BEGIN IMMEDIATE")
            execute("INSERT INTO jobs VALUES (?, 0, '') ON CONFLICT DO NOTHING", (job,))
            (last,) = execute("SELECT last_seq FROM jobs WHERE job_id = ?", (job,)).fetchone()
            execute(
                "INSERT INTO items VALUES (?, ?, ?, 'point', 1, ?, ?) ON CONFLICT DO NOTHING",
                (job, last + 1, f"p:1:train:{point['step']}:{point['seq']}", point["at"], raw.decode()),
            )
            execute(
                "UPDATE jobs SET last_seq = ?, last_seen = ? WHERE job_id = ?", (last + 1, point["at"], job)
            )
            execute("COMMIT")
        start_response("204 No Content", [])
        return []


def _verified(environ: dict[str, Any]) -> tuple[str, bytes]:
    raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    job = environ["PATH_INFO"].split("/")[3]
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_X_CALLBACK")
    }
    attempt = int(headers["X-Callback-Attempt"])
    secret, now = derive_secret(ROOT_SECRET, job, attempt), time.time()
    verify_token(headers["X-Callback-Token"], job, secret, now=now)
    verify_body(headers, job, attempt, raw, secret, now=now)
    return job, raw


def serve_bare(bind: str, make: Callable[[], Wsgi]) -> None:
    """Serve an endpoint as the metrics service is served."""
    fields = MetricsSettings.model_fields
    serve(
        make,  # type: ignore[arg-type]  # any WSGI application
        bind=bind,
        workers=fields["metrics_processes"].default,
        threads=fields["metrics_threads"].default,
        stop_seconds=fields["metrics_stop_seconds"].default,
    )


if __name__ == "__main__":
    stored = sys.argv[2:]  # a file to store points in
    serve_bare(sys.argv[1], (lambda: VerifyAndStore(stored[0])) if stored else (lambda: only_verify))
