"""/metrics gives what was counted and what is read, and neither fails nor hangs when that cannot be read."""

from __future__ import annotations

import threading
import urllib.request

import pytest

from runtime.health import serve
from runtime.metrics import CONTENT_TYPE, Registry, gauge
from support.metrics import names, samples, value
from support.ports import free_port
from support.wait import until

DEPTH = gauge("triptych_depth", "How many wait.", "queue")


class Source:
    """Something that is read: gives what it is set to, fails with it, or hangs."""

    def __init__(self) -> None:
        self.reads = 0
        self.now: object = 1.0
        self.go_on = threading.Event()
        self.go_on.set()

    def read(self):
        self.reads += 1
        self.go_on.wait()
        if isinstance(self.now, Exception):
            raise self.now
        return {"triptych_depth": {("a",): self.now}}


@pytest.fixture
def source():
    made = Source()
    yield made
    made.go_on.set()


def reading(source, **limits):
    registry = Registry(**{"wait_seconds": 30.0, "keep_seconds": 0.0, **limits})
    registry.read("database", (DEPTH,), source.read)
    return registry


def test_instruments_are_given_by_name_and_labels():
    registry = Registry()
    registry.counter("triptych_made_total", "Made.", "kind").labels("x").inc(3)
    registry.gauge("triptych_open", "Open.").set(2)
    registry.histogram("triptych_seconds", "Time.", buckets=(1, 2)).observe(1.5)
    text = registry.text()
    assert value(text, "triptych_made_total", kind="x") == 3
    assert value(text, "triptych_open") == 2
    assert value(text, "triptych_seconds_bucket", le="1.0") == 0
    assert value(text, "triptych_seconds_bucket", le="2.0") == 1
    assert value(text, "process_open_fds") > 0
    assert names(text) == {metric.name for metric in registry.described}


def test_two_registries_of_a_process_share_nothing():
    first, second = Registry(), Registry()
    first.counter("triptych_made_total", "Made.").inc()
    second.counter("triptych_made_total", "Made.")
    assert value(second.text(), "triptych_made_total") == 0


def test_figures_are_read_at_a_scrape(source):
    registry = reading(source)
    assert value(registry.text(), "triptych_depth", queue="a") == 1
    source.now = 5.0
    assert value(registry.text(), "triptych_depth", queue="a") == 5
    assert value(registry.text(), "triptych_source_up", source="database") == 1


def test_figures_that_were_read_just_now_serve_the_next_scrape(source):
    registry = reading(source, keep_seconds=3600)
    registry.text()
    registry.text()
    assert source.reads == 1


def test_what_cannot_be_read_is_absent_and_said_to_be_down_until_it_can(source):
    registry = reading(source)
    source.now = ConnectionError("refused")
    text = registry.text()
    assert value(text, "triptych_source_up", source="database") == 0
    assert value(text, "triptych_depth", queue="a") is None
    source.now = 2.0
    assert value(registry.text(), "triptych_depth", queue="a") == 2


def test_a_scrape_does_not_wait_for_a_source_that_hangs_and_does_not_ask_it_twice(source):
    registry = reading(source, wait_seconds=0.05)
    source.go_on.clear()
    for _ in range(3):
        assert value(registry.text(), "triptych_source_up", source="database") == 0
    assert source.reads == 1
    source.go_on.set()
    until(lambda: value(registry.text(), "triptych_depth", queue="a") == 1, "the figures to come back")


def test_a_source_that_hangs_does_not_hide_another(source):
    registry = reading(source, wait_seconds=0.2)
    registry.read(
        "broker", (gauge("triptych_messages", "Messages."),), lambda: {"triptych_messages": {(): 7}}
    )
    source.go_on.clear()
    text = registry.text()
    assert value(text, "triptych_messages") == 7
    assert value(text, "triptych_source_up", source="broker") == 1
    assert value(text, "triptych_source_up", source="database") == 0


def test_a_worker_serves_them_beside_its_probes():
    registry = Registry()
    registry.counter("triptych_made_total", "Made.").inc()
    port = free_port()
    stop = serve("127.0.0.1", port, {}, metrics=registry.text)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        assert response.headers["Content-Type"] == CONTENT_TYPE
        assert samples(response.read())[("triptych_made_total", ())] == 1
    stop()
