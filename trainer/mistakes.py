"""The validation rows that a model got wrong while it was most sure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.report import Mistake, Mistakes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.columns import Column
    from trainer.inference import Predictions

SHOWN = 20
MAX_COLUMNS = 30
MAX_CHARS = 200


def worst_mistakes(
    predictions: Predictions,
    truth: NDArray[np.int64],
    labels: Sequence[str],
    frame: pl.DataFrame,
    columns: Sequence[Column],
    table_rows: NDArray[np.int64],
) -> Mistakes:
    """Find them.

    Args:
        predictions: Of the validation rows.
        truth: Their class numbers, (rows,).
        labels: The classes by number.
        frame: Their typed features.
        columns: What the features are.
        table_rows: Their rows in the table, (rows,).
    """
    wrong = np.flatnonzero(predictions.best != truth)
    worst = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:SHOWN]
    images = [column.name for column in columns if column.modality == "image"]
    others = [column.name for column in columns if column.modality != "image"]
    shown = [
        Mistake(
            row=int(table_rows[row]),
            truth=labels[truth[row]],
            predicted=labels[predictions.best[row]],
            probability=float(predictions.confidence[row]),
            truth_probability=float(predictions.probabilities[row, truth[row]]),
            values={name: _shorten(cells[name]) for name in others[:MAX_COLUMNS]},
            images={name: cells[name] or [] for name in images},
        )
        for row, cells in zip(worst, frame[worst].iter_rows(named=True), strict=True)
    ]
    return Mistakes(wrong=len(wrong), columns_left_out=len(others[MAX_COLUMNS:]), shown=shown)


def _shorten(value: Any) -> str | float | None:
    if value is None or isinstance(value, float):
        return value
    text = value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
