"""The README and the pages beside it say what the code does now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "script", ["environment_table", "rest_reference", "cli_reference", "report_fields", "metrics_table"]
)
def test_a_generated_table_is_up_to_date(script):
    subprocess.run([sys.executable, f"scripts/{script}.py"], cwd=ROOT, env={"PYTHONPATH": "."}, check=True)
