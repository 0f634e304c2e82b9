"""Many runs: what starts, ends or is copied does not wait for another's calls, and what waits is not read to start one."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event, inspect, text

from runtime.loop import Loop
from services.launcher import runs, starting
from services.launcher.handlers import Handlers
from services.launcher.joblogs import JobLogs
from services.launcher.models import LAUNCHING, WAITING, Run
from support.fake_backend import FakeBackend
from support.launcher import Launcher
from support.wait import until

MANY = 4


class SlowBackend(FakeBackend):
    """Answers a call of some kind only when so many of them are at hand, and otherwise breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.together = threading.Barrier(MANY, timeout=30)
        self.slow = ""

    def launch(self, run):
        handle = super().launch(run)
        self.meet("launch")
        return handle

    def logs(self, handle, tail_bytes):  # noqa: ARG002 - the interface's
        self.meet("logs")
        return [handle]

    def meet(self, call):
        if call == self.slow:
            self.together.wait()


@pytest.fixture
def many(database, tmp_path):
    launcher = Launcher(database, tmp_path, SlowBackend(), at_a_time=MANY, max_running=MANY)
    for number in range(MANY):
        launcher.request(f"j{number}")
    return launcher


def test_launches_ends_and_copies_of_logs_each_go_on_beside_one_another(many):
    many.backend.slow = "launch"
    assert many.starter.start_waiting() is False
    assert set(many.states().values()) == {"running"}
    many.backend.slow = "logs"
    JobLogs(many.db, many.backend, many.store, tail_bytes=100, at_a_time=MANY).copy_all()
    assert many.log("j0") == "j0/1\n"
    for handle in many.backend.started:
        many.backend.exit(handle, 0)
    many.reconciler.look()
    assert set(many.states().values()) == {"ended"}


def test_a_start_that_takes_long_says_that_more_waits_and_goes_on_at_once(many, monkeypatch):
    monkeypatch.setattr(starting, "_START_SECONDS", 0.0)
    assert many.starter.start_waiting() is True
    assert set(many.states().values()) == {"waiting"}
    answers = iter([True, False])
    rounds = []
    loop = Loop("starter", lambda: rounds.append(1) or next(answers), seconds=3600)
    loop.start()
    until(lambda: len(rounds) == 2, "a second round")
    loop.stop()


def test_a_launch_request_wakes_who_starts_and_a_cancellation_who_looks(many):
    woken = []
    handlers = Handlers(lambda: woken.append("start"), lambda: woken.append("look"))
    many.consumer._handlers = handlers.table()
    many.request("new")
    assert woken == ["start"]
    many.cancel("new")
    assert woken == ["start", "look"]


def test_the_oldest_that_waits_is_claimed_without_reading_or_sorting_the_others(many):
    if many.db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a table this small as a whole")
    asked = []
    event.listen(
        many.db.engine, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])), named=False
    )
    many.starter._claim()
    queries = [(said, values) for said, values in asked if said.startswith("SELECT launcher_runs.id")]
    assert len(queries) == 2
    assert many.states() == {"j0": LAUNCHING, **{f"j{number}": WAITING for number in range(1, MANY)}}
    with many.db.engine.connect() as connection:
        for said, values in queries:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values).all()
            assert "launcher_runs_order" in plan[0].detail, plan
            assert not any("TEMP B-TREE" in step.detail for step in plan), plan


def test_a_look_at_what_runs_leaves_the_long_specs_in_the_database(many):
    many.starter.start_waiting()
    with many.db.read() as session:
        found = runs.with_process(session, "fake")
    assert len(found) == MANY
    assert all("spec" in inspect(run).unloaded for run in found)


def test_a_later_attempt_waits_for_the_process_of_the_one_before_and_not_for_others(many):
    with many.db.write() as session:
        session.query(Run).delete()
        session.add_all(
            [
                Run(job_id="a", attempt=1, state="stopping", launcher="fake", handle="a/1"),
                Run(job_id="a", attempt=2),
                Run(job_id="b", attempt=2),
            ]
        )
    run, in_doubt = many.starter._claim()
    assert (run.job_id, run.attempt, in_doubt) == ("b", 2, False)
    assert many.starter._claim() == (None, False)
    with many.db.write() as session:
        session.execute(text("UPDATE launcher_runs SET state = 'ended' WHERE attempt = 1"))
    assert many.starter._claim()[0].job_id == "a"
