"""Memory of the api while it takes a large upload: `python benchmarks/uploads.py [MB [FILES [spool|store]]]`.

spool: in chunks through the api; store: past it, as parts to an S3 that keeps them on disk (tests/support/disk_s3.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from benchmarks.access import KEY, migrate
from cli.ports import free_ports
from client import Client
from runtime.db import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
MIB = 1 << 20


def peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def started(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health/").is_success
    except httpx.TransportError:
        return False


def make(folder: Path, size: int, files: int) -> tuple[Path, Path]:
    images, one = folder / "images", folder / "block"
    images.mkdir(parents=True)
    one.write_bytes(os.urandom(size // files))
    for number in range(files):
        os.link(
            one, images / f"{number:06}.png"
        )  # what is sent is read from the page cache, and takes no disk
    rows = "".join(f"{number:06}.png,{'ab'[number % 2]}\n" for number in range(files))
    (folder / "table.csv").write_text("image,label\n" + rows)
    return folder / "table.csv", images


@contextmanager
def store(way: str, folder: Path, port: int) -> Iterator[dict[str, str]]:
    """Give the environment of a folder of objects, or of an S3 that runs meanwhile."""
    if way == "spool":
        yield {"OBJECTS_URL": f"file://{folder}/objects"}
        return
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-m", "support.disk_s3", str(port), str(folder / "s3")]
    server = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path})
    try:
        yield {
            "OBJECTS_URL": "s3://bucket/objects",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    given = [*sys.argv[1:], *["2000", "2000", "spool"][len(sys.argv) - 1 :]]
    size, files, way = int(given[0]), int(given[1]), given[2]
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder, (port, s3_port) = Path(name), free_ports(2)
        stores = running.enter_context(store(way, folder, s3_port)) | {
            "DATABASE_URL": f"sqlite:///{folder}/triptych.db",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SPOOL_DIR": f"{folder}/spool",
        }
        migrate(Database(stores["DATABASE_URL"]))
        command = [sys.executable, "-m", "services.api", "--bind", f"127.0.0.1:{port}"]
        api = subprocess.Popen(command, env=os.environ | stores, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            while not started(url):
                time.sleep(0.1)
            (worker,) = psutil.Process(api.pid).children()
            table, images = make(folder, size * 10**6, files)
            with closing(Client(url, KEY)) as client:
                client.upload(table, None)  # what a first upload imports is not what a large one costs
                if way == "store":
                    warm = make(folder / "warm", 100 << 20, 100)
                    client.upload(*warm)
                before, began = worker.memory_info().rss, time.monotonic()
                client.upload(table, images)
            seconds = time.monotonic() - began
            grown = (peak(worker.pid) - before) / MIB
            print(
                f"{size} MB in {files} files to the {way}: {seconds:.0f} s; "
                f"the api's memory grew by {grown:.0f} MiB at most"
            )
        finally:
            api.terminate()
            api.wait()


if __name__ == "__main__":
    main()
