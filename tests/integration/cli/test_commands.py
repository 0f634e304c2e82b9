"""The commands as a person or a script gives them, against a whole running platform."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.platform import Platform, shapes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    running = Platform(tmp_path_factory.mktemp("cli"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def triptych(platform):
    def call(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *map(str, arguments)],
            env={**os.environ, "TRIPTYCH_URL": platform.url, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return call


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    table, images = shapes(80)
    (folder / "shapes.csv").write_bytes(table)
    for path, raw in images.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(raw)
    return folder


@pytest.fixture(scope="module")
def trained(triptych, files):
    """The job of `train`, as its JSON tells it."""
    done = triptych(
        "--json", "train", files / "shapes.csv", "--images", files, "--target", "shape", "--epochs", 2,
        "--set", "batch_size=16", "--set", "image_size=16", "--leave-out", "tint", "--type", "note=text",
        "--name", "from the terminal",
    )  # fmt: skip
    return json.loads(done.stdout), done.stderr


def test_train_goes_from_a_table_to_a_model(trained):
    job, progress = trained
    assert job["state"] == "succeeded"
    assert job["name"] == "from the terminal"
    assert job["settings"]["batch_size"] == 16
    assert job["settings"]["params"]["image_size"] == 16
    assert sorted(job["settings"]["feature_columns"]) == ["corners", "note", "picture"]
    assert 0 < job["metrics"]["accuracy"] <= 1
    assert "epoch 2/2" in progress


def test_predict_uploads_a_table_and_fetches_the_answers(triptych, trained, files, tmp_path):
    job, _ = trained
    out = tmp_path / "answers.csv"
    done = triptych("predict", job["id"], files / "shapes.csv", "--images", files, "--out", out, "--top-k", 2)
    assert done.stdout == f"80 rows in {out}\n"
    assert out.read_text().splitlines()[0] == "row,prediction,probability,prediction_2,probability_2"
    again = triptych(
        "--json", "predict", job["id"], "--dataset", job["dataset_id"], "--out", out, "--contributions"
    )
    assert json.loads(again.stdout)["rows"] == 80
    assert "contribution(image)" in out.read_text().splitlines()[0]


def test_predict_says_what_is_wrong_before_it_uploads(triptych, files, tmp_path):
    assert "either a CSV or --dataset" in triptych("predict", "any", status=1).stderr
    wrong = triptych("predict", "nope", files / "shapes.csv", "--out", tmp_path / "x.csv", status=4)
    assert "no training job 'nope'" in wrong.stderr
    assert "Uploading" not in wrong.stderr


def test_the_result_is_printed_for_a_person(triptych, trained):
    job, _ = trained
    shown = triptych("jobs", "watch", job["id"]).stdout
    assert f"shape: accuracy {job['metrics']['accuracy']:.3f}" in shown
    assert "always the most frequent class" in shown
    assert {"circle", "square"} <= set(shown.split())


def test_data_sets_are_listed_and_shown(triptych, trained):
    job, _ = trained
    listed = json.loads(triptych("--json", "datasets", "list").stdout)
    assert job["dataset_id"] in [item["id"] for item in listed["items"]]
    assert job["dataset_id"] in triptych("datasets", "list", "--search", "shapes").stdout
    shown = triptych("datasets", "show", job["dataset_id"]).stdout
    assert "ready, 80 rows, 80 files" in shown
    assert "tint     categorical  leave_out" in shown


def test_jobs_are_listed_and_shown(triptych, trained):
    job, _ = trained
    assert job["id"] in triptych("jobs", "list", "--state", "succeeded").stdout
    assert job["id"] not in triptych("jobs", "list", "--state", "failed").stdout
    shown = triptych("jobs", "show", job["id"]).stdout
    assert "from the terminal: multimodal on" in shown


def test_logs_and_artifacts_come_to_the_terminal(triptych, trained, tmp_path):
    job, _ = trained
    assert len(triptych("logs", job["id"]).stdout.splitlines()) >= 1
    triptych("logs", job["id"], "--follow")
    fetched = json.loads(triptych("--json", "artifacts", job["id"], "--download", tmp_path / "out").stdout)
    assert {"model.pt", "report.json"} <= {item["name"] for item in fetched["items"]}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["job_id"] == job["id"]
    assert [path for path in (tmp_path / "out").iterdir() if path.suffix == ".part"] == []


def test_models_are_listed(triptych):
    assert "multimodal" in triptych("models").stdout


@pytest.mark.long
def test_a_job_is_created_cancelled_and_tried_again(triptych, trained, platform):
    done, _ = trained
    wish = {"dataset_id": done["dataset_id"], "model": "multimodal", "target": "shape", "epochs": 5000}
    created = platform.client.post("/api/training_jobs/", json={**wish, "params": {"patience": 0}}).json()
    assert "queued" in triptych("jobs", "start", created["id"]).stdout
    triptych("jobs", "cancel", created["id"])
    failed = triptych("jobs", "watch", created["id"], status=1)
    assert "The job was cancelled" in failed.stderr
    triptych("jobs", "retry", created["id"])
    triptych("jobs", "cancel", created["id"])
    platform.ended(created["id"])


@pytest.mark.long
def test_findings_are_printed_and_errors_ignored_by_name(triptych, tmp_path):
    rows = "".join(
        f"words of the row {n},{'ab'[n * 7 % 13 % 2]}{n % 9},{'ab'[n * 7 % 13 % 2]}\n" for n in range(120)
    )
    (tmp_path / "t.csv").write_text("note,finer,label\n" + rows)
    train = ("train", tmp_path / "t.csv", "--target", "label", "--model", "dummy_model", "--no-wait")
    train += ("--type", "note=text")
    refused = triptych(*train, status=4)
    assert "error (target-leak): 'finer' gives the target away" in refused.stderr
    assert "warning (few-validation-rows): Only about 24 of 120 rows validate" in refused.stderr
    assert "1 error in its data. To train all the same: --ignore target-leak" in refused.stderr
    assert refused.stdout == ""
    done = triptych(*train, "--ignore", "target-leak")
    assert "error, ignored (target-leak)" in done.stderr
    job = done.stdout.strip()
    assert "error, ignored" in triptych("jobs", "show", job).stdout
    assert [
        one["ignored"] for one in json.loads(triptych("--json", "jobs", "show", job).stdout)["findings"]
    ] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["jobs", "show", "nothing"], 4, "(HTTP 404)"),
        (["jobs", "watch", "nothing"], 4, "(HTTP 404)"),
        (["datasets", "delete", "nothing"], 4, "(HTTP 404)"),
        (["datasets", "upload", "absent.csv"], 1, "absent.csv is not a file."),
        (["--url", "http://127.0.0.1:1", "models"], 3, "Nothing answers at http://127.0.0.1:1"),
        (
            ["train", "t.csv", "--target", "a", "--set", "epochs"],
            1,
            "--set 'epochs' is not of the form key=value.",
        ),
        (["train", "t.csv"], 2, "--target"),
    ],
)
def test_mistakes_are_one_line_and_a_status(triptych, arguments, status, words):
    done = triptych(*arguments, status=status)
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_data_set_is_deleted(triptych, files):
    made = json.loads(triptych("--json", "datasets", "upload", files / "shapes.csv", "--wait").stdout)
    triptych("datasets", "delete", made["id"])
    triptych("datasets", "show", made["id"], status=4)
