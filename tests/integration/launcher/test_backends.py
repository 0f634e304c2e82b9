"""What every back end keeps to, over real processes, ECS as moto's server plays it, and Kubernetes as ours plays it.

moto runs no container, so exit codes, output and times of a task are not shown here (test_ecs_words.py reads them
from written-down answers; the test writes the log that a container would have written), nor are permissions and a task that
does not exist (it answers 500). Client tokens are kept by the proxy in front of it; see support/ecs.py, test_ecs_faults.py and
docs/launchers.md, which says what is shown where. What the Kubernetes server does not show stands in its docstring
(support/kubernetes_server.py); more tests over it are in test_kubernetes.py.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from runtime.children import passed_on
from runtime.errors import Transient
from runtime.storage import open_store
from services.launcher.backend import Cause, InDoubt, Refused, RunSpec, RunState
from services.launcher.backends.kubernetes import KubernetesBackend
from services.launcher.backends.kubernetes_api import KubernetesApi, connect
from services.launcher.backends.kubernetes_manifests import Shape
from services.launcher.backends.local import LocalBackend
from support.kubernetes_cluster import NAMESPACE
from support.kubernetes_server import kubernetes_server
from support.launcher import COMMAND, FOREVER
from support.wait import until


class Local:
    """Real processes."""

    def __init__(self, folder):
        self.backend = LocalBackend(folder, COMMAND, passed_on(os.environ), grace_seconds=0.2)
        self.handles = []

    def launch(self, job_id, lines=()):
        code = "".join(f"print({line!r}, flush=True)\n" for line in lines) + FOREVER.replace(
            "print('up', flush=True)", ""
        )
        self.handles.append(self.backend.launch(RunSpec(job_id, 1, {"TEST_CODE": code}, 1, 512)))
        return self.handles[-1]

    def close(self):
        for handle in self.handles:
            self.backend.stop(handle, "end of test")
        until(
            lambda: all(s.state is not RunState.RUNNING for s in self.backend.status(self.handles).values()),
            "the end",
        )
        until(
            lambda: not self.backend.status([]) and not self.backend._children,
            "the supervisors to be collected",
        )


class Ecs:
    """moto's server."""

    def __init__(self, cloud, store):
        self.cloud = cloud
        self.backend = cloud.backend(store)

    def launch(self, job_id, lines=()):
        env = {"JOB_ID": job_id, "CALLBACK_SECRET": "secret"}
        handle = self.backend.launch(RunSpec(job_id, 1, env, 1, 2048))
        if lines:
            self.cloud.write_log(handle, lines)
        return handle


class Kubernetes:
    """A cluster of this process."""

    def __init__(self, server, folder):
        self.cluster, self.client = server.cluster, connect(server.kubeconfig(folder))
        self.backend = KubernetesBackend(KubernetesApi(self.client, NAMESPACE), Shape("trainer"))

    def launch(self, job_id, lines=()):
        handle = self.backend.launch(RunSpec(job_id, 1, {"JOB_ID": job_id}, 1, 2048))
        if lines:
            self.cluster.start(handle)
            self.cluster.write(handle, *lines)
        return handle


@pytest.fixture
def local(tmp_path):
    provider = Local(tmp_path / "runs")
    yield provider
    provider.close()


@pytest.fixture
def ecs(cloud, tmp_path):
    return Ecs(cloud, open_store(tmp_path.as_uri()))


@pytest.fixture
def kubernetes(tmp_path):
    with kubernetes_server() as server:
        provider = Kubernetes(server, tmp_path)
        yield provider
        provider.client.close()


@pytest.fixture(params=["local", "ecs", "kubernetes"])
def provider(request):
    return request.getfixturevalue(request.param)


def state(provider, handle):
    return provider.backend.status([handle])[handle].state


def test_a_run_is_known_from_its_launch_to_its_stop(provider):
    handle = provider.launch("a")
    assert state(provider, handle) in (RunState.PENDING, RunState.RUNNING)
    provider.backend.stop(handle, "cancelled on request")
    until(lambda: state(provider, handle) is RunState.EXITED, "the run to end")
    provider.backend.stop(handle, "once more")
    assert state(provider, handle) is RunState.EXITED


def test_stopping_one_run_leaves_the_others(provider):
    first, second = provider.launch("a"), provider.launch("b")
    provider.backend.stop(first, "cancelled on request")
    until(lambda: state(provider, first) is RunState.EXITED, "the first to end")
    assert state(provider, second) is not RunState.EXITED


def test_a_handle_nobody_gave_is_unknown(provider):
    known = provider.launch("a")
    found = provider.backend.status(
        [known, "arn:aws:ecs:us-east-1:123456789012:task/jobs/other", "../../etc"]
    )
    assert [status.state for status in found.values()][1:] == [RunState.UNKNOWN] * 2
    assert found[known].state is not RunState.UNKNOWN
    assert provider.backend.status([]) == {}


def test_the_last_lines_of_the_output_are_given(provider):
    lines = [f"line {number} ü" for number in range(300)]
    handle = provider.launch("a", lines)
    until(lambda: provider.backend.logs(handle, 10_000)[-1:] == lines[-1:], "the output")
    assert provider.backend.logs(handle, 100_000) == lines
    tail = provider.backend.logs(handle, 100)
    assert tail == lines[-len(tail) :]
    assert 5 <= len(tail) <= 8


