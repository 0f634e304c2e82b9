"""On SIGTERM an HTTP service finishes what it has begun, and nothing holds it longer than its setting says."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.ports import free_port
from support.wait import until

BODY = b"x" * 1000
MODULES = {"api": "services.api", "metrics": "services.metrics", "ui": "ui", "gateway": "cli.gateway"}
# Each reads its body to the end before it answers
REQUESTS = {
    "api": "POST /api/training_jobs/",
    "metrics": "PATCH /api/training_jobs/j/metrics/",
    "ui": "POST /_dash-update-component",
    "gateway": "POST /api/training_jobs/",
}
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def upstream():
    """Answers whatever it is sent, as what is behind the gateway and the UI."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(tmp_path, upstream):
    """Start a service, with a given time to stop in."""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/empty.db",
        "REDIS_URL": NOWHERE,
        "OBJECTS_URL": f"file://{tmp_path}/objects",
        "SPOOL_DIR": str(tmp_path / "spool"),
        "CALLBACK_ROOT_SECRET": "r" * 32,
        "API_BASE": upstream,
    }
    port = free_port()

    @contextmanager
    def running(service, stop_seconds):
        command = [MODULES[service]]
        if service == "gateway":
            command += ["--host", "127.0.0.1", "--port", str(port), f"--stop-seconds={stop_seconds}"]
            command += [f"--{name}={upstream}" for name in ("api", "metrics", "ui")]
        else:
            command += ["--bind", f"127.0.0.1:{port}"]
        names = ("WEB_STOP_SECONDS", "METRICS_STOP_SECONDS", "UI_STOP_SECONDS")
        env = {**environment, **dict.fromkeys(names, str(stop_seconds))}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env=env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            until(lambda: connects(port), f"{service} to listen; see {tmp_path / 'log'}", seconds=60)
            yield process, port
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    return running


def connects(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def half_a_request(service, port):
    """Send a request's head and, once it is being handled, half of its body."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = (
            f"{REQUESTS[service]} HTTP/1.1",
            *("Host: x", "Content-Type: application/json", f"Content-Length: {len(BODY)}"),
            *("Expect: 100-continue", "", ""),
        )
        connection.sendall("\r\n".join(head).encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(BODY[:500])
        yield connection


# The UI and the metrics service are served as the api is
@pytest.mark.parametrize(
    "service",
    [pytest.param(name, marks=[pytest.mark.long] * (name in {"ui", "metrics"})) for name in REQUESTS],
)
def test_a_request_at_hand_is_answered_and_then_the_process_ends_well(service, start):
    with start(service, 60) as (process, port), half_a_request(service, port) as connection:
        process.send_signal(signal.SIGTERM)
        until(lambda: not connects(port), "new connections to be refused")
        connection.sendall(BODY[500:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 ")
        assert process.wait(60) == 0


@pytest.mark.parametrize("service", ["metrics", "gateway"])
def test_a_request_that_never_ends_does_not_hold_the_process(service, start):
    with start(service, 1) as (process, port), half_a_request(service, port):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
