"""What this process uses of the machine, and of what it may use: CPU, memory, and the GPU where torch holds one."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import psutil

from trainer.cpu import CGROUP, cpu_limit

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
UNLIMITED = 2**60  # cgroup v1 writes a number near 2^63 where there is no limit


def memory_limit(root: Path = CGROUP) -> int:
    """Give the bytes that may be used: the control group's limit, or the machine's memory where that is less.

    Reads ``memory.max`` of cgroup v2 or ``memory.limit_in_bytes`` of v1 (kernel documentation, cgroup-v2).

    Args:
        root: Where the control group's files lie; inside a container that is its own group.
    """
    whole = int(psutil.virtual_memory().total)
    for file in (root / "memory.max", root / "memory" / "memory.limit_in_bytes"):
        try:
            limit = int(file.read_text())
        except (OSError, ValueError):  # absent, or "max"
            continue
        return whole if limit > UNLIMITED else min(limit, whole)
    return whole


class Machine:
    """Samples of one process."""

    def __init__(self) -> None:
        """Start measuring; limits are read once, since they do not change under a running process."""
        self._process = psutil.Process()
        self._process.cpu_percent()  # its first answer is always 0
        self._cpus, self._memory = cpu_limit(), memory_limit()

    def sample(self) -> dict[str, float]:
        """Give what is used now; cpu_percent is of one CPU and since the last sample, the other shares are of the limit."""
        cpu, resident = self._process.cpu_percent(), self._process.memory_info().rss
        return {
            "cpu_percent": cpu,
            "cpu_limit_percent": cpu / self._cpus,
            "rss_mb": resident / MIB,
            "memory_limit_percent": 100 * resident / self._memory,
            **_gpu(),
        }


def _gpu() -> dict[str, float]:
    """Sample the GPU that torch uses; nothing before torch itself has opened it, so that watching costs no GPU memory."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)  # the module may be in the midst of its import
    if cuda is None or not cuda.is_initialized():
        return {}
    free, total = cuda.mem_get_info()
    values = {"gpu_memory_mb": (total - free) / MIB, "gpu_memory_percent": 100 * (total - free) / total}
    with contextlib.suppress(Exception):  # NVML may be away or refuse, which is no reason to report nothing
        values["gpu_percent"] = float(cuda.utilization())
    return values
