"""A trainer that signs, a service in a process of its own, and a viewer that reads its stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx

from contracts.callback import CallbackBody, Final, Heartbeat, Point, derive_secret, signed_headers, to_json
from support.access import HEADERS
from support.ports import free_port
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "r" * 32
AT = datetime(2026, 1, 1, tzinfo=UTC)


def points(*steps, split="train"):
    return [
        Point(split=split, step=step, seq=step, epoch=step / 10, at=AT, values={"loss": 1 / (step + 1)})
        for step in steps
    ]


def heartbeat(progress=0.5, at=AT):
    return Heartbeat(at=at, phase="training", progress=progress)


def final(outcome="succeeded", **fields):
    return Final(outcome=outcome, **fields)


def body(attempt=1, **parts):
    return to_json(CallbackBody(attempt=attempt, **parts))


def signed(raw, job_id="j", attempt=1):
    return signed_headers(
        job_id, attempt, raw, derive_secret(ROOT, job_id, attempt), now=int(time.time()), ttl=900
    )


class Service:
    """`python -m services.metrics` on a free port."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, **settings: object) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.redis_url = redis_url
        self._log = folder / f"metrics-{self.url.rpartition(':')[2]}.log"
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "OBJECTS_URL": f"file://{folder}/objects",
            "CALLBACK_ROOT_SECRET": ROOT,
            "CALLBACKS_PER_SECOND": "0",  # tests send what many jobs would
            "EVENTS_KEEP_ALIVE_SECONDS": "0.3",
            "EVENTS_POLL_SECONDS": "0.1",
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None
        # One for all calls: making a client takes longer than a callback
        self.client = httpx.Client(base_url=self.url, timeout=30, headers=HEADERS)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.metrics", "--bind", self.url.removeprefix("http://")],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, "the metrics service to answer")

    def kill(self) -> None:
        """Kill master and workers at once, as a power cut would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def send(self, raw: bytes, job_id: str = "j", attempt: int = 1) -> int:
        """Send one signed callback and give the status; 0 where nobody answers."""
        try:
            return self.client.patch(
                f"/api/training_jobs/{job_id}/metrics/", content=raw, headers=signed(raw, job_id, attempt)
            ).status_code
        except httpx.TransportError:
            return 0

    def close(self) -> None:
        self.kill()
        self.client.close()

    def log(self) -> str:
        return self._log.read_text()

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(self.log())
        with suppress(httpx.TransportError):
            return self.client.get("/healthz").status_code == 200
        return False


class Viewer:
    """Reads a job's stream in a thread, and comes back with Last-Event-ID whenever it breaks, until `event: end`."""

    def __init__(self, url: str, job_id: str = "j", *, query: str = "", leave_after: int = 10**9) -> None:
        self._url = f"{url}/api/training_jobs/{job_id}/events/{query}"
        self._leave_after = leave_after
        self._stop = False
        self._pause = threading.Event()
        self.seqs: list[int] = []
        self.items: list[dict[str, object]] = []
        self.heartbeats: list[dict[str, object]] = []
        self.logs = 0  # how often it was told that the log has grown
        self.keep_alives = 0
        self.visits = 0
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self._stop = True
        self.thread.join(timeout=30)
        assert not self.thread.is_alive()

    def _run(self) -> None:
        with httpx.Client(timeout=30, headers=HEADERS) as client:
            while not (self.ended or self._stop):
                self.visits += 1
                try:
                    self._visit(client)
                except httpx.TransportError:
                    self._pause.wait(0.1)  # as a browser does, instead of spinning while the service is away

    def _visit(self, client: httpx.Client) -> None:
        headers = {"Last-Event-ID": str(self.seqs[-1])} if self.seqs else {}
        with client.stream("GET", self._url, headers=headers) as response:
            if response.status_code != 200:
                return
            seen, event = 0, {}
            for line in response.iter_lines():
                if line.startswith(":"):
                    self.keep_alives += 1
                elif line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif event:
                    self._take(event)
                    seen, event = seen + ("id" in event), {}
                if self._stop or seen >= self._leave_after:
                    return

    def _take(self, event: dict[str, str]) -> None:
        if event.get("event") == "end":
            self.ended = True
        elif event.get("event") == "heartbeat":
            assert "id" not in event
            self.heartbeats.append(json.loads(event["data"]))
        elif event.get("event") == "log":
            assert event == {"event": "log", "data": "{}"}
            self.logs += 1
        elif "id" in event:
            item = json.loads(event["data"])
            assert (str(item["seq"]), item["kind"]) == (event["id"], event["event"])
            self.seqs.append(item["seq"])
            self.items.append(item)
