"""Findings in the browser: what stops, what may be ignored, what is only told."""

from __future__ import annotations

import json

import plotly.utils
import pytest
from browser.fake_data import COPIES, FOLDER, LEAK, finding

from ui import findings

FINAL = finding("one-class", "error", "Every row has the class 'a'.")


def text(node):
    return json.dumps(node, cls=plotly.utils.PlotlyJSONEncoder, ensure_ascii=False)


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        ([LEAK, COPIES], "target-leak"),
        (
            [LEAK, finding("too-few-rows", "error", "Only 9 rows.", overridable=True)],
            "target-leak,too-few-rows",
        ),
        (
            [LEAK, finding("too-few-rows", "error", "9 rows.", overridable=True) | {"ignored": True}],
            "target-leak,too-few-rows",
        ),
        ([LEAK, FINAL], None),
        ([FINAL], None),
    ],
)
def test_training_anyway_is_offered_where_every_error_can_be_overridden(found, codes):
    for show in (findings.refused, findings.checked):
        shown = text(show(found, {}))
        assert ("Train anyway" in shown) is (codes is not None)
        assert codes is None or f'"codes": "{codes}"' in shown


@pytest.mark.parametrize(("ticked", "offered"), [({"legs": 2}, True), ({"colour": 3}, False)])
def test_leaving_a_column_out_is_offered_where_it_is_used(ticked, offered):
    shown = text(findings.checked([LEAK | {"columns": ["legs"]}], ticked))
    assert ('"data-leave-out": "2"' in shown) is offered


def test_no_finding_offers_more_than_some_columns():
    many = {f"c{i}": i for i in range(50)}
    shown = text(findings.checked([COPIES | {"columns": list(many)}], many))
    assert shown.count("data-leave-out") == findings.OFFERED


def test_a_refusal_shows_warnings_and_notes_too():
    shown = text(findings.refused([LEAK, COPIES, FOLDER], {}))
    for words in (
        "The job was not started",
        "gives the target away",
        "Worth a look",
        "Good to know",
        "names the class",
    ):
        assert words in shown


def test_a_check_without_errors_says_so():
    assert "Nothing stops this training" in text(findings.checked([COPIES], {}))
    assert "The checks found nothing to tell." in text(findings.checked([], {}))
    assert "This stops the training" in text(findings.checked([LEAK], {}))


def test_a_job_shows_what_it_was_started_with():
    assert findings.kept([]) is None
    shown = text(findings.kept([LEAK | {"ignored": True}, COPIES]))
    assert "Started in spite of this" in shown
    assert "Worth a look" in shown
    assert "Started in spite of this" not in text(findings.kept([COPIES]))
