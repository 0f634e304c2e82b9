"""Runs trainers as tasks on ECS Fargate: one task definition for all, size and job per task by overrides.

RunTask carries a client token made of job and attempt, so a repeated call gives the task of the first. The task
definition is expected to hold one container that logs by awslogs.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from contracts.fargate import TooLarge, fargate_size
from runtime.errors import Transient
from services.launcher.backend import UNKNOWN, Backend, Refused, RunStatus
from services.launcher.backends.ecs_words import api_error, launch_failure, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import RunTaskRequestTypeDef, TaskOverrideTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef

    from runtime.storage import ObjectStore
    from services.launcher.backend import RunSpec
    from services.launcher.settings import LauncherSettings

OVERRIDES_LIMIT = 8192  # characters of the overrides' JSON
DESCRIBE_LIMIT = 100  # tasks in one DescribeTasks
_LOG_OPTIONS = {"awslogs-group", "awslogs-stream-prefix"}
_PAGES = 20  # of a log's end, at most: each may hold little where the stream is sparse
_log = logging.getLogger(__name__)


class EcsBackend(Backend):
    """Tasks of one cluster."""

    def __init__(
        self,
        ecs: ECSClient,
        logs: CloudWatchLogsClient,
        store: ObjectStore,
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
            ecs: Client of the ECS API.
            logs: Client of CloudWatch Logs.
            store: Where specs go that are too long for the overrides.
            cluster: Name or ARN.
            task_definition: family:revision.
            container: The trainer's container in it.
            subnets: Of the tasks.
            security_groups: Of the tasks.
            assign_public_ip: Whether tasks get a public address.
            capacity_provider: FARGATE_SPOT or another; empty for the launch type FARGATE.
        """
        self._ecs = ecs
        self._logs = logs
        self._store = store
        self._cluster = cluster
        self._task_definition = task_definition
        self._container = container
        self._subnets = list(subnets)
        self._security_groups = list(security_groups)
        self._assign_public_ip = assign_public_ip
        self._capacity_provider = capacity_provider
        self._log_place: tuple[str, str] | None = None

    @property
    @override
    def name(self) -> str:
        return "ecs"

    @override
    def launch(self, run: RunSpec) -> str:
        request: RunTaskRequestTypeDef = {
            "cluster": self._cluster,
            "taskDefinition": self._task_definition,
            "count": 1,
            "clientToken": client_token(run.job_id, run.attempt),
            "startedBy": f"triptych/{run.job_id}/{run.attempt}",
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": self._subnets,
                    "securityGroups": self._security_groups,
                    "assignPublicIp": "ENABLED" if self._assign_public_ip else "DISABLED",
                }
            },
            "overrides": self._overrides(run),
        }
        if self._capacity_provider:
            request["capacityProviderStrategy"] = [{"capacityProvider": self._capacity_provider, "weight": 1}]
        else:
            request["launchType"] = "FARGATE"
        try:
            with _explained():
                answer = self._ecs.run_task(**request)
        except _Conflict as conflict:
            # The token's task was started with other parameters, by a launcher with other settings; it is ours all the same
            _log.warning("adopting the task of an earlier launch", extra={"handle": conflict.arn})
            return conflict.arn
        if not answer["tasks"]:
            raise launch_failure(answer["failures"])
        return answer["tasks"][0]["taskArn"]

    def _overrides(self, run: RunSpec) -> TaskOverrideTypeDef:
        try:
            cpu, memory = fargate_size(run.cpus, run.memory_mb)
        except TooLarge as error:
            raise Refused(str(error)) from None
        overrides = self._override_with(run.env, cpu, memory)
        # As boto3 writes it, non-ASCII characters escaped
        if len(json.dumps(overrides)) <= OVERRIDES_LIMIT:
            return overrides
        travelling = {"JOB_ID", "ATTEMPT", "CALLBACK_SECRET"}
        spec = {name: value for name, value in run.env.items() if name != "CALLBACK_SECRET"}
        key = f"jobs/{run.job_id}/{run.attempt}/spec.json"
        self._store.put_bytes(key, json.dumps(spec).encode(), content_type="application/json")
        short = {name: value for name, value in run.env.items() if name in travelling}
        return self._override_with({**short, "JOB_SPEC_URI": self._store.uri(key)}, cpu, memory)

    def _override_with(self, env: Mapping[str, str], cpu: int, memory: int) -> TaskOverrideTypeDef:
        return {
            "cpu": str(cpu),
            "memory": str(memory),
            "containerOverrides": [
                {
                    "name": self._container,
                    # Its definition may hold less, which would limit it whatever the task has
                    "cpu": cpu,
                    "memory": memory,
                    "environment": [{"name": name, "value": value} for name, value in sorted(env.items())],
                }
            ],
        }

    @override
    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        found = dict.fromkeys(handles, UNKNOWN)
        for start in range(0, len(handles), DESCRIBE_LIMIT):
            batch = list(handles[start : start + DESCRIBE_LIMIT])
            with _explained():
                answer = self._ecs.describe_tasks(cluster=self._cluster, tasks=batch)
            # A task that is not in the answer is among its failures, as MISSING
            for task in answer["tasks"]:
                if task["taskArn"] in found:
                    found[task["taskArn"]] = status_of(task, self._container)
        return found

    @override
    def stop(self, handle: str, reason: str) -> None:
        try:
            with _explained():
                self._ecs.stop_task(cluster=self._cluster, task=handle, reason=reason[:255])
        except Refused as error:
            if "not found" not in str(error):
                raise
            _log.info("ECS has nothing to stop", extra={"handle": handle})

    @override
    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        group, prefix = self._where_logs_are()
        stream = f"{prefix}/{self._container}/{handle.rsplit('/', 1)[-1]}"
        pages: list[list[str]] = []
        size, token = 0, ""
        for _ in range(_PAGES):
            page = self._log_page(group, stream, token)
            if page is None:
                break
            lines, following = page
            pages.append(lines)
            size += sum(len(line.encode()) + 1 for line in lines)
            # CloudWatch gives the same token again at the stream's start; a page may be empty before that
            if size >= tail_bytes or following == token:
                break
            token = following
        return _last_lines([line for lines in reversed(pages) for line in lines], tail_bytes)

    def _log_page(self, group: str, stream: str, token: str) -> tuple[list[str], str] | None:
        try:
            request: GetLogEventsRequestTypeDef = {
                "logGroupName": group,
                "logStreamName": stream,
                "startFromHead": False,
            }
            if token:
                request["nextToken"] = token
            answer = self._logs.get_log_events(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None  # nothing was written yet
            raise _explain(error) from error
        except BotoCoreError as error:
            raise Transient(f"AWS does not answer: {error}") from error
        return [event["message"] for event in answer["events"]], answer["nextBackwardToken"]

    def _where_logs_are(self) -> tuple[str, str]:
        if self._log_place is None:
            with _explained():
                answer = self._ecs.describe_task_definition(taskDefinition=self._task_definition)
            for container in answer["taskDefinition"]["containerDefinitions"]:
                options = container.get("logConfiguration", {}).get("options", {})
                if container["name"] == self._container and set(options) >= _LOG_OPTIONS:
                    self._log_place = options["awslogs-group"], options["awslogs-stream-prefix"]
                    return self._log_place
            raise Refused(
                f"container {self._container} of {self._task_definition} does not log by awslogs with group and stream prefix"
            )
        return self._log_place


def client_token(job_id: str, attempt: int) -> str:
    """Make the idempotency token of a launch: 64 characters, the most there may be."""
    return hashlib.sha256(f"{job_id}:{attempt}".encode()).hexdigest()


def from_settings(settings: LauncherSettings, store: ObjectStore) -> EcsBackend:
    """Make the back end with clients for the region and credentials that boto3 finds in the environment."""
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 4},
        max_pool_connections=10,
    )
    return EcsBackend(
        boto3.client("ecs", config=config),
        boto3.client("logs", config=config),
        store,
        cluster=settings.ecs_cluster,
        task_definition=settings.ecs_task_definition,
        container=settings.ecs_container,
        subnets=settings.ecs_subnets,
        security_groups=settings.ecs_security_groups,
        assign_public_ip=settings.ecs_assign_public_ip,
        capacity_provider=settings.ecs_capacity_provider,
    )


class _Conflict(Exception):
    """The client token belongs to a task that was started with other parameters."""

    def __init__(self, arn: str) -> None:
        super().__init__(arn)
        self.arn = arn


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _explain(error) from error
    except BotoCoreError as error:
        # No answer, no credentials yet: all of that may pass
        raise Transient(f"AWS does not answer: {error}") from error


def _explain(error: ClientError) -> Exception:
    told = error.response["Error"]
    arns = error.response.get("resourceIds")
    if told.get("Code") == "ConflictException" and isinstance(arns, list) and arns:
        return _Conflict(str(arns[0]))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return api_error(told.get("Code", ""), told.get("Message", ""), status)


def _last_lines(lines: list[str], tail_bytes: int) -> list[str]:
    size = 0
    for position in range(len(lines) - 1, -1, -1):
        size += len(lines[position].encode()) + 1
        if size > tail_bytes:
            return lines[position + 1 :]
    return lines
