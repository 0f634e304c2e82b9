"""A watched back end passes every call on, times it, and hands the trace to the trainer."""

from __future__ import annotations

import pytest

from runtime import log
from runtime.errors import Transient
from runtime.metrics import Registry
from runtime.telemetry import Telemetry
from runtime.tracing import NoTracer, open_tracer
from services.launcher.backend import UNKNOWN, Refused, RunSpec
from services.launcher.watched import WatchedBackend
from support.collector import Collector
from support.metrics import value

pytestmark = pytest.mark.usefixtures("nothing_bound")


RUN = RunSpec("j", 1, {"MODEL": "trees"}, 1, 512)


class Fake:
    """Remembers what it was asked; fails with `error` where that is set."""

    name = "fake"

    def __init__(self):
        self.asked = []
        self.error = None

    def _ask(self, *question):
        self.asked.append(question)
        if self.error:
            raise self.error

    def launch(self, run):
        self._ask("launch", run)
        return "handle"

    def status(self, handles):
        self._ask("status", handles)
        return dict.fromkeys(handles, UNKNOWN)

    def stop(self, handle, reason):
        self._ask("stop", handle, reason)

    def logs(self, handle, tail_bytes):
        self._ask("logs", handle, tail_bytes)
        return ["line"]


def watched(fake, tracer=None, endpoint=""):
    telemetry = Telemetry("launcher", Registry(), tracer or NoTracer())
    return WatchedBackend(fake, telemetry, endpoint), telemetry.registry


def test_calls_are_passed_on_and_timed():
    fake = Fake()
    backend, registry = watched(fake)
    assert backend.name == "fake"
    assert backend.launch(RUN) == "handle"
    assert backend.status(["a"]) == {"a": UNKNOWN}
    backend.stop("a", "why")
    assert backend.logs("a", 9) == ["line"]
    assert fake.asked == [("launch", RUN), ("status", ["a"]), ("stop", "a", "why"), ("logs", "a", 9)]
    for call in ("launch", "status", "stop", "logs"):
        labels = {"launcher": "fake", "call": call, "outcome": "ok"}
        assert value(registry.text(), "triptych_provider_seconds_count", **labels) == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Transient("no capacity"), "transient"), (Refused("no image"), "refused"), (KeyError("x"), "defect")],
)
def test_a_launch_that_fails_is_told_by_its_kind(error, outcome):
    fake = Fake()
    fake.error = error
    backend, registry = watched(fake)
    with pytest.raises(type(error)):
        backend.launch(RUN)
    labels = {"launcher": "fake", "call": "launch", "outcome": outcome}
    assert value(registry.text(), "triptych_provider_seconds_count", **labels) == 1


def test_a_launch_is_a_span_that_the_trainer_goes_on_from():
    collector, fake = Collector(), Fake()
    tracer = open_tracer("launcher", collector.url)
    backend, _ = watched(fake, tracer, "http://seen-by-trainers:4318")
    with log.bound(job_id="j"):
        backend.launch(RUN)
    tracer.close()
    collector.close()
    [launch] = collector.named("launch")
    [(_, run)] = fake.asked
    assert run.env == {
        "MODEL": "trees",
        "TRACEPARENT": f"00-{launch.trace}-{launch.id}-03",  # recorded, by a random id
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://seen-by-trainers:4318",
    }
    assert launch.attributes == {"triptych.job_id": "j", "triptych.attempt": 1, "triptych.launcher": "fake"}
