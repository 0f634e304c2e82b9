"""Finds rows that are copies of one another: all their features are equal.

A copy on the other side of a split is an answer known by heart, so validation would measure memory. But equal features
are copies only where rows otherwise differ: in a table of sex and class alone nearly every row has its equals, they are
different cases all the same, and to keep them together would leave whole combinations unseen.
"""

from __future__ import annotations

import polars as pl

MOST_ROWS_A_COMBINATION = (
    4  # rows to a distinct combination; up to here equals are copies, above it the features say little
)


def copy_groups(features: pl.DataFrame) -> pl.Series | None:
    """Number the rows so that copies share a number.

    Rows without any value equal each other only in what is not known of them, and are never copies.

    Args:
        features: Clean values, a row for each row of the table.

    Returns:
        Numbers from 0 without gaps, UInt32; None where no row is a copy.
    """
    empty = features.select(pl.all_horizontal(pl.all().is_null())).to_series()
    # 64 bits: among 5 million rows two unequal ones share a hash in one table of a million
    hashes = features.hash_rows(seed=1).set(empty, None)
    filled = len(hashes) - hashes.null_count()
    distinct = hashes.drop_nulls().n_unique()
    if distinct in {0, filled} or filled > MOST_ROWS_A_COMBINATION * distinct:
        return None
    numbers = hashes.rank("dense").cast(pl.UInt32) - 1
    return numbers.zip_with(~empty, empty.cast(pl.UInt32).cum_sum() + (distinct - 1))
