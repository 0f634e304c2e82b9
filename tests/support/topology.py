"""The services of compose.yaml as processes of this machine: its commands, variables and order, over real stores."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from cli import leftovers
from cli.plan import http_not_ready
from cli.supervision import Service
from support import compose
from support.deployment import Part
from support.ports import free_port
from support.redis_server import redis_binary
from support.wait import outcome, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.dockerfile import Stage

ROOT = Path(__file__).resolve().parents[2]
# Those that people or other services reach by one name
WEB = ("api", "metrics", "ui", "gateway")


class Topology:
    """What `docker compose up --scale …=2` would start, each container a process; nothing is started again that dies."""

    def __init__(self, folder: Path, database_url: str, objects: str) -> None:
        """Take a folder, an empty PostgreSQL database, and host:port of an S3 server, whose bucket is to be made."""
        example = compose.env_file(ROOT / ".env.example")
        environ = {name: value.replace("change-me", "s" * 48) for name, value in example.items()}
        self.key = environ["FIRST_KEY"]
        services = compose.load(ROOT / "compose.yaml", environ)["services"]
        self.services = {name: each for name, each in services.items() if "profiles" not in each}
        self.parts: dict[str, Part] = {}
        self.done: list[str] = []
        self._folder = folder
        self._redis_port = free_port()
        self._ports = {name: free_port() for name in WEB}
        self.url = f"http://127.0.0.1:{self._ports['gateway']}"
        self._names = {
            re.escape("postgresql://triptych:" + "s" * 48 + "@postgres:5432/triptych"): database_url,
            r"\bredis:6379\b": f"127.0.0.1:{self._redis_port}",
            r"\bobjects\.localhost:8333\b": objects,
            r"\bgateway:8080\b": f"127.0.0.1:{self._ports['gateway']}",
            **{rf"\b{name}:8000\b": f"127.0.0.1:{self._ports[name]}" for name in ("api", "metrics", "ui")},
            r"^/(spool|runs)$": rf"{folder}/\1",
        }

    @property
    def workers(self) -> list[str]:
        """Names of the services that `--scale` multiplies."""
        images = {name for name in self.services if compose.image_of(self.services, name)}
        return sorted(images - set(WEB) - {"migrations", "bucket"})

    def start(self) -> None:
        """Start each service once what it waits for is as it waits for it; workers twice."""
        for name in compose.in_order(self.services):
            for other, how in self.services[name].get("depends_on", {}).items():
                self._wait(other, how["condition"])
            image = compose.image_of(self.services, name)
            if name == "redis":
                self._start_redis()
            elif image is None:
                assert name in {"postgres", "objects"}, f"{name}: what stands in for it?"
            elif self.services[name]["restart"] == "no":
                self._once(name, image)
            else:
                for number in (1, 2) if name in self.workers else (1,):
                    self._up(name, image, number)
        ready = partial(http_not_ready, f"{self.url}/readyz")
        until(lambda: not outcome(ready()), "all behind the gateway to be ready", seconds=120)

    def kill(self, name: str) -> None:
        """Kill a process as a machine's failure would, for good."""
        self.parts[name].kill()

    def stop(self) -> int:
        """End all.

        Returns:
            How many processes had been left behind.
        """
        redis = self.parts.pop("redis", None)
        for part in reversed(self.parts.values()):
            part.down(grace_seconds=0)
        if redis is not None:
            redis.down(grace_seconds=5)
        mark = str(self._folder)
        with suppress(
            AssertionError
        ):  # the predictor's processes end by themselves when nobody asks them any more
            until(lambda: not leftovers.find(mark), "the models' processes to end")
        return leftovers.end(mark, grace_seconds=0.5)

    def _here(self, text: str) -> str:
        for pattern, stand_in in self._names.items():
            text = re.sub(pattern, stand_in, text)
        return text

    def _environment(self, name: str, image: Stage, port: int) -> dict[str, str]:
        own = compose.settings_of(self.services[name], image)
        # The image's paths are those of its root folder
        kept = {
            key: self._here(value) for key, value in own.items() if key not in {"PATH", "PYTHONPATH", "HOME"}
        }
        if "HEALTH_PORT" in kept:
            kept |= {"HEALTH_PORT": str(port), "HEALTH_HOST": "127.0.0.1"}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PYTHONPATH": str(ROOT),
            leftovers.MARK: str(self._folder),
            **kept,
        }

    def _command(self, name: str, image: Stage, port: int) -> tuple[str, ...]:
        words = [self._here(word) for word in compose.argv_of(self.services[name], image)]
        assert words[0] == "python"
        words = [re.sub(r"^0\.0\.0\.0:8000$", f"127.0.0.1:{port}", word) for word in words]
        if name == "gateway":
            words[words.index("--host") + 1] = "127.0.0.1"
            words += ["--port", str(port)]
        return (sys.executable, *words[1:])

    def _up(self, name: str, image: Stage, number: int) -> None:
        port = self._ports.get(name) or free_port()
        # As the images' own health checks do; whether it is ready may depend on what waits for it
        ready = partial(http_not_ready, f"http://127.0.0.1:{port}/healthz")
        self._part(
            f"{name}-{number}", self._command(name, image, port), self._environment(name, image, port), ready
        )

    def _once(self, name: str, image: Stage) -> None:
        done = subprocess.run(
            self._command(name, image, 0),
            env=self._environment(name, image, 0),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
        self.done.append(name)

    def _start_redis(self) -> None:
        service = self.services["redis"]
        shell, flag, script = service["command"]
        data = self._folder / "redis"
        data.mkdir()
        binary = redis_binary()
        assert binary is not None
        env = {"PATH": os.environ["PATH"], **service["environment"]}
        script = script.replace("redis-server", f"{binary} --port {self._redis_port} --dir {data}")
        client = redis.Redis(port=self._redis_port, password=env["REDISCLI_AUTH"])

        async def not_ready() -> str:
            try:
                client.ping()
            except redis.RedisError as error:
                return str(error)
            return ""

        self._part("redis", (shell, flag, script), env, not_ready)

    def _part(self, name: str, argv: tuple[str, ...], env: Mapping[str, str], ready: Any) -> None:
        part = Part(Service(name, argv, env, ready), self._folder / f"{name}.log")
        self.parts[name] = part
        part.up()

    def _wait(self, name: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            assert name in self.done
            return
        for part in self.parts.values():
            if part.name in {name, f"{name}-1", f"{name}-2"}:
                until(lambda: not part.why_not_ready(), f"{part.name}; see {part.log}", seconds=120)  # noqa: B023 - as above
