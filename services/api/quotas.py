"""What the platform takes on at a time: every limit on how much, counted where no parallel request can pass it.

A limit is counted in the transaction that adds to it, after a lock that all such transactions take first, so that each sees
what the one before committed. Everything is counted from rows, by `_count` and `_bytes`: no counter can drift. A request's sessions
see the rows of its workspace alone, so that each workspace has the limits for itself.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text
from werkzeug.exceptions import RequestEntityTooLarge, TooManyRequests

from contracts.topology import TOPOLOGY
from runtime import locks
from runtime.db import now
from runtime.web import InsufficientStorage
from services.api.job_states import LIVE
from services.api.models import Dataset, Job, OpenUpload

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import DeclarativeBase, Session

    from runtime.db import Database
    from runtime.pending import Backlog
    from services.api.settings import ApiSettings

_SOONEST, _LATEST = 5, 3600  # seconds that a Retry-After may name
_OF_LATE = timedelta(hours=1)


class OverLimit(TooManyRequests):
    """A limit on number is reached (RFC 6585, 429)."""

    def __init__(self, detail: str, *, limit: dict[str, Any], retry_after: float) -> None:
        """Take the words, the limit for machines, and an estimate of when there is room."""
        super().__init__(detail, retry_after=round(min(max(retry_after, _SOONEST), _LATEST)))
        self.members = {"limit": limit}


class OutOfRoom(InsufficientStorage):
    """The limit on bytes is reached: 507, as RFC 4331 has it for quotas, and no Retry-After.

    RFC 4918 forbids to repeat such a request unless a person asks again, and only a deletion helps.
    """

    def __init__(self, detail: str, limit: dict[str, Any]) -> None:
        super().__init__(detail)
        self.members = {"limit": limit}


@dataclass(frozen=True)
class Figure:
    """One limit as it stands.

    Attributes:
        setting: The variable that sets it.
        counts: What it counts.
        most: The most allowed; 0: no limit.
        used: How much there is.
    """

    setting: str
    counts: str
    most: int
    used: int


class Quotas:
    """The limits, over the database. Methods named `admit` pass or raise, and take the transaction that is to add."""

    def __init__(self, db: Database, backlog: Backlog, settings: ApiSettings) -> None:
        self._db = db
        self._backlog = backlog
        self._settings = settings

    def admit_event(self, event: str) -> None:
        """Refuse what would lengthen a queue that is too long already.

        Not exact: what comes within a second of the last look is let through.

        Args:
            event: Name of the event that the request would emit.

        Raises:
            OverLimit: A queue that hears of it has more than MAX_QUEUED deliveries waiting.
        """
        most = self._settings.max_queued
        for queue in TOPOLOGY[event] if most else ():
            pending = self._backlog.pending(queue)
            if pending < most:
                continue
            seconds = self._backlog.seconds_until(queue, most - 1)
            tells = "it gets no shorter now" if seconds is None else f"it should be shorter in {seconds} s"
            raise OverLimit(
                f"{pending} messages wait in the queue {queue}, and from {most} on (MAX_QUEUED) nothing is added; {tells}. "
                "Nothing was changed; try again later.",
                limit={"setting": "MAX_QUEUED", "most": most, "used": pending},
                retry_after=30 if seconds is None else seconds,
            )

    def admit_upload(self, session: Session, length: int) -> None:
        """Let one more upload in chunks begin; what it will need is counted from now on.

        Raises:
            OverLimit: Too many are under way, or there are too many data sets.
            OutOfRoom: There is no room for so many bytes.
            RequestEntityTooLarge: There never is.
        """
        _lock(session)
        most = self._settings.max_open_uploads
        if most and (used := _count(session, OpenUpload, *_open())) >= most:
            raise OverLimit(
                f"{used} uploads are under way, and {most} is the most allowed (MAX_OPEN_UPLOADS); "
                "finish or cancel one of them, or wait.",
                limit={"setting": "MAX_OPEN_UPLOADS", "most": most, "used": used},
                retry_after=_seconds_to_next_end(session),
            )
        self._admit_dataset(session, length)

    def admit_dataset(self, session: Session, size: int, upload_id: str) -> None:
        """Let one more data set be made.

        Args:
            session: The transaction that will add it.
            size: Its bytes.
            upload_id: Of the upload in chunks that it is made of, if any: it is not counted beside it.

        Raises:
            OverLimit: There are too many.
            OutOfRoom: There is no room for so many bytes.
            RequestEntityTooLarge: There never is.
        """
        _lock(session)
        self._admit_dataset(session, size, OpenUpload.id != upload_id)

    def _admit_dataset(self, session: Session, size: int, *others: ColumnElement[bool]) -> None:
        most = self._settings.quota_datasets
        used = _datasets(session, *others) if most else 0
        if most and used >= most:
            raise OverLimit(
                f"There are {used} data sets, uploads under way among them, and {most} is the most allowed (QUOTA_DATASETS); "
                "delete one that is no longer needed. Waiting alone does not help.",
                limit={"setting": "QUOTA_DATASETS", "most": most, "used": used},
                retry_after=_LATEST,
            )
        most = self._settings.quota_bytes
        if not most:
            return
        if size > most:
            raise RequestEntityTooLarge(
                description=f"The upload has {size} bytes; all data sets together may have {most} (QUOTA_BYTES)."
            )
        used = _bytes(session, *others)
        if used + size > most:
            raise OutOfRoom(
                f"The upload has {size} bytes; data sets and uploads under way have {used} of the {most} bytes allowed "
                "(QUOTA_BYTES). Delete data sets that are no longer needed, or cancel uploads, and try again.",
                {"setting": "QUOTA_BYTES", "most": most, "used": used},
            )

    def admit_created_job(self, session: Session) -> None:
        """Let one more job be made that is not started.

        Raises:
            OverLimit: Too many wait for their start.
        """
        _lock(session)
        most = self._settings.quota_created_jobs
        if not most or (used := _created_jobs(session)) < most:
            return
        raise OverLimit(
            f"{used} jobs are made and not started, and {most} is the most allowed (QUOTA_CREATED_JOBS); start or cancel "
            "some. Waiting alone does not help.",
            limit={"setting": "QUOTA_CREATED_JOBS", "most": most, "used": used},
            retry_after=_LATEST,
        )

    def admit_job(self, session: Session, job: Job) -> None:
        """Let one more job queue or run; one that does already passes, so that starting it again changes nothing.

        Raises:
            OverLimit: Too many do.
        """
        _lock(session)
        session.refresh(job)
        most = self._settings.quota_active_jobs
        if not most or job.state in LIVE:
            return
        used = _active_jobs(session)
        if used < most:
            return
        ended = _count(session, Job, Job.finished_at > now() - _OF_LATE)
        raise OverLimit(
            f"{used} jobs are queued or running, and {most} is the most allowed (QUOTA_ACTIVE_JOBS); cancel one, or wait "
            f"until one ends. {ended} ended within the last hour.",
            limit={"setting": "QUOTA_ACTIVE_JOBS", "most": most, "used": used},
            retry_after=_OF_LATE.total_seconds() / ended if ended else _LATEST,
        )

    def admit_bytes(self, length: int) -> None:
        """Refuse bytes that the spool's disk would have too little room left after (MIN_FREE_BYTES).

        Raises:
            InsufficientStorage: As said.
        """
        free = shutil.disk_usage(self._settings.spool_dir).free
        room = max(free - self._settings.min_free_bytes, 0)
        if length > room:
            raise InsufficientStorage(
                f"{length} bytes are to come; the server has room for {room}, "
                f"since {self._settings.min_free_bytes} of its {free} free bytes stay free (MIN_FREE_BYTES)."
            )

    def figures(self) -> list[Figure]:
        """Give every limit as it stands."""
        settings = self._settings
        with self._db.read() as session:
            figures = [
                Figure(
                    "QUOTA_ACTIVE_JOBS",
                    "jobs queued or running",
                    settings.quota_active_jobs,
                    _active_jobs(session),
                ),
                Figure(
                    "QUOTA_CREATED_JOBS",
                    "jobs made and not started",
                    settings.quota_created_jobs,
                    _created_jobs(session),
                ),
                Figure(
                    "QUOTA_DATASETS",
                    "data sets, and uploads under way",
                    settings.quota_datasets,
                    _datasets(session),
                ),
                Figure("QUOTA_BYTES", "bytes of these", settings.quota_bytes, _bytes(session)),
                Figure(
                    "MAX_OPEN_UPLOADS",
                    "uploads under way",
                    settings.max_open_uploads,
                    _count(session, OpenUpload, *_open()),
                ),
            ]
        queues = sorted({queue for hearing in TOPOLOGY.values() for queue in hearing})
        return figures + [
            Figure(
                "MAX_QUEUED",
                f"messages in the queue {queue}",
                settings.max_queued,
                self._backlog.pending(queue),
            )
            for queue in queues
        ]


def _lock(session: Session) -> None:
    """Let no other transaction count until this one has ended. SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": locks.QUOTAS})


