"""Clean-up of the object store and the spool: what is referenced stays, whatever happens meanwhile; everything else goes."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import hypothesis.strategies as st
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from runtime.db import Database
from runtime.errors import DomainError
from runtime.outbox import Outbox
from runtime.storage import open_store
from services.api import datasets, job_states, jobs, predictions
from services.api.cleaning import Cleaner, drop_settled_spool
from services.api.models import Dataset, Garbage, Job, Prediction
from services.api.settings import ApiSettings
from services.api.specs import trainer_environment

SILENT = Outbox(lambda: None)
SCHEMA = {
    "rows": 1,
    "complete": True,
    "columns": [],
    "dialect": {"encoding": "utf-8"},
}


class World:
    """Rows and the objects they refer to, made and unmade as the services would, and a clock."""

    def __init__(self, database: Database, url: str, spool: Path, **settings) -> None:
        self.database = database
        self.store = open_store(url)
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        spool.mkdir(exist_ok=True)
        self.settings = ApiSettings(
            database_url="sqlite:///unused",
            redis_url="redis://127.0.0.1:1/0",
            objects_url=url,
            spool_dir=spool,
            **settings,
        )

    def cleaner(self, store=None) -> Cleaner:
        return Cleaner(self.database, store or self.store, self.settings, lambda: self.time)

    def round(self, **passed) -> None:
        self.time += timedelta(**passed)
        self.cleaner().round()

    def dataset(self, **values) -> str:
        dataset_id = datasets.new_id()
        self.store.put_bytes(f"datasets/{dataset_id}/table.csv", b"a")
        row = {
            "name": "d", "state": "ready", "table_name": "t.csv", "table_bytes": 1, "files": 0, "file_bytes": 0,
            "schema_state": "detected", "staging_state": "staged", "detected": SCHEMA, "preview": {},
            "train_file": self.store.uri(f"datasets/{dataset_id}/table.csv"),
        }  # fmt: skip
        with self.database.write() as session:
            session.add(Dataset(id=dataset_id, **(row | values)))
        return dataset_id

    def job(self, dataset_id: str, state: str = "running", attempt: int = 1, **values) -> str:
        job_id = datasets.new_id()
        settings = {
            "params": {}, "feature_columns": ["a"], "column_types": {"a": "numeric", "b": "categorical"},
            "resources": {"cpus": 1, "memory_mb": 1024, "max_seconds": 60},
        }  # fmt: skip
        with self.database.write() as session:
            session.add(
                Job(
                    id=job_id,
                    name="j",
                    dataset_id=dataset_id,
                    model="dummy_model",
                    target="b",
                    settings=settings,
                    state=state,
                    attempt=attempt,
                    finished_at=self.time if state in job_states.FINAL else None,
                    **values,
                )
            )
        for number in range(1, attempt + 1):
            self.leave_artifacts(job_id, number)
        return job_id

    def leave_artifacts(self, job_id: str, attempt: int) -> None:
        for name in ("log.txt", "checkpoint.pt"):
            self.store.put_bytes(f"jobs/{job_id}/{attempt}/{name}", b"x")

    def prediction(self, job_id: str, state: str = "succeeded") -> str:
        prediction_id = datasets.new_id()
        self.store.put_bytes(f"{predictions.folder(job_id, prediction_id)}/table.csv", b"a")
        with self.database.write() as session:
            ended = None if state in predictions.OPEN else self.time
            values = {"name": "p", "state": state, "contributions": False, "finished_at": ended}
            session.add(Prediction(id=prediction_id, job_id=job_id, **values))
        return prediction_id

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete rows; ingest, which would remove the objects, is away."""
        with self.database.write() as session:
            datasets.delete(session, SILENT, dataset_id)

    def retry(self, job_id: str) -> list[str]:
        """Retry a job; gives what its trainer is told to go on from."""
        with self.database.write() as session:
            job = jobs.get(session, job_id)
            jobs.retry(session, SILENT, job)
            environment = trainer_environment(job, datasets.get(session, job.dataset_id))
        return json.loads(environment.get("RESUME_FROM", "[]"))

    def objects(self) -> set[str]:
        return {found.key for found in self.store.list()}

    def garbage(self) -> set[str]:
        with self.database.read() as session:
            return set(session.scalars(select(Garbage.key)))


