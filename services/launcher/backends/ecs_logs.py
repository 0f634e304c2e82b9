"""Reads the end of a task's output from CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from services.launcher.backend import Refused
from services.launcher.backends.ecs_calls import check_whole, explained

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef

_OPTIONS = {"awslogs-group", "awslogs-stream-prefix"}
_PAGES = 20  # of a log's end, at most: each may hold little where the stream is sparse


class TaskLogs:
    """Output of one container of a task definition, by task."""

    def __init__(
        self, ecs: ECSClient, logs: CloudWatchLogsClient, task_definition: str, container: str
    ) -> None:
        """Take the clients and whose output it is; where it lies is in the task definition."""
        self._ecs = ecs
        self._logs = logs
        self._task_definition = task_definition
        self._container = container
        self._place: tuple[str, str] | None = None

    def tail(self, task_arn: str, tail_bytes: int) -> list[str]:
        """Give the last lines of a task's output, oldest first, as many as fit; none where nothing was written yet.

        Raises:
            Transient: AWS does not answer.
            Refused: It denies access, or the container logs elsewhere.
        """
        group, prefix = self._where()
        stream = f"{prefix}/{self._container}/{task_arn.rsplit('/', 1)[-1]}"
        pages: list[list[str]] = []
        size, token = 0, ""
        for _ in range(_PAGES):
            page = self._page(group, stream, token)
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

    def _page(self, group: str, stream: str, token: str) -> tuple[list[str], str] | None:
        request: GetLogEventsRequestTypeDef = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": False,
        }
        if token:
            request["nextToken"] = token
        with explained():
            try:
                answer = self._logs.get_log_events(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return None  # the stream comes with the first line
                raise
            check_whole(answer, "nextBackwardToken")
        return [event["message"] for event in answer.get("events", [])], answer["nextBackwardToken"]

    def _where(self) -> tuple[str, str]:
        if self._place is None:
            with explained():
                answer = self._ecs.describe_task_definition(taskDefinition=self._task_definition)
                check_whole(answer, "taskDefinition")
            for container in answer["taskDefinition"]["containerDefinitions"]:
                options = container.get("logConfiguration", {}).get("options", {})
                if container["name"] == self._container and set(options) >= _OPTIONS:
                    self._place = options["awslogs-group"], options["awslogs-stream-prefix"]
                    return self._place
            raise Refused(
                f"container {self._container} of {self._task_definition} does not log by awslogs with group and stream prefix"
            )
        return self._place


def _last_lines(lines: list[str], tail_bytes: int) -> list[str]:
    size = 0
    for position in range(len(lines) - 1, -1, -1):
        size += len(lines[position].encode()) + 1
        if size > tail_bytes:
            return lines[position + 1 :]
    return lines
