"""The platform's services as processes of their own, each of which a test can kill, freeze, stop and start alone."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cli import leftovers
from cli.data_dir import DataDir
from cli.plan import http_not_ready, local_plan
from runtime.db import Database
from support import tiny_trainer, trapped_service
from support.access import KEY
from support.ports import free_port
from support.wait import outcome, until

if TYPE_CHECKING:
    from cli.supervision import Service
    from support.redis_server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = {"ui", "predictor"}  # neither takes part in a job
TWICE = ("relay", "staging", "launcher")  # a second process of these shares the work
MAX_RUNNING = 4


class Part:
    """One process of a deployment, started again as soon as it dies unless it is to be down."""

    def __init__(self, service: Service, log: Path) -> None:
        self.name = service.name
        self.log = log
        self._service = service
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False

    @property
    def pid(self) -> int | None:
        """Process id, where it has been started."""
        return self._process and self._process.pid

    def up(self) -> None:
        """Start it, and keep it running."""
        self._wanted = True
        self.revive()

    def revive(self) -> None:
        """Start it if it should run and does not."""
        with self._lock:
            if not self._wanted or (self._process and self._process.poll() is None):
                return
            self._end_group()
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._service.argv,
                    env=dict(self._service.env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self) -> None:
        """Kill it with what it has forked, as the machine's failure would."""
        with self._lock:
            self._end_group()

    def down(self, *, grace_seconds: float = 20.0) -> None:
        """Ask it to end, and leave it so."""
        self._wanted = False
        with self._lock:
            if self._process is None:
                return
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_seconds)
            self._end_group()

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def why_not_ready(self) -> str:
        """Ask its readiness probe; an empty string when it is ready."""
        return outcome(self._service.not_ready())

    def says(self, text: str) -> int:
        """Count the lines of its log that hold a text."""
        return self.log.read_text(errors="replace").count(text) if self.log.exists() else 0

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _end_group(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()


class Deployment:
    """Every service that a job passes through, over one database, one Redis and a folder of objects."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        redis: RedisServer,
        *,
        lease_seconds: float,
        again_seconds: float,
    ) -> None:
        """Lay it out.

        Args:
            folder: Where everything is kept.
            database_url: A migrated database.
            redis: A running Redis, which it takes over.
            lease_seconds: After which a dead worker's delivery is given to another.
            again_seconds: After which an unhandled message is published again.
        """
        self.db = Database(database_url)
        self.redis = redis
        self.data = DataDir(folder / "var")
        self.ledger = folder / "ledger"
        self.traps = folder / "traps"
        for made in (self.ledger, self.traps):
            made.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "FIRST_KEY": KEY,  # which the database has
            "REDIS_URL": redis.url,
            "LOG_FORMAT": "json",
            "MAX_RUNNING": str(MAX_RUNNING),
            "STOP_GRACE_SECONDS": "5",
            "TRAINER_COMMAND": shlex.join([sys.executable, "-P", tiny_trainer.__file__, str(self.ledger)]),
            trapped_service.TRAPS: str(self.traps),
            trapped_service.LEASE: str(lease_seconds),
            trapped_service.AGAIN: str(again_seconds),
        }
        plan = local_plan(self.data, "127.0.0.1", port, environ)
        services = [_trapped(service) for service in plan.services if service.name not in WITHOUT]
        # Its readiness is that of all behind it, of which the ui is not there
        alive = partial(http_not_ready, f"{self.url}/healthz")
        services = [
            replace(service, not_ready=alive) if service.name == "gateway" else service
            for service in services
        ]
        services += [_second(service) for service in services if service.name in TWICE]
        self.parts = {service.name: Part(service, self.data.log(service.name)) for service in services}
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor")

    def start(self) -> None:
        """Start every part and wait until all are ready."""
        for part in self.parts.values():
            part.up()
        self._supervisor.start()
        for part in self.parts.values():
            self.until_ready(part)

    def stop(self) -> int:
        """Stop every part.

        Returns:
            How many processes had been left behind.
        """
        self._stopping.set()
        self._supervisor.join()
        stopping = [threading.Thread(target=part.down) for part in self.parts.values()]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        self.db.engine.dispose()
        self.redis.kill()
        return leftovers.end(str(self.data.root), grace_seconds=0.5)

    def until_ready(self, part: Part) -> None:
        """Wait until a part answers its probe."""
        until(lambda: not part.why_not_ready(), f"{part.name} to be ready; see {part.log}", seconds=120)

    def trainers(self) -> list[int]:
        """Give the process ids of the trainers that live."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if str(self.ledger) in line and tiny_trainer.__file__ in line:
                found.append(process.pid)
        return found

    def _supervise(self) -> None:
        while not self._stopping.wait(0.05):
            for part in self.parts.values():
                part.revive()


def _trapped(service: Service) -> Service:
    """Run a service's module through trapped_service.py; the gateway has nothing to trap."""
    python, flag, dash_m, module, *arguments = service.argv
    if module == "cli.gateway":
        return service
    assert (flag, dash_m) == ("-P", "-m")
    return replace(service, argv=(python, "-P", trapped_service.__file__, module, *arguments))


def _second(service: Service) -> Service:
    port = str(free_port())
    ready = partial(http_not_ready, f"http://127.0.0.1:{port}/readyz")
    env = {**service.env, "HEALTH_PORT": port}
    return replace(service, name=f"{service.name}-2", env=env, not_ready=ready)
