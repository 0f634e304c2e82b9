"""Runs one command to its end and leaves its exit code in a file. A program of its own, which outlives the launcher.

Standard library only, started as `python -I -S supervisor.py FOLDER GRACE_SECONDS LIMITS COMMAND...`, which keeps it at 12 MB
resident. LIMITS is JSON, {"nice": 0, "cpu_seconds": 0, "address_space_mb": 0}, 0 for none. Everything it knows is in FOLDER:

    run.json   its process id; appears once, already locked, and stays locked while it or the command lives
    child.json the command's process id, which is also that of its group
    log.txt    the command's output
    exit.json  how the command ended
    work/      the command's own files, removed when it has ended
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

RUN, CHILD, LOG, EXIT, WORK = "run.json", "child.json", "log.txt", "exit.json", "work"
_NO_NEW_PRIVS = 38  # PR_SET_NO_NEW_PRIVS of prctl(2)
NOT_STARTED = 127  # what a shell gives for a command it cannot find


def main() -> None:
    """Supervise one run, unless this attempt was started before."""
    folder, grace_seconds, command = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[4:]
    # Not an Event: the second of two signals would wait for its lock, which the handler of the first holds, for ever
    stopping: SimpleQueue[None] = SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: stopping.put(None))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the command would inherit
    lock = _take(folder)
    # The launcher waits for this line, or for the end of the pipe
    with suppress(BrokenPipeError):
        os.write(1, b"taken\n")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    if lock is None:
        return
    _confine(**json.loads(sys.argv[3]))
    with (folder / LOG).open("ab") as log:
        try:
            child = subprocess.Popen(  # noqa: S603 - the command is the launcher's setting
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                process_group=0,  # signals reach the command with all it starts, and not this process
                pass_fds=(
                    lock,
                ),  # were this process killed, the lock would still tell that the command lives
            )
        except OSError as error:
            log.write(f"cannot start {command[0]}: {error.strerror}\n".encode())
            _write(folder / EXIT, {"exit_code": NOT_STARTED, "started": False, "errno": error.errno})
            return
    _write(folder / CHILD, {"pid": child.pid})
    Thread(target=_stop, args=(child.pid, stopping, grace_seconds), daemon=True).start()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    _signal_group(child.pid, signal.SIGKILL)  # what it left behind
    shutil.rmtree(folder / WORK, ignore_errors=True)
    code = child.returncode if child.returncode >= 0 else 128 - child.returncode
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    _write(folder / EXIT, {"exit_code": code, "peak_memory_mb": usage.ru_maxrss * unit // 2**20})


def _confine(nice: int, cpu_seconds: int, address_space_mb: int) -> None:
    """Limit this process, and so the command and all that it starts, none of which can take that back."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the job's secret
    if cpu_seconds:
        # SIGXCPU at the limit, SIGKILL when the command has not ended by a minute later
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 60))
    if address_space_mb:
        resource.setrlimit(resource.RLIMIT_AS, (address_space_mb * 2**20,) * 2)
    os.nice(nice)
    if sys.platform == "linux":
        # setuid programs give nobody more than the command has
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)


def _take(folder: Path) -> int | None:
    """Make run.json, locked; None where it exists, for then another supervisor has taken the attempt."""
    draft = folder / f"{RUN}.{os.getpid()}"
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "started_at": time.time()}).encode())
        os.fsync(descriptor)
        os.link(draft, folder / RUN)
    except FileExistsError:
        os.close(descriptor)
        return None
    finally:
        draft.unlink()
    return descriptor


def _stop(group: int, stopping: SimpleQueue[None], grace_seconds: float) -> None:
    stopping.get()
    _signal_group(group, signal.SIGTERM)
    time.sleep(grace_seconds)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _write(path: Path, value: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


if __name__ == "__main__":
    main()
