"""`python tiny_platform.py DATA PORT [FAULT]`: a supervised platform of tiny services, for the runner's tests."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from cli import up
from cli.data_dir import AlreadyRunning, DataDir
from cli.leftovers import MARK
from cli.plan import Plan, Preparation, http_not_ready
from cli.ports import PortTaken, free_ports
from cli.runner import StartFailed
from cli.supervision import Service

# Writes its pid where the test finds it, leaves a child behind as gunicorn does, and answers /readyz
WEB = """
import http.server, os, pathlib, subprocess, sys
name, port, pids = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
(pids / name).write_text(f"{os.getpid()} {child.pid}")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
BROKEN = "import sys; print('SPOOL_DIR is not set'); sys.exit(2)"


def plan(
    data: DataDir,
    _host: str,
    port: int,
    _environ: object,
    *,
    fault: str,
    require_key: bool,
) -> Plan:
    env = {**os.environ, MARK: str(data.root)}
    pids = data.root / "pids"
    pids.mkdir(exist_ok=True)

    def service(name: str, port: int, stage: int, code: str = WEB) -> Service:
        argv = (sys.executable, "-c", code, name, str(port), str(pids))
        return Service(name, argv, env, partial(http_not_ready, f"http://127.0.0.1:{port}/readyz"), stage)

    def command(name: str, problem: str, *, needed: bool = True) -> Preparation:
        code = f"raise SystemExit({problem!r})" if problem else "pass"
        return Preparation(name, (sys.executable, "-c", code), env, f"{name} failed", needed=needed)

    store, worker = free_ports(2)
    return Plan(
        (
            service("store", store, 0),
            service("worker", worker, 1, BROKEN if fault == "broken-worker" else WEB),
            service("gateway", port, 3),
        ),
        (
            command("migrate", "no such table" if fault == "broken-migration" else ""),
            command("models", "left out: torn" if fault == "broken-model" else "", needed=False),
        ),
    )


def main() -> int:
    root, port, fault = Path(sys.argv[1]), int(sys.argv[2]), [*sys.argv, ""][3]
    up.local_plan = partial(plan, fault=fault)
    try:
        up.up(DataDir(root), "127.0.0.1", port, say, open_browser=False, require_key=False)
    except (AlreadyRunning, PortTaken, StartFailed) as error:
        say(str(error))
        return 1
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
