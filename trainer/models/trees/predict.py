"""Predict with a trained forest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.features.descriptors import ImageDescriptors
from trainer.features.saved import below
from trainer.features.trees import TreeFeatures
from trainer.models.trees.forest import Forest

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
    features = TreeFeatures.from_saved(fitted["features"], below("features", state))
    rows = features.transform(frame, ImageDescriptors(images))
    return Forest(below("forest", state)).predict(rows).astype(np.float32)
