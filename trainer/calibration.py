"""Temperature scaling (Guo et al. 2017): one number, fitted on validation rows, that makes probabilities mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contracts.report import Calibration
from trainer.figures import FLOOR, probability_figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_ROWS = 50  # fewer tell too little: with 50, T was seen to differ by a quarter (2 classes) from one draw of rows to the next
FOLDS = 5
LOWEST, HIGHEST = 0.2, 10.0
MAX_CELLS = 4_000_000  # rows times classes that T is fitted on; more would take seconds and change no digit that counts


def calibrate(probabilities: NDArray[np.float32], truth: NDArray[np.int64], seed: int) -> Calibration:
    """Fit a temperature, and measure what it brings on rows that it was not fitted on.

    Args:
        probabilities: Of the validation rows, as the model gives them, shape (n, classes).
        truth: Their class numbers, shape (n,).
        seed: Of the folds.
    """
    before = probability_figures(probabilities, truth)
    rows, classes = probabilities.shape
    if rows < MIN_ROWS:
        why = f"{rows} validation rows are too few to fit a temperature, it takes {MIN_ROWS}"
        return Calibration(temperature=1, applied=False, why=why, rows=rows, folds=0, before=before)
    random = np.random.default_rng(seed)
    some = random.permutation(rows)[: max(MIN_ROWS, MAX_CELLS // classes)]
    folds = np.array_split(some, FOLDS)
    held_out = [
        apply_temperature(probabilities[fold], _fit_without(folds, number, probabilities, truth))
        for number, fold in enumerate(folds)
    ]
    after = probability_figures(np.concatenate(held_out), truth[some])
    compared = before if len(some) == rows else probability_figures(probabilities[some], truth[some])
    temperature = fit_temperature(probabilities[some], truth[some])
    if after.log_loss > compared.log_loss:
        why = f"T = {temperature:.2f} made the log loss worse on rows it was not fitted on"
        return Calibration(
            temperature=1, applied=False, why=why, rows=len(some), folds=FOLDS, before=before, after=after
        )
    return Calibration(
        temperature=temperature, applied=True, rows=len(some), folds=FOLDS, before=before, after=after
    )


def fit_temperature(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Find the T that minimises the log loss of softmax(ln p / T), between LOWEST and HIGHEST.

    The true class's target is (n + 1) / (n + 2), the rest is spread over all classes (Platt 1999): without it, rows that
    are all predicted right would ask for T = 0, that is for certainty. In 1/T the loss is convex, so the search finds its
    minimum.

    Args:
        probabilities: As the model gives them, shape (n, classes).
        truth: Class numbers, shape (n,).
    """
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only here

    logs = _logs(probabilities)
    doubt = 1 / (len(truth) + 2)
    wanted = (1 - doubt) * logs[np.arange(len(truth)), truth] + doubt * logs.mean(axis=1)

    def loss(log_temperature: float) -> float:
        scaled = logs * np.exp(-log_temperature)
        highest = scaled.max(axis=1)
        total = np.log(np.exp(scaled - highest[:, None]).sum(axis=1)) + highest
        return float((total - wanted * np.exp(-log_temperature)).mean())

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 4)


def apply_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Give softmax(ln p / T), shape and order of each row's classes kept; T = 1 gives the very same numbers."""
    if temperature == 1:
        return probabilities
    scaled = _logs(probabilities) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)


def _logs(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
    return logs


def _fit_without(
    folds: list[NDArray[np.int64]],
    left_out: int,
    probabilities: NDArray[np.float32],
    truth: NDArray[np.int64],
) -> float:
    rest = np.concatenate([fold for number, fold in enumerate(folds) if number != left_out])
    return fit_temperature(probabilities[rest], truth[rest])
