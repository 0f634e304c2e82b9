"""How many callbacks the metrics service takes a second, and how soon it answers, beside MLflow and a bare endpoint.

    python -m benchmarks.callbacks --mlflow /path/to/venv/bin/mlflow
    python -m benchmarks.callbacks --only sqlite bare --client http.client requests     # clients beside each other

Every row: senders, each a process with one kept-alive connection and a job of its own, send callbacks of one point one after another; a
callback is answered when its transaction is committed. Servers, each a process tree of its own on this machine, one at a time:

- `sqlite`, `postgresql`: `python -m services.metrics` with its default settings, and a Redis to publish to. SQLite with synchronous=FULL
  and PostgreSQL with fsync: both wait for the disk before they answer.
- `bare`: gunicorn with the same worker class, number of workers and threads, and a WSGI function that only verifies the signature and
  answers 204. It stores nothing; what it takes is what gunicorn, Python and the client cost.
- `mlflow`: an MLflow tracking server (SQLite store, one worker), POST /api/2.0/mlflow/runs/log-metric, one run a sender. It checks no
  signature, and its answer comes after a commit to SQLite with MLflow's own settings (synchronous=FULL is SQLite's default).

Requests are made and signed before the clock starts, so that the clients' work is the same for all. The paced rows send at a fixed rate in
all, whose latency counts from the moment at which a callback was due: a late one is not forgiven. `viewers` are event streams read by one
process: `idle` watch a job that gets a callback a second, `watching` are spread over the senders' jobs.

Clients, servers and viewers share one machine's processors.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from cli.ports import free_ports
from contracts.callback import (
    CallbackBody,
    Point,
    derive_secret,
    signed_headers,
    to_json,
    verify_body,
    verify_token,
)
from runtime.db import Database

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.postgres import PostgresServer, postgres_bin
from support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Request = tuple[str, str, bytes, dict[str, str]]
    Send = Callable[[Request], int]

ROOT_SECRET = "benchmark" * 5
SERVERS = ("bare", "sqlite", "postgresql", "mlflow")
WARM_UP = 50  # callbacks of each sender before the clock starts
AN_IDLE_JOB = "watched"


@dataclass(frozen=True)
class Server:
    """A server that runs, by its address and its master process."""

    origin: str
    pid: int

    def processor_seconds(self) -> float:
        """Give the processor time of its processes so far; load of others does not blur it much."""
        master = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (master, *master.children(recursive=True))]
        return sum(each.user + each.system for each in times)


@dataclass(frozen=True)
class Row:
    """What senders saw of one server."""

    server: str
    senders: int
    client: str
    viewers: str
    rate: float  # asked for, all senders together; 0: as fast as it goes
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float  # of the server's processes for each call, without the database's and Redis' own
    failed: int
    seen: float  # events a second that all viewers together got

    def line(self) -> str:
        """Write it as a row of the table."""
        pace = f"{self.rate:g}/s" if self.rate else "as fast as it goes"
        return (
            f"| {self.server} | {self.senders} | {pace} | {self.viewers} | {self.per_second:.0f} | {self.p50_ms:.1f} | "
            f"{self.p99_ms:.1f} | {self.max_ms:.0f} | {self.cpu_ms:.2f} | {self.failed} | {self.seen:.0f} | {os.getloadavg()[0]:.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=list(SERVERS), help="which servers")
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


def median(rows: Sequence[Row]) -> Row:
    """Give the median of each figure over the rounds; the failures are added up."""
    figures = {
        name: statistics.median(getattr(row, name) for row in rows)
        for name in ("per_second", "p50_ms", "p99_ms", "max_ms", "cpu_ms", "seen")
    }
    return Row(**{**vars(rows[0]), **figures, "failed": sum(row.failed for row in rows)})


def measure(name: str, options: argparse.Namespace) -> list[Row]:
    """Start a server and measure every row of it."""
    rows = []
    ours = name in {"sqlite", "postgresql"}
    with tempfile.TemporaryDirectory() as folder, START[name](Path(folder), options) as running:
        for client in options.client:
            for senders in options.senders:
                rows.append(run(name, running, client, senders, options))
                if senders > 1 and options.rate:
                    rows.append(run(name, running, client, senders, options, rate=options.rate))
                if ours and senders > 1 and options.viewers:
                    rows.append(run(name, running, client, senders, options, idle=options.viewers))
                    if options.rate:
                        rows.append(
                            run(
                                name,
                                running,
                                client,
                                senders,
                                options,
                                rate=options.rate,
                                watching=options.viewers,
                            )
                        )
    return rows


def run(
    name: str,
    running: Server,
    client: str,
    senders: int,
    options: argparse.Namespace,
    *,
    rate: float = 0.0,
    idle: int = 0,
    watching: int = 0,
) -> Row:
    """Let senders send for some seconds; give what they saw."""
    mark, origin = f"{time.time_ns()}", running.origin
    jobs = [f"{mark}-{number}" for number in range(senders)]
    requests = mlflow_requests if name == "mlflow" else our_requests
    count = int(options.seconds * (rate / senders if rate else 2500)) + WARM_UP
    barrier, results = multiprocessing.Barrier(senders + 1), multiprocessing.SimpleQueue()
    with ExitStack() as stack:
        viewers = None
        if idle or watching:
            watched = jobs if watching else [AN_IDLE_JOB]
            viewers = stack.enter_context(Viewers(origin, watched, idle or watching))
        processes = [
            multiprocessing.Process(
                target=send,
                args=(
                    CLIENTS[client],
                    origin,
                    requests,
                    job,
                    count,
                    rate / senders,
                    options.seconds,
                    barrier,
                    results,
                ),
                daemon=True,
            )
            for job in jobs
        ]
        for process in processes:
            process.start()
        barrier.wait()
        if idle:
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
        senders=senders,
        client=client,
        viewers=f"{idle} idle" if idle else f"{watching} watching" if watching else "none",
        rate=rate,
        per_second=sum(len(report["latencies"]) / report["seconds"] for report in reports),
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[int(0.99 * (len(latencies) - 1))],
        max_ms=latencies[-1],
        cpu_ms=1000 * cpu / len(latencies),
        failed=sum(report["failed"] for report in reports),
        seen=seen / options.seconds,
    )
    print(row.line(), file=sys.stderr, flush=True)
    return row


def send(
    make_client: Callable[[str], Send],
    origin: str,
    make_requests: Callable[[str, str, int], list[Request]],
    job: str,
    count: int,
    rate: float,
    seconds: float,
    barrier: Any,
    results: Any,
) -> None:
    """Be one sender: a process that sends one callback after another over one connection."""
    requests, call = make_requests(origin, job, count), make_client(origin)
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
        elif due - began > seconds:
            break
        failed += not 200 <= call(request) < 300
        latencies.append(time.perf_counter() - due)
    results.put({"latencies": latencies, "failed": failed, "seconds": time.perf_counter() - began})


def our_requests(_origin: str, job: str, count: int) -> list[Request]:
    """Make callbacks of one point each, signed."""
    secret, now = derive_secret(ROOT_SECRET, job, 1), datetime.now(UTC)
    made = []
    for step in range(count):
        point = Point(
            split="train", step=step, seq=step, epoch=step / 100, at=now, values={"loss": 1 / (1 + step)}
        )
        raw = to_json(CallbackBody(points=[point]))
        headers = signed_headers(job, 1, raw, secret, now=int(time.time()), ttl=900)
        made.append(
            (
                "PATCH",
                f"/api/training_jobs/{job}/metrics/",
                raw,
                {**headers, "Content-Type": "application/json"},
            )
        )
    return made


def mlflow_requests(origin: str, job: str, count: int) -> list[Request]:
    """Make a run, and calls that log one metric each."""

    def ask(path: str, **body: object) -> dict[str, Any]:
        asked = urllib.request.Request(  # noqa: S310 - our own server
            f"{origin}/api/2.0/mlflow/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - as above
            return dict(json.load(answer))

    run_id = ask("runs/create", experiment_id="0", run_name=job, start_time=0)["run"]["info"]["run_id"]
    made = []
    for step in range(count):
        call = {
            "run_id": run_id,
            "key": "loss",
            "value": 1 / (1 + step),
            "timestamp": 1000 + step,
            "step": step,
        }
        raw = json.dumps(call).encode()
        made.append(("POST", "/api/2.0/mlflow/runs/log-metric", raw, {"Content-Type": "application/json"}))
    return made


def by_http_client(origin: str) -> Send:
    """Give the standard library's client: the least work for the machine that the server shares. Sets TCP_NODELAY."""
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=30)

    def call(request: Request) -> int:
        method, path, raw, headers = request
        connection.request(method, path, raw, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return call


def by_httpx(origin: str) -> Send:
    """Give the client that the trainer has."""
    import httpx  # noqa: PLC0415 - another client must not pay for it

    client = httpx.Client(base_url=origin, timeout=30)

    def call(request: Request) -> int:
        method, path, raw, headers = request
        return client.request(method, path, content=raw, headers=headers).status_code

    return call


def by_requests(origin: str) -> Send:
    """Give the client that MLflow's own library has."""
    import requests  # noqa: PLC0415 - as above

    session = requests.Session()

    def call(request: Request) -> int:
        method, path, raw, headers = request
        return int(session.request(method, origin + path, data=raw, headers=headers, timeout=30).status_code)

    return call


CLIENTS: dict[str, Callable[[str], Send]] = {
    "http.client": by_http_client,
    "httpx": by_httpx,
    "requests": by_requests,
}


class Viewers:
    """Open event streams, all read by one process, which counts the events."""

    def __init__(self, origin: str, jobs: Sequence[str], count: int) -> None:
        self._count = multiprocessing.Value("q", 0)
        self._ready = multiprocessing.Event()
        self._process = multiprocessing.Process(target=self._read, args=(origin, jobs, count), daemon=True)

    @property
    def seen(self) -> int:
        """Events so far, of all streams together."""
        return int(self._count.value)

    def __enter__(self) -> Self:
        self._process.start()
        assert self._ready.wait(180), "the streams do not open"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def _read(self, origin: str, jobs: Sequence[str], count: int) -> None:
        host, _, port = origin.removeprefix("http://").partition(":")
        with selectors.DefaultSelector() as selector:
            waiting = [f"/api/training_jobs/{jobs[number % len(jobs)]}/events/" for number in range(count)]
            while waiting:
                opened = []
                for path in waiting:
                    stream = socket.create_connection((host, int(port)))
                    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    opened.append((path, stream))
                waiting = []
                for path, stream in opened:
                    head = b""
                    while b"retry:" not in head and b" 503 " not in head:
                        head += stream.recv(65536)
                    if b" 503 " in head:  # it has not noticed yet that the streams before are gone
                        stream.close()
                        waiting.append(path)
                    else:
                        selector.register(stream, selectors.EVENT_READ)
                time.sleep(0.5 if waiting else 0)
            self._ready.set()
            while True:
                for key, _ in selector.select():
                    got = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    self._count.value += got.count(b"\nevent: ")
                    if not got:
                        selector.unregister(key.fileobj)


@contextmanager
def trickle(origin: str) -> Iterator[None]:
    """Report to the idle viewers' job once a second."""
    over = threading.Event()

    def work() -> None:
        call = by_http_client(origin)
        for request in our_requests(origin, AN_IDLE_JOB, 1000):
            call(request)
            if over.wait(1.0):
                return

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def only_verify(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Be the bare endpoint."""
    raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    job = environ["PATH_INFO"].split("/")[3]
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_X_CALLBACK")
    }
    attempt = int(headers["X-Callback-Attempt"])
    secret, now = derive_secret(ROOT_SECRET, job, attempt), time.time()
    verify_token(headers["X-Callback-Token"], job, secret, now=now)
    verify_body(headers, job, attempt, raw, secret, now=now)
    start_response("204 No Content", [])
    return []


def serve_bare(bind: str) -> None:
    """Serve the bare endpoint as the metrics service is served."""
    from runtime.serve import serve  # noqa: PLC0415 - only its own process needs gunicorn
    from services.metrics.settings import MetricsSettings  # noqa: PLC0415 - as above

    fields = MetricsSettings.model_fields
    serve(
        lambda: only_verify,  # type: ignore[arg-type, return-value]  # any WSGI application
        bind=bind,
        workers=fields["metrics_processes"].default,
        threads=fields["metrics_threads"].default,
        stop_seconds=fields["metrics_stop_seconds"].default,
    )


@contextmanager
def bare(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    (port,) = free_ports(1)
    code = f"from benchmarks.callbacks import serve_bare; serve_bare('127.0.0.1:{port}')"
    with server([sys.executable, "-c", code], f"http://127.0.0.1:{port}", folder) as running:
        yield running


@contextmanager
def sqlite(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    with ours(f"sqlite:///{folder}/metrics.db", folder) as running:
        yield running


class DurablePostgres(PostgresServer):
    """The tests' cluster, but one that waits for its disk."""

    def _run(self, program: str, *arguments: str) -> None:
        super()._run(program, *(argument.replace("fsync=off", "fsync=on") for argument in arguments))


@contextmanager
def postgresql(folder: Path, _options: argparse.Namespace) -> Iterator[Server]:
    if postgres_bin() is None:
        raise SystemExit("There is no PostgreSQL on this machine; leave it out by --only.")
    cluster = DurablePostgres()
    cluster.start()
    try:
        with ours(cluster.create_database(), folder) as running:
            yield running
    finally:
        cluster.stop()


@contextmanager
def ours(database_url: str, folder: Path) -> Iterator[Server]:
    """Serve the metrics service on a database, with a Redis."""
    db = Database(database_url)
    db.migrate()
    db.engine.dispose()
    redis = RedisServer(folder)
    redis.start()
    (port,) = free_ports(1)
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "OBJECTS_URL": f"file://{folder}/objects",
        "CALLBACK_ROOT_SECRET": ROOT_SECRET,
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "services.metrics", "--bind", f"127.0.0.1:{port}"]
    try:
        with server(command, f"http://127.0.0.1:{port}", folder, **settings) as running:
            yield running
    finally:
        redis.kill()


@contextmanager
def mlflow(folder: Path, options: argparse.Namespace) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [
        *(str(options.mlflow), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *(
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            "--default-artifact-root",
            f"{folder}/artifacts",
        ),
    ]
    # its launcher looks for uvicorn on PATH
    path = f"{options.mlflow.parent}{os.pathsep}{os.environ['PATH']}"
    with server(
        command,
        f"http://127.0.0.1:{port}",
        folder,
        PATH=path,
        PYTHONPATH="",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    ) as running:
        yield running


@contextmanager
def server(command: list[str], origin: str, folder: Path, **environment: str) -> Iterator[Server]:
    """Run a server in a process group of its own until the block ends."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not listens(origin):
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended:\n{(folder / 'server.log').read_text()}")
            time.sleep(0.1)
        yield Server(origin, process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(origin: str) -> bool:
    host, _, port = origin.removeprefix("http://").partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


START = {"bare": bare, "sqlite": sqlite, "postgresql": postgresql, "mlflow": mlflow}

if __name__ == "__main__":
    main()
