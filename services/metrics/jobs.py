"""A job's row and its numbered items: the lock, the attempt, the state, and numbers without a gap.

Every function works inside the caller's write transaction, and everything about a job happens under the lock of its
row (the single writer on SQLite). So a number is visible only when all lower ones are, and a reader that has seen
number n has missed nothing before it.

Statements are made once and name tables, not mapped classes: a session's bookkeeping for each row took a callback four
times as long as its statements (docs/adr/0026-group-commit.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from runtime.db import now
from services.metrics import items
from services.metrics.models import Item, Job

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table
    from sqlalchemy.orm import Session

    from services.metrics.items import Draft, Numbered

_MOST_PARAMETERS = 10_000  # of one statement; SQLite takes some 32,000


@dataclass(slots=True)
class LockedJob:
    """A job's row, by `models.Job`'s columns, while its lock is held. What is changed here, `append` writes back."""

    job_id: str
    attempt: int
    state: str
    reason: str
    launched: bool
    last_seq: int
    heartbeat: str | None
    last_seen: datetime | None
    silence_told_at: datetime | None
    ended_at: datetime | None
    _read: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._read = self._seldom()

    def is_only_heard(self) -> bool:
        """Tell whether nothing has changed but what each callback changes."""
        return self._read == self._seldom()

    def _seldom(self) -> tuple[object, ...]:
        return (
            self.attempt,
            self.state,
            self.reason,
            self.launched,
            self.silence_told_at,
            self.ended_at,
        )


_COLUMNS = [column.name for column in fields(LockedJob) if column.init]
_OFTEN = ["last_seq", "heartbeat", "last_seen"]  # changed by each callback; no index holds them
_JOBS: Table = Job.__table__  # type: ignore[assignment]  # SQLAlchemy types __table__ as FromClause
_ITEMS: Table = Item.__table__  # type: ignore[assignment]  # as above
_LOCK = (
    select(*(_JOBS.c[name] for name in _COLUMNS))
    .where(_JOBS.c.job_id.in_(bindparam("job_ids", expanding=True)))
    .order_by(_JOBS.c.job_id)
    .with_for_update()
)
_SAVE_JOB = update(_JOBS).where(_JOBS.c.job_id == bindparam("of_job"))
_SAVE = _SAVE_JOB.values({name: bindparam(name) for name in _COLUMNS if name != "job_id"})
# SQLite writes the index of a column that is set, even to what it was: a page more for the disk to wait for
_SAVE_HEARD = _SAVE_JOB.values({name: bindparam(name) for name in _OFTEN})
_KNOWN = select(_ITEMS.c.job_id, _ITEMS.c.identity).where(
    _ITEMS.c.job_id.in_(bindparam("job_ids", expanding=True)),
    _ITEMS.c.identity.in_(bindparam("identities", expanding=True)),
)
_TAKE_BACK = delete(_ITEMS).where(_ITEMS.c.job_id == bindparam("of_job"), _ITEMS.c.seq > bindparam("last"))
# By SQLAlchemy's name of the dialect: `insert` of all dialects has no ON CONFLICT
_MAKE = {
    "sqlite": sqlite.insert(_JOBS).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_JOBS).on_conflict_do_nothing(),
}
_IDENTITY = ["job_id", "identity"]
_ADD = {
    "sqlite": sqlite.insert(_ITEMS).on_conflict_do_nothing(index_elements=_IDENTITY),
    "postgresql": postgresql.insert(_ITEMS).on_conflict_do_nothing(index_elements=_IDENTITY),
}


def find(session: Session, job_id: str) -> LockedJob | None:
    """Take the lock of a job that is known."""
    return _found(session, [job_id]).get(job_id)


def lock(session: Session, job_id: str) -> LockedJob:
    """Take the lock of a job, whose row is made where it is new."""
    return lock_all(session, [job_id])[job_id]


def lock_all(session: Session, job_ids: Iterable[str]) -> dict[str, LockedJob]:
    """Take the locks of several jobs, always in the same order, so that two transactions never wait for each other."""
    wanted = sorted(set(job_ids))
    found = _found(session, wanted)
    return {job_id: found.get(job_id) or _made(session, job_id) for job_id in wanted}


def begin_attempt(job: LockedJob, attempt: int) -> bool:
    """Make an attempt the present one.

    Returns:
        Whether it is newer than all before.
    """
    if attempt <= job.attempt or job.state == items.DELETED:
        return False
    job.attempt = attempt
    job.state, job.reason, job.ended_at, job.heartbeat = items.QUEUED, "", None, None
    job.last_seen = job.silence_told_at = None
    return True


def has_ended(job: LockedJob) -> bool:
    """Tell whether the present attempt is over; the first end counts."""
    return job.state in items.OVER


def move(job: LockedJob, state: str, reason: str = "", metrics: Mapping[str, float] | None = None) -> Draft:
    """Set the present attempt's state and draft the item that tells it."""
    at = now()
    # PostgreSQL refuses NUL in text
    reason = reason.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    job.state, job.reason = state, reason
    if state in items.TERMINAL:
        job.ended_at = at
    return items.state(job.attempt, state, at, reason, metrics)


