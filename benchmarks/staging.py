"""How fast staging is beside plain boto3 `upload_file` of the same files in the same run.

The server is moto's S3 in a process of its own: Python, on this machine, so one request costs it milliseconds of CPU and
no time on a network. A real S3 has a round trip of some 10 to 50 ms for every request instead, and more bandwidth than
one Python server; ratios there have to be measured there.

    python benchmarks/staging.py [--large-mb 256] [--small 5000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import boto3

from runtime.storage import open_store
from services.ingest.staging import Limits, Staged, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3.client import S3Client

BUCKET = "benchmark"
POOL = 8  # threads of the pooled upload_file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large-mb", type=int, default=256, help="size of the one large file, MiB")
    parser.add_argument("--small", type=int, default=5000, help="number of small images, 2 to 8 KiB each")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the medians are compared")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, moto_server(Path(folder)) as endpoint:
        print(
            f"server: moto S3 (Python) at {endpoint}, a process of its own on this machine, {os.cpu_count()} CPUs"
        )
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        large, small = Path(folder, "large"), Path(folder, "small")
        make_large(large, arguments.large_mb)
        make_small(small, arguments.small)
        report(
            f"one file of {arguments.large_mb} MiB",
            rounds({"ours": ours(large), "upload_file": one_by_one(client, large)}, arguments.rounds, client),
            goals={"upload_file": 0.9},
        )
        report(
            f"{arguments.small} images of 2 to 8 KiB",
            rounds(
                {
                    "ours": ours(small),
                    "upload_file, one after another": one_by_one(client, small),
                    f"upload_file, {POOL} threads": pooled(client, small),
                },
                arguments.rounds,
                client,
            ),
            goals={"upload_file, one after another": 5.0},
        )


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """A moto server on a free port, to which the environment then points boto3."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
        try:
            wait_for(endpoint, server)
            yield endpoint
        finally:
            server.terminate()
            server.wait()


def wait_for(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/").close()  # noqa: S310 - loopback
        except URLError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the moto server did not start")


def make_large(spool: Path, megabytes: int) -> None:
    spool.mkdir()
    generator = random.Random(1)
    with (spool / "table.csv").open("wb") as table:
        for _ in range(megabytes):
            table.write(generator.randbytes(1 << 20))


def make_small(spool: Path, count: int) -> None:
    generator = random.Random(2)
    for number in range(count):
        path = spool / "files" / f"{number % 10}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(generator.randrange(2048, 8192)))
    (spool / "table.csv").write_text("image,label\n")


def ours(spool: Path) -> Callable[[str], Staged]:
    store = open_store(f"s3://{BUCKET}")  # once, as boto3's client below and as in a worker

    def run(name: str) -> Staged:
        return stage(spool, name, store, progress=lambda _done, _total: None, limits=Limits())

    return run


def one_by_one(client: S3Client, spool: Path) -> Callable[[str], object]:
    def run(name: str) -> None:
        for path in files_under(spool):
            client.upload_file(str(path), BUCKET, f"{name}/{path.relative_to(spool)}")

    return run


def pooled(client: S3Client, spool: Path) -> Callable[[str], object]:
    def run(name: str) -> None:
        with ThreadPoolExecutor(POOL) as pool:
            for done in [
                pool.submit(client.upload_file, str(path), BUCKET, f"{name}/{path.relative_to(spool)}")
                for path in files_under(spool)
            ]:
                done.result()

    return run


def files_under(spool: Path) -> Iterator[Path]:
    return (path for path in spool.rglob("*") if path.is_file())


def rounds(runs: dict[str, Callable[[str], object]], count: int, client: S3Client) -> dict[str, list[float]]:
    """Seconds of every run, in turns and each round in another order, on an emptied bucket.

    Ours goes once untimed before, so that the server's memory has grown to what a run needs.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    runs["ours"]("warm-up")
    empty(client)
    for number in range(count):
        turn = number % len(runs)
        for name in [*list(runs)[turn:], *list(runs)[:turn]]:
            start = time.perf_counter()
            runs[name](f"round-{number}")
            seconds[name].append(time.perf_counter() - start)
            empty(client)
    return seconds


def empty(client: S3Client) -> None:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        names = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": names})


def report(title: str, seconds: dict[str, list[float]], goals: dict[str, float]) -> None:
    """Print medians and their ratios; the ratio of the fastest runs beside it shows what other work on the machine did."""
    mine = seconds["ours"]
    print(f"\n{title}, {len(mine)} rounds")
    for name, times in seconds.items():
        line = f"  {name:32} {statistics.median(times):8.2f} s  ({min(times):.2f} to {max(times):.2f})"
        if name != "ours":
            ratio = statistics.median(times) / statistics.median(mine)
            line += f"   ours is {ratio:.2f}x as fast ({min(times) / min(mine):.2f}x by the fastest runs)"
            if name in goals:
                line += f"; goal {goals[name]:g}x: {'met' if ratio >= goals[name] else 'MISSED'}"
        print(line)
    print(f"  load average {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
