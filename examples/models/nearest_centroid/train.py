"""Training: from cleaned rows to a report and artifacts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from trainer.features.linear import LinearFeatures
from trainer.features.loading import load_images
from trainer.features.saved import prefixed
from trainer.results import Artifacts, TrainingReport
from trainer.tracking import Tracker

from .predict import probabilities

if TYPE_CHECKING:
    from trainer.results import TrainParams

    from .params import Params

EPOCHS = 5


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Take the means of ever more training rows: the curve tells whether more rows would help."""
    spec, data = params.spec, params.data

    # Whatever is fitted is fitted on the training rows alone: data.split says which they are.
    train_rows, val_rows = data.split.train, data.split.val
    images, notes = load_images(params)
    features = LinearFeatures.fit(data.frame[train_rows], data.columns, images, max_text_features=20_000)
    train_x, val_x = (features.transform(data.frame[rows], images) for rows in (train_rows, val_rows))
    truth, val_truth = data.target[train_rows], data.target[val_rows]

    sharpness = params.model.sharpness
    random = np.random.default_rng(spec.seed)  # all chance comes from the job's seed
    order = random.permutation(len(truth))
    epochs = spec.epochs or EPOCHS  # unset means: as the model likes it
    tracker = Tracker(data.labels, params.reporter)  # measures, draws the live curves, remembers the best
    best = np.zeros((len(data.labels), train_x.shape[1]), np.float32)
    for epoch in range(1, epochs + 1):
        started = time.monotonic()
        chosen = order[: -(-len(order) * epoch // epochs)]
        centroids = best.copy()
        for number in np.unique(truth[chosen]):
            centroids[number] = np.asarray(train_x[chosen[truth[chosen] == number]].mean(axis=0)).ravel()
        better = tracker.epoch(
            epoch,
            seconds=time.monotonic() - started,
            learning_rate=0,
            train=(probabilities(centroids, train_x, sharpness), truth),
            val=(probabilities(centroids, val_x, sharpness), val_truth),
        )
        if better:
            best = centroids
        params.reporter.progress(epoch / epochs)
        if time.monotonic() >= params.deadline and epoch < epochs:  # end in time, with the best so far
            notes.append(f"the time budget was over after {epoch} of {epochs} epochs")
            break

    report = tracker.report(device="cpu", parameters=best.size, notes=notes)
    artifacts = Artifacts(
        model_type="nearest_centroid",  # the folder's name: prediction finds the model by it
        state_dict={"centroids": best, **prefixed("features", features.arrays())},  # numpy arrays only
        id2label=dict(enumerate(data.labels)),
        preprocessing={"features": features.to_json(), "sharpness": sharpness},  # JSON only
        predict=lambda frame: probabilities(best, features.transform(frame, images), sharpness),
    )
    return report, artifacts
