"""What the reference fits: each kind learns from train rows and chooses its settings by val rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from benchmarks.accuracy.features import Dense, Wide
from benchmarks.accuracy.measures import measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.accuracy.sheet import Reader, Sheet

    Rows = tuple[Any, NDArray[np.int64]]  # features, classes
    Sheets = tuple[Sheet, NDArray[np.int64]]

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
MOST_STEPS = 200  # of the solver; at a weak penalty more of them change no prediction worth the wait
MOST_ROTATED_ROWS = 2_000  # finding the basis costs their cube
IMAGE_WEIGHTS = (0.5, 1.0, 2.0)
SVM_PENALTIES = (1.0, 10.0, 100.0)
SVM_WIDTHS = (0.5, 1.0, 2.0)  # gamma, in units of one over the variance of a row
FEW_ROWS = 10_000  # below, one thread spends far less than two that wait for each other (12 s against 0.4 s was seen)
MOST_SVM_ROWS = 8_000  # time and memory grow with their square, so it learns from so many at random
MOST_TREES = 1_000
PATIENCE = 25
TREES = (
    {"learning_rate": 0.1, "max_leaf_nodes": 31, "min_samples_leaf": 20},
    {"learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 5},
    {"learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 10, "max_features": 0.3},
)
LIGHTGBM = (
    {"learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 20},
    {"learning_rate": 0.1, "num_leaves": 8, "min_child_samples": 5, "colsample_bytree": 0.5},
    {"learning_rate": 0.05, "num_leaves": 15, "min_child_samples": 10, "colsample_bytree": 0.3},
)


class Linear:
    """Logistic regression; C, and how much images weigh, are chosen on val rows.

    Where there are fewer rows than features, it is fitted on the rows' coordinates in the space that they span: the penalty
    does not see the rotation, so the solution is the same (Hastie and Tibshirani 2004), in a fraction of the time.
    """

    def fit(self, reader: Reader, train: Sheets, val: Sheets) -> dict[str, Any]:
        """Fit, and give what was chosen."""
        self._wide = Wide(reader, train[0].table).fit(train[0])
        best = _Best()
        for weight in image_weights(train[0]):
            features, val_features = (self._wide.transform(sheet, weight) for sheet in (train[0], val[0]))
            basis = _basis(features)
            features, val_features = features @ basis, val_features @ basis
            for penalty in PENALTIES:
                model = LogisticRegression(C=penalty, max_iter=MOST_STEPS).fit(features, train[1])
                chosen = {"C": penalty, "image_weight": weight}
                if best.offer(model, model.predict_proba(val_features), val[1], chosen):
                    self._basis = basis
        self.model, self.chosen = best.model, best.chosen
        return self.chosen

    def probabilities(self, sheet: Sheet) -> NDArray[np.float64]:
        """Give shape (n, classes)."""
        return self.model.predict_proba(
            self._wide.transform(sheet, self.chosen["image_weight"]) @ self._basis
        )


def _basis(rows: sparse.csr_matrix) -> Any:
    """Give an orthonormal basis of the rows' span, shape (features, rank); nothing is turned where that would not pay."""
    if rows.shape[0] > min(MOST_ROTATED_ROWS, rows.shape[1]):
        return sparse.eye(rows.shape[1], format="csr")
    values, vectors = np.linalg.eigh((rows @ rows.T).toarray())
    there = values > values[-1] * 1e-10
    return rows.T @ (vectors[:, there] / np.sqrt(values[there]))


class Svm:
    """Support vector machine with a Gaussian kernel over the features of ``Linear``.

    Its decision values become probabilities by a softmax whose one temperature is fitted on val rows (Guo et al. 2017), so
    that its predictions stay its own.
    """

    def fit(self, reader: Reader, train: Sheets, val: Sheets) -> dict[str, Any]:
        """Fit, and give what was chosen."""
        self._wide = Wide(reader, train[0].table).fit(train[0])
        some = np.random.default_rng(0).permutation(len(train[1]))[:MOST_SVM_ROWS]
        best = _Best()
        for weight in image_weights(train[0]):
            features, val_features = (self._wide.transform(sheet, weight) for sheet in (train[0], val[0]))
            features = features[some]
            far, val_far = (_distances(rows, features) for rows in (features, val_features))
            for width in SVM_WIDTHS:
                gamma = 2 * width / float(far.mean())  # the mean distance is twice the variance
                kernel, val_kernel = np.exp(-gamma * far), np.exp(-gamma * val_far)
                for penalty in SVM_PENALTIES:
                    model = SVC(C=penalty, kernel="precomputed", cache_size=500).fit(kernel, train[1][some])
                    decision = _decision(model, val_kernel)
                    chosen = {"C": penalty, "gamma": gamma, "image_weight": weight}
                    chosen["sharpness"] = _sharpness(decision, val[1])
                    if best.offer(model, softmax(decision * chosen["sharpness"], axis=1), val[1], chosen):
                        self._features = features
        self.model, self.chosen = best.model, best.chosen
        return self.chosen

    def probabilities(self, sheet: Sheet) -> NDArray[np.float64]:
        """Give shape (n, classes)."""
        far = _distances(self._wide.transform(sheet, self.chosen["image_weight"]), self._features)
        decision = _decision(self.model, np.exp(-self.chosen["gamma"] * far))
        return softmax(decision * self.chosen["sharpness"], axis=1)


