"""What ECS says about a task, as the states, causes and words of this platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runtime.errors import Transient
from services.launcher.backend import UNKNOWN, Cause, Refused, RunState, RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
_STATES = {
    "PROVISIONING": RunState.PENDING,
    "PENDING": RunState.PENDING,
    "ACTIVATING": RunState.PENDING,
    "RUNNING": RunState.RUNNING,
    "DEACTIVATING": RunState.RUNNING,
    "STOPPING": RunState.RUNNING,
    "DEPROVISIONING": RunState.RUNNING,
    "STOPPED": RunState.EXITED,
    "DELETED": RunState.EXITED,
}
_CAUSES = {
    "TaskFailedToStart": Cause.NEVER_STARTED,
    "SpotInterruption": Cause.RECLAIMED,
    "TerminationNotice": Cause.RECLAIMED,
    "InfrastructureHealth": Cause.RECLAIMED,
    "UserInitiated": Cause.STOPPED,
    "ServiceSchedulerInitiated": Cause.STOPPED,
}
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
_ADVICE = {
    "CannotPullContainerError": "check the image's name and that subnets reach its registry",
    "ResourceInitializationError": "check the task's execution role and that subnets reach ECR, S3, CloudWatch and Secrets Manager",
    "CannotStartContainerError": "check the container's command and its task definition",
    "CannotCreateVolumeError": "check the volumes of its task definition",
    "ContainerRuntimeTimeoutError": "retry it; if that does not help, check the container's command",
    "OutOfMemoryError": "",
}
# Why a task that was accepted found no machine in time; another attempt may find one
_NO_MACHINE = re.compile(
    r"capacity is unavailable|limit on the number|timeout waiting for .* provisioning|^InternalError",
    re.IGNORECASE,
)
# Failures of RunTask that pass by themselves; the others are mistakes
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
_PASSING = re.compile(
    r"^RESOURCE:|^AGENT$|^EMPTY CAPACITY PROVIDER|capacity is unavailable|limit on the number|rate exceeded|PROVISIONING"
    r"|service linked role",  # made at an account's first task, which it is too late for
    re.IGNORECASE,
)
_PASSING_ERRORS = {
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "LimitExceededException",
    "RequestTimeout",
    "RequestExpired",
    "ExpiredTokenException",
}
# Nobody may do this at present, whatever the job: rights, keys or the clock (a signature is good for minutes), which people mend
_DENIED_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
}


class Denied(Transient):
    """AWS does not let this launcher do it, which is no fault of the job and may be mended while it waits."""


def api_error(code: str, message: str) -> Transient | Refused:
    """Say whether a request that was answered with an error may pass later, and put it into words."""
    if code in _DENIED_ERRORS:
        return Denied(f"{code}: {message}")
    passing = code in _PASSING_ERRORS or _PASSING.search(message)
    return (Transient if passing else Refused)(f"{code}: {message}")


def launch_failure(failures: Sequence[Mapping[str, Any]]) -> Transient | Refused:
    """Say why RunTask gave no task.

    Args:
        failures: Of its answer; may be empty, which ECS does not explain.
    """
    if not failures:
        return Transient("RunTask gave neither a task nor a failure")
    told = "; ".join(
        " ".join(filter(None, (item.get("reason"), item.get("detail"), item.get("arn")))) for item in failures
    )
    if any(_PASSING.search(item.get("reason", "")) for item in failures):
        return Transient(f"ECS has no capacity now: {told}")
    return Refused(f"ECS refused the task: {told}")


def status_of(task: Mapping[str, Any], container: str) -> RunStatus:
    """Read one task of DescribeTasks.

    Args:
        task: As the API gives it.
        container: Name of the trainer's container.
    """
    state = _STATES.get(task["lastStatus"])
    if state is None:
        return UNKNOWN
    if state is not RunState.EXITED:
        return RunStatus(state, started_at=task.get("startedAt"))
    containers: list[Mapping[str, Any]] = task.get("containers", [])
    ours = next((item for item in containers if item.get("name") == container), {})
    exit_code, told = ours.get("exitCode"), ours.get("reason", "")
    stopped = task.get("stoppedReason", "")
    detail = ". ".join(dict.fromkeys(filter(None, (stopped, told))))
    kind = next((name for name in _ADVICE if name in detail), None)
    cause = _CAUSES.get(task.get("stopCode", ""), Cause.EXIT)
    if kind == "OutOfMemoryError":
        cause = Cause.OUT_OF_MEMORY
    elif exit_code is not None and cause is Cause.NEVER_STARTED:
        cause = Cause.EXIT
    elif cause is Cause.NEVER_STARTED and _NO_MACHINE.search(stopped):
        cause = Cause.NO_CAPACITY
    return RunStatus(
        state,
        exit_code=exit_code,
        cause=cause,
        detail=f"{detail}; {_ADVICE[kind]}" if kind and _ADVICE[kind] else detail,
        memory_mb=int(task["memory"]) if task.get("memory") else None,
        started_at=task.get("startedAt"),
    )
