"""However calls to ECS go wrong, one task a launch: over boto3 and real sockets, to moto behind a proxy that breaks them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from contracts.callback import Outcome
from contracts.events import JobFinished, JobLaunched
from runtime.db import unix_now
from runtime.errors import Transient
from runtime.storage import open_store
from services.launcher.backend import InDoubt, RunSpec, RunState
from services.launcher.models import Run
from support.ecs import Fault
from support.launcher import Launcher

UNANSWERED = [
    Fault.CUT_BEFORE,
    Fault.CUT_AFTER,
    Fault.HALF,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
    Fault.IN_USE,
]
CARRIED_OUT = [Fault.CUT_AFTER, Fault.HALF, Fault.ERROR_AFTER]
NOTHING_DONE = [Fault.THROTTLED, Fault.NO_CAPACITY, Fault.EMPTY]
SPEC = RunSpec("a", 1, {"JOB_ID": "a", "CALLBACK_SECRET": "secret"}, 1, 2048)


@pytest.fixture
def store(tmp_path):
    return open_store((tmp_path / "objects").as_uri())


@pytest.fixture
def backend(cloud, store):
    return cloud.backend(store)


def launch(backend, spec=SPEC):
    """Launch as the reconciler does: what is in doubt is repeated, what was refused for now is a new launch."""
    while True:
        try:
            return backend.launch(spec)
        except InDoubt:
            spec = replace(spec, in_doubt=True)
        except Transient:
            spec = replace(spec, launch=spec.launch + 1, in_doubt=False)


# --- one launch


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_launch_without_an_answer_is_in_doubt_and_its_repeat_gives_the_one_task(cloud, backend, fault):
    cloud.fail("RunTask", fault)
    with pytest.raises(InDoubt):
        backend.launch(SPEC)
    assert len(cloud.tasks()) == (fault in CARRIED_OUT)
    handle = backend.launch(replace(SPEC, in_doubt=True))
    assert list(cloud.tasks()) == [handle]


@pytest.mark.parametrize("fault", CARRIED_OUT)
def test_the_token_alone_finds_the_task_where_lists_do_not_show_it_yet(cloud, backend, fault):
    cloud.fail("RunTask", fault)
    cloud.fail("ListTasks", Fault.UNSEEN)
    handle = launch(backend)
    assert list(cloud.tasks()) == [handle]


def test_a_list_finds_the_task_whose_token_has_expired(cloud, backend):
    cloud.fail("RunTask", Fault.CUT_AFTER)
    with pytest.raises(InDoubt):
        backend.launch(SPEC)
    cloud.tokens.clear()
    assert list(cloud.tasks()) == [backend.launch(replace(SPEC, in_doubt=True))]


def test_one_who_may_not_list_tasks_relies_on_the_token(cloud, backend):
    cloud.fail("RunTask", Fault.CUT_AFTER)
    cloud.fail("ListTasks", Fault.DENIED)
    handle = launch(backend)
    assert list(cloud.tasks()) == [handle]


def test_an_answer_that_does_not_come_in_time_is_a_doubt(cloud, store, backend):
    cloud.fail("RunTask", Fault.SILENCE)
    with pytest.raises(InDoubt, match="Read timeout"):
        cloud.backend(store, read_timeout=0.3).launch(SPEC)
    handle = launch(backend, replace(SPEC, in_doubt=True))
    assert list(cloud.tasks()) == [handle]


def test_any_two_faults_in_a_row_leave_one_task(cloud, backend):
    # A 500 is to a launcher what a cut is
    kinds = [
        fault for fault in UNANSWERED + NOTHING_DONE if fault not in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER)
    ]
    pairs = list(product(kinds, repeat=2))
    for number, faults in enumerate(pairs):
        cloud.fail("RunTask", *faults)
        launch(backend, replace(SPEC, job_id=f"job-{number}"))
    assert cloud.launches() == {f"triptych/job-{number}/1": 1 for number in range(len(pairs))}, pairs


@pytest.mark.parametrize("fault", NOTHING_DONE)
def test_an_answer_that_nothing_was_started_is_no_doubt(cloud, backend, fault):
    cloud.fail("RunTask", fault)
    with pytest.raises(Transient) as caught:
        backend.launch(SPEC)
    assert not isinstance(caught.value, InDoubt)
    assert cloud.tasks() == {}


def test_an_answer_that_nothing_was_started_settles_a_doubt(cloud, backend):
    cloud.fail("RunTask", Fault.CUT_BEFORE, Fault.THROTTLED, Fault.NO_CAPACITY)
    told = []
    for spec in (SPEC, replace(SPEC, in_doubt=True), replace(SPEC, in_doubt=True)):
        with pytest.raises(Transient) as caught:
            backend.launch(spec)
        told.append(isinstance(caught.value, InDoubt))
    assert told == [True, True, False]


def test_a_launch_after_a_failure_does_not_get_the_old_failure_again(cloud, backend):
    cloud.fail("RunTask", Fault.NO_CAPACITY)
    for _ in range(2):
        with pytest.raises(Transient, match="RESOURCE:MEMORY none left"):
            backend.launch(SPEC)
    handle = backend.launch(replace(SPEC, launch=2))
    assert list(cloud.tasks()) == [handle]


def test_a_launcher_with_other_settings_adopts_the_task_of_a_launch_in_doubt(cloud, backend, store):
    cloud.fail("RunTask", Fault.CUT_AFTER)
    cloud.fail("ListTasks", Fault.UNSEEN)
    with pytest.raises(InDoubt):
        backend.launch(SPEC)
    other = cloud.backend(store, assign_public_ip=True)
    assert list(cloud.tasks()) == [other.launch(replace(SPEC, in_doubt=True))]


def test_what_is_not_reached_was_not_started(cloud, store):
    backend = cloud.backend(store)
    backend._ecs.meta.events.register(
        "request-created.ecs", lambda request, **_: setattr(request, "url", "http://127.0.0.1:9/")
    )
    with pytest.raises(Transient, match="not reached") as caught:
        backend.launch(SPEC)
    assert not isinstance(caught.value, InDoubt)
    with pytest.raises(InDoubt, match="not reached"):
        backend.launch(replace(SPEC, in_doubt=True))


def test_a_denial_is_told_in_words_passes_and_leaves_no_object(cloud, backend, store):
    cloud.fail("RunTask", Fault.DENIED)
    with pytest.raises(Transient, match="not authorized"):
        backend.launch(SPEC)
    assert list(store.list("specs")) == []
    cloud.fail("RunTask", Fault.NO_CAPACITY)
    with pytest.raises(Transient):
        backend.launch(SPEC)
    assert list(store.list("specs")) == []


# --- looking and stopping


@pytest.mark.parametrize("fault", [*UNANSWERED, Fault.THROTTLED])
@pytest.mark.parametrize("operation", ["DescribeTasks", "StopTask"])
def test_a_look_or_a_stop_that_fails_is_told_and_works_the_next_time(cloud, backend, operation, fault):
    handle = backend.launch(SPEC)
    use = {
        "DescribeTasks": lambda: backend.status([handle]),
        "StopTask": lambda: backend.stop(handle, "over"),
    }
    cloud.fail(operation, fault)
    with pytest.raises(Transient):
        use[operation]()
    use[operation]()
    expected = RunState.RUNNING if operation == "DescribeTasks" else RunState.EXITED
    assert backend.status([handle])[handle].state is expected


def test_tasks_of_an_earlier_cluster_are_looked_after(cloud, backend, store):
    handle = backend.launch(SPEC)
    cloud.renew()
    after = cloud.backend(store)
    other = after.launch(replace(SPEC, job_id="b"))
    assert {status.state for status in after.status([handle, other]).values()} == {RunState.RUNNING}
    after.stop(handle, "cancelled on request")
    assert after.status([handle])[handle].state is RunState.EXITED


def test_the_end_of_a_long_log_is_put_together_from_pages(cloud, backend):
    handle = backend.launch(SPEC)
    lines = [f"line {number}" for number in range(12_000)]
    cloud.write_log(handle, lines)
    assert backend.logs(handle, 10**6) == lines  # of which one answer holds 10,000


# --- with the reconciler


@pytest.fixture
def launcher(cloud, store, database, tmp_path):
    return Launcher(database, tmp_path, cloud.backend(store), lost_grace_seconds=0)


only_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@only_sqlite
@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_job_cancelled_while_its_launch_is_in_doubt_leaves_nothing_running(cloud, launcher, fault):
    cloud.fail("RunTask", fault)
    launcher.request("a")
    launcher.round()
    assert launcher.states() == {"a": "launching"}
    launcher.cancel("a")
    assert launcher.states() == {"a": "launching"}, "what may run cannot be called ended"
    launcher.hurry()
    launcher.until_state("a", "ended")
    assert list(cloud.tasks().values()) == ["STOPPED"]
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    assert list(launcher.store.list("specs")) == []


@only_sqlite
def test_a_doubt_outlives_the_launcher(cloud, launcher):
    cloud.fail("RunTask", Fault.CUT_AFTER)
    launcher.request("a")
    launcher.round()
    launcher.hurry()
    fresh = launcher.restarted()
    fresh.round()
    assert fresh.states() == {"a": "running"}
    assert [event.handle for event in fresh.events("a", JobLaunched)] == list(cloud.tasks())


@only_sqlite
def test_a_doubt_is_asked_about_until_it_is_settled_and_never_given_up(cloud, store, database, tmp_path):
    launcher = Launcher(database, tmp_path, cloud.backend(store), give_up_seconds=-1)
    cloud.fail("RunTask", Fault.CUT_AFTER, Fault.THROTTLED, Fault.ERROR_BEFORE)
    cloud.fail("ListTasks", *[Fault.UNSEEN] * 3)
    launcher.request("a")
    for _ in range(3):
        launcher.round()
        assert launcher.states() == {"a": "launching"}
        launcher.round()
        launcher.hurry()
    launcher.round()
    assert launcher.states() == {"a": "running"}
    assert len(cloud.tasks()) == 1


@only_sqlite
def test_no_capacity_is_waited_for_and_can_be_cancelled(cloud, launcher):
    cloud.fail("RunTask", Fault.NO_CAPACITY, Fault.NO_CAPACITY)
    launcher.request("a")
    launcher.request("b")
    launcher.round()
    assert launcher.states() == {"a": "waiting", "b": "waiting"}
    launcher.cancel("b")
    launcher.hurry()
    launcher.round()
    assert launcher.states() == {"a": "running", "b": "ended"}
    assert len(cloud.tasks()) == 1


@only_sqlite
def test_a_launcher_that_was_overtaken_stops_what_it_started(cloud, store, launcher, database, tmp_path):
    slow = Launcher(database, tmp_path, cloud.backend(store), launch_seconds=-1)
    cloud.fail("RunTask", Fault.NO_CAPACITY)
    start = slow.backend._start

    def overtaken(run, request):
        # Meanwhile another launcher repeats the launch, is told "no", and is given a task the next time
        slow.backend._start = start
        launcher.round()
        launcher.hurry()
        launcher.round()
        cloud.tokens.clear()  # the worst case: the token of the launch that was told "no" is as good as new
        return start(run, request)

    slow.backend._start = overtaken
    slow.request("a")
    slow.round()
    [launched] = launcher.events("a", JobLaunched)
    states = cloud.tasks()
    assert states.pop(launched.handle) == "RUNNING"
    assert list(states.values()) == ["STOPPED"]


@only_sqlite
def test_a_task_over_its_time_is_stopped_however_often_that_takes(cloud, launcher, database):
    launcher.request("a", max_seconds=60)
    launcher.round()
    with database.write() as session:
        session.query(Run).update({Run.started_at: unix_now() - 61})
    cloud.fail("StopTask", Fault.CUT_BEFORE, Fault.THROTTLED)
    for _ in range(2):
        launcher.round()
        assert list(cloud.tasks().values()) == ["RUNNING"]
    launcher.until_state("a", "ended")
    assert list(cloud.tasks().values()) == ["STOPPED"]
    assert launcher.finished("a").outcome is Outcome.TIMED_OUT


@only_sqlite
def test_a_service_that_is_away_loses_no_job(cloud, launcher):
    launcher.request("a")
    launcher.round()
    cloud.fail("DescribeTasks", Fault.ERROR_BEFORE, Fault.CUT_AFTER, Fault.THROTTLED)
    for _ in range(3):
        with pytest.raises(Transient):
            launcher.round()
    launcher.round()
    assert launcher.states() == {"a": "running"}
    assert launcher.events("a", JobFinished) == []
