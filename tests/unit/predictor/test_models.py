"""Models kept loaded in processes: which process answers, and what is said when one does not."""

from __future__ import annotations

import sys

import pytest

from contracts.prediction import PredictionTask
from services.predictor.models import Models
from services.predictor.process import ModelProcess

# What trainer.serve is to the predictor, told by the name of its artifacts how to behave
CHILD = """
import json, os, sys, time
name = sys.argv[1]
def say(**answer):
    print(json.dumps(answer), flush=True)
if name == "broken": say(error="weights are damaged"); sys.exit(2)
if name == "never loaded": time.sleep(60)
if name == "rubbish": print("hello", flush=True)
say()
for number, line in enumerate(sys.stdin, 1):
    table = json.loads(line)["table"]
    if table == "slow": time.sleep(60)
    if table == "memory": os.kill(os.getpid(), 9)
    if table == "bad": say(error="the table has none of the model's columns")
    elif table == "crash": sys.exit(3)
    else: say(rows=number, notes=[f"{name} {os.getpid()}"])
    if table == "last": sys.exit(0)
"""


@pytest.fixture
def started():
    return []


@pytest.fixture
def models(started):
    def start(artifacts):
        started.append(artifacts)
        return ModelProcess([sys.executable, "-c", CHILD, artifacts], {})

    models = Models(start, most=2, load_seconds=1.5, task_seconds=1.5)
    yield models
    models.close()


def ask(models, artifacts, table="table"):
    return models.predict(artifacts, PredictionTask(table=table, images=None, out="out"))


def test_a_model_is_loaded_once_and_asked_again(models, started):
    first, second = ask(models, "cats"), ask(models, "cats")
    assert (first.rows, second.rows, first.notes) == (1, 2, second.notes)
    assert started == ["cats"]


def test_the_model_used_longest_ago_makes_room(models, started):
    for name in ("cats", "dogs", "cats", "birds", "cats", "dogs"):
        assert not ask(models, name).error
    assert started == ["cats", "dogs", "birds", "dogs"]


def test_what_is_wrong_with_the_data_is_told_and_the_model_stays(models, started):
    assert ask(models, "cats", "bad").error == "the table has none of the model's columns"
    assert ask(models, "cats").rows == 2
    assert started == ["cats"]


@pytest.mark.parametrize(
    ("artifacts", "table", "error"),
    [
        ("broken", "table", "weights are damaged"),
        ("never loaded", "table", "The model was not loaded within 1.5 s (LOAD_SECONDS)."),
        (
            "cats",
            "slow",
            "The prediction took longer than 1.5 s (PREDICTION_SECONDS); predict a smaller table",
        ),
        ("cats", "crash", "The model's process ended: exit code 3."),
        ("cats", "memory", "The model's process ended: it was killed, probably for want of memory."),
        ("rubbish", "table", "The model's process ended: it answered in a way that is not understood."),
    ],
)
def test_a_process_that_fails_is_told_in_words_and_the_next_prediction_has_a_new_one(
    models, started, artifacts, table, error
):
    assert ask(models, artifacts, table).error.startswith(error)
    started.clear()
    assert not ask(models, "fine").error
    assert started == ["fine"]


def test_a_process_that_ended_while_idle_is_replaced_unnoticed(models, started):
    ask(models, "cats", "last")
    assert ask(models, "cats").rows == 1
    assert started == ["cats", "cats"]


def test_a_table_that_kills_an_idle_model_is_tried_once_more_and_then_given_up(models, started):
    ask(models, "cats")
    assert "for want of memory" in ask(models, "cats", "memory").error
    assert started == ["cats", "cats"]
