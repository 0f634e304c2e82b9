"""Serves a Flask app by gunicorn, started from Python so that settings stay in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

if TYPE_CHECKING:
    from collections.abc import Callable


class _Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    def __init__(self, make_app: Callable[[], Any], options: dict[str, Any]) -> None:
        self._make_app = make_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._make_app()


def serve(make_app: Callable[[], Any], *, bind: str, workers: int, threads: int) -> None:
    """Serve until SIGTERM.

    Args:
        make_app: Called in each worker process, after the fork, so that no connection is shared.
        bind: host:port.
        workers: Processes.
        threads: Requests answered at a time by each; an open event stream takes one.
    """
    options = {
        "bind": bind,
        "workers": workers,
        "threads": threads,
        "worker_class": "gthread",
        "graceful_timeout": 10,
        "timeout": 120,
        "keepalive": 75,
        "worker_tmp_dir": "/dev/shm",  # noqa: S108 - the heartbeat file must not wait for a disk
        "accesslog": None,
        "logconfig_dict": {"version": 1, "disable_existing_loggers": False},
    }
    _Server(make_app, options).run()
