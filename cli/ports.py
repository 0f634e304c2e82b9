"""Free and taken TCP ports."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress

import psutil

from cli.errors import CommandFailed


class PortTaken(CommandFailed):
    """Something else listens there."""

    def __init__(self, port: int) -> None:
        holder = _holder(port)
        super().__init__(
            f"Port {port} is taken{f' by {holder}' if holder else ''}. Stop that, or choose another: --port {port + 1}"
        )


def free_ports(count: int, besides: int = 0) -> list[int]:
    """Give distinct loopback ports that nothing listens on at the moment.

    Args:
        count: How many.
        besides: One that is not to be among them, because something is about to listen on it.
    """
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            sock = held.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            if port != besides:
                ports.append(port)
        return ports


def require_free(host: str, port: int) -> None:
    """Make sure that a port can be listened on.

    Raises:
        PortTaken: It cannot.
        CommandFailed: The host is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CommandFailed(
            f"--host {host!r} is no name or address of this machine: {error.strerror}"
        ) from None
    for family, _type, _proto, _name, address in found:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            # As asyncio listens: a port whose connections linger is free
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(address)
                sock.listen()
            except OSError as error:
                if error.errno in _UNAVAILABLE_ADDRESS:
                    continue  # e.g. ::1 where IPv6 is switched off
                raise PortTaken(port) from error


_UNAVAILABLE_ADDRESS = {97, 99, 47, 49}  # EAFNOSUPPORT, EADDRNOTAVAIL on Linux and macOS


def _holder(port: int) -> str:
    # Needs rights on macOS and for other users' sockets; the message does without
    with suppress(psutil.Error, PermissionError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""
