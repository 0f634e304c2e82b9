"""How much is broken in a run of tests/faults, and the table of what came of it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scale(BaseSettings):
    """How much is broken; the defaults are what `make test` has time for, `make faults` sets the rest."""

    model_config = SettingsConfigDict(env_prefix="FAULT_", frozen=True)

    rounds: int = Field(default=2, description="kills of a random service over each database")
    restarts: int = Field(default=0, description="restarts of PostgreSQL")
    outage_seconds: float = Field(default=3, description="how long Redis is away")
    jobs: int = Field(default=6, description="jobs created meanwhile")
    full: bool = Field(default=False, description="whole sizes, and over PostgreSQL, too")
    repeats: int = Field(default=1, description="how often each of the other faults is repeated")
    examples: int = Field(default=8, description="histories that the state machine tries")
    lease_seconds: float = Field(default=3, description="after which a dead worker's delivery is another's")
    again_seconds: float = Field(default=2, description="after which an unhandled message is sent again")
    seed: int = Field(default=0, description="of every random choice; 0: another one each time")
    table: Path | None = Field(default=None, description="where the table goes as JSON")


@dataclass
class Row:
    """One kind of fault."""

    fault: str
    database: str
    rounds: int = 0
    lost: int = 0
    duplicated: int = 0
    seconds: list[float] = field(default_factory=list)


class FaultTable:
    """Collects rows as tests add to them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}

    def row(self, fault: str, database: str) -> Row:
        """Give a row, new or not."""
        return self._rows.setdefault((fault, database), Row(fault, database))

    def add(
        self, fault: str, database: str, *, rounds: int, lost: int, duplicated: int, seconds: Sequence[float]
    ) -> None:
        """Add what came of some rounds; seconds are those of each fault until the next thing went well."""
        row = self.row(fault, database)
        row.rounds += rounds
        row.lost += lost
        row.duplicated += duplicated
        row.seconds += seconds

    def markdown(self) -> str:
        """Write it for docs/faults.md."""
        lines = [
            "| fault | database | rounds | lost | duplicated | median s | worst s |",
            "|---|---|---:|---:|---:|---:|---:|",
        ]
        for row in self._rows.values():
            times = f"{statistics.median(row.seconds):.1f} | {max(row.seconds):.1f}" if row.seconds else " | "
            lines.append(
                f"| {row.fault} | {row.database} | {row.rounds} | {row.lost} | {row.duplicated} | {times} |"
            )
        return "\n".join(lines) if self._rows else ""

    def write(self, path: Path) -> None:
        """Write every figure as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(row) for row in self._rows.values()], indent=2) + "\n")
