"""`python -m benchmarks.scale.launcher`: the launcher's own worker, over containers that are simulated."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from runtime import log
from runtime.errors import Transient
from runtime.settings import load
from runtime.storage import open_store
from services.launcher.backend import UNKNOWN, InDoubt, RunState, RunStatus
from services.launcher.settings import LauncherSettings
from services.launcher.worker import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.launcher.backend import RunSpec

SIMULATOR = "SCALE_SIMULATOR_URL"
_A_CALL = 100  # handles, as ECS' DescribeTasks takes


class SimulatedBackend:
    """Speaks to the simulator as other back ends do to their providers."""

    name = "simulated"

    def __init__(self, url: str) -> None:
        """Take where the simulator answers."""
        self._client = httpx.Client(base_url=url, timeout=30)

    def launch(self, run: RunSpec) -> str:
        """Start a container; only the same launch finds again what it has started."""
        try:
            asked = {"job_id": run.job_id, "attempt": run.attempt, "launch": run.launch, "env": dict(run.env)}
            return str(self._ask("launch", asked)["handle"])
        except Transient as error:
            raise InDoubt(str(error)) from None

    def find(self, run: RunSpec) -> str | None:  # noqa: ARG002 - the interface's
        """Find nothing: only the same launch finds again what was started."""
        return None

    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        """Ask for the state of containers, a hundred a call."""
        found = dict.fromkeys(handles, UNKNOWN)
        for begin in range(0, len(handles), _A_CALL):
            asked = {"handles": list(handles[begin : begin + _A_CALL])}
            for handle, told in self._ask("status", asked).items():
                began = datetime.fromtimestamp(told["started_at"], UTC)
                found[handle] = RunStatus(RunState(told["state"]), told["exit_code"], started_at=began)
        return found

    def stop(self, handle: str, reason: str) -> None:
        """Ask a container to end."""
        self._ask("stop", {"handle": handle, "reason": reason})

    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        """Give the last lines of a container."""
        return list(self._ask("logs", {"handle": handle, "tail_bytes": tail_bytes})["lines"])

    def forget(self, job_id: str, attempt: int) -> None:
        """Do nothing: a container gets its environment with the launch."""

    def _ask(self, call: str, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(self._client.post(f"/{call}", json=asked).raise_for_status().json())
        except httpx.HTTPError as error:
            raise Transient(f"the simulator: {type(error).__name__}: {error}") from None


def main() -> None:
    """Work until SIGTERM."""
    settings = load(LauncherSettings)
    log.configure("launcher", settings.log_level, settings.log_format)
    serve(settings, open_store(settings.objects_url), SimulatedBackend(os.environ[SIMULATOR]))


if __name__ == "__main__":
    main()
