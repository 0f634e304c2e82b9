"""What Kubernetes says about a Job and its pod, as the states, causes and words of this platform.

It reads the objects as the API gives them. A pod says most; what of it survives when the pod is gone is in the Job's
conditions, because the Job's failure policy (kubernetes_manifests.py) lets its controller write it there.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kubernetes.utils.quantity import parse_quantity

from runtime.errors import Transient
from services.launcher.backend import Cause, Refused, RunState, RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTAINER = "trainer"
# Annotations of a Job that this launcher has ended
STOPPED, NEVER_STARTED = "triptych/stopped", "triptych/never-started"
# So long behind the time at which a pod was to be gone, its node does not answer
_UNREACHABLE = timedelta(seconds=60)
_SERVER_ERROR = 500
# No answer, a token that has run out, a slow request, someone who changes the same object, a list that grew too old between its pages, too many requests
_PASSING = {0, 401, 408, 409, 410, 429}
# Of a container that waits. Each may pass, but not by itself for ever: a tag is pushed, a Secret is made
_CANNOT_START = {
    "ErrImagePull": "check the image's name, its registry and KUBERNETES_IMAGE_PULL_SECRETS",
    "ImagePullBackOff": "check the image's name, its registry and KUBERNETES_IMAGE_PULL_SECRETS",
    "ErrImageNeverPull": "the node does not have the image; see KUBERNETES_IMAGE_PULL_POLICY",
    "ImageInspectError": "",
    "RegistryUnavailable": "",
    "SignatureValidationFailed": "",
    "InvalidImageName": "correct KUBERNETES_IMAGE",
    "CreateContainerConfigError": "check KUBERNETES_ENV_SECRETS and KUBERNETES_USER",
    "CreateContainerError": "",
    "RunContainerError": "",
}
_HOPELESS = {"InvalidImageName"}
# Of a container that ended without having run: the command could not be executed
_NOT_RUN = {"StartError", "ContainerCannotRun"}
# Of a pod that failed: all of them may go well on another node
_RECLAIMED = re.compile(
    r"Evicted|Preempting|Preempted|NodeLost|NodeShutdown|Shutdown|Terminated|NodeAffinity|UnexpectedAdmissionError|OutOf.+"
)
_OWN_DISK = re.compile(r"exceeds the (total )?limit|exceeded its local ephemeral storage")
_TOO_LONG = (
    "it ran for longer than max_seconds and no launcher was there to stop it, so its Job's deadline did"
)
_EXIT_CODE = re.compile(r"failed with exit code (\d+)")


def api_error(status: int, body: str) -> Transient | Refused:
    """Say whether an error answer may pass, and put it into words.

    Args:
        status: HTTP status; 0 where there was no answer.
        body: A `Status` object in JSON, or whatever stands between here and the API has to say.
    """
    try:
        told = json.loads(body)
        words = f"{told['reason']}: {told['message']}"
    except (ValueError, KeyError, TypeError):
        words = f"HTTP {status}: {body[:300]}"
    passing = status in _PASSING or status >= _SERVER_ERROR or "exceeded quota" in words
    return (Transient if passing else Refused)(words)


def status_of(job: Mapping[str, Any], pod: Mapping[str, Any] | None, now: datetime) -> RunStatus:
    """Read a Job and its pod. It has exited only where nothing of it can run any more.

    Args:
        job: As the API gives it.
        pod: Likewise; None where it has none, or none any more.
        now: Present time.
    """
    status = _of_job(job) if pod is None else _of_pod(pod, now)
    if status.state is not RunState.EXITED:
        return status
    never = _annotations(job).get(NEVER_STARTED)
    if never and status.started_at is None:
        status = RunStatus(RunState.EXITED, cause=Cause.NEVER_STARTED, detail=never)
    return replace(status, memory_mb=_memory_mb(job))


def cannot_start(
    job: Mapping[str, Any],
    pod: Mapping[str, Any] | None,
    warning: str,
    start_seconds: float,
    now: datetime,
) -> str:
    """Say what keeps a pending run from starting, for so long that it is to be given up; empty where it may still start.

    Args:
        job: As the API gives it.
        pod: Likewise; None where none was made for it.
        warning: The cluster's last warning about the Job, which says why it has no pod.
        start_seconds: How long something may be wrong.
        now: Present time.
    """
    if pod is None:
        refused = warning and "exceeded quota" not in warning  # a quota is only a want of room
        late = _age(job["metadata"]["creationTimestamp"], now) > start_seconds
        return f"no pod is made for it: {warning}" if refused and late else ""
    reason, words = _waiting(pod)
    late = _age(pod["status"].get("startTime"), now) > start_seconds
    if reason in _HOPELESS or (reason in _CANNOT_START and late):
        return "; ".join(filter(None, (words, _CANNOT_START[reason])))
    return ""


# --- pods


def _of_pod(pod: Mapping[str, Any], now: datetime) -> RunStatus:
    status = pod["status"]
    state = _container_state(pod)
    if "terminated" in state or status.get("phase") in ("Failed", "Succeeded"):
        return _ended(pod, state.get("terminated", {}))
    if status.get("phase") == "Unknown" or _age(pod["metadata"].get("deletionTimestamp"), now) > (
        _UNREACHABLE.total_seconds()
    ):
        return RunStatus(RunState.UNKNOWN, detail=f"node {pod['spec'].get('nodeName')} does not answer")
    if "running" in state:
        return RunStatus(RunState.RUNNING, started_at=_time(state["running"].get("startedAt")))
    return RunStatus(RunState.PENDING, detail=_waiting(pod)[1])


def _ended(pod: Mapping[str, Any], terminated: Mapping[str, Any]) -> RunStatus:
    code = terminated.get("exitCode")
    ended = RunStatus(RunState.EXITED, exit_code=code, started_at=_time(terminated.get("startedAt")))
    if code == 0:
        return ended
    status = pod["status"]
    detail = status.get("message", "").strip()
    if status.get("reason") == "Evicted" and _OWN_DISK.search(detail):
        # It was killed for this, so its exit code would tell of memory
        return replace(ended, exit_code=None, detail=f"{detail}; raise KUBERNETES_DISK_GB, or use less data")
    cause, detail = _why(status, terminated, detail)
    if cause is Cause.NEVER_STARTED:
        ended = replace(ended, exit_code=None, started_at=None)
    return replace(ended, cause=cause, detail=detail)


def _why(status: Mapping[str, Any], terminated: Mapping[str, Any], detail: str) -> tuple[Cause, str]:
    why, told = status.get("reason", ""), terminated.get("reason", "")
    disruption = _condition(status, "DisruptionTarget")
    if told == "OOMKilled":
        return Cause.OUT_OF_MEMORY, detail
    if disruption or _RECLAIMED.fullmatch(why) or told == "ContainerStatusUnknown":
        words = (why, detail) if detail else (disruption.get("reason"), disruption.get("message"))
        return Cause.RECLAIMED, ": ".join(filter(None, words)) or told or why
    if told in _NOT_RUN:
        return Cause.NEVER_STARTED, f"{told}: {terminated.get('message', '')}"
    if not terminated:
        return Cause.NEVER_STARTED, ": ".join(filter(None, (why, detail))) or "its pod failed"
    return Cause.EXIT, detail


def _waiting(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Give the reason of a pod that has not started, and all that is said about it."""
    scheduled = _condition(pod["status"], "PodScheduled", "False")
    if scheduled:
        return scheduled.get("reason", ""), f"{scheduled.get('reason')}: {scheduled.get('message')}"
    waiting = _container_state(pod).get("waiting", {})
    reason, message = waiting.get("reason", "ContainerCreating"), waiting.get("message", "")
    return reason, f"{reason}: {message}" if message else reason