@pytest.fixture
def world(database, tmp_path) -> World:
    return World(database, (tmp_path / "objects").as_uri(), tmp_path / "spool")


# --- orphans


def test_what_nothing_refers_to_goes_at_the_second_look_that_is_old_enough(world):
    kept = world.dataset()
    gone = world.dataset()
    job = world.job(gone, "failed")
    prediction = world.prediction(job)
    world.store.put_bytes(f"specs/{job}/1/name.json", b"{}")
    world.delete_dataset(gone)
    before = world.objects()
    world.round()
    assert world.garbage() == {f"datasets/{gone}", f"jobs/{job}", f"specs/{job}"}
    world.round(hours=167)
    assert world.objects() == before
    world.round(hours=2)
    assert world.objects() == {f"datasets/{kept}/table.csv"}, prediction
    assert world.garbage() == set()


def test_a_new_or_restored_database_does_not_take_all_objects_for_garbage(world):
    dataset = world.dataset()
    with world.database.read() as session:
        columns = {column.key for column in Dataset.__table__.columns}
        row = session.get(Dataset, dataset)
        values = {name: getattr(row, name) for name in columns}
    world.delete_dataset(dataset)
    world.round()
    assert world.garbage() == {f"datasets/{dataset}"}
    with world.database.write() as session:  # a person puts back what was there
        session.add(Dataset(**values))
    world.round(hours=200)
    assert world.objects() == {f"datasets/{dataset}/table.csv"}
    assert world.garbage() == set()


def test_names_that_are_not_ours_are_left_alone(world):
    others = {"jobs/my-own-job/1/model.pt", "datasets/readme.txt", "notes/x", "jobs/" + "g" * 32 + "/x"}
    for key in others:
        world.store.put_bytes(key, b"x")
    for _ in range(3):
        world.round(hours=200)
    assert world.objects() == others


def test_of_many_folders_each_is_looked_at(world, monkeypatch):
    monkeypatch.setattr("services.api.cleaning._BATCH", 3)
    kept = {f"datasets/{world.dataset()}/table.csv" for _ in range(4)}
    for _ in range(7):
        world.store.put_bytes(f"datasets/{datasets.new_id()}/table.csv", b"x")
    world.round()
    assert len(world.garbage()) == 7
    world.round(hours=169)
    assert world.objects() == kept
    assert world.garbage() == set()


# --- checkpoints


@pytest.mark.parametrize(
    ("state", "days", "kept"),
    [
        ("created", 365, True),
        ("queued", 365, True),
        ("launching", 365, True),
        ("running", 365, True),
        ("failed", 29, True),
        ("cancelled", 29, True),
        ("timed_out", 29, True),
        ("failed", 31, False),
        ("cancelled", 31, False),
        ("timed_out", 31, False),
        ("succeeded", 0, False),  # it cannot be retried
    ],
)
def test_a_checkpoint_is_kept_while_its_job_may_go_on_from_it(world, state, days, kept):
    job = world.job(world.dataset(), state, attempt=2)
    world.round(days=days)
    names = {key.removeprefix(f"jobs/{job}/") for key in world.objects() if key.startswith("jobs/")}
    logs = {"1/log.txt", "2/log.txt"}
    assert names == (logs | {"1/checkpoint.pt", "2/checkpoint.pt"} if kept else logs)


def test_zero_days_keep_checkpoints_for_ever(database, tmp_path):
    world = World(database, (tmp_path / "o").as_uri(), tmp_path / "spool", keep_checkpoints_days=0)
    job = world.job(world.dataset(), "failed")
    world.round(days=3650)
    assert f"jobs/{job}/1/checkpoint.pt" in world.objects()


