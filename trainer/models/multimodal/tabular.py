"""Numbers, categories, truth values and moments as two arrays: real features and category codes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from contracts.schema import ColumnType
from trainer.features.tabular import to_reals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.columns import Column

BINS = 8
MIN_LEVEL_ROWS = 2  # levels of fewer training rows are pooled with the unknown ones
MAX_LEVELS = 1000
MAX_ONE_HOT = 16  # columns of more levels get a learnt embedding
UNKNOWN, MISSING, FIRST_LEVEL = 0, 1, 2
CLIP = 3.0  # scaled numbers bend towards this
EDGE = 1e9  # and are cut here before, so that none is infinite
CYCLES = {"month": 12, "weekday": 7, "hour": 24}


class TabularEncoder:
    """Turns the tabular columns into arrays; scales, bins and levels come from the training rows."""

    def __init__(
        self, columns: Sequence[Column], scales: dict[str, dict[str, Any]], levels: dict[str, list[str]]
    ) -> None:
        self._columns = list(columns)
        self._scales = scales
        self._levels = levels
        self.cardinalities = [len(names) + FIRST_LEVEL for names in levels.values() if not _is_one_hot(names)]

    @classmethod
    def fit(cls, frame: pl.DataFrame, columns: Sequence[Column]) -> Self:
        """Learn from the training rows alone.

        Args:
            frame: Training rows, as ``trainer.cleaning.clean`` types them.
            columns: The tabular ones.
        """
        scales = {name: _fit_scale(values) for name, values in _reals(frame, columns).items()}
        levels = {}
        for column in columns:
            if _is_level(column):
                counts = (
                    frame[column.name]
                    .alias("level")  # a column may itself be called "rows"
                    .drop_nulls()
                    .value_counts(name="rows")
                    .filter(pl.col("rows") >= MIN_LEVEL_ROWS)
                    .sort(
                        "rows", "level", descending=[True, False]
                    )  # ties by name: the same levels every time
                )
                levels[column.name] = counts["level"].head(MAX_LEVELS).sort().to_list()
        return cls(columns, scales, levels)

    def encode(self, frame: pl.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Give the real features, one-hot levels among them, shape (rows, f), and the codes of embedded columns."""
        reals = _reals(frame, self._columns)
        features = [_scale(reals[name], scale) for name, scale in self._scales.items()]
        codes = []
        for name, names in self._levels.items():
            numbers = _codes(frame[name], names)
            if _is_one_hot(names):
                features.append(np.eye(len(names) + FIRST_LEVEL, dtype=np.float32)[numbers])
            else:
                codes.append(numbers)
        rows = len(frame)
        return (
            np.concatenate(features, axis=1) if features else np.zeros((rows, 0), np.float32),
            np.stack(codes, axis=1) if codes else np.zeros((rows, 0), np.int64),
        )

    def to_json(self) -> dict[str, Any]:
        """Give what ``from_json`` takes."""
        return {"scales": self._scales, "levels": self._levels}

    @classmethod
    def from_json(cls, columns: Sequence[Column], saved: dict[str, Any]) -> Self:
        """Make the encoder again for the same columns."""
        return cls(columns, saved["scales"], saved["levels"])


def _is_level(column: Column) -> bool:
    return column.type in {ColumnType.CATEGORICAL, ColumnType.BOOLEAN}


def _is_one_hot(levels: Sequence[str]) -> bool:
    return len(levels) <= MAX_ONE_HOT


def _reals(frame: pl.DataFrame, columns: Sequence[Column]) -> dict[str, NDArray[np.float64]]:
    """Give every real-valued feature before scaling, NaN where missing."""
    reals = {}
    for column in columns:
        values = frame[column.name]
        if column.type is ColumnType.NUMERIC:
            reals[column.name] = to_reals(values)
        elif column.type is ColumnType.DATETIME:
            reals[f"{column.name}/days"] = to_reals(values.dt.epoch("ms")) / 86_400_000
            for part, period in CYCLES.items():
                angle = 2 * np.pi * to_reals(getattr(values.dt, part)()) / period
                reals[f"{column.name}/{part}/sin"] = np.sin(angle)
                reals[f"{column.name}/{part}/cos"] = np.cos(angle)
    return reals


def _fit_scale(values: NDArray[np.float64]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {"center": 0.0, "spread": 1.0, "edges": [], "missing": True}
    low, center, high = np.quantile(known, [0.25, 0.5, 0.75])
    # robust scaling (RealMLP: Holzmüller et al. 2024); the range where the middle half is one value
    spread = (high - low) / 1.349 or float(known.max() - known.min()) / 2 or 1.0
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    return {
        "center": float(center),
        "spread": float(spread),
        "edges": edges.tolist() if len(edges) > 2 else [],  # noqa: PLR2004 - one bin says what the scaled value says
        "missing": len(known) < len(values),
    }


def _scale(values: NDArray[np.float64], scale: dict[str, Any]) -> NDArray[np.float32]:
    """Give one column's features: smoothly clipped, then piecewise linear over quantile bins (Gorishniy et al. 2022)."""
    gone = ~np.isfinite(values)
    filled = np.where(gone, scale["center"], values)
    edges = np.array(scale["edges"])
    with np.errstate(over="ignore"):  # what is too large is cut all the same
        scaled = np.clip((filled - scale["center"]) / scale["spread"], -EDGE, EDGE)
        features = [scaled / np.hypot(1, scaled / CLIP)]
        for low, high in pairwise(edges):
            features.append(np.where(gone, 0.0, np.clip((filled - low) / (high - low), 0, 1)))
    if scale["missing"]:
        features.append(gone.astype(np.float64))
    return np.stack(features, axis=1).astype(np.float32)


def _codes(values: pl.Series, levels: list[str]) -> NDArray[np.int64]:
    numbers = {level: number for number, level in enumerate(levels, start=FIRST_LEVEL)}
    return np.array([MISSING if v is None else numbers.get(v, UNKNOWN) for v in values], dtype=np.int64)
