"""Keeps files, and the parts of pages between two markers, equal to what code says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def keep(page: str, begin: str, end: str, text: str) -> None:
    """Check the part, or with --write rewrite it.

    Args:
        page: Its path from the repository's root.
        begin: The line before the part.
        end: What follows it.
        text: The part as it should be.
    """
    path = ROOT / page
    before, rest = path.read_text("utf-8").split(begin)
    _, after = rest.split(end)
    keep_file(path, before + begin + text + end + after)


def keep_file(path: Path, text: str) -> None:
    """Check a file, or with --write rewrite it."""
    page = path.relative_to(ROOT)
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help=f"rewrite {page} instead of checking it")
    if parser.parse_args().write:
        path.write_text(text, "utf-8")
    elif not path.exists() or path.read_text("utf-8") != text:
        sys.exit(f"{page} is out of date; run `make docs`")
