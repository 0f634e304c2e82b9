"""The trainer as the platform runs it: a process, with its inputs on disk or in S3, reporting to a service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file

from contracts.callback import Outcome, from_json
from support.models import write_model
from support.trainer_jobs import job_env, tiny_dataset
from support.wait import until

EXAMPLES = Path(__file__).parents[3] / "examples" / "models"
CONTENTS = {"model.pt", "model.safetensors", "id2label.json", "preprocessing.json", "report.json", "model_card.md", "validation_predictions.csv"}  # fmt: skip


@pytest.fixture
def reports():
    """A service that takes every report, unless it is ``.away``; ``.url`` and ``.bodies``."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self):
            body = from_json(self.rfile.read(int(self.headers["Content-Length"])))
            if server.away:
                self.send_response(503)
            else:
                bodies.append(body)
                self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.bodies, server.away = bodies, False
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def environment(env):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AWS_") or name in {"PATH", "HOME"}
    }
    return {**kept, **env}


@pytest.fixture
def trainer():
    """Start trainers; none outlives its test."""
    processes = []

    def start(env):
        command = [sys.executable, "-m", "trainer"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, env=environment(env), **pipes))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def finished(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def points(bodies, split):
    return [point for body in bodies for point in body.points if point.split == split]


def test_multimodal_learns_from_files_and_reports(tmp_path, reports, trainer):
    folder = tiny_dataset(tmp_path)
    env = job_env(
        folder,
        MODEL="multimodal",
        EPOCHS="6",
        MODEL_PARAMS='{"image_size": 16, "width": 32, "steps_per_epoch": 8}',
        API_BASE=reports.url,
        CALLBACK_SECRET="secret",
    )
    code, out, err = finished(trainer(env))
    assert (code, err) == (0, ""), out

    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["metrics"]["accuracy"] > 0.8 > report["metrics"]["majority_rate"]
    assert {path.name for path in (folder / "out").iterdir()} == CONTENTS
    weights = torch.load(folder / "out" / "model.pt", weights_only=True)
    assert weights.keys() == load_file(folder / "out" / "model.safetensors").keys()

    finals = [body.final for body in reports.bodies if body.final]
    assert [final.outcome for final in finals] == [Outcome.SUCCEEDED]
    assert {info.name for info in finals[0].artifacts} == CONTENTS
    assert finals[0].metrics["accuracy"] == report["metrics"]["accuracy"]
    val = points(reports.bodies, "val")
    assert [point.values["accuracy"] for point in val] == [
        record["val_accuracy"] for record in report["history"]
    ]
    assert set(points(reports.bodies, "train")[0].values) == {
        "loss",
        "accuracy",
        "learning_rate",
        "samples_per_second",
    }
    assert points(reports.bodies, "system")
    assert sum(len(body.evaluations) for body in reports.bodies) == len(report["history"])


def test_inputs_and_artifacts_may_lie_in_s3(tmp_path, s3_url, trainer):
    folder = tiny_dataset(tmp_path)
    client = boto3.client("s3")
    client.upload_file(str(folder / "table.csv"), "test-bucket", "d/table.csv")
    for image in (folder / "images").iterdir():
        client.upload_file(str(image), "test-bucket", f"d/images/{image.name}")
    assets = [
        {"key": "train_file", "s3_uri": f"{s3_url}/d/table.csv"},
        {"key": "train_folder", "s3_uri": f"{s3_url}/d/images"},
    ]
    env = job_env(folder, ASSETS=json.dumps(assets), ARTIFACTS_URI="", S3_BUCKET="test-bucket")
    code, out, err = finished(trainer(env))
    assert (code, err) == (0, ""), out
    listed = client.list_objects_v2(Bucket="test-bucket", Prefix="jobs/job-1/1/")["Contents"]
    assert {item["Key"].rpartition("/")[2] for item in listed} == CONTENTS
    report = json.loads(
        client.get_object(Bucket="test-bucket", Key="jobs/job-1/1/report.json")["Body"].read()
    )
    assert "5 rows have no image in 'picture'" in report["notes"]


@pytest.mark.parametrize(
    ("key", "bucket", "reason"),
    [("none.csv", "test-bucket", "does not exist"), ("x.csv", "no-such-bucket", "does not exist")],
)
def test_an_object_that_is_not_there_is_named(tmp_path, s3_url, trainer, key, bucket, reason):
    assets = json.dumps([{"key": "train_file", "s3_uri": f"s3://{bucket}/{key}"}])
    code, out, _ = finished(trainer(job_env(tmp_path, ASSETS=assets)))
    assert code == 2, out
    assert f"s3://{bucket}/{key} {reason}" in out


def test_a_stop_in_the_midst_of_training_is_reported_at_once(tmp_path, reports, trainer):
    folder = tiny_dataset(tmp_path)
    env = job_env(
        folder,
        EPOCHS="500",
        MODEL_PARAMS='{"seconds_per_epoch": 0.05}',
        API_BASE=reports.url,
        CALLBACK_SECRET="secret",
    )
    process = trainer(env)
    until(lambda: points(reports.bodies, "val"), "the first epoch", seconds=60)
    process.send_signal(signal.SIGTERM)
    code, _, err = finished(process)
    assert (code, err) == (143, "")
    assert [body.final.outcome for body in reports.bodies if body.final] == [Outcome.CANCELLED]
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "stopped", [False, True], ids=["until it is heard", "or for seconds, where it is stopped"]
)
def test_the_last_report_waits(tmp_path, reports, trainer, stopped):
    folder = tiny_dataset(tmp_path)
    reports.away = True
    process = trainer(job_env(folder, API_BASE=reports.url, CALLBACK_SECRET="secret", FLUSH_SECONDS="0"))
    assert next(line for line in process.stdout if "succeeded: " in line)
    if stopped:
        # before it listens again, it does not
        until(
            lambda: process.send_signal(signal.SIGTERM) or process.poll() is not None, "its end", seconds=60
        )
    else:
        reports.away = False
    assert finished(process)[0] == 0
    finals = [body.final for body in reports.bodies if body.final]
    assert [final.outcome for final in finals] == ([] if stopped else [Outcome.SUCCEEDED])


