"""A launcher without its worker: handlers and reconciler over a real database, real processes and a real folder of objects."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from cli.leftovers import MARK
from contracts.events import Envelope, JobCancelRequested, JobFinished, JobLaunchRequested, JobSilent
from runtime.bus import Consumer
from runtime.children import passed_on
from runtime.db import now
from runtime.outbox import HANDLED, Delivery, EventRow, Outbox
from runtime.storage import open_store
from services.launcher.backends.local import LocalBackend
from services.launcher.clock import Clock
from services.launcher.endings import Endings
from services.launcher.environment import Environments
from services.launcher.forgetting import Forgetting
from services.launcher.handlers import Handlers
from services.launcher.joblogs import JobLogs
from services.launcher.models import Run
from services.launcher.reconciler import Reconciler
from services.launcher.results import Results
from services.launcher.starting import Starter
from services.launcher.verdicts import Limits
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.db import Database
    from services.launcher.backend import Backend

ROOT_SECRET = "root-secret-of-the-tests"
# Stands for the trainer: does what the spec's variable says
COMMAND = [sys.executable, "-S", "-c", "import os; exec(os.environ['TEST_CODE'])"]
FOREVER = "import time\nprint('up', flush=True)\nwhile True: time.sleep(1)"


class Launcher:
    """What one launcher process holds; `restarted()` gives another over the same database and folders."""

    def __init__(self, db: Database, folder: Path, backend: Backend | None = None, **limits: float) -> None:
        self.db, self.folder, self.limits = (
            db,
            folder,
            {"max_running": 2, "report_grace_seconds": 0.0, **limits},
        )
        self.clock_shift = 0.0  # how far the system's clock was set ahead, seconds
        self._backend = backend  # that successors use, too; each has local processes of its own
        self.outbox = Outbox(lambda: None)
        self.store = open_store((folder / "objects").as_uri())
        self.backend = backend or LocalBackend(
            folder / "runs",
            COMMAND,
            {**passed_on(os.environ), MARK: str(folder)},
            grace_seconds=0.5,
        )
        self.results = Results(self.store)
        self.clock = Clock(lambda: time.time() + self.clock_shift)
        self.use(self.backend)
        self.consumer = Consumer(db, self.outbox, "launcher", Handlers(lambda: None, lambda: None).table())

        self.successors: list[Launcher] = []

    def use(self, backend: Backend) -> None:
        """Run trainers elsewhere than on this machine."""
        environments = Environments("http://platform:8080", "", ROOT_SECRET, "json", "INFO")
        limits, forgetting = Limits(**self.limits), Forgetting(backend)
        self.logs_told: list[str] = []  # jobs whose log was told to have grown
        self.logs = JobLogs(self.db, backend, self.store, tail_bytes=2000, tell=self.logs_told.append)
        endings = Endings(self.outbox, backend, self.results, self.clock)
        self.starter = Starter(
            self.db, self.outbox, backend, environments.of, endings, forgetting, limits, self.clock
        )
        self.reconciler = Reconciler(self.db, backend, self.logs, endings, forgetting, limits, self.clock)

    def restarted(self) -> Launcher:
        self.successors.append(Launcher(self.db, self.folder, self._backend, **self.limits))
        return self.successors[-1]

    def reap(self) -> None:
        """Collect the supervisors it has started, which have been told to end."""
        until(lambda: not self.backend.status([]) and not self.backend._children, "supervisors to end")
        for successor in self.successors:
            successor.reap()

    def hear(self, event) -> None:
        """Emit an event as its service would, and handle it."""
        with self.db.write() as session:
            self.outbox.emit(session, event)
        self.deliver()

    def deliver(self) -> None:
        """Handle everything on the launcher's queue, in place of relay and broker."""
        with self.db.read() as session:
            waiting = session.query(Delivery.id).filter(
                Delivery.queue == "launcher", Delivery.state != HANDLED
            )
            ids = [row.id for row in waiting]
        for number in ids:
            self.consumer.receive(number)

    def request(self, job_id: str, code: str = "", **values) -> None:
        self.ask(job_id, {"TEST_CODE": code}, **values)

    def ask(self, job_id: str, spec: dict[str, str], **values) -> None:
        self.hear(JobLaunchRequested(job_id=job_id, attempt=1, spec=spec, **values))

    def cancel(self, job_id: str) -> None:
        self.hear(JobCancelRequested(job_id=job_id, attempt=1))

    def silent(self, job_id: str, attempt: int = 1, *, seconds: float = 3600, **values) -> None:
        """Tell what the metrics service tells of a job that it has not heard for so long."""
        at = now()
        since, until_ = at - timedelta(seconds=seconds), at + timedelta(seconds=120)
        self.hear(JobSilent(job_id=job_id, attempt=attempt, since=since, until=until_, **values))

    def round(self) -> None:
        """Start what waits, and look at what runs."""
        self.starter.start_waiting()
        self.reconciler.look()

    def hurry(self) -> None:
        """Let pauses between two launches be over."""
        with self.db.write() as session:
            session.query(Run).update({Run.due_at: 0.0})

    def run(self, job_id: str) -> Run:
        with self.db.read() as session:
            return session.query(Run).filter(Run.job_id == job_id).one()

    def states(self) -> dict[str, str]:
        with self.db.read() as session:
            return {run.job_id: run.state for run in session.query(Run).order_by(Run.id)}

    def until_state(self, job_id: str, state: str) -> Run:
        """Do rounds until a run has come to a state."""

        def arrived() -> bool:
            self.round()
            return self.run(job_id).state == state

        until(arrived, f"{job_id} to be {state}")
        return self.run(job_id)

    def events(self, job_id: str, *kinds) -> list:
        """Give what was emitted about a job, oldest first, as far as it is of some kinds."""
        with self.db.read() as session:
            rows = session.query(EventRow).order_by(EventRow.created_at)
            events = [Envelope.model_validate(row.envelope).decode() for row in rows]
        return [event for event in events if event.job_id == job_id and isinstance(event, kinds)]

    def finished(self, job_id: str) -> JobFinished:
        """Give the one end that was told of a job."""
        [event] = self.events(job_id, JobFinished)
        return event

    def log(self, job_id: str) -> str:
        return self.store.get_bytes(f"jobs/{job_id}/1/log.txt").decode()
