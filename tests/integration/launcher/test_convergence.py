"""Whatever is late, repeated or in another order: two rounds later rows and reality agree, and each end was told once."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.callback import Outcome
from contracts.events import UNHEARD, EndCause, JobCancelRequested, JobFinished, JobLaunchRequested, JobLost
from runtime.errors import Transient
from runtime.outbox import HANDLED, Delivery, EventRow
from services.launcher.backend import Cause, Refused
from services.launcher.models import ENDED, RUNNING, Run
from support.fake_backend import FakeBackend
from support.launcher import Launcher

# What the database does plays no part in it
only_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
JOBS = st.sampled_from(["a", "b", "c"])
ENDS = st.sampled_from(
    [(0, Cause.EXIT), (2, Cause.EXIT), (137, Cause.EXIT), (143, Cause.RECLAIMED), (None, Cause.NEVER_STARTED)]
)


class Machine(RuleBasedStateMachine):
    """Two launchers, a provider, and what the other services tell them: in any order, late, or twice."""

    database, folder = None, None
    grace = 3600.0  # how long a run may be unknown; with none, runs end that live

    def __init__(self) -> None:
        super().__init__()
        with self.database.write() as session:
            for table in (Run, Delivery, EventRow):
                session.query(table).delete()
        self.backend = FakeBackend()
        limits = {"max_running": 100, "launch_seconds": -1.0, "lost_grace_seconds": self.grace}
        self.launchers = [Launcher(self.database, self.folder, self.backend, **limits) for _ in range(2)]
        self.attempts = {}
        self.said = []  # ends that trainers told themselves
        self.cancelled = set()
        self.emitted = []

    # --- what api, metrics and trainers tell

    @rule(job=JOBS)
    def start_or_retry(self, job) -> None:
        attempt = self.attempts.get(job, 0)
        if attempt == 0 or (attempt < 3 and self.ends(job, attempt)):
            self.attempts[job] = attempt + 1
            self.tell(JobLaunchRequested(job_id=job, attempt=attempt + 1, spec={}, max_idle_seconds=900))

    @precondition(lambda self: self.attempts)
    @rule(job=JOBS)
    def cancel(self, job) -> None:
        if job in self.attempts:
            self.cancelled.add((job, self.attempts[job]))
            self.tell(JobCancelRequested(job_id=job, attempt=self.attempts[job]))

    @precondition(lambda self: self.backend.alive)
    @rule(data=st.data(), stopped=st.booleans())
    def trainer_ends(self, data, stopped) -> None:
        handle = data.draw(st.sampled_from(sorted(self.backend.alive)))
        job, attempt = handle.split("/")
        outcome, cause, code = (
            (Outcome.CANCELLED, EndCause.INTERRUPTED, 143) if stopped else (Outcome.SUCCEEDED, None, 0)
        )
        end = JobFinished(job_id=job, attempt=int(attempt), outcome=outcome, cause=cause)
        self.said.append(end)
        self.tell(end)
        self.backend.exit(handle, code)

    @rule()
    def metrics_hears_nothing_of_what_is_dead(self) -> None:
        self.tell_silence()

    @precondition(lambda self: self.emitted)
    @rule(data=st.data())
    def the_same_again(self, data) -> None:
        self.tell(data.draw(st.sampled_from(self.emitted)))

    @rule(seed=st.integers(0, 1000))
    def some_messages_arrive(self, seed) -> None:
        pending = self.pending()
        random.Random(seed).shuffle(pending)
        for number in pending[: 1 + seed % 4]:
            self.launchers[0].consumer.receive(number)

    # --- what happens at the provider

    @rule(kind=st.sampled_from(["no capacity", "before", "after"]))
    def the_next_launch_fails(self, kind) -> None:
        self.backend.fails.append(kind)

    @precondition(lambda self: self.backend.alive)
    @rule(data=st.data(), how=ENDS)
    def a_container_exits(self, data, how) -> None:
        self.backend.exit(data.draw(st.sampled_from(sorted(self.backend.alive))), *how)

    @precondition(lambda self: self.backend.alive)
    @rule(data=st.data())
    def a_container_vanishes(self, data) -> None:
        self.backend.vanish(data.draw(st.sampled_from(sorted(self.backend.alive))))

    @rule(hidden=st.booleans(), deaf=st.booleans())
    def the_provider_forgets_or_ignores(self, hidden, deaf) -> None:
        self.backend.hidden = set(self.backend.alive) if hidden else set()
        self.backend.deaf = deaf

    # --- what launchers do

    @rule(which=st.integers(0, 1), handle=st.sampled_from([None, "a/1", "b/1", "nobody's"]))
    def round(self, which, handle) -> None:
        launcher = self.launchers[which]
        with suppress(Transient):
            launcher.reconciler.look([handle]) if handle else launcher.round()

    @invariant()
    def at_most_one_container_of_a_job_is_alive(self) -> None:
        with self.database.read() as session:
            # Ended while the provider denied that it knows them; they are stopped when it knows them again
            strays = {run.handle for run in session.query(Run).filter(Run.stray_until.is_not(None))}
        jobs = [handle.split("/")[0] for handle in self.backend.alive - strays]
        assert len(jobs) == len(set(jobs)), self.backend.alive

    def teardown(self) -> None:
        """Let everything arrive and the provider answer truly; then two rounds are enough, or three where strays must go first."""
        self.backend.hidden, self.backend.deaf, self.backend.fails = set(), False, []
        self.tell_silence()
        pending = self.pending()
        random.Random(len(pending)).shuffle(pending)
        for number in pending:
            self.launchers[0].consumer.receive(number)
        self.pass_time(Run.due_at, 3600)  # pauses are over
        self.launchers[0].round()
        self.pass_time(Run.gone_at, 3600)  # and so is the grace
        self.launchers[0].round()
        if not self.grace:
            self.launchers[0].round()
        self.check()
        told = self.told()
        self.launchers[1].round()
        assert self.told() == told, "another round has nothing to tell"

    def check(self) -> None:
        with self.database.read() as session:
            found = session.query(Run).all()
        running = {run.handle for run in found if run.state == RUNNING}
        assert {run.state for run in found} <= {RUNNING, ENDED}
        assert self.backend.alive == running
        assert not running & {f"{job}/{attempt}" for job, attempt in self.cancelled}
        for run in found:
            told = self.ends(run.job_id, run.attempt)
            own = [end for end in told if end not in self.said]
            assert len(own) <= 1, own
            if run.state == ENDED:
                assert any(
                    getattr(end, "cause", None) is not EndCause.INTERRUPTED or end in own for end in told
                )

    # --- helpers

    def pass_time(self, column, seconds) -> None:
        with self.database.write() as session:
            session.query(Run).update({column: column - seconds})

    def told(self) -> int:
        with self.database.read() as session:
            return session.query(EventRow).count()

    def tell(self, event) -> None:
        self.emitted.append(event)
        with self.database.write() as session:
            self.launchers[0].outbox.emit(session, event)

    def tell_silence(self) -> None:
        for job, attempt in self.attempts.items():
            if f"{job}/{attempt}" in self.backend.started - (self.backend.alive - self.backend.hidden):
                self.launchers[0].silent(job, attempt)

    def pending(self) -> list[int]:
        with self.database.read() as session:
            rows = session.query(Delivery.id).filter(Delivery.queue == "launcher", Delivery.state != HANDLED)
            return [row.id for row in rows.order_by(Delivery.id)]

    def ends(self, job, attempt) -> list:
        events = self.launchers[0].events(job, JobFinished, JobLost)
        return [event for event in events if event.attempt == attempt]


@pytest.mark.parametrize("grace", [3600.0, 0.0])
def test_two_rounds_are_enough(database, tmp_path, grace):
    machine = type("Bound", (Machine,), {"database": database, "folder": tmp_path, "grace": grace})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6,
            stateful_step_count=15,
            phases=[Phase.reuse, Phase.generate],  # a smaller example is not worth minutes of databases
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_launch_whose_answer_was_lost_is_found_and_stopped(database, tmp_path):
    """Its owner is told at once; no other attempt begins before it is certain that nothing runs."""
    backend = FakeBackend()
    launcher = Launcher(database, tmp_path, backend)
    launcher.request("a")
    backend.fails = ["after", "before"]
    launcher.round()
    launcher.cancel("a")
    launcher.hear(JobLaunchRequested(job_id="a", attempt=2, spec={}))
    for alive in ({"a/1"}, {"a/1"}):
        with database.write() as session:
            session.query(Run).update({Run.due_at: 0.0})
        launcher.round()
        assert backend.alive <= alive
    launcher.round()
    assert [end.outcome for end in launcher.events("a", JobFinished)] == [Outcome.CANCELLED]
    assert "a/1" not in backend.alive
    launcher.round()
    assert backend.alive == {"a/2"}


@only_sqlite
def test_a_defect_settles_no_doubt(database, tmp_path):
    """It would end the job, and what the launch had started would run with nobody to stop it."""
    backend = FakeBackend()
    launcher = Launcher(database, tmp_path, backend)
    launcher.request("a")
    backend.fails = ["after"]
    launcher.round()
    launch, backend.launch = backend.launch, None
    launcher.hurry()
    launcher.round()
    assert (launcher.run("a").state, launcher.events("a", JobFinished)) == ("launching", [])
    backend.launch = launch
    launcher.hurry()
    launcher.round()
    assert launcher.run("a").handle == "a/1"


@only_sqlite
@pytest.mark.parametrize(
    ("stored", "values", "outcome", "reason"),
    [
        # A wrong image, or a plug-in that ends the process
        ([], {}, Outcome.FAILED, UNHEARD),
        (["log.txt", "checkpoint.pt"], {}, Outcome.FAILED, UNHEARD),
        ([], {"cancel": True}, Outcome.CANCELLED, "cancelled on request"),
        # Only its word is missing
        (["log.txt", "model.pt"], {}, Outcome.SUCCEEDED, "exit 0, but the trainer's own report has not arrived"),
        (["model.pt"], {"cancel": True}, Outcome.SUCCEEDED, "exit 0, but the trainer's own report has not arrived"),
    ],
)  # fmt: skip
def test_who_exits_well_and_tells_nothing_has_succeeded_where_artifacts_say_so(
    database, tmp_path, stored, values, outcome, reason
):
    launcher = Launcher(database, tmp_path, FakeBackend())
    launcher.request("a")
    launcher.round()
    for name in stored:
        launcher.store.put_bytes(f"jobs/a/1/{name}", b"...")
    launcher.backend.exit("a/1", 0)
    if values.get("cancel"):
        launcher.cancel("a")
    launcher.round()
    end = launcher.finished("a")
    assert end.outcome is outcome
    assert end.reason.startswith(reason)


@only_sqlite
@pytest.mark.parametrize("error", [Refused("no such image"), Transient("no capacity")])
def test_what_a_run_that_never_started_had_to_read_is_removed_once_that_can_be(database, tmp_path, error):
    class Full(FakeBackend):
        left, away = True, True

        def launch(self, _run):
            raise error

        def forget(self, _job_id, _attempt):
            if self.away:
                raise Transient("the store is away")
            self.left = False

    launcher = Launcher(database, tmp_path, Full(), give_up_seconds=-1)
    launcher.request("a")
    launcher.round()
    assert (launcher.states(), launcher.backend.left) == ({"a": "ended"}, True)
    launcher.backend.away = False
    launcher.round()
    assert not launcher.backend.left


@only_sqlite
def test_a_run_of_which_the_provider_says_nothing_is_left_alone(database, tmp_path):
    class Silent(FakeBackend):
        def status(self, handles):
            found = super().status(handles)
            return {handle: status for handle, status in found.items() if handle != "a/1"}

    launcher = Launcher(database, tmp_path, Silent(), lost_grace_seconds=0)
    for job in ("a", "b"):
        launcher.request(job)
    launcher.round()
    for job in ("a", "b"):
        launcher.cancel(job)
    launcher.round()
    launcher.round()
    assert launcher.states() == {"a": "running", "b": "ended"}


@only_sqlite
@pytest.mark.parametrize("seconds", [2 * 86_400, -2 * 86_400])
def test_no_run_ends_because_the_clock_is_set(database, tmp_path, seconds):
    launcher = Launcher(database, tmp_path, FakeBackend(), give_up_seconds=3600)
    launcher.request("a", max_seconds=86_400, max_idle_seconds=900)
    launcher.request("b")
    launcher.backend.fails = ["", "no capacity"]
    launcher.round()
    launcher.silent("a", seconds=60)
    launcher.clock_shift = seconds
    launcher.hurry()
    launcher.backend.fails = ["no capacity"]
    launcher.round()
    assert launcher.states() == {"a": "running", "b": "waiting"}
    assert launcher.backend.alive == {"a/1"}
    assert [launcher.events(job, JobFinished, JobLost) for job in ("a", "b")] == [[], []]
    launcher.backend.exit("a/1", 2)
    launcher.round()
    assert launcher.finished("a").ran_seconds < 3600


@only_sqlite
def test_a_run_that_had_exited_when_the_clock_was_set_back_ends(database, tmp_path):
    launcher = Launcher(database, tmp_path, FakeBackend(), report_grace_seconds=0.0)
    launcher.request("a")
    launcher.round()
    launcher.backend.exit("a/1", 2)
    launcher.limits["report_grace_seconds"] = 3600.0
    slow = launcher.restarted()
    slow.round()
    assert slow.states() == {"a": "running"}
    launcher.clock_shift = -2 * 86_400
    launcher.round()
    assert launcher.states() == {"a": "ended"}


@only_sqlite
def test_a_store_that_does_not_answer_is_asked_again_before_anything_is_told(database, tmp_path):
    launcher = Launcher(database, tmp_path, FakeBackend())
    launcher.request("a")
    launcher.round()
    launcher.store.put_bytes("jobs/a/1/model.pt", b"...")
    launcher.backend.exit("a/1", 0)
    store, launcher.results._store = launcher.store, Away()
    launcher.round()
    assert launcher.events("a", JobFinished) == []
    launcher.results._store = store
    launcher.round()
    assert launcher.finished("a").outcome is Outcome.SUCCEEDED


class Away:
    """A store that is not reached."""

    def list(self, _prefix):
        raise OSError("no route to host")


@only_sqlite
@pytest.mark.parametrize(
    "error", [Transient("kubelet: i/o timeout"), Refused("pods/log is forbidden"), OSError("no disk")]
)
def test_no_end_waits_for_a_log(database, tmp_path, error):
    class Unreadable(FakeBackend):
        def logs(self, _handle, _tail_bytes):
            raise error

    launcher = Launcher(database, tmp_path, Unreadable())
    launcher.request("a")
    launcher.round()
    launcher.backend.exit("a/1", 137, Cause.OUT_OF_MEMORY)
    launcher.round()
    end = launcher.finished("a")
    assert (end.outcome, end.cause) == (Outcome.FAILED, EndCause.OUT_OF_MEMORY)
    assert end.reason.startswith("exit 137: out of memory")
    assert end.reason.endswith(f"(its log could not be read: {error})")


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_cancel_leaves_nothing_running(database, tmp_path, when):
    backend = FakeBackend()
    launcher = Launcher(database, tmp_path, backend)
    launcher.request("a")
    if when == "before":
        launcher.cancel("a")
    if when == "during":
        launch = backend.launch
        backend.launch = lambda spec: (launcher.cancel("a"), launch(spec))[1]
    launcher.round()
    if when == "after":
        launcher.cancel("a")
    launcher.round()
    launcher.round()
    assert backend.alive == set()
    assert launcher.finished("a").outcome is Outcome.CANCELLED
