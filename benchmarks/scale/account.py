"""What has become of every job, by the database and by the simulator's own record, and how long each step took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select

from contracts.events import JobLaunched
from runtime.outbox import HANDLED, PENDING, Delivery, EventRow
from services.api.models import Job
from services.launcher.models import WAITING, Run
from services.launcher.runs import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from runtime.db import Database

_FINAL = {"succeeded", "failed", "cancelled", "timed_out"}


@dataclass
class Account:
    """Jobs by what went wrong with them, one line for each; empty lists are what is promised."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    waiting: int = 0  # in the queue for room, when it was looked
    under_way: int = 0  # something about them was still to be heard of or to be looked at
    ended: int = 0
    asked_again: int = 0  # launches asked for more than once, which started nothing


@dataclass(frozen=True)
class Snapshot:
    """What the platform knows at one moment: states of jobs, the launcher's runs, events told, and those not handled yet."""

    states: Mapping[str, str]
    runs: Sequence[Any]
    told: Sequence[Mapping[str, Any]]
    unheard: Sequence[Mapping[str, Any]]


def snapshot(db: Database) -> Snapshot:
    """Read it in one transaction that sees nothing of what services go on to do: else a run would be missed that begins meanwhile."""
    with db.read() as session:
        if db.engine.dialect.name == "postgresql":  # SQLite's readers see one moment anyway
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        pending = select(EventRow.envelope).join(Delivery).where(Delivery.state == PENDING)
        return Snapshot(
            dict(session.execute(select(Job.id, Job.state)).all()),
            session.execute(select(Run.job_id, Run.attempt, Run.state, Run.handle)).all(),
            session.scalars(select(EventRow.envelope)).all(),
            session.scalars(pending).all(),
        )


def balance(known: Snapshot, created: Collection[str], containers: Sequence[Mapping[str, Any]]) -> Account:
    """Compare what the api has promised, what the launcher has noted and what the provider has started.

    Args:
        known: What the platform knows.
        created: Ids of the jobs that were answered with 201 and start.
        containers: The simulator's record of them, of a later moment than the snapshot.
    """
    account = Account(asked_again=sum(each["asked"] - 1 for each in containers))
    started = Counter((each["job_id"], each["attempt"]) for each in containers)
    over = {each["job_id"] for each in containers if each["ended_at"] is not None}
    states, runs = known.states, known.runs
    waiting = {run.job_id for run in runs if run.state == WAITING}
    launched = Counter(
        (envelope["data"]["job_id"], envelope["data"]["attempt"])
        for envelope in known.told
        if envelope["event"] == JobLaunched.NAME
    )
    begun = {job_id for job_id, _ in started}
    # What somebody still has to hear of or look at is not lost, wherever a run was cut off
    under_way = {envelope["data"].get("job_id") for envelope in known.unheard}
    under_way |= {run.job_id for run in runs if run.state in ACTIVE}
    for job_id in created:
        if job_id not in states:
            account.lost.append(f"{job_id}: answered with 201, and not in the database")
        elif job_id in under_way:
            account.under_way += 1
        elif job_id not in begun and job_id not in waiting:
            account.lost.append(f"{job_id}: neither started nor waiting; the api says {states[job_id]}")
        elif job_id in over and states[job_id] not in _FINAL:
            account.lost.append(f"{job_id}: its container has ended; the api says {states[job_id]}")
    handles = {each["handle"] for each in containers}
    account.lost += [
        f"{run.job_id}: launched as {run.handle}, which was never started"
        for run in runs
        if run.handle is not None and run.handle not in handles
    ]
    account.duplicated += _several("started", started) + _several("told to be launched", launched)
    account.waiting = len(waiting)
    account.ended = sum(state in _FINAL for state in states.values())
    return account


def _several(what: str, counts: Mapping[tuple[str, int], int]) -> list[str]:
    return [
        f"{job_id}, attempt {attempt}: {what} {number} times"
        for (job_id, attempt), number in counts.items()
        if number > 1
    ]


def launch_waits(db: Database) -> list[tuple[float, float]]:
    """Give, for each job that was launched, when (Unix seconds), and how long after it was made; in that order."""
    query = select(Job.created_at, Run.launched_at).join(Run, Run.job_id == Job.id)
    with db.read() as session:
        rows = session.execute(query.where(Run.launched_at.is_not(None), Run.attempt == 1))
        return sorted((at.timestamp(), (at - made).total_seconds()) for made, at in rows)


@dataclass(frozen=True)
class Queue:
    """What came through one queue: for each event that was handled, when (Unix seconds) and how old it was, and how many wait."""

    handled: list[tuple[float, float]]
    pending: int


def queues(db: Database) -> dict[str, Queue]:
    """Look at every queue that anything came through."""
    query = select(Delivery.queue, Delivery.state, Delivery.handled_at, EventRow.created_at).join(EventRow)
    handled: dict[str, list[tuple[float, float]]] = {}
    pending: Counter[str] = Counter()
    with db.read() as session:
        for queue, state, at, emitted_at in session.execute(query):
            if state == HANDLED:
                handled.setdefault(queue, []).append((at, at - emitted_at))
            else:
                pending[queue] += 1
    return {name: Queue(handled.get(name, []), pending[name]) for name in sorted({*handled, *pending})}


def is_over(db: Database) -> bool:
    """Tell whether every job has ended, and nothing is left to be handled."""
    with db.read() as session:
        going_on = session.scalar(select(exists().where(Job.state.not_in(_FINAL))))
        pending = session.scalar(select(exists().where(Delivery.state == PENDING)))
    return not going_on and not pending


def percentiles(values: Iterable[float], *shares: float) -> list[float]:
    """Give, for each share, the least value that at least this share of all do not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return [0.0] * len(shares)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in shares]
