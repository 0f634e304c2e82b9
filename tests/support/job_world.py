"""A job's whole life without processes: the handlers of three services and the reconciler over one SQLite database.

What is between them, the queue, the provider and the trainers, is in the hands of whoever holds the world.
"""

from __future__ import annotations

import tempfile
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event, select, update

from contracts.callback import CallbackBody, Final, Outcome, Point
from contracts.events import DatasetStaged
from contracts.topology import API, LAUNCHER, METRICS
from runtime.bus import Consumer
from runtime.db import Database, now
from runtime.errors import Conflict, Transient
from runtime.outbox import HANDLED, PENDING, Delivery, Outbox, claim
from runtime.storage import open_store
from services.api import jobs
from services.api.handlers import Handlers as ApiHandlers
from services.api.models import Dataset, Job
from services.api.specs import RESOURCES
from services.launcher.backend import UNKNOWN, InDoubt, Refused, RunState, RunStatus
from services.launcher.clock import Clock
from services.launcher.endings import Endings
from services.launcher.environment import Environments
from services.launcher.forgetting import Forgetting
from services.launcher.handlers import Handlers as LauncherHandlers
from services.launcher.joblogs import JobLogs
from services.launcher.models import ENDED, Run
from services.launcher.reconciler import Reconciler
from services.launcher.results import Results
from services.launcher.starting import Starter
from services.launcher.verdicts import Limits
from services.metrics.auth import Sender
from services.metrics.handlers import Handlers as MetricsHandlers
from services.metrics.intake import Intake
from services.metrics.silence import SilenceWatch
from support.launcher import ROOT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from services.launcher.backend import RunSpec

DATASET = "d1"
RUNNING = RunStatus(RunState.RUNNING)


class Died(BaseException):
    """The launcher's process dies here."""


class FakeProvider:
    """Runs nothing, but keeps the contract of a back end, and fails as real ones do."""

    name = "fake"

    def __init__(self) -> None:
        self.runs: dict[str, RunStatus] = {}
        self.asked_to_stop: set[str] = set()
        self.troubles: deque[str] = deque()  # of the next launches
        self.is_away = False

    def live(self) -> list[str]:
        """Give the handles of what runs."""
        return [handle for handle, status in self.runs.items() if status.state is RunState.RUNNING]

    def launch(self, run: RunSpec) -> str:
        handle = f"{run.job_id}/{run.attempt}"
        trouble = self.troubles.popleft() if self.troubles else ""
        # What an earlier launch has started is found, however this one would have been answered
        if trouble == "refused" and handle not in self.runs:
            raise Refused("no such image")
        if trouble == "no capacity" and handle not in self.runs:
            raise Transient("no capacity")
        self.runs.setdefault(handle, replace(RUNNING, started_at=datetime.now(UTC)))
        if trouble == "answer lost":
            raise InDoubt("the answer did not come")
        if trouble == "launcher died":
            raise Died
        return handle

    def forget(self, job_id: str, attempt: int) -> None:
        """Do nothing."""

    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        if self.is_away:
            raise Transient("away")
        return {handle: self.runs.get(handle, UNKNOWN) for handle in handles}

    def stop(self, handle: str, reason: str) -> None:  # noqa: ARG002 - the interface's
        if self.runs.get(handle, UNKNOWN).state is RunState.RUNNING:
            self.asked_to_stop.add(handle)

    def logs(self, handle: str, tail_bytes: int) -> list[str]:  # noqa: ARG002 - the interface's
        return ["the last words"]


class Silence:
    """No viewer listens."""

    def publish(self, *_: object) -> None:
        """Tell nobody."""


