"""Ends processes that outlived their supervisor.

Every process that a supervisor starts carries a mark in its environment, and so do that process's own children. As
`python -m cli.leftovers MARK` this module waits for its standard input to close, which happens whatever way the
supervisor ends, SIGKILL included; then it ends all that carry the mark. Unlike Linux's parent-death signal this
reaches grandchildren (gunicorn's workers, training runs) and works on macOS too.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import psutil

MARK = "TRIPTYCH_SUPERVISED_IN"


def find(mark: str) -> list[psutil.Process]:
    """Give the live processes that carry a mark, without this one."""
    found = []
    for process in psutil.process_iter():
        # Another user's process, or one that ended as we looked
        with suppress(psutil.Error):
            if (
                process.pid != os.getpid()
                and process.environ().get(MARK) == mark
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def end(mark: str, *, grace_seconds: float = 5.0) -> int:
    """Ask all that carry a mark to end, and kill those that have not within the grace.

    Returns:
        How many processes there were.
    """
    asked = find(mark)
    for process in asked:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(asked, timeout=grace_seconds)
    killed = []
    # What was started meanwhile is found by looking again
    while stubborn := list({*stubborn, *find(mark)}):
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        killed += stubborn
        psutil.wait_procs(stubborn, timeout=1.0)
        stubborn = []
    return len({*asked, *killed})


def main() -> None:
    """Wait for the supervisor to go, then clear up after it."""
    with suppress(KeyboardInterrupt):
        sys.stdin.read()
    end(sys.argv[1])


if __name__ == "__main__":
    main()
