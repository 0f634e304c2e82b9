"""What Kubernetes says of a Job and its pod, and what a person reads. The objects are written down as clusters give them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.callback import Outcome
from runtime.errors import Transient
from services.launcher.backend import Cause, Refused, RunState
from services.launcher.backends import kubernetes_words as words
from services.launcher.exits import explain

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
MINUTES_AGO = "2026-03-01T11:{:02d}:00Z".format


def job(*conditions, annotations=None, deleted=False, age=10):
    return {
        "metadata": {
            "name": "j",
            "creationTimestamp": MINUTES_AGO(60 - age),
            **({"annotations": annotations} if annotations else {}),
            **({"deletionTimestamp": MINUTES_AGO(59)} if deleted else {}),
        },
        "spec": {
            "template": {
                "spec": {"containers": [{"name": "trainer", "resources": {"limits": {"memory": "4Gi"}}}]}
            }
        },
        "status": {"conditions": [{"type": kind, "status": "True", **told} for kind, told in conditions]},
    }


def pod(phase="Failed", state=None, *, conditions=(), deleted=None, started=10, **status):
    return {
        "metadata": {
            "creationTimestamp": MINUTES_AGO(60 - started),
            **({"deletionTimestamp": deleted} if deleted else {}),
        },
        "spec": {"nodeName": "node-7"},
        "status": {
            "phase": phase,
            "startTime": MINUTES_AGO(60 - started),
            "conditions": list(conditions),
            **(
                {"containerStatuses": [{"name": "sidecar", "state": {}}, {"name": "trainer", "state": state}]}
                if state
                else {}
            ),
            **status,
        },
    }


def terminated(code, reason="Error", **told):
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": MINUTES_AGO(52), **told}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


DISRUPTED = {"type": "DisruptionTarget", "status": "True"}
NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
}
FAILED = "Failed"


@pytest.mark.parametrize(
    ("the_job", "the_pod", "state", "detail"),
    [
        (job(), None, RunState.PENDING, "no pod was made for it yet"),
        (job(), pod("Pending", conditions=[NO_ROOM]), RunState.PENDING, "Unschedulable: 0/3 nodes are available: 3 Insufficient memory."),
        (job(), pod("Pending"), RunState.PENDING, "ContainerCreating"),
        (job(), pod("Pending", waiting("ContainerCreating")), RunState.PENDING, "ContainerCreating"),
        (job(), pod("Pending", waiting("ErrImagePull", "not found")), RunState.PENDING, "ErrImagePull: not found"),
        (job(), pod("Running", {"running": {"startedAt": MINUTES_AGO(55)}}), RunState.RUNNING, ""),
        # Told to end, with grace left
        (job(), pod("Running", {"running": {}}, deleted=MINUTES_AGO(59)), RunState.RUNNING, ""),
        # Long to be gone, and nobody confirms it: its node is cut off, and may well run it still
        (job(), pod("Running", {"running": {}}, deleted=MINUTES_AGO(50)), RunState.UNKNOWN, "node node-7 does not answer"),
        (job(), pod("Unknown", {"running": {}}), RunState.UNKNOWN, "node node-7 does not answer"),
        # Older clusters say that the Job has failed while its pod still ends
        (job((FAILED, {"reason": "DeadlineExceeded"})), pod("Running", {"running": {}}, deleted=MINUTES_AGO(59)), RunState.RUNNING, ""),
        # Never started, but not gone yet: it might still start
        (job(annotations={words.NEVER_STARTED: "no image"}), pod("Pending", waiting("ImagePullBackOff")), RunState.PENDING, "ImagePullBackOff"),
    ],
)  # fmt: skip
def test_what_can_still_run(the_job, the_pod, state, detail):
    status = words.status_of(the_job, the_pod, NOW)
    assert (status.state, status.detail) == (state, detail)


def test_a_running_run_says_since_when():
    status = words.status_of(job(), pod("Running", {"running": {"startedAt": MINUTES_AGO(55)}}), NOW)
    assert status.started_at == datetime(2026, 3, 1, 11, 55, tzinfo=UTC)


EVICTED = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. "
POLICY = "PodFailurePolicy"


@pytest.mark.parametrize(
    ("the_job", "the_pod", "cause", "told"),
    [
        (job(), pod("Succeeded", terminated(0, "Completed")), Cause.EXIT, ""),
        (job(), pod(state=terminated(2)), Cause.EXIT, "exit 2: the data cannot be trained on: last line"),
        (job(), pod(state=terminated(137, "OOMKilled")), Cause.OUT_OF_MEMORY, "exit 137: out of memory at 4096 MB; try 8192"),
        (job(), pod(state=terminated(137)), Cause.EXIT, "exit 137: killed, probably out of memory at 4096 MB; try 8192"),
        (job(), pod(state=terminated(143)), Cause.EXIT, "exit 143: stopped by SIGTERM, but nobody cancelled the job"),
        # The kubelet's own ends
        (job(), pod(reason="Evicted", message=EVICTED), Cause.RECLAIMED, "Evicted: The node was low on resource: memory."),
        (job(), pod(state=terminated(137), reason="Evicted", message=EVICTED), Cause.RECLAIMED, "Evicted: The node was low on resource: memory."),
        (
            job(), pod(state=terminated(137), reason="Evicted", message='Usage of EmptyDir volume "work" exceeds the limit "20Gi". '),
            Cause.EXIT, 'ended without an exit code: Usage of EmptyDir volume "work" exceeds the limit "20Gi".; raise KUBERNETES_DISK_GB',
        ),
        (
            job(), pod(reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit of containers 20Gi. "),
            Cause.EXIT, "ended without an exit code: Pod ephemeral local storage usage exceeds the total limit of containers 20Gi.; raise",
        ),
        (
            job(), pod(reason="Evicted", message='Container trainer exceeded its local ephemeral storage limit "20Gi". '),
            Cause.EXIT, 'ended without an exit code: Container trainer exceeded its local ephemeral storage limit "20Gi".; raise',
        ),
        (
            job(), pod(reason="Terminated", message="Pod was terminated in response to imminent node shutdown."),
            Cause.RECLAIMED, "Terminated: Pod was terminated in response to imminent node shutdown.",
        ),
        (
            job(), pod(reason="OutOfcpu", message="Pod was rejected: Node didn't have enough resource: cpu, requested: 4000"),
            Cause.RECLAIMED, "OutOfcpu: Pod was rejected: Node didn't have enough resource",
        ),
        (job(), pod(reason="NodeLost"), Cause.RECLAIMED, "NodeLost"),
        (
            job(), pod(state=terminated(137, "ContainerStatusUnknown", message="The container could not be located when the pod was terminated")),
            Cause.RECLAIMED, "ContainerStatusUnknown",
        ),
        # Disruptions: preemption, eviction by the API, taints
        (
            job(), pod(state=terminated(143), conditions=[{**DISRUPTED, "reason": "PreemptionByScheduler", "message": "default-scheduler: preempting to accommodate a higher priority pod"}]),
            Cause.RECLAIMED, "PreemptionByScheduler: default-scheduler: preempting to accommodate a higher priority pod",
        ),
        (
            job(), pod(state=terminated(143), conditions=[{**DISRUPTED, "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]),
            Cause.RECLAIMED, "EvictionByEvictionAPI: Eviction API: evicting",
        ),
        # It was done before its node went
        (job(), pod("Succeeded", terminated(0, "Completed"), conditions=[DISRUPTED]), Cause.EXIT, ""),
        # The container never ran
        (
            job(), pod(state=terminated(128, "StartError", message='exec: "python": executable file not found in $PATH')),
            Cause.NEVER_STARTED, 'never started: StartError: exec: "python": executable file not found in $PATH',
        ),
        (job(), pod(reason="Blocked", message="Pod was rejected: no"), Cause.NEVER_STARTED, "never started: Blocked: Pod was rejected: no"),
        (job(), pod(), Cause.NEVER_STARTED, "never started: its pod failed"),
        # The pod is gone: what the Job remembers
        (job(("Complete", {})), None, Cause.EXIT, ""),
        (
            job((FAILED, {"reason": POLICY, "message": "Container trainer for pod t/j-x failed with exit code 3 matching FailJob rule at index 1"})), None,
            Cause.EXIT, "exit 3: the model's own code failed: last line",
        ),
        (
            job(("FailureTarget", {"reason": POLICY, "message": "Pod t/j-x has condition DisruptionTarget matching FailJob rule at index 0"})), None,
            Cause.RECLAIMED, "its pod is gone, with its node or alone: Pod t/j-x has condition DisruptionTarget",
        ),
        (
            job((FAILED, {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"})), None,
            Cause.RECLAIMED, "its pod is gone, with its node or alone: Job has reached the specified backoff limit",
        ),
        (
            job((FAILED, {"reason": "DeadlineExceeded", "message": "Job was active longer than specified deadline"})), None,
            Cause.STOPPED, "stopped at the provider, not by this platform: it ran for longer than max_seconds and no launcher was there",
        ),
        (
            job((FAILED, {"reason": "DeadlineExceeded", "message": "…"}), annotations={words.STOPPED: "cancelled on request"}), None,
            Cause.STOPPED, "cancelled on request",
        ),
        (
            job((FAILED, {"reason": "DeadlineExceeded", "message": "…"}), annotations={words.NEVER_STARTED: "ErrImagePull: not found"}), None,
            Cause.NEVER_STARTED, "never started: ErrImagePull: not found",
        ),
        (job((FAILED, {"reason": "New", "message": "in 2030"})), None, Cause.EXIT, "ended without an exit code: New: in 2030"),
        (job(deleted=True), None, Cause.STOPPED, "stopped at the provider, not by this platform: its Job was deleted"),
        # It was given up, and started in that moment: how it ended counts
        (job(annotations={words.NEVER_STARTED: "no image"}), pod(state=terminated(2)), Cause.EXIT, "exit 2: the data cannot be trained on: last line"),
    ],
)  # fmt: skip
def test_ends(the_job, the_pod, cause, told):
    status = words.status_of(the_job, the_pod, NOW)
    assert (status.state, status.cause) == (RunState.EXITED, cause)
    assert status.memory_mb == 4096
    outcome, reason = explain(status, ["first line", "last line"])
    assert told in reason
    assert outcome is (Outcome.FAILED if told else Outcome.SUCCEEDED)
    assert bool(reason) == bool(told)


@pytest.mark.parametrize(
    ("the_pod", "warning", "told"),
    [
        # Started 10 minutes ago, where 5 are allowed
        (pod("Pending", waiting("ImagePullBackOff", 'Back-off pulling image "trainer:1"')), "", 'ImagePullBackOff: Back-off pulling image "trainer:1"; check the image\'s name'),
        (pod("Pending", waiting("ErrImagePull", "not found")), "", "ErrImagePull: not found; check the image's name, its registry and KUBERNETES_IMAGE_PULL_SECRETS"),
        (pod("Pending", waiting("ErrImageNeverPull", "x")), "", "ErrImageNeverPull: x; the node does not have the image; see KUBERNETES_IMAGE_PULL_POLICY"),
        (pod("Pending", waiting("CreateContainerConfigError", 'secret "s3" not found')), "", 'CreateContainerConfigError: secret "s3" not found; check KUBERNETES_ENV_SECRETS'),
        (pod("Pending", waiting("CreateContainerError", "boom")), "", "CreateContainerError: boom"),
        (pod("Pending", waiting("ImagePullBackOff"), started=4), "", ""),
        (pod("Pending", waiting("InvalidImageName", 'couldn\'t parse image name "A:b"'), started=1), "", "InvalidImageName: couldn't parse image name \"A:b\"; correct KUBERNETES_IMAGE"),
        # A large image, and want of room: they take the time they take
        (pod("Pending", waiting("ContainerCreating")), "", ""),
        (pod("Pending", conditions=[NO_ROOM]), "", ""),
        # No pod
        (None, "", ""),
        (None, 'pods "j-" is forbidden: violates PodSecurity "restricted:latest"', 'no pod is made for it: pods "j-" is forbidden: violates PodSecurity'),
        (None, 'pods "j-" is forbidden: exceeded quota: team, requested: limits.cpu=4, used: limits.cpu=8, limited: limits.cpu=8', ""),
    ],
)  # fmt: skip
def test_what_keeps_a_run_from_starting(the_pod, warning, told):
    found = words.cannot_start(job(age=10), the_pod, warning, 300, NOW)
    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_a_young_job_without_a_pod_is_waited_for():
    assert words.cannot_start(job(age=4), None, "violates PodSecurity", 300, NOW) == ""


STATUS = '{{"kind": "Status", "reason": "{}", "message": "{}"}}'.format


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (401, STATUS("Unauthorized", "Unauthorized"), Transient, "Unauthorized: Unauthorized"),
        (403, STATUS("Forbidden", "jobs.batch is forbidden: User cannot create"), Refused, "Forbidden: jobs.batch is forbidden: User cannot create"),
        (403, STATUS("Forbidden", "jobs.batch j is forbidden: exceeded quota: team"), Transient, "Forbidden: jobs.batch j is forbidden: exceeded quota: team"),
        (404, STATUS("NotFound", "namespaces x not found"), Refused, "NotFound: namespaces x not found"),
        (422, STATUS("Invalid", "Job.batch j is invalid"), Refused, "Invalid: Job.batch j is invalid"),
        (400, STATUS("BadRequest", "unknown field"), Refused, "BadRequest: unknown field"),
        (409, STATUS("Conflict", "the object has been modified"), Transient, "Conflict: the object has been modified"),
        (410, STATUS("Expired", "The provided continue parameter is too old"), Transient, "Expired: The provided continue parameter is too old"),
        (429, STATUS("TooManyRequests", "try again later"), Transient, "TooManyRequests: try again later"),
        (500, STATUS("InternalError", "etcdserver: request timed out"), Transient, "InternalError: etcdserver: request timed out"),
        (503, "<html>no upstream</html>", Transient, "HTTP 503: <html>no upstream</html>"),
        (403, "[]", Refused, "HTTP 403: []"),
    ],
)  # fmt: skip
def test_errors_of_the_api(status, body, kind, told):
    error = words.api_error(status, body)
    assert type(error) is kind
    assert str(error) == told
