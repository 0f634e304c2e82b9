"""Event streams: read as the standard says, and followed through breaks."""

from __future__ import annotations

import httpx
import pytest

from client import Client, Refused, sse


def test_streams_are_parsed_as_the_standard_says():
    lines = [
        "retry: 2000",
        "",
        ": a comment",
        "",
        "id: 7",
        "event: point",
        'data: {"a":',
        "data: 1}",
        "",
        "data:[2]",
        "",
        "event: cut-short",
        "data: 3",
    ]
    assert list(sse.parse(lines)) == [sse.Message("point", "7", {"a": 1}), sse.Message("message", None, [2])]


def message(event: str, number: int | None = None) -> list[str]:
    return [*([f"id: {number}"] if number else []), f"event: {event}", "data: {}", ""]


class Stream:
    """A server's side: what each connection brings; an exception ends it."""

    def __init__(self, *connections):
        self.connections = list(connections)
        self.asked_after = []

    def __call__(self, after):
        self.asked_after.append(after)
        for part in self.connections.pop(0):
            if isinstance(part, Exception):
                raise part
            yield from part


def test_a_broken_stream_goes_on_where_it_was():
    stream = Stream(
        [message("state", 1), message("heartbeat"), message("point", 2), httpx.ReadError("reset")],
        [sse.Retry("503")],
        [message("point", 3), message("end"), message("point", 4)],
    )
    pauses = []
    events = [m.event for m in sse.follow(stream, pause=pauses.append)]
    assert events == ["state", "heartbeat", "point", "point"]
    assert stream.asked_after == [None, "2", "2"]
    assert pauses == [0.5, 1.0]


def test_a_stream_that_cannot_be_had_is_given_up():
    stream = Stream(*[[httpx.ConnectError("refused")]] * 3)
    with pytest.raises(httpx.ConnectError, match="refused"):
        list(sse.follow(stream, tries=3, pause=lambda _seconds: None))
    assert stream.connections == []


def test_a_connection_that_lived_for_long_counts_as_one_although_it_brought_nothing():
    stream = Stream(*[[httpx.ReadError("cut")]] * 6, [message("state", 1), message("end")])
    moments = iter(range(0, 10_000, 100))
    events = [
        m.event
        for m in sse.follow(stream, tries=3, pause=lambda _seconds: None, clock=lambda: float(next(moments)))
    ]
    assert events == ["state"]


def test_events_that_are_refused_are_not_tried_again():
    calls = []

    def handler(request):
        calls.append(request.headers.get("Last-Event-ID"))
        return httpx.Response(404, json={"detail": "no such job"})

    client = Client("http://platform", transport=httpx.MockTransport(handler))
    with pytest.raises(Refused, match="no such job"):
        list(client.events("j", last_id="5"))
    assert calls == ["5"]


def test_the_stream_of_any_id_is_its_own():
    asked = []

    def handler(request):
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, text="event: end\n\n")

    assert list(Client("http://platform", transport=httpx.MockTransport(handler)).events("../../x?")) == []
    assert asked == ["/api/training_jobs/..%2F..%2Fx%3F/events/"]
