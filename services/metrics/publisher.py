"""Tells viewers of a job through Redis what was committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.live import channel
from services.metrics import items

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contracts.callback import Heartbeat
    from runtime.announcer import Announcer
    from services.metrics.items import Numbered


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
    """Publishes news of jobs."""

    def __init__(self, announcer: Announcer) -> None:
        """Take what speaks to Redis."""
        self._announcer = announcer

    def publish(self, news: Iterable[News]) -> None:
        """Tell what one transaction added, or nothing where Redis is away."""
        self._announcer.announce(
            [
                (channel(each.job_id), items.message(each.new, each.heartbeat, each.last_seq))
                for each in news
                if each.new or each.heartbeat
            ]
        )
