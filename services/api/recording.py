"""A database that notes in each transaction of a request what else is to be kept with its changes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import has_request_context
from sqlalchemy import event

from runtime.db import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    Note = Callable[[Session, Sequence[Any]], None]


class RecordingDatabase(Database):
    """The database of the routes. What notes write commits with the change, or not at all."""

    def __init__(self, engine: Engine) -> None:
        """Take the connections of another database."""
        self.engine = engine
        self.watchers = []
        self.notes: list[Note] = []

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction at whose end every note is called, with the rows that were added, if a request made it."""
        added: list[Any] = []
        with super().write() as session:
            if has_request_context():
                event.listen(session, "before_flush", lambda flushed, *_: added.extend(flushed.new))
            yield session
            if has_request_context():
                session.flush()
                for note in self.notes:
                    note(session, tuple(added))
