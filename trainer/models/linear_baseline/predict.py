"""Predict with a trained linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.extmath import softmax

from trainer.features.descriptors import ImageDescriptors
from trainer.features.linear import LinearFeatures
from trainer.features.saved import below

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder


def predict(
    fitted: Mapping[str, Any],
    state: Mapping[str, NDArray[Any]],
    frame: pl.DataFrame,
    images: ImageFolder | None,
) -> NDArray[np.float32]:
    """Give each row's class probabilities, shape (rows, classes).

    Args:
        fitted: What training put into preprocessing.json.
        state: The arrays by name.
        frame: The features, typed by ``trainer.cleaning.clean``.
        images: Where their images lie.
    """
    features = LinearFeatures.from_saved(fitted["features"], below("features", state))
    return probabilities(state, features.transform(frame, ImageDescriptors(images)))


def probabilities(state: Mapping[str, NDArray[Any]], rows: Any) -> NDArray[np.float32]:
    """Apply weights, shape (classes, features), and biases, shape (classes,), to dense or CSR rows."""
    logits = np.asarray(rows @ state["weights"].T.astype(np.float64)) + state["biases"]
    answer: NDArray[np.float32] = softmax(logits, copy=False).astype(np.float32)
    return answer
