"""What follows the end of an attempt: the next one, or the job's end with a reason."""

from __future__ import annotations

import pytest
from integration.api.test_jobs import act, create, dataset, ready, show  # noqa: F401 - fixtures

from contracts.callback import Outcome
from contracts.events import (
    EndCause,
    Envelope,
    JobEnded,
    JobFinished,
    JobLaunchRequested,
    JobLost,
    JobStarted,
)
from runtime.outbox import EventRow
from services.api.handlers import Handlers

pytestmark = pytest.mark.sqlite


@pytest.fixture
def start(platform, ready):  # noqa: F811 - a fixture
    def start(**resources):
        return create(platform, ready, start=True, resources=resources).json["id"]

    return start


def told(platform, job, kind):
    with platform.database.read() as session:
        rows = session.query(EventRow).order_by(EventRow.created_at)
        events = [Envelope.model_validate(row.envelope).decode() for row in rows]
    return [event for event in events if isinstance(event, kind) and event.job_id == job]


def ended(job, cause, attempt=1, outcome=Outcome.FAILED, **values):
    return JobFinished(
        job_id=job, attempt=attempt, outcome=outcome, reason="so it was", cause=cause, **values
    )


@pytest.mark.parametrize(
    "cause",
    [EndCause.CAPACITY, EndCause.RECLAIMED, EndCause.INTERRUPTED, EndCause.HUNG, EndCause.STORE],
)
def test_what_is_nobodys_fault_is_tried_again_from_its_checkpoint(platform, start, cause):
    job = start()
    platform.hear(JobStarted(job_id=job, attempt=1))
    platform.hear(ended(job, cause))
    shown = show(platform, job)
    assert (shown["state"], shown["attempt"], shown["last_attempt"]) == ("queued", 2, 4)
    history = [(step["attempt"], step["state"], step["reason"]) for step in shown["history"][-2:]]
    assert history[0] == (1, "interrupted", "so it was")
    assert history[1][:2] == (2, "queued")
    assert history[1][2].startswith("tried again by itself, as attempt 2 of 4")
    launch = told(platform, job, JobLaunchRequested)[-1]
    assert launch.attempt == 2
    assert f"jobs/{job}/1/checkpoint.pt" in launch.spec["RESUME_FROM"]
    slow = cause in {EndCause.CAPACITY, EndCause.RECLAIMED, EndCause.STORE}
    assert (30 <= launch.delay_seconds <= 60) if slow else launch.delay_seconds == 0
    assert told(platform, job, JobEnded) == []


@pytest.mark.parametrize(
    "cause",
    [
        None,
        EndCause.OUT_OF_MEMORY,
        EndCause.DATA,
        EndCause.CODE,
        EndCause.SETTINGS,
        EndCause.NEVER_STARTED,
        EndCause.STOPPED,
    ],
)
def test_what_would_end_the_same_way_is_not_tried_again(platform, start, cause):
    job = start()
    platform.hear(ended(job, cause))
    shown = show(platform, job)
    assert (shown["state"], shown["attempt"], shown["reason"]) == ("failed", 1, "so it was")
    assert told(platform, job, JobEnded) == [
        JobEnded(job_id=job, attempt=1, outcome=Outcome.FAILED, reason="so it was")
    ]


def test_there_is_a_limit_and_a_person_may_go_beyond_it(platform, start):
    job = start(max_retries=2)
    for attempt in (1, 2, 3):
        platform.hear(JobLost(job_id=job, attempt=attempt, reason="gone"))
    shown = show(platform, job)
    assert (shown["state"], shown["attempt"]) == ("failed", 3)
    assert shown["reason"] == "given up after 3 attempts; the last one ended: gone"
    assert act(platform, job, "retry").json["last_attempt"] == 6
    resume = told(platform, job, JobLaunchRequested)[-1].spec["RESUME_FROM"]
    assert [resume.index(f"/{attempt}/checkpoint.pt") for attempt in (3, 2, 1)] == sorted(
        resume.index(f"/{attempt}/checkpoint.pt") for attempt in (3, 2, 1)
    )
    platform.hear(JobLost(job_id=job, attempt=4, reason="gone"))
    assert (show(platform, job)["state"], show(platform, job)["attempt"]) == ("queued", 5)


