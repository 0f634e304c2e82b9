"""Changes of a run's row. Each is safe while other launchers and handlers change it too: it locks the row or compares and sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased, defer

from runtime import locks, log
from runtime.db import now, unix_now
from services.launcher.models import ENDED, LAUNCHING, RUNNING, STOPPING, WAITING, Run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.orm import Session

    from contracts.events import JobLaunchRequested, JobSilent

ACTIVE = (LAUNCHING, RUNNING, STOPPING)
LAUNCHED = (RUNNING, STOPPING)
# Only a launch needs it, and a table of thousands of columns makes it some hundred kB
WITHOUT_SPEC = defer(Run.spec)


def request(session: Session, event: JobLaunchRequested) -> None:
    """Queue an attempt; a repeat, or one cancelled before it got here, changes nothing."""
    if locked(session, event.job_id, event.attempt) is None:
        add(
            session,
            Run(
                job_id=event.job_id,
                attempt=event.attempt,
                spec=event.spec,
                cpus=event.cpus,
                memory_mb=event.memory_mb,
                max_seconds=event.max_seconds,
                ran_seconds=event.ran_seconds,
                max_idle_seconds=event.max_idle_seconds,
                due_at=unix_now() + event.delay_seconds,
                correlation=log.context(),
            ),
        )


def add(session: Session, run: Run) -> Run:
    """Add an attempt's row, or give the one that another transaction has added since we looked, locked."""
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError:
        pass  # a launch and its cancellation were asked for at the same moment
    return session.scalars(_to_change(run.job_id, run.attempt)).one()


def locked(session: Session, job_id: str, attempt: int) -> Run | None:
    """Give an attempt's row, which nobody else changes until this transaction ends; None where there is none."""
    return session.scalars(_to_change(job_id, attempt)).first()


def _to_change(job_id: str, attempt: int) -> Select[Run]:
    query = select(Run).where(Run.job_id == job_id, Run.attempt == attempt)
    return query.with_for_update().execution_options(populate_existing=True)


def claim(session: Session, launcher: str, *, max_running: int, seconds: float) -> tuple[Run | None, bool]:
    """Take the oldest run that may start now: one whose launch broke off, else a waiting one where there is room.

    A job whose earlier attempt still has a process waits for that to go. A launch that broke off keeps its number: it may
    have started something, which only the same launch finds again.

    Args:
        session: A write transaction.
        launcher: Name of the claimer's back end.
        max_running: The most runs of that back end at a time, over all launchers.
        seconds: How long nobody else will take it.

    Returns:
        The run, if there is one, and whether its launch broke off.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": locks.SLOTS})
    clock = unix_now()
    taken = session.scalar(
        select(func.count()).where(Run.launcher == launcher, Run.state.in_(ACTIVE), Run.gone_at.is_(None))
    )
    # One query for each kind: over both at once, every run that waits would be read and sorted for each that starts
    found = _oldest(session, Run.state == LAUNCHING, Run.launcher == launcher, Run.due_at < clock)
    if found is None and (taken or 0) < max_running:
        other = aliased(Run)
        # Most are first attempts; and PostgreSQL, which would join all that wait, looks at one after another with this or
        free = or_(Run.attempt == 1, ~exists().where(other.job_id == Run.job_id, other.state.in_(ACTIVE)))
        found = _oldest(session, Run.state == WAITING, Run.due_at <= clock, free)
    if found is None:
        return None, False
    in_doubt = found.state == LAUNCHING
    run = session.scalars(
        update(Run)
        .where(Run.id == found.id, Run.state == found.state, Run.due_at == found.due_at)
        .values(
            state=LAUNCHING,
            launcher=launcher,
            due_at=clock + seconds,
            launch_tries=Run.launch_tries + (0 if in_doubt else 1),
            first_tried_at=func.coalesce(Run.first_tried_at, clock),
        )
        .returning(Run)
    ).first()
    return run, in_doubt


def _oldest(session: Session, *conditions: ColumnElement[bool]) -> Row[int, str, float] | None:
    query = select(Run.id, Run.state, Run.due_at).where(*conditions)
    return session.execute(query.order_by(Run.requested_at, Run.id).limit(1)).first()


def launched(session: Session, run: Run, handle: str) -> bool:
    """Note that a run has a process or container; False where someone else has noted it."""
    changed = session.execute(
        update(Run)
        .where(Run.id == run.id, Run.state == LAUNCHING)
        .values(state=RUNNING, handle=handle, launched_at=now(), reason=None)
        .returning(Run.id)
    )
    return changed.first() is not None


def postpone(run: Run, seconds: float, reason: str, *, in_doubt: bool) -> None:
    """Have a run, whose row is locked, launched again later.

    One that may have been started stays in a launcher's hands: it cannot just be dropped, and no other attempt may begin.
    """
    run.state = LAUNCHING if in_doubt else WAITING
    run.due_at = unix_now() + seconds
    run.reason = reason


def note_silence(run: Run, event: JobSilent) -> None:
    """Keep the latest that was told of the silence of a run whose row is locked, in whatever order it comes."""
    if event.until.timestamp() > run.silent_until:
        run.silent_since, run.silent_until = event.since.timestamp(), event.until.timestamp()
        run.everyone_silent = event.everyone


def end(run: Run, exit_code: int | None = None, reason: str | None = None) -> None:
    """End a run whose row is locked."""
    run.state = ENDED
    run.ended_at = now()
    run.exit_code = exit_code
    run.reason = reason


def reopen(run: Run, reason: str) -> None:
    """Have an ended run, whose row is locked and which turns out to live, stopped; its end was told, and no other attempt starts before."""
    run.state, run.stop_reason = STOPPING, reason
    run.ended_at = run.gone_at = None


def with_spec(session: Session, launcher: str) -> Sequence[Run]:
    """Give the runs that a back end has started and that have not ended, with their specs."""
    query = select(Run).where(Run.launcher == launcher, Run.state.in_(LAUNCHED))
    return session.scalars(query.order_by(Run.id)).all()


def with_process(session: Session, launcher: str, handles: Collection[str] | None = None) -> Sequence[Run]:
    """Give the runs that a back end was told to start and that have not ended; all, or those of some handles."""
    query = select(Run).where(Run.launcher == launcher, Run.state.in_(LAUNCHED)).options(WITHOUT_SPEC)
    if handles is not None:
        query = query.where(Run.handle.in_(handles))
    return session.scalars(query.order_by(Run.id)).all()


def strays(session: Session, launcher: str, handles: Collection[str] | None = None) -> Sequence[Run]:
    """Give the runs of a back end that ended while it did not know them, for as long as they are looked for."""
    query = select(Run).where(Run.launcher == launcher, Run.state == ENDED, Run.stray_until > unix_now())
    if handles is not None:
        query = query.where(Run.handle.in_(handles))
    return session.scalars(query.options(WITHOUT_SPEC).order_by(Run.id)).all()


def of_others(session: Session, launcher: str) -> dict[str, int]:
    """Count the runs that have not ended and that other back ends than this one have started, by their names."""
    query = select(Run.launcher, func.count()).where(Run.state.in_(ACTIVE), Run.launcher != launcher)
    return {name: count for name, count in session.execute(query.group_by(Run.launcher)) if name}