def _open() -> tuple[ColumnElement[bool], ...]:
    return OpenUpload.state == "open", OpenUpload.expires_at > now()


def _active_jobs(session: Session) -> int:
    return _count(session, Job, Job.state.in_(LIVE))


def _created_jobs(session: Session) -> int:
    return _count(session, Job, Job.state == "created")


def _datasets(session: Session, *others: ColumnElement[bool]) -> int:
    return _count(session, Dataset) + _count(session, OpenUpload, *_open(), *others)


def _bytes(session: Session, *others: ColumnElement[bool]) -> int:
    """Add up data sets, and uploads under way by what they will have."""
    # ix_api_datasets_bytes alone is read: some 20 bytes a data set
    stored = session.scalar(select(func.sum(Dataset.table_bytes + Dataset.file_bytes)))
    coming = session.scalar(select(func.sum(OpenUpload.length)).where(*_open(), *others))
    return int(stored or 0) + int(coming or 0)


def _count(session: Session, what: type[DeclarativeBase], *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(what).where(*conditions)) or 0


def _seconds_to_next_end(session: Session) -> float:
    """Estimate when the first upload under way has all its bytes, each at its rate so far; else when the first expires."""
    clock = now()
    uploads = session.scalars(select(OpenUpload).where(*_open())).all()
    return min((_seconds_to_end(upload, clock) for upload in uploads), default=_SOONEST)


def _seconds_to_end(upload: OpenUpload, clock: datetime) -> float:
    to_expiry = (upload.expires_at - clock).total_seconds()
    if not upload.offset:
        return to_expiry
    took = (clock - upload.created_at).total_seconds()
    return min(to_expiry, took * (upload.length - upload.offset) / upload.offset)
