"""Two handlers of one launcher queue meet at the same attempt."""

from __future__ import annotations

import pytest

from contracts.events import JobCancelRequested, JobLaunchRequested
from runtime.outbox import HANDLED, Delivery
from services.launcher import runs
from services.launcher.models import ENDED

REQUESTED = JobLaunchRequested(job_id="j", attempt=1, spec={})
CANCELLED = JobCancelRequested(job_id="j", attempt=1)


@pytest.mark.parametrize(
    "events", [(REQUESTED, CANCELLED), (CANCELLED, REQUESTED)], ids=["launch first", "cancel first"]
)
def test_a_launch_and_its_cancel_that_add_the_row_at_the_same_moment_are_both_heard(
    launcher, make_launcher, database, monkeypatch, events
):
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    first, second = events
    looked = runs.locked

    def meet(session, job_id, attempt):
        monkeypatch.setattr(runs, "locked", looked)
        found = looked(session, job_id, attempt)
        assert found is None
        make_launcher().hear(second)
        return found

    monkeypatch.setattr(runs, "locked", meet)
    launcher.hear(first)
    launcher.deliver()
    assert launcher.states() == {"j": ENDED}
    assert launcher.finished("j").outcome == "cancelled"
    with database.read() as session:
        assert {row.state for row in session.query(Delivery).filter_by(queue="launcher")} == {HANDLED}
