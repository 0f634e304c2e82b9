"""Silence is told of jobs that should run and are not heard, while someone listens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.events import Envelope, JobSilent
from runtime.outbox import EventRow, Outbox
from services.metrics.models import Job
from services.metrics.silence import SilenceWatch

START = datetime(2026, 1, 1, tzinfo=UTC)


class Watch:
    """A watch with a clock of its own; silence is told after 60 s."""

    def __init__(self, database) -> None:
        self.database, self.at = database, START
        self.watch = SilenceWatch(database, Outbox(lambda: None), 60, lambda: self.at)

    def job(self, job_id="j", *, state="running", launched=True, heard=0) -> None:
        """Put a job there, heard so many seconds after the start."""
        seen = None if heard is None else START + timedelta(seconds=heard)
        with self.database.write() as session:
            session.merge(Job(job_id=job_id, attempt=1, state=state, launched=launched, last_seen=seen))

    def until(self, seconds: float) -> list[JobSilent]:
        """Look every 15 s until so long after the start, and give all that was told."""
        while self.at < START + timedelta(seconds=seconds):
            self.at += timedelta(seconds=15)
            self.watch.look()
        return self.told()

    def told(self) -> list[JobSilent]:
        with self.database.read() as session:
            rows = session.query(EventRow).order_by(EventRow.created_at)
            return [Envelope.model_validate(row.envelope).decode() for row in rows]


@pytest.fixture
def watch(database):
    return Watch(database)


def seconds(moment):
    return (moment - START).total_seconds()


def test_silence_is_told_again_while_it_lasts_and_no_longer(watch):
    watch.job(heard=30)
    assert watch.until(75) == []
    [first] = watch.until(90)
    assert (first.job_id, first.attempt, seconds(first.since), seconds(first.until)) == ("j", 1, 30, 210)
    assert len(watch.until(135)) == 1
    assert len(watch.until(150)) == 2
    watch.job(heard=151)
    assert len(watch.until(195)) == 2


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ({"state": "launching", "heard": None}, True),
        ({"state": "interrupted"}, True),
        ({"state": "queued"}, False),
        ({"state": "succeeded"}, False),
        ({"state": "failed"}, False),
        ({"launched": False}, False),
    ],
)
def test_it_is_told_of_what_this_platform_has_running(watch, job, told):
    watch.job(**job)
    assert bool(watch.until(90)) is told


def test_nobody_can_say_who_was_silent_while_nobody_listened(watch):
    watch.job(heard=-3600)
    [first] = watch.until(60)
    assert seconds(first.since) == 0, "the watch began then"
    watch.at += timedelta(hours=1)  # a process that was stopped, a laptop that was closed
    watch.watch.look()
    assert len(watch.until(3660 + 45)) == 1
    assert seconds(watch.until(3660 + 60)[-1].since) == 3660


def test_a_database_that_is_away_is_no_silence(watch):
    watch.job()
    assert len(watch.until(60)) == 1
    watch.watch._db = None
    for _ in range(10):
        watch.at += timedelta(seconds=15)
        with pytest.raises(AttributeError):
            watch.watch.look()
    watch.watch._db = watch.database
    assert len(watch.until(60 + 150 + 60)) == 1, "it listens again since then"
    assert len(watch.until(60 + 150 + 75)) == 2


def test_where_nobody_at_all_is_heard_it_says_so(watch):
    for job_id in ("a", "b"):
        watch.job(job_id)
    assert [event.everyone for event in watch.until(60)] == [True, True]
    watch.job("b", heard=115)
    assert [(event.job_id, event.everyone) for event in watch.until(120)[2:]] == [("a", False)]


def test_a_single_silent_job_is_not_everyone(watch):
    watch.job()
    assert [event.everyone for event in watch.until(60)] == [False]


def test_several_watches_tell_once(watch, database):
    watch.job()
    other = SilenceWatch(database, Outbox(lambda: None), 60, lambda: watch.at)
    for _ in range(4):
        watch.at += timedelta(seconds=15)
        watch.watch.look()
        other.look()
    assert len(watch.told()) == 1
