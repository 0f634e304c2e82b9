"""An attempt is a span of the launcher's trace, with one for each phase; few callbacks are recorded."""

from __future__ import annotations

import sys

import pytest

from contracts.job import JobSpec
from support.collector import Collector
from support.trainer_jobs import job_env
from trainer import tracing
from trainer.settings import Settings

LAUNCH = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def begin(collector, tmp_path):
    def begin(**settings):
        told = {"otel_exporter_otlp_endpoint": collector.url, "traceparent": LAUNCH, **settings}
        return tracing.begin(JobSpec.from_env(job_env(tmp_path)), Settings(**told))

    return begin


def recorded(headers):
    return headers["traceparent"].endswith("-01")


def test_phases_are_spans_below_the_attempts_own(begin, collector):
    trace = begin()
    with trace.phase("downloading"):
        pass
    with pytest.raises(ValueError, match="no"), trace.phase("training"):
        raise ValueError("no")
    trace.close("exit 1")
    [train], [first], [second] = map(collector.named, ("train", "downloading", "training"))
    assert (train.service, train.trace, train.parent) == ("triptych-trainer", *LAUNCH.split("-")[1:3])
    assert {first.parent, second.parent} == {train.id}
    assert [train.failed, first.failed, second.failed] == [True, False, True]
    assert train.attributes == {
        "triptych.job_id": "job-1",
        "triptych.attempt": 1,
        "triptych.model": "dummy_model",
    }


def test_the_first_callback_of_each_phase_and_the_last_report_are_recorded_and_all_are_in_the_trace(begin):
    trace = begin()
    told = []
    for name in ("downloading", "training"):
        with trace.phase(name):
            told += [trace.headers(final=False) for _ in range(3)]
    told += [trace.headers(final=True), trace.headers(final=True)]
    trace.close()
    assert [recorded(headers) for headers in told] == [True, False, False, True, False, False, True, True]
    assert {headers["traceparent"].split("-")[1] for headers in told} == {LAUNCH.split("-")[1]}


def test_a_job_without_a_launcher_begins_a_trace_of_its_own(begin, collector):
    begin(traceparent="").close()
    assert collector.named("train")[0].parent == ""


def test_a_job_is_trained_without_a_trace_where_opentelemetry_is_not_installed(begin, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    assert begin().headers(final=True) == {}
    assert "triptych[tracing]" in caplog.text


@pytest.mark.parametrize("settings", [{"otel_exporter_otlp_endpoint": ""}, {"rank": 1, "world_size": 2}])
def test_without_a_collector_and_in_further_processes_nothing_is_told(begin, collector, settings):
    trace = begin(**settings)
    with trace.phase("training"):
        assert trace.headers(final=True) == {}
    trace.close()
    assert collector.spans == []
