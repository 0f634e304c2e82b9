"""A forest taken out of scikit-learn's estimator answers to the bit as the estimator does."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save
from sklearn.ensemble import HistGradientBoostingClassifier

from trainer.models.trees.forest import Forest, probabilities


def rows(count, seed=0):
    """Two columns of codes, with 12 and 3 levels, and three of numbers; a tenth is missing everywhere."""
    chance = np.random.default_rng(seed)
    codes = np.stack([chance.integers(0, 12, count), chance.integers(0, 3, count)], axis=1)
    matrix = np.concatenate([codes, chance.normal(size=(count, 3))], axis=1).astype(float)
    matrix[chance.random(matrix.shape) < 0.1] = np.nan
    return matrix


def fitted(classes):
    matrix = rows(600)
    known = np.nan_to_num(matrix)
    truth = (known[:, 0] % 3 + known[:, 1] + (known[:, 2] > 0) + (known[:, 3] > 1)).astype(int)
    truth = (truth * 7 + known[:, 0].astype(int)) % classes
    booster = HistGradientBoostingClassifier(
        categorical_features=[0, 1], max_iter=12, early_stopping=False, random_state=0
    )
    return booster.fit(matrix, truth)


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_probabilities_are_the_estimators(classes):
    booster = fitted(classes)
    forest = Forest.of(booster, 0, 12)
    assert (forest.arrays()["levels"] >= 0).any()  # some splits are by level
    assert (~forest.arrays()["missing_left"] & ~forest.arrays()["leaf"]).any()
    for new in (rows(600), rows(5000, seed=1), np.full((1, 5), np.nan), rows(0)):
        assert np.array_equal(
            forest.predict(new), booster.predict_proba(new) if len(new) else np.zeros((0, classes))
        )


def test_saved_and_made_again_it_answers_the_same():
    forest = Forest.of(fitted(3), 0, 12)
    again = Forest(load(save(forest.arrays())))
    assert np.array_equal(again.predict(rows(100)), forest.predict(rows(100)))


def test_a_forest_without_splits_by_level_can_be_saved():
    numbers = HistGradientBoostingClassifier(max_iter=2).fit(rows(100)[:, 2:], rows(100)[:, 2] > 0)
    forest = Forest(load(save(Forest.of(numbers, 0, 2).arrays())))
    assert np.array_equal(forest.predict(rows(9)[:, 2:]), numbers.predict_proba(rows(9)[:, 2:]))


@pytest.mark.parametrize("classes", [2, 4])
def test_every_stage_is_the_estimators(classes):
    booster, new = fitted(classes), rows(50, seed=2)
    first, second = Forest.of(booster, 0, 5), Forest.of(booster, 5, 12)
    raw = first.begin(len(new))
    stages = [probabilities(now) for part in (first, second) for now in part.stages(new, raw)]
    assert np.array_equal(stages, list(booster.staged_predict_proba(new)))


def test_trees_that_cannot_split_answer_with_the_frequencies():
    booster = HistGradientBoostingClassifier(max_iter=3).fit(np.zeros((40, 1)), [0] * 30 + [1] * 10)
    forest = Forest.of(booster, 0, 3)
    assert forest.leaves == 3
    assert np.array_equal(forest.predict(np.ones((2, 1))), booster.predict_proba(np.ones((2, 1))))
