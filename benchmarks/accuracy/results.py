"""Raw results, one JSON object a line, and the table made of them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Record = dict[str, Any]
KEY = ("folder", "setting", "contender", "setup", "seed")
MEASURES = ("accuracy", "macro_f1", "log_loss", "ece")
KINDS = ("linear", "svm", "trees")  # the reference is the one of these that is best on val rows
HEAD = "| contender | seeds | accuracy | macro-F1 | log loss | ECE | fit s | CPU s | accuracy − reference | macro-F1 − reference |"


class Results:
    """A file of records; of several with one key, the last counts."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, which need not exist; None keeps everything in memory.

        Raises:
            ValueError: A line is not a JSON object.
        """
        self._path = path
        self._records: dict[str, Record] = {}
        if path is not None and path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    record = json.loads(line)
                    self._records[key_of(record)] = record
                except (ValueError, KeyError) as error:
                    raise ValueError(f"{path}, line {number}, is no result: {error}") from None

    def __contains__(self, record: Record) -> bool:
        return key_of(record) in self._records

    def add(self, record: Record) -> None:
        """Keep a record, at once in the file too, so that an interrupted sweep goes on where it was."""
        self._records[key_of(record)] = record
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def of(self, folder: str, setting: str, seeds: Sequence[int]) -> list[Record]:
        """Give the records of a data folder, as it was read, on these seeds."""
        return [
            record
            for record in self._records.values()
            if (record["folder"], record["setting"]) == (folder, setting) and record["seed"] in seeds
        ]


def key_of(record: Record) -> str:
    """Give what makes a run the same run."""
    return json.dumps([record[name] for name in KEY], sort_keys=True)


def with_reference(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by contender, and add the reference: on each seed the best of its kinds by val accuracy, then log loss.

    Its seconds are those of all kinds together, since one has to fit them to choose.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record["seed"]):
        groups[record["contender"]].append(record)
    by_seed: dict[int, list[Record]] = defaultdict(list)
    for record in [record for name in KINDS for record in groups.get(name, [])]:
        by_seed[record["seed"]].append(record)
    for _, tried in sorted(by_seed.items()):
        if len(tried) < len(KINDS):
            continue
        best = max(tried, key=lambda record: (record["val"]["accuracy"], -record["val"]["log_loss"]))
        spent = {name: sum(record[name] for record in tried) for name in ("fit_seconds", "fit_cpu_seconds")}
        groups["reference"].append({**best, **spent})
    return dict(groups)


def table(records: Iterable[Record]) -> str:
    """Lay out one data folder's results as Markdown: mean ± standard deviation over seeds, differences to the reference."""
    groups = with_reference(records)
    reference = groups.get("reference")
    lines = [HEAD, "|---|" + "---:|" * 9]
    for name in sorted(groups, key=_order):
        group = groups[name]
        won = f" ({', '.join(record['contender'] for record in group)})" if name == "reference" else ""
        cells = [_spread([record["test"][measure] for record in group]) for measure in MEASURES]
        cells += [
            f"{np.mean([record[cost] for record in group]):.1f}"
            for cost in ("fit_seconds", "fit_cpu_seconds")
        ]
        ours = "model" in group[0]["setup"]
        cells += [
            _against(group, reference, measure) if ours and reference else "" for measure in MEASURES[:2]
        ]
        lines.append(f"| {name}{won} | {len(group)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _order(name: str) -> tuple[int, str]:
    first = ("majority", *KINDS, "vote", "lightgbm", "reference")
    return (first.index(name), "") if name in first else (len(first), name)


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def _against(group: Sequence[Record], reference: Sequence[Record], measure: str) -> str:
    """Mean difference on the seeds that both have, and whether it is within one standard deviation of the reference."""
    theirs = {record["seed"]: record["test"][measure] for record in reference}
    gaps = [record["test"][measure] - theirs[record["seed"]] for record in group if record["seed"] in theirs]
    if not gaps:
        return "no seed in common"
    gap = float(np.mean(gaps))
    if len(theirs) < 2:
        return f"{gap:+.3f}"
    deviation = float(np.std(list(theirs.values()), ddof=1))
    verdict = "level" if abs(gap) <= deviation else "ahead" if gap > 0 else "behind"
    return f"{gap:+.3f} ({verdict})"
