"""From saved artifacts to probabilities: all that is needed where the model is used and not trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
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
    """Give class probabilities, shape (rows, classes).

    Args:
        fitted: ``Artifacts.preprocessing``, read back from JSON.
        state: ``Artifacts.state_dict``, read back from model.safetensors.
        frame: The features of new rows, cleaned and typed as in training.
        images: Where the images lie that they name; None where there are none.
    """
    features = LinearFeatures.from_saved(fitted["features"], below("features", state))
    rows = features.transform(frame, ImageDescriptors(images))
    return probabilities(state["centroids"], rows, fitted["sharpness"])


def probabilities(centroids: NDArray[np.float32], rows: Any, sharpness: float) -> NDArray[np.float32]:
    """Let closeness decide. Training calls this too, so that it cannot differ from prediction."""
    distances = euclidean_distances(rows, centroids.astype(np.float64))
    scale = sharpness / np.maximum(distances.mean(axis=1, keepdims=True), 1e-9)
    answer: NDArray[np.float32] = softmax(-distances * scale).astype(np.float32)
    return answer
