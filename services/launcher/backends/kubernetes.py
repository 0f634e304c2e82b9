"""Runs trainers as Jobs of Kubernetes: one Job for each attempt, named after it, so that a second one cannot be made.

The Job is made first and the Secret second, owned by the Job from its birth; until then the Job's container cannot
start. So nothing is left for ever wherever a launch breaks off: a repeated one finds the Job and goes on, and without
one the Job's deadline ends it, and its removal takes the Secret along.

A run is stopped by setting the Job's deadline to the past: its pod gets SIGTERM and its grace, and the Job stays as
failed until its time to live is over. Were it deleted, a launcher that had been held up in the middle of its launch could
make it anew (docs/adr/0019-kubernetes-jobs.md).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from runtime.errors import Transient
from services.launcher.backend import UNKNOWN, Backend, InDoubt, Refused, RunState, RunStatus
from services.launcher.backends import kubernetes_manifests as manifests
from services.launcher.backends.kubernetes_api import AlreadyExists, KubernetesApi, connect
from services.launcher.backends.kubernetes_words import (
    CONTAINER,
    NEVER_STARTED,
    STOPPED,
    cannot_start,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from services.launcher.backend import RunSpec
    from services.launcher.settings import LauncherSettings

_BYTES_PER_LINE = 128  # of a log, as a first guess
_log = logging.getLogger(__name__)


class KubernetesBackend(Backend):
    """Jobs of one namespace."""

    def __init__(
        self,
        api: KubernetesApi,
        shape: manifests.Shape,
        *,
        start_seconds: float = 300.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the collaborators and what all runs have in common.

        Args:
            api: Calls of the Kubernetes API.
            shape: What all runs have in common.
            start_seconds: How long a run may have something wrong that keeps it from starting.
            clock: Gives the present time.
        """
        self._api = api
        self._shape = shape
        self._start_seconds = start_seconds
        self._clock = clock
        self._pod_names: dict[str, str] = {}  # as last seen, to spare a call for each log

    @property
    @override
    def name(self) -> str:
        return "kubernetes"

    @override
    def launch(self, run: RunSpec) -> str:
        spec = manifests.spec_file(run.env)
        if len(spec) > manifests.SECRET_LIMIT:
            raise Refused(
                f"the job's settings are {len(spec)} bytes, and a Secret holds {manifests.SECRET_LIMIT}: use fewer columns"
            )
        manifest = manifests.job(run, self._shape)
        name: str = manifest["metadata"]["name"]
        job = self._adopt(name, run) if run.in_doubt else None
        if job is None:
            try:
                job = self._api.create("jobs", manifest)
            except AlreadyExists:
                job = self._adopt(name, run)
        if job is None:
            raise InDoubt(f"Job {name} existed a moment ago, and is gone")
        try:
            self._api.create("secrets", manifests.secret(job, spec))
        except AlreadyExists:
            _log.info("the Secret exists", extra={"handle": name})
        except Refused:
            # The job ends with this error, and its Job would wait for the Secret until its deadline
            self.stop(name, "its Secret was refused")
            raise
        except Transient as error:  # whatever it is, the Job is there
            raise InDoubt(str(error)) from error
        return name

    @override
    def find(self, run: RunSpec) -> str | None:
        name: str = manifests.job(run, self._shape)["metadata"]["name"]
        return name if self._adopt(name, run) else None

    def _adopt(self, name: str, run: RunSpec) -> dict[str, Any] | None:
        try:
            job = self._api.get("jobs", name)
        except (Transient, Refused) as error:  # it is, or may be, there
            raise InDoubt(str(error)) from error
        if job is None:
            return None
        told = job["metadata"].get("annotations", {})
        if (told.get(manifests.JOB_ID), told.get(manifests.ATTEMPT)) != (run.job_id, str(run.attempt)):
            raise Refused(f"there is a Job {name} that is not this platform's")
        _log.warning("adopting the Job of an earlier launch", extra={"handle": name})
        return job

    @override
    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        """Ask as the interface says: two lists for all runs, and a third while a Job has no pod.

        A run that cannot start is ended here, for it must not start after it was called never started. One that only waits
        for room is pending, for as long as its caller likes.
        """
        if not handles:
            return {}
        # Jobs first: a pod that is not in the later list has gone, or was not there yet
        jobs = {
            job["metadata"]["name"]: job for job in self._api.list("jobs", labelSelector=manifests.MANAGED_BY)
        }
        pods = _newest(self._api.list("pods", labelSelector=manifests.MANAGED_BY))
        self._pod_names = {run: pod["metadata"]["name"] for run, pod in pods.items()}
        now = self._clock()
        found = {
            handle: status_of(jobs[handle], pods.get(handle), now) if handle in jobs else UNKNOWN
            for handle in handles
        }
        pending = {handle: jobs[handle] for handle in found if found[handle].state is RunState.PENDING}
        podless = [handle for handle, job in pending.items() if handle not in pods]
        warnings = self._warnings() if podless else {}
        for handle, job in pending.items():
            pod, warning = pods.get(handle), warnings.get(handle, "")
            if pod is None and warning:
                found[handle] = replace(found[handle], detail=warning)
            why = cannot_start(job, pod, warning, self._start_seconds, now)
            if why:
                self._end(handle, NEVER_STARTED, why)
        return found

    def _warnings(self) -> dict[str, str]:
        """Give the last warning about each Job: why no pod is made for it."""
        try:
            events = list(self._api.list("events", fieldSelector="involvedObject.kind=Job,type=Warning"))
        except Refused as error:  # without words, a look is still a look
            _log.warning("cannot ask why Jobs have no pods", extra={"error": str(error)})
            return {}
        ordered = sorted(events, key=lambda event: event.get("lastTimestamp") or "")
        return {event["involvedObject"]["name"]: event["message"] for event in ordered}

    @override
    def stop(self, handle: str, reason: str) -> None:
        if not self._end(handle, STOPPED, reason):
            _log.info("Kubernetes has nothing to stop", extra={"handle": handle})

    def _end(self, handle: str, kind: str, reason: str) -> bool:
        # One second after its start, which is over; asked for again, this changes nothing
        change = {"metadata": {"annotations": {kind: reason}}, "spec": {"activeDeadlineSeconds": 1}}
        return self._api.patch("jobs", handle, change)

    @override
    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        pod = self._pod_names.get(handle) or self._pod_name(handle)
        if pod is None:
            return []
        # The API counts lines from the end, and bytes only from the beginning
        count = tail_bytes // _BYTES_PER_LINE + 1
        while True:
            data = self._api.log(pod, CONTAINER, count, tail_bytes + 1)
            if data is None:
                return []
            if len(data) > tail_bytes or data.count(b"\n") < count:
                break
            count *= 8
        lines = data.decode("utf-8", "replace").splitlines()
        return lines[1:] if len(data) > tail_bytes and len(lines) > 1 else lines  # the first one is cut

    @override
    def forget(self, job_id: str, attempt: int) -> None:
        """Do nothing: the Secret goes with its Job."""

    def _pod_name(self, handle: str) -> str | None:
        pod = _newest(self._api.list("pods", labelSelector=f"{manifests.RUN}={handle}")).get(handle)
        return pod["metadata"]["name"] if pod else None


