from __future__ import annotations

import os

import pytest
from threadpoolctl import threadpool_info

from trainer.cpu import cpu_limit, threads_for

CPUS = len(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("max 100000", CPUS),
        ("99900000 100000", CPUS),
        ("junk", CPUS),
    ],
)
def test_the_control_group_limits_the_cpus(tmp_path, content, expected):
    (tmp_path / "cpu.max").write_text(content)
    assert cpu_limit(tmp_path) == expected


def test_the_older_files_are_read_too(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("10000")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert cpu_limit(tmp_path) == 1


def test_without_a_control_group_every_cpu_counts(tmp_path):
    assert cpu_limit(tmp_path) == CPUS


@pytest.mark.parametrize(
    ("told", "expected"), [("1", 1), ("9999", CPUS), ("", CPUS), ("many", CPUS), ("0", 1)]
)
def test_a_launcher_may_say_how_many(tmp_path, monkeypatch, told, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert cpu_limit(tmp_path) == expected


@pytest.mark.parametrize(("rows", "threads"), [(0, 1), (4_999, 1), (10**9, CPUS)])
def test_little_work_gets_one_thread(rows, threads):
    pytest.importorskip("sklearn.utils.extmath")
    before = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    with threads_for(rows):
        assert {pool["num_threads"] for pool in threadpool_info()} == {threads}
    assert {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()} == before
