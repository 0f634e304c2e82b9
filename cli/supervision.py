"""Keeps one process running: starts it, watches it, starts it again when it dies, stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

_LOG_BYTES = 10_000_000
_FIRST_WAIT, _LONGEST_WAIT, _STEADY_SECONDS = 0.5, 30.0, 30.0


@dataclass(frozen=True)
class Service:
    """How to run one process of the platform.

    Attributes:
        name: Names it in messages and its log file.
        argv: Command line.
        env: Its whole environment.
        not_ready: Gives why it is not ready yet; an empty string when it is.
        stage: Stages are started in rising order, each once the ones before are ready, and stopped in falling order.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    not_ready: Callable[[], Awaitable[str]]
    stage: int = 1


class Supervised:
    """A service that is kept running. Each process leads a session, so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, service: Service, log: Path, say: Callable[[str], None]) -> None:
        self.service = service
        self.log = log
        self.deaths = 0
        self._say = say
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start keeping the process running."""
        self._keeper = asyncio.create_task(self._keep(), name=self.service.name)

    async def stop(self, grace_seconds: float) -> None:
        """Ask the process to end, kill its group when it has not within the grace."""
        self._stopping.set()
        process = self._process
        if process and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace_seconds)
            _kill_group(process.pid)
            await process.wait()
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    async def _keep(self) -> None:
        pause = _FIRST_WAIT
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                code = await self._run_once()
            except OSError as error:
                ending = f"cannot be started: {error}"
            else:
                ending = f"ended ({explain_exit(code)})"
            if self._stopping.is_set():
                return
            self.deaths += 1
            if time.monotonic() - started > _STEADY_SECONDS:
                pause = _FIRST_WAIT
            self._say(f"{self.service.name} {ending}; starting it again in {pause:g} s. Its log: {self.log}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_WAIT)

    async def _run_once(self) -> int:
        with open_log(self.log) as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.service.argv,
                env=dict(self.service.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        code = await self._process.wait()
        _kill_group(self._process.pid)  # what it forked must not hold its port
        return code


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, putting one that has grown long aside as `<name>.log.1`."""
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def last_lines(path: Path, count: int = 15) -> list[str]:
    """Give the end of a log."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in deque(file, count)]
    return []


def explain_exit(code: int) -> str:
    """Put an exit status into words."""
    if code >= 0:
        return f"exit {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