def test_a_retry_is_told_of_a_checkpoint_that_is_there_and_of_no_other(world):
    soon, late = (world.job(world.dataset(), "failed") for _ in range(2))
    assert world.retry(soon) == [world.store.uri(f"jobs/{soon}/1/checkpoint.pt")]
    world.round(days=31)
    assert f"jobs/{soon}/1/checkpoint.pt" in world.objects(), "its job is active"
    assert world.retry(late) == []
    # what the attempt after that leaves counts again
    world.leave_artifacts(late, 2)
    with world.database.write() as session:
        session.execute(update(Job).where(Job.id == late).values(state="failed", finished_at=world.time))
    assert world.retry(late) == [world.store.uri(f"jobs/{late}/2/checkpoint.pt")]
    world.round(days=1)
    assert f"jobs/{late}/2/checkpoint.pt" in world.objects()


# --- predictions


def test_predictions_are_kept_with_their_job_unless_told_otherwise(world, database, tmp_path):
    job = world.job(world.dataset(), "succeeded")
    old, running = world.prediction(job), world.prediction(job, "running")
    world.round(days=3650)
    assert any(old in key for key in world.objects())
    strict = World(database, (tmp_path / "objects").as_uri(), tmp_path / "spool", keep_predictions_days=10)
    strict.time = world.time
    young = strict.prediction(job)
    strict.round(days=9)
    assert {one for one in (old, young, running) if any(one in key for key in strict.objects())} == {
        young,
        running,
    }
    with database.read() as session:
        assert set(session.scalars(select(Prediction.id))) == {young, running}


# --- the round


def test_of_several_workers_one_does_a_round(world, monkeypatch):
    rounds = []

    def note(cleaner) -> None:
        rounds.append(cleaner)

    monkeypatch.setattr(Cleaner, "round", note)
    gate = Barrier(4)

    def work() -> None:
        gate.wait()
        world.cleaner().round_if_due()

    for expected in (1, 1, 2):
        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(rounds) == expected
        world.time += timedelta(minutes=40)


class Troubled:
    """A store that does something of the test's before it removes."""

    def __init__(self, store, before) -> None:
        self._store = store
        self._before = before

    def __getattr__(self, name):
        return getattr(self._store, name)

    def delete(self, key):
        self._before(key)
        self._store.delete(key)

    def delete_prefix(self, prefix):
        self._before(prefix)
        return self._store.delete_prefix(prefix)


def test_a_key_that_cannot_be_removed_keeps_no_other_and_is_tried_again(world):
    lost = sorted(f"datasets/{datasets.new_id()}" for _ in range(3))
    for key in lost:
        world.store.put_bytes(f"{key}/table.csv", b"x")
    world.round()
    world.time += timedelta(hours=169)

    def refuse(key):
        if key == lost[0]:
            raise ConnectionError("away")

    world.cleaner(Troubled(world.store, refuse)).round()
    assert world.objects() == {f"{lost[0]}/table.csv"}
    world.round(hours=2)
    assert world.objects() == set()


def test_spool_folders_go_once_both_tracks_have_ended(world, database):
    spool = world.settings.spool_dir
    ended = [
        world.dataset(),
        world.dataset(schema_state="failed", state="rejected"),
        world.dataset(staging_state="failed", state="rejected"),
    ]
    busy = [world.dataset(schema_state="pending"), world.dataset(staging_state="running")]
    for name in (*ended, *busy, "0" * 32, "lost+found"):
        (spool / name / "files").mkdir(parents=True)
    assert drop_settled_spool(database, spool, world.store, died_after=0.0) == len(ended)
    assert {path.name for path in spool.iterdir()} == {*busy, "0" * 32, "lost+found"}


