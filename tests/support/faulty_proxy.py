"""A TCP proxy before an HTTP server that answers 500, stalls, and cuts connections, as often as it is told to."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from support.ports import free_port

if TYPE_CHECKING:
    from typing import Self

METHODS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"PATCH ", b"DELETE ")
REFUSAL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BLOCK = 64 * 1024


class FaultyProxy:
    """Passes bytes between clients and a server of this machine.

    Attributes:
        deck: The faults of so many requests, which are dealt out in any order, again and again: `refused` by a 500 in the
            server's place, `cut` by a reset behind the first block, before the answer, `slow` by a pause before each block;
            empty for none. So each comes as often as it should, however few requests there are.
        done: How often each was done.
    """

    def __init__(self, target_port: int, *, seed: int = 0, pause_seconds: float = 0.05) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.deck: list[str] = [""]
        self.done: Counter[str] = Counter()
        self._target_port = target_port
        self._chance = random.Random(seed)
        self._dealt: list[str] = []
        self._dealing = threading.Lock()
        self._pause_seconds = pause_seconds
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), timeout=30)
            except OSError:  # the server is down: so is the proxy, to this client
                _reset(client)
                return
            with server:
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                with suppress(OSError):
                    self._requests(client, server)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        fault = ""
        while block := client.recv(BLOCK):
            if block.startswith(METHODS):
                fault = self._draw()
                self.done[fault] += 1
                if fault == "refused":
                    client.sendall(REFUSAL)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(BLOCK):  # else the answer is lost in a reset
                        pass
                    return
            if fault == "slow":
                self._closing.wait(self._pause_seconds)
            server.sendall(block)
            if fault == "cut":
                _reset(client)
                _reset(server)
                return

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while block := server.recv(BLOCK):
                client.sendall(block)
        except OSError:  # a killed server resets what it had not read: the client must hear it, or waits for its own timeout
            _reset(client)
            return
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _draw(self) -> str:
        with self._dealing:
            if not self._dealt:
                self._dealt = self._chance.sample(self.deck, len(self.deck))
            return self._dealt.pop()


def _reset(connection: socket.socket) -> None:
    """Make the close a reset, as a crash or a firewall would, and wake who reads."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
