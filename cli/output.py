"""What a command shows: results on standard output, progress and remarks on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Output:
    """Writes for a person, or with `as_json` for a machine: then standard output holds JSON and nothing else."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False)
        self.err = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """Remark on something, on standard error."""
        self.err.print(text, markup=False, soft_wrap=True)

    def fail(self, text: str) -> None:
        """Say why the command ends."""
        self.err.print(text, style="red", markup=False, soft_wrap=True)

    def line(self, text: str) -> None:
        """Print a line of the result, for a person."""
        self.out.print(text, markup=False, soft_wrap=True)

    def json(self, value: Any) -> None:
        """Print the result for a machine."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows under column names; None is shown as nothing."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        self.out.print(table, markup=False)

    def transfer(self) -> Progress:
        """Make progress bars for bytes, on standard error."""
        return Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            console=self.err,
        )


def size(count: float | None) -> str:
    """Put bytes into words."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - SI
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def moment(text: str | None) -> str:
    """Shorten an ISO 8601 time to minutes."""
    return text[:16].replace("T", " ") if text else ""