class World:
    """Everything about some jobs, and what can happen to them."""

    def __init__(self, database: Path, detected: dict[str, object]) -> None:
        """Open a migrated database and put a data set into it whose bytes are not staged yet."""
        self.db = Database(f"sqlite:///{database}")
        # No machine fails here, and waiting for the disk was most of a history's time
        event.listen(self.db.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        self.outbox = Outbox(lambda: None)
        self.provider = FakeProvider()
        self.told: set[str] = set()  # handles of trainers that told their end
        self.told_success: set[tuple[str, int]] = set()  # attempts whose trainers told that
        self._folder = tempfile.TemporaryDirectory()
        store = open_store(Path(self._folder.name).as_uri())
        logs = JobLogs(self.db, self.provider, store, tail_bytes=1000)
        environments = Environments("http://platform:8080", "", ROOT_SECRET, "json", "INFO")
        limits = Limits(
            max_running=2, launch_seconds=0, report_grace_seconds=0, lost_grace_seconds=0, linger_seconds=0
        )
        self.launchers = []
        for _ in range(2):
            clock, forgetting = Clock(), Forgetting(self.provider)
            endings = Endings(self.outbox, self.provider, Results(store), clock)
            starter = Starter(
                self.db, self.outbox, self.provider, environments.of, endings, forgetting, limits, clock
            )
            reconciler = Reconciler(self.db, self.provider, logs, endings, forgetting, limits, clock)
            self.launchers.append((starter, reconciler))
        handlers = {
            API: ApiHandlers(store, Path(self._folder.name)).table(),
            LAUNCHER: LauncherHandlers(lambda: None, lambda: None).table(),
            METRICS: MetricsHandlers(Silence()).table(),
        }
        self._consumers = {
            queue: Consumer(self.db, self.outbox, queue, table) for queue, table in handlers.items()
        }
        self._clock = now()
        self._watch = SilenceWatch(self.db, self.outbox, seconds=10, clock=lambda: self._clock)
        self._intake = Intake(self.db, self.outbox, Silence(), grace_seconds=300, most_items=0)
        with self.db.write() as session:
            session.add(
                Dataset(
                    id=DATASET,
                    name="a table",
                    state="uploaded",
                    table_name="table.csv",
                    table_bytes=1,
                    files=0,
                    file_bytes=0,
                    schema_state="detected",
                    detected=detected,
                    preview={},
                )
            )

    def close(self) -> None:
        """Let go of the database and the folder."""
        self.db.engine.dispose()
        self._folder.cleanup()

    # --- people

    def create(self) -> str:
        with self.db.write() as session:
            dataset = session.get_one(Dataset, DATASET)
            settings = {"feature_columns": ["a"], "column_types": {}, "params": {}, "resources": RESOURCES}
            return jobs.create(
                session, dataset, name=None, model="dummy_model", target="b", settings=settings, findings=[]
            ).id

    def ask(self, verb: Callable[..., None], job_id: str) -> None:
        """Start, cancel or retry a job; refused where its state does not allow it."""
        with suppress(Conflict), self.db.write() as session:
            verb(session, self.outbox, jobs.get(session, job_id))

    def job(self, job_id: str) -> Job:
        with self.db.read() as session:
            return jobs.get(session, job_id)

    # --- the queue

    def pending(self) -> list[int]:
        """Give the deliveries that are still to be handled."""
        return self._in_state(PENDING)

    def handled(self) -> list[int]:
        """Give those that were."""
        return self._in_state(HANDLED)

    def deliver(self, delivery_id: int) -> None:
        """Hand a message to its queue's consumer, however often it was handed before."""
        with self.db.read() as session:
            queue = session.get_one(Delivery, delivery_id).queue
        if queue in self._consumers:
            self._consumers[queue].receive(delivery_id)

    def die_over(self, delivery_id: int) -> None:
        """Have a worker take a delivery and die; not a third time, for then it would be given up."""
        with self.db.write() as session:
            row = session.get_one(Delivery, delivery_id)
            if row.attempts < 2:
                claim(session, delivery_id, row.queue, seconds=-1)

    def stage(self) -> None:
        """Have the data set's bytes be where trainers find them."""
        with self.db.write() as session:
            told = DatasetStaged(
                dataset_id=DATASET,
                train_file=f"file:///objects/datasets/{DATASET}/table.csv",
                train_folder=None,
                bytes_total=1,
                files=0,
            )
            self.outbox.emit(session, told)

    # --- launchers and trainers

    def round(self, launcher: int = 0) -> None:
        with suppress(Died, Transient):
            starter, reconciler = self.launchers[launcher]
            starter.start_waiting()
            reconciler.look()

    def pass_time(self) -> None:
        """Let every pause between two launches be over."""
        with self.db.write() as session:
            session.execute(update(Run).values(due_at=0.0))

    def report(self, handle: str, outcome: Outcome | None = None) -> None:
        """Have a trainer report a point, or its end."""
        job_id, _, attempt = handle.partition("/")
        point = Point(split="train", step=1, seq=0, epoch=1, at=datetime.now(UTC), values={"loss": 1.0})
        final = outcome and Final(
            outcome=outcome,
            reason="" if outcome is Outcome.SUCCEEDED else "says the trainer",
            metrics={"accuracy": 0.5},
        )
        body = CallbackBody(attempt=int(attempt), points=[point], final=final)
        if outcome:
            self.told.add(handle)
        with suppress(Conflict):
            self._intake.accept(job_id, Sender(int(attempt)), body)
            if outcome is Outcome.SUCCEEDED:
                self.told_success.add((job_id, int(attempt)))

    def exit(self, handle: str, code: int) -> None:
        self.provider.runs[handle] = replace(
            self.provider.runs[handle], state=RunState.EXITED, exit_code=code
        )

    def forget(self, handle: str) -> None:
        """Have a run's machine vanish."""
        del self.provider.runs[handle]

    def overrun(self, handle: str) -> None:
        """Have a run be older than it may become."""
        started_at = datetime.now(UTC) - timedelta(days=2)
        self.provider.runs[handle] = replace(self.provider.runs[handle], started_at=started_at)

    # --- the end

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Let everything work again until nothing is left to do."""
        self.provider.troubles.clear()
        self.provider.is_away = False
        self.stage()
        for _ in range(50):
            self.pass_time()
            # What its provider does not know is lost only once it is not heard either
            self._clock += timedelta(seconds=5)
            self._watch.look()
            while pending := self._deliverable():
                for delivery_id in pending:
                    self.deliver(delivery_id)
            self.round()
            for handle in self.provider.live():
                if not self._cared_for(handle):
                    continue  # nobody would ever stop it
                stopped = handle in self.provider.asked_to_stop
                self.report(handle, Outcome.CANCELLED if stopped else Outcome.SUCCEEDED)
                self.exit(handle, 1 if stopped else 0)
            if not (self._deliverable() or self.provider.live() or self._runs_left()):
                break
        yield

    def _deliverable(self) -> list[int]:
        with self.db.read() as session:
            query = select(Delivery.id).where(Delivery.state == PENDING, Delivery.queue.in_(self._consumers))
            return list(session.scalars(query.order_by(Delivery.id)))

    def _cared_for(self, handle: str) -> bool:
        """Tell whether a launcher still looks after a run, or its trainer ends it by itself."""
        job_id, _, attempt = handle.partition("/")
        with self.db.read() as session:
            query = select(Run.state).where(Run.job_id == job_id, Run.attempt == int(attempt))
            state = session.scalars(query).one()
        return state != ENDED or handle in self.provider.asked_to_stop | self.told

    def _runs_left(self) -> bool:
        with self.db.read() as session:
            return session.scalars(select(Run.id).where(Run.state != ENDED)).first() is not None

    def _in_state(self, state: str) -> list[int]:
        with self.db.read() as session:
            return list(
                session.scalars(select(Delivery.id).where(Delivery.state == state).order_by(Delivery.id))
            )
