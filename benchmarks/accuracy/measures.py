"""What is measured on the test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_PROBABILITY = 1e-7
BINS = 15


def measure(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Give every measure.

    Args:
        truth: Class number of each row, shape (n,).
        probabilities: Shape (n, classes); rows are made to sum to one.
    """
    probabilities = np.clip(probabilities, LEAST_PROBABILITY, None)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": macro_f1(truth, predicted),
        "log_loss": float(-np.log(probabilities[np.arange(len(truth)), truth]).mean()),
        "ece": calibration_error(predicted == truth, probabilities.max(axis=1)),
    }


def macro_f1(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that the rows have; a class never predicted counts 0."""
    scores = []
    for number in np.unique(truth):
        hits = ((truth == number) & (predicted == number)).sum()
        scores.append(2 * hits / ((truth == number).sum() + (predicted == number).sum()))
    return float(np.mean(scores))


def calibration_error(right: NDArray[np.bool_], confidence: NDArray[np.float64], bins: int = BINS) -> float:
    """Expected calibration error of the top class, in bins of equally many rows (Nixon et al. 2019, arXiv:1904.01685).

    Args:
        right: Whether each row's most probable class is its class, shape (n,).
        confidence: That class's probability, shape (n,).
        bins: How many; rows are spread over them in the order of confidence, the first ones one fuller where it
            does not come out even.
    """
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(right[part].mean() - confidence[part].mean()) for part in parts]
    return float(sum(gaps) / len(right))
