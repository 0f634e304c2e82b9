"""Where `triptych up` listens: a port that is taken and a host that is none are said so."""

from __future__ import annotations

import socket

import pytest

from cli.errors import CommandFailed
from cli.ports import PortTaken, free_ports, require_free


def test_a_port_that_is_taken_is_said_so():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} is taken"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", free_ports(1)[0])


def test_a_host_that_is_none_is_said_so(monkeypatch):
    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("cli.ports.socket.getaddrinfo", unknown)
    with pytest.raises(CommandFailed, match=r"--host 'nowhere' is no name .* Name or service not known"):
        require_free("nowhere", 8080)


def test_no_service_is_given_the_port_that_the_gateway_will_have(monkeypatch):
    handed_out = iter([8001, 8080, 8002])

    class Socket(socket.socket):
        def bind(self, _address):
            pass

        def getsockname(self):
            return "127.0.0.1", next(handed_out)

    monkeypatch.setattr("cli.ports.socket.socket", Socket)
    assert free_ports(2, besides=8080) == [8001, 8002]
