"""Texts as bags of weighed n-grams, laid end to end: what an embedding bag takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from trainer.features.text import TextFeatures


@dataclass(frozen=True)
class Bags:
    """Rows of features of varying number, laid end to end."""

    features: NDArray[np.int64]  # (entries,)
    weights: NDArray[np.float32]  # (entries,)
    offsets: NDArray[np.int64]  # (rows + 1,): where each row's entries begin
    missing: NDArray[np.bool_]  # (rows,)


def bags(features: TextFeatures, texts: pl.Series) -> Bags:
    """Give each text's features; a missing one has none."""
    rows = features.transform(texts)
    return Bags(
        rows.indices.astype(np.int64),
        rows.data.astype(np.float32),
        rows.indptr.astype(np.int64),
        texts.is_null().to_numpy(),
    )
