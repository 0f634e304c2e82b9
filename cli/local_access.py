"""Lets whoever sits at this machine in without a key: the gateway's requests from loopback get the first one.

That is safe only as long as no page of another site can make the browser ask: such a page's requests come with a foreign
Origin, or, after DNS rebinding, with a foreign Host.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import hdrs

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_CALLBACK = "X-Callback-Token"
_COOKIE = "triptych_session="
_WATCHED = frozenset({"same-origin", "none"})  # what Sec-Fetch-Site says of the person's own doing


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine alone."""
    return host in {"localhost", "::1"} or host.startswith("127.")


class Refused(Exception):
    """A request that is not answered; the text says why."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class LocalAccess:
    """Tells whether a request may come in, and what proof it gets."""

    def __init__(self, key: str) -> None:
        """Take the key that requests without a proof of their own get."""
        self._authorization = f"Bearer {key}"

    def headers(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Give the headers to add to a request.

        Args:
            method: Of the request.
            headers: Its own.

        Raises:
            Refused: It was sent to another name, or by another site's page.
        """
        if (
            _CALLBACK in headers
        ):  # a trainer's; its proof is in it, and it may know the platform by another name
            return {}
        host = headers.get(hdrs.HOST, "")
        if _name(host) not in NAMES:
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This platform answers to {', '.join(sorted(NAMES))}, not to {_name(host) or 'no name'!r}. "
                "To reach it by another name: triptych up --require-key.",
            )
        if hdrs.AUTHORIZATION in headers or _COOKIE in headers.get(hdrs.COOKIE, ""):
            return {}
        origin = headers.get(hdrs.ORIGIN)
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(
                HTTPStatus.FORBIDDEN, f"A page of {origin} may not use this platform without a key."
            )
        if headers.get("Sec-Fetch-Site", "none") not in _WATCHED and not _follows_link(method, headers):
            raise Refused(
                HTTPStatus.FORBIDDEN, "Another site's page may not use this platform without a key."
            )
        return {hdrs.AUTHORIZATION: self._authorization}


def _name(host: str) -> str:
    """Give a Host header without its port."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


def _follows_link(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a person came here by a link, which shows a page and changes nothing."""
    return (
        method == hdrs.METH_GET
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )
