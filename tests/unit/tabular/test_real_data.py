"""Awkward real files and data sets with known types; skipped where the shared data is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not (DATA / "csv-zoo").is_dir(), reason="the shared data is not here")


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("csv_zoo", ROOT / "benchmarks" / "csv_zoo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nearly_all_awkward_files_are_read_right(benchmark):
    right, total = benchmark.score_files(DATA / "csv-zoo")
    assert total > 0
    assert right >= 0.95 * total


def test_nearly_all_columns_get_the_type_their_description_names(benchmark):
    right, total = benchmark.score_columns(DATA)
    assert total > 0
    assert right >= 0.95 * total
