"""All columns of a table as one dense matrix for decision trees, which take numbers of any scale and missing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from trainer.columns import Column
from trainer.features.projection import Projection
from trainer.features.saved import below, prefixed
from trainer.features.tabular import TabularFeatures
from trainer.features.text import TextFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.features.descriptors import ImageDescriptors

MAX_LEVELS = 254  # and one for the others: as many as a histogram of scikit-learn's trees has bins


class TreeFeatures:
    """Turns rows into numbers with NaN for missing: codes of levels first, then all that has an order.

    Texts as the singular vectors of their TF-IDF and their length, images as the principal components of their descriptors,
    vectors as theirs, moments as day, month, weekday and hour. Features that were the same in all training rows are left out.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        tabular: TabularFeatures,
        texts: Mapping[str, tuple[TextFeatures, Projection]],
        images: Mapping[str, Projection],
        vectors: Mapping[str, Projection],
        varying: Sequence[int] | None = None,
    ) -> None:
        self._columns = list(columns)
        self._tabular = tabular
        self._texts = dict(texts)
        self._images = dict(images)
        self._vectors = dict(vectors)
        self._varying = varying  # positions of the features kept; None: all

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        columns: Sequence[Column],
        images: ImageDescriptors,
        *,
        text_components: int,
        image_components: int,
        max_text_features: int,
        seed: int,
    ) -> Self:
        """Learn levels, vocabularies and projections.

        Args:
            frame: The training rows, typed by ``trainer.cleaning.clean``; no other row may be seen here.
            columns: The features.
            images: Descriptors of the images that image columns name.
            text_components: Most numbers each text column becomes.
            image_components: Most numbers each image column becomes.
            max_text_features: Most n-grams counted in each text column.
            seed: Of the randomised decompositions.
        """
        texts, projections, vectors = {}, {}, {}
        for column in columns:
            if column.modality == "text":
                text = TextFeatures.fit(frame[column.name], max_text_features)
                rows = text.matrix(frame[column.name])
                texts[column.name] = (text, Projection.fit_sparse(rows, text_components, seed))
            elif column.modality == "image":
                descriptors = images.of(frame[column.name])
                projections[column.name] = Projection.fit_dense(descriptors, image_components, seed)
            elif column.modality == "vector":
                rows = frame[column.name].to_numpy()
                vectors[column.name] = Projection.fit_dense(rows, text_components, seed)
        tabular = TabularFeatures.fit(frame, [c for c in columns if c.modality == "tabular"], MAX_LEVELS)
        matrix = cls(columns, tabular, texts, projections, vectors).transform(frame, images)
        varying = [
            n for n, values in enumerate(matrix.T) if len(np.unique(values)) > 1
        ]  # NaN counts as one value
        # one feature must be left to grow trees on, though none can be grown on a constant
        return cls(columns, tabular, texts, projections, vectors, varying or [matrix.shape[1] - 1])

    @property
    def categorical(self) -> list[bool]:
        """Whether each feature is a code without an order."""
        levels = len(self._tabular.levels)
        return [n < levels for n in self._varying or []]

    def transform(self, frame: pl.DataFrame, images: ImageDescriptors) -> NDArray[np.float64]:
        """Give the matrix, shape (rows, features)."""
        blocks = []
        for name, codes in self._tabular.codes(frame).items():
            levels = self._tabular.levels[name]
            known = (codes >= 0) & (levels.pooled | (codes < len(levels.names)))
            blocks.append(np.where(known, codes, np.nan)[:, None])
        blocks += [real.values[:, None] for real in self._tabular.reals(frame).values()]
        for name, (text, projection) in self._texts.items():
            length = frame[name].str.len_chars().cast(pl.Float64).fill_null(float("nan"))
            blocks += [projection(text.matrix(frame[name])), length.to_numpy()[:, None]]
        blocks += [projection(images.of(frame[name])) for name, projection in self._images.items()]
        blocks += [projection(frame[name].to_numpy()) for name, projection in self._vectors.items()]
        blocks.append(np.zeros((len(frame), 1)))
        matrix = np.concatenate(blocks, axis=1)
        return matrix if self._varying is None else matrix[:, self._varying]

    def to_json(self) -> dict[str, Any]:
        """Give the part of what was fitted that is no array."""
        return {
            "columns": [column.model_dump(mode="json") for column in self._columns],
            "levels": self._tabular.to_json(),
            "varying": self._varying,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays of what was fitted."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, (text, projection) in enumerate(self._texts.values()):
            arrays |= prefixed(f"text/{number}", text.arrays() | projection.arrays())
        for part, columns in (("image", self._images), ("vector", self._vectors)):
            for number, projection in enumerate(columns.values()):
                arrays |= prefixed(f"{part}/{number}", projection.arrays())
        return arrays

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make it again from what ``to_json`` and ``arrays`` gave."""
        columns = [Column.model_validate(column) for column in saved["columns"]]
        names = {m: [c.name for c in columns if c.modality == m] for m in ("image", "text", "vector")}
        texts = {}
        for number, name in enumerate(names["text"]):
            own = below(f"text/{number}", arrays)
            texts[name] = (TextFeatures(own), Projection(own))
        images, vectors = (
            {name: Projection(below(f"{part}/{n}", arrays)) for n, name in enumerate(names[part])}
            for part in ("image", "vector")
        )
        tabular = TabularFeatures.from_json([c for c in columns if c.modality == "tabular"], saved["levels"])
        return cls(columns, tabular, texts, images, vectors, saved["varying"])
