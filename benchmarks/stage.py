"""What the browser benchmarks share: a real platform, jobs whose trainer is this process, and Chromium.

The platform is the one of `make up`: gateway, services under gunicorn, Redis and SQLite as processes of their own. Its jobs run a
trainer that only sleeps; what a trainer would send, signed PATCHes through the gateway, the benchmark sends itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from playwright.sync_api import Browser, sync_playwright

from contracts.callback import (
    CallbackBody,
    Evaluation,
    Final,
    Heartbeat,
    Outcome,
    Point,
    derive_secret,
    signed_headers,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT_SECRET = "benchmark" * 5
STEPS_AN_EPOCH = 100
POINTS_A_CALL = 1000  # as many as a callback may hold
LABELS = ["bird", "cat", "fish"]
TABLE = "size,kind,animal\n" + "".join(f"{i % 7},{'abc'[i % 3]},{LABELS[i % 3]}\n" for i in range(90))


@contextmanager
def platform(folder: Path) -> Iterator[httpx.Client]:
    """Run a platform on an empty data folder; gives a client of its gateway."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "up", "--port", str(port), "--data-dir", str(folder / "var")]
    env = {
        **os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "CALLBACK_ROOT_SECRET": ROOT_SECRET,
        "TRAINER_COMMAND": "sleep 100000", "STOP_GRACE_SECONDS": "1", "MAX_RUNNING": "1000",
    }  # fmt: skip
    if path := os.environ.get("PYTHONPATH"):
        env["PYTHONPATH"] += os.pathsep + path
    log = folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        while "Triptych runs at" not in log.read_text():
            if process.poll() is not None:
                raise SystemExit(f"The platform did not start:\n{log.read_text()}")
            time.sleep(0.2)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
            for job in client.get("/api/training_jobs/", params={"page_size": 100}).json()["items"]:
                client.post(f"/api/training_jobs/{job['id']}/cancel/")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def upload(client: httpx.Client) -> str:
    """Upload a small table and wait until it is ready; gives its id."""
    answer = client.post("/api/datasets/upload_and_detect/", files={"file": ("animals.csv", TABLE)})
    dataset_id: str = answer.raise_for_status().json()["id"]
    until(client, f"/api/datasets/{dataset_id}/", "ready")
    return dataset_id


def start_job(client: httpx.Client, dataset_id: str) -> str:
    """Start a job and wait until it runs; gives its id."""
    wish = {"dataset_id": dataset_id, "model": "dummy_model", "target": "animal", "start": True}
    job_id: str = client.post("/api/training_jobs/", json=wish).raise_for_status().json()["id"]
    Trainer(client, job_id).send(beat=True)  # the first report makes it running
    until(client, f"/api/training_jobs/{job_id}/", "running")
    return job_id


def end_job(client: httpx.Client, dataset_id: str, points: int) -> str:
    """Start a job, send so many points and its good end; gives its id. It leaves no files."""
    job_id = start_job(client, dataset_id)
    trainer = Trainer(client, job_id)
    trainer.fill(points)
    trainer.end()
    until(client, f"/api/training_jobs/{job_id}/", "succeeded")
    return job_id


def until(client: httpx.Client, path: str, state: str) -> None:
    """Ask until something has a state."""
    while client.get(path).raise_for_status().json()["state"] != state:
        time.sleep(0.1)


