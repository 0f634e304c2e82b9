"""What the metrics service tells of its callbacks and viewers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from contracts.callback import Refused
from runtime.errors import Conflict, Invalid
from services.metrics.flood import TooFast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.metrics import Registry

_OUTCOMES: dict[type[Exception], str] = {
    Refused: "refused",
    TooFast: "too_fast",
    Conflict: "conflict",
    Invalid: "invalid",
    HTTPException: "invalid",
    OperationalError: "unavailable",
}


class Measures:
    """The service's own instruments."""

    def __init__(self, registry: Registry) -> None:
        self.viewers = registry.gauge("triptych_stream_viewers", "Event streams that are open.")
        self._callbacks = registry.counter(
            "triptych_callbacks_total",
            "Trainers' callbacks by outcome: stored, refused (not authentic), too_fast (429), conflict (attempt over), "
            "invalid, unavailable (database away), defect.",
            "outcome",
        )
        self._seconds = registry.histogram("triptych_callback_seconds", "Time to check and store a callback.")

    @contextmanager
    def callback(self) -> Iterator[None]:
        """Time and count the callback that the block takes."""
        outcome = "stored"
        with self._seconds.time():
            try:
                yield
            except Exception as error:
                known = (name for kind, name in _OUTCOMES.items() if isinstance(error, kind))
                outcome = next(known, "defect")
                raise
            finally:
                self._callbacks.labels(outcome).inc()
