"""Traces (OpenTelemetry) from request to trainer, sent by OTLP over HTTP where an endpoint is set.

Where a trace goes on is told by `traceparent` (W3C Trace Context) among the ids bound in `runtime.log`. So it travels
where those do: into log lines, events' envelopes, the rows of runs. Without an endpoint nothing is imported or bound.
"""

from __future__ import annotations

import atexit
import threading
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from runtime import log
from runtime.settings import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span as OtelSpan

PARENT = "traceparent"
Kind = Literal["internal", "server", "client", "consumer"]
_NONE: Mapping[str, Any] = MappingProxyType({})
_CLOSE_SECONDS = 3.0  # for spans at hand when the process ends; a collector that is away must not hold it


class Span(Protocol):
    """A span that is open."""

    def tell(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes, by OpenTelemetry's names where it has one for them."""

    def fail(self, why: str) -> None:
        """Mark it as failed."""


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self, name: str, kind: Kind = "internal", attributes: Mapping[str, Any] = _NONE, *, parent: str = ""
    ) -> AbstractContextManager[Span]:
        """Open a span for a block, in which events emitted and spans opened belong to it; what the block raises fails it.

        Args:
            name: What is done, without ids.
            kind: server, client, consumer of a message, or internal.
            attributes: As of `Span.tell`; the ids of the log's context are added.
            parent: The traceparent it goes on from; empty: the one bound in the log's context, if any.
        """

    def close(self) -> None:
        """Send what has not been sent, for a few seconds at most."""


def open_tracer(service: str, endpoint: str) -> Tracer:
    """Make a process's tracer: one that does nothing where the endpoint is empty.

    Args:
        service: Name of the process's kind.
        endpoint: Origin of an OTLP/HTTP collector, e.g. http://collector:4318.

    Raises:
        InvalidSettings: OpenTelemetry is not installed.
    """
    if not endpoint:
        return NoTracer()
    try:
        return OtlpTracer(service, endpoint)
    except ModuleNotFoundError as error:
        raise InvalidSettings(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, which needs `pip install 'triptych[tracing]'`: {error}"
        ) from None


class _NoSpan:
    def tell(self, attributes: Mapping[str, Any]) -> None:
        pass

    def fail(self, why: str) -> None:
        pass


class NoTracer:
    """Does nothing."""

    _span = _NoSpan()

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002 - a Tracer's
        kind: Kind = "internal",  # noqa: ARG002
        attributes: Mapping[str, Any] = _NONE,  # noqa: ARG002
        *,
        parent: str = "",  # noqa: ARG002
    ) -> Iterator[Span]:
        """Open nothing."""
        yield self._span

    def close(self) -> None:
        """Send nothing."""


class _OtlpSpan:
    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def tell(self, attributes: Mapping[str, Any]) -> None:
        self._span.set_attributes(attributes)

    def fail(self, why: str) -> None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - as in OtlpTracer

        self._span.set_status(StatusCode.ERROR, why)


class OtlpTracer:
    """Sends spans from a thread of its own. Make it after a fork, in the process that uses it."""

    def __init__(self, service: str, endpoint: str) -> None:
        # Imported here: without an endpoint no process pays for it
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace import SpanKind  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        resource = Resource.create({"service.name": f"triptych-{service}", "service.namespace": "triptych"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("triptych")
        self._context = TraceContextTextMapPropagator()
        self._kinds = {kind.name.lower(): kind for kind in SpanKind}
        atexit.register(self.close)

    @contextmanager
    def span(
        self, name: str, kind: Kind = "internal", attributes: Mapping[str, Any] = _NONE, *, parent: str = ""
    ) -> Iterator[Span]:
        """Open a span."""
        carrier = {PARENT: parent or log.context().get(PARENT, "")}
        span = self._tracer.start_span(name, self._context.extract(carrier), self._kinds[kind])
        opened = _OtlpSpan(span)
        opened.tell({f"triptych.{key}": value for key, value in log.context().items() if key != PARENT})
        opened.tell(attributes)
        try:
            with log.bound(**{PARENT: _traceparent(span)}):
                yield opened
        except BaseException as error:
            opened.fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Send what is left."""
        atexit.unregister(self.close)
        sending = threading.Thread(target=self._end, name="last spans", daemon=True)
        sending.start()
        sending.join(_CLOSE_SECONDS)

    def _end(self) -> None:
        # Not shutdown alone: it sleeps for 3 s whenever it finds the last batch on its way
        self._provider.force_flush()
        self._provider.shutdown()


def _traceparent(span: OtelSpan) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
