"""What the metrics service keeps of a job goes with it, and does not come back."""

from __future__ import annotations

import pytest
from integration.metrics.running import body, final, points
from integration.metrics.test_access import PATHS
from integration.metrics.test_callbacks import everything, send, with_fixed_token
from integration.metrics.test_handlers import AGAIN, ENDED, FAILED, LAUNCHED, LOST, REQUESTED, abandoned
from sqlalchemy import func, select

from contracts.events import JobDeleted
from contracts.live import channel
from services.metrics import deletion, handlers, items
from services.metrics.app import EXTENSION
from services.metrics.history import Page
from services.metrics.models import Item, Job
from services.metrics.pulse import KEEP_ALIVE, Pulse
from services.metrics.stream import EventStream

DELETED = JobDeleted(job_id="j")
NOTHING = Page([], 0, ended=True, heartbeat=None)


def kept(database, job_id="j"):
    """Give the state of a job's row, and how many items it has."""
    with database.read() as session:
        count = session.scalar(select(func.count()).select_from(Item).where(Item.job_id == job_id))
        return session.get(Job, job_id).state, count


@pytest.mark.parametrize("at_once", [3, 4, 1000])
def test_a_deleted_jobs_items_go_and_nobody_elses(handle, client, database, monkeypatch, at_once):
    monkeypatch.setattr(handlers, "_DELETED_AT_ONCE", at_once)
    for job_id in ("j", "k"):
        send(client, body(points=points(*range(10)), final=final()), job_id)
    handle(DELETED)
    assert kept(database) == ("deleted", 0)
    assert [client.get(path.format("j")).status_code for path in PATHS] == [404] * 3
    assert len(everything(client, "k")) == 12


def test_late_callbacks_are_refused(handle, client, database):
    send(client, body(points=points(0)))
    handle(DELETED)
    for attempt in (1, 2):
        answer = send(client, body(attempt=attempt, points=points(1)), attempt=attempt)
        assert (answer.status_code, answer.json["detail"]) == (409, "the job was deleted")
    assert kept(database) == ("deleted", 0)


def test_a_job_of_elsewhere_stays_deleted_too(handle, client, database):
    send(client, body(points=points(0)), headers=with_fixed_token())
    handle(DELETED)
    assert send(client, body(points=points(1)), headers=with_fixed_token()).status_code == 409
    assert kept(database) == ("deleted", 0)


@pytest.mark.parametrize(
    "late",
    [REQUESTED, AGAIN, LAUNCHED, FAILED, LOST, ENDED, abandoned(), DELETED],
    ids=lambda event: f"{event.NAME} {getattr(event, 'attempt', '')}",
)
@pytest.mark.parametrize("before", [(), (REQUESTED,)], ids=["unheard-of", "queued"])
def test_news_that_come_late_or_twice_bring_nothing_back(handle, database, before, late):
    for event in (*before, DELETED, late):
        handle(event)
    assert kept(database) == ("deleted", 0)


def test_a_deletion_that_was_cut_off_shows_nothing_and_goes_on(handle, app, client, database, monkeypatch):
    send(client, body(points=points(*range(10))))
    with database.write() as session:
        assert deletion.forget(session, "j", 3)
    assert kept(database) == ("deleted", 8)
    assert client.get(PATHS[0].format("j")).status_code == 404
    assert send(client, body(points=points(11))).status_code == 409
    assert app.extensions[EXTENSION].parts.history.page("j", 0, 50) == NOTHING
    handle(DELETED)
    assert kept(database) == ("deleted", 0)


def test_an_open_stream_ends(handle, app, client):
    parts = app.extensions[EXTENSION].parts
    send(client, body(points=points(0, 1)))
    pulse = Pulse(keep_alive_seconds=0, poll_seconds=0, is_gone=lambda: False, is_allowed=lambda: True)
    mailbox = parts.hub.open(channel("j"))
    told = iter(EventStream("j", mailbox, parts.hub, parts.history, pulse, after=0, page_items=50))
    while next(told) != KEEP_ALIVE:
        pass
    handle(DELETED)
    assert list(told)[-1] == items.END


def test_curves_that_are_read_while_the_job_is_deleted_are_none(handle, app, client, monkeypatch):
    history = app.extensions[EXTENSION].parts.history
    send(client, body(points=points(*range(30))))
    assert history.thinned("j", 10).last_seq == 31
    seen_before = history.page("j", 0, 0)
    handle(DELETED)
    monkeypatch.setattr(history, "page", lambda *_: seen_before)
    assert history.thinned("j", 10) == NOTHING
