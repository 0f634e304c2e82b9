"""How many jobs and trainers the services take: throughput and age of queues, with 1, 2 and 4 processes of each kind.

    python -m benchmarks.scale --jobs 10000 --trainers 1000 --workers 1 2 4
    python -m benchmarks.scale --jobs 200 --trainers 50 --seconds 10 --workers 1        # in a minute

For each number of workers the real services start anew: api, relay, the two workers of ingest, launcher, metrics service, and the workers of
api and metrics service, over a PostgreSQL and a Redis of their own. Clients upload data sets, then create and start jobs as fast as the api
answers. With --queued, so many others were put into the queue before, as the rows that the api would have written, since ten
thousand over REST take a quarter of an hour on two cores. Only containers are simulated (`simulator.py`): by one process, in which every trainer sends signed callbacks as the real one does,
at the pace of its heartbeats, and its final report.

A run ends when every job has, or after --minutes; jobs that wait then are counted as waiting. Each job is looked up in the database and in
the simulator's record; a lost or duplicated one makes the exit code 1.

Everything shares this machine, simulator and clients too. PostgreSQL's files lie in memory where there is room, without fsync: no figure
here waits for a disk.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scale import account, jobs, report
from benchmarks.scale.services import Load, Platform, platform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--jobs", type=int, default=10_000, help="jobs that are created (%(default)s)")
    add("--trainers", type=int, default=1_000, help="most that train at a time (%(default)s)")
    add(
        "--workers",
        type=int,
        nargs="+",
        default=[1, 2, 4],
        help="processes of each kind, a run for each (%(default)s)",
    )
    add("--seconds", type=float, default=60, help="that each trains, give or take a fifth (%(default)s)")
    add("--callback-seconds", type=float, default=5, help="between two callbacks of a trainer (%(default)s)")
    add("--call-seconds", type=float, default=0.1, help="that each call of the provider takes (%(default)s)")
    add(
        "--queued",
        type=int,
        default=0,
        help="jobs that are in the queue before, beside those created over REST (%(default)s)",
    )
    add("--datasets", type=int, default=8, help="data sets that the jobs are spread over (%(default)s)")
    add("--clients", type=int, default=8, help="connections that create jobs (%(default)s)")
    add("--minutes", type=float, default=15, help="after which a run is cut off (%(default)s)")
    add("--json", type=Path, help="append each run's figures here, one JSON object a line")
    add("--keep", type=Path, help="keep the services' logs in this folder")
    options = parser.parse_args(arguments)
    load = Load(**{field.name: getattr(options, field.name) for field in fields(Load)})
    results = []
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as name:
            folder = (options.keep or Path(name)) / f"{workers}"
            folder.mkdir(parents=True)
            result = run(folder, load, workers, options.minutes * 60)
        results.append(result)
        if options.json:
            with options.json.open("a") as file:
                file.write(json.dumps(result.figures()) + "\n")
    print(report.tables(results))
    return int(any(result.account.lost or result.account.duplicated for result in results))


def run(folder: Path, load: Load, workers: int, most_seconds: float) -> report.Result:
    """Start the services, let every job through, and see what that came to."""
    with platform(folder, load, workers) as running:
        datasets = jobs.upload(running.api, load.datasets)
        say(f"{workers} of each: {load.datasets} data sets are ready")
        before, began = running.processor_seconds(), time.time()
        queued = jobs.queue(running.db, datasets, load.queued)
        say(f"{len(queued)} jobs are queued")
        with ThreadPoolExecutor(1) as pool:
            creating = pool.submit(jobs.create, running.api, datasets, load, began + most_seconds)
            watch(running, creating, began + most_seconds)
            created, refused = creating.result()
        after, ended = running.processor_seconds(), time.time()
        known = account.snapshot(running.db)
        record = running.simulator.get("/record").json()
        result = report.Result(
            load=load,
            workers=workers,
            began=began,
            ended=ended,
            created=created,
            refused=refused,
            account=account.balance(known, [*queued, *(job.job_id for job in created)], record["containers"]),
            waits=account.launch_waits(running.db),
            queues=account.queues(running.db),
            containers=record["containers"],
            sent=record["sent"],
            processor={kind: after[kind] - before.get(kind, 0.0) for kind in after},
            rounds=report.rounds(running.metrics("launcher")),
            published=report.total(running.metrics("relay"), "triptych_published_total"),
            machine_load=os.getloadavg()[0],
        )
    say(f"refused {refused[:1]}, lost {result.account.lost[:3]}, duplicated {result.account.duplicated[:3]}")
    return result


def watch(running: Platform, creating: Future[object], deadline: float) -> None:
    """Wait until every job has ended and everything about it is handled, or for the deadline."""
    looks = 0
    while time.time() < deadline:
        if looks % 15 == 0:
            counts = running.simulator.get("/counts").json()
            say(f"{counts}; load {os.getloadavg()[0]:.0f}")
        looks += 1
        if creating.done() and account.is_over(running.db):
            return
        time.sleep(1)


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the services end, too
    sys.exit(main())
