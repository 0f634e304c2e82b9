"""Every event that crosses the queue: one class each, with its name and version, and the envelope they travel in.

A released version is never changed: a new field with a default is allowed, anything else is a new version beside the old.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from pydantic import Field

from contracts.base import Wire
from contracts.callback import ArtifactInfo, Outcome
from contracts.prediction import PredictionTask


class EndCause(StrEnum):
    """Why an attempt ended otherwise than well, for whoever decides whether it is tried again."""

    CAPACITY = "capacity"  # the provider had no room in the time allowed
    RECLAIMED = "reclaimed"  # the provider took its machine back (Spot)
    INTERRUPTED = (
        "interrupted"  # stopped by a signal that this platform did not send: a machine was shut down
    )
    LOST = "lost"  # the provider no longer knows it, and nothing was heard of it
    HUNG = "hung"  # the provider says that it runs, and nothing was heard of it for too long
    STORE = "store"  # the object store did not answer the trainer for as long as it waits
    OUT_OF_MEMORY = "out_of_memory"
    DATA = "data"
    CODE = "code"  # the trainer's, a model's, or what they stand on
    SETTINGS = "settings"
    NEVER_STARTED = "never_started"  # refused by the provider; image, secrets, network, command
    STOPPED = "stopped"  # by someone at the provider


# Ends that are nobody's fault: the same attempt elsewhere or later may go well
PASSING: Final = frozenset(
    {
        EndCause.CAPACITY,
        EndCause.RECLAIMED,
        EndCause.INTERRUPTED,
        EndCause.LOST,
        EndCause.HUNG,
        EndCause.STORE,
    }
)


# The launcher's word on such an attempt, which fails it; the one end that a trainer's own report overrules, should it still come
UNHEARD: Final = (
    "exit 0, but as far as anybody knows nothing was trained: no report of its end arrived, and no artifacts of it are stored. "
    "Check that the image or command is a trainer, and its log"
)


class Event(Wire):
    """What happened. Subclasses set NAME, with the version as its last part."""

    NAME: ClassVar[str]


class DatasetUploaded(Event):
    """A table and its files lie complete in the spool."""

    NAME = "dataset.uploaded.v1"
    dataset_id: str
    spool: str = Field(description="folder under SPOOL_DIR that holds table.csv and files/")
    table_bytes: int
    files: int
    file_bytes: int


class DatasetSchemaDetected(Event):
    """Schema detection ended well."""

    NAME = "dataset.schema_detected.v1"
    dataset_id: str
    schema_uri: str = Field(description="object that holds the DatasetSchema as JSON")
    rows: int
    columns: int


class DatasetSchemaFailed(Event):
    """The table cannot be read; the reason is for its owner."""

    NAME = "dataset.schema_failed.v1"
    dataset_id: str
    reason: str


class DatasetStagingProgressed(Event):
    """Some more bytes of a data set are in the object store."""

    NAME = "dataset.staging_progressed.v1"
    dataset_id: str
    bytes_done: int
    bytes_total: int


class DatasetStaged(Event):
    """Every byte of a data set is in the object store and its checksum was verified there."""

    NAME = "dataset.staged.v1"
    dataset_id: str
    train_file: str = Field(description="URI of the table")
    train_folder: str | None = Field(
        description="URI of the images' folder (prefix or shard set), None without files"
    )
    bytes_total: int
    files: int


class DatasetStagingFailed(Event):
    """Staging gave up; the reason is for the data set's owner."""

    NAME = "dataset.staging_failed.v1"
    dataset_id: str
    reason: str


class DatasetDeleted(Event):
    """A data set and the jobs that used it are gone; their objects may be removed."""

    NAME = "dataset.deleted.v1"
    dataset_id: str
    job_ids: list[str] = Field(default_factory=list)


class JobLaunchRequested(Event):
    """Someone pressed start."""

    NAME = "job.launch_requested.v1"
    job_id: str
    attempt: int = Field(ge=1)
    spec: dict[str, str] = Field(description="the trainer's environment, without CALLBACK_SECRET")
    cpus: float = Field(default=1, gt=0)
    memory_mb: int = Field(default=4096, gt=0)
    max_seconds: int = Field(
        default=86_400, gt=0, description="run time after which the job is stopped as timed_out"
    )
    ran_seconds: float = Field(
        default=0, ge=0, description="how much of that run time earlier attempts have used up"
    )
    max_idle_seconds: int = Field(
        default=0, ge=0, description="silence after which a running attempt is stopped as hung; 0: never"
    )
    delay_seconds: float = Field(default=0, ge=0, description="how long the launch has to wait")


