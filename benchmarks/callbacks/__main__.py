"""How many callbacks the metrics service takes a second, and how soon it answers, beside MLflow and a bare endpoint.

    python -m benchmarks.callbacks --mlflow /path/to/venv/bin/mlflow
    python -m benchmarks.callbacks --only sqlite bare --client http.client requests     # clients beside each other

Every row: senders, each a process with one kept-alive connection and a job of its own, send callbacks of one point one after another; a
callback is answered when its transaction is committed. Servers, each a process tree of its own on this machine, one at a time:

- `sqlite`, `postgresql`: `python -m services.metrics` with its default settings, and a Redis to publish to. SQLite with synchronous=FULL
  and PostgreSQL with fsync: both wait for the disk before they answer.
- `bare`: gunicorn with the same worker class, number of workers and threads, and a WSGI function that only verifies the signature and
  answers 204. It stores nothing; what it takes is what gunicorn, Python and the client cost.
- `bare-sqlite`: the same, which also commits the point to SQLite (synchronous=FULL) by plain statements, and nothing else.
- `mlflow`: an MLflow tracking server (SQLite store, one worker), POST /api/2.0/mlflow/runs/log-metric, one run a sender. It checks no
  signature, and its answer comes after a commit to SQLite with MLflow's own settings (synchronous=FULL is SQLite's default).

Requests are made and signed before the clock starts, so that the clients' work is the same for all. The paced rows send at a fixed rate in
all, whose latency counts from the moment at which a callback was due: a late one is not forgiven. `viewers` are event streams read by one
process: `idle` watch a job that gets a callback a second, `watching` are spread over the senders' jobs.

Clients, servers and viewers share one machine's processors.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.callbacks.clients import CLIENTS
from benchmarks.callbacks.rows import median
from benchmarks.callbacks.senders import Load, run
from benchmarks.callbacks.servers import START

if TYPE_CHECKING:
    from benchmarks.callbacks.rows import Row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(START), default=list(START), help="which servers")
    parser.add_argument(
        "--mlflow", type=Path, help="the mlflow command of an environment that has it; unset: left out"
    )
    parser.add_argument(
        "--client", nargs="+", choices=list(CLIENTS), default=["http.client"], help="(%(default)s)"
    )
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 8], help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row (%(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="servers in turn; medians are shown (%(default)s)"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="of the paced rows; 0: none (%(default)s)")
    parser.add_argument(
        "--viewers", type=int, default=200, help="event streams of the rows with viewers; 0: none"
    )
    parser.add_argument("--json", type=Path, help="append every round's rows here, one JSON object a line")
    options = parser.parse_args()
    wanted = [name for name in options.only if name != "mlflow" or options.mlflow]
    rounds: list[list[Row]] = []
    for number in range(options.rounds):
        rows = []
        for name in wanted:
            rows += measure(name, options)
        rounds.append(rows)
        print(
            f"round {number + 1} of {options.rounds}; load {os.getloadavg()[0]:.1f}",
            file=sys.stderr,
            flush=True,
        )
        if options.json:
            with options.json.open("a") as file:
                file.writelines(json.dumps({"round": number, **vars(row)}) + "\n" for row in rows)
    print(
        "| server | senders | pace | viewers | a second | p50 ms | p99 ms | most ms | CPU ms a call | failed | events seen a second | load |"
    )
    print("|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for same in zip(*rounds, strict=True):
        print(median(same).line())


def measure(name: str, options: argparse.Namespace) -> list[Row]:
    """Start a server and measure every row of it."""
    with tempfile.TemporaryDirectory() as folder, START[name](Path(folder), options) as running:
        return [
            run(name, running, load)
            for client in options.client
            for senders in options.senders
            for load in loads(name, client, senders, options)
        ]


def loads(name: str, client: str, senders: int, options: argparse.Namespace) -> list[Load]:
    """List what so many senders do to a server; paces and viewers need several."""
    flat_out = Load(client, senders, options.seconds)
    wanted = [flat_out]
    if senders > 1 and options.rate:
        wanted.append(replace(flat_out, rate=options.rate))
    if senders > 1 and options.viewers and name in {"sqlite", "postgresql"}:
        wanted.append(replace(flat_out, idle=options.viewers))
        if options.rate:
            wanted.append(replace(flat_out, rate=options.rate, watching=options.viewers))
    return wanted


if __name__ == "__main__":
    main()
