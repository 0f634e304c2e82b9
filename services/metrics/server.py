"""Runs gunicorn with threads, so that a stream and a callback never wait for each other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from services.metrics.app import EXTENSION, create_app

if TYPE_CHECKING:
    from flask import Flask

    from services.metrics.settings import MetricsSettings


class StreamWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Ends its streams on SIGTERM; they would outlast every grace period."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop accepting, then end the streams."""
        super().handle_exit(sig, frame)
        self.wsgi.extensions[EXTENSION].end_streams()


class RootLogger(Logger):  # type: ignore[misc]  # as above
    """Leaves gunicorn's log lines to the process's own logging."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's handlers away again."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.INFO)


class Server(BaseApplication):  # type: ignore[misc]  # as above
    """gunicorn, configured by the service's settings instead of a file."""

    def __init__(self, settings: MetricsSettings, bind: str) -> None:
        self._settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        """Translate the settings."""
        settings = self._settings
        for name, value in {
            "bind": self._bind,
            "workers": settings.metrics_processes,
            "worker_class": StreamWorker,
            "threads": settings.metrics_threads,
            # Connections kept alive wait without a thread
            "worker_connections": settings.metrics_threads + 1000,
            "keepalive": 75,
            "graceful_timeout": settings.metrics_stop_seconds,
            "logger_class": RootLogger,
            "control_socket_disable": True,
            "proc_name": "triptych-metrics",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the app; gunicorn calls this in each worker process."""
        return create_app(self._settings)
