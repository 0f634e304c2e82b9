"""Hears from ECS, by EventBridge and an SQS queue, that a task changed, and has it looked at now instead of at the next round.

A notice is never believed: what it names is asked for at the provider. So it may be lost, repeated, late or forged, and
the reconciler comes to the same end, only later.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from runtime.errors import Transient
from services.launcher.backend import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_KIND = "ECS Task State Change"
_WAIT_SECONDS = 5  # of one long poll: as long a stop of the launcher waits for it
_AT_ONCE = 10  # messages in one answer, the most there may be
_log = logging.getLogger(__name__)


class Queue(Protocol):
    """What is used of boto3's SQS client, whose types are a package of their own."""

    def receive_message(self, **request: Any) -> Mapping[str, Any]:
        """Wait for messages."""
        ...

    def delete_message_batch(self, **request: Any) -> Mapping[str, Any]:
        """Delete messages."""
        ...


class TaskNotices:
    """One long poll at a time."""

    def __init__(self, queue: Queue, url: str, look: Callable[[Collection[str]], None]) -> None:
        """Take the queue, its URL, and what looks at the runs of some handles."""
        self._queue = queue
        self._url = url
        self._look = look

    def hear(self) -> None:
        """Wait for notices, have their tasks looked at, and delete them."""
        answer = self._queue.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=_WAIT_SECONDS
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        handles = {handle for message in messages if (handle := task_of(message.get("Body", "")))}
        try:
            if handles:
                self._look(handles)
        except (Transient, Refused) as error:
            _log.warning("the next round will look", extra={"error": str(error)})
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        self._queue.delete_message_batch(QueueUrl=self._url, Entries=entries)


def task_of(body: str) -> str | None:
    """Give the ARN of the task that a notice is about; one that cannot be understood is logged, and is about none."""
    try:
        notice = json.loads(body)
        kind, task = notice["detail-type"], notice["detail"]["taskArn"]
    except (ValueError, TypeError, KeyError) as error:
        _log.warning("a notice cannot be understood", extra={"notice": body[:500], "error": repr(error)})
        return None
    return task if kind == _KIND and isinstance(task, str) else None


def open_queue() -> Queue:
    """Make the client, for the region and credentials that boto3 finds in the environment."""
    config = Config(connect_timeout=5, read_timeout=_WAIT_SECONDS + 15, retries={"mode": "standard"})
    queue: Queue = boto3.client("sqs", config=config)
    return queue
