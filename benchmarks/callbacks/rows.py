"""What one measurement saw, as a row of the table."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Row:
    """What senders saw of one server."""

    server: str
    senders: int
    client: str
    viewers: str
    rate: float  # asked for, all senders together; 0: as fast as it goes
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float  # of the server's processes for each call, without the database's and Redis' own
    failed: int
    seen: float  # events a second that all viewers together got

    def line(self) -> str:
        """Write it as a row of the table."""
        pace = f"{self.rate:g}/s" if self.rate else "as fast as it goes"
        return (
            f"| {self.server} | {self.senders} | {pace} | {self.viewers} | {self.per_second:.0f} | {self.p50_ms:.1f} | "
            f"{self.p99_ms:.1f} | {self.max_ms:.0f} | {self.cpu_ms:.2f} | {self.failed} | {self.seen:.0f} | {os.getloadavg()[0]:.1f} |"
        )


def median(rows: Sequence[Row]) -> Row:
    """Give the median of each figure over the rounds; the failures are added up."""
    figures = {
        name: statistics.median(getattr(row, name) for row in rows)
        for name in ("per_second", "p50_ms", "p99_ms", "max_ms", "cpu_ms", "seen")
    }
    return Row(**{**vars(rows[0]), **figures, "failed": sum(row.failed for row in rows)})
