"""The metrics service answers as its OpenAPI document says, whatever is sent."""

from __future__ import annotations

import pytest

from support.openapi_cases import fuzz

STREAM = "/(events|changes)/$"  # they do not end


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_it_answers_as_the_document_says(app):
    answers = fuzz(app, "/api/metrics/openapi.json", {"job": ["j"]}, STREAM, examples=3, derandomize=True)
    assert max(answers) < 500
    assert {200, 401, 422} <= answers.keys()


@pytest.mark.long
def test_it_answers_as_the_document_says_in_thousands_of_cases(app):
    answers = fuzz(app, "/api/metrics/openapi.json", {"job": ["j"]}, STREAM, examples=500, derandomize=False)
    assert max(answers) < 500
    print(sorted(answers.items()))  # noqa: T201 - the summary of the run
