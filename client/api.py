"""The whole REST API, call by call; and with it what a script needs beside: uploads, downloads, the stream of a job's events."""

from __future__ import annotations

import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

import httpx

from client import sse
from client.access import AccessCalls
from client.datasets import DatasetCalls
from client.errors import BrokenOff, StoreAway, Unusable
from client.files import Stream, sources
from client.http import explained, origin, refuse, segment, store_silence
from client.jobs import JobCalls
from client.operations import OperatorCalls
from client.predictions import PredictionCalls
from client.resuming import Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from client.errors import Refused
    from client.types import DatasetDetail

_CHUNK = 1 << 20
_SILENCE_SECONDS = 600.0  # of a platform that takes a large upload apart, at most


class Api(DatasetCalls, JobCalls, PredictionCalls, AccessCalls, OperatorCalls):
    """Every call that answers with JSON, over an HTTP client of one's own."""


class Client(Api):
    """A platform, as a script or the command line uses it."""

    def __init__(self, url: str, key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        """Connect to nothing yet.

        Args:
            url: The platform's origin, e.g. http://localhost:8080.
            key: API key, blanks around it do no harm; "" on the machine that the platform runs on.
            transport: Replaces the network in tests.

        Raises:
            Unusable: The URL is none, or the key.
        """
        # Uploads take as long as they take; but from a connection that died while this machine slept nothing ever comes
        timeout = httpx.Timeout(None, connect=10, read=_SILENCE_SECONDS)
        key = key.strip()
        # The network's own complaint would hold the key
        if not key.isascii() or not key.isprintable():
            raise Unusable(
                "key holds characters that no API key has: one is trp_ and letters, digits, - and _."
            )
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        except httpx.InvalidURL as error:
            raise Unusable(f"url {url!r} is not a URL: {error}") from None
        if http.base_url.scheme not in {"http", "https"} or not http.base_url.host:
            raise Unusable(f"url {url!r} is not an http:// or https:// URL.")
        super().__init__(http)
        self._outside = httpx.Client(timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._outside.close()

    def upload(
        self,
        table: Path,
        images: Path | None = None,
        *,
        name: str | None = None,
        resume: bool = True,
        begin: Callable[[int], object] = lambda _total: None,
        advance: Callable[[int], object] = lambda _bytes: None,
        pause: Callable[[float], object] = time.sleep,
        waits: Callable[[Refused], object] = lambda _refusal: None,
    ) -> DatasetDetail:
        """Upload a table and its images in chunks, through breaks.

        Args:
            table: The CSV.
            images: A folder or a zip, or None.
            name: Name of the data set; by default the table's.
            resume: Whether to go on with an earlier upload of the same, unchanged files.
            begin: Told the total of bytes.
            advance: Told how many more bytes the platform has.
            pause: Waits some seconds after a break.
            waits: Told the refusal where the platform has no room and is asked again after `retry_after`.

        Returns:
            The data set; its columns are detected and its files staged in the background, `dataset` says how far.

        Raises:
            Unusable: The files are not what they should be.
            Refused: The platform does not take them.
            HalfSent: It is away for minutes; the same call goes on where this one ended.
        """
        stream = Stream(sources(table, images))
        begin(stream.length)
        sending = Sending(self._call, stream, advance, pause, waits, self._put, self.url)
        return sending.run(name, resume=resume)

    def download(
        self, url: str, target: Path, advance: Callable[[int], object] = lambda _bytes: None
    ) -> None:
        """Fetch a file; the key is told to the platform's own origin alone.

        Args:
            url: Absolute, or relative to the origin, as an artifact's `download_url` is.
            target: File to write; it appears whole or not at all.
            advance: Told the bytes of each write.
        """
        draft = target.with_name(target.name + ".part")
        own = httpx.URL(self.url)
        place = own.join(url)
        http = self._http if origin(place) == origin(own) else self._outside
        with (
            explained(self.url),
            http.stream("GET", place, follow_redirects=True) as answer,
        ):
            refuse(answer, self.url)
            with draft.open("wb") as file:
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
                    advance(len(chunk))
        draft.replace(target)

    def download_predictions(
        self, prediction_id: str, target: Path, advance: Callable[[int], object] = lambda _bytes: None
    ) -> None:
        """Fetch the answers of a prediction that has succeeded, as a CSV; see `download`."""
        self.download(f"/api/predictions/{segment(prediction_id)}/predictions.csv", target, advance)

    def events(self, job_id: str, last_id: str | None = None) -> Iterator[sse.Message]:
        """Follow a job's event stream from an id to its end, through reconnects.

        Args:
            job_id: The job.
            last_id: Of the last message that is known; None: from the start.

        Yields:
            Messages, whose `event` is state, point, evaluation or artifact, with a StreamItem as data, heartbeat, with a
            Heartbeat, or log, with nothing, where the job's log has grown.
        """

        def connect(after: str | None) -> Iterator[str]:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
            # The server sends a comment every 15 s; a connection silent for long is dead
            timeout = httpx.Timeout(None, connect=10, read=60)
            path = f"/api/training_jobs/{segment(job_id)}/events/"
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
                if answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    raise sse.Retry(f"the event stream answers {answer.status_code}")
                refuse(answer, self.url)
                yield from answer.iter_lines()

        with explained(self.url), _given_up(self.url):
            yield from sse.follow(connect, last_id=last_id)

    def _put(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        """PUT bytes to an address outside the platform, which gets nothing that is meant for the platform."""
        try:
            answer = self._outside.put(url, content=content, headers=headers)
        except httpx.TransportError as error:
            raise store_silence(error) from None
        if not answer.is_success:
            place = answer.url.host
            text = f"{place} refused a part of the upload (HTTP {answer.status_code})."
            raise StoreAway(text, url=place, cause=answer.reason_phrase, status=answer.status_code)


@contextmanager
def _given_up(url: str) -> Iterator[None]:
    try:
        yield
    except sse.Retry as error:
        raise BrokenOff(f"The API cannot be reached ({error}).", url=url, cause=str(error)) from None
