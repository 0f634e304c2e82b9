"""Every end of a run, in this process: exit code, what is said, what is reported."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import weakref

import pytest
import torch

from contracts.callback import Outcome
from support.trainer_jobs import job_env, tiny_dataset
from trainer import main as entry
from trainer import pipeline
from trainer.errors import DataError, ModelError, StoreError
from trainer.patience import Patience
from trainer.reporter import SilentReporter


class Listener(SilentReporter):
    def __init__(self):
        self.ends = []

    def final(self, outcome, reason="", metrics=None, artifacts=(), *, passing=False):
        self.ends.append((outcome, reason, metrics, artifacts))
        self.passing = passing


@pytest.fixture
def listener(monkeypatch):
    listening = Listener()
    monkeypatch.setattr(entry, "_reporter", lambda *_: listening)
    return listening


@pytest.fixture
def run(monkeypatch):
    """Run a job with exactly these variables, and put logging and signals back."""
    root = logging.getLogger()
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    handlers, level = root.handlers[:], root.level

    def start(env, *arguments):
        for name in list(os.environ):
            if name.isupper() and name not in {"PATH", "HOME"}:
                monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return entry.main(list(arguments))

    yield start
    entry.objects.wait(Patience(0))
    root.handlers[:], root.level = handlers, level
    for number, handler in signals.items():
        signal.signal(number, handler)


@pytest.fixture
def dataset(tmp_path):
    return tiny_dataset(tmp_path)


def test_success_leaves_every_artifact_and_reports_them(run, dataset, listener):
    assert run(job_env(dataset)) == 0
    ((outcome, _, metrics, artifacts),) = listener.ends
    assert outcome is Outcome.SUCCEEDED
    assert metrics["accuracy"] == pytest.approx(metrics["majority_rate"])
    expected = {"model.pt", "model.safetensors", "id2label.json", "preprocessing.json", "report.json", "model_card.md", "validation_predictions.csv"}  # fmt: skip
    assert {info.name for info in artifacts} == expected
    for info in artifacts:
        assert (dataset / "out" / info.name).stat().st_size == info.size
        assert info.uri == f"file://{dataset}/out/{info.name}"


def test_the_report_tells_everything_but_the_secret(run, dataset, listener):
    run(job_env(dataset, CALLBACK_SECRET="hush"))
    text = (dataset / "out" / "report.json").read_text()
    report = json.loads(text)
    assert "hush" not in text
    assert report["labels"] == ["blue", "green", "red"]
    assert report["split"] == {"train": 72, "val": 18}
    assert report["columns"] == {
        "image": ["picture"],
        "text": ["remark"],
        "tabular": ["weight", "origin", "seen"],
    }
    assert len(report["history"]) == 2
    assert sum(map(sum, report["confusion_matrix"])) == 18
    assert {row["label"]: row["support"] for row in report["per_class"]} == {"blue": 6, "green": 6, "red": 6}
    assert set(report["durations"]) == {"downloading", "preparing", "training", "explaining"}
    assert report["settings"]["target_col"] == "label"


def test_every_mistake_of_the_environment_is_told_at_once(run, dataset, capsys):
    env = job_env(dataset, EPOCHS="many", BATCH_SIZE="0", TARGET_COL="", LOG_FORMAT="xml")
    assert run(env) == 64
    told = capsys.readouterr().err
    for name in ("EPOCHS", "BATCH_SIZE", "TARGET_COL", "LOG_FORMAT"):
        assert f"{name}: " in told


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"MODEL": "resnet"}, 64, "there is no model 'resnet'; there are dummy_model"),
        ({"MODEL_PARAMS": '{"speed": 1}'}, 64, "has no parameter 'speed'"),
        ({"TARGET_COL": "lable"}, 2, "TARGET_COL 'lable' is not a column"),
        (
            {"ASSETS": '[{"key": "train_file", "s3_uri": "file:///nowhere.csv"}]'},
            2,
            "file:///nowhere.csv does not exist",
        ),
        ({"ARTIFACTS_URI": "file:///proc/none"}, 2, "cannot be written"),
        (
            {"MODEL_PARAMS": '{"fail_at_epoch": 2}'},
            3,
            "model dummy_model failed in training: RuntimeError: asked to fail at epoch 2",
        ),
    ],
)
def test_a_failure_is_reported_with_a_reason(run, dataset, listener, changes, code, reason):
    assert run(job_env(dataset, **changes)) == code
    ((outcome, told, _, _),) = listener.ends
    assert outcome is Outcome.FAILED
    assert reason in told
    assert not listener.passing


def raised_from(cause):
    """What a model's code that raised this ends in."""
    error = ModelError(f"model x failed in training: {cause}")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "out of memory; try more memory"),
        (
            raised_from(MemoryError("Unable to allocate 9 GiB")),
            "out of memory (Unable to allocate 9 GiB); try more",
        ),
        (
            raised_from(
                torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee documentation")
            ),
            "out of memory of the GPU (CUDA out of memory. Tried to allocate 2 GiB.); try a smaller BATCH_SIZE",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "out of memory (DefaultCPU"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_memory_that_was_lacking_is_told_with_what_to_do(run, dataset, listener, monkeypatch, error, told):
    def fail(*_):
        raise error

    monkeypatch.setattr(pipeline, "run_job", fail)
    assert run(job_env(dataset)) == 5
    ((outcome, reason, _, _),) = listener.ends
    assert outcome is Outcome.FAILED
    assert reason.startswith(told)


@pytest.mark.parametrize("trained", [True, False], ids=["with a checkpoint", "without one"])
def test_a_store_that_stays_away_is_nobodys_fault_and_costs_no_checkpoint(
    run, dataset, listener, monkeypatch, trained
):
    def away(*given):
        if trained:
            (given[4] / "checkpoint.pt").write_bytes(b"state")
        raise StoreError("s3://b/model.pt failed: no route")

    monkeypatch.setattr(pipeline, "run_job", away)
    assert run(job_env(dataset)) == 75
    ((outcome, told, _, _),) = listener.ends
    assert (outcome, listener.passing) == (Outcome.FAILED, True)
    end = "; the next attempt goes on from here" if trained else ""
    assert told == f"s3://b/model.pt failed: no route{end}"
    assert (dataset / "out" / "checkpoint.pt").exists() == trained


def test_a_spec_that_the_store_does_not_give_is_nobodys_fault_either(run, monkeypatch, capsys):
    def away(uri):
        raise StoreError(f"{uri} failed: no route")

    monkeypatch.setattr(entry.objects, "read", away)
    assert run({"JOB_SPEC_URI": "s3://b/spec.json"}) == 75
    assert "JOB_SPEC_URI: s3://b/spec.json failed: no route" in capsys.readouterr().err


def test_a_stop_is_reported_as_cancelled(run, dataset, listener, monkeypatch):
    def stopped(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    monkeypatch.setattr(pipeline, "run_job", stopped)
    assert run(job_env(dataset)) == 143
    assert listener.ends[0][0] is Outcome.CANCELLED


def test_an_attempt_that_is_over_ends_in_words_and_leaves_no_checkpoint(run, dataset, monkeypatch):
    listening, told = Listener(), []
    monkeypatch.setattr(entry, "_reporter", lambda *given: told.append(given[-1]) or listening)

    def trains_on(*given):
        (given[4] / "checkpoint.pt").write_bytes(b"state")
        threading.Thread(target=told[0].over, args=("HTTP 409: attempt 2 has begun",)).start()
        threading.Event().wait(30)

    monkeypatch.setattr(pipeline, "run_job", trains_on)
    assert run(job_env(dataset)) == 4
    ((outcome, reason, _, _),) = listening.ends
    assert outcome is Outcome.CANCELLED
    assert reason == "the platform takes nothing of this attempt any more (HTTP 409: attempt 2 has begun)"
    assert not (dataset / "out").exists()


def test_what_runs_longer_than_it_may_ends_itself_and_keeps_its_checkpoint(
    run, dataset, listener, monkeypatch
):
    def endless(*given):
        (given[4] / "checkpoint.pt").write_bytes(b"state")
        threading.Event().wait(30)

    monkeypatch.setattr(pipeline, "run_job", endless)
    assert run(job_env(dataset, MAX_SECONDS="0.1")) == 124
    ((outcome, reason, _, _),) = listener.ends
    assert outcome is Outcome.TIMED_OUT
    assert reason.startswith("stopped by itself after 0 s, longer than it may run; raise max_seconds")
    assert (dataset / "out" / "checkpoint.pt").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_that_python_swallowed_comes_again(run, dataset, listener, monkeypatch):
    class Dying:
        pass

    def swallow(*_arguments):
        gone = Dying()
        watch = weakref.ref(gone, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        del gone
        assert watch() is None
        threading.Event().wait(30)  # the exception of the first signal was ignored
        return {}, []

    listen = entry._listen
    # Long enough for pytest to note the exception that Python ignored: a signal amid that would be ignored, too
    monkeypatch.setattr(entry, "_listen", lambda: listen(again_seconds=0.5))
    monkeypatch.setattr(pipeline, "run_job", swallow)
    assert run(job_env(dataset)) == 143
    assert [end[0] for end in listener.ends] == [Outcome.CANCELLED]


def test_logs_carry_the_ids(run, dataset, listener, capfd):
    run(job_env(dataset, TRIPTYCH_REQUEST_ID="req-9"))
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert lines
    assert {(line["job_id"], line["attempt"], line["request_id"]) for line in lines} == {
        ("job-1", 1, "req-9")
    }


def test_an_env_file_is_read_and_the_environment_wins(run, dataset, listener, tmp_path):
    lines = [f"export {name}={value}" for name, value in job_env(dataset, JOB_ID="from-file").items()]
    (tmp_path / "job.env").write_text("# a job\n\n" + "\n".join(lines) + "\nLOG_LEVEL='ERROR'\n")
    assert run({"JOB_ID": "from-environment"}, "--env-file", str(tmp_path / "job.env")) == 0
    assert json.loads((dataset / "out" / "report.json").read_text())["job_id"] == "from-environment"


def test_a_spec_object_is_read_and_the_environment_wins(run, dataset, listener, tmp_path):
    document = {
        **job_env(dataset, JOB_ID="from-object"),
        "EPOCHS": 3,
        "ASSETS": json.loads(job_env(dataset)["ASSETS"]),
    }
    (tmp_path / "spec.json").write_text(json.dumps(document))
    assert run({"JOB_SPEC_URI": f"file://{tmp_path}/spec.json", "JOB_ID": "from-environment"}) == 0
    report = json.loads((dataset / "out" / "report.json").read_text())
    assert (report["job_id"], report["settings"]["epochs"]) == ("from-environment", 3)


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({}, True),
        ({"JOB_SPEC_ONCE": "true"}, False),
        ({"JOB_SPEC_ONCE": "true", "WORLD_SIZE": "2"}, True),  # the other process has not read it yet
    ],
)
def test_a_spec_object_is_removed_once_it_is_read_where_that_is_asked_for(
    run, dataset, listener, tmp_path, monkeypatch, told, left
):
    def stop(*_):
        raise DataError("far enough")

    monkeypatch.setattr(pipeline, "run_job", stop)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(job_env(dataset)))
    assert run({"JOB_SPEC_URI": spec.as_uri(), **told}) == 2
    assert spec.exists() == left


def test_a_spec_object_that_may_not_be_removed_does_not_stop_the_job(
    run, dataset, listener, tmp_path, monkeypatch, capsys
):
    def denied(uri):
        raise DataError(f"{uri} may not be accessed with this job's credentials")

    monkeypatch.setattr(entry.objects, "remove", denied)
    (tmp_path / "spec.json").write_text(json.dumps(job_env(dataset)))
    assert run({"JOB_SPEC_URI": f"file://{tmp_path}/spec.json", "JOB_SPEC_ONCE": "true"}) == 0
    assert "may not be accessed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), ("{", "does not hold JSON"), ("[]", "holds no JSON object")],
)
def test_a_spec_object_that_cannot_be_read_is_told(run, tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "spec.json").write_text(content)
    assert run({"JOB_SPEC_URI": f"file://{tmp_path}/spec.json"}) == 64
    told = capsys.readouterr().err
    assert "JOB_SPEC_URI" in told
    assert message in told
