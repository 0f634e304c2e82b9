"""All columns of a table as one matrix for a linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]  # its stubs are a package of their own

from trainer.columns import Column
from trainer.features.descriptors import PARTS as DESCRIPTOR_PARTS
from trainer.features.saved import below, prefixed
from trainer.features.tabular import TabularFeatures
from trainer.features.text import TextFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.features.descriptors import ImageDescriptors
    from trainer.features.tabular import Real

MAX_LEVELS = 1000  # of a column; the others share one feature
CLIP = 3.0  # scaled numbers bend towards this
EDGE = 1e9  # and are cut here before, so that nothing overflows


class Scale(NamedTuple):
    """How a real feature is centred and scaled, and whether training rows lacked it."""

    center: float
    spread: float
    missing: bool


class LinearFeatures:
    """Turns rows into a matrix in which every block of features has about the same length.

    Texts as TF-IDF, levels one-hot with the rare ones pooled, numbers scaled by their quartiles, moments as a day and as
    points on circles, images as centred descriptors, vectors centred; and an indicator for whatever training rows lacked.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        tabular: TabularFeatures,
        scales: Mapping[str, Scale],
        texts: Mapping[str, TextFeatures],
        images: Mapping[str, NDArray[np.float32]],
        vectors: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self._columns = list(columns)
        self._tabular = tabular
        self._scales = dict(scales)
        self._texts = dict(texts)
        # for each column, center and scale of its descriptors, shape (2, 688), or its vectors, shape (2, f)
        self._images = dict(images)
        self._vectors = dict(vectors)

    @classmethod
    def fit(
        cls, frame: pl.DataFrame, columns: Sequence[Column], images: ImageDescriptors, max_text_features: int
    ) -> Self:
        """Learn scales, levels and vocabularies.

        Args:
            frame: The training rows, typed by ``trainer.cleaning.clean``; no other row may be seen here.
            columns: The features.
            images: Descriptors of the images that image columns name.
            max_text_features: Most n-grams kept of each text column.
        """
        tabular = TabularFeatures.fit(frame, [c for c in columns if c.modality == "tabular"], MAX_LEVELS)
        scales = {name: _fit_scale(real) for name, real in tabular.reals(frame).items()}
        texts = {
            c.name: TextFeatures.fit(frame[c.name], max_text_features)
            for c in columns
            if c.modality == "text"
        }
        centers = {
            c.name: _fit_center(images.of(frame[c.name]), DESCRIPTOR_PARTS)
            for c in columns
            if c.modality == "image"
        }
        vectors = {
            c.name: _fit_center(frame[c.name].to_numpy(), (slice(None),))
            for c in columns
            if c.modality == "vector"
        }
        return cls(columns, tabular, scales, texts, centers, vectors)

    def transform(self, frame: pl.DataFrame, images: ImageDescriptors) -> Any:
        """Give a matrix of float64, shape (rows, features): CSR where there are texts, dense where there are none."""
        blocks: list[NDArray[Any]] = [
            np.zeros((len(frame), 1))
        ]  # a matrix without any feature cannot be learnt from
        for name, real in self._tabular.reals(frame).items():
            blocks += _scaled(real, self._scales[name])
        for name, codes in self._tabular.codes(frame).items():
            # one more level for all others; a missing value is in none
            blocks.append(codes[:, None] == np.arange(len(self._tabular.levels[name].names) + 1))
            blocks.append((codes < 0)[:, None])
        for name, fitted in self._images.items():
            blocks += _centred(images.of(frame[name]), fitted)
        for name, fitted in self._vectors.items():
            blocks += _centred(frame[name].to_numpy(), fitted)
        blocks += [frame[name].is_null().to_numpy()[:, None] for name in self._texts]
        dense = np.concatenate(blocks, axis=1, dtype=np.float64)
        if not self._texts:
            return dense
        texts = [fitted.matrix(frame[name]) for name, fitted in self._texts.items()]
        return sparse.hstack([sparse.csr_matrix(dense), *texts], format="csr", dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Give the part of what was fitted that is no array."""
        return {
            "columns": [column.model_dump(mode="json") for column in self._columns],
            "levels": self._tabular.to_json(),
            "scales": {name: scale._asdict() for name, scale in self._scales.items()},
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays of what was fitted."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, text in enumerate(self._texts.values()):
            arrays |= prefixed(f"text/{number}", text.arrays())
        for part, columns in (("image", self._images), ("vector", self._vectors)):
            arrays |= {f"{part}/{number}": fitted for number, fitted in enumerate(columns.values())}
        return arrays

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make it again from what ``to_json`` and ``arrays`` gave."""
        columns = [Column.model_validate(column) for column in saved["columns"]]
        names = {m: [c.name for c in columns if c.modality == m] for m in ("image", "text", "vector")}
        return cls(
            columns,
            TabularFeatures.from_json([c for c in columns if c.modality == "tabular"], saved["levels"]),
            {name: Scale(**scale) for name, scale in saved["scales"].items()},
            {name: TextFeatures(below(f"text/{n}", arrays)) for n, name in enumerate(names["text"])},
            {name: arrays[f"image/{n}"] for n, name in enumerate(names["image"])},
            {name: arrays[f"vector/{n}"] for n, name in enumerate(names["vector"])},
        )


def _fit_scale(real: Real) -> Scale:
    known = real.values[~np.isnan(real.values)]
    if real.period or not len(known):
        return Scale(0.0, 1.0, len(known) < len(real.values))
    low, center, high = np.quantile(known, [0.25, 0.5, 0.75])
    # robust scaling (RealMLP: Holzmüller et al. 2024); the range where the middle half is one value
    spread = (high - low) / 1.349 or float(known.max() - known.min()) / 2 or 1.0
    return Scale(float(center), float(spread), len(known) < len(real.values))


def _scaled(real: Real, scale: Scale) -> list[NDArray[Any]]:
    gone = np.isnan(real.values)
    if real.period:
        angle = 2 * np.pi * real.values / real.period
        features = [np.sin(angle), np.cos(angle)]
    else:
        with np.errstate(over="ignore"):
            scaled = np.clip((real.values - scale.center) / scale.spread, -EDGE, EDGE)
        features = [scaled / np.hypot(1, scaled / CLIP)]
    return [np.where(gone, 0.0, feature)[:, None] for feature in features] + [gone[:, None]] * scale.missing


def _centred(rows: NDArray[np.float32], fitted: NDArray[np.float32]) -> list[NDArray[Any]]:
    gone = np.isnan(rows[:, :1])
    return [np.where(gone, 0.0, (rows - fitted[0]) * fitted[1]), gone]


def _fit_center(descriptors: NDArray[np.float32], parts: Sequence[slice]) -> NDArray[np.float32]:
    """Give center and scale of each number: scales are such that every part of a row has length 1 on average."""
    known = descriptors[~np.isnan(descriptors[:, 0])]
    center, scale = np.zeros(descriptors.shape[1]), np.ones(descriptors.shape[1])
    if len(known):
        center = known.mean(axis=0, dtype=np.float64)
        for part in parts:
            length = np.sqrt(((known[:, part] - center[part]) ** 2).sum(axis=1).mean())
            scale[part] = 1 / max(length, 1e-3)
    return np.stack([center, scale]).astype(np.float32)
