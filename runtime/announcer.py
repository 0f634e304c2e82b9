"""Tells whoever listens to Redis pub/sub. Best effort: the database is the truth, this only saves listeners time."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.settings import PublishSettings

_log = logging.getLogger(__name__)


class Announcer:
    """Publishes with a short limit, and leaves a Redis that failed alone for a while (a circuit breaker, Nygard 2007)."""

    def __init__(self, redis_url: str, *, timeout_seconds: float, pause_seconds: float) -> None:
        # Without retries: the client's own would hold a request up for seconds
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

    @classmethod
    def of(cls, settings: PublishSettings) -> Self:
        """Make one as a service's environment says."""
        return cls(
            settings.redis_url,
            timeout_seconds=settings.publish_timeout_seconds,
            pause_seconds=settings.publish_pause_seconds,
        )

    def announce(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish messages, each with its channel, or nothing where Redis is away."""
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
