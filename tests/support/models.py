"""Small models from outside the trainer, written into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = """
from trainer.models.catalogue import ModelParams

class Params(ModelParams):
    TITLE = "A title"
    DESCRIPTION = "What it does."
    MODALITIES = ("tabular",)
    size: int = 3
"""
PREDICT = """
import numpy as np

def predict(fitted, state, frame, images):
    return np.tile(state["prior"], (len(frame), 1))
"""
TRAIN = """
import numpy as np

from trainer.results import Artifacts
from trainer.tracking import Tracker

from .predict import predict

def train(params):
    data = params.data
    train, val = data.split.train, data.split.val
    prior = np.bincount(data.target[train]) / len(train)
    tracker = Tracker(data.labels, params.reporter)
    answers = [(np.tile(prior, (len(rows), 1)), data.target[rows]) for rows in (train, val)]
    tracker.epoch(1, seconds=0, learning_rate=0, train=answers[0], val=answers[1])
    state = {"prior": prior}
    report = tracker.report(device="cpu", parameters=len(prior), notes=[])
    return report, Artifacts(
        model_type=__name__.split(".")[-2],
        state_dict=state,
        id2label=dict(enumerate(data.labels)),
        preprocessing={},
        predict=lambda frame: predict({}, state, frame, None),
    )
"""


def write_model(root: Path, name: str, **files: str | None) -> Path:
    """Write a model that works, with some of its files replaced (``train="…"``) or left out (``predict=None``)."""
    folder = root / name
    folder.mkdir(parents=True)
    for part, text in {"params": PARAMS, "predict": PREDICT, "train": TRAIN, **files}.items():
        if text is not None:
            (folder / ("requirements.txt" if part == "requirements" else f"{part}.py")).write_text(text)
    return folder
