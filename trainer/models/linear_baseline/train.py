"""Train logistic regressions from strong to weak regularisation, and keep the one that validates best."""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from trainer.cpu import threads_for
from trainer.features.linear import LinearFeatures
from trainer.features.loading import load_images
from trainer.features.saved import prefixed
from trainer.models.linear_baseline.predict import probabilities
from trainer.results import Artifacts, TrainingReport
from trainer.tracking import Tracker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.models.linear_baseline.params import Params
    from trainer.results import TrainParams

log = logging.getLogger(__name__)

CANDIDATES = 8
STRONGEST, WEAKEST = 1e-2, 1e3  # values of C, scikit-learn's inverse of the penalty's weight
PATIENCE = 2  # candidates in a row that better neither accuracy nor loss
TOLERANCE = 1e-3
ROUND, ROUNDS = 100, 5  # iterations of the solver between two looks at the clock, and how many times


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Train the model; see the module's sentence."""
    with threads_for(len(params.data.frame)):
        return _train(params)


def _train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    spec, options, data = params.spec, params.model, params.data
    train_rows, val_rows = data.split.train, data.split.val
    images, notes = load_images(params)
    features = LinearFeatures.fit(data.frame[train_rows], data.columns, images, options.text_features)
    train_x, val_x = (features.transform(data.frame[rows], images) for rows in (train_rows, val_rows))
    truth, val_truth = data.target[train_rows], data.target[val_rows]

    # each candidate starts where the one before ended, so that the whole row costs little more than its last
    regression = LogisticRegression(
        tol=TOLERANCE,
        max_iter=ROUND,
        warm_start=True,
        class_weight="balanced" if options.class_weights else None,
    )
    tracker = Tracker(data.labels, params.reporter)
    candidates = spec.epochs or CANDIDATES
    state: dict[str, NDArray[Any]] = {}
    chosen = 0.0
    for number, strength in enumerate(np.geomspace(STRONGEST, WEAKEST, candidates), start=1):
        started = time.monotonic()
        _fit(regression.set_params(C=strength), train_x, truth, params.deadline)
        candidate = _state(regression)
        better = tracker.epoch(
            number,
            seconds=time.monotonic() - started,
            learning_rate=0,
            train=(probabilities(candidate, train_x), truth),
            val=(probabilities(candidate, val_x), val_truth),
        )
        if better:
            state, chosen = candidate, float(strength)
        log.info("C = %.4g tried", strength)
        params.reporter.progress(number / candidates)
        if number < candidates and time.monotonic() >= params.deadline:
            notes.append(
                f"the time budget was over after {number} of {candidates} strengths of regularisation"
            )
            break
        if number - tracker.last_gain >= PATIENCE:
            break  # and the weaker, the slower
    notes.append(f"regularisation chosen: C = {chosen:.4g}, of {number} tried from {STRONGEST:g} upwards")

    report = tracker.report(
        device="cpu", parameters=state["weights"].size + state["biases"].size, notes=notes
    )
    artifacts = Artifacts(
        model_type="linear_baseline",
        state_dict=state | prefixed("features", features.arrays()),
        id2label=dict(enumerate(data.labels)),
        preprocessing={"features": features.to_json()},
        predict=lambda frame: probabilities(state, features.transform(frame, images)),
    )
    return report, artifacts


def _fit(regression: LogisticRegression, rows: Any, truth: NDArray[np.int64], deadline: float) -> None:
    """Go on until it has converged, at least one round, while there is time."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # a round may end before; what counts is validation
        for _ in range(ROUNDS):
            regression.fit(rows, truth)
            if regression.n_iter_.max() < ROUND or time.monotonic() >= deadline:
                return


def _state(regression: LogisticRegression) -> dict[str, NDArray[Any]]:
    """Give weights and biases of every class; of two classes scikit-learn keeps the difference."""
    weights, biases = regression.coef_, regression.intercept_
    if len(weights) == 1:
        weights, biases = np.concatenate([0 * weights, weights]), np.concatenate([0 * biases, biases])
    return {"weights": weights.astype(np.float32), "biases": biases.astype(np.float32)}
