"""A client of one Server-Sent Events stream that reconnects where it was (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LIVED = 30.0  # seconds after which a connection that broke off was one


@dataclass
class Message:
    """One message of a stream; `data` is its decoded JSON."""

    event: str = "message"
    id: str | None = None
    data: Any = None


@dataclass
class _Draft:
    event: str = "message"
    id: str | None = None
    lines: list[str] = field(default_factory=list)


def parse(lines: Iterable[str]) -> Iterator[Message]:
    """Turn the lines of a stream into messages; one that the stream's end cuts short is dropped."""
    draft = _Draft()
    for line in lines:
        if not line:
            if draft.lines or draft.event != "message":
                text = "\n".join(draft.lines)
                yield Message(draft.event, draft.id, json.loads(text) if text else None)
            draft = _Draft()
            continue
        name, _, value = line.partition(":")  # a line that starts with a colon is a comment: it has no name
        value = value.removeprefix(" ")
        if name == "data":
            draft.lines.append(value)
        elif name == "event":
            draft.event = value
        elif name == "id":
            draft.id = value


def follow(
    connect: Callable[[str | None], Iterator[str]],
    *,
    last_id: str | None = None,
    tries: int = 8,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Message]:
    """Give the messages of a stream until its `end`, reconnecting as often as it breaks off.

    Args:
        connect: Opens the stream after an id (None: from the start) and gives its lines; raises
            `httpx.TransportError` or `Retry` when it cannot or when it breaks off.
        last_id: Where to begin.
        tries: Connections in a row that bring nothing and soon break before it is given up.
        pause: Waits the seconds it is given.
        clock: Seconds since some moment.

    Raises:
        httpx.TransportError: The stream cannot be had.
        Retry: As above.
    """
    failures = 0
    while True:
        problem: Exception | None = None
        began = clock()
        try:
            for message in parse(connect(last_id)):
                failures = 0
                last_id = message.id or last_id
                if message.event == "end":
                    return
                yield message
        except (httpx.TransportError, Retry) as error:
            problem = error
        # A job that waits for long has nothing to tell, and something on the way cuts what is silent
        failures = 1 if clock() - began > _LIVED else failures + 1
        if failures >= tries:
            raise problem or Retry("the stream ends without a message")
        pause(min(0.5 * 2 ** (failures - 1), 10.0))


class Retry(Exception):
    """The stream cannot be had at the moment."""
