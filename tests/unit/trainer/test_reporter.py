from __future__ import annotations

import math
import os
import resource
import signal
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from contracts.callback import (
    ATTEMPT_HEADER,
    TOKEN_HEADER,
    ArtifactInfo,
    Outcome,
    Phase,
    from_json,
    verify_body,
    verify_token,
)
from contracts.job import JobSpec
from support.ports import free_port
from support.trainer_jobs import job_env
from support.wait import until
from trainer.delivery import Delivery
from trainer.reporter import MAX_LINES, HttpReporter
from trainer.spool import Spool

SECRET = "attempt-secret"


class MetricsService:
    """Takes signed reports; answers with the codes in ``answers`` first, in problem documents, then with 202.

    A code below zero is the answer of another, which stands before it.
    """

    def __init__(self, port: int = 0, answers: tuple[int, ...] = ()):
        self.answers = list(answers)
        self.bodies = []
        self.refused = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PATCH(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                status = service.take(self.path, dict(self.headers), raw)
                self.send_response(abs(status))
                kind = "text/html" if status < 0 else "application/problem+json"
                self.send_header("Content-Type", kind)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, path, headers, raw):
        assert path == "/api/training_jobs/job-1/metrics/"
        stamp = int(headers["X-Callback-Timestamp"])
        verify_token(headers[TOKEN_HEADER], "job-1", SECRET, now=stamp)
        verify_body(headers, "job-1", int(headers[ATTEMPT_HEADER]), raw, SECRET, now=stamp)
        status = self.answers.pop(0) if self.answers else 202
        (self.bodies if status == 202 else self.refused).append(from_json(raw))
        return status

    @property
    def steps(self):
        return [point.step for body in self.bodies for point in body.points if point.split == "train"]

    @property
    def heartbeats(self):
        return [body.heartbeat for body in self.bodies if body.heartbeat]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    running = MetricsService()
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path):
    """Start a reporter to a URL; those still open at the end are closed."""
    started = []

    def make(url, *, heartbeat_seconds=60.0, max_bytes=1_000_000):
        spec = JobSpec.from_env(job_env(tmp_path, API_BASE=url, CALLBACK_SECRET=SECRET))
        spool = Spool(tmp_path / "spool", max_bytes)
        delivery = Delivery(spec, first_wait=0.01)
        reporter = HttpReporter(
            spool, delivery, attempt=1, heartbeat_seconds=heartbeat_seconds, over=make.over.append
        )
        started.append(reporter)
        return reporter

    make.over = []
    yield make
    for reporter in started:
        reporter.close(0)


def tell(reporter, steps):
    for step in steps:
        reporter.point("train", step, step / 10, {"loss": 1 / (step + 1)})


def test_points_arrive_once_in_order_and_in_full_batches(start):
    port = free_port()
    reporter = start(f"http://127.0.0.1:{port}")
    until(lambda: reporter._delivery._failures >= 1, "an attempt that fails")
    tell(reporter, range(1200))  # all of them wait in the spool when the service comes
    service = MetricsService(port)
    reporter.close(20)
    service.stop()
    assert service.steps == list(range(1200))
    sizes = [len(body.points) for body in service.bodies if body.points]
    assert len(sizes) <= math.ceil(1200 / MAX_LINES) + 1, "a report waits for no reply of its own"
    seqs = [point.seq for body in service.bodies for point in body.points]
    assert seqs == sorted(set(seqs))


def test_nothing_is_lost_while_the_service_is_away_and_order_is_kept(start):
    port = free_port()
    reporter = start(f"http://127.0.0.1:{port}")
    tell(reporter, range(50))
    until(lambda: reporter._delivery._failures >= 2, "attempts that fail")
    tell(reporter, range(50, 100))
    service = MetricsService(port)
    reporter.final(Outcome.SUCCEEDED)
    reporter.close(20)
    service.stop()
    assert service.steps == list(range(100))
    assert service.bodies[-1].final.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("status", [401, 404, 429, 503, -302, -403, -404, -409, -413, -422])
def test_a_passing_refusal_or_one_that_is_not_the_services_own_is_tried_again(service, start, status):
    service.answers = [202, status, status]
    reporter = start(service.url)
    until(lambda: service.bodies, "the first heartbeat")
    tell(reporter, range(3))
    reporter.close(20)
    assert service.steps == [0, 1, 2]
    assert len(service.refused) == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_lasting_refusal_drops_the_batch_and_goes_on(service, start, status, caplog):
    reporter = start(service.url)
    until(lambda: service.heartbeats and not reporter._spool.waiting, "the first reports")
    service.answers = [status]
    tell(reporter, [1])
    until(lambda: service.refused, "the refusal")
    tell(reporter, [2])
    reporter.close(20)
    assert service.steps == [2]
    assert f"refused and dropped: HTTP {status}" in caplog.text


def test_a_last_word_is_sent_by_itself_where_what_came_with_it_was_refused(start):
    port = free_port()
    reporter = start(f"http://127.0.0.1:{port}")
    until(lambda: reporter._delivery._failures >= 1, "an attempt that fails")
    tell(reporter, [1])
    reporter.final(Outcome.SUCCEEDED, metrics={"accuracy": 0.5})
    service = MetricsService(port, answers=(422,))
    reporter.close(20)
    service.stop()
    assert service.refused[0].points
    assert service.bodies[-1].final.metrics == {"accuracy": 0.5}


