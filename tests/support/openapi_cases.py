"""Calls an app as its OpenAPI document allows, and as it does not, and checks each answer against the document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from support.access import HEADERS

if TYPE_CHECKING:
    from flask import Flask

Seeded = dict[str, list[object]]
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
# How bad input is refused: beside 422, by who sends it (401), by its place (404), its kind (415), its protocol (412), its state (409)
REFUSALS = ["400", "401", "404", "405", "409", "412", "413", "415", "422"]
CONFIG = SchemathesisConfig.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
)
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
)


def _name_existing(case: Any, seeded: Seeded, picks: int) -> None:
    """Put ids of what there is into a case where it has ids by the rules."""
    parts = {
        ParameterLocation.PATH: case.path_parameters,
        ParameterLocation.QUERY: case.query,
        ParameterLocation.BODY: case.body,
    }
    for location, values in parts.items():
        about = case.meta.components.get(location)
        if isinstance(values, dict) and about is not None and about.mode is GenerationMode.POSITIVE:
            for name in values.keys() & seeded.keys():
                values[name] = seeded[name][picks % len(seeded[name])]


def fuzz(
    app: Flask, document: str, seeded: Seeded, skipped: str, *, examples: int, derandomize: bool
) -> dict[int, int]:
    """Call every route of an app in many ways.

    Args:
        app: The app.
        document: Path of its OpenAPI document.
        seeded: Ids of what there is, by the parameter that takes them.
        skipped: Pattern of paths to leave out.
        examples: Calls of a route that are right by form, and as many that are wrong.
        derandomize: Whether each run makes the same ones.

    Returns:
        How often each status was the answer.

    Raises:
        BaseExceptionGroup: Answers that the document does not tell of, one of each route and kind.
    """
    schema = schemathesis.openapi.from_wsgi(document, app, config=CONFIG)
    answers: dict[int, int] = {}
    failures: list[BaseException] = []

    def call(operation, mode):
        # Deadlines and the database of examples are off in tests/conftest.py's profile, or here
        @settings(
            max_examples=examples,
            derandomize=derandomize,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), picks=st.integers(0, 3))
        def check(case, picks):
            if picks:  # else what was generated, which nothing is named by
                _name_existing(case, seeded, picks)
            response = case.call(headers=HEADERS)
            answers[response.status_code] = answers.get(response.status_code, 0) + 1
            # In a form everything is bytes: a file that is none by its schema cannot be told from one that is
            form = case.media_type == "multipart/form-data"
            refused = [one for one in CHECKS if not (form and one is checks.negative_data_rejection)]
            case.validate_response(response, checks=refused)

        check()

    found = [result.ok() for result in schema.get_all_operations()]
    # Deletions last: what they delete is wanted until then
    for operation in sorted(found, key=lambda one: one.method.lower() == "delete"):
        if re.search(skipped, operation.path):
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                call(operation, mode)
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all failures are told at once
                if "Unsatisfiable" not in type(error).__name__:  # nothing about it can be wrong
                    failures.append(error)
    if failures:
        raise BaseExceptionGroup("answers that the document does not tell of", failures)
    return answers