def multimodal(folder, **changes):
    params = {
        "image_size": 16,
        "width": 16,
        "steps_per_epoch": 8,
        "networks": 2,
        "companions": False,
    }
    own = {"MODEL": "multimodal", "EPOCHS": "4", "MODEL_PARAMS": json.dumps(params), "EXPLAIN_SHARE": "0"}
    return job_env(folder, **{**own, **changes})


def curve(report):
    return [{**record, "seconds": 0} for record in report["history"]]


@pytest.mark.long
def test_the_same_seed_gives_the_same_numbers(tmp_path, trainer):
    folder = tiny_dataset(tmp_path)
    reports = []
    for attempt in ("1", "2"):
        out = f"{folder}/out{attempt}"
        assert finished(trainer(multimodal(folder, ATTEMPT=attempt, ARTIFACTS_URI=f"file://{out}")))[0] == 0
        reports.append(json.loads((folder / f"out{attempt}" / "report.json").read_text()))
    assert curve(reports[0]) == curve(reports[1])
    assert len(reports[0]["history"]) == 8, "two networks of four epochs"


@pytest.mark.parametrize(
    "stop_after",
    [
        pytest.param(4, id="in the first network", marks=pytest.mark.long),
        pytest.param(26, id="in the second network"),
    ],
)
def test_a_stopped_training_goes_on_in_the_next_attempt_with_the_same_curve(
    tmp_path, reports, trainer, stop_after
):
    folder = tiny_dataset(tmp_path)
    told = {"API_BASE": reports.url, "CALLBACK_SECRET": "secret"}
    # In a folder of its own: the stopped one would go on from its checkpoint, which a slow machine leaves after 5 s
    apart = {
        "WORKDIR": f"{folder}/apart",
        "ARTIFACTS_URI": f"file://{folder}/whole",
        "CHECKPOINT_SECONDS": "0",
    }
    whole = finished(trainer(multimodal(folder, EPOCHS="24", **apart)))
    assert whole[0] == 0, whole[1]

    first = trainer(multimodal(folder, EPOCHS="24", CHECKPOINT_SECONDS="0", **told))
    until(lambda: len(points(reports.bodies, "val")) > stop_after, "some epochs", seconds=60)
    first.send_signal(signal.SIGTERM)
    code, out, _ = finished(first)
    assert code == 143, out
    assert "the next attempt goes on from here" in out
    reports.bodies.clear()

    second = trainer(
        multimodal(folder, EPOCHS="24", ATTEMPT="2", RESUME_FROM=f"file://{folder}/out/checkpoint.pt", **told)
    )
    assert finished(second)[0] == 0
    resumed = json.loads((folder / "out" / "report.json").read_text())
    uninterrupted = json.loads((folder / "whole" / "report.json").read_text())
    assert curve(resumed) == curve(uninterrupted)
    assert resumed["metrics"] == uninterrupted["metrics"]
    val = [point.values["accuracy"] for point in points(reports.bodies, "val")]
    assert val == [record["val_accuracy"] for record in resumed["history"]], (
        "the next attempt's curve is whole"
    )


