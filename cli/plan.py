"""Which processes make up a platform on one machine, and what each is told: its settings and no other's secrets."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from cli import redis_server
from cli.leftovers import MARK
from cli.local_access import is_loopback
from cli.ports import free_ports
from cli.supervision import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.data_dir import DataDir

# Variables that the plan hands out itself; a process gets those of its own row only
_OURS = {
    "API_BASE",
    "CALLBACK_ROOT_SECRET",
    "CALLBACK_ROOT_SECRET_PREVIOUS",
    "CALLBACK_SECRET",
    "DATABASE_URL",
    "FIRST_KEY",
    "HEALTH_HOST",
    "HEALTH_PORT",
    "LAUNCHER",
    "OBJECTS_URL",
    "REDIS_URL",
    "RUNS_DIR",
    "SPOOL_DIR",
    "TRAINER_API_BASE",
}


@dataclass(frozen=True)
class Preparation:
    """A command that runs to its end before stage 1.

    Attributes:
        name: Names its log file.
        argv: Command line.
        env: Its whole environment.
        failure: What a person is told when it fails.
        needed: Whether the platform cannot start without it.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    failure: str
    needed: bool = True


@dataclass(frozen=True)
class Plan:
    """A platform to be run: every service, and what is done before stage 1."""

    services: tuple[Service, ...]
    preparations: tuple[Preparation, ...]


def local_plan(
    data: DataDir, host: str, port: int, environ: Mapping[str, str], *, require_key: bool = False
) -> Plan:
    """Lay out the embedded platform.

    Args:
        data: Where everything is kept.
        host: Address the gateway listens on.
        port: Port the gateway listens on.
        environ: The environment `triptych up` was called in. DATABASE_URL, REDIS_URL, OBJECTS_URL, LAUNCHER and
            TRAINER_API_BASE choose other parts; variables this module does not know are passed on to every service.
        require_key: Whether the person at this machine must sign in as everybody else; so it is wherever others can
            reach the gateway.

    Raises:
        NoRedis: No REDIS_URL, and no redis-server to run.
    """
    secrets = data.secrets()
    names = (
        "redis",
        "relay",
        "api",
        "api-worker",
        "schema",
        "staging",
        "launcher",
        "metrics",
        "metrics-worker",
        "predictor",
    )
    ports = dict(zip((*names, "ui"), free_ports(len(names) + 1, besides=port), strict=True))
    origin = f"http://127.0.0.1:{port}"
    common = {name: value for name, value in environ.items() if name not in _OURS} | {MARK: str(data.root)}
    common.setdefault("LOG_FORMAT", "text")
    common["PYTHONUNBUFFERED"] = "1"
    models: dict[str, str] = {}
    if folders := environ.get("MODELS_PATH", ""):
        # trainers run in folders of their own, so relative ones would lead elsewhere
        absolute = [
            str(Path(folder).expanduser().absolute()) for folder in folders.split(os.pathsep) if folder
        ]
        common["MODELS_PATH"] = os.pathsep.join(absolute)
        models = {"MODELS_FILE": environ.get("MODELS_FILE") or str(data.models)}
    stores = {
        "DATABASE_URL": environ.get("DATABASE_URL") or f"sqlite:///{data.database}",
        "REDIS_URL": environ.get("REDIS_URL")
        or f"redis://:{secrets.redis_password}@127.0.0.1:{ports['redis']}/0",
        "OBJECTS_URL": environ.get("OBJECTS_URL") or data.objects.as_uri(),
    }
    spool = {"SPOOL_DIR": str(data.spool)}
    root_secret = {
        "CALLBACK_ROOT_SECRET": environ.get("CALLBACK_ROOT_SECRET") or secrets.callback_root_secret
    }
    callbacks = root_secret | {
        name: environ[name]
        for name in ("CALLBACK_ROOT_SECRET_PREVIOUS", "CALLBACK_SECRET")
        if environ.get(name)
    }
    launcher = {
        "LAUNCHER": environ.get("LAUNCHER") or "local",
        "RUNS_DIR": str(data.runs),
        "TRAINER_API_BASE": environ.get("TRAINER_API_BASE") or origin,
    }

    def worker(name: str, *command: str, **settings: str) -> Service:
        own = stores | settings | {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(ports[name])}
        return _service(name, _python(*command), common | own, ports[name], stage=1)

    def web(name: str, module: str, **settings: str) -> Service:
        command = _python(module, "--bind", f"127.0.0.1:{ports[name]}")
        return _service(name, command, common | settings, ports[name], stage=2)

    measured = {name: ports[name] for name in names if name != "redis"}
    data.metrics_targets.write_text(_metrics_targets(measured))
    gateway = _python("cli.gateway", "--host", host, "--port", str(port))
    first_key = environ.get("FIRST_KEY") or secrets.first_key
    key_file = data.write_first_key(first_key)
    if is_loopback(host) and not require_key:
        gateway += ("--key-file", str(key_file))
    for name in ("api", "metrics", "ui"):
        gateway += (f"--{name}", f"http://127.0.0.1:{ports[name]}")
    services = [
        worker("relay", "runtime.relay"),
        worker("api-worker", "services.api.worker", **spool),
        worker("schema", "services.ingest.worker", "ingest.schema", **spool),
        worker("staging", "services.ingest.worker", "ingest.staging", **spool),
        worker("launcher", "services.launcher.worker", **launcher, **root_secret),
        worker("metrics-worker", "services.metrics.worker", **callbacks),
        worker("predictor", "services.predictor.worker"),
        web("api", "services.api", **stores, **spool, **models, LAUNCHER=launcher["LAUNCHER"]),
        web("metrics", "services.metrics", **stores, **callbacks),
        web("ui", "ui", API_BASE=origin),
        _service("gateway", gateway, common, port, stage=3),
    ]
    if not environ.get("REDIS_URL"):
        config = redis_server.write_config(data.redis, ports["redis"], secrets.redis_password)
        ready = partial(redis_server.not_ready, ports["redis"], secrets.redis_password)
        services.insert(0, Service("redis", (redis_server.find(), str(config)), common, ready, stage=0))
    preparations = [
        Preparation(
            "migrate",
            _python("runtime.migrate"),
            common | stores | {"FIRST_KEY": first_key},
            "The database could not be prepared",
        )
    ]
    if models:
        listing = _python("trainer.models.catalogue", "--out", str(data.models))
        failure = "Not every model of MODELS_PATH can be used"
        preparations.append(Preparation("models", listing, common, failure, needed=False))
    return Plan(tuple(services), tuple(preparations))


def _metrics_targets(ports: Mapping[str, int]) -> str:
    """Say where a Prometheus on this machine finds each process's metrics, as its file_sd_configs reads it."""
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"job": "triptych", "process": name}}
        for name, port in ports.items()
    ]
    return json.dumps(targets, indent=1) + "\n"


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: modules come from where they are installed, never from the folder the user stands in
    return (sys.executable, "-P", "-m", module, *arguments)


def _service(
    name: str, argv: tuple[str, ...], env: Mapping[str, str], health_port: int, *, stage: int
) -> Service:
    return Service(name, argv, env, partial(http_not_ready, f"http://127.0.0.1:{health_port}/readyz"), stage)


async def http_not_ready(url: str) -> str:
    """Ask a service whether it is ready.

    Returns:
        Why it is not, or an empty string when it is.
    """
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return "" if response.ok else f"{url} answers {response.status}: {(await response.text())[:300]}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return f"{url}: {error or type(error).__name__}"