class Trees:
    """Histogram gradient boosting, stopped early on val rows; its setting is chosen on them too."""

    settings = TREES

    def fit(self, reader: Reader, train: Sheets, val: Sheets) -> dict[str, Any]:
        """Fit, and give what was chosen."""
        self._dense = Dense(reader, train[0].table).fit(train[0])
        features, val_features = (self._dense.transform(sheet) for sheet in (train[0], val[0]))
        best = _Best()
        for setting in self.settings:
            model = self._grow(setting, (features, train[1]), (val_features, val[1]))
            best.offer(model, model.predict_proba(val_features), val[1], dict(setting))
        self.model, self.chosen = best.model, best.chosen
        return self.chosen

    def _grow(self, setting: dict[str, float], train: Rows, val: Rows) -> Any:
        codes = list(range(self._dense.categories)) or None
        model = HistGradientBoostingClassifier(
            max_iter=MOST_TREES,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            categorical_features=codes,
            random_state=0,
            **setting,
        )
        return model.fit(*train, X_val=val[0], y_val=val[1])

    def probabilities(self, sheet: Sheet) -> NDArray[np.float64]:
        """Give shape (n, classes)."""
        return self.model.predict_proba(self._dense.transform(sheet))


class LightGbm(Trees):
    """LightGBM on the features of ``Trees``."""

    settings = LIGHTGBM

    def _grow(self, setting: dict[str, float], train: Rows, val: Rows) -> Any:
        import lightgbm  # noqa: PLC0415 - not a dependency of the project

        model = lightgbm.LGBMClassifier(
            n_estimators=MOST_TREES,
            random_state=0,
            verbose=-1,
            n_jobs=1 if len(train[1]) < FEW_ROWS else None,
            **setting,
        )
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        codes = list(range(self._dense.categories)) or "auto"
        return model.fit(*train, eval_set=[val], callbacks=[stop], categorical_feature=codes)


class _Best:
    """Keeps the model that is most often right on val rows; of equals, the one of the lowest log loss."""

    def __init__(self) -> None:
        self._score = (-1.0, 0.0)
        self.model: Any = None
        self.chosen: dict[str, Any] = {}

    def offer(
        self, model: Any, probabilities: NDArray[np.float64], truth: NDArray[np.int64], chosen: dict[str, Any]
    ) -> bool:
        measured = measure(truth, probabilities)
        score = (measured["accuracy"], -measured["log_loss"])
        better = score > self._score
        if better:
            self._score, self.model, self.chosen = score, model, chosen
        return better


def image_weights(sheet: Sheet) -> tuple[float, ...]:
    """Give the weights to try: one will do where there is nothing to weigh against."""
    return IMAGE_WEIGHTS if sheet.images and sheet.table.shape[1] else (1.0,)


def _distances(rows: sparse.csr_matrix, others: sparse.csr_matrix) -> NDArray[np.float64]:
    """Give the squared distance of each row to each other, shape (n, m)."""
    lengths = [np.asarray(one.multiply(one).sum(axis=1)).ravel() for one in (rows, others)]
    return np.maximum(lengths[0][:, None] + lengths[1] - 2 * (rows @ others.T).toarray(), 0)


def _decision(model: SVC, features: Any) -> NDArray[np.float64]:
    decision = model.decision_function(features)
    return decision if decision.ndim == 2 else np.stack([-decision, decision], axis=1)


def _sharpness(decision: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    def loss(exponent: float) -> float:
        return measure(truth, softmax(decision * np.exp(exponent), axis=1))["log_loss"]

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 5), method="bounded").x))


KINDS = {"linear": Linear, "svm": Svm, "trees": Trees, "lightgbm": LightGbm}
