"""A trained model kept loaded in a process, asked over its standard input and output."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from contracts.prediction import PredictionAnswer, PredictionTask
from support.models import write_model
from support.trainer_jobs import job_env, tiny_dataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with table.csv, images/ and out/."""
    folder = tiny_dataset(tmp_path_factory.mktemp("trained"), rows=120)
    env = job_env(folder, MODEL="linear_baseline", EXPLAIN_SHARE="0")
    subprocess.run([sys.executable, "-m", "trainer"], env=env, check=True, capture_output=True)
    return folder


def serve(artifacts, *tasks, **options):
    """Hand over tasks at once, and give the answers and how the process ended."""
    lines = "".join(f"{task}\n" for task in tasks)
    command = [sys.executable, "-m", "trainer.serve", "--artifacts", artifacts]
    ended = subprocess.run(command, input=lines, text=True, capture_output=True, check=False, **options)
    answers = [PredictionAnswer.model_validate_json(line) for line in ended.stdout.splitlines()]
    return answers, ended


def task(folder, table, **more):
    return PredictionTask(
        table=f"file://{folder}/{table}",
        images=f"file://{folder}/images",
        out=f"file://{folder}/predicted.csv",
        **more,
    ).model_dump_json()


def test_a_task_is_answered_with_what_predict_would_have_written(trained):
    (loaded, answer), ended = serve(f"file://{trained}/out", task(trained, "table.csv"))
    assert (loaded.error, answer.error, answer.rows, ended.returncode) == ("", "", 120, 0), ended.stderr
    assert (trained / "predicted.csv").stat().st_size == answer.size
    arguments = [
        "--table",
        f"{trained}/table.csv",
        "--images",
        f"{trained}/images",
        "--out",
        f"{trained}/alone.csv",
    ]
    command = [sys.executable, "-m", "trainer.predict", "--artifacts", f"{trained}/out", *arguments]
    subprocess.run(command, check=True, capture_output=True)
    assert pl.read_csv(trained / "predicted.csv").equals(pl.read_csv(trained / "alone.csv"))


def test_wrong_data_are_answered_in_words_without_a_path_of_this_machine_and_the_next_task_is_done(trained):
    (trained / "other.csv").write_text("a,b\n1,2\n")
    answers, ended = serve(f"file://{trained}/out", task(trained, "other.csv"))
    assert answers[1].error.startswith("the table has none of the model's columns"), answers
    assert ended.returncode == 0


def test_a_model_that_cannot_be_loaded_is_told_in_the_first_line(trained, tmp_path):
    [answer], ended = serve(f"file://{tmp_path}")
    assert "preprocessing.json" in answer.error
    assert ended.returncode == 2


def test_what_a_model_prints_is_no_answer_and_its_error_ends_the_process(trained, tmp_path):
    predict = """
import os
import numpy as np

def predict(fitted, state, frame, images):
    print("looking", flush=True)
    os.system("echo a child says so")
    if os.environ.get("BREAK"):
        raise RuntimeError("no such luck")
    return np.tile(state["prior"], (len(frame), 1))
"""
    folder = write_model(tmp_path / "models", "talkative", predict=predict)
    own = {"MODELS_PATH": str(folder.parent)}
    out = f"file://{tmp_path}/out"
    env = job_env(trained, MODEL="talkative", EXPLAIN_SHARE="0", ARTIFACTS_URI=out, **own)
    subprocess.run([sys.executable, "-m", "trainer"], env=env, check=True, capture_output=True)
    answers, ended = serve(out, task(trained, "table.csv"), env=own)
    assert [(answer.error, answer.rows) for answer in answers] == [("", 0), ("", 120)], ended.stderr
    answers, ended = serve(out, task(trained, "table.csv"), env=own | {"BREAK": "1"})
    assert answers[1].error.startswith("The model failed: "), answers
    assert "no such luck" in ended.stderr
    assert "a child says so" in ended.stderr
    assert ended.returncode == 3