def test_a_run_without_output_has_no_log(provider):
    assert provider.backend.logs(provider.launch("a"), 1000) == []


def test_a_second_launch_of_an_attempt_gives_the_first_one(provider):
    first = provider.launch("a")
    assert provider.launch("a") == first
    provider.backend.stop(first, "end of test")


def test_what_was_started_is_found_by_its_job_and_attempt(provider):
    first = provider.launch("a")
    assert provider.backend.find(RunSpec("a", 1, {"JOB_ID": "a"}, 1, 2048)) == first
    assert provider.backend.find(RunSpec("a", 2, {"JOB_ID": "a"}, 1, 2048)) is None


def test_what_was_left_for_a_run_can_be_removed_twice(provider):
    provider.launch("a")
    provider.backend.forget("a", 1)
    provider.backend.forget("a", 1)


def test_an_attempt_that_has_ended_is_not_started_again(local):
    first = local.launch("a", ["once"])
    until(lambda: local.backend.logs(first, 100), "its output")
    assert local.launch("a", ["twice"]) == first
    local.backend.stop(first, "")
    until(lambda: state(local, first) is RunState.EXITED, "its end")
    assert local.launch("a", ["twice"]) == first
    assert local.backend.logs(first, 100) == ["once"]


def test_launchers_that_start_the_same_attempt_at_once_start_one_process(tmp_path):
    code = "print('once', flush=True)"
    backends = [LocalBackend(tmp_path, COMMAND, passed_on(os.environ)) for _ in range(6)]
    with ThreadPoolExecutor(len(backends)) as pool:
        handles = list(pool.map(lambda b: b.launch(RunSpec("a", 1, {"TEST_CODE": code}, 1, 512)), backends))
    assert set(handles) == {"a/1"}
    until(lambda: backends[0].status(["a/1"])["a/1"].state is RunState.EXITED, "its end")
    for backend in backends:
        until(lambda b=backend: not b.status([]) and not b._children, "the supervisors to be collected")
    assert backends[0].logs("a/1", 1000) == ["once"]


def test_what_a_command_leaves_behind_ends_with_it(tmp_path):
    code = "import subprocess; os.mkdir(os.environ['WORKDIR']); print(subprocess.Popen(['sleep', '1000']).pid, flush=True); os._exit(3)"
    backend = LocalBackend(tmp_path, COMMAND, passed_on(os.environ))
    handle = backend.launch(RunSpec("a", 1, {"TEST_CODE": code}, 1, 512))
    until(lambda: backend.status([handle])[handle].exit_code == 3, "its end")
    until(lambda: not backend.status([]) and not backend._children, "the supervisor to be collected")
    until(lambda: not psutil.pid_exists(int(backend.logs(handle, 100)[0])), "what it left behind to end")
    assert sorted(path.name for path in (tmp_path / handle).iterdir()) == [
        "child.json",
        "exit.json",
        "log.txt",
        "run.json",
    ]


@pytest.mark.parametrize("job_id", ["../a", "a/b", "", "a b", "x" * 65])
def test_a_job_id_that_is_no_folder_name_is_refused(local, job_id):
    with pytest.raises(Exception, match="cannot name a folder"):
        local.launch(job_id)


@pytest.mark.parametrize(
    ("number", "in_doubt", "kind"),
    [
        *[(number, False, Transient) for number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENOSPC)],
        (errno.EAGAIN, True, InDoubt),
        (errno.E2BIG, False, Refused),
    ],
)
def test_what_the_machine_lacks_at_present_is_waited_for(tmp_path, monkeypatch, number, in_doubt, kind):
    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", fail)
    backend = LocalBackend(tmp_path, COMMAND, {})
    with pytest.raises(kind, match="cannot start a process") as raised:
        backend.launch(RunSpec("a", 1, {}, 1, 512, in_doubt=in_doubt))
    assert type(raised.value) is kind


def test_a_trainer_for_which_the_machine_had_no_room_may_be_tried_again(tmp_path):
    folder = tmp_path / "a" / "1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"pid": 1, "started_at": 1.0}))
    (folder / "log.txt").write_text("cannot start python: Cannot allocate memory\n")
    (folder / "exit.json").write_text(json.dumps({"exit_code": 127, "started": False, "errno": errno.ENOMEM}))
    status = LocalBackend(tmp_path, COMMAND, {}).status(["a/1"])["a/1"]
    assert (status.cause, status.exit_code) == (Cause.NO_CAPACITY, None)
    assert "Cannot allocate memory" in status.detail


def test_a_command_that_does_not_exist_never_started(tmp_path):
    backend = LocalBackend(tmp_path, ["/nowhere/python"], passed_on(os.environ))
    handle = backend.launch(RunSpec("a", 1, {}, 1, 512))
    status = until(lambda: (s := backend.status([handle])[handle]).state is RunState.EXITED and s, "its end")
    assert (status.cause, status.exit_code) == ("never_started", None)
    assert status.detail == "cannot start /nowhere/python: No such file or directory"
    until(lambda: not backend.status([]) and not backend._children, "the supervisor to be collected")
