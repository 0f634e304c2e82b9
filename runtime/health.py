"""Liveness and readiness: /healthz says no restart is needed, /readyz says what the process stands on answers; beside them /metrics."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING

from runtime.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Checks = Mapping[str, Callable[[], object]]


def probe(checks: Checks) -> tuple[int, dict[str, str]]:
    """Run every check.

    Returns:
        HTTP status (200 or 503), and "ok" or the error for each check by its name.
    """
    results = {}
    for name, check in checks.items():
        try:
            check()
            results[name] = "ok"
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready, because"
            results[name] = f"{type(error).__name__}: {error}"
    return (200 if all(result == "ok" for result in results.values()) else 503), results


def serve(
    host: str,
    port: int,
    checks: Checks,
    *,
    alive: Checks = MappingProxyType({}),
    metrics: Callable[[], bytes] = lambda: b"",
) -> Callable[[], None]:
    """Answer /healthz, /readyz and /metrics from a thread, for a process that has no HTTP of its own; port 0 means none.

    Args:
        host: Address to listen at.
        port: Port to listen at.
        checks: What /readyz asks.
        alive: What /healthz asks: things that only a restart mends.
        metrics: Gives what /metrics answers.

    Returns:
        What ends it.
    """
    if not port:
        return lambda: None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE, metrics())
                return
            if self.path not in {"/healthz", "/readyz"}:
                self.send_error(404)
                return
            status, body = probe(checks if self.path == "/readyz" else alive)
            raw = json.dumps({"status": "ok" if status == 200 else "unavailable", "checks": body}).encode()  # noqa: PLR2004 - HTTP OK
            self._answer(status, "application/json", raw)

        def _answer(self, status: int, content_type: str, raw: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Keep probes out of the logs."""

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
