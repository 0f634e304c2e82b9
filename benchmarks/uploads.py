"""Memory of the api while it takes a large upload in chunks: `python benchmarks/uploads.py [MB [FILES]]`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx
import psutil

from benchmarks.access import KEY, migrate
from cli.client import Client
from cli.ports import free_ports
from runtime.db import Database

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
    images, block = folder / "images", os.urandom(size // files)
    images.mkdir()
    for number in range(files):
        (images / f"{number:06}.png").write_bytes(block)
    rows = "".join(f"{number:06}.png,{'ab'[number % 2]}\n" for number in range(files))
    (folder / "table.csv").write_text("image,label\n" + rows)
    return folder / "table.csv", images


def main() -> None:
    size, files = (int(text) for text in [*sys.argv[1:], "2000", "2000"][:2])
    with tempfile.TemporaryDirectory() as name:
        folder, (port,) = Path(name), free_ports(1)
        stores = {
            "DATABASE_URL": f"sqlite:///{folder}/triptych.db",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "OBJECTS_URL": f"file://{folder}/objects",
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
                before, began = worker.memory_info().rss, time.monotonic()
                client.upload(table, images)
            seconds = time.monotonic() - began
            grown = (peak(worker.pid) - before) / MIB
            print(
                f"{size} MB in {files} files: {seconds:.0f} s; the api's memory grew by {grown:.0f} MiB at most"
            )
        finally:
            api.terminate()
            api.wait()


if __name__ == "__main__":
    main()
