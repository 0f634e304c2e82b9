"""What `triptych up` does: takes the port and the data folder, runs the platform, says where it is."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from typing import TYPE_CHECKING

from cli.local_access import is_loopback
from cli.plan import local_plan
from cli.ports import require_free
from cli.runner import Runner, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.data_dir import DataDir


def up(
    data: DataDir, host: str, port: int, say: Callable[[str], None], *, open_browser: bool, require_key: bool
) -> None:
    """Run a platform in the foreground until a signal.

    Args:
        data: Its data folder.
        host: Address to listen on.
        port: Port to listen on.
        say: Tells the person at the terminal.
        open_browser: Show it once it is ready.
        require_key: Ask the person at this machine to sign in, too.

    Raises:
        AlreadyRunning: The data folder is in use.
        PortTaken: The port is.
        NoRedis: There is no redis-server.
        StartFailed: A part does not come up.
    """
    url = f"http://localhost:{port}"

    async def body() -> None:
        say(f"Triptych runs at {url} - Ctrl-C stops it. Data and logs: {data.root}")
        if require_key or not is_loopback(host):
            say(f"Sign in with the key in {data.root / 'first-key'}")
        if open_browser:
            webbrowser.open(url)
        await asyncio.Event().wait()

    with data.lock(url):
        require_free(host, port)
        say(f"Starting Triptych on {data.root} …")
        runner = Runner(local_plan(data, host, port, os.environ, require_key=require_key), data, say)
        asyncio.run(run(runner, body, say))
