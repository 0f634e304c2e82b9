"""The README says what the code does now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_environment_table_is_up_to_date():
    subprocess.run([sys.executable, "scripts/environment_table.py"], cwd=ROOT, check=True)


def test_every_local_link_and_picture_exists():
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