class JobCancelRequested(Event):
    """Someone pressed cancel."""

    NAME = "job.cancel_requested.v1"
    job_id: str
    attempt: int


class JobLaunched(Event):
    """A container or process runs for the job."""

    NAME = "job.launched.v1"
    job_id: str
    attempt: int
    launcher: str = Field(description="local, ecs or kubernetes")
    handle: str = Field(description="the provider's name for it: process id, task ARN, …")


class JobStarted(Event):
    """The trainer reported for the first time."""

    NAME = "job.started.v1"
    job_id: str
    attempt: int


class JobSilent(Event):
    """Nothing is heard of an attempt that should run. Told again and again while that lasts, and never taken back."""

    NAME = "job.silent.v1"
    job_id: str
    attempt: int
    since: datetime = Field(description="nothing was heard from then on")
    until: datetime = Field(description="after it this is old news, and must not be acted on")
    everyone: bool = Field(
        default=False,
        description="the other jobs are not heard either, so that the fault may lie between them and this platform",
    )


class JobFinished(Event):
    """An attempt ended; the first such event of an attempt counts, unless its reason is UNHEARD.

    One that was cancelled because it was INTERRUPTED is a trainer's own word: it was told to stop, and does not know by
    whom or why, or it failed by nobody's fault, and does not know whether it is tried again. It ends the job where a cancellation was asked for; else what the launcher says counts.
    """

    NAME = "job.finished.v1"
    job_id: str
    attempt: int
    outcome: Outcome
    reason: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    artifacts: list[ArtifactInfo] = Field(default_factory=list)
    cause: EndCause | None = Field(
        default=None, description="None where it ended well, was cancelled or out of time"
    )
    ran_seconds: float = Field(default=0, ge=0, description="how long it ran, where the launcher tells of it")


class JobLost(Event):
    """The provider no longer knows the attempt, and nothing is heard of it; its cause is LOST."""

    NAME = "job.lost.v1"
    job_id: str
    attempt: int
    reason: str
    ran_seconds: float = Field(default=0, ge=0, description="how long it ran")


class JobEnded(Event):
    """A job came to its final state: no other attempt follows by itself."""

    NAME = "job.ended.v1"
    job_id: str
    attempt: int
    outcome: Outcome
    reason: str = ""


class JobDeleted(Event):
    """A job is gone, after its end or before its start; what is kept of it elsewhere may go too. Its id is never used again."""

    NAME = "job.deleted.v1"
    job_id: str


class PredictionRequested(Event):
    """Someone wants a table predicted by a job's model; both are in the object store."""

    NAME = "prediction.requested.v1"
    prediction_id: str
    artifacts: str = Field(description="URI of the folder of the job's artifacts")
    task: PredictionTask


class PredictionFinished(Event):
    """A prediction ended, well where there is no reason."""

    NAME = "prediction.finished.v1"
    prediction_id: str
    reason: str = Field(default="", description="why it failed")
    uri: str | None = Field(default=None, description="the CSV")
    size: int = 0
    rows: int = 0
    notes: list[str] = Field(default_factory=list, description="what was assumed")


class WorkAbandoned(Event):
    """A delivery was tried as often as allowed and is dead."""

    NAME = "work.abandoned.v1"
    queue: str
    event: str = Field(description="name of the event that could not be handled")
    subject: str = Field(description="its data set, job or prediction")
    attempts: int
    reason: str
    # Left out where there is none, so that what was released before stays as it was
    job_attempt: int | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="the attempt of the job it was about",
    )


EVENTS: dict[str, type[Event]] = {event.NAME: event for event in Event.__subclasses__()}


class Envelope(Wire):
    """An event on its way: identity, time, and the ids that logs carry along."""

    id: UUID = Field(default_factory=uuid4)
    event: str
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    correlation: dict[str, str] = Field(
        default_factory=dict, description="request_id, dataset_id, job_id, traceparent for logs and traces"
    )
    data: dict[str, Any]

    def decode(self) -> Event:
        """Give the typed event.

        Raises:
            KeyError: This release knows no event of that name and version.
            pydantic.ValidationError: The data does not fit it.
        """
        return EVENTS[self.event].model_validate(self.data)


def wrap(event: Event, correlation: dict[str, str] | None = None) -> Envelope:
    """Put an event into an envelope."""
    return Envelope(event=event.NAME, correlation=correlation or {}, data=event.model_dump(mode="json"))
