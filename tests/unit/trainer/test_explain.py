"""The whole explanation on the tiny data set, with models that answer as a test says."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

from contracts import report as reports
from contracts.job import JobSpec
from contracts.report import Report
from support.trainer_jobs import job_env, tiny_dataset
from trainer.checkpoint import Checkpoints
from trainer.errors import Cancelled
from trainer.models import catalogue
from trainer.pipeline import run_job
from trainer.reporter import SilentReporter
from trainer.results import Artifacts, EpochRecord
from trainer.settings import Settings


class FakeModel:
    """Stands for a plug-in: trains as dummy_model does, then predicts as it is told."""

    name = "dummy_model"

    def __init__(self, predict):
        self._predict = predict

    def install(self, layers):
        pass

    def load_train(self):
        real = catalogue.find("dummy_model").load_train()

        def train(params):
            training, artifacts = real(params)
            changed = {**vars(artifacts), "predict": lambda frame: self._predict(frame, artifacts)}
            return training, Artifacts(**changed)

        return train


@pytest.fixture
def run(tmp_path):
    folder = tiny_dataset(tmp_path, rows=300)

    def job(predict=None, **settings):
        spec = JobSpec.from_env(job_env(folder))
        model = FakeModel(predict) if predict else catalogue.find("dummy_model")
        params = catalogue.find("dummy_model").params({})
        shutil.rmtree(folder / "out", ignore_errors=True)
        work = tmp_path / "work"
        checkpoints = Checkpoints(work, [], "", save_seconds=60, store_seconds=math.inf)
        run_job(spec, model, params, SilentReporter(), work, checkpoints, Settings(**settings))
        files = {path.name: path for path in (folder / "out").iterdir()}
        written = files.get("report.json")
        return written and reports.parse(json.loads(written.read_text())), files.keys()

    return job


def by_weight(frame, _):
    """Answer with the class whose mean weight is nearest, far too surely; weights of neighbouring classes overlap."""
    weight = frame["weight"].fill_null(17.5).to_numpy()
    distance = np.abs(weight[:, None] - [27.5, 17.5, 7.5])  # blue, green, red; see support.trainer_jobs
    table = np.exp(distance.min(axis=1, keepdims=True) - distance)
    return (table / table.sum(axis=1, keepdims=True)).astype(np.float32)


def test_every_part_is_there(run):
    report, files = run(by_weight)
    assert report.calibration.applied
    assert report.calibration.temperature > 1
    assert report.calibration.before.log_loss == report.metrics["log_loss"]
    assert {each.name for each in report.contributions.modalities} == {"image", "text", "tabular"}
    assert report.contributions.columns[0].name == "weight"
    assert all(each.accuracy_drop.mean == 0 for each in report.contributions.columns[1:])
    assert [each.name for each in report.baselines] == ["majority", "linear"]
    assert report.mistakes.wrong == sum(map(sum, report.confusion_matrix)) - np.trace(report.confusion_matrix)
    assert report.mistakes.shown[0].images["picture"]
    assert report.data.rows == 300
    assert report.data.columns == 6
    assert report.data.images.files == 300
    assert [(c.label, c.train, c.val) for c in report.data.classes] == [
        (label, 80, 20) for label in ("blue", "green", "red")
    ]
    assert report.hardware.cpus >= 1
    assert report.durations.keys() == {"downloading", "preparing", "training", "explaining"}
    assert "callback_secret" not in report.settings
    assert "validation_predictions.csv" in files


def test_the_saved_models_own_answers_are_what_is_told(run):
    report, _ = run(by_weight)
    trained = report.history[-1].val_accuracy
    assert report.metrics["accuracy"] != trained
    assert report.metrics["accuracy"] == np.trace(report.confusion_matrix) / 60
    assert any("training measured" in note for note in report.notes)


def test_a_baseline_that_is_no_worse_is_pointed_out(run):
    report, _ = run()
    assert any(note.startswith("linear model without images: accuracy") for note in report.notes)


def broken(_frame, _artifacts):
    raise RuntimeError("CUDA out of memory")


def test_a_model_that_cannot_be_asked_is_kept_with_a_note(run):
    report, files = run(broken)
    assert {"model.safetensors", "preprocessing.json", "report.json", "model_card.md"} <= files
    assert "validation_predictions.csv" not in files
    assert "asking the model for its validation rows failed: RuntimeError: CUDA out of memory" in report.notes
    assert (report.calibration, report.contributions, report.mistakes) == (None, None, None)
    assert report.metrics["accuracy"] == report.history[-1].val_accuracy
    assert [each.name for each in report.baselines] == ["majority", "linear"]


@pytest.mark.parametrize(
    ("part", "what", "lost"),
    [
        ("calibrate", "calibration", "calibration"),
        ("worst_mistakes", "the list of mistakes", "mistakes"),
        ("measure_contributions", "measuring contributions", "contributions"),
    ],
)
def test_a_part_that_fails_takes_no_other_with_it(run, monkeypatch, part, what, lost):
    monkeypatch.setattr(f"trainer.explain.{part}", lambda *_, **__: 1 / 0)
    report, files = run(by_weight)
    assert f"{what} failed: ZeroDivisionError: division by zero" in report.notes
    parts = {"calibration", "mistakes", "contributions"}
    assert {name for name in parts if getattr(report, name) is None} == {lost}
    assert "validation_predictions.csv" in files


def test_without_a_fingerprint_the_rest_of_the_report_is_there(run, monkeypatch):
    monkeypatch.setattr("trainer.report.fingerprint", lambda *_: 1 / 0)
    report, _ = run(by_weight)
    assert report.data is None
    assert "the data's fingerprint failed: ZeroDivisionError: division by zero" in report.notes
    assert report.calibration.applied


def test_a_report_that_cannot_be_made_leaves_the_model(run, monkeypatch, caplog):
    run(by_weight)  # whose report must not be taken for that of the run that follows
    monkeypatch.setattr("trainer.report.hardware", lambda: 1 / 0)
    report, files = run(by_weight)
    assert report is None
    assert {"model.safetensors", "preprocessing.json", "validation_predictions.csv"} <= files
    assert "the report failed" in caplog.text


def test_a_request_to_stop_is_no_failure_of_a_part(run):
    def stopped(_frame, _artifacts):
        raise Cancelled

    with pytest.raises(Cancelled):
        run(stopped)


def test_a_share_of_0_leaves_the_costly_parts_out(run):
    report, _ = run(by_weight, explain_share=0)
    assert report.contributions is None
    assert [each.name for each in report.baselines] == ["majority"]
    assert report.calibration.applied


def test_rows_and_columns_are_limited(run):
    report, _ = run(by_weight, explain_max_rows=10, explain_max_columns=2)
    assert report.contributions.rows == 10
    assert len(report.contributions.columns) == 2
    assert report.contributions.skipped == ["weight", "origin", "seen"]


def test_the_report_knows_every_field_of_an_epoch():
    assert EpochRecord.model_fields.keys() == reports.Epoch.model_fields.keys()


def test_the_card_tells_the_same(run, tmp_path):
    report, _ = run(by_weight)
    card = (tmp_path / "out" / "model_card.md").read_text()
    for shown in (
        f"T = {report.calibration.temperature:.2f}",
        "cross-fitted",
        f"| {report.metrics['accuracy']:.4f} |",
        "| linear model without images |",
        "| `weight` |",
        f"{report.mistakes.wrong} validation rows are predicted wrong",
        report.data.table_sha256,
    ):
        assert shown in card


def test_a_report_is_read_back_as_it_was_written(run):
    report, _ = run(by_weight)
    assert Report.model_validate_json(report.model_dump_json()) == report
