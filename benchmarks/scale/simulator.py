"""`python -m benchmarks.scale.simulator`: a provider whose containers are coroutines of this one process.

What a container does towards the platform is real: it reads its environment as the trainer does, and its signed PATCHes go to the
metrics service, are tried again when that is away, and end with a final report. Its launches are idempotent by job, attempt and launch,
as ECS' client tokens are: a launch under a new number starts a second container, which the record would show.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from contracts.callback import CallbackBody, Final, Heartbeat, Outcome, Phase, Point, signed_headers, to_json
from contracts.job import JobSpec
from trainer.delivery import FIRST_WAIT, FOR_GOOD, LONGEST_WAIT, OVER

if TYPE_CHECKING:
    from collections.abc import Mapping

STOPPED = 143
_LABELS = {"train": {"loss": 1.0, "accuracy": 0.5}, "system": {"cpu": 50.0, "memory_mb": 800.0}}


@dataclass
class Container:
    """One simulated container. Moments are Unix seconds."""

    handle: str
    job_id: str
    attempt: int
    asked_at: float
    asked: int = 1  # times that this very launch was asked for
    ended_at: float | None = None
    exit_code: int | None = None
    callbacks: int = 0
    refused: int = 0  # callbacks that the service would not have
    stop: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def told(self) -> dict[str, Any]:
        """Give what a status tells."""
        state = "running" if self.ended_at is None else "exited"
        return {"state": state, "exit_code": self.exit_code, "started_at": self.asked_at}


class Simulator:
    """The provider: containers by handle, and every callback that they have sent."""

    def __init__(self, *, seconds: float, callback_seconds: float, call_seconds: float) -> None:
        """Take how long a trainer trains, the time between two of its callbacks, and how long each call of the provider takes."""
        self._seconds = seconds
        self._callback_seconds = callback_seconds
        self._call_seconds = call_seconds
        self.containers: dict[str, Container] = {}
        self.calls: dict[str, int] = {}
        self.sent: list[tuple[float, float, int]] = []  # when, seconds to the answer, status (0: none)
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    def app(self) -> web.Application:
        """Make its interface: one route for each call of a back end, and what it knows for whoever measures."""
        app = web.Application(client_max_size=16 * 2**20)
        for call in (self.launch, self.status, self.stop, self.logs):
            app.router.add_post(f"/{call.__name__}", call)
        app.router.add_get("/counts", self.counts)
        app.router.add_get("/record", self.record)
        app.cleanup_ctx.append(self._client)
        return app

    async def _client(self, _app: web.Application) -> Any:
        # A connection for each trainer, as real ones have
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=70)
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=10)
        ) as self._http:
            yield
            for task in self._tasks:
                task.cancel()

    async def launch(self, request: web.Request) -> web.Response:
        """Start a container, unless this very launch has."""
        asked = await self._asked(request, "launch")
        handle = f"{asked['job_id']}/{asked['attempt']}/{asked['launch']}"
        if handle in self.containers:
            self.containers[handle].asked += 1
        else:
            container = Container(handle, asked["job_id"], asked["attempt"], time.time())
            self.containers[handle] = container
            task = asyncio.create_task(self._train(container, asked["env"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.json_response({"handle": handle})

    async def status(self, request: web.Request) -> web.Response:
        """Tell of those that are known."""
        asked = await self._asked(request, "status")
        known = {handle: self.containers[handle] for handle in asked["handles"] if handle in self.containers}
        return web.json_response({handle: container.told() for handle, container in known.items()})

    async def stop(self, request: web.Request) -> web.Response:
        """Ask one to end."""
        asked = await self._asked(request, "stop")
        if asked["handle"] in self.containers:
            self.containers[asked["handle"]].stop.set()
        return web.json_response({})

    async def logs(self, request: web.Request) -> web.Response:
        """Give a log that grows with every callback."""
        asked = await self._asked(request, "logs")
        container = self.containers.get(asked["handle"])
        lines = container and [f"trained for {container.callbacks} callbacks", "so far so good"]
        return web.json_response({"lines": lines or []})

    async def counts(self, _request: web.Request) -> web.Response:
        """Give how many containers there are."""
        live = sum(container.ended_at is None for container in self.containers.values())
        return web.json_response({"started": len(self.containers), "live": live, "callbacks": len(self.sent)})

    async def record(self, _request: web.Request) -> web.Response:
        """Give everything."""
        containers = []
        for container in self.containers.values():
            fields = {name: value for name, value in vars(container).items() if name != "stop"}
            containers.append(fields)
        return web.json_response({"containers": containers, "sent": self.sent, "calls": self.calls})

    async def _asked(self, request: web.Request, call: str) -> Any:
        self.calls[call] = self.calls.get(call, 0) + 1
        await asyncio.sleep(self._call_seconds)
        return await request.json()

    # --- a trainer

    async def _train(self, container: Container, env: Mapping[str, str]) -> None:
        spec = JobSpec.from_env(env)
        ends = time.monotonic() + self._seconds * random.uniform(0.8, 1.2)
        seq = 0
        while not container.stop.is_set() and time.monotonic() < ends:
            now = datetime.now(UTC)
            points = [
                Point(split=split, step=seq, seq=2 * seq + place, epoch=seq / 10, at=now, values=values)
                for place, (split, values) in enumerate(_LABELS.items())
            ]
            pulse = Heartbeat(at=now, phase=Phase.TRAINING, progress=0.5)
            await self._send(
                container, spec, CallbackBody(attempt=spec.attempt, points=points, heartbeat=pulse)
            )
            seq += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(container.stop.wait(), self._callback_seconds)
        stopped = container.stop.is_set()
        final = Final(outcome=Outcome.CANCELLED if stopped else Outcome.SUCCEEDED, metrics={"accuracy": 0.5})
        await self._send(container, spec, CallbackBody(attempt=spec.attempt, final=final))
        container.exit_code = STOPPED if stopped else 0
        container.ended_at = time.time()

    async def _send(self, container: Container, spec: JobSpec, body: CallbackBody) -> None:
        """Send one body until it is taken or refused for good, with the pauses of the trainer's own delivery."""
        raw, failures = to_json(body), 0
        url = f"{spec.api_base}/api/training_jobs/{spec.job_id}/metrics/"
        while True:
            now = time.time()
            headers = signed_headers(
                spec.job_id, spec.attempt, raw, spec.callback_secret, now=int(now), ttl=spec.callback_ttl
            )
            headers["Content-Type"] = "application/json"
            status = await self._patch(url, raw, headers)
            self.sent.append((now, time.time() - now, status))
            container.callbacks += 1
            refused = status == OVER or status in FOR_GOOD
            if refused or 200 <= status < 300:
                container.refused += refused
                return
            longest = min(LONGEST_WAIT, FIRST_WAIT * 2**failures)
            failures += 1
            await asyncio.sleep(random.uniform(longest / 2, longest))

    async def _patch(self, url: str, raw: bytes, headers: dict[str, str]) -> int:
        assert self._http is not None
        try:
            async with self._http.patch(url, data=raw, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0


def main() -> None:
    parser = argparse.ArgumentParser(description="A provider that only simulates containers.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--callback-seconds", type=float, required=True)
    parser.add_argument("--call-seconds", type=float, required=True)
    options = parser.parse_args()
    simulator = Simulator(
        seconds=options.seconds,
        callback_seconds=options.callback_seconds,
        call_seconds=options.call_seconds,
    )
    web.run_app(simulator.app(), host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
