"""Spans reach a collector where there is one, belong together, and cost nothing where there is none."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from flask import Flask

from runtime import log, web
from runtime.metrics import Registry
from runtime.settings import InvalidSettings
from runtime.telemetry import Telemetry
from runtime.tracing import open_tracer
from support.collector import Collector

pytestmark = pytest.mark.usefixtures("nothing_bound")
REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def tracer(collector):
    made = open_tracer("test", collector.url)
    yield made
    made.close()


def test_no_process_imports_the_exporter_without_an_endpoint():
    modules = (
        *("runtime.relay", "services.api.app", "services.api.worker", "services.ingest.worker"),
        *("services.launcher.worker", "services.metrics.app", "services.metrics.worker"),
        *("services.predictor.worker", "trainer.main", "trainer.pipeline", "trainer.delivery"),
    )
    # Of OpenTelemetry's API and metrics redis imports what is installed; spans and their exporter are ours
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        "    if {'opentelemetry.sdk.trace', 'opentelemetry.exporter'} & set(sys.modules): sys.exit(module)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_endpoint_without_opentelemetry_is_a_wrong_setting(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(InvalidSettings, match=r"pip install 'triptych\[tracing\]'"):
        open_tracer("test", "http://127.0.0.1:1")


def test_without_an_endpoint_nothing_is_bound():
    with open_tracer("test", "").span("work", parent=REMOTE) as span:
        span.tell({"a": 1})
        span.fail("no")
        assert log.context() == {}


def test_spans_belong_to_the_one_they_are_opened_in(tracer, collector):
    with log.bound(job_id="j"), tracer.span("outer"), tracer.span("inner", "client", {"try": 2}):
        pass
    tracer.close()
    [outer], [inner] = collector.named("outer"), collector.named("inner")
    assert (inner.trace, inner.parent, outer.parent) == (outer.trace, outer.id, "")
    assert inner.attributes == {"triptych.job_id": "j", "try": 2}
    assert inner.service == "triptych-test"


def test_a_trace_goes_on_from_what_was_bound_elsewhere(tracer, collector):
    with log.bound(traceparent=REMOTE), tracer.span("here"):
        version, trace, span, flags = log.context()["traceparent"].split("-")
    tracer.close()
    [here] = collector.named("here")
    assert (here.trace, here.parent) == tuple(REMOTE.split("-")[1:3])
    assert (version, trace, span, flags) == ("00", here.trace, here.id, "01")


@pytest.mark.parametrize("parent", ["", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_is_no_traceparent_begins_a_trace(tracer, collector, parent):
    with tracer.span("here", parent=parent):
        pass
    tracer.close()
    assert collector.named("here")[0].parent == ""


def test_a_trace_that_is_not_recorded_stays_so(tracer, collector):
    with tracer.span("here", parent=REMOTE.removesuffix("01") + "00"):
        assert log.context()["traceparent"].startswith(REMOTE[:35])
        assert log.context()["traceparent"].endswith("-00")
    tracer.close()
    assert collector.spans == []


def test_what_a_span_raises_fails_it(tracer, collector):
    with pytest.raises(ZeroDivisionError), tracer.span("here"):
        raise ZeroDivisionError
    tracer.close()
    assert collector.named("here")[0].failed


def test_a_collector_that_is_away_holds_nothing_up(caplog):
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    tracer = open_tracer("test", "http://127.0.0.1:1")
    with tracer.span("here"):
        pass
    tracer.close()


def test_a_request_is_a_span_named_by_its_route(tracer, collector):
    app = Flask("test")

    @app.get("/things/<name>/")
    def thing(name):
        if name == "broken":
            raise RuntimeError("a defect")
        return log.context()["traceparent"]

    web.install(app, {}, Telemetry("api", Registry(), tracer))
    client = app.test_client()
    told = client.get("/things/1/", headers={"traceparent": REMOTE, "X-Request-ID": "r1"}).text
    assert client.get("/things/broken/").status_code == 500
    client.get("/healthz")
    tracer.close()
    well, ill = collector.spans
    assert {well.name, ill.name} == {"GET /things/<name>/"}
    assert (well.trace, well.parent, well.failed) == (*REMOTE.split("-")[1:3], False)
    assert told.split("-")[2] == well.id
    assert well.attributes == {
        "triptych.request_id": "r1",
        "http.request.method": "GET",
        "http.route": "/things/<name>/",
        "triptych.name": "1",
        "http.response.status_code": 200,
    }
    assert ill.failed
    assert log.context() == {}


def test_a_handler_is_a_span_of_the_trace_its_event_was_emitted_in(tracer, collector):
    class Work:
        attempt, finished = 1, True

    seen = []
    table = Telemetry("launcher", Registry(), tracer).handlers(
        "launcher", {"job.launched.v1": lambda *_: seen.append(log.context()["traceparent"])}
    )
    with log.bound(traceparent=REMOTE):
        table["job.launched.v1"](None, Work)
    tracer.close()
    [span] = collector.named("process job.launched.v1")
    assert (span.trace, span.parent) == tuple(REMOTE.split("-")[1:3])
    assert seen[0].split("-")[2] == span.id
    assert span.attributes["messaging.destination.name"] == "launcher"
