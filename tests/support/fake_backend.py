"""A provider in memory whose containers live, exit and vanish as a test says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runtime.errors import Transient
from services.launcher.backend import UNKNOWN, Cause, InDoubt, RunState, RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.launcher.backend import RunSpec


class FakeBackend:
    """Starts each attempt at most once, as every back end must."""

    name = "fake"

    def __init__(self) -> None:
        self.tasks: dict[str, RunStatus] = {}
        self.started: set[str] = set()
        self.hidden: set[str] = set()  # alive, and not known to the provider
        self.fails: list[str] = []  # of the next launches: "no capacity", "before" the start or "after" it
        self.deaf = False  # a stop is taken and not done

    def launch(self, run: RunSpec) -> str:
        fails = self.fails.pop(0) if self.fails else ""
        handle = f"{run.job_id}/{run.attempt}"
        if fails in {"", "after"} and handle not in self.started:
            self.started.add(handle)
            self.tasks[handle] = RunStatus(RunState.RUNNING, started_at=datetime.now(UTC))
        if fails == "no capacity":
            raise Transient(fails)
        if fails:
            raise InDoubt(f"the connection broke {fails} the start")
        return handle

    def find(self, run: RunSpec) -> str | None:
        handle = f"{run.job_id}/{run.attempt}"
        return handle if handle in self.started else None

    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        known = {handle: status for handle, status in self.tasks.items() if handle not in self.hidden}
        return {handle: known.get(handle, UNKNOWN) for handle in handles}

    def stop(self, handle: str, reason: str) -> None:  # noqa: ARG002 - the interface's
        if handle in self.alive - self.hidden and not self.deaf:
            self.exit(handle, 143)

    def logs(self, handle: str, tail_bytes: int) -> list[str]:  # noqa: ARG002 - the interface's
        return []

    def forget(self, job_id: str, attempt: int) -> None:
        pass

    def exit(self, handle: str, code: int | None, cause: Cause = Cause.EXIT, detail: str = "") -> None:
        began = self.tasks[handle].started_at
        self.tasks[handle] = RunStatus(RunState.EXITED, code, cause, detail, started_at=began)

    def vanish(self, handle: str) -> None:
        """Kill it without a trace."""
        del self.tasks[handle]

    @property
    def alive(self) -> set[str]:
        return {handle for handle, status in self.tasks.items() if status.state is not RunState.EXITED}
