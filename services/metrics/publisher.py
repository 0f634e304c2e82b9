"""Tells viewers through Redis what was committed. Best effort: the database is the truth, this only saves time."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.metrics import items

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contracts.callback import Heartbeat
    from services.metrics.items import Numbered

_log = logging.getLogger(__name__)


def channel(job_id: str) -> str:
    """Name the pub/sub channel of a job."""
    return f"metrics:{job_id}"


@dataclass(frozen=True, slots=True)
class News:
    """What one transaction added to a job.

    Attributes:
        job_id: The job.
        new: Its new items, in order.
        heartbeat: Its new heartbeat.
        last_seq: The number of its newest item.
    """

    job_id: str
    new: Sequence[Numbered]
    heartbeat: Heartbeat | None
    last_seq: int


class Publisher:
    """Publishes with a short limit, and leaves a Redis that failed alone for a while (a circuit breaker, Nygard 2007)."""

    def __init__(self, redis_url: str, *, timeout_seconds: float, pause_seconds: float) -> None:
        # Without retries: the client's own would hold a callback up for seconds
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._failing = False

    def publish(self, news: Iterable[News]) -> None:
        """Tell what one transaction added, or nothing where Redis is away."""
        messages = [
            (channel(each.job_id), items.message(each.new, each.heartbeat, each.last_seq))
            for each in news
            if each.new or each.heartbeat
        ]
        if not messages or not self._may_try():
            return
        try:
            with self._redis.pipeline(transaction=False) as pipe:  # one round trip for all
                for message in messages:
                    pipe.publish(*message)
                pipe.execute()
        except (redis.RedisError, OSError) as error:
            self._failed(error)
        else:
            self._failing = False

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def _may_try(self) -> bool:
        """Let everyone through, but after a failure only one at a time, once in a pause."""
        if not self._failing:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                return False
            self._closed_until = now + self._pause_seconds
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first, self._failing = not self._failing, True
            self._closed_until = time.monotonic() + self._pause_seconds
        if first:
            _log.warning("redis is away: viewers read the database", extra={"error": str(error)})
