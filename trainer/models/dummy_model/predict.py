"""Predict with learnt class frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder


def predict(
    _preprocessing: Mapping[str, Any],
    state: Mapping[str, NDArray[Any]],
    frame: pl.DataFrame,
    _images: ImageFolder | None,
) -> NDArray[np.float32]:
    """Give the learnt frequencies for every row, shape (rows, classes)."""
    return np.tile(state["prior"], (len(frame), 1))
