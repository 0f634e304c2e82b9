"""What each column and each modality contributes: permutation importance on validation rows, as far as the time allows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contracts.report import Contribution, Contributions, Spread
from trainer.figures import log_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.columns import Column
    from trainer.inference import Predict

REPEATS = 5


@dataclass(frozen=True)
class Group:
    """Columns that are shuffled together, so that their values still belong to one row."""

    name: str
    columns: tuple[str, ...]
    drops: list[tuple[float, float]] = field(
        default_factory=list
    )  # of accuracy and rise of log loss, one a repeat

    def contribution(self) -> Contribution:
        """Sum up its repeats."""
        accuracy, loss = np.array(self.drops).T
        return Contribution(
            name=self.name,
            accuracy_drop=_spread(accuracy),
            log_loss_rise=_spread(loss),
            repeats=len(self.drops),
        )


def measure_contributions(
    predict: Predict,
    frame: pl.DataFrame,
    truth: NDArray[np.int64],
    columns: Sequence[Column],
    *,
    max_columns: int,
    seed: int,
    deadline: float,
    progress: Callable[[float], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Contributions:
    """Shuffle the values of one column at a time, and of one modality's columns together, and see what is lost.

    Every modality and column is shuffled once before any is shuffled again, modalities first, so that whenever the time
    runs out all that is measured has about as many repeats.

    Args:
        predict: Typed rows to the probabilities to be judged, (rows, classes); asked once for each shuffle.
        frame: The validation rows to shuffle.
        truth: Their class numbers, (rows,).
        columns: The features.
        max_columns: Most columns measured, the table's first ones.
        seed: Of the shuffles.
        deadline: By the clock; no shuffle is begun that would, at the pace so far, end after it.
        progress: Told the share that is done, 0 to 1.
        clock: Seconds.
    """
    begun = clock()
    accuracy, loss = _judge(predict(frame), truth)
    slowest = clock() - begun
    modalities = _modalities(columns)
    # a modality of one column is that column: it is shuffled once for both
    alone = {group.columns[0]: group for group in modalities if len(group.columns) == 1}
    singles = [alone.get(c.name, Group(c.name, (c.name,))) for c in columns[:max_columns]]
    groups = list({id(group): group for group in [*modalities, *singles]}.values())

    total, done, in_time = REPEATS * len(groups), 0, True
    for repeat in range(REPEATS):
        for number, group in enumerate(groups):
            now = clock()
            in_time = in_time and now + slowest <= deadline
            if not in_time:
                break
            order = np.random.default_rng([seed, repeat, number]).permutation(len(frame))
            shuffled = frame.with_columns(frame.select(group.columns)[order])
            worse_accuracy, worse_loss = _judge(predict(shuffled), truth)
            group.drops.append((accuracy - worse_accuracy, worse_loss - loss))
            slowest = max(slowest, clock() - now)
            done += 1
            progress(done / total)

    by_modality = [(group.name, group) for group in modalities]
    by_column = [(group.columns[0], group) for group in singles]
    unmeasured = [name for name, group in [*by_modality, *by_column] if not group.drops]
    return Contributions(
        rows=len(frame),
        repeats=REPEATS,
        accuracy=accuracy,
        log_loss=loss,
        modalities=_sorted(by_modality),
        columns=_sorted(by_column),
        skipped=[*unmeasured, *(column.name for column in columns[max_columns:])],
        notes=_notes(columns, max_columns, len(modalities), in_time=in_time),
        seconds=round(clock() - begun, 3),
    )


def _modalities(columns: Sequence[Column]) -> list[Group]:
    names: dict[str, list[str]] = {}
    for column in columns:
        names.setdefault(column.modality, []).append(column.name)
    return [Group(modality, tuple(of_it)) for modality, of_it in names.items()]


def _judge(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[float, float]:
    return float((probabilities.argmax(axis=1) == truth).mean()), log_loss(probabilities, truth)


def _spread(values: NDArray[np.float64]) -> Spread:
    return Spread(mean=float(values.mean()), sd=float(values.std(ddof=1)) if len(values) > 1 else None)


def _sorted(named: list[tuple[str, Group]]) -> list[Contribution]:
    measured = [
        group.contribution().model_copy(update={"name": name}) for name, group in named if group.drops
    ]
    return sorted(measured, key=lambda each: (-each.accuracy_drop.mean, -each.log_loss_rise.mean))


def _notes(columns: Sequence[Column], max_columns: int, modalities: int, *, in_time: bool) -> list[str]:
    notes = []
    if modalities == 1:
        notes.append(
            "there is only one modality: shuffling all its columns leaves nothing to go by, so its figure is the whole "
            "distance between this model and guessing"
        )
    if len(columns) > max_columns:
        notes.append(
            f"only the first {max_columns} of {len(columns)} columns are measured (EXPLAIN_MAX_COLUMNS)"
        )
    if not in_time:
        notes.append("the time for it ran out (EXPLAIN_SHARE): there are fewer repeats, or columns left out")
    return notes
