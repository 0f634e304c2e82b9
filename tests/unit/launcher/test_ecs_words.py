"""What ECS says of a stopped task, and what a person reads. The answers are written down from its documentation."""

from __future__ import annotations

import pytest

from contracts.callback import Outcome
from services.launcher.backend import Cause, RunState
from services.launcher.backends.ecs_words import status_of
from services.launcher.exits import explain


def stopped(
    stop_code="EssentialContainerExited", stopped_reason="Essential container in task exited", **container
):
    return {
        "taskArn": "arn",
        "lastStatus": "STOPPED",
        "memory": "4096",
        "stopCode": stop_code,
        "stoppedReason": stopped_reason,
        "containers": [{"name": "sidecar", "exitCode": 99}, {"name": "trainer", **container}],
    }


@pytest.mark.parametrize(
    ("last_status", "state"),
    [
        ("PROVISIONING", RunState.PENDING),
        ("PENDING", RunState.PENDING),
        ("ACTIVATING", RunState.PENDING),
        ("RUNNING", RunState.RUNNING),
        ("DEACTIVATING", RunState.RUNNING),
        ("STOPPING", RunState.RUNNING),
        ("DEPROVISIONING", RunState.RUNNING),
        ("STOPPED", RunState.EXITED),
        ("DELETED", RunState.EXITED),
        ("NEW IN 2030", RunState.UNKNOWN),
    ],
)
def test_states(last_status, state):
    assert status_of({"lastStatus": last_status}, "trainer").state is state


@pytest.mark.parametrize(
    ("task", "cause", "outcome", "told"),
    [
        (stopped(exitCode=0), Cause.EXIT, Outcome.SUCCEEDED, ""),
        (stopped(exitCode=2), Cause.EXIT, Outcome.FAILED, "exit 2: the data cannot be trained on: last line"),
        (
            stopped(exitCode=137, reason="OutOfMemoryError: Container killed due to memory usage"),
            Cause.OUT_OF_MEMORY,
            Outcome.FAILED,
            "exit 137: out of memory at 4096 MB; try 8192",
        ),
        (stopped(exitCode=137), Cause.EXIT, Outcome.FAILED, "exit 137: killed, probably out of memory at 4096 MB; try 8192"),
        (
            stopped("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"),
            Cause.NEVER_STARTED,
            Outcome.FAILED,
            "never started: CannotPullContainerError: pull image manifest has been retried 1 time(s): not found; check the image's name and that subnets reach its registry",
        ),
        (
            stopped("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets"),
            Cause.NEVER_STARTED,
            Outcome.FAILED,
            "never started: ResourceInitializationError: unable to pull secrets; check the task's execution role",
        ),
        (
            stopped("TaskFailedToStart", "Capacity is unavailable at this time. Please try again later or in a different availability zone"),
            Cause.NO_CAPACITY,
            Outcome.FAILED,
            "the provider had no machine for it; retry it (Capacity is unavailable at this time.",
        ),
        (
            stopped("TaskFailedToStart", "Timeout waiting for network interface provisioning to complete."),
            Cause.NO_CAPACITY,
            Outcome.FAILED,
            "the provider had no machine for it; retry it (Timeout waiting for network interface provisioning",
        ),
        (
            stopped("SpotInterruption", "Your Spot Task was interrupted.", exitCode=143),
            Cause.RECLAIMED,
            Outcome.FAILED,
            "the provider took the machine back (Your Spot Task was interrupted.)",
        ),
        (
            stopped("UserInitiated", "Task stopped by user", exitCode=143),
            Cause.STOPPED,
            Outcome.FAILED,
            "stopped at the provider, not by this platform: Task stopped by user",
        ),
        (stopped(), Cause.EXIT, Outcome.FAILED, "ended without an exit code: Essential container in task exited"),
        (
            {"taskArn": "arn", "lastStatus": "STOPPED"},
            Cause.EXIT,
            Outcome.FAILED,
            "ended without an exit code: the provider does not say why",
        ),
    ],
)  # fmt: skip
def test_ends(task, cause, outcome, told):
    status = status_of(task, "trainer")
    said, reason = explain(status, ["first line", "last line", ""])
    assert (status.cause, said) == (cause, outcome)
    assert reason.startswith(told)
    assert bool(reason) == bool(told)
