"""Training jobs: create, look up, list, start, cancel, retry. Their states, and every change of them, are in job_states.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import defer

from contracts.events import JobCancelRequested, JobLaunchRequested
from runtime.access import jobs as owners
from runtime.errors import Conflict, NotFound
from runtime.paging import Order
from services.api import datasets
from services.api.job_states import FINAL, finish, move, next_attempt
from services.api.models import Dataset, Job, JobStep
from services.api.specs import trainer_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from runtime.outbox import Outbox
    from runtime.paging import Page, Part

ORDERS = {
    "created": Order("created", Job.created_at, Job.id),
    "ended": Order("ended", Job.finished_at, Job.id),
    "name": Order("name", Job.name, Job.id),
}


def create(
    session: Session,
    dataset: Dataset,
    *,
    name: str | None,
    model: str,
    target: str,
    settings: dict[str, Any],
    findings: list[dict[str, Any]],
) -> Job:
    """Record a job; its settings were checked by specs.settle, its data by preflight."""
    job = Job(
        id=datasets.new_id(),
        name=name or f"{dataset.name}: {model}"[:300],
        dataset_id=dataset.id,
        model=model,
        target=target,
        settings=settings,
        workspace_id=dataset.workspace_id,
        state="created",
        attempt=1,
        last_attempt=1 + settings["resources"].get("max_retries", 0),
        launch_requested=False,
        metrics={},
        artifacts=[],
        findings=findings,
    )
    session.add(job)
    session.flush()
    session.add(JobStep(job_id=job.id, attempt=1, state="created"))
    owners.own(session, job.id, job.workspace_id)
    return job


def get(session: Session, job_id: str) -> Job:
    """Look one up.

    Raises:
        NotFound: There is none by that id.
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"There is no training job {job_id!r}.")
    return job


def steps(session: Session, job_id: str) -> Sequence[JobStep]:
    """Give the states a job went through, in order."""
    return session.scalars(select(JobStep).where(JobStep.job_id == job_id).order_by(JobStep.id)).all()


@dataclass(frozen=True)
class Wanted:
    """Which jobs to list, and in which order.

    Attributes:
        states: Any of these; none: all.
        dataset_id: Of this data set only.
        search: Part of the job's or its data set's name.
        order: One of ORDERS; ended leaves out those that have not.
    """

    states: Sequence[str] = ()
    dataset_id: str | None = None
    search: str = ""
    order: str = "created"


def page(session: Session, wanted: Wanted, part: Part) -> Page:
    """List jobs with their data sets' names, without what only their own pages show.

    Returns:
        One page of (job, name of its data set).

    Raises:
        Invalid: The cursor is none.
    """
    by = ORDERS[wanted.order]
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(Job.state.in_(wanted.states))
    if wanted.dataset_id:
        conditions.append(Job.dataset_id == wanted.dataset_id)
    if wanted.search:
        of_data = select(Dataset.id).where(Dataset.name.icontains(wanted.search, autoescape=True))
        conditions.append(
            or_(Job.name.icontains(wanted.search, autoescape=True), Job.dataset_id.in_(of_data))
        )
    if wanted.order == "ended":
        conditions.append(Job.finished_at.is_not(None))
    total = session.scalar(select(func.count()).select_from(Job).where(*conditions)) or 0
    # The ids first: what a page skips is read from the index alone
    ids = by.cut(select(Job.id).where(*conditions), part)
    query = (
        select(Job, Dataset.name)
        .join(Dataset, Dataset.id == Job.dataset_id)
        .where(Job.id.in_(ids))
        .options(defer(Job.settings), defer(Job.findings), defer(Job.artifacts))
    )
    rows = [(row[0], row[1]) for row in session.execute(by.sort(query, part))]
    return by.page(rows, total, part, lambda row: (getattr(row[0], by.column.key), row[0].id))


def start(session: Session, outbox: Outbox, job: Job) -> None:
    """Queue a job; a second start of the same attempt changes nothing.

    Raises:
        Conflict: It has ended, or its data set was rejected.
    """
    if job.state in FINAL:
        raise Conflict(f"The job has ended ({job.state}); use retry to run it again.")
    # Locked: were it to become ready right now, neither side would see the other's change and ask for the launch
    dataset = datasets.get(session, job.dataset_id, lock=True)
    if dataset.state == "rejected":
        raise Conflict(f"The data set was rejected: {dataset.schema_reason or dataset.staging_reason}")
    move(session, job, "queued")
    launch_if_ready(session, outbox, job, dataset)


def launch_if_ready(
    session: Session, outbox: Outbox, job: Job, dataset: Dataset, *, delay_seconds: float = 0.0
) -> None:
    """Ask for the launch of a queued job, once its data set is ready; the launcher does it after the delay."""
    if dataset.state != "ready":
        return
    # By what the row is now: it may have been cancelled since it was read
    asked = session.execute(
        update(Job)
        .where(
            Job.id == job.id,
            Job.attempt == job.attempt,
            Job.state == "queued",
            Job.launch_requested.is_(False),
        )
        .values(launch_requested=True)
        .returning(Job.id)
    ).first()
    if asked is None:
        return
    session.refresh(job)
    resources = job.settings["resources"]
    outbox.emit(
        session,
        JobLaunchRequested(
            job_id=job.id,
            attempt=job.attempt,
            spec=trainer_environment(job, dataset),
            cpus=resources["cpus"],
            memory_mb=resources["memory_mb"],
            max_seconds=resources["max_seconds"],
            ran_seconds=job.ran_seconds,
            max_idle_seconds=resources.get("max_idle_seconds", 0),
            delay_seconds=delay_seconds,
        ),
    )


def cancel(session: Session, outbox: Outbox, job: Job) -> None:
    """End a job: at once where nothing was launched yet, else as soon as the launcher has stopped it.

    Raises:
        Conflict: It has ended otherwise.
    """
    # Locked: were its attempt to end right now, and another to follow, that one would run uncancelled
    session.refresh(job, with_for_update=True)
    if job.state == "cancelled":
        return
    if job.state in FINAL:
        raise Conflict(f"The job has ended ({job.state}); there is nothing to cancel.")
    if not job.launch_requested:
        finish(session, outbox, job, "cancelled", "cancelled before it was launched")
        return
    job.cancel_requested = True
    outbox.emit(session, JobCancelRequested(job_id=job.id, attempt=job.attempt))


def retry(session: Session, outbox: Outbox, job: Job) -> None:
    """Run an ended job once more, as its next attempt.

    Raises:
        Conflict: It has not ended, or it has succeeded.
    """
    dataset = datasets.get(session, job.dataset_id, lock=True)
    allowed = job.settings["resources"].get("max_retries", 0)
    again = next_attempt(
        session,
        job,
        ("failed", "cancelled", "timed_out"),
        last_attempt=job.attempt + 1 + allowed,
        ran_seconds=0.0,
    )
    if not again:
        raise Conflict(
            f"Only a job that failed, timed out or was cancelled can be retried; this one is {job.state}."
        )
    launch_if_ready(session, outbox, job, dataset)
