"""The runner supervises real processes; tiny ones stand in for the services."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from cli import leftovers
from cli.ports import free_ports
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PLATFORM = Path(__file__).with_name("tiny_platform.py")
LONGEST = 60.0  # a test that waits this long has failed


class Running:
    """A platform in a process of its own, and what it says."""

    def __init__(self, root: Path, port: int, fault: str = "") -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, PLATFORM, root, str(port), fault], stdout=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.said: list[str] = []
        self._open = True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, words: str) -> None:
        while words not in "".join(self.said):
            line = self._lines.get(timeout=LONGEST)
            if line is None:
                self._open = False
                raise AssertionError(f"ended without saying {words!r}: {self.said}")
            self.said.append(line)

    def end(self) -> str:
        """Read what it says until it ends."""
        while self._open and (line := self._lines.get(timeout=LONGEST)) is not None:
            self.said.append(line)
        self._open = False
        self.process.wait(LONGEST)
        return "".join(self.said)

    def processes(self) -> list[psutil.Process]:
        pids = [int(pid) for file in (self.root / "pids").iterdir() for pid in file.read_text().split()]
        return [psutil.Process(pid) for pid in pids]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a data folder"


@contextmanager
def platform(root: Path, port: int, fault: str = "") -> Iterator[Running]:
    running = Running(root, port, fault)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.process.kill()
        running.end()
        running.process.stdout.close()
        leftovers.end(str(root), grace_seconds=0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(root, number):
    with platform(root, *free_ports(1)) as running:
        running.wait_for("Triptych runs at")
        processes = running.processes()
        assert len(processes) == 6
        running.process.send_signal(number)
        running.end()
        assert running.process.returncode == 0
        assert not any(map(alive, processes))
        assert leftovers.find(str(root)) == []


def test_a_second_start_says_where_the_first_runs(root):
    port, other = free_ports(2)
    with platform(root, port) as first:
        first.wait_for("Triptych runs at")
        with platform(root, other) as second:
            said = second.end()
            assert second.process.returncode == 1
            assert f"already runs on {root} (process {first.process.pid}) at http://localhost:{port}" in said
            assert all(map(alive, first.processes()))


def test_the_folder_is_free_again_after_a_stop(root):
    (port,) = free_ports(1)
    for _ in range(2):
        with platform(root, port) as running:
            running.wait_for("Triptych runs at")
            running.process.terminate()
            running.end()
            assert running.process.returncode == 0


def test_a_taken_port_is_named_with_its_holder(root):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with platform(root, port) as running:
            said = running.end()
            assert running.process.returncode == 1
    assert f"Port {port} is taken by process {os.getpid()}" in said
    assert f"--port {port + 1}" in said


def test_a_service_that_dies_is_started_again(root):
    with platform(root, *free_ports(1)) as running:
        running.wait_for("Triptych runs at")
        leader, child = (int(pid) for pid in (root / "pids" / "worker").read_text().split())
        orphan = psutil.Process(child)
        os.kill(leader, signal.SIGKILL)
        running.wait_for("worker ended (killed by SIGKILL); starting it again")
        until(
            lambda: (root / "pids" / "worker").read_text().split()[0] != str(leader),
            "a new worker",
            seconds=LONGEST,
        )
        until(lambda: not alive(orphan), "the end of the worker's child", seconds=LONGEST)


def test_nothing_outlives_a_killed_supervisor(root):
    with platform(root, *free_ports(1)) as running:
        running.wait_for("Triptych runs at")
        processes = running.processes()
        running.process.kill()
        until(lambda: not any(map(alive, processes)), "the end of every process", seconds=LONGEST)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("broken-worker", ["worker does not start", "| SPOOL_DIR is not set"]),
        ("broken-migration", ["migrate failed (exit 1)", "| no such table"]),
    ],
)
def test_what_does_not_start_is_named_with_the_end_of_its_log(root, fault, words):
    with platform(root, *free_ports(1), fault) as running:
        said = running.end()
        assert running.process.returncode == 1
        assert all(part in said for part in words), said
        assert leftovers.find(str(root)) == []


def test_a_preparation_that_is_not_needed_may_fail(root):
    with platform(root, *free_ports(1), "broken-model") as running:
        running.wait_for("models failed (exit 1)")
        running.wait_for("| left out: torn")
        running.wait_for("Triptych runs at")


def alive(process: psutil.Process) -> bool:
    """A zombie only waits for whoever inherited it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
