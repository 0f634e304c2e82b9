"""A thin client of the REST API: one method a call, problem documents turned into errors with one clear line."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from cli import sse
from cli.errors import ApiError, BrokenOff, CommandFailed, ServerError, Unreachable
from cli.resuming import Sending
from cli.upload import Stream, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JSON = dict[str, Any]
_CHUNK = 1 << 20


class Client:
    """The REST API at one origin."""

    def __init__(self, url: str, key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        """Take the origin.

        Args:
            url: e.g. http://localhost:8080.
            key: API key; "" on the machine that the platform runs on.
            transport: Replaces the network in tests.

        Raises:
            CommandFailed: The URL is none.
        """
        self.url = url.rstrip("/")
        # Uploads and streams take as long as they take; only connecting has a limit
        timeout = httpx.Timeout(None, connect=10)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(
                base_url=self.url + "/api/", headers=headers, timeout=timeout, transport=transport
            )
        except httpx.InvalidURL as error:
            raise CommandFailed(f"--url {url!r} is not a URL: {error}") from None
        self._outside = httpx.Client(timeout=timeout, transport=transport)
        if self._http.base_url.scheme not in {"http", "https"} or not self._http.base_url.host:
            raise CommandFailed(f"--url {url!r} is not an http:// or https:// URL.")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._outside.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET a path under /api/, e.g. "datasets/"; query values that are None are left out."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", path, params=wanted)

    def post(self, path: str, body: JSON | None = None) -> Any:
        """POST JSON to a path under /api/; where the connection breaks off, once more, which makes nothing twice."""
        headers = {"Idempotency-Key": uuid4().hex}
        arguments: JSON = {"headers": headers} if body is None else {"headers": headers, "json": body}
        try:
            return self._call("POST", path, **arguments)
        except BrokenOff:
            return self._call("POST", path, **arguments)

    def patch(self, path: str, body: JSON) -> Any:
        """PATCH a path under /api/ with JSON."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """DELETE a path under /api/."""
        self._call("DELETE", path)

    def upload(
        self,
        table: Path,
        images: Path | None,
        *,
        name: str | None = None,
        resume: bool = True,
        begin: Callable[[int], object] = lambda _total: None,
        advance: Callable[[int], object] = lambda _bytes: None,
        pause: Callable[[float], object] = time.sleep,
        say: Callable[[str], object] = lambda _text: None,
    ) -> JSON:
        """Upload a table and its images in chunks, through breaks.

        Args:
            table: The CSV.
            images: A folder or a zip, or None.
            name: Name of the data set; by default the table's.
            resume: Whether to go on with an earlier upload of the same, unchanged files.
            begin: Told the total of bytes.
            advance: Told how many more bytes the platform has.
            pause: Waits some seconds after a break.
            say: Told why it waits where the platform has no room.

        Returns:
            The data set.

        Raises:
            CommandFailed: The files are not what they should be, or the platform refuses them.
        """
        stream = Stream(sources(table, images))
        begin(stream.length)
        return Sending(self._call, stream, advance, pause, say, self._put).run(name, resume=resume)

    def download(
        self, url: str, target: Path, advance: Callable[[int], object] = lambda _bytes: None
    ) -> None:
        """Fetch a file.

        Args:
            url: Absolute, or relative to the origin.
            target: File to write; it appears whole or not at all.
            advance: Told the bytes of each write.
        """
        draft = target.with_name(target.name + ".part")
        with (
            _explained(self.url),
            self._http.stream("GET", httpx.URL(self.url).join(url), follow_redirects=True) as answer,
        ):
            _refuse(answer)
            with draft.open("wb") as file:
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
                    advance(len(chunk))
        draft.replace(target)

    def events(self, job_id: str, last_id: str | None = None) -> Iterator[sse.Message]:
        """Follow a job's event stream from an id to its end, through reconnects."""

        def connect(after: str | None) -> Iterator[str]:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
            # The server sends a comment every 15 s; a connection silent for long is dead
            timeout = httpx.Timeout(None, connect=10, read=60)
            path = f"training_jobs/{segment(job_id)}/events/"
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
                if answer.status_code >= 500 or answer.status_code == 429:  # noqa: PLR2004 - HTTP's own numbers
                    raise sse.Retry(f"the event stream answers {answer.status_code}")
                _refuse(answer)
                yield from answer.iter_lines()

        with _explained(self.url):
            yield from sse.follow(connect, last_id=last_id)

    def _put(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        """PUT bytes to an address outside the platform, which gets nothing that is meant for the platform."""
        place = httpx.URL(url).host
        try:
            answer = self._outside.put(url, content=content, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable(
                f"The object store at {place} does not answer: {error or type(error).__name__}."
            ) from None
        if not answer.is_success:
            kind = ServerError if answer.is_server_error else ApiError
            raise kind(
                answer.status_code, f"{place} refused a part of the upload (HTTP {answer.status_code})."
            )

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        with _explained(self.url):
            answer = self._http.request(method, path, **arguments)
            _refuse(answer)
            if answer.status_code == 204:  # noqa: PLR2004 - HTTP No Content
                return None
            try:
                return answer.json()
            except ValueError:
                raise CommandFailed(
                    f"{self.url} answers {path} with something that is not JSON; is it Triptych?"
                ) from None


def segment(text: str) -> str:
    """Quote text as one segment of a path."""
    return quote(text, safe="")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise Unreachable(f"Nothing answers at {url} ({error}). Start it with: triptych up") from None
    except (httpx.TransportError, sse.Retry) as error:
        raise BrokenOff(f"The connection to {url} broke off: {error or type(error).__name__}") from None


def _refuse(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    answer.read()
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
    kind = ServerError if answer.is_server_error else ApiError
    # As a date it would need our clock to agree with the platform's, which sends seconds only
    wait = answer.headers.get("Retry-After", "")
    retry_after = int(wait) if wait.isascii() and wait.isdigit() else None
    raise kind(answer.status_code, f"{detail} (HTTP {answer.status_code})", problem, retry_after)
