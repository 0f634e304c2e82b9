from __future__ import annotations

import numpy as np
import pytest

from trainer.calibration import HIGHEST, LOWEST, apply_temperature, calibrate, fit_temperature


def softmax(logits):
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)


def drawn(rows, classes=4, sharpness=1.0, seed=0):
    """Labels drawn from known probabilities, and the answers of a model whose logits are ``sharpness`` times too large."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, classes))
    truth = (softmax(logits).cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    return softmax(sharpness * logits), truth


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_that_spoilt_the_probabilities_is_found_again(sharpness):
    probabilities, truth = drawn(20_000, sharpness=sharpness)
    assert fit_temperature(probabilities, truth) == pytest.approx(sharpness, rel=0.03)


def test_scaling_undoes_what_sharpened():
    spoilt, _ = drawn(50, sharpness=2.0)
    good, _ = drawn(50)
    np.testing.assert_allclose(apply_temperature(spoilt, 2.0), good, atol=1e-5)


def test_temperature_1_gives_the_very_same_numbers():
    probabilities, _ = drawn(5)
    assert apply_temperature(probabilities, 1.0) is probabilities


@pytest.mark.parametrize("temperature", [LOWEST, 0.7, 3.0, HIGHEST])
def test_no_temperature_changes_the_order_of_the_classes(temperature):
    probabilities, _ = drawn(500, classes=3)
    scaled = apply_temperature(probabilities, temperature)
    assert np.array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1, atol=1e-6)


def test_a_probability_of_0_stays_a_number():
    assert np.isfinite(apply_temperature(np.array([[1.0, 0.0]], np.float32), 5.0)).all()


def test_too_sure_a_model_is_calibrated_and_measured_on_rows_not_fitted_on():
    found = calibrate(*drawn(2000, sharpness=3.0), seed=1)
    assert found.applied
    assert (found.rows, found.folds) == (2000, 5)
    assert found.temperature == pytest.approx(3.0, rel=0.1)
    assert found.after.log_loss < found.before.log_loss
    assert found.after.ece < found.before.ece / 3
    assert sum(each.rows for each in found.after.bins) == 2000


def test_cross_fitting_flatters_less_than_fitting_and_measuring_on_the_same_rows():
    probabilities, truth = drawn(60, sharpness=2.0, seed=5)
    found = calibrate(probabilities, truth, seed=0)
    flattered = apply_temperature(probabilities, fit_temperature(probabilities, truth))
    of_truth = flattered[np.arange(60), truth]
    assert found.after.log_loss > -np.log(of_truth).mean()


def test_few_rows_are_left_alone():
    found = calibrate(*drawn(49, sharpness=3.0), seed=0)
    assert (found.temperature, found.applied, found.after) == (1, False, None)
    assert found.why == "49 validation rows are too few to fit a temperature, it takes 50"


def test_a_temperature_that_does_not_help_elsewhere_is_not_applied():
    # a model without a fault: over many draws of 60 rows, some temperature only fits the noise
    outcomes = [calibrate(*drawn(60, seed=seed), seed=0) for seed in range(20)]
    refused = [found for found in outcomes if not found.applied]
    assert refused
    assert all(found.temperature == 1 and "made the log loss worse" in found.why for found in refused)
    assert all(found.after.log_loss <= found.before.log_loss for found in outcomes if found.applied)


@pytest.mark.parametrize("rows", [60, 2000])
def test_a_model_that_is_always_right_is_not_made_certain(rows):
    probabilities, _ = drawn(rows)
    found = calibrate(probabilities, probabilities.argmax(axis=1), seed=0)
    assert LOWEST <= found.temperature < 1
    assert apply_temperature(probabilities, found.temperature).max(axis=1).mean() < 1
