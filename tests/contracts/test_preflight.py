"""What the checks before a training found: what was released once is read for ever, and what is unknown is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.preflight import Code, Preflight, PreflightFinding, Severity

EXAMPLE = json.loads((Path(__file__).parents[2] / "contracts" / "examples" / "preflight.json").read_text())


def test_the_golden_answer_decodes_and_encodes_to_itself():
    assert Preflight.model_validate(EXAMPLE).model_dump(mode="json") == EXAMPLE


@pytest.mark.parametrize(
    "change",
    [{"code": "unheard-of"}, {"severity": "fatal"}, {"rows": list(range(6))}, {"surprise": 1}],
    ids=str,
)
def test_a_finding_that_is_none_is_refused(change):
    with pytest.raises(ValidationError):
        PreflightFinding.model_validate(EXAMPLE["findings"][0] | change)


@pytest.mark.parametrize(
    ("severity", "ignored", "stops"),
    [
        (Severity.ERROR, False, True),
        (Severity.ERROR, True, False),
        (Severity.WARNING, False, False),
        (Severity.INFO, False, False),
    ],
)
def test_an_error_stops_unless_it_is_ignored(severity, ignored, stops):
    finding = PreflightFinding(code=Code.TARGET_LEAK, severity=severity, message="m", ignored=ignored)
    assert (Preflight(rows=1, findings=[finding]).stopping != []) is stops
