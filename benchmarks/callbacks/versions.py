"""How versions of the metrics service compare on a machine that others use, beside the bare endpoints.

    git worktree add ../before main
    python -m benchmarks.callbacks.versions before=../before now=. --senders 1

All servers run at once, and the senders, threads of one process, go from one to the next every few calls: so what else the machine does meets
all of them alike, and ratios of one run can be compared where those of two runs, minutes apart, cannot. The servers that wait
cost nothing, but each finds the processor's caches cold when its turn comes: absolute figures are lower than those of
`python -m benchmarks.callbacks`.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.callbacks.calls import our_requests
from benchmarks.callbacks.clients import CLIENTS
from benchmarks.callbacks.servers import START, version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.callbacks.servers import Server

_MOST_A_SECOND = 1000  # that one sender can send


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="+", metavar="NAME=FOLDER", help="checkouts of this repository")
    parser.add_argument("--senders", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of all servers together (%(default)s)")
    parser.add_argument("--calls", type=int, default=20, help="of a sender in a turn (%(default)s)")
    options = parser.parse_args()
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name in ("bare", "bare-sqlite"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            servers[name] = stack.enter_context(START[name](folder, options))
        for named in options.versions:
            name, _, checkout = named.partition("=")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            servers[name] = stack.enter_context(version(Path(checkout), folder))
        show(Turns(servers, options))


class Turns:
    """Sends to each server in turn, and notes what every call and turn took."""

    def __init__(self, servers: dict[str, Server], options: argparse.Namespace) -> None:
        """Send for some seconds."""
        self._servers = servers
        self._calls: int = options.calls
        self._senders: int = options.senders
        self.latencies: dict[str, list[float]] = {name: [] for name in servers}
        self.seconds = dict.fromkeys(servers, 0.0)
        self._all_here = threading.Barrier(self._senders, timeout=60)
        self._over = False
        self._requests = int(options.seconds * _MOST_A_SECOND)
        warm = {name: server.processor_seconds() for name, server in servers.items()}
        self._end = time.perf_counter() + options.seconds
        threads = [threading.Thread(target=self._send, args=(number,)) for number in range(self._senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.processor = {name: server.processor_seconds() - warm[name] for name, server in servers.items()}

    def _send(self, number: int) -> None:
        requests = our_requests("", f"job-{number}", self._requests)
        clients = {name: CLIENTS["http.client"](server.origin) for name, server in self._servers.items()}
        for begin in range(0, len(requests), self._calls):
            for name, call in clients.items():
                self._all_here.wait()
                began = time.perf_counter()
                for request in requests[begin : begin + self._calls]:
                    at = time.perf_counter()
                    if call(request) != 204:
                        raise RuntimeError(f"{name} refused a callback")
                    self.latencies[name].append(time.perf_counter() - at)
                self._all_here.wait()
                if number == 0:
                    self.seconds[name] += time.perf_counter() - began
            if number == 0:
                self._over = time.perf_counter() > self._end
            self._all_here.wait()
            if self._over:
                return


def show(turns: Turns) -> None:
    """Print a table."""
    print("| server | calls | a second | of bare | p10 ms | p50 ms | p99 ms | CPU ms a call |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    bare = len(turns.latencies["bare"]) / turns.seconds["bare"]
    for name, latencies in turns.latencies.items():
        rate = len(latencies) / turns.seconds[name]
        p10, p50, p99 = (1000 * _quantile(latencies, part) for part in (0.1, 0.5, 0.99))
        processor = 1000 * turns.processor[name] / len(latencies)
        print(
            f"| {name} | {len(latencies)} | {rate:.0f} | {rate / bare:.2f} | {p10:.2f} | {p50:.2f} | {p99:.2f} | {processor:.2f} |"
        )


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


if __name__ == "__main__":
    main()
