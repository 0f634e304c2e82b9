"""The validation rows that a model got wrong while it was most sure, of all and of each pair of classes."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.report import SUREST, Mistake, Mistakes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.columns import Column
    from trainer.inference import Predictions

OF_A_PAIR = 3  # beside the surest, of each true class taken for another
SHOWN = 200
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
    wrong = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    worst = _chosen(wrong, list(zip(truth[wrong], predictions.best[wrong], strict=True)))
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


def _chosen(wrong: NDArray[np.int64], pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Choose among mistakes in order of confidence, and keep that order: the surest, and some of every pair of classes."""
    seen: Counter[tuple[int, int]] = Counter()
    chosen = []
    for place, pair in enumerate(pairs):
        seen[pair] += 1
        if place < SUREST or seen[pair] <= OF_A_PAIR:
            chosen.append(place)
    return wrong[chosen[:SHOWN]]


def _shorten(value: Any) -> str | float | None:
    if value is None or isinstance(value, float):
        return value
    text = value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
