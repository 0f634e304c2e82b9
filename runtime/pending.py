"""How much waits in each queue, from the outbox: cheap to ask with every request, and true while Redis is away."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from runtime.outbox import PENDING, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.db import Database

_KEPT_SECONDS = 1.0


@dataclass(frozen=True)
class _Look:
    pending: int
    at: float
    drained_per_second: float  # since the look before; 0 where it did not get shorter


class Backlog:
    """Deliveries that are not handled yet, by queue. An answer may be a second old."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Take where the outbox is, and a clock in seconds."""
        self._db = db
        self._clock = clock
        self._looks: dict[str, _Look] = {}
        self._lock = threading.Lock()

    def pending(self, queue: str) -> int:
        """Count what waits in a queue. Costs a look at an index and the rows that are pending, once a second."""
        with self._lock:  # of many requests at once one asks
            before = self._looks.get(queue)
            if before is not None and self._clock() - before.at < _KEPT_SECONDS:
                return before.pending
            with self._db.read() as session:
                query = select(func.count()).where(Delivery.state == PENDING, Delivery.queue == queue)
                pending = session.scalar(query) or 0
            at = self._clock()
            drained = (before.pending - pending) / (at - before.at) if before is not None else 0.0
            self._looks[queue] = _Look(pending, at, max(drained, 0.0))
            return pending

    def seconds_until(self, queue: str, pending: int) -> int | None:
        """Estimate when so few will wait, at the rate seen between the last two looks; None where it got no shorter."""
        look = self._looks.get(queue)
        if look is None or not look.drained_per_second:
            return None
        return math.ceil(max(look.pending - pending, 0) / look.drained_per_second)
