"""How many CPUs this process may use: its affinity, its cgroup's limit and what it was told, not the host's core count."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_limit(root: Path = CGROUP) -> int:
    """Give the number of CPUs that are of use here, at least 1.

    OMP_NUM_THREADS caps it: a launcher that cannot limit a process says there how many the job may have.
    Reads ``cpu.max`` of cgroup v2 (quota and period in microseconds; kernel documentation, cgroup-v2) or the two v1 files.

    Args:
        root: Where the control group's files lie; inside a container that is its own group.
    """
    available = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isascii() and asked.isdigit():
        available = min(available, int(asked))
    quota = _quota(root)
    return max(1, available if quota is None else min(available, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota_us = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((root / "cpu" / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota_us / period_us if quota_us > 0 else None
