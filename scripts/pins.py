"""Reads what is pinned: NAME==VERSION of constraints.txt and of deploy/requirements."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "deploy/requirements"
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([\w.!+-]+)", re.ASCII)


def of(path: Path) -> set[tuple[str, str]]:
    """Give the names, as PyPI normalises them, and the versions that a file pins."""
    lines = path.read_text("utf-8").splitlines()
    found = (_PIN.match(line) for line in lines)
    return {(re.sub(r"[-_.]+", "-", pin[1]).lower(), pin[2]) for pin in found if pin}


def every() -> list[tuple[str, str]]:
    """Give all that this machine and every image install, each once."""
    return sorted(set().union(*map(of, [ROOT / "constraints.txt", *REQUIREMENTS.glob("*.txt")])))
