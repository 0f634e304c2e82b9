"""report.json: golden documents of every version are understood for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts import report

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"


def example(version):
    return json.loads((EXAMPLES / f"report.{version}.json").read_text(encoding="utf-8"))


def test_the_golden_report_is_read_and_written_as_it_is():
    assert report.parse(example(2)).model_dump(mode="json") == example(2)


def test_the_golden_report_has_something_of_everything():
    golden = report.parse(example(2))
    assert golden.calibration.applied
    assert golden.calibration.after.bins
    assert len(golden.contributions.modalities) > 1
    assert len(golden.baselines) > 1
    assert golden.mistakes.shown[0].images
    assert golden.data.images.files


def test_a_report_of_version_1_is_read_with_its_new_parts_empty():
    old = report.parse(example(1))
    assert old.metrics == example(1)["metrics"]
    assert (old.calibration, old.contributions, old.mistakes, old.baselines, old.data) == (
        None,
        None,
        None,
        [],
        None,
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 3}, "version"),
        ({"version": None}, "version"),
        ({"surprise": 1}, "surprise"),
        ({"labels": "a"}, "labels"),
    ],
)
def test_what_is_no_report_of_these_versions_is_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        report.parse({**example(2), **change})
