"""What is published to Redis of one job, for who watches it: the metrics service's news, and the launcher's word that the log has grown.

A hint, not a record, like a change: the database and the object store have what a viewer missed.
"""

from __future__ import annotations

from typing import Final

NEWS: Final = "metrics"
LOG: Final = "log"
# One line of a message; the metrics service's own lines are its items and heartbeats
LOG_GREW: Final = b'{"kind":"log"}'


def channel(job_id: str) -> str:
    """Name the pub/sub channel of a job."""
    return f"{NEWS}:{job_id}"
