"""What the api does on each event of its queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from contracts.callback import Outcome
from contracts.events import (
    DatasetSchemaDetected,
    DatasetSchemaFailed,
    DatasetStaged,
    DatasetStagingFailed,
    DatasetStagingProgressed,
    DatasetUploaded,
    JobFinished,
    JobLaunched,
    JobLaunchRequested,
    JobLost,
    JobStarted,
    PredictionFinished,
    PredictionRequested,
    WorkAbandoned,
)
from contracts.topology import LAUNCHER, SCHEMA
from runtime import deliveries
from runtime.db import now
from runtime.storage.trouble import store_may_return
from services.api import changes, datasets, job_states, jobs, predictions, retries
from services.api.models import Dataset, Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from sqlalchemy.orm import Session

    from runtime.bus import Work
    from runtime.storage import ObjectStore


class Handlers:
    """Handlers by event name, over the collaborators they need."""

    def __init__(self, store: ObjectStore, spool_dir: Path, *, retry_pause_seconds: float = 60.0) -> None:
        self._store = store
        self._spool_dir = spool_dir
        self._retry_pause_seconds = retry_pause_seconds

    def table(self) -> dict[str, Callable[[Any, Work], None]]:
        """Give the handler of each event on the api's queue."""
        return {
            DatasetSchemaDetected.NAME: self.schema_detected,
            DatasetSchemaFailed.NAME: self.schema_failed,
            DatasetStagingProgressed.NAME: self.staging_progressed,
            DatasetStaged.NAME: self.staged,
            DatasetStagingFailed.NAME: self.staging_failed,
            JobLaunched.NAME: self.job_launched,
            JobStarted.NAME: self.job_started,
            JobFinished.NAME: self.job_finished,
            JobLost.NAME: self.job_lost,
            PredictionFinished.NAME: self.prediction_finished,
            WorkAbandoned.NAME: self.work_abandoned,
        }

    def schema_detected(self, event: DatasetSchemaDetected, work: Work) -> None:
        """Keep the full schema."""
        with store_may_return():
            raw = self._store.get_bytes(self._store.key_of(event.schema_uri))
        found = json.loads(raw)
        self._track(
            event.dataset_id,
            work,
            {"schema_state": "detected", "detected": found, "rows": event.rows, "n_columns": event.columns},
        )

    def schema_failed(self, event: DatasetSchemaFailed, work: Work) -> None:
        """End the schema track."""
        self._track(event.dataset_id, work, {"schema_state": "failed", "schema_reason": event.reason})

    def staging_progressed(self, event: DatasetStagingProgressed, work: Work) -> None:
        """Show how far staging is; late news change nothing."""
        with work.finish() as session:
            workspace = session.scalar(
                update(Dataset)
                .where(
                    Dataset.id == event.dataset_id,
                    Dataset.staging_state.in_(("pending", "running")),
                    Dataset.bytes_done <= event.bytes_done,
                )
                .values(staging_state="running", bytes_done=event.bytes_done)
                .returning(Dataset.workspace_id)
            )
            if workspace is not None:
                changes.note_row(session, "staging", workspace, event.dataset_id)

    def staged(self, event: DatasetStaged, work: Work) -> None:
        """Keep where the objects are."""
        values = {
            "staging_state": "staged",
            "train_file": event.train_file,
            "train_folder": event.train_folder,
            "bytes_done": event.bytes_total,
        }
        self._track(event.dataset_id, work, values)

    def staging_failed(self, event: DatasetStagingFailed, work: Work) -> None:
        """End the staging track."""
        self._track(event.dataset_id, work, {"staging_state": "failed", "staging_reason": event.reason})

    def job_launched(self, event: JobLaunched, work: Work) -> None:
        """Keep what runs the job."""
        with work.finish() as session:
            job = _of_attempt(session, event.job_id, event.attempt)
            if job is not None:
                job.launcher, job.handle = event.launcher, event.handle
                session.flush()
                job_states.move(session, job, "launching")

    def job_started(self, event: JobStarted, work: Work) -> None:
        """The trainer spoke for the first time."""
        with work.finish() as session:
            job = _of_attempt(session, event.job_id, event.attempt)
            if job is not None:
                job_states.move(session, job, "running", started_at=now())

    def job_finished(self, event: JobFinished, work: Work) -> None:
        """End the attempt. The first end counts; details that only the trainer knows are added when they come second.

        The launcher calls a trainer failed that has exited well and told nothing. Its own word, when it comes, counts.
        """
        with work.finish() as session:
            job = _of_attempt(session, event.job_id, event.attempt)
            if job is None:
                return
            self._settle(session, work, job, event)
            if event.outcome is Outcome.SUCCEEDED:
                job_states.overrule(session, work.outbox, job)
            if job.attempt == event.attempt and job.state == event.outcome.value:
                if event.metrics and not job.metrics:
                    # The trainer's own report; the launcher, overtaking it, had said that it has not arrived
                    job.reason = event.reason or None
                job.metrics = job.metrics or dict(event.metrics)
                job.artifacts = job.artifacts or [item.model_dump(mode="json") for item in event.artifacts]

    def job_lost(self, event: JobLost, work: Work) -> None:
        """Nobody knows the job's container any more."""
        with work.finish() as session:
            job = _of_attempt(session, event.job_id, event.attempt)
            if job is not None:
                self._settle(session, work, job, event)

    def _settle(self, session: Session, work: Work, job: Job, event: JobFinished | JobLost) -> None:
        retries.settle(session, work.outbox, job, retries.End.of(event), self._retry_pause_seconds)

    def prediction_finished(self, event: PredictionFinished, work: Work) -> None:
        """End a prediction."""
        with work.finish() as session:
            predictions.finish(session, event)

    def work_abandoned(self, event: WorkAbandoned, work: Work) -> None:
        """End what the abandoned work was about, with its reason."""
        after = f" after {event.attempts} tries" if event.attempts > 1 else ""
        reason = f"given up{after}: {event.reason}"
        if event.event == DatasetUploaded.NAME:
            self._upload_abandoned(event, work, reason)
            return
        with work.finish() as session:
            if event.event == PredictionRequested.NAME:
                predictions.fail(session, event.subject, reason)
            job = session.get(Job, event.subject)
            if (
                job is not None
                and (event.queue, event.event) == (LAUNCHER, JobLaunchRequested.NAME)
                and event.job_attempt in {None, job.attempt}
            ):
                job_states.finish(session, work.outbox, job, "failed", f"could not be launched; {reason}")

    def _upload_abandoned(self, event: WorkAbandoned, work: Work, reason: str) -> None:
        track = "schema" if event.queue == SCHEMA else "staging"

        def is_dead(session: Session) -> bool:
            # Requeued before this was heard, it is at work again, and needs its upload
            return bool(deliveries.dead_subjects(session, [event.subject], [event.queue]))

        self._track(
            event.subject, work, {f"{track}_state": "failed", f"{track}_reason": reason}, where=is_dead
        )

    def _track(
        self,
        dataset_id: str,
        work: Work,
        values: dict[str, Any],
        where: Callable[[Session], bool] = lambda _session: True,
    ) -> None:
        """Change one track of a data set, if it is still so, and do what follows when both have ended."""
        with work.finish() as session:
            # Both tracks may end at the same moment: the second one here must see the first one's state
            dataset = session.scalars(
                select(Dataset).where(Dataset.id == dataset_id).with_for_update()
            ).first()
            if dataset is None or not where(session):
                return  # deleted, or otherwise, meanwhile
            for name, value in values.items():
                setattr(dataset, name, value)
            ended = datasets.settle(dataset) and not datasets.given_up(session, [dataset_id])
            predictions.request_where_settled(session, work.outbox, self._store, dataset)
            for job in session.scalars(
                select(Job).where(Job.dataset_id == dataset_id, Job.state == "queued")
            ):
                if dataset.state == "ready":
                    jobs.launch_if_ready(session, work.outbox, job, dataset)
                elif dataset.state == "rejected":
                    reason = dataset.schema_reason or dataset.staging_reason
                    job_states.finish(
                        session, work.outbox, job, "failed", f"the data set was rejected: {reason}"
                    )
        if ended:
            datasets.drop_upload(self._spool_dir, dataset_id, self._store)


def _of_attempt(session: Session, job_id: str, attempt: int) -> Job | None:
    """Give the job, or None where it was deleted or is at another attempt by now."""
    job = session.get(Job, job_id)
    return job if job is not None and job.attempt == attempt else None
