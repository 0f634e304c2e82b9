"""Runs trainers as tasks on ECS Fargate: one task definition for all, size and job per task by overrides.

RunTask carries a client token made of job, attempt and launch, so a repeated call gives the task of the first. Whoever may
call DescribeTasks or read CloudTrail sees a task's overrides; the trainer's environment is therefore an object, and the
overrides say only where. The task definition is expected to hold one container that logs by awslogs.
"""

from __future__ import annotations

import hashlib
import logging
import re
from itertools import groupby
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from typing_extensions import override

from contracts.fargate import TooLarge, fargate_size
from runtime.errors import Transient
from services.launcher.backend import UNKNOWN, Backend, InDoubt, Refused, RunStatus
from services.launcher.backends.ecs_calls import Conflict, Unanswered, check_whole, explained
from services.launcher.backends.ecs_logs import TaskLogs
from services.launcher.backends.ecs_words import Denied, launch_failure, status_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import RunTaskRequestTypeDef, TaskOverrideTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

    from services.launcher.backend import RunSpec
    from services.launcher.settings import LauncherSettings
    from services.launcher.specs import SpecObjects

DESCRIBE_LIMIT = 100  # tasks in one DescribeTasks
_TASK = re.compile(
    r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]+:task/(?:(?P<cluster>[A-Za-z0-9_-]+)/)?[0-9A-Za-z-]+"
)
_log = logging.getLogger(__name__)


class EcsBackend(Backend):
    """Tasks of one cluster; those that an earlier setting started in another one are still looked after."""

    def __init__(
        self,
        ecs: ECSClient,
        logs: CloudWatchLogsClient,
        specs: SpecObjects,
        *,
        cluster: str,
        task_definition: str,
        container: str,
        subnets: Sequence[str],
        security_groups: Sequence[str],
        assign_public_ip: bool = False,
        capacity_provider: str = "",
    ) -> None:
        """Take the collaborators and where tasks run.

        Args:
            ecs: Client of the ECS API; it must not retry by itself, or a launch's last error would hide an earlier one.
            logs: Client of CloudWatch Logs.
            specs: Where trainers find their environment.
            cluster: Name or ARN.
            task_definition: family:revision.
            container: The trainer's container in it.
            subnets: Of the tasks.
            security_groups: Of the tasks.
            assign_public_ip: Whether tasks get a public address.
            capacity_provider: FARGATE_SPOT or another; empty for the launch type FARGATE.
        """
        self._ecs = ecs
        self._logs = TaskLogs(ecs, logs, task_definition, container)
        self._specs = specs
        self._cluster = cluster
        self._task_definition = task_definition
        self._container = container
        self._subnets = list(subnets)
        self._security_groups = list(security_groups)
        self._assign_public_ip = assign_public_ip
        self._capacity_provider = capacity_provider

    @property
    @override
    def name(self) -> str:
        return "ecs"

    @override
    def launch(self, run: RunSpec) -> str:
        # A token is good for a day at most, and for an hour after its task's end; a task that runs is found without it
        if run.in_doubt and (found := self.find(run)):
            return found
        try:
            return self._start(run, self._request(run))
        except InDoubt:
            raise
        except (Transient, Refused) as error:
            if run.in_doubt and not isinstance(error, _Nothing | _Never):
                raise InDoubt(str(error)) from error
            self._clear(run)
            raise

    def _clear(self, run: RunSpec) -> None:
        try:
            self._specs.remove(run.job_id, run.attempt)
        except (Transient, Refused) as error:
            _log.warning("cannot remove a spec", extra={"error": str(error)})

    def _request(self, run: RunSpec) -> RunTaskRequestTypeDef:
        try:
            cpu, memory = fargate_size(run.cpus, run.memory_mb)
        except TooLarge as error:
            raise Refused(str(error)) from None
        request: RunTaskRequestTypeDef = {
            "cluster": self._cluster,
            "taskDefinition": self._task_definition,
            "count": 1,
            "clientToken": client_token(run),
            "startedBy": started_by(run),
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": self._subnets,
                    "securityGroups": self._security_groups,
                    "assignPublicIp": "ENABLED" if self._assign_public_ip else "DISABLED",
                }
            },
            "overrides": self._overrides(run, cpu, memory),
        }
        if self._capacity_provider:
            request["capacityProviderStrategy"] = [{"capacityProvider": self._capacity_provider, "weight": 1}]
        else:
            request["launchType"] = "FARGATE"
        return request

    def _overrides(self, run: RunSpec, cpu: int, memory: int) -> TaskOverrideTypeDef:
        # Of one length for every table: ECS allows 8,192 characters, which some hundred columns' names would exceed
        shown = self._specs.put(run)
        return {
            "cpu": str(cpu),
            "memory": str(memory),
            "containerOverrides": [
                {
                    "name": self._container,
                    # Its definition may hold less, which would limit it whatever the task has
                    "cpu": cpu,
                    "memory": memory,
                    "environment": [{"name": name, "value": value} for name, value in sorted(shown.items())],
                }
            ],
        }

    def _start(self, run: RunSpec, request: RunTaskRequestTypeDef) -> str:
        try:
            with explained():
                answer = self._ecs.run_task(**request)
                check_whole(answer, "tasks", "failures")
        except Conflict as conflict:
            # The token's task was started with other parameters, by a launcher with other settings; it is ours all the same
            _log.warning("adopting the task of an earlier launch", extra={"handle": conflict.arn})
            return conflict.arn
        except Unanswered as error:
            raise InDoubt(str(error)) from error
        if tasks := answer.get("tasks"):
            return tasks[0]["taskArn"]
        failures = answer.get("failures", [])
        if not failures and (found := self.find(run)):
            return found
        told = launch_failure(failures)
        raise (_Nothing if isinstance(told, Transient) else _Never)(str(told))

    @override
    def find(self, run: RunSpec) -> str | None:
        """Look among the tasks that ECS means to run; None, too, where it lets nobody look."""
        try:
            with explained():
                answer = self._ecs.list_tasks(cluster=self._cluster, startedBy=started_by(run))
                check_whole(answer, "taskArns")
        except (Refused, Denied) as error:
            # Its client token alone must then keep it from running twice
            _log.warning("cannot look for a task", extra={"error": str(error)})
            return None
        except Transient as error:
            raise InDoubt(str(error)) from error
        return next(iter(answer["taskArns"]), None)

    @override
    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        known = sorted(filter(_TASK.fullmatch, handles), key=self._cluster_of)
        found = dict.fromkeys(handles, UNKNOWN)
        for cluster, group in groupby(known, key=self._cluster_of):
            arns = list(group)
            try:
                for start in range(0, len(arns), DESCRIBE_LIMIT):
                    batch = arns[start : start + DESCRIBE_LIMIT]
                    described = self._describe(cluster, batch)
                    found |= described
                    for arn in set(batch) - set(described):
                        del found[arn]
            except Refused as error:
                # An earlier setting's cluster is gone, and must not hide what runs in the present one
                if cluster == self._cluster or "ClusterNotFound" not in str(error):
                    raise
                _log.warning("tasks of a cluster that is gone", extra={"cluster": cluster})
        return found

    def _describe(self, cluster: str, arns: list[str]) -> dict[str, RunStatus]:
        with explained():
            answer = self._ecs.describe_tasks(cluster=cluster, tasks=arns)
            check_whole(answer, "tasks", "failures")
        described = {task["taskArn"]: status_of(task, self._container) for task in answer.get("tasks", [])}
        found = {arn: described.get(arn, UNKNOWN) for arn in arns}
        for failure in answer.get("failures", []):
            # A task that is gone is MISSING; anything else says nothing about the task, and nothing about any other
            arn, reason = failure.get("arn", ""), failure.get("reason")
            if reason == "MISSING":
                continue
            if found.pop(arn, None) is None:
                raise Transient(f"ECS does not describe {arn}: {reason}")
            _log.warning("ECS does not describe a task", extra={"handle": arn, "error": reason})
        return found

    def _cluster_of(self, handle: str) -> str:
        match = _TASK.fullmatch(handle)
        named = match and match["cluster"]
        return self._cluster if not named or self._cluster.endswith(f"/{named}") else named

    @override
    def stop(self, handle: str, reason: str) -> None:
        try:
            with explained():
                answer = self._ecs.stop_task(
                    cluster=self._cluster_of(handle), task=handle, reason=reason[:255]
                )
                check_whole(answer, "task")
        except Refused as error:
            if "task was not found" not in str(error):
                raise
            _log.info("ECS has nothing to stop", extra={"handle": handle})

    @override
    def forget(self, job_id: str, attempt: int) -> None:
        self._specs.remove(job_id, attempt)

    @override
    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        try:
            return self._logs.tail(handle, tail_bytes)
        except (Refused, Denied) as error:
            # Nothing may wait for a log, and whoever looks for it should read why it is not there
            return [f"the log cannot be read: {error}"]


