"""The sizes a Fargate task can have (Amazon ECS developer guide, "Task CPU and memory", Linux).

The launcher asks for one of them; the api tells beforehand which, and what it costs.
"""

from __future__ import annotations

import math

# vCPU units (1024 = one) with the least memory, the most, and the step between, MiB
_SIZES = (
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
)


class TooLarge(ValueError):
    """No Fargate task is that large."""


def fargate_size(cpus: float, memory_mb: int) -> tuple[int, int]:
    """Round a wish up to the smallest size there is.

    Args:
        cpus: vCPUs wished for.
        memory_mb: MiB wished for.

    Returns:
        vCPU units and MiB.

    Raises:
        TooLarge: No size is that large.
    """
    for units, least, most, step in _SIZES:
        if units >= cpus * 1024 and most >= memory_mb:
            return units, max(least, math.ceil(memory_mb / step) * step)
    raise TooLarge(
        f"{cpus:g} vCPU with {memory_mb} MB is more than Fargate has: at most 16 vCPU with 122880 MB; "
        "choose less in the job's resources"
    )
