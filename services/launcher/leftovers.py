"""Removes what ended runs leave under RUNS_DIR: their working files soon, their logs and exit codes after KEEP_RUNS_DAYS."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import select

from runtime.db import unix_now
from services.launcher.backend import RunState
from services.launcher.backends import supervisor
from services.launcher.models import ENDED, Run

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.db import Database
    from services.launcher.backend import Backend

_DAY, _HOUR = 86_400.0, 3600.0  # seconds
_log = logging.getLogger(__name__)


class Leftovers:
    """The folders RUNS_DIR/<job>/<attempt>/ of this machine. Safe beside other launchers that share them.

    A run that has ended in the database is never launched again, and its folder was only needed to tell how it ended. One
    that the database does not know counts as ended at its last change. One whose process lives is left alone, whatever the
    database says.
    """

    def __init__(self, db: Database, backend: Backend, runs_dir: Path, *, keep_days: float) -> None:
        """Take the collaborators, and how long an ended run is kept; 0: for ever."""
        self._db = db
        self._backend = backend
        self._runs_dir = runs_dir
        self._keep_days = keep_days

    def sweep(self) -> int:
        """Remove what is not needed any more; gives of how many runs. Costs a query for each job that has a folder."""
        count = 0
        for job in _folders(self._runs_dir):
            ages = self._ended(job)
            handles = {f"{job.name}/{name}": name for name in ages}
            for handle, status in self._backend.status(list(handles)).items():
                if status.state is not RunState.RUNNING:
                    count += self._clear(job / handles[handle], ages[handles[handle]])
            with suppress(OSError):  # other attempts are in it
                job.rmdir()
        if count:
            _log.info("removed files of ended runs", extra={"runs": count})
        return count

    def _ended(self, job: Path) -> dict[str, float]:
        """Give how many seconds ago each of a job's runs ended, by the name of its folder."""
        here = {folder.name: folder for folder in _folders(job)}
        query = select(Run.attempt, Run.state, Run.ended_at).where(Run.job_id == job.name)
        with self._db.read() as session:
            known = {str(row.attempt): row for row in session.execute(query)}
        ages = {}
        for name, folder in here.items():
            run = known.get(name)
            if run is None:
                ages[name] = unix_now() - folder.stat().st_mtime
            elif run.state == ENDED and run.ended_at is not None:
                ages[name] = unix_now() - run.ended_at.timestamp()
        return ages

    def _clear(self, folder: Path, age: float) -> bool:
        work = folder / supervisor.WORK
        if self._keep_days and age > self._keep_days * _DAY:
            shutil.rmtree(folder, ignore_errors=True)
        elif age > _HOUR and work.exists():  # its supervisor was killed before it could
            shutil.rmtree(work, ignore_errors=True)
        else:
            return False
        return True


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]