def test_a_checkpoint_of_another_training_is_left_alone(tmp_path, trainer):
    folder = tiny_dataset(tmp_path)
    torch.save(
        {"fingerprint": "of another", "done": [], "history": [], "running": None}, folder / "checkpoint.pt"
    )
    code, out, _ = finished(trainer(multimodal(folder, RESUME_FROM=f"file://{folder}/checkpoint.pt")))
    assert code == 0
    assert "the checkpoint is of another training" in out


def test_a_time_budget_ends_training_cleanly_with_the_best_state_so_far(tmp_path, trainer):
    folder = tiny_dataset(tmp_path)
    code, out, _ = finished(trainer(multimodal(folder, EPOCHS="10000", TIME_BUDGET="0.01")))
    assert code == 0, out
    report = json.loads((folder / "out" / "report.json").read_text())
    assert len(report["history"]) == 1
    assert any("TIME_BUDGET" in note for note in report["notes"])


def predictions(folder, **env):
    command = [
        sys.executable,
        "-m",
        "trainer.predict",
        "--artifacts",
        f"{folder}/out",
        "--out",
        f"{folder}/new.csv",
    ]
    inputs = ["--table", f"{folder}/table.csv", "--images", f"{folder}/images"]
    subprocess.run([*command, *inputs], env=environment(env), check=True)
    return pl.read_csv(folder / "new.csv")


@pytest.mark.parametrize(
    "model",
    [
        # test_predictions.py trains these two, and compares what they predict
        pytest.param("linear_baseline", marks=pytest.mark.long),
        pytest.param("trees", marks=pytest.mark.long),
        "nearest_centroid",
    ],
)
def test_other_models_learn_report_and_predict_the_same_again(tmp_path, reports, trainer, model):
    folder = tiny_dataset(tmp_path)
    where = {"MODELS_PATH": str(EXAMPLES), "MODEL_LAYERS_DIR": str(tmp_path / "layers")}
    env = job_env(folder, MODEL=model, EPOCHS="6", API_BASE=reports.url, CALLBACK_SECRET="secret", **where)
    code, out, err = finished(trainer(env))
    assert (code, err) == (0, ""), out

    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["metrics"]["accuracy"] > 0.6 > report["metrics"]["majority_rate"]
    assert {path.name for path in (folder / "out").iterdir()} == CONTENTS
    val = points(reports.bodies, "val")
    assert [point.values["accuracy"] for point in val] == [row["val_accuracy"] for row in report["history"]]

    trained = pl.read_csv(folder / "out" / "validation_predictions.csv").drop("truth")
    again = predictions(folder, **where).filter(pl.col("row").is_in(trained["row"].to_list()))
    assert again.equals(trained)


BROKEN = "import trainer\n\ndef train(params):\n    return helper(params)\n\ndef helper(params):\n    raise OSError('no disk')\n"


def test_a_broken_model_fails_its_own_job_with_its_own_traceback(tmp_path, reports, trainer):
    folder = tiny_dataset(tmp_path)
    write_model(tmp_path / "models", "broken", train=BROKEN)
    write_model(tmp_path / "models", "unreadable", params="def")
    asked = {"MODELS_PATH": str(tmp_path / "models"), "LOG_FORMAT": "text"}
    code, out, err = finished(
        trainer(job_env(folder, MODEL="broken", API_BASE=reports.url, CALLBACK_SECRET="secret", **asked))
    )
    assert (code, err) == (3, "")
    (final,) = [body.final for body in reports.bodies if body.final]
    assert final.reason == "model broken failed in training: OSError: no disk (train.py, line 7)"
    assert f'File "{tmp_path}/models/broken/train.py", line 4, in train' in out
    assert "raise OSError('no disk')" in out

    assert finished(trainer(job_env(folder, MODEL="dummy_model", **asked)))[0] == 0


def test_requirements_that_cannot_be_installed_fail_the_job_in_pips_words(tmp_path, trainer):
    folder = tiny_dataset(tmp_path)
    write_model(tmp_path / "models", "needy", requirements="--no-index\ntt_nowhere==1\n")
    where = {"MODELS_PATH": str(tmp_path / "models"), "MODEL_LAYERS_DIR": str(tmp_path / "layers")}
    code, out, _ = finished(trainer(job_env(folder, MODEL="needy", **where)))
    assert code == 3
    assert "model needy cannot be loaded: requirements.txt cannot be installed: " in out
    assert "No matching distribution found for tt_nowhere==1" in out