def _container_state(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in pod["status"].get("containerStatuses", []):
        if container["name"] == CONTAINER:
            state: Mapping[str, Any] = container.get("state", {})
            return state
    return {}


# --- Jobs


def _of_job(job: Mapping[str, Any]) -> RunStatus:
    status = job.get("status", {})
    if _condition(status, "Complete"):
        return RunStatus(RunState.EXITED, exit_code=0)
    # The second one is set while pods still end, of which there is none here
    failed = _condition(status, "Failed") or _condition(status, "FailureTarget")
    if failed:
        return _failed(job, failed)
    if job["metadata"].get("deletionTimestamp"):
        return RunStatus(RunState.EXITED, cause=Cause.STOPPED, detail="its Job was deleted")
    return RunStatus(RunState.PENDING, detail="no pod was made for it yet")


def _failed(job: Mapping[str, Any], failed: Mapping[str, Any]) -> RunStatus:
    ended = RunStatus(RunState.EXITED, detail=failed.get("message", ""))
    reason, code = failed.get("reason"), _EXIT_CODE.search(ended.detail)
    if reason == "DeadlineExceeded":
        return replace(ended, cause=Cause.STOPPED, detail=_annotations(job).get(STOPPED) or _TOO_LONG)
    if reason == "PodFailurePolicy" and code:
        return replace(ended, exit_code=int(code[1]))
    if reason in ("PodFailurePolicy", "BackoffLimitExceeded"):
        return replace(
            ended, cause=Cause.RECLAIMED, detail=f"its pod is gone, with its node or alone: {ended.detail}"
        )
    return replace(ended, detail=f"{reason}: {ended.detail}")


# --- parts


def _annotations(thing: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = thing["metadata"].get("annotations", {})
    return found


def _condition(status: Mapping[str, Any], kind: str, value: str = "True") -> Mapping[str, Any]:
    for condition in status.get("conditions", []):
        if condition["type"] == kind and condition["status"] == value:
            found: Mapping[str, Any] = condition
            return found
    return {}


def _memory_mb(job: Mapping[str, Any]) -> int | None:
    for container in job["spec"]["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            # The API writes 4096Mi as 4Gi
            return int(parse_quantity(container["resources"]["limits"]["memory"])) // 2**20
    return None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _age(text: str | None, now: datetime) -> float:
    """Give the seconds since a time of the API's; 0 where there is none."""
    at = _time(text)
    return (now - at).total_seconds() if at else 0.0
