"""What a service answers when something it stands on is away, or when it is wrong itself."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError

from runtime import web
from runtime.metrics import Registry
from runtime.telemetry import Telemetry
from runtime.tracing import NoTracer


@pytest.mark.parametrize(
    ("error", "status", "retry", "says"),
    [
        (
            OperationalError("SELECT 1", {}, Exception("connection refused")),
            503,
            "5",
            "The database does not answer",
        ),
        (InterfaceError("SELECT 1", {}, Exception("closed")), 503, "5", "The database does not answer"),
        (KeyError("rows"), 500, None, "This is a defect"),
    ],
)
def test_a_database_that_is_away_is_no_defect(error, status, retry, says):
    app = Flask("test")

    @app.get("/jobs/")
    def jobs():
        raise error

    web.install(app, {}, Telemetry("api", Registry(), NoTracer()))
    answer = app.test_client().get("/jobs/")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry)
    assert answer.content_type == "application/problem+json"
    assert answer.json["detail"].startswith(says)
    assert "SELECT" not in answer.text
