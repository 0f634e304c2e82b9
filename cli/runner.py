"""`triptych up`: runs a whole platform on this machine as separate processes, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from cli import leftovers
from cli.errors import CommandFailed
from cli.supervision import Supervised, explain_exit, last_lines, open_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from cli.data_dir import DataDir
    from cli.plan import Plan, Preparation
    from cli.supervision import Service

T = TypeVar("T")
_POLL_SECONDS = 0.2
_HOPELESS_DEATHS = 3


class StartFailed(CommandFailed):
    """A part did not come up; the text names it and ends with its last log lines."""


class Runner:
    """Starts the services of a plan, stage 0 first, and supervises them until stopped, the highest stage first."""

    def __init__(
        self,
        plan: Plan,
        data: DataDir,
        say: Callable[[str], None],
        *,
        patience_seconds: float = 30.0,
        give_up_seconds: float = 180.0,
        grace_seconds: float = 10.0,
    ) -> None:
        """Wire the runner.

        Args:
            plan: What to run.
            data: Where logs go.
            say: Tells the person at the terminal.
            patience_seconds: After these it is told what is not ready, and again each time they pass.
            give_up_seconds: Longest wait for one stage.
            grace_seconds: How long each process may take to end when asked to.
        """
        self._plan = plan
        self._data = data
        self._say = say
        self._patience_seconds = patience_seconds
        self._give_up_seconds = give_up_seconds
        self._grace_seconds = grace_seconds
        self._running: list[Supervised] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the platform up and ready inside the block.

        Raises:
            StartFailed: A part does not come up.
        """
        mark = str(self._data.root)
        if count := await asyncio.to_thread(leftovers.end, mark):
            self._say(f"Ended {count} processes that an earlier run had left behind.")
        watcher = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "cli.leftovers", mark),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await self._start()
            yield
        finally:
            await self._stop()
            await watcher.communicate(b"")  # closes its input: it ends whatever is left, then itself

    async def _start(self) -> None:
        stores = [service for service in self._plan.services if service.stage == 0]
        await self._all_ready([self._supervise(service) for service in stores])
        for preparation in self._plan.preparations:
            await self._prepare(preparation)
        for service in self._plan.services:
            if service.stage > 0:
                self._supervise(service)
        await self._all_ready(self._running)

    def _supervise(self, service: Service) -> Supervised:
        supervised = Supervised(service, self._data.log(service.name), self._say)
        self._running.append(supervised)
        supervised.start()
        return supervised

    async def _prepare(self, preparation: Preparation) -> None:
        path = self._data.log(preparation.name)
        with open_log(path) as log:
            process = await asyncio.create_subprocess_exec(
                *preparation.argv,
                env=dict(preparation.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            code = await process.wait()
        if code:
            told = _with_log(f"{preparation.failure} ({explain_exit(code)}).", path)
            if preparation.needed:
                raise StartFailed(told)
            self._say(told)

    async def _all_ready(self, services: list[Supervised]) -> None:
        start = told = time.monotonic()
        waiting = dict.fromkeys(services, "")
        while waiting:
            answers = await asyncio.gather(*(supervised.service.not_ready() for supervised in waiting))
            waiting = {supervised: why for supervised, why in zip(waiting, answers, strict=True) if why}
            now = time.monotonic()
            for supervised, why in waiting.items():
                if supervised.deaths >= _HOPELESS_DEATHS or now - start > self._give_up_seconds:
                    raise StartFailed(
                        _with_log(f"{supervised.service.name} does not start: {why}", supervised.log)
                    )
                if now - told > self._patience_seconds:
                    self._say(
                        _with_log(f"Still waiting for {supervised.service.name}: {why}", supervised.log)
                    )
            if now - told > self._patience_seconds:
                told = now
            if waiting:
                await asyncio.sleep(_POLL_SECONDS)

    async def _stop(self) -> None:
        stages = groupby(
            sorted(self._running, key=lambda s: s.service.stage, reverse=True), lambda s: s.service.stage
        )
        for _stage, services in stages:
            await asyncio.gather(*(supervised.stop(self._grace_seconds) for supervised in services))


async def run(runner: Runner, body: Callable[[], Awaitable[T]], say: Callable[[str], None]) -> T | None:
    """Run a platform around a body, until the body ends or a signal says to stop.

    Args:
        runner: Of the platform.
        body: What is done once everything is ready.
        say: Tells the person at the terminal.

    Returns:
        What the body returned, or None where a signal ended it.

    Raises:
        StartFailed: A part does not come up.
    """

    async def whole() -> T:
        async with runner.running():
            return await body()

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    work, told = asyncio.create_task(whole()), asyncio.create_task(stop.wait())
    await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if work.done():
        return work.result()
    say("Stopping …")
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    return None


def _with_log(message: str, path: Path) -> str:
    return "\n".join([message, f"  end of {path}:", *(f"  | {line}" for line in last_lines(path))])
