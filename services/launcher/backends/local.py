"""Runs trainers as processes of this machine, each under a small supervisor that outlives the launcher.

A run is a folder, RUNS_DIR/<job>/<attempt>/; what is in it is told in supervisor.py. Nothing is kept in memory, so a
restarted launcher, or a second one with the same RUNS_DIR, finds every run as it is. Processors are a hint
(OMP_NUM_THREADS) and memory is not limited by what a job asks for: RLIMIT_AS counts address space, of which torch reserves far
more than it uses, and control groups need rights that a bare machine does not give. A run is this process's user, so it can
read what that user can: where trainers run somebody else's code, containers are the back end (SECURITY.md).
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import re
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
from typing_extensions import override

from runtime.errors import Transient
from services.launcher.backend import UNKNOWN, Backend, Cause, InDoubt, Refused, RunState, RunStatus
from services.launcher.backends import supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from services.launcher.backend import RunSpec

# What the machine lacks at present: processes, memory, open files, disk
_WANT = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT}
_START_SECONDS = 30  # a supervisor that is not up by then is on a machine in trouble
_HANDLE = re.compile(r"[A-Za-z0-9_-]{1,64}/[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """What every process of a run is held to; 0 for no limit.

    Attributes:
        nice: Added to the niceness of the launcher.
        cpu_seconds: Processor time of one process.
        address_space_mb: Address space of one process, MiB.
    """

    nice: int = 0
    cpu_seconds: int = 0
    address_space_mb: int = 0


class LocalBackend(Backend):
    """One process group per run."""

    def __init__(
        self,
        runs_dir: Path,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        grace_seconds: float = 10.0,
        limits: Limits = Limits(),
    ) -> None:
        """Take where runs are kept and what to run.

        Args:
            runs_dir: A folder of this machine; made if it is missing.
            command: The trainer's command line.
            environ: Variables that every run gets, besides those of its spec.
            grace_seconds: Time between SIGTERM and SIGKILL when a run is stopped.
            limits: What each of its processes is held to.
        """
        self._runs_dir = runs_dir.resolve()
        self._runs_dir.mkdir(parents=True, exist_ok=True)
        self._command = list(command)
        self._environ = dict(environ)
        self._grace_seconds = grace_seconds
        self._limits = json.dumps(asdict(limits))
        self._children: list[subprocess.Popen[bytes]] = []
        self._reaping = threading.Lock()

    @property
    @override
    def name(self) -> str:
        return "local"

    @override
    def launch(self, run: RunSpec) -> str:
        handle = f"{run.job_id}/{run.attempt}"
        folder = self._folder(handle)
        if folder is None:
            raise Refused(
                f"{run.job_id!r} cannot name a folder: letters, digits, - and _ are allowed, at most 64"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / supervisor.RUN).exists():
                self._supervise(folder, run)
        except OSError as error:
            told = f"cannot start a process: {error}"
            if error.errno not in _WANT:
                raise Refused(told) from error
            raise _not_now(run, told) from error
        return handle

    @override
    def find(self, run: RunSpec) -> str | None:
        handle = f"{run.job_id}/{run.attempt}"
        folder = self._folder(handle)
        return handle if folder is not None and (folder / supervisor.RUN).exists() else None

    def _supervise(self, folder: Path, run: RunSpec) -> None:
        threads = str(max(1, math.ceil(run.cpus)))
        own = {"WORKDIR": str(folder / supervisor.WORK), "OMP_NUM_THREADS": threads}
        with (folder / supervisor.LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - the command is a setting
                [
                    *(sys.executable, "-I", "-S", supervisor.__file__),
                    *(str(folder), str(self._grace_seconds), self._limits, *self._command),
                ],
                env={**self._environ, **run.env, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        with self._reaping:
            self._children.append(process)
        with process.stdout as pipe:  # type: ignore[union-attr] # it is a pipe, see above
            ready, _, _ = select.select([pipe], [], [], _START_SECONDS)
        if not ready:
            raise InDoubt(f"the supervisor did not start within {_START_SECONDS} s")
        if not (folder / supervisor.RUN).exists():
            lines = self.logs(f"{run.job_id}/{run.attempt}", 2000)
            # It is the launcher's own program, which no job can break
            raise _not_now(run, f"the supervisor failed: {' '.join(lines[-3:])}")

    @override
    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        # Supervisors that have ended stay in the process table until their parent asks
        with self._reaping:  # one that is launched meanwhile would be forgotten, and never reaped
            self._children = [child for child in self._children if child.poll() is None]
        return {handle: self._status(handle) for handle in handles}

    def _status(self, handle: str) -> RunStatus:
        folder = self._folder(handle)
        begun = _read(folder / supervisor.RUN) if folder else None
        if folder is None or begun is None:
            return UNKNOWN
        started_at = datetime.fromtimestamp(begun["started_at"], UTC)
        alive = _is_locked(folder / supervisor.RUN)
        # Read after the lock was looked at: it is written before the lock goes
        ended = _read(folder / supervisor.EXIT)
        if ended is not None:
            started = ended.get("started", True)
            why_not = Cause.NO_CAPACITY if ended.get("errno") in _WANT else Cause.NEVER_STARTED
            return RunStatus(
                RunState.EXITED,
                exit_code=ended["exit_code"] if started else None,
                cause=Cause.EXIT if started else why_not,
                detail="" if started else " ".join(self.logs(handle, 2000)[-1:]),
                peak_memory_mb=ended.get("peak_memory_mb"),
                started_at=started_at,
            )
        return RunStatus(RunState.RUNNING, started_at=started_at) if alive else UNKNOWN

    @override
    def stop(self, handle: str, reason: str) -> None:
        folder = self._folder(handle)
        begun = _read(folder / supervisor.RUN) if folder else None
        if folder is None or begun is None or not _is_locked(folder / supervisor.RUN):
            return
        # The process id may belong to someone else by now, if only the command still holds the lock
        with suppress(psutil.Error):
            process = psutil.Process(begun["pid"])
            if str(folder) in process.cmdline():
                process.terminate()
                return
        child = _read(folder / supervisor.CHILD)
        if child is not None:
            with suppress(ProcessLookupError):
                os.killpg(child["pid"], signal.SIGKILL)  # nobody is left to time a grace

    @override
    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        folder = self._folder(handle)
        if folder is None:
            return []
        try:
            with (folder / supervisor.LOG).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(0, size - tail_bytes)
                file.seek(start)
                lines = file.read(tail_bytes).decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        return lines[1:] if start and len(lines) > 1 else lines  # the first one is cut

    @override
    def forget(self, job_id: str, attempt: int) -> None:
        """Do nothing: the process got its variables when it was started, and its folder is the run's own."""

    def _folder(self, handle: str) -> Path | None:
        return self._runs_dir / handle if _HANDLE.fullmatch(handle) else None


def _not_now(run: RunSpec, told: str) -> Transient:
    return (InDoubt if run.in_doubt else Transient)(told)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return value


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
