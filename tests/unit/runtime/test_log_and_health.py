"""Log lines carry the ids at hand; probes say what does not answer."""

from __future__ import annotations

import json
import logging
import sys
import threading
import urllib.error
import urllib.request

import pytest

from runtime import log
from runtime.health import probe, serve
from support.ports import free_port


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    hooks = (sys.excepthook, threading.excepthook)
    yield root
    root.handlers[:], root.level = before
    sys.excepthook, threading.excepthook = hooks


def test_a_line_is_json_with_the_ids_bound_at_that_point(root_logger, capsys):
    log.configure("api")
    with log.bound(dataset_id="d"), log.bound(job_id="j"):
        logging.getLogger("x").info("hello", extra={"rows": 3})
    logging.getLogger("x").info("later")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert {
        "service": "api",
        "level": "INFO",
        "message": "hello",
        "dataset_id": "d",
        "job_id": "j",
        "rows": 3,
    }.items() <= first.items()
    assert "job_id" not in second


def test_text_is_for_people(root_logger, capsys):
    log.configure("api", form="text")
    logging.getLogger("x").warning("careful")
    assert capsys.readouterr().out.rstrip().endswith("WARNING api careful")


def broken():
    raise ConnectionError("refused")


def test_a_probe_names_what_does_not_answer():
    assert probe({"database": lambda: None}) == (200, {"database": "ok"})
    assert probe({"database": lambda: None, "redis": broken}) == (
        503,
        {"database": "ok", "redis": "ConnectionError: refused"},
    )


def test_a_worker_answers_probes_from_a_thread():
    port = free_port()
    stop = serve("127.0.0.1", port, {"redis": broken})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as response:
        assert json.load(response)["status"] == "ok"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
    with caught.value as response:
        assert (response.code, json.load(response)["checks"]["redis"]) == (503, "ConnectionError: refused")
    stop()
