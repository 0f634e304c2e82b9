"""The bare endpoint: verifies a callback and answers, under the same gunicorn as the metrics service."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.callbacks.calls import ROOT_SECRET
from contracts.callback import derive_secret, verify_body, verify_token
from runtime.serve import serve
from services.metrics.settings import MetricsSettings

if TYPE_CHECKING:
    from collections.abc import Callable


def only_verify(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Be the bare endpoint."""
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
    start_response("204 No Content", [])
    return []


def serve_bare(bind: str) -> None:
    """Serve the bare endpoint as the metrics service is served."""
    fields = MetricsSettings.model_fields
    serve(
        lambda: only_verify,  # type: ignore[arg-type, return-value]  # any WSGI application
        bind=bind,
        workers=fields["metrics_processes"].default,
        threads=fields["metrics_threads"].default,
        stop_seconds=fields["metrics_stop_seconds"].default,
    )


if __name__ == "__main__":
    serve_bare(sys.argv[1])
