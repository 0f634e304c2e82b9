"""Runs gunicorn with threads, so that a stream and a callback never wait for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.serve import DrainingWorker, serve
from services.metrics.app import EXTENSION, create_app

if TYPE_CHECKING:
    from services.metrics.settings import MetricsSettings


class StreamWorker(DrainingWorker):
    """Ends its streams on SIGTERM; they would outlast every grace period."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop accepting, then end the streams."""
        super().handle_exit(sig, frame)
        self.wsgi.extensions[EXTENSION].end_streams()


def run(settings: MetricsSettings, bind: str) -> None:
    """Serve until SIGTERM.

    Args:
        settings: The service's environment.
        bind: host:port.
    """
    serve(
        lambda: create_app(settings),
        bind=bind,
        workers=settings.metrics_processes,
        threads=settings.metrics_threads,
        stop_seconds=settings.metrics_stop_seconds,
        worker_class=StreamWorker,
    )
