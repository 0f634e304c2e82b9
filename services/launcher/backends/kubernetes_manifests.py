"""The objects that a run is in Kubernetes: a Job, and a Secret that belongs to it.

The trainer's whole environment is a file of the Secret, which JOB_SPEC_URI names: whoever may look at Jobs and pods sees none
of it, it may be far longer than variables of a process, and nothing in it is expanded as $(NAME) would be.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.launcher.backends.kubernetes_words import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.launcher.backend import RunSpec

MANAGED_BY = "app.kubernetes.io/managed-by=triptych-launcher"
RUN = "triptych/run"  # label of a pod: the name of its Job
JOB_ID, ATTEMPT = "triptych/job-id", "triptych/attempt"  # annotations, for a job's id may be no label
SECRET_LIMIT = 2**20  # bytes that Kubernetes lets a Secret hold
_SPEC, _WORK, _TMP = "/etc/triptych", "/work", "/tmp"  # noqa: S108 - of the container
_SPEC_FILE = "spec.json"
_MARGIN_SECONDS = 300  # behind the launcher's own limits, which come first wherever a launcher lives


@dataclass(frozen=True)
class Shape:
    """What all runs have in common.

    Attributes:
        image: With the trainer as its command.
        image_pull_policy: Always, IfNotPresent or Never.
        image_pull_secrets: Names of Secrets.
        service_account: Of the pods; empty for the namespace's default.
        env_secrets: Secrets of which every key becomes a variable.
        node_selector: Labels that nodes must have.
        tolerations: Of taints, as in a pod's manifest.
        user: Id of user and group; 0 for the image's own, which must not be root then.
        disk_gb: Space for inputs, artifacts and temporary files together, GiB.
        grace_seconds: Between SIGTERM and SIGKILL.
        keep_seconds: How long an ended Job is kept.
        room_seconds: How long a Job may wait for room.
    """

    image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: Sequence[str] = ()
    service_account: str = ""
    env_secrets: Sequence[str] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    user: int = 10001
    disk_gb: int = 20
    grace_seconds: int = 30
    keep_seconds: int = 43_200
    room_seconds: int = 3600


def job_name(job_id: str, attempt: int) -> str:
    """Name the Job of an attempt: always the same, a DNS label, and no other attempt's."""
    readable = re.sub(r"[^a-z0-9]+", "-", job_id.lower())[:32].strip("-") or "job"
    digest = hashlib.sha256(f"{job_id}:{attempt}".encode()).hexdigest()[:8]
    return f"triptych-{readable}-{attempt}-{digest}"


def job(run: RunSpec, shape: Shape) -> dict[str, Any]:
    """Make the Job of an attempt."""
    name = job_name(run.job_id, run.attempt)
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": shape.keep_seconds,
        # With the first pod's failure the Job fails. It says why in a condition, which is there when the pod is not
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": CONTAINER, "operator": "NotIn", "values": [0]},
                },
            ]
        },
        "template": {"metadata": {"labels": _labels(name)}, "spec": _pod(run, name, shape)},
    }
    if run.max_seconds:
        # The launcher stops what runs too long; this stops it where no launcher lives
        spec["activeDeadlineSeconds"] = run.max_seconds + shape.room_seconds + _MARGIN_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": _labels(name),
            "annotations": {JOB_ID: run.job_id, ATTEMPT: str(run.attempt)},
        },
        "spec": spec,
    }


def spec_file(env: Mapping[str, str]) -> str:
    """Write a trainer's environment as the file that its Secret holds."""
    return json.dumps(dict(env))


def secret(of: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """Make the Secret of an attempt, which the cluster removes together with its Job.

    Args:
        of: The Job, as the API gives it.
        spec: The attempt's environment, as `spec_file` gives it.
    """
    name = of["metadata"]["name"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": of["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": _labels(name), "ownerReferences": [owner]},
        "type": "Opaque",
        "immutable": True,
        "stringData": {_SPEC_FILE: spec},
    }


def _labels(name: str) -> dict[str, str]:
    key, value = MANAGED_BY.split("=")
    return {key: value, RUN: name}


def _pod(run: RunSpec, name: str, shape: Shape) -> dict[str, Any]:
    size = {
        "cpu": f"{math.ceil(run.cpus * 1000)}m",
        "memory": f"{run.memory_mb}Mi",
        "ephemeral-storage": f"{shape.disk_gb}Gi",
    }
    limit = {"emptyDir": {"sizeLimit": f"{shape.disk_gb}Gi"}}
    identity = (
        {"runAsUser": shape.user, "runAsGroup": shape.user, "fsGroup": shape.user} if shape.user else {}
    )
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": shape.grace_seconds,
        # Neither the cluster's API nor the addresses of its services are a trainer's business
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **identity,
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": shape.image,
                "imagePullPolicy": shape.image_pull_policy,
                "env": [
                    {"name": "HOME", "value": _TMP},
                    {"name": "JOB_SPEC_URI", "value": f"file://{_SPEC}/{_SPEC_FILE}"},
                    {"name": "OMP_NUM_THREADS", "value": str(max(1, math.ceil(run.cpus)))},
                    {"name": "WORKDIR", "value": _WORK},
                ],
                "resources": {"requests": size, "limits": size},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "spec", "mountPath": _SPEC, "readOnly": True},
                    {"name": "work", "mountPath": _WORK},
                    {"name": "tmp", "mountPath": _TMP},
                ],
            }
        ],
        "volumes": [
            {"name": "spec", "secret": {"secretName": name}},
            {"name": "work", **limit},
            {"name": "tmp", **limit},
        ],
    }
    if shape.env_secrets:
        pod["containers"][0]["envFrom"] = [{"secretRef": {"name": name}} for name in shape.env_secrets]
    if shape.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in shape.image_pull_secrets]
    if shape.service_account:
        pod["serviceAccountName"] = shape.service_account
    if shape.node_selector:
        pod["nodeSelector"] = dict(shape.node_selector)
    if shape.tolerations:
        pod["tolerations"] = [dict(toleration) for toleration in shape.tolerations]
    return pod
