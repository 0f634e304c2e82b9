"""A Redis that is away or hangs is left alone, so that callbacks do not wait for it."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest

from services.metrics.items import Numbered
from services.metrics.publisher import News, Publisher

ITEM = Numbered(1, "state", 1, datetime(2026, 1, 1, tzinfo=UTC), '{"state":"running"}')


@pytest.fixture
def hanging_redis():
    """Accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener


def connections(listener):
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_a_hanging_redis_is_tried_once_in_a_pause(hanging_redis):
    url = f"redis://127.0.0.1:{hanging_redis.getsockname()[1]}/0"
    publisher = Publisher(url, timeout_seconds=0.01, pause_seconds=3600)
    for _ in range(50):
        publisher.publish([News("j", [ITEM], None, 1)])
    publisher.close()
    assert connections(hanging_redis) == 1


def test_it_is_tried_again_after_the_pause(hanging_redis):
    url = f"redis://127.0.0.1:{hanging_redis.getsockname()[1]}/0"
    publisher = Publisher(url, timeout_seconds=0.01, pause_seconds=1e-9)
    for _ in range(3):
        publisher.publish([News("j", [ITEM], None, 1)])
    publisher.close()
    assert connections(hanging_redis) == 3


def test_nothing_new_is_not_published(hanging_redis):
    url = f"redis://127.0.0.1:{hanging_redis.getsockname()[1]}/0"
    publisher = Publisher(url, timeout_seconds=0.01, pause_seconds=3600)
    publisher.publish([News("j", [], None, 1)])
    publisher.close()
    assert connections(hanging_redis) == 0
