"""Tells of runs that nobody looks after, because LAUNCHER was changed while they lived."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from services.launcher import runs

if TYPE_CHECKING:
    from runtime.db import Database

_log = logging.getLogger(__name__)


class Orphans:
    """Runs of other back ends than this process's. They are told of, not refused: their provider may be gone for good."""

    def __init__(self, db: Database, launcher: str) -> None:
        """Take where runs are, and the name of this process's back end."""
        self._db = db
        self._launcher = launcher

    def tell(self) -> None:
        """Log how many there are, and what to do."""
        with self._db.read() as session:
            found = runs.of_others(session, self._launcher)
        for launcher, count in found.items():
            _log.error(
                "LAUNCHER is %(here)s, and %(count)d runs of %(other)s have not ended: nobody looks after them here. They are not stopped on "
                "cancel or at max_seconds, and no other attempt of their jobs starts. Until they have ended, run a second launcher with "
                "LAUNCHER=%(other)s and MAX_RUNNING=1, or set LAUNCHER back",
                {"here": self._launcher, "count": count, "other": launcher},
            )