def client_token(run: RunSpec) -> str:
    """Make the idempotency token of a launch: 64 characters, the most there may be.

    A launch that ECS has said "no" to gets another token when it is tried again, for an old one may give the old answer.
    """
    return hashlib.sha256(f"{run.job_id}:{run.attempt}:{run.launch}".encode()).hexdigest()


def started_by(run: RunSpec) -> str:
    """Make what tasks of an attempt can be listed by: at most 128 letters, digits, -, _ and /."""
    return f"triptych/{run.job_id}/{run.attempt}"


def from_settings(settings: LauncherSettings, specs: SpecObjects) -> EcsBackend:
    """Make the back end with clients for the region and credentials that boto3 finds in the environment."""
    config = Config(connect_timeout=5, read_timeout=30, max_pool_connections=10)
    return EcsBackend(
        # The reconciler repeats what failed, and it knows what each failure leaves open
        boto3.client("ecs", config=config.merge(Config(retries={"total_max_attempts": 1}))),
        boto3.client("logs", config=config.merge(Config(retries={"mode": "standard", "max_attempts": 4}))),
        specs,
        cluster=settings.ecs_cluster,
        task_definition=settings.ecs_task_definition,
        container=settings.ecs_container,
        subnets=settings.ecs_subnets,
        security_groups=settings.ecs_security_groups,
        assign_public_ip=settings.ecs_assign_public_ip,
        capacity_provider=settings.ecs_capacity_provider,
    )


class _Nothing(Transient):
    """RunTask has answered that it started nothing, which settles any doubt about the launch."""


class _Never(Refused):
    """RunTask has answered that it started nothing, nor will it."""