def test_a_last_word_is_kept_whatever_is_answered(service, start, monkeypatch):
    monkeypatch.setattr("trainer.reporter.LONGEST_WAIT", 0.01)
    service.answers = [422] * 5
    reporter = start(service.url, heartbeat_seconds=300)
    reporter.final(Outcome.SUCCEEDED)
    reporter.close(20)
    assert service.bodies[-1].final.outcome is Outcome.SUCCEEDED
    assert len(service.refused) == 5


def test_an_attempt_that_is_over_is_told_of_once_and_nothing_more_is_sent(service, start):
    service.answers = [409] * 9
    reporter = start(service.url)
    until(lambda: start.over, "that it is over")
    tell(reporter, range(3))
    reporter.close(600)
    assert len(start.over) == 1
    assert start.over[0].startswith("HTTP 409")
    assert len(service.answers) == 8


def test_the_spool_outlives_the_process(service, start):
    nowhere = start(f"http://127.0.0.1:{free_port()}")
    tell(nowhere, range(5))
    nowhere.close(0)
    until(lambda: not nowhere._thread.is_alive(), "the first one's end")
    later = start(service.url)  # the next process on the same WORKDIR
    tell(later, range(5, 8))
    later.close(20)
    assert service.steps == list(range(8))


def test_the_end_waits_no_longer_than_it_may(start, caplog):
    reporter = start(f"http://127.0.0.1:{free_port()}")
    tell(reporter, [1])
    reporter.close(0)
    assert "bytes of reports unsent" in caplog.text


def test_a_signal_cuts_the_end_short(start, caplog):
    reporter = start(f"http://127.0.0.1:{free_port()}")
    tell(reporter, [1])
    before = signal.signal(signal.SIGUSR1, lambda *_: reporter.hurry(0))
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        reporter.close(600)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "bytes of reports unsent" in caplog.text


def test_heartbeats_go_on_without_any_point(service, start):
    reporter = start(service.url, heartbeat_seconds=0.05)
    reporter.phase(Phase.TRAINING, "epoch 1")
    reporter.progress(0.25, 12.0)
    until(lambda: [beat for beat in service.heartbeats if beat.progress == 0.25], "a heartbeat with progress")
    until(lambda: len(service.heartbeats) >= 3, "more heartbeats")
    beat = service.heartbeats[-1]
    assert (beat.phase, beat.message, beat.eta_seconds) == (Phase.TRAINING, "epoch 1", 12.0)
    system = [point for body in service.bodies for point in body.points if point.split == "system"]
    assert system[0].values["rss_mb"] > 1


def test_evaluation_and_final_carry_their_figures(service, start):
    reporter = start(service.url)
    reporter.evaluation(7, 1.0, ["a", "b"], [[3, 1], [0, 4]], best=True)
    info = ArtifactInfo(name="model.pt", uri="s3://b/model.pt", size=3, sha256="0" * 64)
    reporter.final(Outcome.SUCCEEDED, metrics={"accuracy": 0.875, "loss": float("nan")}, artifacts=[info])
    reporter.close(20)
    (evaluation,) = [each for body in service.bodies for each in body.evaluations]
    final = service.bodies[-1].final
    assert evaluation.matrix == [[3, 1], [0, 4]]
    assert final.metrics == {"accuracy": 0.875}
    assert final.artifacts == [info]


def test_values_that_are_not_finite_are_left_out(service, start):
    reporter = start(service.url)
    reporter.point("train", 1, 0.1, {"loss": float("nan"), "accuracy": 0.5})
    reporter.point("train", 2, 0.2, {"loss": float("inf")})
    reporter.close(20)
    points = [point for body in service.bodies for point in body.points if point.split == "train"]
    assert [point.values for point in points] == [{"accuracy": 0.5}]


def test_a_full_spool_drops_points_but_never_the_final(tmp_path):
    spool = Spool(tmp_path, max_bytes=10)
    assert not spool.append("x" * 20)
    assert spool.append("y" * 20, always=True)
    assert spool.peek(5, 100) == [b"y" * 20 + b"\n"]


def test_half_a_line_of_a_killed_process_is_forgotten(tmp_path):
    spool = Spool(tmp_path, max_bytes=1000)
    spool.append("whole")
    with (tmp_path / "reports.jsonl").open("ab") as file:
        file.write(b"torn")
    again = Spool(tmp_path, max_bytes=1000)
    again.append("next")
    assert again.peek(5, 100) == [b"whole\n", b"next\n"]


@contextmanager
def full_disk(size):
    """Let no file of this process grow beyond a size; the write that tries gets an OSError, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_points_and_never_the_training_nor_its_last_word(start, tmp_path):
    port = free_port()
    reporter = start(f"http://127.0.0.1:{port}")
    tell(reporter, range(5))
    with full_disk((tmp_path / "spool" / "reports.jsonl").stat().st_size + 20):
        tell(reporter, range(5, 10))  # the first of them fits in half
        service = MetricsService(port)
        reporter.final(Outcome.FAILED, "No space left on device")
        reporter.close(20)
    service.stop()
    assert service.steps == list(range(5))
    assert service.bodies[-1].final.reason == "No space left on device"
