"""The README and the pages beside it say what the code does now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("script", ["environment_table", "report_fields", "metrics_table"])
def test_a_generated_table_is_up_to_date(script):
    subprocess.run([sys.executable, f"scripts/{script}.py"], cwd=ROOT, env={"PYTHONPATH": "."}, check=True)


def test_every_local_link_and_picture_exists():
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
