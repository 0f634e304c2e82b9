"""`triptych up` loses launcher and metrics under the real trainer: nothing is lost, nothing done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from support.platform import Platform, shapes
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    platform.start()
    yield platform
    platform.stop()


def find(platform: Platform, *words: str) -> psutil.Process:
    """Find the one service of this platform whose command line has these words."""
    for process in psutil.Process(platform.pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if all(word in line for word in words) and not line.startswith("/bin/sh"):
            return process
    raise AssertionError(f"no process with {words}")


def kill(platform: Platform, *words: str) -> None:
    process = find(platform, *words)
    process.kill()
    process.wait(timeout=30)


def test_launcher_and_metrics_are_killed_while_a_job_runs_and_it_goes_on(platform):
    table, _ = shapes(rows=60, seed=2)
    dataset = platform.ready(platform.upload(table)["id"])
    job = platform.train(
        dataset_id=dataset["id"],
        target="shape",
        model="dummy_model",
        epochs=12,
        params={"seconds_per_epoch": 0.5},
    )
    until(
        lambda: platform.get(f"/api/training_jobs/{job}/")["state"] == "running", "the job to run", seconds=60
    )
    trainer = find(platform, "-m trainer")
    kill(platform, "services.launcher.worker")
    kill(platform, "services.metrics ")
    ended = platform.ended(job)
    assert (ended["state"], ended["attempt"]) == ("succeeded", 1), ended["reason"]
    until(lambda: not trainer.is_running(), "the trainer to end")
    items = platform.get("/api/metrics/", job=job)["items"]
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    epochs = [
        item["data"]["epoch"] for item in items if item["kind"] == "point" and item["data"]["split"] == "val"
    ]
    assert epochs == sorted(set(epochs))
    assert len(epochs) == 12
