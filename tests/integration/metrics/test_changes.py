"""The stream of what changed in a workspace: told at once, with a call to look wherever something may be missing."""

from __future__ import annotations

import pytest
import redis

from contracts.changes import Change, channel
from runtime.announcer import Announcer
from support.access import HEADERS
from support.changes import ChangesViewer
from support.wait import until

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def announce(redis_server):
    announcer = Announcer(redis_server.url, timeout_seconds=5, pause_seconds=0.001)
    yield lambda kind, name, workspace="default": announcer.announce(
        [(channel(workspace), Change(kind=kind, id=name).model_dump_json().encode())]
    )
    announcer.close()


@pytest.fixture
def service(start):
    return start()


@pytest.fixture
def viewer(service):
    viewer = ChangesViewer(service.url, HEADERS)
    until(lambda: viewer.told == ["look"], "the stream to miss nothing any more")
    yield viewer
    viewer.close()


def test_a_change_is_told_to_everyone_in_its_workspace_and_to_nobody_else(service, viewer, announce):
    late = ChangesViewer(service.url, HEADERS)  # its workspace is subscribed to already
    until(lambda: late.told == ["look"], "the second stream")
    announce("job", "theirs", workspace="other")
    announce("staging", "d1")
    announce("prediction", "p1")
    until(lambda: len(viewer.told) == 3 and len(late.told) == 3, "both changes in both streams")
    assert viewer.told == late.told == ["look", "staging d1", "prediction p1"]
    late.close()


def test_what_was_missed_while_redis_was_away_is_to_be_looked_for(viewer, announce, redis_server):
    redis_server.kill()
    announce("job", "missed")
    redis_server.start()
    until(lambda: "look" in viewer.told[1:], "the call to look")
    told = len(viewer.told)
    until(lambda: announce("job", "j1") or "job j1" in viewer.told[told:], "a change after it")
    assert "job missed" not in viewer.told


def test_rubbish_is_passed_over(viewer, announce, redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        for rubbish in (b"", b"{", b'{"kind":"job"}', b'{"kind":"model","id":"m"}', b"\xff"):
            client.publish(channel("default"), rubbish)
    announce("dataset", "d1")
    until(lambda: len(viewer.told) > 1, "the change behind it")
    assert viewer.told == ["look", "dataset d1"]
