"""Whether a deployment kept its promises, read from its database, its objects and what its trainers noted."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from runtime.db import now
from runtime.outbox import HANDLED, PENDING, Delivery, EventRow
from runtime.storage.files import FileStore
from services.api.models import Dataset as DatasetRow
from services.api.models import Job as JobRow
from services.api.models import JobStep
from services.launcher.models import ENDED, Run
from services.metrics.models import Item
from services.metrics.models import Job as Told
from support.users import FINAL, Accepted, Dataset, Job
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from support.deployment import Deployment


@dataclass
class Kept:
    """What was found: all three are empty where every promise was kept."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong)


def settle(deployment: Deployment, *, seconds: float = 240) -> None:
    """Wait until nothing is left to do: no delivery is pending, no run and no trainer lives."""

    def left() -> str:
        with deployment.db.read() as session:
            pending = session.execute(
                select(Delivery.queue, func.count()).where(Delivery.state == PENDING).group_by(Delivery.queue)
            ).all()
            runs = session.scalar(select(func.count()).where(Run.state != ENDED))
        trainers = deployment.trainers()
        return (
            f"{dict(map(tuple, pending))} pending, {runs} runs, {len(trainers)} trainers"
            if (pending or runs or trainers)
            else ""
        )

    last = [""]

    def quiet() -> bool:
        last[0] = left()
        return not last[0]

    try:
        until(quiet, "everything to settle", seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last[0]}") from None


def look(deployment: Deployment, accepted: Accepted, *, dead: int = 0) -> Kept:
    """Check every promise of a settled deployment.

    Args:
        deployment: What was broken.
        accepted: What it has answered 201 to.
        dead: Deliveries that were made to end dead.
    """
    kept = Kept()
    # What the cleaner does after UNFINISHED_HOURS: a process that was killed amid a write has left half a file
    FileStore(deployment.data.objects).drop_unfinished(now())
    with deployment.db.read() as session:
        _deliveries(session, kept, dead)
        for dataset in accepted.datasets:
            _dataset(session, deployment.data.objects, dataset, kept)
        promised = {job.id: job for job in accepted.jobs}
        rows = {job.id: job for job in session.scalars(select(JobRow))}
        kept.lost += [f"job {job_id} is unknown" for job_id in promised.keys() - rows.keys()]
        for row in rows.values():
            notes = _notes(deployment.ledger, row.id)
            _job(session, row, promised.get(row.id), notes, kept)
            _points(session, row.id, notes, kept)
            _processes(row.id, notes, kept)
    return kept


def _deliveries(session: Session, kept: Kept, dead: int) -> None:
    states = Counter(session.scalars(select(Delivery.state)))
    if ended_badly := states.total() - states[HANDLED] - dead:
        kept.lost.append(f"{ended_badly} deliveries were not handled: {dict(states)}")


def _events(session: Session, name: str, **of: Any) -> int:
    envelopes = session.scalars(
        select(EventRow.envelope).where(EventRow.envelope["event"].as_string() == name)
    )
    return sum(all(envelope["data"][key] == value for key, value in of.items()) for envelope in envelopes)


def _dataset(session: Session, objects: Path, dataset: Dataset, kept: Kept) -> None:
    row = session.get(DatasetRow, dataset.id)
    if row is None:
        kept.lost.append(f"data set {dataset.id} is unknown")
        return
    if row.state not in dataset.ends:
        kept.lost.append(f"data set {dataset.id} is {row.state}: {row.schema_reason or row.staging_reason}")
    if row.state != "ready":
        return
    for name in ("dataset.staged.v1", "dataset.schema_detected.v1"):
        if (times := _events(session, name, dataset_id=dataset.id)) != 1:
            kept.duplicated.append(f"{name} of {dataset.id} was told {times} times")
    stored = {
        path.relative_to(objects).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (objects / "datasets" / dataset.id).rglob("*")
        if path.is_file() and path.name != "schema.json"
    }
    kept.lost += [
        f"{key} was not stored as sent" for key in dataset.sent if stored.get(key) != dataset.sent[key]
    ]
    kept.wrong += [f"{key} was left behind" for key in stored.keys() - dataset.sent.keys()]


