"""HTTP clients, by name: each makes a function that sends a request over one kept-alive connection."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.callbacks.calls import Request

    Send = Callable[[Request], int]  # gives the answer's status


def by_http_client(origin: str) -> Send:
    """Give the standard library's client: the least work for the machine that the server shares. Sets TCP_NODELAY."""
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=30)

    def call(request: Request) -> int:
        method, path, raw, headers = request
        connection.request(method, path, raw, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return call


def by_httpx(origin: str) -> Send:
    """Give the client that the trainer has."""
    import httpx  # noqa: PLC0415 - another client must not pay for it

    client = httpx.Client(base_url=origin, timeout=30)

    def call(request: Request) -> int:
        method, path, raw, headers = request
        return client.request(method, path, content=raw, headers=headers).status_code

    return call


def by_requests(origin: str) -> Send:
    """Give the client that MLflow's own library has."""
    import requests  # noqa: PLC0415 - as above

    session = requests.Session()

    def call(request: Request) -> int:
        method, path, raw, headers = request
        return int(session.request(method, origin + path, data=raw, headers=headers, timeout=30).status_code)

    return call


CLIENTS: dict[str, Callable[[str], Send]] = {
    "http.client": by_http_client,
    "httpx": by_httpx,
    "requests": by_requests,
}
