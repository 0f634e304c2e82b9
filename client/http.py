"""Sends requests to the platform, and turns whatever is no answer into an error."""

from __future__ import annotations

import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from client.errors import ApiError, Away, BrokenOff, Refused, StoreAway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHECK_SECONDS = 60.0  # the checks of a job's data take some seconds, more on a busy machine
_REPETITIONS = 10  # of a request whose connection broke off, a second apart


class Calls:
    """What the calls of every kind are made with. Each of them raises Refused for a refusal and Away for silence."""

    def __init__(self, http: httpx.Client) -> None:
        """Use an HTTP client.

        Args:
            http: Its base URL is the platform's origin; timeouts, proxies and what proves who asks are its own.
        """
        self._http = http
        self.url = str(http.base_url).rstrip("/")

    def _get(self, path: str, *, follow_redirects: bool = False, **query: Any) -> Any:
        """GET an object; what of the query is None or empty is left out."""
        more = {"follow_redirects": True} if follow_redirects else {}
        return self._call("GET", path, params=_given(query), **more)

    def _ask(self, path: str, body: Mapping[str, object]) -> Any:
        """POST a question, which makes nothing and takes the checks' time."""
        return self._call("POST", path, json=body, timeout=self._patient())

    def _create(self, path: str, body: Mapping[str, object] | None = None, *, slow: bool = False) -> Any:
        """POST; where the connection breaks off, once more, which makes nothing twice and gets the first one's answer."""
        arguments: dict[str, Any] = {"headers": {"Idempotency-Key": uuid4().hex}}
        if body is not None:
            arguments["json"] = body
        if slow:
            arguments["timeout"] = self._patient()
        try:
            return self._call("POST", path, **arguments)
        except BrokenOff:
            return self._again(path, arguments)

    def _again(self, path: str, arguments: dict[str, Any]) -> Any:
        """POST what was sent before; while the first one is still being carried out, the platform says when to ask again."""
        for _ in range(_REPETITIONS):
            try:
                return self._call("POST", path, **arguments)
            except Refused as refused:
                if refused.status != HTTPStatus.CONFLICT or refused.retry_after is None:
                    raise
                time.sleep(refused.retry_after)
        return self._call("POST", path, **arguments)

    def _patch(self, path: str, body: Mapping[str, object]) -> Any:
        return self._call("PATCH", path, json=body)

    def _delete(self, path: str, **query: Any) -> Any:
        return self._call("DELETE", path, params=_given(query))

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request and give the object that answers it; {} where the answer has no body."""
        answer = self._send(method, path, **arguments)
        if not answer.content:
            return {}
        body = _object(answer)
        if body is None:
            raise Away(
                "What answers at the API's address is not the API.",
                url=self.url,
                cause=answer.reason_phrase,
                status=answer.status_code,
            )
        return body

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        with explained(self.url):
            answer = self._http.request(method, path, **arguments)
        refuse(answer, self.url)
        return answer

    def _patient(self) -> httpx.Timeout:
        """Give timeouts that let the checks end, unless the client's own are longer."""
        own = self._http.timeout
        return own if own.read is None or own.read >= _CHECK_SECONDS else httpx.Timeout(_CHECK_SECONDS)


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value not in (None, "")}


def _object(answer: httpx.Response) -> Any:
    """Give the object that an answer is in JSON; None where it is none."""
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def segment(text: str) -> str:
    """Quote an id as one segment of a path."""
    return quote(text, safe="")


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Say of what the network does that the platform at a URL is away."""
    try:
        yield
    except httpx.RequestError as error:
        raise _silence(error, url) from None


def _silence(error: httpx.RequestError, url: str) -> Away:
    cause = str(error) or type(error).__name__
    place = error.request.url
    if origin(place) != origin(httpx.URL(url)):  # a redirect led there
        return store_silence(error)
    if isinstance(error, httpx.TimeoutException):
        return Away("The API took too long to answer.", url=url, cause=cause)
    broke_off = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    kind = BrokenOff if broke_off else Away
    return kind(f"The API cannot be reached ({type(error).__name__}).", url=url, cause=cause)


def store_silence(error: httpx.RequestError) -> StoreAway:
    """Say of what the network does that the object store is away."""
    place, cause = error.request.url.host, str(error) or type(error).__name__
    return StoreAway(f"The object store at {place} does not answer: {cause}.", url=place, cause=cause)


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Give what two URLs have in common that lead to the same server."""
    return url.scheme, url.host, url.port


def refuse(answer: httpx.Response, url: str) -> None:
    """Raise what an answer says that is no success.

    Args:
        answer: Read, or a stream that is still to be read.
        url: Of the platform.

    Raises:
        Refused: The platform says no.
        Away: The answer is another's, such as a gateway's own page.
    """
    if answer.is_success:
        return
    answer.read()
    raise _refusal(answer, url)


def _refusal(answer: httpx.Response, url: str) -> ApiError:
    problem = _object(answer)
    if problem is None or not problem.keys() & {"title", "detail"}:
        place = answer.url
        if origin(place) != origin(httpx.URL(url)):
            text = f"The object store at {place.host} does not give it (HTTP {answer.status_code})."
            return StoreAway(text, url=place.host, cause=answer.reason_phrase, status=answer.status_code)
        text = f"The API is not available (HTTP {answer.status_code})."
        return Away(text, url=url, cause=answer.reason_phrase, status=answer.status_code)
    # As a date it would need our clock to agree with the platform's, which sends seconds only
    wait = answer.headers.get("Retry-After", "")
    return Refused(answer.status_code, problem, int(wait) if wait.isascii() and wait.isdigit() else None)
