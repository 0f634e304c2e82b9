"""Figures of a classifier, all from its confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contracts.report import ClassScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def confusion_matrix(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Count rows by (true class, predicted class); both arguments are class numbers of shape (n,)."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def accuracy(matrix: NDArray[np.int64]) -> float:
    """Give the share of rows on the diagonal."""
    return float(np.trace(matrix) / max(1, matrix.sum()))


def balanced_accuracy(matrix: NDArray[np.int64]) -> float:
    """Give the mean recall over the classes that occur as true ones (as scikit-learn does)."""
    support = matrix.sum(axis=1)
    recall = _ratio(np.diag(matrix), support)
    return float(recall[support > 0].mean()) if support.any() else 0.0


def macro_f1(matrix: NDArray[np.int64]) -> float:
    """Give the mean F1 over the classes that occur, as true or as predicted ones (as scikit-learn does)."""
    occurs = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    return float(_f1(matrix)[occurs].mean()) if occurs.any() else 0.0


def weighted_f1(matrix: NDArray[np.int64]) -> float:
    """Give the mean F1 over classes, weighted by their rows."""
    return float((_f1(matrix) * matrix.sum(axis=1)).sum() / max(1, matrix.sum()))


def per_class(matrix: NDArray[np.int64], labels: Sequence[str]) -> list[ClassScores]:
    """Give each class's precision, recall, F1 and rows; a ratio without rows counts as 0."""
    hits, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall, f1 = _ratio(hits, predicted), _ratio(hits, support), _f1(matrix)
    return [
        ClassScores(
            label=label,
            precision=float(precision[i]),
            recall=float(recall[i]),
            f1=float(f1[i]),
            support=int(support[i]),
        )
        for i, label in enumerate(labels)
    ]


def _f1(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    return _ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def _ratio(over: NDArray[np.int64], under: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(over, under, out=np.zeros(len(over)), where=under > 0)
