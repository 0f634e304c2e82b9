"""The pages as a site."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.long
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="the extra `docs` is not installed: make docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    subprocess.run(command, cwd=ROOT, check=True)
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "reference/rest.html", "how-to/back-up-and-restore.html"} <= pages
    home = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "fonts.googleapis" not in home
    assert "unpkg.com" not in home
