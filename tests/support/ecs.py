"""ECS as moto's server plays it, behind a proxy that keeps to client tokens as AWS documents and breaks calls on demand.

moto starts a task for every RunTask; the proxy answers a token it knows as "Ensuring idempotency" of the ECS API reference
says: the same parameters give the first answer again, also one that told of failures, others a ConflictException that
names the task. What is broken is broken on real sockets, before or after moto has done the work.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from moto.moto_api import state_manager

from services.launcher.backends.ecs import EcsBackend
from services.launcher.specs import SpecObjects
from support.s3_server import s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.storage import ObjectStore

BUCKET = "cloud"
_KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
_ONCE = {"total_max_attempts": 1}  # as the launcher's own


class Fault(StrEnum):
    """What happens to a call."""

    CUT_BEFORE = "the connection is cut before the request gets through"
    CUT_AFTER = "the connection is cut after the work"
    HALF = "half an answer, then a cut"
    SILENCE = "the work is done, no answer comes"
    ERROR_BEFORE = "500, nothing done"
    ERROR_AFTER = "500 after the work"
    IN_USE = "ConflictException that names no task"
    THROTTLED = "ThrottlingException"
    DENIED = "AccessDeniedException"
    NO_CAPACITY = "an answer with failures[]"
    EMPTY = "an answer with neither tasks nor failures"
    UNSEEN = "a list without what was just started"


_ERRORS = {
    Fault.ERROR_BEFORE: (500, "ServerException", "Service Unavailable. Please try again later."),
    Fault.ERROR_AFTER: (500, "ServerException", "Service Unavailable. Please try again later."),
    Fault.IN_USE: (400, "ConflictException", "The clientToken is already in use"),
    Fault.THROTTLED: (400, "ThrottlingException", "Rate exceeded"),
    Fault.DENIED: (400, "AccessDeniedException", "not authorized to perform this action"),
}
_ANSWERS: dict[Fault, dict[str, Any]] = {
    Fault.NO_CAPACITY: {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY", "detail": "none left"}]},
    Fault.EMPTY: {"tasks": [], "failures": []},
    Fault.UNSEEN: {"taskArns": []},
}


class Cloud:
    """A cluster, a task definition, a log group and a bucket; `backend()` gives launchers of it.

    Attributes:
        faults: What happens to the next calls, by operation.
        said: Every request and answer of the ECS API, as text.
    """

    def __init__(self, moto: str, proxy: str) -> None:
        self.moto, self.proxy = moto, proxy
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.said: list[str] = []
        self.tokens: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.lock = Lock()
        self.ecs, self.logs = (boto3.client(name, endpoint_url=moto, **_KEYS) for name in ("ecs", "logs"))
        ec2, s3 = (boto3.client(name, endpoint_url=moto, **_KEYS) for name in ("ec2", "s3"))
        subnet = ec2.describe_subnets()["Subnets"][0]
        group = ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=subnet["VpcId"])
        self.place = {"subnets": [subnet["SubnetId"]], "security_groups": [group["GroupId"]]}
        s3.create_bucket(Bucket=BUCKET)
        self.logs.create_log_group(logGroupName="/triptych")
        self.ecs.register_task_definition(
            family="trainer",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="1024",
            memory="2048",
            containerDefinitions=[
                {
                    "name": "trainer",
                    "image": "trainer",
                    # moto answers 500 without these two
                    "cpu": 1024,
                    "memory": 2048,
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {"awslogs-group": "/triptych", "awslogs-stream-prefix": "jobs"},
                    },
                }
            ],
        )
        ec2.close()
        s3.close()
        self.cluster = ""
        self._number = 0
        self._clients = [self.ecs, self.logs]

    def renew(self) -> None:
        """Begin with another cluster, without tasks and faults."""
        self._number += 1
        self.cluster = f"jobs-{self._number:04}"
        self.ecs.create_cluster(clusterName=self.cluster)
        self.faults.clear()
        self.said.clear()
        self.tokens.clear()

    def backend(self, store: ObjectStore, *, read_timeout: float = 60, **changed: Any) -> EcsBackend:
        """Make a back end whose calls go through the proxy."""
        config = Config(read_timeout=read_timeout, retries=_ONCE)
        ecs, logs = (
            boto3.client(name, endpoint_url=self.proxy, config=config, **_KEYS) for name in ("ecs", "logs")
        )
        self._clients += [ecs, logs]
        where = {
            "cluster": self.cluster,
            "task_definition": "trainer:1",
            "container": "trainer",
            **self.place,
        }
        return EcsBackend(ecs, logs, SpecObjects(store), **{**where, **changed})

    def fail(self, operation: str, *faults: Fault) -> None:
        """Have the next calls of an operation go wrong, one after the other."""
        self.faults[operation].extend(faults)

    def tasks(self) -> dict[str, str]:
        """Give the state of every task that was ever started, by its ARN."""
        arns = self.ecs.list_tasks(cluster=self.cluster)["taskArns"]
        found = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"] if arns else []
        return {task["taskArn"]: task["lastStatus"] for task in found}

    def launches(self) -> Counter[str]:
        """Count the tasks of each attempt."""
        arns = self.ecs.list_tasks(cluster=self.cluster)["taskArns"]
        found = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        return Counter(task["startedBy"] for task in found)

    def write_log(self, handle: str, lines: list[str]) -> None:
        """Write what a task's container would."""
        where = {
            "logGroupName": "/triptych",
            "logStreamName": f"jobs/trainer/{handle.rsplit('/', 1)[-1]}",
        }
        self.logs.create_log_stream(**where)
        now = int(time.time() * 1000)
        events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
        for start in range(0, len(events), 10_000):  # the most that one call takes
            self.logs.put_log_events(**where, logEvents=events[start : start + 10_000])

    def close(self) -> None:
        """Close every client."""
        for client in self._clients:
            client.close()


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Serve a cloud, to be renewed before use; tasks stay as they are until they are stopped."""
    # By default moto moves a task on towards its end each time it is described
    state_manager.set_transition("ecs::task", {"progression": "time", "seconds": 86_400})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    proxy.daemon_threads = False  # so that closing waits for them
    thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with s3_server("unused") as moto:
            # moto's state is this process's, and outlives a server
            urllib.request.urlopen(f"{moto}/moto-api/reset", data=b"").close()
            made = Cloud(moto, f"http://127.0.0.1:{proxy.server_address[1]}")
            proxy.cloud = made  # type: ignore[attr-defined]
            yield made
            made.close()
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
        state_manager.unset_transition("ecs::task")


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        cloud: Cloud = self.server.cloud  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        service, _, operation = self.headers["X-Amz-Target"].partition(".")
        planned = cloud.faults[operation]
        fault = planned.popleft() if planned else None
        if fault is Fault.CUT_BEFORE:
            self._cut()
        elif fault in _ERRORS and fault is not Fault.ERROR_AFTER:
            self._refuse(fault)
        else:
            status, answer = self._work(cloud, operation, body, _ANSWERS.get(fault) if fault else None)
            if service.startswith("AmazonEC2ContainerService"):
                cloud.said += [body.decode(), answer.decode()]
            self._give(status, answer, fault)

    def _work(
        self, cloud: Cloud, operation: str, body: bytes, instead: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        if operation != "RunTask":
            return (200, json.dumps(instead).encode()) if instead else self._forward(cloud, body)
        asked = json.loads(body)
        token = asked.pop("clientToken")
        with cloud.lock:
            if token in cloud.tokens:
                before, answer = cloud.tokens[token]
                arns = [task["taskArn"] for task in json.loads(answer)["tasks"]]
                if before != asked:
                    told = {"__type": "ConflictException", "message": "token in use", "resourceIds": arns}
                    return 400, json.dumps(told).encode()
                return 200, answer
            status, answer = (200, json.dumps(instead).encode()) if instead else self._forward(cloud, body)
            if status == 200:
                cloud.tokens[token] = asked, answer
            return status, answer

    def _forward(self, cloud: Cloud, body: bytes) -> tuple[int, bytes]:
        there = urlsplit(cloud.moto)
        connection = HTTPConnection(there.hostname or "", there.port)
        skipped = {"host", "connection", "expect"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        # moto says of a stopped task that it ended well; a trainer that is stopped exits with 128 + SIGTERM
        found = answer.status, answer.read().replace(b'"exitCode": 0', b'"exitCode": 143')
        connection.close()
        return found

    def _give(self, status: int, answer: bytes, fault: Fault | None) -> None:
        match fault:
            case Fault.CUT_AFTER:
                self._cut()
            case Fault.ERROR_AFTER:
                self._refuse(fault)
            case Fault.SILENCE:
                self.connection.recv(1)  # until the client gives up
                self._cut()
            case Fault.HALF:
                self._write(status, answer, answer[: len(answer) // 2])
                self._cut()
            case _:
                self._write(status, answer, answer)

    def _refuse(self, fault: Fault) -> None:
        status, code, message = _ERRORS[fault]
        answer = json.dumps({"__type": code, "message": message}).encode()
        self._write(status, answer, answer)

    def _write(self, status: int, whole: bytes, sent: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(sent)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
