"""Features of the reference, as one glues them together in scikit-learn: wide and sparse for the linear model, dense for trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from benchmarks.accuracy.sheet import Reader, Sheet

TEXT_COMPONENTS = 64
IMAGE_COMPONENTS = 256
TREE_COMPONENTS = 96  # of an image, for trees: each more costs them time
MOST_NGRAMS = 200_000
MANY_ROWS = 1_000  # from here on, n-grams of one row alone are left out
MANY_VALUES = 30  # a category with more is read by its letters too: cabins, tickets, author lists
IMAGE_PARTS = {"gradients": 1.0, "pixels": 0.3, "colours": 0.3}  # and their weights
MOST_LEVELS = 250  # HistGradientBoosting takes 255


class Wide:
    """Sparse features of the linear model. Every block of one kind has rows of length about one, so that one penalty suits all."""

    def __init__(self, reader: Reader, table: pd.DataFrame) -> None:
        number = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            FeatureUnion(
                [
                    (
                        "ranks",
                        QuantileTransformer(n_quantiles=min(1_000, len(table)), output_distribution="normal"),
                    ),
                    ("values", StandardScaler()),
                ]
            ),
        )
        onehot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2)
        self._table = ColumnTransformer(
            [
                *([("numbers", number, reader.numeric)] if reader.numeric else []),
                *([("categories", onehot, reader.category)] if reader.category else []),
                *[(f"text {name}", ngrams(len(table)), name) for name in spelled(reader, table)],
            ],
            sparse_threshold=1.0,
            transformer_weights={"numbers": (2 * len(reader.numeric)) ** -0.5} if reader.numeric else None,
        )
        self._images: dict[str, ImageBlock] = {}

    def fit(self, sheet: Sheet) -> Wide:
        """Fit on the training rows."""
        if sheet.table.shape[1]:
            self._table.fit(sheet.table)
        self._images = {name: ImageBlock(kinds) for name, kinds in sheet.images.items()}
        return self

    def transform(self, sheet: Sheet, image_weight: float) -> sparse.csr_matrix:
        """Give shape (n, features); image blocks are multiplied by their weight."""
        blocks = [sparse.csr_matrix(self._table.transform(sheet.table))] if sheet.table.shape[1] else []
        blocks += [
            sparse.csr_matrix(block.transform(sheet.images[name]) * image_weight)
            for name, block in self._images.items()
        ]
        return sparse.hstack(blocks, format="csr")


class Dense:
    """Dense features of the trees: numbers as they are, categories as codes, components of texts and images."""

    def __init__(self, reader: Reader, table: pd.DataFrame) -> None:
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            min_frequency=2,
            max_categories=MOST_LEVELS,
        )
        texts = [
            (f"text {name}", Pipeline([("ngrams", ngrams(len(table))), ("components", Components())]), name)
            for name in spelled(reader, table)
        ]
        self.categories = len(reader.category)
        self._table = ColumnTransformer(
            [
                *([("categories", codes, reader.category)] if reader.category else []),
                *([("numbers", "passthrough", reader.numeric)] if reader.numeric else []),
                *texts,
            ],
            sparse_threshold=0.0,
        )
        self._images: dict[str, ImageBlock] = {}

    def fit(self, sheet: Sheet) -> Dense:
        """Fit on the training rows."""
        if sheet.table.shape[1]:
            self._table.fit(sheet.table)
        self._images = {name: ImageBlock(kinds) for name, kinds in sheet.images.items()}
        return self

    def transform(self, sheet: Sheet) -> NDArray[np.float32]:
        """Give shape (n, features); the first ``categories`` of them are codes."""
        blocks = [self._table.transform(sheet.table)] if sheet.table.shape[1] else []
        blocks += [
            block.transform(sheet.images[name])[:, :TREE_COMPONENTS] for name, block in self._images.items()
        ]
        return np.hstack(blocks).astype(np.float32)


class Components(TruncatedSVD):
    """Truncated SVD that takes fewer components where there are fewer n-grams."""

    def __init__(self, n_components: int = TEXT_COMPONENTS, random_state: int = 0) -> None:
        super().__init__(n_components=n_components, random_state=random_state)

    def fit_transform(self, X: sparse.csr_matrix, y: None = None) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Fit and reduce."""
        self.n_components = min(self.n_components, *X.shape)
        return super().fit_transform(X, y)

    def fit(self, X: sparse.csr_matrix, y: None = None) -> Components:  # noqa: N803 - as above
        """Fit."""
        self.fit_transform(X, y)
        return self


class ImageBlock:
    """Principal components of one image column's features, its rows of length about one; zeros for a missing image."""

    def __init__(self, kinds: Mapping[str, NDArray[np.float32]]) -> None:
        """Fit on the training rows; ``kinds`` holds arrays of shape (n, d) by their name in ``IMAGE_PARTS``."""
        there = ~np.isnan(kinds["gradients"]).any(axis=1)
        self._scales: dict[str, tuple[NDArray[np.float32], float]] = {}
        self._components: PCA | None = None
        if there.sum() < 2:
            return
        for kind in IMAGE_PARTS:
            values = kinds[kind][there]
            centred = values - values.mean(axis=0)
            self._scales[kind] = (values.mean(axis=0), float(np.sqrt((centred**2).sum(axis=1).mean())) or 1.0)
        joined = self._joined(kinds)[there]
        self._components = PCA(n_components=min(IMAGE_COMPONENTS, *joined.shape), random_state=0).fit(joined)

    def transform(self, kinds: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Give shape (n, components), the most telling first."""
        if self._components is None:
            return np.zeros((len(kinds["gradients"]), 1), np.float32)
        joined = self._joined(kinds)
        there = ~np.isnan(joined).any(axis=1)
        found = np.zeros((len(joined), self._components.n_components_), np.float32)
        if there.any():
            found[there] = self._components.transform(joined[there])
        return found

    def _joined(self, kinds: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.hstack(
            [
                (kinds[kind] - self._scales[kind][0]) * (part / self._scales[kind][1])
                for kind, part in IMAGE_PARTS.items()
            ]
        )


def ngrams(rows: int) -> FeatureUnion:
    """TF-IDF of words and pairs of words, and of 2 to 5 characters inside words."""
    common: dict[str, Any] = {
        "sublinear_tf": True,
        "min_df": 2 if rows >= MANY_ROWS else 1,
        "max_features": MOST_NGRAMS,
        "dtype": np.float32,
    }
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", **common)  # noqa: S106 - no password
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common)
    return FeatureUnion([("words", words), ("letters", letters)])


def spelled(reader: Reader, table: pd.DataFrame) -> list[str]:
    """Name the columns read by their n-grams: texts, and categories of many values; not those that are all blank."""
    many = [name for name in reader.category if table[name].nunique() > MANY_VALUES]
    return [name for name in [*reader.text, *many] if table[name].str.contains(r"\w").sum() > 1]
