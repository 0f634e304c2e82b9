from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from trainer import scores


@pytest.fixture
def labelled():
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 200)
    return truth, np.where(random.random(200) < 0.6, truth, random.integers(0, 4, 200))


def test_agrees_with_scikit_learn(labelled):
    truth, predicted = labelled
    matrix = scores.confusion_matrix(truth, predicted, 4)
    assert scores.accuracy(matrix) == pytest.approx(accuracy_score(truth, predicted))
    assert scores.macro_f1(matrix) == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert scores.weighted_f1(matrix) == pytest.approx(f1_score(truth, predicted, average="weighted"))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted)
    for number, row in enumerate(scores.per_class(matrix, list("abcd"))):
        assert (row.precision, row.recall, row.f1) == pytest.approx(
            (precision[number], recall[number], f1[number])
        )
        assert row.support == support[number]


def test_a_class_that_never_occurs_scores_zero_and_does_not_count():
    matrix = scores.confusion_matrix(np.array([0, 0, 1]), np.array([0, 0, 1]), 3)
    assert scores.macro_f1(matrix) == 1
    assert scores.per_class(matrix, list("abc"))[2].f1 == 0
