"""Grow a boosted forest, some trees at a time, and keep it as it was when it validated best."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from trainer.cpu import threads_for
from trainer.features.loading import load_images
from trainer.features.saved import prefixed
from trainer.features.trees import TreeFeatures
from trainer.models.trees.forest import Forest, probabilities
from trainer.results import Artifacts, TrainingReport
from trainer.tracking import Tracker

if TYPE_CHECKING:
    from trainer.models.trees.params import Params
    from trainer.results import TrainParams

log = logging.getLogger(__name__)

EPOCHS, LEARNING_RATE = 300, 0.1
ROUND = 10  # epochs between two looks at the clock; each round bins all rows anew
MAX_POINTS = 150  # on a curve
TEXT_FEATURES = 30_000  # counted before they are projected
FULL_LEAF, LEAVES = 20, 50  # rows in the smallest leaf; fewer where a table would not fill so many leaves


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Train the model; see the module's sentence."""
    with threads_for(len(params.data.frame)):
        return _train(params)


def _train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    spec, options, data = params.spec, params.model, params.data
    train_rows, val_rows = data.split.train, data.split.val
    images, notes = load_images(params)
    features = TreeFeatures.fit(
        data.frame[train_rows],
        data.columns,
        images,
        text_components=options.text_components,
        image_components=options.image_components,
        max_text_features=TEXT_FEATURES,
        seed=spec.seed,
    )
    train_x, val_x = (features.transform(data.frame[rows], images) for rows in (train_rows, val_rows))
    truth, val_truth = data.target[train_rows], data.target[val_rows]

    epochs = spec.epochs or EPOCHS
    every = spec.eval_steps * -(-epochs // (spec.eval_steps * MAX_POINTS))
    in_round = every * -(-ROUND // every)  # so that every round is measured
    booster = HistGradientBoostingClassifier(
        learning_rate=spec.learning_rate or LEARNING_RATE,
        max_leaf_nodes=options.max_leaf_nodes,
        min_samples_leaf=options.min_samples_leaf or max(1, min(FULL_LEAF, len(train_rows) // LEAVES)),
        l2_regularization=options.l2_regularization,
        max_features=options.feature_share,
        categorical_features=features.categorical,
        class_weight="balanced" if options.class_weights else None,
        early_stopping=False,  # the platform's own validation rows decide, not some of the training rows
        warm_start=True,
        random_state=spec.seed,
    )
    tracker = Tracker(data.labels, params.reporter)
    raw, val_raw = np.zeros((0, 0)), np.zeros((0, 0))
    done, measured_at = 0, time.monotonic()
    while done < epochs:
        before, done = done, min(done + in_round, epochs)
        booster.set_params(max_iter=done).fit(train_x, truth)
        new = Forest.of(booster, before, done)
        if not before:
            raw, val_raw = new.begin(len(train_x)), new.begin(len(val_x))
        stages = zip(new.stages(train_x, raw), new.stages(val_x, val_raw), strict=True)
        for epoch, (now, val_now) in enumerate(stages, start=before + 1):
            if epoch % every == 0 or epoch == epochs:
                tracker.epoch(
                    epoch,
                    seconds=time.monotonic() - measured_at,
                    learning_rate=booster.learning_rate,
                    train=(probabilities(now), truth),
                    val=(probabilities(val_now), val_truth),
                )
                measured_at = time.monotonic()
        params.reporter.progress(done / epochs)
        log.info("%d of %d epochs", done, epochs)
        if done < epochs and time.monotonic() >= params.deadline:
            notes.append(f"the time budget was over after {done} of {epochs} epochs")
            break
        if done < epochs and done - tracker.last_gain >= options.patience:
            notes.append(
                f"stopped after epoch {done}: none since {tracker.last_gain} bettered accuracy or loss"
            )
            break

    forest = Forest.of(booster, 0, tracker.best_epoch)
    report = tracker.report(device="cpu", parameters=forest.leaves, notes=notes)
    artifacts = Artifacts(
        model_type="trees",
        state_dict=prefixed("features", features.arrays()) | prefixed("forest", forest.arrays()),
        id2label=dict(enumerate(data.labels)),
        preprocessing={"features": features.to_json()},
        predict=lambda frame: forest.predict(features.transform(frame, images)).astype(np.float32),
    )
    return report, artifacts
