"""The api's memory does not depend on the size of an upload, whichever way it comes: benchmarks/uploads.py, with 5 GB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_MIB = 100

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc")


@pytest.mark.long
@pytest.mark.parametrize("way", ["spool", "store"])
def test_five_gigabytes_cost_the_api_less_than_a_hundred_megabytes(way, tmp_path):
    command = [sys.executable, "benchmarks/uploads.py", "5000", "5000", way]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        check=True,
        text=True,
    )
    grown = re.search(r"memory grew by (\d+) MiB", done.stdout)
    assert grown, done.stdout
    assert int(grown[1]) < MOST_MIB
