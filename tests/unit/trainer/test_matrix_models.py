"""linear_baseline and trees train on whatever there is, and predict from what they saved as they did in training."""

from __future__ import annotations

import csv
import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from support.trainer_jobs import tiny_dataset, train
from trainer.artifacts import write_artifacts
from trainer.explain import Explanation
from trainer.models import catalogue
from trainer.reporter import SilentReporter

MODELS = pytest.mark.parametrize("model", ["linear_baseline", "trees"])
NAMES = ["picture", "remark", "weight", "origin", "seen"]


class Listener(SilentReporter):
    def __init__(self):
        self.points, self.evaluations, self.shares = [], [], []

    def point(self, split, step, epoch, values):  # noqa: ARG002
        self.points.append((split, step, values))

    def evaluation(self, step, epoch, labels, matrix, *, best):  # noqa: ARG002
        self.evaluations.append((step, matrix, best))

    def progress(self, share, eta_seconds=None):  # noqa: ARG002
        self.shares.append(share)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tiny_dataset(tmp_path_factory.mktemp("tiny"))


def predicted_again(data, artifacts, folder, frame):
    """Probabilities by predict.py, from files."""
    write_artifacts(artifacts, data, "label", Explanation(), folder)
    fitted = json.loads((folder / "preprocessing.json").read_text())["fitted"]
    state = load_file(folder / "model.safetensors")
    return catalogue.find(artifacts.model_type).predict(fitted, state, frame, data.images, len(data.labels))


@MODELS
@pytest.mark.parametrize("columns", [NAMES, *([name] for name in NAMES), ["weight", "remark"]], ids="+".join)
def test_any_columns_train_and_predict_the_same_from_files(dataset, tmp_path, model, columns):
    data, report, artifacts = train(dataset, MODEL=model, EPOCHS="5", FEATURE_COLUMNS=json.dumps(columns))
    assert sum(map(sum, report.confusion_matrix)) == len(data.split.val)
    wanted = artifacts.predict(data.frame)
    assert np.array_equal(predicted_again(data, artifacts, tmp_path, data.frame), wanted)
    assert report.metrics["accuracy"] == pytest.approx(
        (wanted[data.split.val].argmax(axis=1) == data.target[data.split.val]).mean()
    )


@MODELS
def test_all_columns_together_are_learnt_from(dataset, model):
    _, report, _ = train(dataset, MODEL=model, EPOCHS="")
    assert report.metrics["accuracy"] > 0.85


@MODELS
def test_a_table_unlike_any_seen_is_predicted(dataset, model):
    data, _, artifacts = train(dataset, MODEL=model, EPOCHS="3")
    strange = pl.DataFrame(
        {
            "picture": [None, ["000.png", "003.png"]],
            "remark": [None, "никогда"],
            "weight": [1e300, None],
            "origin": ["elsewhere", None],
            "seen": pl.Series([None, None], dtype=data.frame["seen"].dtype),
        }
    )
    probabilities = artifacts.predict(strange)
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])
    assert artifacts.predict(strange[:0]).shape == (0, 3)


def write(folder, header, rows):
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder


@MODELS
@pytest.mark.parametrize("classes", [2, 5])
def test_columns_without_anything_to_learn_from_are_borne(tmp_path, model, classes):
    rows = [["", "always", "7", f"c{number % classes}"] for number in range(40)]
    write(tmp_path, ["void", "same", "seven", "label"], rows)
    types = json.dumps({"void": "numeric", "same": "categorical", "seven": "numeric"})
    data, _, artifacts = train(
        tmp_path, MODEL=model, EPOCHS="2", COLUMN_TYPES=types, FEATURE_COLUMNS="void,same,seven"
    )
    assert artifacts.predict(data.frame) == pytest.approx(1 / classes, abs=0.02)


@MODELS
def test_classes_of_a_single_row_are_borne(tmp_path, model):
    rows = [[str(number), "ab"[number % 2]] for number in range(30)] + [["99", "rare"]]
    write(tmp_path, ["x", "label"], rows)
    data, _, artifacts = train(tmp_path, MODEL=model, EPOCHS="3", COLUMN_TYPES='{"x": "numeric"}')
    assert data.labels == ["a", "b", "rare"]
    assert artifacts.predict(data.frame).shape == (31, 3)