def append(session: Session, job: LockedJob, drafts: Sequence[Draft]) -> list[Numbered]:
    """Number and store the drafts whose identity is new, a repeat takes no number, and write the job's row back.

    Args:
        session: The transaction that holds the job's lock.
        job: The job.
        drafts: In the order in which they shall be numbered.

    Returns:
        What was new.
    """
    return append_all(session, [(job, drafts)])[0]


def append_all(session: Session, batch: Sequence[tuple[LockedJob, Sequence[Draft]]]) -> list[list[Numbered]]:
    """Do what `append` does for several jobs, in as many statements as for one."""
    if not batch:
        return []
    connection = session.connection()
    told = [_numbered(job, drafts) for job, drafts in batch]
    # Repeats are rare, so they are looked up only where fewer rows went in than were sent
    if not _add(connection, batch, told):
        # What went in beside the repeats has numbers with gaps, which nobody has seen
        connection.execute(_TAKE_BACK, [{"of_job": job.job_id, "last": job.last_seq} for job, _ in batch])
        known = _known(connection, batch)
        told = [_numbered(job, drafts, known) for job, drafts in batch]
        _add(connection, batch, told)
    for (job, _), new in zip(batch, told, strict=True):
        job.last_seq += len(new)
    heard = all(job.is_only_heard() for job, _ in batch)
    names = _OFTEN if heard else _COLUMNS[1:]
    rows = [{"of_job": job.job_id, **{name: getattr(job, name) for name in names}} for job, _ in batch]
    connection.execute(_SAVE_HEARD if heard else _SAVE, rows)
    return [list(new.values()) for new in told]


def _found(session: Session, job_ids: Sequence[str]) -> dict[str, LockedJob]:
    rows = session.connection().execute(_LOCK, {"job_ids": job_ids})
    return {row.job_id: LockedJob(*row) for row in rows}


def _made(session: Session, job_id: str) -> LockedJob:
    connection = session.connection()
    connection.execute(_MAKE[connection.dialect.name], {"job_id": job_id})
    return _found(session, [job_id])[job_id]


def _numbered(
    job: LockedJob, drafts: Sequence[Draft], known: Container[tuple[str, str]] = ()
) -> dict[str, Numbered]:
    """Number the drafts whose identities are not known, by identity; of two with one identity the first counts."""
    fresh: dict[str, Draft] = {}
    for draft in drafts:
        if (job.job_id, draft.identity) not in known:
            fresh.setdefault(draft.identity, draft)
    return {
        identity: items.Numbered(seq, draft.kind, draft.attempt, draft.at, draft.data)
        for seq, (identity, draft) in enumerate(fresh.items(), job.last_seq + 1)
    }


def _add(
    connection: Connection,
    batch: Sequence[tuple[LockedJob, Sequence[Draft]]],
    told: Sequence[Mapping[str, Numbered]],
) -> bool:
    """Insert items but those whose identity is stored; tell whether all went in."""
    rows = [
        _item_row(job, identity, item)
        for (job, _), new in zip(batch, told, strict=True)
        for identity, item in new.items()
    ]
    return not rows or connection.execute(_ADD[connection.dialect.name], rows).rowcount == len(rows)


def _known(
    connection: Connection, batch: Sequence[tuple[LockedJob, Sequence[Draft]]]
) -> set[tuple[str, str]]:
    """Find which (job, identity) are stored already. Of several jobs' identities every pair is looked up: they are few."""
    identities = sorted({draft.identity for _, drafts in batch for draft in drafts})
    job_ids = [job.job_id for job, _ in batch]
    known: set[tuple[str, str]] = set()
    for begin in range(0, len(identities), _MOST_PARAMETERS):
        those = identities[begin : begin + _MOST_PARAMETERS]
        stored = connection.execute(_KNOWN, {"job_ids": job_ids, "identities": those})
        known.update((row.job_id, row.identity) for row in stored)
    return known


def _item_row(job: LockedJob, identity: str, item: Numbered) -> dict[str, object]:
    return {
        "job_id": job.job_id,
        "seq": item.seq,
        "identity": identity,
        "kind": item.kind,
        "attempt": item.attempt,
        "at": item.at,
        "data": item.data,
    }