# --- nothing that is referenced, at any moment


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.long)])
def any_store(request, tmp_path) -> str:
    if request.param == "file":
        return (tmp_path / "objects").as_uri()
    return f"{request.getfixturevalue('s3_url')}/some/prefix"


def test_whatever_happens_between_the_look_and_the_removal(database, any_store, tmp_path):
    """Before each single removal a job is retried, a data set is made, and one is deleted."""
    world = World(database, any_store, tmp_path / "spool")
    mine = world.dataset()
    ended = [world.job(mine, "failed") for _ in range(3)]
    orphan = world.dataset()
    world.delete_dataset(orphan)
    world.round()
    world.time += timedelta(days=40)
    begun: dict[str, str] = {}
    made: list[str] = []

    def meanwhile(_key):
        if len(begun) < len(ended):
            job = ended[len(begun)]
            begun[job] = world.retry(job)
        made.append(world.dataset())
        world.delete_dataset(world.dataset())

    world.cleaner(Troubled(world.store, meanwhile)).round()
    assert set(begun) == set(ended)
    keys = world.objects()
    for job, resume_from in begun.items():
        assert resume_from == [], "their checkpoints had been given up before any was removed"
        assert f"jobs/{job}/1/log.txt" in keys
        assert f"jobs/{job}/1/checkpoint.pt" not in keys
    assert {f"datasets/{dataset}/table.csv" for dataset in (mine, *made)} <= keys
    assert f"datasets/{orphan}/table.csv" not in keys


