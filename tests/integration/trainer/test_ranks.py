"""One training shared by several processes, as torchrun starts them: here on CPUs, over gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from support.trainer_jobs import job_env, tiny_dataset
from support.wait import until

TORCHRUN = (
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node=2",
    "-m",
    "trainer",
)
ALONE = (sys.executable, "-m", "trainer")
# What a process draws for itself would differ: with as many processes, other rows lose other things
NOTHING_DRAWN = {"dropout": 0, "modality_dropout": 0, "text_dropout": 0, "companions": False}


def started(command, folder, out, **settings):
    env = job_env(
        folder,
        MODEL="multimodal",
        ARTIFACTS_URI=f"file://{folder}/{out}",
        JOB_ID=out,
        EXPLAIN_SHARE="0",
        OMP_NUM_THREADS="1",
        **{"EPOCHS": "3", "MODEL_PARAMS": json.dumps(NOTHING_DRAWN), **settings},
    )
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env={**kept, **env}, start_new_session=True, **pipes)


def report(process, folder, out):
    told, _ = process.communicate(timeout=180)
    assert process.returncode == 0, told
    return json.loads((folder / out / "report.json").read_text())


@pytest.mark.long
def test_two_processes_come_to_the_numbers_of_one(tmp_path):
    folder = tiny_dataset(tmp_path)
    without_images = {"FEATURE_COLUMNS": "remark,weight,origin,seen"}
    one = report(started(ALONE, folder, "one", **without_images), folder, "one")
    two = report(started(TORCHRUN, folder, "two", **without_images), folder, "two")
    for alone, shared in zip(one["history"], two["history"], strict=True):
        del alone["seconds"], shared["seconds"]
        assert shared == pytest.approx(alone, rel=1e-4)
    assert not (folder / "work" / "two-1-1" / "artifacts").exists(), "the first process alone uploads"


@pytest.mark.long
def test_a_stopped_training_of_two_goes_on_in_the_next_attempt(tmp_path):
    folder = tiny_dataset(tmp_path)
    long = {"EPOCHS": "200", "CHECKPOINT_SECONDS": "0", "WORKDIR": str(folder / "work")}
    stopped = started(TORCHRUN, folder, "out", **long)
    kept = folder / "work" / "out-1" / "checkpoint.pt"
    try:
        until(kept.is_file, "a checkpoint", seconds=120)
        stopped.send_signal(signal.SIGTERM)
        told, _ = stopped.communicate(timeout=60)
    finally:
        if stopped.poll() is None:
            os.killpg(stopped.pid, signal.SIGKILL)
    assert "the next attempt goes on from here" in told
    assert (folder / "out" / "checkpoint.pt").is_file()

    resumed = {"ATTEMPT": "2", "RESUME_FROM": f"file://{folder}/out/checkpoint.pt", "TIME_BUDGET": "3"}
    again = report(started(TORCHRUN, folder, "out", **{**long, **resumed}), folder, "out")
    assert [record["epoch"] for record in again["history"]] == list(range(1, len(again["history"]) + 1))


@pytest.mark.long
def test_a_batch_too_small_to_be_shared_is_refused_by_name(tmp_path):
    folder = tiny_dataset(tmp_path)
    params = json.dumps({**NOTHING_DRAWN, "steps_per_epoch": 0})
    process = started(TORCHRUN, folder, "out", BATCH_SIZE="1", MODEL_PARAMS=params)
    told, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "2 processes cannot share 1 rows; raise BATCH_SIZE or start fewer processes" in told
