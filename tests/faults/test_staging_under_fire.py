"""Staging is killed at random points, and so is its store: a data set is staged once, and whole, and nothing is left behind."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts.events import DatasetStaged, DatasetUploaded, Envelope
from contracts.topology import STAGING
from runtime.db import now
from runtime.outbox import HANDLED, Delivery, EventRow, Outbox
from runtime.storage import open_store
from support.faulty_proxy import FaultyProxy
from support.ports import free_port
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)]
MB = 1_000_000
LEASE_SECONDS = "1"


class Process:
    """A process that may be killed and started again."""

    def __init__(self, log: Path, *command: str, **environment: str) -> None:
        self._log = log
        self._command = [sys.executable, "-m", *command]
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class FolderStore:
    """Objects in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "objects"
        self.environment: dict[str, str] = {}
        self.url = self.folder.as_uri()
        self.processes: dict[str, Process] = {}

    def unfinished(self) -> list[Path]:
        return list(self.folder.rglob(".part-*"))


class S3OnDisk:
    """An S3 server that outlives being killed, reached through a proxy that may fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "s3"
        port = free_port()
        server = Process(folder / "s3.log", "support.disk_s3", str(port), str(self.folder))
        self.processes = {"store": server}
        self.proxy = FaultyProxy(port)
        self.url = "s3://bucket/some/prefix"
        self.environment = {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def unfinished(self) -> list[Path]:
        return list((self.folder / "uploads").iterdir())


class Stage:
    """A spool, a store, a database and a worker that stages."""

    def __init__(
        self, folder: Path, database, database_url: str, store: FolderStore | S3OnDisk, size: int
    ) -> None:
        self.store = store
        self._db = database
        self._folder = folder
        self._chance = random.Random(5)
        self.size = size
        # one that takes most of the time, some in parts, and many small ones
        self._write("table.csv", size // 10)
        self._write("files/large.bin", size // 2)
        for number in range(4):
            self._write(f"files/medium-{number}.bin", size // 10)
        for number in range(20):
            self._write(f"files/small/{number}.bin", 20_000)
        self.worker = Process(
            folder / "worker.log",
            "support.staging_worker",
            LEASE_SECONDS,
            DATABASE_URL=database_url,
            REDIS_URL="redis://127.0.0.1:1/0",
            OBJECTS_URL=store.url,
            SPOOL_DIR=str(folder),
            PROGRESS_SECONDS="0.2",
        )
        self.processes = {"worker": self.worker, **store.processes}

    def _write(self, name: str, size: int) -> None:
        path = self._folder / "spool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._chance.randbytes(size))

    def upload(self, dataset_id: str) -> None:
        """Tell that a data set lies in the spool; all of them are the same files."""
        with self._db.write() as session:
            Outbox(lambda: None).emit(
                session,
                DatasetUploaded(
                    dataset_id=dataset_id, spool="spool", table_bytes=1, files=24, file_bytes=self.size
                ),
            )

    def ends(self, dataset_id: str) -> list[object]:
        """Give what was told of the end of staging."""
        with self._db.read() as session:
            events = [Envelope.model_validate(row.envelope).decode() for row in session.query(EventRow)]
        return [
            event
            for event in events
            if getattr(event, "dataset_id", "") == dataset_id and event.NAME.startswith("dataset.stag")
            if "progressed" not in event.NAME
        ]

    def stored_bytes(self) -> int:
        """Give what the store's disk holds, unfinished writes included."""
        total = 0
        for folder, _, names in os.walk(self.store.folder):  # which passes over what is removed meanwhile
            for name in names:
                with suppress(FileNotFoundError):  # finished or removed since it was listed
                    total += (Path(folder) / name).stat().st_size
        return total

    def differing(self, dataset_id: str) -> list[str]:
        """Name the files whose bytes in the store are not those of the spool."""
        store, spool = open_store(self.store.url), self._folder / "spool"
        names = {path.relative_to(spool).as_posix(): path for path in spool.rglob("*") if path.is_file()}
        wrong = []
        for name, path in names.items():
            key = f"datasets/{dataset_id}/{name.replace('files/', 'images/', 1)}"
            digest = hashlib.sha256()
            with store.open(key) as blocks:
                for block in blocks:
                    digest.update(block)
            if digest.digest() != hashlib.sha256(path.read_bytes()).digest():
                wrong.append(name)
        assert len(list(store.list(f"datasets/{dataset_id}"))) == len(names)
        return wrong

    def handled(self) -> bool:
        with self._db.read() as session:
            states = session.query(Delivery.state).filter(Delivery.queue == STAGING)
            return {row.state for row in states} == {HANDLED}


