"""Copies the end of each run's output to the object store, where the api finds it whichever back end ran it."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from runtime.db import now
from services.launcher.models import ENDED, Run
from services.launcher.runs import LAUNCHED, WITHOUT_SPEC

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.db import Database
    from runtime.storage import ObjectStore
    from services.launcher.backend import Backend

# Providers deliver the last lines late (CloudWatch: seconds), so ended runs are looked at a little longer
_AFTER_END = timedelta(seconds=60)
_log = logging.getLogger(__name__)


class JobLogs:
    """Copies to jobs/<job>/<attempt>/log.txt."""

    def __init__(
        self,
        db: Database,
        backend: Backend,
        store: ObjectStore,
        *,
        tail_bytes: int,
        at_a_time: int = 1,
        tell: Callable[[str], object] = lambda _job_id: None,
    ) -> None:
        """Take the collaborators.

        Args:
            db: Has the runs.
            backend: Gives their output.
            store: Gets it.
            tail_bytes: The most that is copied of one run.
            at_a_time: How many are copied at a time.
            tell: Called with the id of a job whose log has been copied anew.
        """
        self._db = db
        self._backend = backend
        self._store = store
        self._tail_bytes = tail_bytes
        self._at_a_time = at_a_time
        self._tell = tell
        self._copied: dict[int, str] = {}

    def copy_all(self) -> None:
        """Copy what has changed of every run that lives or ended just now."""
        recent = and_(Run.state == ENDED, Run.ended_at > now() - _AFTER_END, Run.handle.is_not(None))
        with self._db.read() as session:
            found = session.scalars(
                select(Run)
                .where(Run.launcher == self._backend.name, or_(Run.state.in_(LAUNCHED), recent))
                .options(WITHOUT_SPEC)
            ).all()
        with ThreadPoolExecutor(self._at_a_time) as pool:
            list(pool.map(self.copy, found))
        alive = {run.id for run in found}
        self._copied = {run_id: digest for run_id, digest in self._copied.items() if run_id in alive}

    def copy(self, run: Run) -> None:
        """Copy one run's output if it has changed; a failure is logged, for nothing may wait for a log."""
        if run.handle is None:
            return
        try:
            lines = self._backend.logs(run.handle, self._tail_bytes)
            data = "".join(f"{line}\n" for line in lines).encode()
            digest = hashlib.sha256(data).hexdigest()
            if lines and self._copied.get(run.id) != digest:
                self._store.put_bytes(
                    f"jobs/{run.job_id}/{run.attempt}/log.txt", data, content_type="text/plain; charset=utf-8"
                )
                self._copied[run.id] = digest
                self._tell(run.job_id)
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("cannot copy a log", extra={"job_id": run.job_id, "error": str(error)})
