"""The audit log: who changed what, written in the transaction of the change; and who was refused a change."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, g, request
from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from runtime import caller
from runtime.access.guard import SAFE
from runtime.db import now
from runtime.paging import Order
from services.api.models import AuditEntry, Dataset, Job, OpenUpload, Prediction, Webhook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from flask import Flask
    from sqlalchemy.orm import Session

    from runtime.db import Database
    from runtime.paging import Page, Part

DONE, REFUSED, FAILED = "done", "refused", "failed"
OUTCOMES = (DONE, REFUSED, FAILED)
_COLLECTIONS = {
    Dataset: "datasets",
    Job: "training_jobs",
    Prediction: "predictions",
    OpenUpload: "uploads",
    Webhook: "webhooks",
}
_QUIET = frozenset({"uploads.append"})  # thousands of chunks; the upload's begin and end are told
_TOLD = {
    403: REFUSED,
    409: REFUSED,
    412: REFUSED,
}  # not 422: a typing error changes nothing and endangers nothing
_SERVER_ERROR = 500
_BY_NUMBER = Order("number", AuditEntry.id, AuditEntry.id)
_log = logging.getLogger(__name__)


class Audit:
    """Writes the log."""

    def __init__(self, db: Database) -> None:
        """Take a database without notes, for refusals."""
        self._db = db

    def install(self, app: Flask) -> None:
        """Watch an app's requests."""
        app.after_request(self._end)

    def note(self, session: Session, added: Sequence[Any]) -> None:
        """Write the present request's entry, once, whatever the number of its transactions."""
        if request.endpoint in _QUIET or request.method in SAFE:
            return
        if "audited" not in g:
            session.add(_entry(DONE, added))
            g.audited = True

    def _end(self, response: Response) -> Response:
        outcome = FAILED if response.status_code >= _SERVER_ERROR else _TOLD.get(response.status_code)
        if outcome is None or request.method in SAFE or request.endpoint in {None, *_QUIET}:
            return response
        try:
            with self._db.write() as session:
                session.add(_entry(outcome, ()))
        except SQLAlchemyError as error:
            _log.warning("a refusal is not in the audit log", extra={"error": str(error)})
        return response


def page(
    session: Session,
    wanted: dict[str, Any],
    part: Part,
) -> Page:
    """List entries in the order in which they were written.

    Args:
        session: A transaction.
        wanted: who, action, object, outcome, since, until: values or None.
        part: Which part.
    """
    query = select(AuditEntry)
    who = caller.principal()
    if who is not None:
        query = query.where(AuditEntry.workspace == who.workspace)
    for name in ("who", "action", "object", "outcome"):
        if wanted[name] is not None:
            query = query.where(getattr(AuditEntry, name) == wanted[name])
    if wanted["since"] is not None:
        query = query.where(AuditEntry.at >= wanted["since"])
    if wanted["until"] is not None:
        query = query.where(AuditEntry.at < wanted["until"])
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = session.scalars(_BY_NUMBER.cut(query, part)).all()
    return _BY_NUMBER.page(rows, total, part, lambda row: (row.id, row.id))


def forget(session: Session, keep_days: float, at: datetime | None = None) -> None:
    """Forget entries that are older than some days; 0: none."""
    if keep_days:
        session.execute(delete(AuditEntry).where(AuditEntry.at < (at or now()) - timedelta(days=keep_days)))


def _entry(outcome: str, added: Sequence[Any]) -> AuditEntry:
    who = caller.principal()
    action = request.endpoint or ""
    named = next(iter((request.view_args or {}).values()), None)
    made = next((row for row in added if type(row) in _COLLECTIONS), None)
    if named is not None:
        subject = f"{action.partition('.')[0]}/{named}"
    else:
        subject = f"{_COLLECTIONS[type(made)]}/{made.id}" if made is not None else action.partition(".")[0]
    return AuditEntry(
        workspace=who.workspace if who else None,
        who=who.name if who else None,
        request_id=g.request_id,
        method=request.method,
        action=action,
        object=subject[:200],
        outcome=outcome,
    )
