"""The trainer's part of a trace: a span of the attempt, one of each phase, and where callbacks belong.

The launcher gives TRACEPARENT (W3C Trace Context) and the collector. Without them nothing is imported or sent.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span

    from contracts.job import JobSpec
    from trainer.settings import Settings

log = logging.getLogger(__name__)

_CLOSE_SECONDS = 3.0  # for spans at hand when the process ends; a collector that is away must not hold it


class Trace(Protocol):
    """What is told of one attempt."""

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Open a span for a block."""

    def headers(self, *, final: bool) -> dict[str, str]:
        """Give the headers by which a callback joins the trace; the last report of an attempt always does."""

    def close(self, failure: str = "") -> None:
        """End the attempt's span and send what is left, for a few seconds at most."""


class NoTrace:
    """Tells nothing."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:  # noqa: ARG002 - a Trace's
        """Open nothing."""
        yield

    def headers(self, *, final: bool) -> dict[str, str]:  # noqa: ARG002 - a Trace's
        """Give none."""
        return {}

    def close(self, failure: str = "") -> None:
        """Send nothing."""


def begin(spec: JobSpec, settings: Settings) -> OtlpTrace | NoTrace:
    """Begin the attempt's span, where there is a collector and this process is the one that reports."""
    if settings.otel_exporter_otlp_endpoint and settings.process.first:
        try:
            return OtlpTrace(spec, settings)
        except ModuleNotFoundError as error:  # no reason for a job to fail
            log.warning(
                "no trace: OTEL_EXPORTER_OTLP_ENDPOINT needs `pip install 'triptych[tracing]'`: %s", error
            )
    return NoTrace()


class OtlpTrace:
    """Sends spans from a thread of its own."""

    def __init__(self, spec: JobSpec, settings: Settings) -> None:
        # Imported here: a job without a collector never pays for it
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        resource = Resource.create({"service.name": "triptych-trainer", "service.namespace": "triptych"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        endpoint = f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("triptych")
        parent = TraceContextTextMapPropagator().extract({"traceparent": settings.traceparent})
        self._attempt = self._tracer.start_span("train", parent)
        self._attempt.set_attributes(
            {"triptych.job_id": spec.job_id, "triptych.attempt": spec.attempt, "triptych.model": spec.model}
        )
        self._present: Span = self._attempt
        self._told: Span | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Open a span below the attempt's."""
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - as above

        self._present = span = self._tracer.start_span(name, set_span_in_context(self._attempt))
        try:
            yield
        except BaseException as error:
            _fail(span, f"{type(error).__name__}: {error}")
            raise
        finally:
            self._present = self._attempt
            span.end()

    def headers(self, *, final: bool) -> dict[str, str]:
        """Give traceparent, marked as recorded for the first callback of each phase and the last report only.

        A long training sends tens of thousands of callbacks: with a span for each, nobody would find the others.
        """
        span = self._present
        recorded = final or span is not self._told
        self._told = span
        context = span.get_span_context()
        flags = context.trace_flags if recorded else 0
        return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"}

    def close(self, failure: str = "") -> None:
        """End the attempt's span and send what is left."""
        if failure:
            _fail(self._attempt, failure)
        self._attempt.end()
        sending = threading.Thread(target=self._send, name="last spans", daemon=True)
        sending.start()
        sending.join(_CLOSE_SECONDS)

    def _send(self) -> None:
        # Not shutdown alone: it sleeps for 3 s whenever it finds the last batch on its way
        self._provider.force_flush()
        self._provider.shutdown()


def _fail(span: Span, why: str) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - as in OtlpTrace

    span.set_status(StatusCode.ERROR, why)