@MODELS
def test_the_same_seed_gives_the_same_model(dataset, model):
    one, same = (train(dataset, MODEL=model, EPOCHS="4")[2] for _ in range(2))
    assert all(np.array_equal(one.state_dict[name], same.state_dict[name]) for name in one.state_dict)


@MODELS
def test_what_is_reported_is_what_the_history_holds(dataset, model):
    listener = Listener()
    _, report, _ = train(dataset, MODEL=model, EPOCHS="6", reporter=listener)
    told = [values["accuracy"] for split, _, values in listener.points if split == "val"]
    assert told == [record.val_accuracy for record in report.history]
    assert max(told) == report.metrics["accuracy"]
    bests = [(step, matrix) for step, matrix, best in listener.evaluations if best]
    assert bests[-1] == (report.best_epoch, report.confusion_matrix)
    assert listener.shares[-1] <= 1


@MODELS
def test_a_spent_time_budget_ends_training_with_what_there_is(dataset, model):
    data, report, artifacts = train(dataset, MODEL=model, EPOCHS="500", TIME_BUDGET="0.000001")
    assert report.history[-1].epoch < 500
    assert "the time budget was over" in " ".join(report.notes)
    assert artifacts.predict(data.frame).shape == (90, 3)


@MODELS
def test_rare_classes_weigh_more_where_asked(tmp_path, model):
    chance = np.random.default_rng(0)
    rows = [[f"{chance.normal(loc=number % 8 == 0):.3f}", "ab"[number % 8 == 0]] for number in range(400)]
    write(tmp_path, ["x", "label"], rows)
    asked = {"MODEL": model, "EPOCHS": "8", "COLUMN_TYPES": '{"x": "numeric"}'}
    data, _, plain = train(tmp_path, **asked)
    _, _, weighed = train(tmp_path, **asked, MODEL_PARAMS='{"class_weights": true}')
    assert weighed.predict(data.frame)[:, 1].mean() > plain.predict(data.frame)[:, 1].mean() + 0.1


def test_a_linear_model_stops_when_weaker_regularisation_does_not_help(dataset):
    _, report, _ = train(dataset, MODEL="linear_baseline", EPOCHS="40")
    assert report.history[-1].epoch < 40
    assert any(note.startswith("regularisation chosen: C = ") for note in report.notes)


def test_trees_stop_when_more_do_not_help(tmp_path):
    chance = np.random.default_rng(0)
    write(
        tmp_path, ["x", "label"], [[f"{chance.normal():.3f}", chance.choice(["a", "b"])] for _ in range(200)]
    )
    options = {"COLUMN_TYPES": '{"x": "numeric"}', "MODEL_PARAMS": '{"patience": 10}'}
    _, report, _ = train(tmp_path, MODEL="trees", EPOCHS="500", **options)
    assert report.best_epoch + 10 <= report.history[-1].epoch < 100
    assert "stopped after epoch" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("epochs", "eval_steps", "measured"), [(7, 1, 7), (300, 1, 150), (10, 4, 3), (5, 50, 1)]
)
def test_trees_are_measured_a_reasonable_number_of_times(dataset, epochs, eval_steps, measured):
    _, report, _ = train(
        dataset,
        MODEL="trees",
        EPOCHS=str(epochs),
        EVAL_STEPS=str(eval_steps),
        FEATURE_COLUMNS="weight",
        MODEL_PARAMS='{"patience": 10000}',
    )
    assert len(report.history) == measured
    assert report.history[-1].epoch == epochs


@MODELS
def test_broken_images_count_as_missing_and_are_told(tmp_path, model):
    folder = tiny_dataset(tmp_path)
    (folder / "images" / "004.png").write_bytes(b"not an image")
    data, report, artifacts = train(folder, MODEL=model, EPOCHS="2")
    assert "1 images cannot be decoded and count as missing, e.g. 004.png" in report.notes
    assert np.isfinite(artifacts.predict(data.frame)).all()


@MODELS
def test_images_may_be_absent_in_prediction(dataset, tmp_path, model):
    data, _, artifacts = train(dataset, MODEL=model, EPOCHS="2")
    blind = data.frame.with_columns(picture=pl.lit(None, dtype=pl.List(pl.String)))
    assert np.array_equal(predicted_again(data, artifacts, tmp_path, blind), artifacts.predict(blind))
