"""From a launch request to a told end, with real processes in the trainer's place, over SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time

import psutil
import pytest

from contracts.callback import Outcome, derive_secret
from contracts.events import EndCause, JobFinished, JobLaunched, JobLaunchRequested, JobLost
from runtime import log
from runtime.errors import Transient
from runtime.loop import Loop
from services.launcher.backend import Refused
from support.launcher import FOREVER, ROOT_SECRET
from support.wait import until

# What the metrics service tells when a trainer got SIGTERM, whoever sent it
STOPPED = JobFinished(
    job_id="a",
    attempt=1,
    outcome=Outcome.CANCELLED,
    cause=EndCause.INTERRUPTED,
    reason="stopped on request (SIGTERM)",
)


def started(launcher, job_id):
    """Wait for a run's first output and give the process id of its command."""
    launcher.until_state(job_id, "running")
    until(lambda: launcher.backend.logs(f"{job_id}/1", 100), f"output of {job_id}")
    child = launcher.folder / "runs" / job_id / "1" / "child.json"
    until(
        child.is_file, f"the process id of {job_id}"
    )  # written once the command runs, which may speak first
    return json.loads(child.read_text())["pid"]


def test_a_good_run_is_launched_once_and_told_to_have_succeeded(launcher):
    launcher.request("a", "print('hello')")
    launcher.store.put_bytes("jobs/a/1/model.pt", b"weights")
    assert launcher.states() == {"a": "waiting"}
    run = launcher.until_state("a", "ended")
    assert run.exit_code == 0
    assert [(e.launcher, e.handle) for e in launcher.events("a", JobLaunched)] == [("local", "a/1")]
    assert launcher.finished("a").outcome is Outcome.SUCCEEDED
    assert launcher.log("a") == "hello\n"


def test_a_repeated_request_changes_nothing(launcher):
    launcher.request("a", "print(1)")
    launcher.until_state("a", "ended")
    launcher.request("a", "print(2)")
    launcher.round()
    assert launcher.log("a") == "1\n"
    assert len(launcher.events("a", JobLaunched)) == 1


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        ("print('line 7 is odd'); raise SystemExit(3)", 3, "exit 3: the model's own code failed: line 7 is odd"),
            ("print('line 7 is odd'); raise SystemExit(9)", 9, "exit 9: the trainer failed: line 7 is odd"),
        ("raise SystemExit('no target column')", 1, "exit 1: the trainer failed with an unexpected error: no target column"),
        ("print('EPOCHS: 0'); print('MODEL: ?'); raise SystemExit(64)", 64, "exit 64: settings refused: EPOCHS: 0 | MODEL: ?"),
        ("os.kill(os.getpid(), 9)", 137, "exit 137: killed, probably out of memory"),
        ("os.kill(os.getpid(), 11)", 139, "exit 139: killed by SIGSEGV"),
        ("os.kill(os.getpid(), 15)", 143, "exit 143: stopped by SIGTERM, but nobody cancelled the job"),
    ],
)  # fmt: skip
def test_a_bad_end_is_told_with_its_reason(launcher, code, exit_code, reason):
    launcher.request("a", code)
    assert launcher.until_state("a", "ended").exit_code == exit_code
    end = launcher.finished("a")
    assert end.outcome is Outcome.FAILED
    assert end.reason.startswith(reason)


def test_the_trainer_gets_its_own_secret_and_none_of_the_platform(launcher, monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "CALLBACK_ROOT_SECRET"):
        monkeypatch.setenv(name, "of the platform")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://objects:9000")
    fresh = launcher.restarted()
    with log.bound(request_id="r-1"):
        fresh.request("a", "import json; print(json.dumps(dict(os.environ)))", cpus=1.5)
    fresh.until_state("a", "ended")
    env = json.loads(fresh.log("a"))
    expected = {
        "JOB_ID": "a",
        "ATTEMPT": "1",
        "API_BASE": "http://platform:8080",
        "CALLBACK_SECRET": derive_secret(ROOT_SECRET, "a", 1),
        "WORKDIR": str(launcher.folder / "runs" / "a" / "1" / "work"),
        "OMP_NUM_THREADS": "2",
        "AWS_ENDPOINT_URL": "http://objects:9000",
        "TRIPTYCH_REQUEST_ID": "r-1",
    }
    assert {name: env.get(name) for name in expected} == expected
    assert not {"DATABASE_URL", "REDIS_URL", "CALLBACK_ROOT_SECRET"} & set(env)
    assert ROOT_SECRET not in env.values()


def test_a_waiting_run_is_cancelled_at_once(launcher):
    launcher.request("a", FOREVER)
    launcher.cancel("a")
    launcher.round()
    assert launcher.states() == {"a": "ended"}
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    assert launcher.events("a", JobLaunched) == []


