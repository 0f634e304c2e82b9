from __future__ import annotations

import numpy as np
import pytest

from trainer.reporter import SilentReporter
from trainer.tracking import Tracker

TRUTH = np.array([0, 0, 1, 1])
SURE, UNSURE = 0.9, 0.51


def answers(*right, by=SURE):
    """Probabilities of two classes: for each row, whether the true one gets the larger share."""
    shares = np.where(right, by, 1 - by)
    return np.where(TRUTH[:, None] == [0, 1], shares[:, None], 1 - shares[:, None])


def tracked(*passes):
    tracker = Tracker(["no", "yes"], SilentReporter())
    told = [
        tracker.epoch(number, seconds=1, learning_rate=0.1, train=(val, TRUTH), val=(val, TRUTH))
        for number, val in enumerate(passes, start=1)
    ]
    return tracker, told


def test_the_best_epoch_is_the_one_of_the_least_loss_even_where_another_is_more_accurate():
    worse, unsure, good = answers(1, 1, 0, 0), answers(1, 1, 1, 0, by=UNSURE), answers(1, 1, 1, 0)
    tracker, told = tracked(worse, good, unsure, worse, good)
    assert told == [True, True, False, False, False]
    assert tracker.best_epoch == 2
    assert tracked(answers(1, 1, 1, 0, by=0.999), unsure)[0].best_epoch == 2


def test_a_gain_is_in_accuracy_or_loss():
    best, less_sure, wrong = answers(1, 1, 1, 1), answers(1, 1, 1, 1, by=UNSURE), answers(0, 0, 0, 0)
    assert tracked(less_sure, best, less_sure, wrong)[0].last_gain == 2
    assert tracked(wrong, wrong, wrong)[0].last_gain == 1


def test_the_report_is_of_the_best_epoch():
    tracker, _ = tracked(answers(1, 0, 0, 0), answers(1, 1, 1, 0), answers(0, 0, 0, 0))
    report = tracker.report(device="cpu", parameters=7, notes=["a note"])
    assert (report.best_epoch, report.metrics["accuracy"]) == (2, 0.75)
    assert report.confusion_matrix == [[2, 0], [1, 1]]
    assert [record.val_accuracy for record in report.history] == [0.25, 0.75, 0]
    assert report.notes == ["a note"]


def test_there_is_no_report_without_an_epoch():
    with pytest.raises(ValueError, match="no epoch was tracked"):
        Tracker(["a", "b"], SilentReporter()).report(device="cpu", parameters=0, notes=[])
