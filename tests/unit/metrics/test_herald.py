"""Viewers are told in the order of the commits, and whoever commits does not wait for it."""

from __future__ import annotations

import threading

import pytest

from services.metrics import herald as module
from services.metrics.herald import Herald
from services.metrics.publisher import News
from support.wait import until


class Publisher:
    """Notes what it is told; while `held` is clear it does not return."""

    def __init__(self):
        self.calls = []
        self.held = threading.Event()
        self.held.set()

    def publish(self, news):
        self.calls.append([each.last_seq for each in news])
        assert self.held.wait(30)


@pytest.fixture
def publisher():
    return Publisher()


@pytest.fixture
def herald(publisher):
    herald = Herald(publisher)
    yield herald
    publisher.held.set()
    herald.close()


def news(*numbers):
    return [News("j", [], None, number) for number in numbers]


def test_what_comes_while_redis_is_slow_waits_for_nobody_and_is_told_at_once_and_in_order(herald, publisher):
    publisher.held.clear()
    herald.publish(news(1))
    until(lambda: publisher.calls, "the first to be told")
    herald.publish(news(2, 3))
    herald.publish(news(4))
    publisher.held.set()
    until(lambda: len(publisher.calls) == 2, "the others to be told")
    assert publisher.calls == [[1], [2, 3, 4]]


def test_closing_tells_what_waits(herald, publisher):
    publisher.held.clear()
    for number in (1, 2):
        herald.publish(news(number))
    publisher.held.set()
    herald.close()
    assert [number for call in publisher.calls for number in call] == [1, 2]


def test_after_the_first_news_are_told_together_and_closing_waits_for_no_pause(
    herald, publisher, monkeypatch
):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 3600)
    herald.publish(news(1))
    until(lambda: publisher.calls, "the first to be told")
    herald.publish(news(2))
    herald.publish(news(3))
    herald.close()
    assert publisher.calls == [[1], [2, 3]]


def test_the_oldest_are_dropped_where_too_many_wait(herald, publisher, monkeypatch):
    monkeypatch.setattr(module, "_MOST_WAITING", 2)
    publisher.held.clear()
    herald.publish(news(0))
    until(lambda: publisher.calls, "the first to be told")
    for number in (1, 2, 3):
        herald.publish(news(number))
    publisher.held.set()
    herald.close()
    assert publisher.calls == [[0], [2, 3]]


def test_one_that_was_told_nothing_closes(publisher):
    Herald(publisher).close()
    assert publisher.calls == []
