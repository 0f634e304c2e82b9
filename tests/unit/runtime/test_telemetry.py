"""Handlers, loops and requests are measured, whatever becomes of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from runtime import web
from runtime.errors import NotFound, Transient
from runtime.metrics import Registry
from runtime.outbox import LeaseLost
from runtime.telemetry import Telemetry
from runtime.tracing import NoTracer
from support.metrics import samples, value


@pytest.fixture
def telemetry():
    return Telemetry("api", Registry(), NoTracer())


@pytest.mark.parametrize(
    ("error", "finished", "outcome"),
    [
        (None, True, "handled"),
        (None, False, "defect"),
        (LeaseLost("gone"), False, "lease_lost"),
        (Transient("away"), False, "transient"),
        (OperationalError("", {}, Exception("locked")), False, "transient"),
        (KeyError("x"), False, "defect"),
    ],
)
def test_a_delivery_is_counted_by_what_became_of_it(telemetry, error, finished, outcome):
    def handle(_event, work):
        work.finished = finished
        if error:
            raise error

    handler = telemetry.handlers("launcher", {"job.launched.v1": handle})["job.launched.v1"]
    work = SimpleNamespace(attempt=1, finished=False)
    if error is None:
        handler(None, work)
    else:
        with pytest.raises(type(error)):
            handler(None, work)
    text = telemetry.registry.text()
    labels = {"queue": "launcher", "event": "job.launched.v1"}
    assert value(text, "triptych_handled_total", **labels, outcome=outcome) == 1
    assert value(text, "triptych_handler_seconds_count", **labels) == 1


def test_rounds_of_several_loops_are_counted(telemetry):
    def fail():
        raise ValueError("no")

    well, ill = telemetry.rounds("well", lambda: None), telemetry.rounds("ill", fail)
    well()
    with pytest.raises(ValueError, match="no"):
        ill()
    text = telemetry.registry.text()
    assert value(text, "triptych_rounds_total", loop="well", outcome="ok") == 1
    assert value(text, "triptych_rounds_total", loop="ill", outcome="failed") == 1
    assert value(text, "triptych_round_seconds_count", loop="ill") == 1


@pytest.fixture
def client(telemetry):
    app = Flask("test")

    @app.get("/things/<name>/")
    def thing(name):
        if name == "broken":
            raise RuntimeError("a defect")
        if name == "absent":
            raise NotFound("no such thing")
        return name

    web.install(app, {}, telemetry)
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/things/1/", ("GET", "/things/<name>/", "200")),
        ("GET", "/things/absent/", ("GET", "/things/<name>/", "404")),
        ("GET", "/things/broken/", ("GET", "/things/<name>/", "500")),
        ("POST", "/things/1/", ("POST", "unmatched", "405")),
        ("GET", "/etc/passwd", ("GET", "unmatched", "404")),
        ("BREW", "/things/1/", ("other", "unmatched", "405")),
    ],
)
def test_a_request_is_timed_by_the_template_of_its_route_and_never_by_its_path(client, method, path, labels):
    client.open(path, method=method)
    method, route, status = labels
    text = client.get("/metrics").data
    assert (
        value(
            text,
            "triptych_http_request_seconds_count",
            service="api",
            method=method,
            route=route,
            status=status,
        )
        == 1
    )


def test_probes_and_scrapes_are_not_counted_as_requests(client):
    for path in ("/healthz", "/readyz", "/metrics", "/metrics"):
        assert client.get(path).status_code == 200
    assert not [name for name, _ in samples(client.get("/metrics").data) if name.startswith("triptych_http")]
