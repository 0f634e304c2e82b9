"""Writes the table of metrics in docs/operations.md from the code, or checks that it is up to date.

`python scripts/metrics_table.py --write` rewrites it. What each process really serves is compared with it where the whole
platform is tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from generated import keep

from runtime import backlog, relay, web_telemetry
from runtime.metrics import Registry
from runtime.telemetry import Telemetry
from runtime.tracing import NoTracer
from services.api import figures as api_figures
from services.ingest.handlers import STAGED_BYTES
from services.launcher import figures as launcher_figures
from services.launcher.watched import WatchedBackend
from services.metrics.measures import Measures

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.metrics import Described

BEGIN, END = "<!-- metrics: begin (make docs writes this) -->\n", "<!-- metrics: end -->"
NOTHING: Any = None


def _relay(telemetry: Telemetry) -> None:
    telemetry.registry.read("database", backlog.DATABASE, dict)
    telemetry.registry.read("broker", backlog.BROKER, dict)
    telemetry.registry.counter(*relay.PUBLISHED)
    telemetry.rounds("any", NOTHING)


def _web(telemetry: Telemetry) -> None:
    web_telemetry.watch(Flask("any"), telemetry)


def _metrics(telemetry: Telemetry) -> None:
    _web(telemetry)
    Measures(telemetry.registry)


def _worker(telemetry: Telemetry) -> None:
    telemetry.handlers("any", {})


def _api_worker(telemetry: Telemetry) -> None:
    _worker(telemetry)
    telemetry.registry.read("database", api_figures.GAUGES, dict)
    telemetry.rounds("any", NOTHING)


def _staging(telemetry: Telemetry) -> None:
    _worker(telemetry)
    telemetry.registry.counter(*STAGED_BYTES)


def _launcher(telemetry: Telemetry) -> None:
    _worker(telemetry)
    WatchedBackend(NOTHING, telemetry, "")
    telemetry.registry.read("database", launcher_figures.GAUGES, dict)
    telemetry.rounds("any", NOTHING)


PROCESSES: dict[str, Callable[[Telemetry], None]] = {
    "relay": _relay,
    "api": _web,
    "api-worker": _api_worker,
    "schema": _worker,
    "staging": _staging,
    "launcher": _launcher,
    "metrics": _metrics,
    "metrics-worker": _worker,
    "predictor": _worker,
}


def described() -> dict[str, list[Described]]:
    """Give the metrics of each kind of process."""
    found = {}
    for process, build in PROCESSES.items():
        registry = Registry()
        build(Telemetry(process, registry, NoTracer()))
        found[process] = registry.described
    return found


def table() -> str:
    """Make the table."""
    served: dict[Described, list[str]] = {}
    for process, metrics in described().items():
        for metric in metrics:
            served.setdefault(metric, []).append(process)
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {', '.join(processes)} | {metric.text} |"
        for metric, processes in sorted(served.items(), key=lambda item: item[0].name)
    ]
    return "| metric | kind | labels | served by | tells |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    keep("docs/operations.md", BEGIN, END, table())
