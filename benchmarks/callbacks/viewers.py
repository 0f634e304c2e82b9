"""Viewers of event streams, and what keeps a job that they watch alive."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from benchmarks.access import KEY
from benchmarks.callbacks.calls import our_requests
from benchmarks.callbacks.clients import by_http_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AN_IDLE_JOB = "watched"


class Viewers:
    """Open event streams, all read by one process, which counts the events."""

    def __init__(self, origin: str, jobs: Sequence[str], count: int) -> None:
        self._count = multiprocessing.Value("q", 0)
        self._ready = multiprocessing.Event()
        self._process = multiprocessing.Process(target=self._read, args=(origin, jobs, count), daemon=True)

    @property
    def seen(self) -> int:
        """Events so far, of all streams together."""
        return int(self._count.value)

    def __enter__(self) -> Self:
        self._process.start()
        assert self._ready.wait(180), "the streams do not open"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def _read(self, origin: str, jobs: Sequence[str], count: int) -> None:
        host, _, port = origin.removeprefix("http://").partition(":")
        with selectors.DefaultSelector() as selector:
            waiting = [f"/api/training_jobs/{jobs[number % len(jobs)]}/events/" for number in range(count)]
            while waiting:
                opened = []
                for path in waiting:
                    stream = socket.create_connection((host, int(port)))
                    stream.sendall(
                        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
                    )
                    opened.append((path, stream))
                waiting = []
                for path, stream in opened:
                    head = b""
                    while b"retry:" not in head and b" 503 " not in head:
                        head += stream.recv(65536)
                    if b" 503 " in head:  # it has not noticed yet that the streams before are gone
                        stream.close()
                        waiting.append(path)
                    else:
                        selector.register(stream, selectors.EVENT_READ)
                time.sleep(0.5 if waiting else 0)
            self._ready.set()
            while True:
                for key, _ in selector.select():
                    got = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    self._count.value += got.count(b"\nevent: ")
                    if not got:
                        selector.unregister(key.fileobj)


@contextmanager
def trickle(origin: str) -> Iterator[None]:
    """Report to the idle viewers' job once a second."""
    over = threading.Event()

    def work() -> None:
        call = by_http_client(origin)
        for request in our_requests(origin, AN_IDLE_JOB, 1000):
            call(request)
            if over.wait(1.0):
                return

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()
