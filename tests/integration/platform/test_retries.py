"""Attempts from one to the next through api, launcher and metrics; only the provider and the queue are stand-ins."""

from __future__ import annotations

import pytest

from contracts.callback import Outcome
from contracts.events import EndCause, JobFinished
from contracts.topology import API, LAUNCHER, METRICS
from runtime.bus import Consumer
from runtime.outbox import HANDLED, Delivery
from services.api import jobs
from services.api.handlers import Handlers as ApiHandlers
from services.api.models import Dataset, Job
from services.launcher.backend import Cause
from services.metrics.handlers import Handlers as MetricsHandlers
from services.metrics.history import History
from services.metrics.thinning import Digests
from support.fake_backend import FakeBackend
from support.launcher import Launcher


class Silent:
    """Stands for what tells viewers: they are asked for the history here."""

    def publish(self, *_: object) -> None:
        pass


class Choreography:
    """One job, and everyone who has to do with its attempts."""

    def __init__(self, database, folder) -> None:
        self.db, self.backend = database, FakeBackend()
        self.launcher = Launcher(database, folder, self.backend, lost_grace_seconds=0.0, give_up_seconds=-1)
        self.outbox = self.launcher.outbox
        handlers = {
            API: ApiHandlers(self.launcher.store, folder, retry_pause_seconds=0).table(),
            METRICS: MetricsHandlers(Silent()).table(),
        }
        self.consumers = {
            queue: Consumer(database, self.outbox, queue, table) for queue, table in handlers.items()
        }
        self.consumers[LAUNCHER] = self.launcher.consumer
        with database.write() as session:
            dataset = Dataset(
                id="d",
                name="d",
                state="ready",
                train_file="file:///objects/datasets/d/table.csv",
                detected={"dialect": {"encoding": "utf-8"}, "rows": 0, "complete": True, "columns": []},
                preview={},
                **dict.fromkeys(("table_bytes", "files", "file_bytes"), 0),
                table_name="d.csv",
            )
            session.add(dataset)
            session.flush()
            settings = {
                "feature_columns": ["age"],
                "column_types": {},
                "params": {},
                "resources": {"cpus": 1, "memory_mb": 512, "max_seconds": 3600, "max_retries": 2},
            }
            job = jobs.create(
                session, dataset, name="j", model="dummy_model", target="kind", settings=settings, findings=[]
            )
            jobs.start(session, self.outbox, job)
            self.id = job.id

    def settle(self) -> None:
        """Deliver and do rounds until nothing changes any more."""
        before = None
        while (state := self._everything()) != before:
            before = state
            with self.db.read() as session:
                found = session.query(Delivery).filter(Delivery.state != HANDLED).order_by(Delivery.id)
                waiting = [(row.queue, row.id) for row in found]
            for queue, number in waiting:
                self.consumers[queue].receive(number)
            self.launcher.round()

    def _everything(self):
        with self.db.read() as session:
            return session.query(Delivery.id, Delivery.state).all(), frozenset(self.backend.tasks.items())

    def trainer_says(self, attempt: int, outcome: Outcome, cause: EndCause | None = None) -> None:
        with self.db.write() as session:
            end = JobFinished(job_id=self.id, attempt=attempt, outcome=outcome, cause=cause)
            self.outbox.emit(session, end)

    def cancel(self) -> None:
        with self.db.write() as session:
            jobs.cancel(session, self.outbox, jobs.get(session, self.id))

    @property
    def job(self) -> Job:
        with self.db.read() as session:
            return jobs.get(session, self.id)

    def seen(self) -> tuple[list[str], bool]:
        """Give the states that viewers were told, and whether their streams have ended."""
        page = History(self.db, Digests(1)).page(self.id, 0, 100)
        return [item.data.split('"')[3] for item in page.items if item.kind == "state"], page.ended


@pytest.fixture
def play(database, tmp_path):
    return Choreography(database, tmp_path)


FIRST = ["queued", "launching"]


def test_spot_takes_a_machine_and_the_next_attempt_succeeds(play):
    play.settle()
    play.trainer_says(1, Outcome.CANCELLED, EndCause.INTERRUPTED)  # it got SIGTERM
    play.settle()
    assert play.seen() == ([*FIRST, "interrupted"], False)
    play.backend.exit(f"{play.id}/1", 143, Cause.RECLAIMED, "Spot")
    play.settle()
    assert play.backend.alive == {f"{play.id}/2"}
    assert play.seen() == ([*FIRST, "interrupted", *FIRST], False), "a viewer's stream goes on"
    play.trainer_says(2, Outcome.SUCCEEDED)
    play.backend.exit(f"{play.id}/2", 0)
    play.settle()
    assert (play.job.state, play.job.attempt) == ("succeeded", 2)
    assert play.seen() == ([*FIRST, "interrupted", *FIRST, "succeeded"], True)


def test_a_machine_dies_again_and_again(play):
    for attempt in (1, 2, 3):
        play.settle()
        assert play.backend.alive == {f"{play.id}/{attempt}"}
        play.backend.vanish(f"{play.id}/{attempt}")
        play.launcher.silent(play.id, attempt)
    play.settle()
    assert (play.job.state, play.job.attempt) == ("failed", 3)
    assert play.job.reason.startswith(
        "given up after 3 attempts; the last one ended: lost: fake no longer knows"
    )
    states, ended = play.seen()
    assert (states[-2:], ended) == (["interrupted", "failed"], True)


@pytest.mark.parametrize(
    ("code", "cause", "reason"),
    [
        (2, Cause.EXIT, "exit 2: the data cannot be trained on"),
        (3, Cause.EXIT, "exit 3: the model's own code failed"),
        (64, Cause.EXIT, "exit 64: settings refused"),
        (137, Cause.OUT_OF_MEMORY, "exit 137: out of memory"),
        (None, Cause.NEVER_STARTED, "never started: "),
        (143, Cause.STOPPED, "stopped at the provider"),
    ],
)
def test_what_would_end_the_same_way_ends_the_job(play, code, cause, reason):
    play.settle()
    play.backend.exit(f"{play.id}/1", code, cause)
    play.settle()
    assert (play.job.state, play.job.attempt) == ("failed", 1)
    assert play.job.reason.startswith(reason)
    assert play.seen() == ([*FIRST, "failed"], True)


def test_no_capacity_is_tried_again(play):
    play.backend.fails = ["no capacity"]
    play.settle()
    assert (play.job.state, play.job.attempt) == ("launching", 2)
    assert play.backend.alive == {f"{play.id}/2"}


@pytest.mark.parametrize(
    "when", ["before its launch", "while it runs", "when it was lost", "in the next attempt"]
)
def test_a_cancelled_job_leaves_nothing_running_and_comes_back_no_more(play, when):
    if when != "before its launch":
        play.settle()
    if when == "when it was lost":
        play.backend.vanish(f"{play.id}/1")
        play.launcher.silent(play.id)
        play.launcher.round()  # it is told, and not heard yet
    if when == "in the next attempt":
        play.backend.exit(f"{play.id}/1", 143)
        play.settle()
        assert play.job.attempt == 2
    play.cancel()
    play.settle()
    assert play.job.state == "cancelled"
    assert play.backend.alive == set()
    assert play.seen()[1]