def from_settings(settings: LauncherSettings) -> KubernetesBackend:
    """Make the back end with a client for the cluster that the settings name, or that this process runs in."""
    shape = manifests.Shape(
        image=settings.kubernetes_image,
        image_pull_policy=settings.kubernetes_image_pull_policy,
        image_pull_secrets=settings.kubernetes_image_pull_secrets,
        service_account=settings.kubernetes_service_account,
        env_secrets=settings.kubernetes_env_secrets,
        node_selector=settings.kubernetes_node_selector,
        tolerations=settings.kubernetes_tolerations,
        user=settings.kubernetes_user,
        disk_gb=settings.kubernetes_disk_gb,
        grace_seconds=int(settings.stop_grace_seconds),
        keep_seconds=settings.kubernetes_keep_seconds,
        room_seconds=int(settings.launch_give_up_seconds),
    )
    api = KubernetesApi(connect(settings.kubernetes_kubeconfig), settings.kubernetes_namespace)
    return KubernetesBackend(api, shape, start_seconds=settings.kubernetes_start_seconds)


def _newest(pods: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Give the newest pod of each run; there is more than one only where someone interferes."""
    ordered = sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])
    labelled = ((pod["metadata"]["labels"].get(manifests.RUN, ""), pod) for pod in ordered)
    return {run: pod for run, pod in labelled if run}
