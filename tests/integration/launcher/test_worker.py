"""The launcher as it is deployed: worker and relay as processes, a real Redis, the real trainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import psutil
import pytest
import redis

from contracts.callback import Outcome
from contracts.events import Envelope, JobCancelRequested, JobFinished, JobLaunched, JobLaunchRequested
from contracts.job import Asset, JobSpec
from contracts.live import LOG_GREW, channel
from runtime.outbox import EventRow, Outbox
from services.launcher.models import Run
from support.ports import free_port
from support.wait import until


class Platform:
    """Relay and launcher over one database, one Redis and one folder."""

    def __init__(self, database, database_url, redis_url, folder):
        self.db, self.folder, self.port = database, folder, free_port()
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "OBJECTS_URL": (folder / "objects").as_uri(),
            "RUNS_DIR": str(folder / "runs"),
            "TRAINER_API_BASE": "http://127.0.0.1:9",  # nobody: trainers run on without being heard
            "CALLBACK_ROOT_SECRET": "root-secret-of-the-tests" * 2,
            "RECONCILE_SECONDS": "0.1",
            "REPORT_GRACE_SECONDS": "0.5",
            "LOG_SECONDS": "0.1",
        }

    @contextmanager
    def process(self, module, **env):
        with (self.folder / f"{module}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env={**self.env, **env}, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def launcher(self):
        with self.process("services.launcher.worker", HEALTH_PORT=str(self.port)) as process:
            until(lambda: self.ready() == 200, "the launcher to be ready", seconds=60)
            yield process

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz") as answer:
                return answer.status
        except urllib.error.URLError:
            return 0

    def emit(self, event):
        with self.db.write() as session:
            Outbox(lambda: None).emit(session, event)

    def events(self, kind):
        with self.db.read() as session:
            found = [Envelope.model_validate(row.envelope).decode() for row in session.query(EventRow)]
        return [event for event in found if isinstance(event, kind)]

    def start_job(self, seconds_per_epoch):
        table = self.folder / "table.csv"
        table.write_text("size,kind\n" + "".join(f"{n / 7:.2f},{'ab'[n % 2]}\n" for n in range(40)))
        spec = JobSpec(
            model="dummy_model",
            job_id="job1",
            artifacts_uri=(self.folder / "objects" / "jobs" / "job1" / "1").as_uri(),
            assets=[Asset(key="train_file", s3_uri=table.as_uri())],
            target_col="kind",
            epochs=3,
            model_params={"seconds_per_epoch": seconds_per_epoch},
        )
        env = {**spec.to_env(), "FLUSH_SECONDS": "0", "FINAL_FLUSH_SECONDS": "0"}
        self.emit(JobLaunchRequested(job_id="job1", attempt=1, spec=env))

    def running_trainer(self):
        """Wait until the trainer trains, and give its process."""
        folder = self.folder / "runs" / "job1" / "1"
        child = folder / "child.json"
        until(lambda: child.is_file() and (folder / "work").exists(), "the trainer to begin", seconds=60)
        return psutil.Process(json.loads(child.read_text())["pid"])


@pytest.fixture
def platform(database, migrated_url, redis_url, tmp_path):
    platform = Platform(database, migrated_url, redis_url, tmp_path)
    with platform.process("runtime.relay"):
        yield platform
    for process in psutil.process_iter(["cmdline"]):
        if any(str(tmp_path) in part for part in process.info["cmdline"] or []):
            process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize(
    "migrated_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
def test_a_job_survives_the_death_of_its_launcher(platform):
    with platform.launcher() as process:
        platform.start_job(seconds_per_epoch=1)
        trainer = platform.running_trainer()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert trainer.is_running()
    with platform.launcher():
        [end] = until(lambda: platform.events(JobFinished), "the job's end", seconds=90)
    assert end.outcome is Outcome.SUCCEEDED, end.reason
    assert len(platform.events(JobLaunched)) == 1
    results = platform.folder / "objects" / "jobs" / "job1" / "1"
    assert (results / "report.json").exists()
    assert "succeeded" in (results / "log.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "migrated_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
def test_a_cancelled_job_leaves_nothing_running_and_its_log_was_told_to_grow(platform):
    with (
        platform.launcher() as process,
        redis.Redis.from_url(platform.env["REDIS_URL"]) as client,
        client.pubsub(ignore_subscribe_messages=True) as viewer,
    ):
        viewer.subscribe(channel("job1"))
        platform.start_job(seconds_per_epoch=600)
        trainer = platform.running_trainer()
        heard = until(lambda: viewer.get_message(timeout=1), "the word of its log")
        assert heard["data"] == LOG_GREW
        platform.emit(JobCancelRequested(job_id="job1", attempt=1))
        [end] = until(lambda: platform.events(JobFinished), "the job's end", seconds=60)
        assert end.outcome is Outcome.CANCELLED
        assert not trainer.is_running()
        with platform.db.read() as session:
            run = session.query(Run).one()
        assert (run.state, run.exit_code) == ("ended", 143)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