def test_a_cancellation_that_overtakes_its_launch_request_stops_it(launcher):
    launcher.cancel("a")
    launcher.request("a", FOREVER)
    launcher.round()
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    assert launcher.events("a", JobLaunched) == []


def test_a_running_run_is_stopped_on_cancel(launcher):
    launcher.request("a", FOREVER)
    pid = started(launcher, "a")
    launcher.cancel("a")
    run = launcher.until_state("a", "ended")
    assert run.exit_code == 128 + signal.SIGTERM
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    assert not psutil.pid_exists(pid)


def test_one_that_does_not_listen_is_killed_with_all_it_started(launcher):
    code = "import signal, subprocess; signal.signal(15, signal.SIG_IGN); p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True)"
    launcher.request("a", f"{code}\n{FOREVER}")
    started(launcher, "a")
    grandchild = int(launcher.backend.logs("a/1", 100)[0])
    launcher.cancel("a")
    assert launcher.until_state("a", "ended").exit_code == 128 + signal.SIGKILL
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    until(lambda: not psutil.pid_exists(grandchild), "the grandchild to go")


def test_a_run_over_its_time_is_told_first_and_stopped(launcher):
    launcher.request("a", FOREVER, max_seconds=1)
    pid = started(launcher, "a")
    launcher.until_state("a", "stopping")
    end = launcher.finished("a")
    assert (end.outcome, end.reason.split(",")[0]) == (Outcome.TIMED_OUT, "stopped after 1 s")
    launcher.until_state("a", "ended")
    assert launcher.finished("a") == end
    assert not psutil.pid_exists(pid)


def test_the_trainers_own_word_counts(make_launcher):
    launcher = make_launcher(report_grace_seconds=3600)
    launcher.request("a", "raise SystemExit(1)")
    launcher.until_state("a", "running")
    until(lambda: launcher.backend.status(["a/1"])["a/1"].exit_code == 1, "the process to end")
    launcher.round()
    launcher.round()
    assert launcher.states() == {"a": "running"}, "the report is waited for"
    said = JobFinished(job_id="a", attempt=1, outcome=Outcome.FAILED, reason="column x is empty")
    launcher.hear(said)
    launcher.until_state("a", "ended")
    assert launcher.finished("a") == said


def test_a_trainer_that_lives_on_after_its_report_is_stopped(make_launcher):
    launcher = make_launcher(linger_seconds=0)
    launcher.request("a", FOREVER)
    pid = started(launcher, "a")
    launcher.hear(JobFinished(job_id="a", attempt=1, outcome=Outcome.SUCCEEDED))
    launcher.until_state("a", "ended")
    assert launcher.finished("a").outcome is Outcome.SUCCEEDED
    assert not psutil.pid_exists(pid)


def test_no_more_run_than_allowed_and_the_oldest_goes_first(make_launcher):
    launcher = make_launcher(max_running=1)
    for job_id in ("a", "b", "c"):
        launcher.request(job_id, FOREVER)
    for turn, job_id in enumerate(("a", "b", "c")):
        started(launcher, job_id)
        launcher.round()
        assert list(launcher.states().values()).count("running") == 1
        assert list(launcher.states().values()).count("ended") == turn
        launcher.cancel(job_id)
        launcher.until_state(job_id, "ended")


