"""What each modality of the demo's data is worth: alone, in pairs and together.

Each modality gets a plain scikit-learn model; pairs and the whole stack their out-of-fold probabilities with a logistic
regression (Wolpert 1992). 5-fold cross-validation throughout. Run: python benchmarks/demo_signal.py
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cli import demo_data


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table, drawings = demo_data.make(Path(folder))
        rows = list(csv.DictReader(table.open(encoding="utf-8")))
        pixels = np.stack(
            [
                np.asarray(Image.open(drawings / row["drawing"]).reduce(2), dtype=np.float32).ravel()
                for row in rows
            ]
        )
    truth = np.array([row[demo_data.TARGET] for row in rows])
    categories = sorted({row["category"] for row in rows})
    tabular = np.array(
        [
            [
                *(float(row[name]) for name in ("advance", "ascent", "descent")),
                *(row["category"] == category for category in categories),
            ]
            for row in rows
        ]
    )
    text = np.array([row["letter_name"] for row in rows])
    words = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True),
        LogisticRegression(C=20, max_iter=2000),
    )
    trees = ExtraTreesClassifier(200, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    labels = np.unique(truth)
    worth: dict[str, float] = {}

    def measure(name: str, model: object, inputs: np.ndarray) -> np.ndarray:
        chances = cross_val_predict(model, inputs, truth, cv=folds, method="predict_proba")
        said = labels[chances.argmax(1)]
        worth[name] = float((said == truth).mean())
        print(f"{name:24} accuracy {worth[name]:.3f}  macro-F1 {f1_score(truth, said, average='macro'):.3f}")
        return np.log(chances + 1e-3)

    majority = max(Counter(truth.tolist()).values()) / len(truth)
    print(f"{len(rows)} rows, {len(labels)} classes; most frequent class: {majority:.3f}")
    alone = {
        "image": measure("image", trees, pixels),
        "text": measure("text", words, text),
        "tabular": measure("tabular", trees, tabular),
    }
    stack = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    for count in (2, 3):
        for names in combinations(alone, count):
            measure(" + ".join(names), stack, np.hstack([alone[name] for name in names]))
    whole = worth["image + text + tabular"]
    ok = all(majority + 0.2 < worth[name] < whole - 0.1 for name in alone)
    print("each alone is > 20 points over the majority and > 10 under the whole:", "yes" if ok else "NO")
    sys.exit(not ok)


if __name__ == "__main__":
    main()
