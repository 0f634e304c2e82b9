"""Mailboxes stay small, and the hub counts its viewers."""

from __future__ import annotations

import threading

import pytest

from services.metrics.hub import Hub, TooManyStreams
from services.metrics.mailbox import Batch, Beat, Mail, Mailbox

NOWHERE = "redis://127.0.0.1:1/0"


def batch(number, size=10):
    return Batch(number, number, b"x" * size, ends=False)


def test_a_viewer_gets_what_was_put_in_order():
    mailbox = Mailbox("j", 100)
    mailbox.put(batch(1))
    mailbox.put(batch(2))
    mailbox.beat(Beat(b"first", 1))
    mailbox.beat(Beat(b"latest", 2))
    assert mailbox.take(0) == Mail([batch(1), batch(2)], heartbeat=Beat(b"latest", 2))
    assert mailbox.take(0) == Mail()


def test_of_the_same_notice_one_waits():
    mailbox = Mailbox("j", 25)
    for frame in (b"log", b"d1 changed", b"log"):
        mailbox.notice(frame)
    assert list(mailbox.take(0).notices) == [b"log", b"d1 changed"]
    mailbox.notice(b"log")
    assert list(mailbox.take(0).notices) == [b"log"]


def test_a_viewer_of_too_many_notices_looks_for_itself():
    mailbox = Mailbox("j", 25)
    mailbox.put(batch(1))
    for number in (1, 2):
        mailbox.notice(b"notice  %d" % number)
    assert mailbox.take(0) == Mail(look=True)


def test_a_viewer_that_falls_behind_is_sent_to_the_database():
    mailbox = Mailbox("j", 25)
    for number in range(1, 4):
        mailbox.put(batch(number))
    assert mailbox.take(0) == Mail(look=True)
    mailbox.put(batch(4))
    assert mailbox.take(0) == Mail([batch(4)])


def test_one_message_larger_than_the_mailbox_is_read_from_the_database():
    mailbox = Mailbox("j", 25)
    mailbox.put(batch(1, size=26))
    assert mailbox.take(0) == Mail(look=True)


def test_a_closed_mailbox_stays_closed():
    mailbox = Mailbox("j", 25)
    mailbox.close()
    assert [mailbox.take(0).closed, mailbox.take(0).closed] == [True, True]


def test_a_waiting_viewer_wakes_up():
    mailbox = Mailbox("j", 25)
    taken = []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take(60)))
    thread.start()
    mailbox.put(batch(1))
    thread.join(timeout=30)
    assert taken == [Mail([batch(1)])]


def test_no_more_viewers_than_allowed_and_a_place_becomes_free():
    hub = Hub(NOWHERE, max_viewers=2, buffer_bytes=100)
    first, _second = hub.open("a"), hub.open("b")
    with pytest.raises(TooManyStreams, match="2 streams are open"):
        hub.open("a")
    hub.leave(first)
    hub.leave(first)
    hub.open("a")
    assert hub.viewers == 2
    hub.close()
    hub.join()


def test_closing_the_hub_ends_its_viewers_and_takes_no_more():
    hub = Hub(NOWHERE, max_viewers=2, buffer_bytes=100)
    mailbox = hub.open("a")
    hub.close()
    assert mailbox.take(60).closed
    with pytest.raises(TooManyStreams):
        hub.open("a")
    hub.join()
