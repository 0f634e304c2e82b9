"""Where a trainer may read from and report to: never a cloud's metadata service, never another's bucket."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Answers from here are credentials. The first two networks are link-local and hold AWS's, Azure's, Google's and ECS tasks' own
_FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",  # AWS over IPv6
        "fd20:ce::/32",  # Google over IPv6
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
    )
)
_FORBIDDEN_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}", re.ASCII)
_OWN_FOLDER = re.compile(r"/jobs/[^/]+/[0-9]+$")


def why_no_origin(url: str) -> str | None:
    """Say why reports must not go to a URL; None where they may.

    Addresses are looked at in every way that a resolver reads them: decimal, octal, hexadecimal, IPv4 inside IPv6. Names are looked
    up by `why_not_resolved`, by those who connect.

    Args:
        url: Of a platform.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
    except ValueError as error:
        return f"{url!r} is not a URL: {error}"
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        return f"{url!r} is not an http:// or https:// URL"
    if parts.username is not None or parts.query or parts.fragment or "\\" in url:
        return f"{url!r} holds more than an origin: no user, query or fragment is allowed"
    if not host.isascii():  # full-width digits and dots become an address on the way
        return f"{url!r} has a host with letters beyond ASCII; write it as Punycode"
    address = _address(host)
    if host in _FORBIDDEN_NAMES or (address is not None and _is_forbidden(address)):
        return f"{url!r} is the address of a cloud's metadata service, or link-local; reports never go there"
    return None


def why_not_resolved(url: str) -> str | None:
    """Say why reports must not go to a URL, by the addresses that its name has at the moment; None also where it has none."""
    host = urlsplit(url).hostname or ""
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return None
    bad = sorted(text for text in found if _is_forbidden(ipaddress.ip_address(text)))
    return f"{host!r} is {bad[0]}, the address of a cloud's metadata service, or link-local" if bad else None


def why_no_object(uri: str) -> str | None:
    """Say why a URI names no object or folder; None where it does.

    Args:
        uri: s3://bucket/key or file:///path, percent-encoded.
    """
    if uri.startswith("s3://"):
        bucket, slash, key = uri.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket) or not slash or not key:
            return f"{uri!r} is not s3://bucket/key"
        return _why_no_path(uri, key)
    if uri.startswith("file:///"):
        if "?" in uri or "#" in uri:
            return f"{uri!r} holds a ? or #; percent-encode what belongs to the path"
        return _why_no_path(uri, unquote(uri.removeprefix("file:///")))
    return f"{uri!r} is not an s3:// or file:// URI"


def why_foreign(uri: str, destination: str, places: Sequence[str]) -> str | None:
    """Say why a trainer must not read an object; None where it may.

    It may read what lies beside its own results: below the platform's part of the bucket (the folder that holds jobs/), or in the
    same bucket where results lie elsewhere in it, and no file of its machine. One whose results stay on its machine has no bucket
    of its own: it is a person's, and reads what that person says.

    Args:
        uri: Of the object, which `why_no_object` lets pass.
        destination: URI under which its results go.
        places: Further URIs below which it may read.
    """
    if destination.startswith("file:") or any(uri.startswith(place.rstrip("/") + "/") for place in places):
        return None
    root, found = _OWN_FOLDER.subn("", destination)
    own = root if found else "s3://" + destination.removeprefix("s3://").partition("/")[0]
    if not uri.startswith(f"{own}/"):
        return f"{uri!r} is a foreign place; this job reads below {own}/ only. ASSET_PLACES may name further ones"
    return None


def _why_no_path(uri: str, path: str) -> str | None:
    if ".." in path.split("/") or "\\" in path or any(ord(char) < 32 or ord(char) == 127 for char in path):  # noqa: PLR2004 - ASCII's control characters
        return f"{uri!r} holds '..', a backslash or a control character"
    return None


def _address(host: str) -> Address | None:
    """Read a host as an address, as a resolver would; None where it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(
            socket.inet_aton(host)
        )  # 2852039166, 0xa9fea9fe, 0251.0376.43518, 169.254.43518
    except (OSError, ValueError):
        return None


def _is_forbidden(address: Address) -> bool:
    inside: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inside += [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
        if address in _NAT64 or int(address) < 1 << 32:  # ::a.b.c.d of before IPv4-mapped addresses
            inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return any(one in network for one in inside for network in _FORBIDDEN)
