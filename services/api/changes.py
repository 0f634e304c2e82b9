"""Tells pages that a data set, a job or a prediction has changed, once the transaction that changed it has committed.

What goes through the session as objects is noticed; whoever changes rows by a statement notes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from contracts.changes import Change, Kind, channel
from services.api.models import Dataset, Job, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from sqlalchemy.orm import Session

    class Announces(Protocol):
        """What publishes: an Announcer."""

        def announce(self, messages: Sequence[tuple[str, bytes]]) -> None:
            """Publish messages, each with its channel."""


_KINDS: Final[dict[type, Kind]] = {Dataset: "dataset", Job: "job", Prediction: "prediction"}
_NOTED = "changes"


def note(session: Session, changed: Dataset | Job | Prediction) -> None:
    """Have it told that one was changed or deleted by a statement."""
    note_row(session, _KINDS[type(changed)], changed.workspace_id, changed.id)


def note_row(session: Session, kind: Kind, workspace_id: str, row_id: str) -> None:
    """Have it told that a row was changed by a statement, of which there is no object."""
    session.info.setdefault(_NOTED, {})[channel(workspace_id), Change(kind=kind, id=row_id)] = None


class Changes:
    """Watches transactions and tells what they changed."""

    def __init__(self, announcer: Announces) -> None:
        """Take what publishes."""
        self._announcer = announcer

    def watch(self, session: Session) -> None:
        """Tell of a session's changes after each commit."""
        event.listen(session, "after_flush", _notice)
        event.listen(session, "after_commit", self._tell)

    def _tell(self, session: Session) -> None:
        noted = session.info.pop(_NOTED, {})
        self._announcer.announce([(where, change.model_dump_json().encode()) for where, change in noted])


def _notice(session: Session, _context: Any) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if type(row) in _KINDS:
            note(session, row)
