"""Keeps the part of a page between two markers equal to what code says."""

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
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help=f"rewrite {page} instead of checking it")
    write = parser.parse_args().write
    path = ROOT / page
    before, rest = path.read_text("utf-8").split(begin)
    current, after = rest.split(end)
    if write:
        path.write_text(before + begin + text + end + after, "utf-8")
    elif current != text:
        sys.exit(f"{page} is out of date; run `make docs`")
