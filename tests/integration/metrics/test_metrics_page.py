"""/metrics of the metrics service is right however many processes serve it."""

from __future__ import annotations

import signal

import httpx
import psutil
import pytest
from integration.metrics.running import Service, Viewer, body, points, signed

from support.metrics import value
from support.wait import until

CALLBACKS = 24


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.long), 3])
def service(request, migrated_url, tmp_path):
    (tmp_path / "tmp").mkdir()
    made = Service(
        tmp_path,
        migrated_url,
        "redis://127.0.0.1:1/0",
        metrics_processes=request.param,
        tmpdir=tmp_path / "tmp",
    )
    made.start()
    yield made
    made.close()


def scrape(service):
    return httpx.get(f"{service.url}/metrics").text


def stored(service):
    return value(scrape(service), "triptych_callbacks_total", outcome="stored")


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_every_process_counts_and_each_gives_the_sum(service, tmp_path):
    for step in range(CALLBACKS):  # each on a connection of its own, which any of the processes may take
        raw = body(points=points(step))
        answer = httpx.patch(f"{service.url}/api/training_jobs/j/metrics/", content=raw, headers=signed(raw))
        assert answer.status_code == 204
    assert httpx.patch(f"{service.url}/api/training_jobs/j/metrics/", content=b"{}").status_code == 401
    viewers = [Viewer(service.url) for _ in range(3)]
    until(lambda: value(scrape(service), "triptych_stream_viewers") == 3, "three viewers to be counted")
    for _ in range(8):
        page = scrape(service)
        assert value(page, "triptych_callbacks_total", outcome="stored") == CALLBACKS
        assert value(page, "triptych_callbacks_total", outcome="refused") == 1
        assert value(page, "triptych_callback_seconds_count") == CALLBACKS + 1
        route = {
            "service": "metrics",
            "route": "/api/training_jobs/<string:job_id>/metrics/",
            "method": "PATCH",
        }
        assert value(page, "triptych_http_request_seconds_count", **route, status="204") == CALLBACKS
    workers = psutil.Process(service.process.pid).children()
    if len(workers) > 1:
        workers[0].kill()
        until(
            lambda: (
                value(scrape(service), "triptych_stream_viewers") == 3
                and workers[0].pid
                not in {child.pid for child in psutil.Process(service.process.pid).children()}
            ),
            "the killed process's viewers to have come to others",
        )
        assert stored(service) == CALLBACKS
    for viewer in viewers:
        viewer.stop()
    until(lambda: value(scrape(service), "triptych_stream_viewers") == 0, "the viewers to be gone")
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(30)
    assert list((tmp_path / "tmp").iterdir()) == []
