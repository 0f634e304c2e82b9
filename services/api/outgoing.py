"""One POST to an address that a user named: it reaches the internet and nothing of ours.

The name is looked up once, every address found must be a public one, and the connection goes to what was checked: a name that is
looked up anew could point elsewhere by then (DNS rebinding). Redirects are not followed, and the answer's body is not read.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runtime.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Look = Callable[[str, int], list[str]]

_PORTS = {"https": 443, "http": 80}


class Undelivered(Exception):
    """It did not come to an answer; the text says why."""


@dataclass(frozen=True)
class Target:
    """A checked URL.

    Attributes:
        secure: Whether it is https.
        host: As the URL has it.
        port: Of it.
        path: With the query.
    """

    secure: bool
    host: str
    port: int
    path: str


def parse(url: str, *, private: bool) -> Target:
    """Check a URL's form.

    Args:
        url: As a user gave it.
        private: Whether addresses within our own network, and http, are allowed.

    Raises:
        Invalid: It is not allowed; the text says why.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise _wrong(f"it is not a URL: {error}") from None
    if parts.scheme not in ({"https", "http"} if private else {"https"}):
        raise _wrong("only https:// is allowed")
    if not host or not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        raise _wrong("it needs a host, and ASCII characters without blanks")
    if parts.username is not None or parts.password is not None:
        raise _wrong("it must not hold a name or password")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port or _PORTS[parts.scheme], path)


def look_up(host: str, port: int) -> list[str]:
    """Give the addresses of a name.

    Raises:
        OSError: There is none.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def checked_address(target: Target, *, private: bool, look: Look = look_up) -> str:
    """Look a target's name up, and give the address to connect to.

    Raises:
        Undelivered: It has no address, or one that is not public.
    """
    try:
        found = look(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise Undelivered(f"{target.host} has no address: {error}") from None
    for address in found:
        if not private and not is_public(address):
            raise Undelivered(
                f"{target.host} is at {address}, which is not a public address (WEBHOOK_PRIVATE_ADDRESSES)"
            )
    if not found:
        raise Undelivered(f"{target.host} has no address")
    return found[0]


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet: not private, local, of a cloud's metadata, reserved or multicast."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        # An IPv4 address in the clothes of IPv6: mapped, 6to4, Teredo, NAT64
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo and number.teredo[1])
        if number in _NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
    return number.is_global and not number.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def post(target: Target, address: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> int:
    """Send a POST to a checked address.

    Args:
        target: Whose name the certificate must have.
        address: As `checked_address` gave it.
        body: What to send.
        headers: Beside Host and Content-Length.
        seconds: For all of it; a receiver that drips its answer byte by byte gets no more.

    Returns:
        The status of the answer.

    Raises:
        Undelivered: There was no answer in time.
    """
    connection = _Pinned(target, address, seconds)
    late = threading.Event()
    timer = threading.Timer(seconds, partial(_cut, connection, late))
    timer.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(
            f"no answer within {seconds:g} s" if late.is_set() else f"{type(error).__name__}: {error}"
        ) from None
    finally:
        timer.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was looked up before."""

    def __init__(self, target: Target, address: str, seconds: float) -> None:
        super().__init__(target.host, target.port, timeout=seconds)
        self._target = target
        self._address = address
        # What http.client writes as Host: without the port where it is the usual one
        self.default_port = _PORTS["https" if target.secure else "http"]

    def connect(self) -> None:
        """Connect, by TLS where the URL says so."""
        self.sock = socket.create_connection((self._address, self._target.port), self.timeout)
        if self._target.secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()  # before it is felt
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was closed meanwhile


def _wrong(why: str) -> Invalid:
    return Invalid(f"url: {why}.", {"url": [why]})