def test_several_launchers_start_each_run_once_and_keep_to_the_limit(make_launcher):
    launchers = [make_launcher(max_running=3) for _ in range(4)]
    for number in range(6):
        launchers[0].request(f"job-{number}", FOREVER)
    threads = [threading.Thread(target=launcher.round) for launcher in launchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(launchers[0].states().values()) == ["running"] * 3 + ["waiting"] * 3
    assert sum(len(launchers[0].events(f"job-{n}", JobLaunched)) for n in range(6)) == 3


def test_a_restarted_launcher_finds_its_runs_again(make_launcher):
    launcher = make_launcher(max_running=2)
    launcher.request("a", FOREVER)
    launcher.request("b", "raise SystemExit(7)")
    started(launcher, "a")
    until(lambda: launcher.backend.status(["b/1"])["b/1"].exit_code == 7, "b to end unseen")
    fresh = launcher.restarted()
    assert fresh.until_state("b", "ended").exit_code == 7
    fresh.round()
    assert fresh.states()["a"] == "running"
    fresh.cancel("a")
    fresh.until_state("a", "ended")
    assert fresh.finished("a").outcome is Outcome.CANCELLED
    assert len(fresh.events("a", JobLaunched)) == 1


def test_a_launch_that_broke_off_is_done_again_without_a_second_process(make_launcher, database):
    launcher = make_launcher(launch_seconds=-1)
    launcher.request("a", FOREVER)

    def die(*_):
        raise KeyboardInterrupt

    # As if the process were killed between the start and the note of it
    launch = launcher.backend.launch
    launcher.backend.launch = lambda spec: die(launch(spec))
    with pytest.raises(KeyboardInterrupt):
        launcher.round()
    assert launcher.states() == {"a": "launching"}
    fresh = launcher.restarted()
    fresh.round()
    assert fresh.states() == {"a": "running"}
    commands = [
        p
        for p in psutil.process_iter(["environ"])
        if (p.info["environ"] or {}).get("WORKDIR", "").startswith(str(launcher.folder))
    ]
    assert len(commands) == 2, "one supervisor and one command"


def test_a_run_that_vanished_is_lost(make_launcher):
    launcher = make_launcher(lost_grace_seconds=0)
    launcher.request("a", FOREVER)
    pid = started(launcher, "a")
    supervisor = json.loads((launcher.folder / "runs" / "a" / "1" / "run.json").read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    launcher.round()
    assert launcher.states() == {"a": "running"}, "the command lives on"
    os.kill(pid, signal.SIGKILL)
    until(lambda: launcher.backend.status(["a/1"])["a/1"].state == "unknown", "the command to be gone")
    launcher.round()
    launcher.round()
    assert launcher.states() == {"a": "running"}, "nobody has said that it is not heard"
    launcher.silent("a", everyone=True)
    launcher.until_state("a", "ended")
    [lost] = launcher.events("a", JobLost)
    assert lost.reason.startswith("lost: local no longer knows a/1")
    assert launcher.events("a", JobFinished) == []


def test_a_cancelled_run_whose_supervisor_died_is_killed(make_launcher):
    launcher = make_launcher(lost_grace_seconds=0)
    launcher.request("a", FOREVER)
    pid = started(launcher, "a")
    os.kill(
        json.loads((launcher.folder / "runs" / "a" / "1" / "run.json").read_text())["pid"], signal.SIGKILL
    )
    launcher.cancel("a")
    launcher.until_state("a", "ended")
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    until(lambda: not psutil.pid_exists(pid), "the command to go")


def test_a_hung_run_is_told_first_and_stopped(launcher):
    launcher.request("a", FOREVER, max_idle_seconds=1)
    pid = started(launcher, "a")
    launcher.silent("a", everyone=True)
    launcher.round()
    assert launcher.states() == {"a": "running"}, "perhaps nobody reaches the platform"
    launcher.silent("a", seconds=60)
    began = launcher.run("a").started_at
    until(lambda: time.time() > began + 1, "it to be silent for a second")
    launcher.round()
    end = launcher.finished("a")
    assert (end.outcome, end.cause) == (Outcome.FAILED, EndCause.HUNG)
    assert end.ran_seconds >= 1
    assert launcher.until_state("a", "ended").exit_code == 128 + signal.SIGTERM
    assert launcher.finished("a") == end
    assert not psutil.pid_exists(pid)


def test_a_long_upload_is_not_silence(launcher):
    """The trainer's heartbeats go on from a thread of their own, so nothing is told, however long it tells no points."""
    launcher.request("a", FOREVER, max_idle_seconds=1)
    started(launcher, "a")
    began = launcher.run("a").started_at
    until(lambda: time.time() > began + 1.1, "more than the longest silence")
    launcher.round()
    assert launcher.states() == {"a": "running"}
    launcher.cancel("a")
    launcher.until_state("a", "ended")


def test_a_trainers_word_that_it_was_stopped_does_not_count_where_nobody_asked(launcher):
    launcher.request("a", FOREVER)
    pid = started(launcher, "a")
    os.kill(pid, signal.SIGTERM)
    launcher.hear(STOPPED)
    launcher.until_state("a", "ended")
    _, end = launcher.events("a", JobFinished)
    assert (end.outcome, end.cause) == (Outcome.FAILED, EndCause.INTERRUPTED)


def test_a_trainers_word_that_it_was_stopped_counts_where_someone_cancelled(launcher):
    launcher.request("a", FOREVER)
    started(launcher, "a")
    launcher.cancel("a")
    launcher.hear(STOPPED)
    launcher.until_state("a", "ended")
    assert launcher.finished("a") == STOPPED


def test_a_launch_that_must_wait_is_done_later(launcher):
    launcher.request("a", FOREVER, delay_seconds=3600)
    launcher.round()
    assert launcher.states() == {"a": "waiting"}


def test_the_time_of_earlier_attempts_counts(launcher):
    launcher.request("a", FOREVER, max_seconds=3600, ran_seconds=3600)
    launcher.until_state("a", "ended")
    assert launcher.finished("a").reason.startswith("stopped after 3600 s over all its attempts")


def test_a_cancel_in_the_middle_of_a_launch_leaves_nothing_running(launcher):
    launcher.request("a", FOREVER)
    launch = launcher.backend.launch

    def launch_and_cancel(spec):
        handle = launch(spec)
        launcher.cancel("a")
        return handle

    launcher.backend.launch = launch_and_cancel
    launcher.round()
    launcher.until_state("a", "ended")
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    assert launcher.backend.status(["a/1"])["a/1"].state == "exited"


def test_a_new_attempt_waits_for_the_process_of_the_one_before(launcher):
    launcher.request("a", FOREVER)
    started(launcher, "a")
    launcher.hear(JobLaunchRequested(job_id="a", attempt=2, spec={"TEST_CODE": "print(2)"}))
    launcher.round()
    assert not (launcher.folder / "runs" / "a" / "2").exists()
    launcher.cancel("a")
    until(lambda: launcher.round() or (launcher.folder / "runs" / "a" / "2").exists(), "attempt 2 to start")


class Failing:
    """A provider that answers launches with an error."""

    name = "local"

    def __init__(self, error):
        self.error = error

    def launch(self, _spec):
        raise self.error

    def forget(self, job_id, attempt):
        pass


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_launch_that_cannot_be_done_now_is_tried_again_unless_cancelled(launcher, cancelled):
    launcher.request("a")
    backend = Failing(Transient("no capacity"))
    launcher.use(backend)
    if cancelled:
        failing = backend.launch
        backend.launch = lambda spec: (launcher.cancel("a"), failing(spec))
    launcher.round()
    run = launcher.run("a")
    if cancelled:
        assert run.state == "ended"
        assert launcher.finished("a").outcome is Outcome.CANCELLED
    else:
        assert (run.state, run.launch_tries, run.reason) == ("waiting", 1, "no capacity")
        launcher.round()
        assert launcher.run("a").launch_tries == 1, "not before its time"


@pytest.mark.parametrize(
    ("error", "reason", "cause"),
    [
        (Refused("20 processors are more than there are"), "could not be launched: 20 processors are more than there are", EndCause.NEVER_STARTED),
        (KeyError("cluster"), "could not be launched: KeyError: 'cluster'", EndCause.NEVER_STARTED),
        (Transient("no capacity"), r"could not be launched in \d+ s: no capacity", EndCause.CAPACITY),
    ],
)  # fmt: skip
def test_a_launch_that_is_refused_ends_the_job_with_the_reason(make_launcher, error, reason, cause):
    launcher = make_launcher(give_up_seconds=-1)
    launcher.request("a")
    launcher.use(Failing(error))
    launcher.round()
    assert (launcher.finished("a").outcome, launcher.finished("a").cause) == (Outcome.FAILED, cause)
    assert re.fullmatch(reason, launcher.finished("a").reason)


def test_the_log_is_copied_while_the_job_runs_and_only_its_end_is_kept(launcher):
    launcher.request("a", f"for n in range(1000): print(f'line {{n}}')\n{FOREVER}")
    launcher.until_state("a", "running")
    until(lambda: launcher.backend.logs("a/1", 100)[-1:] == ["up"], "its output")
    launcher.logs.copy_all()
    lines = launcher.log("a").splitlines()
    assert lines[-2:] == ["line 999", "up"]
    assert 100 < len(lines) < 250
    assert lines[0].startswith("line ")


def test_a_log_is_told_to_have_grown_when_it_has(launcher):
    more = launcher.folder / "more"
    code = f"""import pathlib, time
print('up', flush=True)
while not pathlib.Path({str(more)!r}).exists(): time.sleep(0.01)
print('more', flush=True)
{FOREVER}"""
    launcher.request("a", code)
    launcher.until_state("a", "running")
    for lines, told in ((["up"], ["a"]), (["up", "more", "up"], ["a", "a"])):
        until(lambda: launcher.backend.logs("a/1", 100) == lines, "its output")  # noqa: B023 - called here
        for _ in range(2):
            launcher.logs.copy_all()
        assert launcher.logs_told == told
        more.touch()


def test_readiness_tells_of_a_reconciler_that_does_not_get_on():
    def fail():
        raise ConnectionError("database is away")

    failing = Loop("reconciler", fail, seconds=0.0, stale_seconds=0.0)
    with pytest.raises(RuntimeError, match="does not run"):
        failing.check()
    failing.start()
    until(lambda: failing._error, "a round")
    with pytest.raises(RuntimeError, match=r"went well.*database is away"):
        failing.check()
    failing.stop()
    rounds = []
    working = Loop("reconciler", lambda: rounds.append(1), seconds=3600)
    working.start()
    working.wake()
    until(lambda: rounds, "a round")
    working.check()
    working.stop()
