"""What a trainer of this machine is held to, and what of the platform it gets to see: no secret but its own."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from contracts.callback import derive_secret
from runtime.children import passed_on
from runtime.outbox import EventRow
from services.launcher.backend import RunSpec, RunState
from services.launcher.backends.local import Limits, LocalBackend
from services.launcher.exits import explain
from services.launcher.models import Run
from support.launcher import COMMAND, Launcher
from support.trainer_jobs import job_env, tiny_dataset
from support.wait import until

NONE = Limits()
CANARY = "canary-root-2f6c1d-not-in-any-place-a-trainer-or-a-viewer-sees"
# What services of a real installation hold; none of it is a trainer's business
SERVICES_OWN = {
    "CALLBACK_ROOT_SECRET": CANARY,
    "CALLBACK_ROOT_SECRET_PREVIOUS": CANARY,
    "CALLBACK_SECRET": CANARY,
    "DATABASE_URL": f"postgresql://triptych:{CANARY}@db/triptych",
    "REDIS_URL": f"redis://:{CANARY}@redis:6379/0",
    "POSTGRES_PASSWORD": CANARY,
    "PGPASSWORD": CANARY,
    "SECRET_KEY": CANARY,
    "GITHUB_TOKEN": CANARY,
    "KUBECONFIG": CANARY,
    "LD_PRELOAD": CANARY,
    "PYTHONSTARTUP": CANARY,
}
AWS_OWN = {
    "AWS_ACCESS_KEY_ID": CANARY,
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "AWS_SESSION_TOKEN": CANARY,
    "AWS_PROFILE": CANARY,
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CANARY,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": CANARY,
    "AWS_WEB_IDENTITY_TOKEN_FILE": CANARY,
    "AWS_ROLE_ARN": CANARY,
}
# Tells its own environment, its supervisor's, and what it is held to
TELL = """
import json, os, resource
def environ(pid): return open(f'/proc/{pid}/environ', errors='replace').read().split(chr(0))
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
print(json.dumps({
    'environ': environ('self') + environ(os.getppid()),
    'command': open(f'/proc/{os.getppid()}/cmdline').read(),
    'no_new_privs': status['NoNewPrivs'].strip(),
    'nice': os.getpriority(os.PRIO_PROCESS, 0),
    'core': resource.getrlimit(resource.RLIMIT_CORE),
    'cpu': resource.getrlimit(resource.RLIMIT_CPU)[0],
    'space': resource.getrlimit(resource.RLIMIT_AS)[0],
    'group': os.getpgrp() == os.getpid(),
}), flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def run(tmp_path):
    """Run code under the local back end to its end; gives its status and its output."""
    backends = []

    def run(code, limits=NONE, **environ):
        passed = passed_on({**os.environ, **environ}, aws_access=False)
        backends.append(LocalBackend(tmp_path / "runs", COMMAND, passed, grace_seconds=0.2, limits=limits))
        handle = backends[-1].launch(RunSpec(f"j{len(backends)}", 1, {"TEST_CODE": code}, 1, 512))

        def ended():
            return backends[-1].status([handle])[handle].state is RunState.EXITED

        until(ended, "the end")
        return backends[-1].status([handle])[handle], backends[-1].logs(handle, 100_000)

    yield run
    until(lambda: not any(each.status([]) or each._children for each in backends), "supervisors to end")


def test_a_run_and_its_supervisor_hold_no_secret_of_a_service(run):
    _, lines = run(TELL, **SERVICES_OWN, **AWS_OWN, AWS_REGION="eu-west-1", AWS_ENDPOINT_URL="http://s3")
    told = json.loads(lines[-1])
    assert [text for text in [*told["environ"], told["command"]] if CANARY in text] == []
    assert {"AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL=http://s3"} <= set(told["environ"])


def test_a_run_is_held_to_its_limits_in_a_group_of_its_own(run):
    _, lines = run(TELL, Limits(nice=3, cpu_seconds=500, address_space_mb=2048))
    told = json.loads(lines[-1])
    assert (told["no_new_privs"], told["core"], told["group"]) == ("1", [0, 0], True)
    assert (told["cpu"], told["space"]) == (500, 2048 * 2**20)
    assert told["nice"] >= 3


def test_without_limits_there_are_none_but_no_new_rights(run):
    _, lines = run(TELL)
    told = json.loads(lines[-1])
    assert (told["no_new_privs"], told["cpu"], told["space"]) == ("1", -1, -1)


def test_processor_time_runs_out_with_a_reason(run):
    status, lines = run("while True: pass", Limits(cpu_seconds=1))
    assert status.exit_code == 152
    assert "TRAINER_CPU_SECONDS" in explain(status, lines)[1]


def test_memory_beyond_the_limit_is_not_given(run):
    status, lines = run("bytearray(3 * 2**30)", Limits(address_space_mb=1024))
    assert status.exit_code == 1
    assert lines[-1] == "MemoryError"


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_the_root_secret_is_nowhere_a_whole_job_leaves_anything(database, tmp_path, monkeypatch):
    """A real trainer, launched under a root secret that is easy to find, and every file, row and object searched for it."""
    monkeypatch.setattr("support.launcher.ROOT_SECRET", CANARY)
    for name, value in SERVICES_OWN.items():
        if name != "LD_PRELOAD":
            monkeypatch.setenv(name, value)
    backend = LocalBackend(
        tmp_path / "runs", [sys.executable, "-P", "-m", "trainer"], passed_on(os.environ), grace_seconds=0.5
    )
    launcher = Launcher(database, tmp_path, backend)
    data = tiny_dataset(tmp_path / "data", rows=30)
    spec = {**job_env(data, FINAL_FLUSH_SECONDS="0", EXPLAIN_SHARE="0"), "LOG_LEVEL": "DEBUG"}
    launcher.ask("canary", {name: value for name, value in spec.items() if name not in {"JOB_ID", "WORKDIR"}})
    run = launcher.until_state("canary", "ended")
    launcher.reap()
    assert run.exit_code == 0, launcher.log("canary")
    assert (data / "out" / "model.safetensors").is_file()
    with database.read() as session:
        rows = [*session.query(EventRow.envelope), *session.query(Run.spec), *session.query(Run.reason)]
    own = derive_secret(CANARY, "canary", 1)
    shutil.rmtree(data / "images")
    kept = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(path.endswith("log.txt") for path in kept)
    for secret in (CANARY, own):
        assert [path for path, content in kept.items() if secret.encode() in content] == []
        assert secret not in str(rows)