@pytest.fixture
def begin(database, migrated_url, tmp_path, monkeypatch):
    """Set the stage over one kind of store; its processes are killed at the end."""

    @contextmanager
    def setting(make_store, size: int) -> Iterator[Stage]:
        store = make_store(tmp_path)
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        stage = Stage(tmp_path, database, migrated_url, store, size)
        for process in stage.processes.values():
            process.start()
        if isinstance(store, S3OnDisk):
            store.proxy.__enter__()
        try:
            yield stage
        finally:
            for process in stage.processes.values():
                process.kill()
            if isinstance(store, S3OnDisk):
                store.proxy.__exit__()

    return setting


@pytest.mark.parametrize("make_store", [FolderStore, S3OnDisk], ids=["file", "s3"])
def test_worker_and_store_are_killed_at_random_points(begin, make_store, table, scale):
    if make_store is not FolderStore and not scale.full:
        pytest.skip("only `make faults` has the minutes that S3 takes")
    size, rounds = (200 * MB, 10) if scale.full else (30 * MB, 1)
    chance = random.Random(3)
    recovered: dict[str, list[float]] = {}
    lost = duplicated = 0
    with begin(make_store, size) as stage:
        recovered = {name: [] for name in stage.processes}
        for number in range(rounds):
            for name, victim in stage.processes.items():
                dataset_id = f"d{number}-{name}"
                before = stage.stored_bytes()
                stage.upload(dataset_id)
                enough = before + int(size * chance.uniform(0.0, 0.9))
                until(lambda: stage.stored_bytes() > enough, "some bytes to be stored", seconds=120)  # noqa: B023
                assert not stage.ends(dataset_id), "it was killed after the end"
                victim.kill()
                began = time.monotonic()
                victim.start()
                until(lambda: stage.ends(dataset_id), "the data set to be staged", seconds=180)  # noqa: B023
                recovered[name].append(time.monotonic() - began)
                ends = stage.ends(dataset_id)
                duplicated += len(ends) - 1
                assert all(isinstance(end, DatasetStaged) for end in ends), ends
                lost += len(stage.differing(dataset_id))
        for name, seconds in recovered.items():
            table.add(
                f"kill -9 of the {'staging worker' if name == 'worker' else 'store'} while it stages"
                f" {size // MB} MB ({stage.store.url.partition(':')[0]})",
                "sqlite",
                rounds=rounds,
                lost=lost,
                duplicated=duplicated,
                seconds=seconds,
            )
        assert (lost, duplicated) == (0, 0)
        assert stage.handled()
        assert stage.store.unfinished(), "no kill came while something was written"
        store = open_store(stage.store.url)
        assert store.drop_unfinished(now() - timedelta(hours=1)) == 0
        store.drop_unfinished(now())
        assert stage.store.unfinished() == []
        assert stage.differing("d0-worker") == [], "the sweep took more than it should"


def test_a_store_that_fails_now_and_then_is_tried_again(begin, table, scale):
    if not scale.full:
        pytest.skip("only `make faults` has the minutes that this takes")
    size, rounds = (200 * MB, 5) if scale.full else (30 * MB, 1)
    with begin(S3OnDisk, size) as stage:
        proxy = stage.store.proxy
        proxy.deck = ["refused", "refused", "cut", "slow", *[""] * 6]
        lost = duplicated = 0
        seconds = []
        for number in range(rounds):
            began = time.monotonic()
            stage.upload(f"d{number}")
            until(lambda: stage.ends(f"d{number}"), "the data set to be staged", seconds=300)  # noqa: B023
            seconds.append(time.monotonic() - began)
            ends = stage.ends(f"d{number}")
            assert all(isinstance(end, DatasetStaged) for end in ends), ends
            duplicated += len(ends) - 1
        done, proxy.deck = proxy.done.copy(), [""]
        del done[""]
        lost = sum(len(stage.differing(f"d{number}")) for number in range(rounds))
        table.add(
            f"store answers 500, stalls and cuts connections while {size // MB} MB are staged"
            f" ({', '.join(f'{count} {fault}' for fault, count in sorted(done.items()))})",
            "sqlite",
            rounds=rounds,
            lost=lost,
            duplicated=duplicated,
            seconds=seconds,
        )
        assert (lost, duplicated) == (0, 0)
        assert min(done[fault] for fault in ("refused", "cut", "slow")) > 0
        open_store(stage.store.url).drop_unfinished(now())
        assert stage.store.unfinished() == []
