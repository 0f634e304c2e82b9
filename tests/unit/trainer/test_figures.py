from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.figures import brier, expected_calibration_error, log_loss, probability_figures, reliability

P = np.array([[0.9, 0.1], [0.55, 0.45], [0.25, 0.75], [0.5, 0.5]], np.float32)
TRUTH = np.array([0, 1, 1, 0])


def test_log_loss_is_the_mean_of_minus_ln_of_the_true_classs_probability():
    by_hand = -(math.log(0.9) + math.log(0.45) + math.log(0.75) + math.log(0.5)) / 4
    assert log_loss(P, TRUTH) == pytest.approx(by_hand, rel=1e-6)


def test_a_certain_mistake_costs_a_bounded_log_loss():
    certain = np.array([[1.0, 0.0]], np.float32)
    assert log_loss(certain, np.array([1])) == pytest.approx(-math.log(1e-12))


def test_brier_is_the_mean_squared_distance_to_the_truth():
    by_hand = (2 * 0.1**2 + 2 * 0.55**2 + 2 * 0.25**2 + 2 * 0.5**2) / 4
    assert brier(P, TRUTH) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(("truth", "expected"), [(0, 0.0), (1, 2.0)])
def test_brier_of_certainty_is_0_where_right_and_2_where_wrong(truth, expected):
    assert brier(np.array([[1.0, 0.0]], np.float32), np.array([truth])) == expected


def test_reliability_bins_and_their_error_by_hand():
    bins = reliability(P, TRUTH)
    # 15 bins: 0.5 lies in (7/15, 8/15], 0.55 in (8/15, 9/15], 0.75 in (11/15, 12/15], 0.9 in (13/15, 14/15]
    assert [(round(b.low * 15), b.rows, round(b.confidence, 3), b.accuracy) for b in bins] == [
        (7, 1, 0.5, 1.0),
        (8, 1, 0.55, 0.0),
        (11, 1, 0.75, 1.0),
        (13, 1, 0.9, 1.0),
    ]
    assert expected_calibration_error(bins) == pytest.approx((0.5 + 0.55 + 0.25 + 0.1) / 4, rel=1e-6)


def test_rows_of_one_bin_are_averaged_before_they_are_compared():
    half_right = np.full((10, 2), [0.8, 0.2], np.float32)
    truth = np.array([0] * 8 + [1] * 2)
    figures = probability_figures(half_right, truth)
    assert figures.ece == pytest.approx(0, abs=1e-6)
    assert [b.rows for b in figures.bins] == [10]


def test_certainty_lies_in_the_last_bin():
    (only,) = reliability(np.array([[1.0, 0.0]], np.float32), np.array([0]))
    assert (only.high, only.confidence) == (1.0, 1.0)
