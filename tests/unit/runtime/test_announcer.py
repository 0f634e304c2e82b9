"""A Redis that is away or hangs is left alone, so that requests do not wait for it."""

from __future__ import annotations

import socket

import pytest

from runtime.announcer import Announcer

MESSAGE = ("channel", b"what happened")


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


@pytest.mark.parametrize(
    ("pause_seconds", "times", "messages", "tried"),
    [
        pytest.param(3600, 50, [MESSAGE], 1, id="once in a pause"),
        pytest.param(1e-9, 3, [MESSAGE], 3, id="again after each pause"),
        pytest.param(3600, 1, [], 0, id="not for nothing"),
    ],
)
def test_a_hanging_redis_is_tried(hanging_redis, pause_seconds, times, messages, tried):
    url = f"redis://127.0.0.1:{hanging_redis.getsockname()[1]}/0"
    announcer = Announcer(url, timeout_seconds=0.01, pause_seconds=pause_seconds)
    for _ in range(times):
        announcer.announce(messages)
    announcer.close()
    assert connections(hanging_redis) == tried