class Trainer:
    """Sends what a trainer of a job sends. Steps count from 0; every point holds loss, accuracy and learning rate."""

    def __init__(self, client: httpx.Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._secret = derive_secret(ROOT_SECRET, job_id, 1)
        self.step = 0
        self.sent: dict[int, float] = {}  # step -> Unix seconds just before its callback was signed
        self.answered: dict[int, float] = {}  # step -> Unix seconds at which the platform had stored it

    def send(self, points: int = 0, *, beat: bool = False) -> None:
        """Send the next points in one signed PATCH, and with every full epoch a validation pass."""
        steps = range(self.step, self.step + points)
        self.step += points
        now = datetime.now(UTC)
        measured, passes = [], []
        for step in steps:
            loss = 2.0 / (1 + step / 5000) + 0.2 * ((step * 7919) % 101) / 101
            values = {"loss": loss, "accuracy": 1 - loss / 3, "learning_rate": 1e-3 / (1 + step / 1e4)}
            epoch = step / STEPS_AN_EPOCH
            measured.append(Point(split="train", step=step, seq=2 * step, epoch=epoch, at=now, values=values))
            if step and step % STEPS_AN_EPOCH == 0:
                figures = {"loss": loss + 0.1, "accuracy": 0.9 - loss / 3, "macro_f1": 0.88 - loss / 3}
                measured.append(
                    Point(split="val", step=step, seq=2 * step + 1, epoch=epoch, at=now, values=figures)
                )
                passes.append(
                    Evaluation(
                        step=step, seq=step, epoch=epoch, labels=LABELS, matrix=[[8, 1, 1]] * 3, best=True
                    )
                )
        pulse = Heartbeat(at=now, phase="training", progress=0.5, eta_seconds=60) if beat else None
        sent = time.time()
        self._patch(CallbackBody(points=measured, evaluations=passes[-20:], heartbeat=pulse), sent)
        answered = time.time()
        for step in steps:
            self.sent[step], self.answered[step] = sent, answered

    def end(self) -> None:
        """Send the last word of a training that went well."""
        figures = {"accuracy": 0.9, "macro_f1": 0.88, "loss": 0.3}
        last = Final(outcome=Outcome.SUCCEEDED, reason="finished", metrics=figures)
        self._patch(CallbackBody(final=last), time.time())

    def _patch(self, body: CallbackBody, now: float) -> None:
        raw = to_json(body)
        headers = signed_headers(self._job_id, 1, raw, self._secret, now=int(now), ttl=900)
        self._client.patch(
            f"/api/training_jobs/{self._job_id}/metrics/", content=raw, headers=headers
        ).raise_for_status()

    def fill(self, points: int) -> None:
        """Send a long past, fast."""
        while self.step < points:
            self.send(min(POINTS_A_CALL - 20, points - self.step))

    def keep_sending(self, rate: float, seconds: float) -> threading.Thread:
        """Begin to send one point at a time from a thread, at a fixed rate; a late one does not delay those behind it."""

        def work() -> None:
            begun = time.monotonic()
            for number in range(int(rate * seconds)):
                time.sleep(max(0.0, begun + number / rate - time.monotonic()))
                self.send(1)

        thread = threading.Thread(target=work)
        thread.start()
        return thread


def find_chromium() -> str | None:
    """Give the path of a Chromium of this machine, whatever its distribution calls it."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless Chromium, without the throttling of pages that no window shows."""
    path = find_chromium()
    if path is None:
        raise SystemExit("There is no Chromium on this machine; install the package `chromium`.")
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=120_000)
        yield browser
        browser.close()


@contextmanager
def scene() -> Iterator[tuple[Path, httpx.Client, Browser]]:
    """Give a real platform and a real browser: the platform's folder, a client of it, and Chromium."""
    with tempfile.TemporaryDirectory() as name, platform(Path(name)) as client, chromium() as browser:
        yield Path(name), client, browser


def percentile(values: Sequence[float], share: float) -> float:
    """Give the least value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def processor_seconds() -> dict[str, float]:
    """Give the processor time that our browser's and our platform's processes have taken; load of others does not blur it much."""
    taken = {"browser": 0.0, "platform": 0.0}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            taken["browser" if "chrom" in process.name() else "platform"] += times.user + times.system
    return taken


def load() -> str:
    """Say how busy the machine is."""
    return f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} over the last minute"


def conditions(browser: Browser) -> dict[str, Any]:
    """Give what a result should be read with."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": load(),
        "chromium": browser.version,
    }
