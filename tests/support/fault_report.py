"""How long a fault test goes on, and the rows it leaves for the table of faults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def full_scale() -> bool:
    """Tell whether FAULT_SCALE=full asks for whole rounds; otherwise a test takes seconds."""
    return os.environ.get("FAULT_SCALE") == "full"


def record_fault(
    *, fault: str, rounds: int, lost: int, duplicated: int, recover_seconds: Sequence[float]
) -> None:
    """Append a row, a JSON object a line, to the file that FAULTS_REPORT names, if it names one.

    Args:
        fault: What was done to what.
        rounds: How often.
        lost: What was acknowledged and is gone.
        duplicated: What is there more than once.
        recover_seconds: After each fault, until the next thing went well.
    """
    if path := os.environ.get("FAULTS_REPORT"):
        row = {
            "fault": fault,
            "rounds": rounds,
            "lost": lost,
            "duplicated": duplicated,
            "recover_seconds": [round(seconds, 3) for seconds in recover_seconds],
        }
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
