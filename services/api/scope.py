"""A database in which a request finds its own workspace's rows and no others, whatever it asks for.

The condition is added to every statement, so that no query can forget it. What works for all workspaces, such as the
clean-up, has a plain `Database`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import Session, with_loader_criteria

from services.api.models import Owned
from services.api.recording import RecordingDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import ORMExecuteState


class ScopedDatabase(RecordingDatabase):
    """The rows of one workspace, which is asked for whenever a transaction begins."""

    def __init__(self, engine: Engine, workspace: Callable[[], str]) -> None:
        """Take the connections, and what gives the workspace of the present request; it raises outside of one."""
        super().__init__(engine)
        self._workspace = workspace

    def _session(self, bind: Engine | Connection) -> Session:
        workspace = self._workspace()
        session = super()._session(bind)

        def limit(state: ORMExecuteState) -> None:
            own = with_loader_criteria(Owned, lambda cls: cls.workspace_id == workspace, include_aliases=True)
            state.statement = state.statement.options(own)

        def give(session: Session, *_: Any) -> None:
            for row in session.new:
                if isinstance(row, Owned):
                    row.workspace_id = workspace

        event.listen(session, "do_orm_execute", limit)
        event.listen(session, "before_flush", give)
        return session
