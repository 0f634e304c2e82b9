"""Large bodies pass through the gateway without staying in it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from cli.plan import http_not_ready
from cli.ports import free_ports
from support.wait import outcome, until

MIB = 1 << 20
SIZE = 300 * MIB

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc"),
]


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def chunks():
    chunk = b"x" * MIB
    for _ in range(SIZE // MIB):
        yield chunk


async def take(request):
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return web.Response(text=str(size))


async def give(request):
    response = web.StreamResponse()
    await response.prepare(request)
    async for chunk in chunks():
        await response.write(chunk)
    return response


async def pass_through(port: int, upstream: int, pid: int) -> int:
    app = web.Application()
    app.add_routes([web.post("/api/x", take), web.get("/api/x", give)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", upstream).start()
    url = f"http://127.0.0.1:{port}"
    before = peak_bytes(pid)
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{url}/api/x", data=chunks()) as answer:
            assert await answer.text() == str(SIZE)
        async with client.get(f"{url}/api/x") as answer:
            received = 0
            async for chunk in answer.content.iter_any():
                received += len(chunk)
            assert received == SIZE
    await runner.cleanup()
    return peak_bytes(pid) - before


def test_300_mb_each_way_cost_less_than_32_mb():
    port, upstream = free_ports(2)
    origin = f"http://127.0.0.1:{upstream}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "cli.gateway", "--host", "127.0.0.1", "--port", str(port)),
            *("--api", origin, "--metrics", origin, "--ui", origin),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: not outcome(http_not_ready(f"http://127.0.0.1:{port}/healthz")), "the gateway")
        grown = outcome(asyncio.wait_for(pass_through(port, upstream, process.pid), 120))
        print(f"grown by {grown / MIB:.1f} MiB")  # noqa: T201 - shown when it fails
        assert grown < 32 * MIB
    finally:
        process.terminate()
        assert process.wait(30) == 0
