"""The real services as processes of their own, any number of each kind, over a real PostgreSQL and a real Redis."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from benchmarks.access import migrate
from benchmarks.scale.launcher import SIMULATOR
from cli.data_dir import DataDir
from cli.plan import http_not_ready, local_plan
from cli.ports import free_ports
from cli.supervision import Service
from runtime.db import Database

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from support.deployment import Part
from support.postgres import PostgresServer, postgres_bin
from support.redis_server import RedisServer
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
# The ui and the predictor take no part in a job; clients and trainers go to the services themselves
WITHOUT = ("ui", "predictor", "gateway")
ON_ONE_PORT = {"api": "WEB_WORKERS", "metrics": "METRICS_PROCESSES"}
ROOT_SECRET = "benchmark" * 5


@dataclass(frozen=True)
class Load:
    """What is asked of the platform.

    Attributes:
        jobs: Jobs that are created over REST.
        queued: Further jobs that are in the queue before.
        trainers: The most that train at a time.
        seconds: How long each trains, give or take a fifth.
        callback_seconds: Between two callbacks of one trainer.
        call_seconds: What each call of the provider takes.
        datasets: Data sets that the jobs are spread over.
        clients: Connections that create jobs.
    """

    jobs: int
    queued: int
    trainers: int
    seconds: float
    callback_seconds: float
    call_seconds: float
    datasets: int
    clients: int


class BigPostgres(PostgresServer):
    """The tests' cluster, with room for the connections of many processes."""

    def _run(self, program: str, *arguments: str) -> None:
        super()._run(program, *(each.replace("connections=200", "connections=600") for each in arguments))


@dataclass(frozen=True)
class Platform:
    """Services that run; `pids` and `ports` are by a kind and a number, as in launcher#2."""

    db: Database
    api: str
    simulator: httpx.Client
    pids: Mapping[str, int]
    ports: Mapping[str, int]

    def processor_seconds(self) -> dict[str, float]:
        """Give the processor time of each kind so far; load of others does not blur it much."""
        taken: dict[str, float] = {}
        for name, pid in self.pids.items():
            master = psutil.Process(pid)
            for process in (master, *master.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    kind = name.partition("#")[0]
                    taken[kind] = taken.get(kind, 0.0) + times.user + times.system
        return taken

    def metrics(self, kind: str) -> list[str]:
        """Scrape every process of a kind."""
        ports = [port for name, port in self.ports.items() if name.partition("#")[0] == kind]
        return [httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text for port in ports]


@contextmanager
def platform(folder: Path, load: Load, workers: int) -> Iterator[Platform]:
    """Run the services, so many of each kind, on an empty folder until the block ends."""
    if postgres_bin() is None:
        raise SystemExit(
            "There is no PostgreSQL on this machine (initdb and pg_ctl), and SQLite has one writer."
        )
    with ExitStack() as stack:
        cluster = BigPostgres()
        cluster.start()
        stack.callback(cluster.stop)
        redis = RedisServer(folder, persist=True)
        redis.start()
        stack.callback(redis.kill)
        url = cluster.create_database()
        db = Database(url)
        migrate(db)
        stack.callback(db.engine.dispose)
        (port,) = free_ports(1)
        data = DataDir(folder / "var")
        environ = _environ(load, workers) | {"DATABASE_URL": url, "REDIS_URL": redis.url}
        environ[SIMULATOR] = f"http://127.0.0.1:{port}"
        services, ports = _services(data, environ, workers)
        parts = {service.name: Part(service, data.log(service.name)) for service in services}
        simulator = _simulator(load, port, environ)
        parts["simulator"] = Part(simulator, data.log("simulator"))
        for part in parts.values():
            part.up()
            # The shortest stop: nobody looks at what is left
            stack.callback(part.down, grace_seconds=0.5)
        for name, part in parts.items():
            until(
                lambda part=part: not part.why_not_ready(), f"{name} to be ready; see {part.log}", seconds=120
            )
        client = stack.enter_context(httpx.Client(base_url=environ[SIMULATOR], timeout=120))
        pids = {name: part.pid for name, part in parts.items() if part.pid}
        pids |= {"postgresql": cluster.pid, "redis": redis.pid or 0}
        yield Platform(db, f"http://127.0.0.1:{ports['api']}", client, pids, ports)


def _environ(load: Load, workers: int) -> dict[str, str]:
    settings: dict[str, object] = {
        "PYTHONPATH": ROOT,
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "json",
        "CALLBACK_ROOT_SECRET": ROOT_SECRET,
        "MAX_RUNNING": load.trainers,
        # What the launcher does where each look is a call of an API, see services/launcher/settings.py
        "RECONCILE_SECONDS": 15,
        "LOST_GRACE_SECONDS": 120,
        "LOG_SECONDS": 15,
        **dict.fromkeys(ON_ONE_PORT.values(), workers),
    }
    return dict(os.environ) | {name: str(value) for name, value in settings.items()}


def _services(data: DataDir, environ: dict[str, str], workers: int) -> tuple[list[Service], dict[str, int]]:
    """Lay out the services, and say which port each answers probes and scrapes on."""
    planned = local_plan(data, "127.0.0.1", 1, environ).services
    targets = json.loads(data.metrics_targets.read_text())
    ports = {each["labels"]["process"]: int(each["targets"][0].rpartition(":")[2]) for each in targets}
    services: list[Service] = []
    for service in [_simulating(each, ports) for each in planned if each.name not in WITHOUT]:
        services.append(service)
        for number in range(2, 1 if service.name in ON_ONE_PORT else workers + 1):
            (port,) = free_ports(1)
            name, env = f"{service.name}#{number}", {**service.env, "HEALTH_PORT": str(port)}
            ports[name] = port
            ready = partial(http_not_ready, f"http://127.0.0.1:{port}/readyz")
            services.append(replace(service, name=name, env=env, not_ready=ready))
    return services, {name: port for name, port in ports.items() if name not in WITHOUT}


def _simulating(service: Service, ports: dict[str, int]) -> Service:
    """Give the launcher that starts simulated containers in place of the platform's own; others stay."""
    if service.name != "launcher":
        return service
    env = {**service.env, "TRAINER_API_BASE": f"http://127.0.0.1:{ports['metrics']}"}
    return replace(service, argv=(*service.argv[:-1], "benchmarks.scale.launcher"), env=env)


def _simulator(load: Load, port: int, environ: dict[str, str]) -> Service:
    options = {
        "port": port,
        "seconds": load.seconds,
        "callback-seconds": load.callback_seconds,
        "call-seconds": load.call_seconds,
    }
    argv = [sys.executable, "-P", "-m", "benchmarks.scale.simulator"]
    argv += [f"--{name}={value}" for name, value in options.items()]
    ready = partial(http_not_ready, f"http://127.0.0.1:{port}/counts")
    return Service("simulator", tuple(argv), environ, ready)
