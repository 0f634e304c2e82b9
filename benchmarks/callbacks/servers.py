"""The servers that are measured, each a process tree of its own, by name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.access import migrate
from benchmarks.callbacks.calls import ROOT_SECRET
from cli.ports import free_ports
from runtime.db import Database

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from support.postgres import PostgresServer, postgres_bin
from support.redis_server import RedisServer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


@dataclass(frozen=True)
class Server:
    """A server that runs, by its address and its master process."""

    origin: str
    pid: int

    def processor_seconds(self) -> float:
        """Give the processor time of its processes so far; load of others does not blur it much."""
        master = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (master, *master.children(recursive=True))]
        return sum(each.user + each.system for each in times)


@contextmanager
def bare(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.callbacks.bare", f"127.0.0.1:{port}"]
    with server(command, f"http://127.0.0.1:{port}", folder) as running:
        yield running


@contextmanager
def bare_sqlite(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [
        sys.executable, "-m", "benchmarks.callbacks.bare", f"127.0.0.1:{port}", str(folder / "points.db")
    ]  # fmt: skip
    with server(command, f"http://127.0.0.1:{port}", folder) as running:
        yield running


@contextmanager
def sqlite(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    with ours(f"sqlite:///{folder}/metrics.db", folder) as running:
        yield running


class DurablePostgres(PostgresServer):
    """The tests' cluster, but one that waits for its disk."""

    def _run(self, program: str, *arguments: str) -> None:
        super()._run(program, *(argument.replace("fsync=off", "fsync=on") for argument in arguments))


@contextmanager
def postgresql(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    if postgres_bin() is None:
        raise SystemExit("There is no PostgreSQL on this machine; leave it out by --only.")
    cluster = DurablePostgres()
    cluster.start()
    try:
        with ours(cluster.create_database(), folder) as running:
            yield running
    finally:
        cluster.stop()


@contextmanager
def version(checkout: Path, folder: Path) -> Iterator[Server]:
    """Serve another checkout's metrics service on SQLite, whose tables are this one's."""
    code = {"PYTHONPATH": str(checkout.resolve()), "PYTHONSAFEPATH": "1"}  # and not the working folder's
    with ours(f"sqlite:///{folder}/metrics.db", folder, **code) as running:
        yield running


@contextmanager
def ours(database_url: str, folder: Path, **environment: str) -> Iterator[Server]:
    """Serve the metrics service on a database, with a Redis."""
    db = Database(database_url)
    migrate(db)
    db.engine.dispose()
    redis = RedisServer(folder)
    redis.start()
    (port,) = free_ports(1)
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "OBJECTS_URL": f"file://{folder}/objects",
        "CALLBACK_ROOT_SECRET": ROOT_SECRET,
        "CALLBACKS_PER_SECOND": "0",  # its few senders stand for many jobs
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "services.metrics", "--bind", f"127.0.0.1:{port}"]
    try:
        with server(command, f"http://127.0.0.1:{port}", folder, **settings, **environment) as running:
            yield running
    finally:
        redis.kill()


@contextmanager
def mlflow(folder: Path, options: argparse.Namespace) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [
        *(str(options.mlflow), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *(
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            "--default-artifact-root",
            f"{folder}/artifacts",
        ),
    ]
    # its launcher looks for uvicorn on PATH
    path = f"{options.mlflow.parent}{os.pathsep}{os.environ['PATH']}"
    with server(
        command,
        f"http://127.0.0.1:{port}",
        folder,
        PATH=path,
        PYTHONPATH="",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    ) as running:
        yield running


@contextmanager
def server(command: list[str], origin: str, folder: Path, **environment: str) -> Iterator[Server]:
    """Run a server in a process group of its own until the block ends."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not listens(origin):
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended:\n{(folder / 'server.log').read_text()}")
            time.sleep(0.1)
        yield Server(origin, process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(origin: str) -> bool:
    host, _, port = origin.removeprefix("http://").partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


START = {
    "bare": bare,
    "bare-sqlite": bare_sqlite,
    "sqlite": sqlite,
    "postgresql": postgresql,
    "mlflow": mlflow,
}
