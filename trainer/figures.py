"""Figures of predicted probabilities: log loss, Brier score, calibration error and its reliability bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contracts.report import ProbabilityFigures, ReliabilityBin

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR = 1e-12  # a probability of 0 would make the log loss infinite
BINS = 15  # as Guo et al. 2017


def log_loss(probabilities: NDArray[np.floating], truth: NDArray[np.int64]) -> float:
    """Give the mean of −ln p(true class); probabilities have shape (n, classes), truth is class numbers (n,)."""
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(of_truth, FLOOR)).mean())


def brier(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Give the mean squared distance to the true one-hot vector, 0 to 2 (Brier 1950)."""
    squares = np.einsum("nk,nk->n", probabilities, probabilities, dtype=np.float64)
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    # Σ(p − y)² = Σp² − 2p(truth) + 1, without a copy of the matrix
    return float((squares - 2 * of_truth + 1).mean())


def reliability(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> list[ReliabilityBin]:
    """Sort rows by their highest probability into bins of equal width, and give those that hold rows."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    number = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return [
        ReliabilityBin(
            low=round(each / BINS, 6),
            high=round((each + 1) / BINS, 6),
            rows=int((number == each).sum()),
            confidence=float(confidence[number == each].mean()),
            accuracy=float(right[number == each].mean()),
        )
        for each in np.unique(number)
    ]


def expected_calibration_error(bins: list[ReliabilityBin]) -> float:
    """Give the mean over rows of the distance between their bin's accuracy and confidence (Naeini et al. 2015)."""
    rows = sum(each.rows for each in bins)
    return sum(each.rows / rows * abs(each.accuracy - each.confidence) for each in bins)


def probability_figures(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> ProbabilityFigures:
    """Give all of them for some rows, at least one."""
    bins = reliability(probabilities, truth)
    return ProbabilityFigures(
        log_loss=log_loss(probabilities, truth),
        brier=brier(probabilities, truth),
        ece=expected_calibration_error(bins),
        bins=bins,
    )
