"""Serves the UI by gunicorn: python -m ui --bind HOST:PORT."""

from __future__ import annotations

import argparse
import logging.config
import sys
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from pythonjsonlogger.json import JsonFormatter

from contracts.redaction import Redacting
from ui.app import create_app
from ui.settings import UiSettings, load

if TYPE_CHECKING:
    from flask import Flask


class _RootLogger(Logger):  # type: ignore[misc]  # gunicorn is not typed
    """Leaves gunicorn's lines to this process's own logging."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _DrainingWorker(ThreadWorker):  # type: ignore[misc] # as above
    """Refuses connections once it stops; gunicorn's own leaves them in the port's queue, to be reset when it has stopped."""

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn is not typed
    def __init__(self, settings: UiSettings, bind: str) -> None:
        self._settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._bind,
            "workers": self._settings.ui_workers,
            "threads": self._settings.ui_threads,
            "worker_class": _DrainingWorker,
            "graceful_timeout": self._settings.ui_stop_seconds,
            "proc_name": "triptych-ui",
            "loglevel": self._settings.log_level.lower(),
            "logger_class": _RootLogger,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        # built in the worker: an HTTP client must not be shared across a fork
        server: Flask = create_app(self._settings).server
        return server


def _log_config(settings: UiSettings) -> dict[str, Any]:
    form = {
        "()": JsonFormatter,
        "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        "static_fields": {"service": "ui"},
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
    }
    text = {"format": "%(asctime)s %(levelname)-7s ui %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": form if settings.log_format == "json" else text},
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "lines"}},
        "root": {"level": settings.log_level, "handlers": ["out"]},
        # both tell of every request at INFO
        "loggers": {"httpx": {"level": "WARNING"}, "gunicorn.access": {"level": "WARNING"}},
    }


def main() -> None:
    """Read the settings and serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m ui", description="Serve the Triptych UI.")
    parser.add_argument(
        "--bind", default="127.0.0.1:8050", metavar="HOST:PORT", help="where to listen (%(default)s)"
    )
    arguments = parser.parse_args()
    settings = load()
    logging.config.dictConfig(_log_config(settings))
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Redacting(handler.formatter or logging.Formatter()))
    logging.captureWarnings(capture=True)
    _Server(settings, arguments.bind).run()


if __name__ == "__main__":
    main()
