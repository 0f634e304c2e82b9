from __future__ import annotations

import sys
from types import SimpleNamespace

import psutil
import pytest

from trainer.machine import Machine, memory_limit

WHOLE = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, WHOLE),
        ({"memory.max": "536870912\n"}, 2**29),
        ({"memory.max": "max\n"}, WHOLE),
        ({"memory.max": str(2**59)}, WHOLE),
        ({"memory/memory.limit_in_bytes": "268435456\n"}, 2**28),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, WHOLE),
    ],
)
def test_the_control_groups_limit_counts_where_it_is_less_than_the_machine(tmp_path, files, limit):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path) == limit


def test_a_sample_says_what_is_used_and_what_share_of_the_limit_that_is(monkeypatch):
    monkeypatch.setattr("trainer.machine.cpu_limit", lambda: 4)
    monkeypatch.setattr("trainer.machine.memory_limit", lambda: 2**33)
    sample = Machine().sample()
    assert set(sample) == {"cpu_percent", "cpu_limit_percent", "rss_mb", "memory_limit_percent"}
    assert sample["cpu_limit_percent"] == sample["cpu_percent"] / 4
    assert sample["memory_limit_percent"] == pytest.approx(sample["rss_mb"] / 2**13 * 100)
    assert sample["rss_mb"] > 1


class FakeCuda:
    def __init__(self, *, opened=True, nvml=True):
        self._opened, self._nvml = opened, nvml

    def is_initialized(self):
        return self._opened

    def mem_get_info(self):
        return 6 * 2**30, 8 * 2**30

    def utilization(self):
        if not self._nvml:
            raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")
        return 57


@pytest.mark.parametrize(
    ("torch", "expected"),
    [
        (SimpleNamespace(), {}),  # in the midst of its import
        (SimpleNamespace(cuda=FakeCuda(opened=False)), {}),
        (
            SimpleNamespace(cuda=FakeCuda()),
            {"gpu_memory_mb": 2048, "gpu_memory_percent": 25, "gpu_percent": 57},
        ),
        (SimpleNamespace(cuda=FakeCuda(nvml=False)), {"gpu_memory_mb": 2048, "gpu_memory_percent": 25}),
    ],
)
def test_the_gpu_is_sampled_only_once_torch_has_opened_it(monkeypatch, torch, expected):
    monkeypatch.setitem(sys.modules, "torch", torch)
    sample = Machine().sample()
    assert {name: value for name, value in sample.items() if name.startswith("gpu")} == expected


def test_without_torch_there_is_no_gpu_and_it_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    Machine().sample()
    assert "torch" not in sys.modules
