"""A back end under observation: its calls are timed, and a launch is a span that its trainer's spans hang below."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from runtime import log
from runtime.errors import Transient
from runtime.tracing import PARENT
from services.launcher.backend import Backend, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.telemetry import Telemetry
    from services.launcher.backend import RunSpec, RunStatus


class WatchedBackend(Backend):
    """Passes every call on."""

    def __init__(self, backend: Backend, telemetry: Telemetry, trace_endpoint: str) -> None:
        """Wrap a back end.

        Args:
            backend: What runs trainers.
            telemetry: Of this process.
            trace_endpoint: Where trainers send their spans.
        """
        self._backend = backend
        self._tracer = telemetry.tracer
        self._trace_endpoint = trace_endpoint
        self._seconds = telemetry.registry.histogram(
            "triptych_provider_seconds",
            "Time of calls to what runs trainers, by outcome: ok, transient (tried again), refused, defect.",
            *("launcher", "call", "outcome"),
        )

    @property
    @override
    def name(self) -> str:
        return self._backend.name

    @override
    def launch(self, run: RunSpec) -> str:
        told = {"triptych.attempt": run.attempt, "triptych.launcher": self.name}
        with self._timed("launch"), self._tracer.span("launch", "client", told):
            if self._trace_endpoint:
                trace = {
                    "TRACEPARENT": log.context()[PARENT],
                    "OTEL_EXPORTER_OTLP_ENDPOINT": self._trace_endpoint,
                }
                run = replace(run, env={**run.env, **trace})
            return self._backend.launch(run)

    @override
    def find(self, run: RunSpec) -> str | None:
        with self._timed("find"):
            return self._backend.find(run)

    @override
    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        with self._timed("status"):
            return self._backend.status(handles)

    @override
    def stop(self, handle: str, reason: str) -> None:
        with self._timed("stop"):
            self._backend.stop(handle, reason)

    @override
    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        with self._timed("logs"):
            return self._backend.logs(handle, tail_bytes)

    @override
    def forget(self, job_id: str, attempt: int) -> None:
        with self._timed("forget"):
            self._backend.forget(job_id, attempt)

    @contextmanager
    def _timed(self, call: str) -> Iterator[None]:
        outcome = "ok"
        with self._seconds.time() as timer:
            try:
                yield
            except Exception as error:
                outcome = _outcome(error)
                raise
            finally:
                timer.labels(self.name, call, outcome)


def _outcome(error: Exception) -> str:
    if isinstance(error, Transient):
        return "transient"
    return "refused" if isinstance(error, Refused) else "defect"
