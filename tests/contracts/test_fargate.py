from __future__ import annotations

import pytest

from contracts.fargate import TooLarge, fargate_size


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "units", "memory"),
    [
        (0.1, 100, 256, 512),
        (0.25, 513, 256, 1024),
        (0.25, 2048, 256, 2048),
        (0.25, 2049, 512, 3072),
        (1, 4096, 1024, 4096),
        (1, 512, 1024, 2048),
        (1.5, 4096, 2048, 4096),
        (1, 8193, 2048, 9216),
        (4, 30_721, 8192, 32_768),
        (9, 40_000, 16_384, 40_960),
        (16, 122_880, 16_384, 122_880),
    ],
)
def test_sizes_are_rounded_up_to_what_fargate_has(cpus, memory_mb, units, memory):
    assert fargate_size(cpus, memory_mb) == (units, memory)


@pytest.mark.parametrize(("cpus", "memory_mb"), [(16.1, 4096), (1, 122_881)])
def test_a_size_beyond_fargate_is_refused(cpus, memory_mb):
    with pytest.raises(TooLarge, match="at most 16 vCPU with 122880 MB"):
        fargate_size(cpus, memory_mb)
