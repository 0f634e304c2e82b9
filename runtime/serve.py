"""Serves a Flask app by gunicorn, started from Python so that settings stay in one place."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from runtime.metrics import SHARED_DIR, forget_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask


class _RootLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """Leaves gunicorn's log lines to the process's own logging, and logs no line for each request."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.INFO)


class DrainingWorker(ThreadWorker):  # type: ignore[misc] # as above
    """Refuses connections once it stops; gunicorn's own leaves them in the port's queue, to be reset when it has stopped."""

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Accept connections or not."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()


class _Server(BaseApplication):  # type: ignore[misc] # as above
    def __init__(self, make_app: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._make_app = make_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._make_app()


def serve(
    make_app: Callable[[], Flask],
    *,
    bind: str,
    workers: int,
    threads: int,
    stop_seconds: int,
    worker_class: type[DrainingWorker] = DrainingWorker,
) -> None:
    """Serve until SIGTERM.

    Args:
        make_app: Called in each worker process, after the fork, so that no connection is shared.
        bind: host:port.
        workers: Processes.
        threads: Requests answered at a time by each; an open event stream takes one.
        stop_seconds: Time for requests at hand after SIGTERM.
        worker_class: Another, for a service that has something to do when it is told to stop.
    """
    options = {
        "bind": bind,
        "workers": workers,
        "threads": threads,
        "worker_class": worker_class,
        # Connections kept alive wait without a thread
        "worker_connections": threads + 1000,
        "keepalive": 75,
        "timeout": 120,
        "graceful_timeout": stop_seconds,
        "logger_class": _RootLogger,
        "control_socket_disable": True,  # else gunicorn opens a socket under $HOME
    }
    if workers > 1:
        # A scrape reaches one of them, which then adds up what all have counted
        os.environ[SHARED_DIR] = folder = tempfile.mkdtemp(prefix="triptych-metrics-")
        options["child_exit"] = lambda _server, worker: forget_process(worker.pid)
        options["on_exit"] = lambda _server: shutil.rmtree(folder, ignore_errors=True)
    _Server(make_app, options).run()