def test_retries_and_clean_ups_at_once_lose_no_checkpoint(world, database):
    """Threads: each job is retried in the moment in which its checkpoint becomes too old."""
    dataset = world.dataset()
    for _ in range(5):
        ended = [world.job(dataset, "failed") for _ in range(4)]
        world.time += timedelta(days=31)
        gate, told = Barrier(3), {}

        def retry(part, gate=gate, told=told):
            gate.wait()
            for job in part:
                told[job] = world.retry(job)

        def clean(gate=gate):
            gate.wait()
            world.cleaner().round()

        threads = [Thread(target=retry, args=(part,)) for part in (ended[:2], ended[2:])] + [
            Thread(target=clean)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.cleaner().round()
        keys = world.objects()
        assert set(told) == set(ended)
        for job, resume_from in told.items():
            if resume_from:
                assert f"jobs/{job}/1/checkpoint.pt" in keys
        with database.write() as session:  # out of the next round's way
            session.execute(update(Job).values(state="running", finished_at=None))


class Lives(RuleBasedStateMachine):
    """Data sets, jobs and predictions live and die in any order, with rounds of clean-up in between and interrupted."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="triptych-lives-"))
        shutil.copy(self.template, self.folder / "test.db")
        self.database = Database(f"sqlite:///{self.folder}/test.db")
        url = (self.folder / "objects").as_uri()
        limits = {"keep_checkpoints_days": 3, "keep_predictions_days": 2, "orphan_hours": 24}
        self.world = World(self.database, url, self.folder / "spool", **limits)
        self.datasets: list[str] = []
        self.jobs: list[str] = []
        self.halves: list[
            tuple[str, str]
        ] = []  # predictions whose objects are there and whose rows are not yet
        self.resuming: dict[str, str] = {}

    def teardown(self) -> None:
        for _ in range(3):
            self.world.round(days=4)
            self.everything_referenced_is_there()
        with self.database.read() as session:
            alive = set(session.scalars(select(Dataset.id))) | set(session.scalars(select(Job.id)))
        assert {key.split("/")[1] for key in self.world.objects()} <= alive, "an orphan is left"
        assert self.world.garbage() == set()
        self.database.engine.dispose()
        shutil.rmtree(self.folder)

    pick = st.integers(0, 99)

    @rule()
    def make_dataset(self) -> None:
        self.datasets.append(self.world.dataset())

    @precondition(lambda self: self.datasets)
    @rule(which=pick, state=st.sampled_from(["created", *job_states.FINAL, *job_states.LIVE]))
    def make_job(self, which, state) -> None:
        self.jobs.append(self.world.job(self.datasets[which % len(self.datasets)], state))

    @precondition(lambda self: self.jobs)
    @rule(which=pick, state=st.sampled_from(job_states.FINAL))
    def end_job(self, which, state) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        with self.database.write() as session:
            job = jobs.get(session, job_id)
            if job_states.move(session, job, state):
                job.finished_at = self.world.time
                self.resuming.pop(job_id, None)

    @precondition(lambda self: self.jobs)
    @rule(which=pick)
    def retry_job(self, which) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        try:
            self.resuming[job_id] = self.world.retry(job_id)
        except DomainError:
            return
        with self.database.read() as session:
            self.world.leave_artifacts(job_id, jobs.get(session, job_id).attempt)

    @precondition(lambda self: self.jobs)
    @rule(which=pick, state=st.sampled_from(["running", "succeeded", "failed"]))
    def predict(self, which, state) -> None:
        self.world.prediction(self.jobs[which % len(self.jobs)], state)

    @precondition(lambda self: self.datasets)
    @rule(which=pick)
    def delete_dataset(self, which) -> None:
        dataset = self.datasets[which % len(self.datasets)]
        try:
            self.world.delete_dataset(dataset)
        except DomainError:
            return
        self.datasets.remove(dataset)
        with self.database.read() as session:
            alive = set(session.scalars(select(Job.id)))
        self.jobs = [job for job in self.jobs if job in alive]

    @rule(hours=st.integers(1, 50))
    def wait(self, hours) -> None:
        self.world.time += timedelta(hours=hours)

    @rule()
    def clean(self) -> None:
        self.world.round()

    @rule(
        which=pick,
        acts=st.lists(st.sampled_from(["retry_job", "delete_dataset", "make_dataset"]), max_size=4),
    )
    def clean_with_others_in_between(self, which, acts) -> None:
        left = list(acts)

        def meanwhile(_key) -> None:
            if not left:
                return
            act = left.pop()
            if act == "make_dataset":
                self.make_dataset()
            elif self.jobs and self.datasets:
                getattr(self, act)(which)

        self.world.cleaner(Troubled(self.world.store, meanwhile)).round()

    @rule(key=st.integers(0, 5))
    def clean_and_die(self, key) -> None:
        left = [None] * key

        def die(_key) -> None:
            if not left:
                raise KeyboardInterrupt  # no Exception: nothing after it runs
            left.pop()

        with suppress(KeyboardInterrupt):
            self.world.cleaner(Troubled(self.world.store, die)).round()

    @invariant()
    def everything_referenced_is_there(self) -> None:
        keys = self.world.objects()
        with self.database.read() as session:
            for dataset in session.scalars(select(Dataset.id)):
                assert f"datasets/{dataset}/table.csv" in keys
            for job in session.scalars(select(Job)):
                assert {f"jobs/{job.id}/{number}/log.txt" for number in range(1, job.attempt + 1)} <= keys
                age = self.world.time - (job.finished_at or self.world.time)
                if (
                    job.state != "succeeded"
                    and age < timedelta(days=3)
                    and job.checkpoints_from <= job.attempt
                ):
                    assert f"jobs/{job.id}/{job.attempt}/checkpoint.pt" in keys
            for prediction in session.scalars(select(Prediction)):
                assert f"{predictions.folder(prediction.job_id, prediction.id)}/table.csv" in keys
        for uri in itertools.chain.from_iterable(self.resuming.values()):
            assert self.world.store.key_of(uri) in keys


def test_no_order_of_events_loses_what_is_referenced_or_leaves_what_is_not(request):
    Lives.template = request.getfixturevalue("_sqlite_template")
    run_state_machine_as_test(
        Lives, settings=hypothesis_settings(max_examples=8, stateful_step_count=20, deadline=None)
    )
