"""Runs contenders on the seeds of one data folder and writes down what they score."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.accuracy.contenders import Contender, ContenderFailed, Outcome, Task
from benchmarks.accuracy.folder import TABLE
from benchmarks.accuracy.measures import measure
from benchmarks.accuracy.results import KINDS, Record, Results
from benchmarks.accuracy.split import SIDES, three_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.accuracy.folder import DataFolder


@dataclass(frozen=True)
class Sweep:
    """One data folder, read one way, and who takes part."""

    data: DataFolder
    setting: str  # see setting_of
    contenders: Sequence[Contender]
    results: Results
    again: bool
    true_types: bool

    def run_seed(self, seed: int) -> bool:
        """Run whatever has no result yet on this seed; give whether all went well."""
        due = self._due(seed)
        if not due:
            return True
        labels = self.data.rows[self.data.target].to_numpy()
        sides = three_way(labels, seed)
        with tempfile.TemporaryDirectory() as work:
            task = write_task(self.data, sides, seed, Path(work), true_types=self.true_types)
            number = {name: place for place, name in enumerate(task.classes)}
            truth = {side: np.array([number[name] for name in labels[sides == side]]) for side in SIDES}
            outcomes: dict[str, Outcome] = {}
            for place, contender in enumerate(due):
                folder = Path(work) / str(place)
                folder.mkdir()
                try:
                    outcome = contender.run(task, folder)
                except ContenderFailed as error:
                    print(f"{self.data.name}, seed {seed}, {contender.name}: {error}", file=sys.stderr)
                    continue
                outcomes[contender.name] = outcome
                self._add(contender.name, contender.setup, seed, outcome, truth)
            if all(name in outcomes for name in KINDS):
                self._add("vote", {}, seed, vote([outcomes[name] for name in KINDS]), truth)
        return len(outcomes) == len(due)

    def _due(self, seed: int) -> list[Contender]:
        def done(name: str, setup: dict[str, Any]) -> bool:
            return self._key(name, setup, seed) in self.results and not self.again

        missing = {one.name for one in self.contenders if not done(one.name, one.setup)}
        # the vote needs the probabilities of all kinds, and those are not kept
        if missing & set(KINDS) or not done("vote", {}):
            missing |= set(KINDS)
        return [one for one in self.contenders if one.name in missing]

    def _key(self, name: str, setup: dict[str, Any], seed: int) -> Record:
        return {
            "folder": self.data.name,
            "setting": self.setting,
            "contender": name,
            "setup": setup,
            "seed": seed,
        }

    def _add(
        self, name: str, setup: dict[str, Any], seed: int, outcome: Outcome, truth: dict[str, np.ndarray]
    ) -> None:
        test = measure(truth["test"], outcome.test)
        val = None if outcome.val is None else measure(truth["val"], outcome.val)
        costs = {
            name: round(getattr(outcome, name), 2)
            for name in ("fit_seconds", "fit_cpu_seconds", "predict_seconds")
        }
        rows = {side: len(truth[side]) for side in SIDES}
        record = {
            **self._key(name, setup, seed),
            "test": test,
            "val": val,
            **costs,
            "rows": rows,
            "chosen": outcome.chosen,
        }
        self.results.add(record)
        print(
            f"- {self.data.name}, seed {seed}, {name}: accuracy {test['accuracy']:.4f}, macro-F1 {test['macro_f1']:.4f}, "
            f"fit {outcome.fit_seconds:.1f} s, CPU {outcome.fit_cpu_seconds:.1f} s; {json.dumps(outcome.chosen)[:120]}",
            flush=True,
        )


def setting_of(data: DataFolder, types: str) -> str:
    """Give a digest of all that decides what contenders are asked: the table, the target, the features and their types."""
    table = hashlib.sha256((data.path / TABLE).read_bytes()).hexdigest()
    what = json.dumps([table, data.target, data.types, types])
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def vote(outcomes: Sequence[Outcome]) -> Outcome:
    """Average the probabilities of several; it costs what all cost."""
    return Outcome(
        test=np.mean([one.test for one in outcomes], axis=0),
        val=np.mean([one.val for one in outcomes if one.val is not None], axis=0),
        fit_seconds=sum(one.fit_seconds for one in outcomes),
        fit_cpu_seconds=sum(one.fit_cpu_seconds for one in outcomes),
        predict_seconds=sum(one.predict_seconds for one in outcomes),
    )


def write_task(data: DataFolder, sides: np.ndarray, seed: int, work: Path, *, true_types: bool) -> Task:
    """Write the table to fit on and the one to predict; neither holds a column that was left out."""
    side = "side"
    while side in data.rows.columns:
        side += "_"
    features = list(data.types)
    rows = data.rows.with_columns(pl.Series(side, sides))
    fit, test = rows.filter(pl.col(side) != "test"), rows.filter(pl.col(side) == "test")
    fit.select([*features, data.target, side]).write_csv(work / "fit.csv")
    test.select(features).write_csv(work / "test.csv")
    classes = sorted(set(rows.filter(pl.col(side) == "train")[data.target]))
    return Task(data, seed, work / "fit.csv", work / "test.csv", side, classes, true_types)
