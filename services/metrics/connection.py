"""What a stream needs of its TCP connection under gunicorn: to notice that the viewer left, or takes nothing."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def watch(environ: Mapping[str, Any], send_timeout_seconds: int) -> Callable[[], bool]:
    """Limit how long one write may wait, and give a function that tells whether the peer has hung up.

    Without the limit a suspended browser would hold its thread for ever; without the function, one that left would
    be noticed only by the second keep-alive.

    Args:
        environ: The WSGI environment; servers other than gunicorn give no socket, and nothing is watched.
        send_timeout_seconds: A write that takes longer fails.
    """
    connection: socket.socket | None = environ.get("gunicorn.socket")
    if connection is None:
        return lambda: False
    # Not settimeout(): gunicorn switches the socket between blocking and not, which would undo it
    limit = struct.pack("@ll", send_timeout_seconds, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def is_gone() -> bool:
        try:
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    return is_gone
