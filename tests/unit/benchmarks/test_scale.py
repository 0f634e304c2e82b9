"""The simulated provider keeps the contract of a back end, its trainers speak as real ones do, and accounts find what is wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiohttp import web

from benchmarks.scale import account, report
from benchmarks.scale.launcher import SimulatedBackend
from benchmarks.scale.services import Load
from benchmarks.scale.simulator import Simulator
from contracts.callback import CallbackBody, Outcome, derive_secret, verify_body, verify_token
from contracts.events import JobLaunched
from contracts.job import Asset, JobSpec
from runtime.outbox import Outbox
from services.api.models import Dataset, Job
from services.launcher.backend import UNKNOWN, InDoubt, RunSpec, RunState
from services.launcher.models import ENDED, RUNNING, WAITING, Run
from support.ports import free_port
from support.wait import until

SECRET = derive_secret("root" * 10, "a", 1)


class Service(ThreadingHTTPServer):
    """Stands for the metrics service: verifies, and answers the first callbacks as it is told."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.taken: list[CallbackBody] = []
        self.first_answers: list[int] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """One callback."""

    protocol_version = "HTTP/1.1"

    def do_PATCH(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        verify_token(self.headers["X-Callback-Token"], "a", SECRET, now=time.time())
        verify_body(self.headers, "a", 1, raw, SECRET, now=time.time())
        status = self.server.first_answers.pop() if self.server.first_answers else 204
        if status == 204:
            self.server.taken.append(CallbackBody.model_validate_json(raw))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def service():
    server = Service()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def simulated(*, seconds):
    """Run a simulator in a thread; gives a back end that speaks to it."""
    port, stop = free_port(), asyncio.Event()
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def serve():
        simulator = Simulator(seconds=seconds, callback_seconds=0.01, call_seconds=0.0)
        runner = web.AppRunner(simulator.app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert ready.wait(30)
    backend = SimulatedBackend(f"http://127.0.0.1:{port}")
    yield backend
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
    backend._client.close()


def run(service, launch=1):
    assets = [Asset(key="train_file", s3_uri="s3://bucket/table.csv")]
    spec = JobSpec(
        model="dummy_model", job_id="a", artifacts_uri="s3://bucket/jobs/a/1", assets=assets, target_col="b"
    )
    env = {**spec.to_env(), "API_BASE": service.url, "CALLBACK_SECRET": SECRET}
    return RunSpec("a", 1, env, cpus=1, memory_mb=1, launch=launch)


def exited(backend, handle):
    def status():
        found = backend.status([handle])[handle]
        return found if found.state is RunState.EXITED else None

    return until(status, "the container to exit")


def record(backend):
    return backend._client.get("/record").json()


def test_a_trainer_reports_signed_to_its_end_and_sends_again_what_is_not_taken(service):
    service.first_answers = [503]
    with simulated(seconds=0.05) as backend:
        handle = backend.launch(run(service))
        assert exited(backend, handle).exit_code == 0
        [container] = record(backend)["containers"]
        statuses = [status for _, _, status in record(backend)["sent"]]
        assert backend.logs(handle, 1000)[0] == f"trained for {len(statuses)} callbacks"
    *before, last = service.taken
    assert last.final.outcome is Outcome.SUCCEEDED
    assert before
    assert all(body.points and body.heartbeat for body in before)
    assert statuses == [503, *[204] * len(service.taken)]
    assert (container["callbacks"], container["refused"]) == (len(statuses), 0)


def test_a_launch_is_idempotent_by_its_number_and_another_number_is_seen_to_start_a_second(service):
    with simulated(seconds=60) as backend:
        first = backend.launch(run(service))
        assert backend.launch(run(service)) == first
        assert backend.launch(run(service, launch=2)) != first
        containers = record(backend)["containers"]
    assert [each["asked"] for each in containers] == [2, 1]


def test_a_stopped_trainer_says_that_it_was(service):
    with simulated(seconds=60) as backend:
        handle = backend.launch(run(service))
        statuses = backend.status([handle, "other"])
        assert (statuses[handle].state, statuses["other"]) == (RunState.RUNNING, UNKNOWN)
        backend.stop(handle, "enough")
        assert exited(backend, handle).exit_code == 143
    assert service.taken[-1].final.outcome is Outcome.CANCELLED


def test_a_launch_without_an_answer_is_in_doubt(service):
    with pytest.raises(InDoubt):
        SimulatedBackend(f"http://127.0.0.1:{free_port()}").launch(run(service))


# --- accounts


def container(job_id="a", *, launch=1, ended=True):
    return {
        "handle": f"{job_id}/1/{launch}",
        "job_id": job_id,
        "attempt": 1,
        "asked": 1,
        "asked_at": 10.0,
        "ended_at": 20.0 if ended else None,
    }


@pytest.mark.parametrize(
    ("state", "run_state", "containers", "lost", "duplicated"),
    [
        ("succeeded", ENDED, [container()], 0, 0),
        ("running", RUNNING, [container(ended=False)], 0, 0),
        ("queued", WAITING, [], 0, 0),
        ("queued", None, [], 1, 0),  # nobody will ever launch it
        ("running", RUNNING, [], 1, 0),  # not started, though the launcher says so
        ("running", RUNNING, [container()], 0, 0),  # whoever looks next sees its end
        ("running", ENDED, [container()], 1, 0),  # its end was not heard of
        ("succeeded", ENDED, [container(), container(launch=2)], 0, 1),
    ],
)
def test_an_account_finds_what_is_lost_or_started_twice(
    database, state, run_state, containers, lost, duplicated
):
    with database.write() as session:
        plain = {"table_bytes": 0, "files": 0, "file_bytes": 0, "detected": {}, "preview": {}}
        session.add(Dataset(id="d", name="d", state="ready", table_name="d.csv", **plain))
        session.flush()
        session.add(Job(id="a", name="a", dataset_id="d", model="m", target="t", settings={}, state=state))
        if run_state is not None:
            handle = None if run_state == WAITING else "a/1/1"
            session.add(Run(job_id="a", attempt=1, state=run_state, handle=handle))
    found = account.balance(account.snapshot(database), ["a"], containers)
    assert (len(found.lost), len(found.duplicated)) == (lost, duplicated), found


def test_an_account_finds_a_job_that_is_gone_and_one_told_to_be_launched_twice(database):
    outbox = Outbox(lambda: None)
    for _ in range(2):
        with database.write() as session:
            outbox.emit(session, JobLaunched(job_id="a", attempt=1, launcher="l", handle="a/1/1"))
    found = account.balance(account.snapshot(database), ["a"], [container()])
    assert found.lost == ["a: answered with 201, and not in the database"]
    assert found.duplicated == ["a, attempt 1: told to be launched 2 times"]


def test_figures_are_of_the_time_while_as_many_trained_as_may():
    load = Load(3, 0, 2, 10, 5, 0.1, 1, 1)
    containers = [{**container(), "asked_at": at, "ended_at": at + 10} for at in (0, 4, 10.5)]
    result = report.Result(
        load=load,
        workers=1,
        began=0,
        ended=60,
        created=[],
        refused=[],
        account=account.Account(),
        waits=[(1.0, 1.0), (5.0, 2.0), (11.0, 9.0)],
        queues={"api": account.Queue([(1.0, 0.5), (2.0, 1.5), (35.0, 0.1)], pending=1)},
        containers=containers,
        sent=[(1, 9.0, 204), (5, 0.1, 204), (6, 0.3, 204), (7, 0.2, 503), (13, 0.4, 204)],
        processor={"api": 6.0},
        rounds={},
        published=6,
        machine_load=1.0,
    )
    figures = result.figures()
    assert figures["most_live"] == 2
    assert figures["full_seconds"] == 10.5 - 4
    assert figures["callbacks_per_second"] == 2 / 6.5
    assert (figures["callback_seconds"], figures["callbacks_not_taken"]) == ([0.3, 0.3], 1)
    assert figures["launched_per_second"] == 1 / 4
    assert (figures["launched_after"], figures["all_launched_after"]) == ([2.0, 2.0], [2.0, 9.0])
    assert (figures["handled_per_second_at_most"], figures["published_per_delivery"]) == (0.2, 1.5)
    assert "| api | 0.10 |" in report.tables([result])


def test_rounds_are_read_from_what_launchers_serve():
    scrape = """
triptych_round_seconds_bucket{le="60.0",loop="reconciler"} 3.0
triptych_round_seconds_bucket{le="+Inf",loop="reconciler"} 4.0
triptych_round_seconds_count{loop="reconciler"} 4.0
triptych_round_seconds_sum{loop="reconciler"} 100.0
triptych_published_total{queue="api"} 5.0
"""
    described = "# TYPE triptych_round_seconds histogram\n# TYPE triptych_published counter\n" + scrape
    assert report.rounds([described] * 2) == {"reconciler": report.Rounds(8, 25.0, 2)}
    assert report.total([described] * 2, "triptych_published_total") == 10
