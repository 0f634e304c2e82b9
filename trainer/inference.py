"""From typed rows to the probabilities that are handed out: the same bits in training and in prediction, in any company."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trainer.calibration import apply_temperature

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trainer.columns import Column

    Predict = Callable[[pl.DataFrame], NDArray[np.float32]]

BLOCK_ROWS = 256  # models predict in batches of a size that divides this


@dataclass(frozen=True)
class Predictions:
    """What is said of some rows; the first axis counts them."""

    best: NDArray[np.int64]  # class numbers
    probabilities: NDArray[np.float32]  # calibrated, (rows, classes)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Probability of each row's predicted class."""
        return self.probabilities[np.arange(len(self.best)), self.best]


def calibrated(raw: NDArray[np.float32], temperature: float) -> Predictions:
    """Apply a temperature; the class is that of the model's own probabilities, which rounding could make equal."""
    return Predictions(raw.argmax(axis=1), apply_temperature(raw, temperature))


def predict_in_blocks(predict: Predict, frame: pl.DataFrame) -> NDArray[np.float32]:
    """Ask a model for rows in whole blocks, the last one filled up with repeated rows.

    Matrix libraries choose their kernel by the batch's shape: a network's answers for the same row were seen to differ by up to
    1e-7 between batches of 1 to 7 rows and larger ones. With batches of one shape they were equal to the bit, in any order
    and with one thread or two. Filling up costs a small table at most the time of 255 rows.

    Args:
        predict: Typed rows to probabilities, (rows, classes).
        frame: At least one row.
    """
    filled = np.resize(np.arange(len(frame)), len(frame) + -len(frame) % BLOCK_ROWS)
    return predict(frame[filled] if len(filled) > len(frame) else frame)[: len(frame)]


def without_modality(frame: pl.DataFrame, columns: Sequence[Column], modality: str) -> pl.DataFrame:
    """Make every value of a modality's columns missing."""
    names = [column.name for column in columns if column.modality == modality]
    return frame.with_columns(pl.lit(None, dtype=frame.schema[name]).alias(name) for name in names)
