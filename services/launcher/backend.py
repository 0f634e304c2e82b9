"""The interface to whatever runs trainers: a process of this machine, ECS Fargate, Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from runtime.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Refused(Exception):
    """The provider will not run this however often it is asked; the text is for the job's owner."""


class InDoubt(Transient):
    """The answer to a launch is missing, so it may have started something; only a repeat of the same launch can tell."""


class RunState(StrEnum):
    """What a provider says of a run."""

    PENDING = "pending"  # accepted, the trainer does not run yet
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"  # the provider does not know it, or no longer


class Cause(StrEnum):
    """Why a run exited, as far as only the provider can tell."""

    EXIT = "exit"  # by itself: the exit code tells
    OUT_OF_MEMORY = "out_of_memory"
    NEVER_STARTED = "never_started"  # image, secrets, network, command
    NO_CAPACITY = "no_capacity"  # accepted, but no machine was found for it in time
    RECLAIMED = "reclaimed"  # the provider took its capacity back
    STOPPED = "stopped"  # someone stopped it at the provider


@dataclass(frozen=True)
class RunSpec:
    """One attempt of a job, to be run once.

    Attributes:
        job_id: The job.
        attempt: Its attempt, from 1.
        env: The trainer's environment, but for what the provider adds. Holds the secret of its callbacks.
        cpus: Processors it may use.
        memory_mb: Memory it may use, MiB.
        max_seconds: How long it may run, for providers that see to it where no launcher lives; 0 for no limit.
        launch: Number of the launch, from 1; a new one only after the provider has said that the last one started nothing.
        in_doubt: Whether this launch was asked for before and its answer is missing.
    """

    job_id: str
    attempt: int
    env: Mapping[str, str] = field(repr=False)
    cpus: float
    memory_mb: int
    max_seconds: int = 0
    launch: int = 1
    in_doubt: bool = False


@dataclass(frozen=True)
class RunStatus:
    """What a provider says of a run at one moment.

    Attributes:
        state: Where it is.
        exit_code: Of the trainer; 128 + n where signal n killed it. None unless it exited with one.
        cause: Why it exited.
        detail: What the provider says about it, in words.
        memory_mb: Memory it was limited to where that is not what was asked for, MiB.
        peak_memory_mb: The most memory it used, where known, MiB.
        started_at: When the trainer began to run.
    """

    state: RunState
    exit_code: int | None = None
    cause: Cause = Cause.EXIT
    detail: str = ""
    memory_mb: int | None = None
    peak_memory_mb: int | None = None
    started_at: datetime | None = None


UNKNOWN = RunStatus(RunState.UNKNOWN)


class Backend(Protocol):
    """A provider of processes or containers. Its methods are called from several threads."""

    @property
    def name(self) -> str:
        """`local`, `ecs`, …; kept with each run, so that a launcher looks after its own kind only."""
        ...

    def launch(self, run: RunSpec) -> str:
        """Start a run and give its handle.

        A second call for the same job and attempt starts nothing and gives the same handle: the answer to the first may
        have been lost.

        Raises:
            InDoubt: No answer, or none yet that settles an earlier doubt: the same launch must be repeated. A refusal settles
                one only where it says that nothing runs: rights that were taken away say nothing of what was started before.
            runtime.errors.Transient: Not now, and nothing was started: no capacity, or the provider is not reached.
            Refused: Never; the text says why. Nothing was started, now or before.
        """
        ...

    def find(self, run: RunSpec) -> str | None:
        """Look for what an earlier launch of the same attempt has started, and give its handle; None where nothing is found.

        Raises:
            runtime.errors.Transient: The provider does not answer.
            Refused: It denies access.
        """
        ...

    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        """Ask for the present state of runs, in as few calls as the provider allows.

        Returns:
            A status for every handle; one the provider does not know is UNKNOWN, and one of which it says nothing at present is
            left out.

        Raises:
            runtime.errors.Transient: The provider does not answer.
            Refused: It denies access, or its settings are wrong; so do the methods below.
        """
        ...

    def stop(self, handle: str, reason: str) -> None:
        """Ask a run to end (SIGTERM, then SIGKILL after a grace), without waiting. Nothing happens where it has ended.

        Raises:
            runtime.errors.Transient: The provider does not answer.
        """
        ...

    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        """Give the last lines of a run's output, oldest first, as many as fit; none where there is no output yet.

        Raises:
            runtime.errors.Transient: The provider does not answer.
        """
        ...

    def forget(self, job_id: str, attempt: int) -> None:
        """Remove what `launch` left outside of the run for it to read, now that the run has ended; a repeat does nothing.

        Raises:
            runtime.errors.Transient: The store does not answer.
            Refused: It denies access.
        """
        ...
