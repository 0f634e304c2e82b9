"""Predictions as a table, and tables as CSV that a spreadsheet reads as data and never as formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    from trainer.inference import Predictions

# A spreadsheet runs a cell that begins so (OWASP, CSV Injection), full-width letters included, unless it is a number, which it must stay
_FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def prediction_table(
    rows: NDArray[np.int64], predictions: Predictions, labels: Sequence[str], top_k: int | None = None
) -> pl.DataFrame:
    """Lay predictions out.

    Args:
        rows: Their rows of the table, from 0.
        predictions: What is said of them.
        labels: The classes by number.
        top_k: How many classes to name, the most probable first; None gives the probability of every class instead.

    Returns:
        row, prediction, probability, and then either p(label) for every class, or prediction_2, probability_2, ….
    """
    named = np.array(labels, dtype=object)
    columns = {
        "row": pl.Series(rows, dtype=pl.Int64),
        "prediction": pl.Series(named[predictions.best].tolist(), dtype=pl.String),
        "probability": pl.Series(predictions.confidence, dtype=pl.Float32),
    }
    if top_k is None:
        every = {f"p({label})": predictions.probabilities[:, number] for number, label in enumerate(labels)}
        return pl.DataFrame({**columns, **every})
    # the predicted class comes first even where rounding made another one equal
    ranked = predictions.probabilities.copy()
    ranked[np.arange(len(ranked)), predictions.best] = np.inf
    order = np.argsort(-ranked, axis=1, kind="stable")
    for place in range(1, min(top_k, len(labels))):
        chosen = order[:, place]
        columns[f"prediction_{place + 1}"] = pl.Series(named[chosen].tolist(), dtype=pl.String)
        columns[f"probability_{place + 1}"] = pl.Series(
            predictions.probabilities[np.arange(len(ranked)), chosen], dtype=pl.Float32
        )
    return pl.DataFrame(columns)


def write_csv(frame: pl.DataFrame, target: Path | IO[bytes], *, header: bool = True) -> None:
    """Write a table; text that a spreadsheet would take for a formula gets a ' in front, numbers stay as they are."""
    neutral = frame.with_columns(
        pl.when(pl.col(name).str.contains(_FORMULA) & ~pl.col(name).str.contains(_NUMBER))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.String
    )
    neutral.write_csv(target, include_header=header)
