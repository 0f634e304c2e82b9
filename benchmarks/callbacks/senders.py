"""Lets processes send for some seconds, and gives what they saw."""

from __future__ import annotations

import multiprocessing
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.callbacks.calls import mlflow_requests, our_requests
from benchmarks.callbacks.clients import CLIENTS
from benchmarks.callbacks.rows import Row
from benchmarks.callbacks.viewers import AN_IDLE_JOB, Viewers, trickle

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.callbacks.calls import Request
    from benchmarks.callbacks.servers import Server

WARM_UP = 50  # callbacks of each sender before the clock starts
_MOST_A_SECOND = 2500  # that one sender can send; requests are made before the clock starts


@dataclass(frozen=True)
class Load:
    """What is done to a server.

    Attributes:
        client: Name of the HTTP client.
        senders: How many send at the same time.
        seconds: For how long.
        rate: Callbacks a second, all senders together; 0: as fast as it goes.
        idle: Streams of a job that gets one callback a second.
        watching: Streams spread over the senders' jobs.
    """

    client: str
    senders: int
    seconds: float
    rate: float = 0.0
    idle: int = 0
    watching: int = 0

    @property
    def viewers(self) -> str:
        """Say who watches."""
        return f"{self.idle} idle" if self.idle else f"{self.watching} watching" if self.watching else "none"


def run(name: str, running: Server, load: Load) -> Row:
    """Let senders send for some seconds; give what they saw."""
    mark, origin = f"{time.time_ns()}", running.origin
    jobs = [f"{mark}-{number}" for number in range(load.senders)]
    requests = mlflow_requests if name == "mlflow" else our_requests
    barrier, results = multiprocessing.Barrier(load.senders + 1), multiprocessing.SimpleQueue()
    with ExitStack() as stack:
        viewers = None
        if load.idle or load.watching:
            watched = jobs if load.watching else [AN_IDLE_JOB]
            viewers = stack.enter_context(Viewers(origin, watched, load.idle or load.watching))
        processes = [
            multiprocessing.Process(
                target=send, args=(load, origin, requests, job, barrier, results), daemon=True
            )
            for job in jobs
        ]
        for process in processes:
            process.start()
        barrier.wait()
        if load.idle:
            stack.enter_context(trickle(origin))
        cpu_before = running.processor_seconds()
        seen_before = viewers.seen if viewers else 0
        reports = [results.get() for _ in processes]
        cpu = running.processor_seconds() - cpu_before
        seen = (viewers.seen if viewers else 0) - seen_before
        for process in processes:
            process.join()
    latencies = sorted(1000 * latency for report in reports for latency in report["latencies"])
    row = Row(
        server=name,
        senders=load.senders,
        client=load.client,
        viewers=load.viewers,
        rate=load.rate,
        per_second=sum(len(report["latencies"]) / report["seconds"] for report in reports),
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[int(0.99 * (len(latencies) - 1))],
        max_ms=latencies[-1],
        cpu_ms=1000 * cpu / len(latencies),
        failed=sum(report["failed"] for report in reports),
        seen=seen / load.seconds,
    )
    print(row.line(), file=sys.stderr, flush=True)
    return row


def send(
    load: Load,
    origin: str,
    make_requests: Callable[[str, str, int], list[Request]],
    job: str,
    barrier: Any,
    results: Any,
) -> None:
    """Be one sender: a process that sends one callback after another over one connection."""
    rate = load.rate / load.senders
    requests = make_requests(origin, job, int(load.seconds * (rate or _MOST_A_SECOND)) + WARM_UP)
    make_client = CLIENTS[load.client]
    call = make_client(origin)
    for request in requests[:WARM_UP]:
        call(request)
    requests = requests[WARM_UP:]
    barrier.wait()
    call = make_client(origin)  # the server may have closed a connection that waited for the other senders
    call(requests.pop(0))
    latencies, failed = [], 0
    began = time.perf_counter()
    for number, request in enumerate(requests):
        due = time.perf_counter()
        if rate:
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
        elif due - began > load.seconds:
            break
        failed += not 200 <= call(request) < 300
        latencies.append(time.perf_counter() - due)
    results.put({"latencies": latencies, "failed": failed, "seconds": time.perf_counter() - began})