def test_a_job_that_wants_no_retry_gets_none(platform, start):
    job = start(max_retries=0)
    platform.hear(JobLost(job_id=job, attempt=1, reason="gone"))
    assert (show(platform, job)["state"], show(platform, job)["reason"]) == ("failed", "gone")


def test_news_of_the_attempt_before_change_nothing(platform, start):
    job = start()
    for _ in range(2):
        platform.hear(JobLost(job_id=job, attempt=1, reason="gone"))
    platform.hear(ended(job, EndCause.DATA))
    assert (show(platform, job)["state"], show(platform, job)["attempt"]) == ("queued", 2)
    assert len(told(platform, job, JobLaunchRequested)) == 2


def test_a_cancellation_in_between_wins(platform, start):
    job = start()
    act(platform, job, "cancel")
    platform.hear(JobLost(job_id=job, attempt=1, reason="gone"))
    shown = show(platform, job)
    assert (shown["state"], shown["reason"]) == (
        "cancelled",
        "cancelled on request; before that it ended: gone",
    )
    assert act(platform, job, "retry").json["state"] == "queued"
    platform.hear(JobLost(job_id=job, attempt=2, reason="gone"))
    assert show(platform, job)["attempt"] == 3, "a cancellation is of the attempts until then"


def test_a_trainer_that_was_stopped_ends_its_job_only_where_someone_cancelled(platform, start):
    job, other = start(), start()
    act(platform, other, "cancel")
    for one in (job, other):
        platform.hear(ended(one, EndCause.INTERRUPTED, outcome=Outcome.CANCELLED))
    assert show(platform, job)["state"] == "queued"
    assert show(platform, job)["attempt"] == 1, "the launcher will say why"
    assert show(platform, other)["state"] == "cancelled"


def test_the_time_of_all_attempts_counts(platform, start):
    job = start(max_seconds=100)
    platform.hear(JobLost(job_id=job, attempt=1, reason="gone", ran_seconds=60))
    assert told(platform, job, JobLaunchRequested)[-1].ran_seconds == 60
    platform.hear(ended(job, EndCause.RECLAIMED, attempt=2, ran_seconds=50))
    shown = show(platform, job)
    assert shown["state"] == "timed_out"
    assert shown["reason"].startswith("its attempts ran 110 s, and max_seconds is 100")


def test_pauses_grow(platform, start):
    job = start(max_retries=3)
    platform._handlers = Handlers(
        platform.store, platform.settings.spool_dir, retry_pause_seconds=1000
    ).table()
    for attempt in (1, 2, 3):
        platform.hear(ended(job, EndCause.CAPACITY, attempt=attempt))
    pauses = [launch.delay_seconds for launch in told(platform, job, JobLaunchRequested)]
    assert pauses[0] == 0
    assert 500 <= pauses[1] <= 1000
    assert 900 <= pauses[2] <= 1800
    assert 900 <= pauses[3] <= 1800, "and have a limit"


@pytest.mark.parametrize(
    ("resources", "status"),
    [
        ({"max_retries": 21}, 422),
        ({"max_retries": -1}, 422),
        ({"max_idle_seconds": -1}, 422),
        ({"max_idle_seconds": 0}, 201),
    ],
)
def test_limits_of_a_job(platform, ready, resources, status):  # noqa: F811 - a fixture
    assert create(platform, ready, resources=resources).status_code == status


def test_a_job_that_names_no_limits_has_those_of_the_platform(platform, start):
    job = start()
    assert (
        show(platform, job)["settings"]["resources"].items()
        >= {
            "max_retries": 3,
            "max_idle_seconds": 900,
        }.items()
    )
    assert told(platform, job, JobLaunchRequested)[-1].max_idle_seconds == 900
