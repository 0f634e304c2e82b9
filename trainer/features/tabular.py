"""Numbers, moments, categories and truth values of a typed table: reals with NaN, and codes of levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import polars as pl

from contracts.schema import ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.columns import Column

MIN_LEVEL_ROWS = 2  # levels of fewer training rows are pooled
MISSING = -1
PARTS = {"month": 12, "weekday": 7, "hour": 24}  # of a moment, with their periods
MILLISECONDS_A_DAY = 86_400_000
LARGEST = 1e100  # so that differences and squares stay finite


class Real(NamedTuple):
    """A real-valued feature: float64 with NaN where missing; ``period`` where it runs in a circle."""

    values: NDArray[np.float64]
    period: int | None = None


class Levels(NamedTuple):
    """What a column's codes mean: 0, 1, … are the names, the number behind them is every other level."""

    names: list[str]
    pooled: bool  # whether training rows had other levels

    def encode(self, values: pl.Series) -> NDArray[np.int64]:
        """Give the code of each value, -1 where it is missing."""
        numbers = {name: number for number, name in enumerate(self.names)}
        other = len(self.names)
        return np.array([MISSING if v is None else numbers.get(v, other) for v in values], np.int64)


class TabularFeatures:
    """Reads the tabular columns; which levels there are was learnt from the training rows."""

    def __init__(self, columns: Sequence[Column], levels: dict[str, Levels]) -> None:
        self._columns = list(columns)
        self.levels = levels

    @classmethod
    def fit(cls, frame: pl.DataFrame, columns: Sequence[Column], max_levels: int) -> Self:
        """Learn the levels.

        Args:
            frame: Training rows, as ``trainer.cleaning.clean`` types them.
            columns: The tabular ones.
            max_levels: Most levels of a column that are told apart; the most frequent ones.
        """
        levels = {}
        for column in columns:
            if column.type in {ColumnType.CATEGORICAL, ColumnType.BOOLEAN}:
                counts = frame[column.name].drop_nulls().rename("level").value_counts(name="rows")
                frequent = counts.filter(pl.col("rows") >= MIN_LEVEL_ROWS).sort(
                    "rows", "level", descending=[True, False]
                )
                names = frequent["level"].head(max_levels).sort().to_list()
                levels[column.name] = Levels(names, len(names) < len(counts))
        return cls(columns, levels)

    def codes(self, frame: pl.DataFrame) -> dict[str, NDArray[np.int64]]:
        """Give the codes of every column that has levels; see ``Levels``."""
        return {name: levels.encode(frame[name]) for name, levels in self.levels.items()}

    def reals(self, frame: pl.DataFrame) -> dict[str, Real]:
        """Give every real-valued feature: numbers as they are, of a moment its day and where it is in year, week and day."""
        reals = {}
        for column in self._columns:
            values = frame[column.name]
            if column.type is ColumnType.NUMERIC:
                reals[column.name] = Real(to_reals(values))
            elif column.type is ColumnType.DATETIME:
                reals[f"{column.name}/days"] = Real(to_reals(values.dt.epoch("ms")) / MILLISECONDS_A_DAY)
                for part, period in PARTS.items():
                    reals[f"{column.name}/{part}"] = Real(to_reals(getattr(values.dt, part)()), period)
        return reals

    def to_json(self) -> dict[str, Any]:
        """Give what ``from_json`` takes."""
        return {name: {"names": names, "pooled": pooled} for name, (names, pooled) in self.levels.items()}

    @classmethod
    def from_json(cls, columns: Sequence[Column], saved: dict[str, Any]) -> Self:
        """Make it again for the same columns."""
        return cls(columns, {name: Levels(**levels) for name, levels in saved.items()})


def to_reals(values: pl.Series) -> NDArray[np.float64]:
    """Give numbers as float64, shape (rows,): NaN where missing, and none beyond 1e100, far from all that is measured."""
    reals = values.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    return np.where(np.isfinite(reals), np.clip(reals, -LARGEST, LARGEST), np.nan)