def _job(
    session: Session, row: JobRow, promised: Job | None, notes: list[dict[str, Any]], kept: Kept
) -> None:
    steps = session.scalars(select(JobStep).where(JobStep.job_id == row.id).order_by(JobStep.id)).all()
    if row.state not in FINAL:
        kept.lost.append(f"job {row.id} is still {row.state}")
        return
    promises = promised.ends if promised else {}
    for attempt in range(1, row.attempt + 1):
        what = f"job {row.id}, attempt {attempt}"
        ends = [step for step in steps if step.attempt == attempt and step.state in FINAL]
        if len(ends) > 1:
            kept.duplicated.append(f"{what} has {len(ends)} ends")
        elif not ends and (attempt == row.attempt or attempt in promises):
            kept.lost.append(f"{what} has no end")
        elif ends:
            said = [note["final"] for note in notes if note["attempt"] == attempt and note.get("final")]
            _end(what, ends[0], promises.get(attempt), said, kept)
            _same_elsewhere(session, row.id, attempt, ends[0].state, kept)
    if row.state == "succeeded" and (row.reason or not row.metrics):
        kept.wrong.append(f"job {row.id} succeeded with {row.metrics} and the reason {row.reason!r}")


def _end(what: str, end: JobStep, promised: frozenset[str] | None, said: list[str], kept: Kept) -> None:
    if promised and end.state not in promised:
        kept.wrong.append(f"{what} {end.state}: {end.reason}")
    if end.state != "succeeded" and not end.reason:
        kept.wrong.append(f"{what} {end.state} without a reason")
    if said and end.state != said[0]:
        kept.wrong.append(f"{what} {end.state}, but its trainer's acknowledged end was {said[0]}")


def _same_elsewhere(session: Session, job_id: str, attempt: int, state: str, kept: Kept) -> None:
    """Launcher and metrics know an attempt at most once, and its end as the api does."""
    runs = session.scalars(select(Run).where(Run.job_id == job_id, Run.attempt == attempt)).all()
    if len(runs) > 1:
        kept.duplicated.append(f"job {job_id}, attempt {attempt} has {len(runs)} runs")
    kept.lost += [f"the run of job {job_id} is {run.state}" for run in runs if run.state != ENDED]
    told = [
        json.loads(data)["state"]
        for data in session.scalars(
            select(Item.data).where(Item.job_id == job_id, Item.attempt == attempt, Item.kind == "state")
        )
    ]
    ends = [name for name in told if name in FINAL]
    if runs and ends != [state]:
        kept.wrong.append(
            f"viewers of job {job_id}, attempt {attempt} were told {ends}, the api says {state}"
        )


def _points(session: Session, job_id: str, notes: list[dict[str, Any]], kept: Kept) -> None:
    stored = session.execute(
        select(Item.seq, Item.identity).where(Item.job_id == job_id).order_by(Item.seq)
    ).all()
    identities = Counter(identity for _, identity in stored)
    job = session.get(Told, job_id)
    if [seq for seq, _ in stored] != list(range(1, (job.last_seq if job else 0) + 1)):
        kept.lost.append(f"the items of job {job_id} are not numbered 1, 2, 3, …")
    kept.duplicated += [f"{identity} of job {job_id}" for identity, times in identities.items() if times > 1]
    acknowledged = {
        f"p:{note['attempt']}:{split}:{step}:{seq}"
        for note in notes
        for split, step, seq in note.get("points", ())
    }
    kept.lost += [f"{identity} of job {job_id}" for identity in acknowledged - identities.keys()]


def _processes(job_id: str, notes: list[dict[str, Any]], kept: Kept) -> None:
    starts = Counter(note["attempt"] for note in notes if note["what"] == "start")
    kept.duplicated += [
        f"job {job_id}, attempt {attempt} was started {times} times"
        for attempt, times in starts.items()
        if times > 1
    ]
    if any(note["what"] == "overlap" for note in notes):
        kept.duplicated.append(f"job {job_id} had two live processes")


def _notes(ledger: Path, job_id: str) -> list[dict[str, Any]]:
    path = ledger / f"{job_id}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines(kept: Kept) -> Iterator[str]:
    """Give what was found, for a failing test to show."""
    for name in ("lost", "duplicated", "wrong"):
        yield from (f"{name}: {text}" for text in getattr(kept, name))
