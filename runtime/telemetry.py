"""What a process tells of itself: its metrics and its traces, made once in its wiring and handed to what is measured."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtime.bus import is_transient
from runtime.metrics import LONG, Registry
from runtime.outbox import LeaseLost
from runtime.tracing import open_tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import Counter, Histogram

    from runtime.bus import Work
    from runtime.settings import Settings
    from runtime.tracing import Tracer

    Handler = Callable[[Any, Work], None]


class Telemetry:
    """Metrics and traces of one process."""

    def __init__(self, service: str, registry: Registry, tracer: Tracer) -> None:
        self.service = service
        self.registry = registry
        self.tracer = tracer

    @classmethod
    def of(cls, service: str, settings: Settings) -> Telemetry:
        """Make it in the process that it is about, after a fork.

        Args:
            service: Name of the process's kind.
            settings: Say how long a scrape may take, and where traces go.
        """
        registry = Registry(
            wait_seconds=settings.scrape_wait_seconds, keep_seconds=settings.scrape_keep_seconds
        )
        return cls(service, registry, open_tracer(service, settings.otel_exporter_otlp_endpoint))

    def handlers(self, queue: str, table: Mapping[str, Handler]) -> dict[str, Handler]:
        """Wrap the handlers of a queue: each event is counted, timed, and a span of the trace it was emitted in."""
        handled = self.registry.counter(
            "triptych_handled_total",
            "Deliveries handled, by outcome: handled, transient (tried again), lease_lost (taken over), defect (dead).",
            *("queue", "event", "outcome"),
        )
        seconds = self.registry.histogram(
            "triptych_handler_seconds", "Time in the handler of a delivery.", "queue", "event", buckets=LONG
        )

        def watched(name: str, handle: Handler) -> Handler:
            told = {"messaging.system": "triptych", "messaging.destination.name": queue}

            def handle_watched(event: Any, work: Work) -> None:
                attempt = {"triptych.delivery_attempt": work.attempt}
                outcome = "defect"
                with (
                    self.tracer.span(f"process {name}", "consumer", {**told, **attempt}),
                    seconds.labels(queue, name).time(),
                ):
                    try:
                        handle(event, work)
                        outcome = "handled" if work.finished else "defect"
                    except LeaseLost:
                        outcome = "lease_lost"
                        raise
                    except Exception as error:
                        outcome = "transient" if is_transient(error) else "defect"
                        raise
                    finally:
                        handled.labels(queue, name, outcome).inc()

            return handle_watched

        return {name: watched(name, handle) for name, handle in table.items()}

    def rounds(self, loop: str, body: Callable[[], object]) -> Callable[[], None]:
        """Wrap what a loop does again and again: rounds are counted and timed."""
        done, seconds = self._rounds

        def round_watched() -> None:
            outcome = "failed"
            with seconds.labels(loop).time():
                try:
                    body()
                    outcome = "ok"
                finally:
                    done.labels(loop, outcome).inc()

        return round_watched

    @cached_property
    def request_seconds(self) -> Histogram:
        """How long requests take, by service, route, method and status; made in the processes that serve some."""
        return self.registry.histogram(
            "triptych_http_request_seconds",
            "Time until the answer to a request begins.",
            *("service", "route", "method", "status"),
        )

    @cached_property
    def _rounds(self) -> tuple[Counter, Histogram]:
        return (
            self.registry.counter(
                "triptych_rounds_total", "Rounds of a loop, by outcome: ok, failed.", "loop", "outcome"
            ),
            self.registry.histogram(
                "triptych_round_seconds", "Time that a round of a loop took.", "loop", buckets=LONG
            ),
        )
