"""Keeps of many points those that a curve is drawn by: in each stretch the least and the greatest of every value."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from pydantic_core import from_json  # twice as fast as json's

if TYPE_CHECKING:
    from services.metrics.items import Numbered

A_STRETCH = 4  # points kept of a stretch, about: two values of training, least and greatest of each

Epochs = tuple[float, float]  # first and last


@dataclass(slots=True)
class _Extremes:
    """The least and the greatest of one value in one stretch, and the numbers of their points."""

    least: float
    least_seq: int
    greatest: float
    greatest_seq: int

    def absorb(self, other: _Extremes) -> None:
        """Take in the extremes of a later stretch."""
        if other.least < self.least:
            self.least, self.least_seq = other.least, other.least_seq
        if other.greatest > self.greatest:
            self.greatest, self.greatest_seq = other.greatest, other.greatest_seq


@dataclass(slots=True)
class _Stretch:
    """What is known of the points whose numbers lie in one stretch: extremes by split and value, and their epochs."""

    splits: dict[str, dict[str, _Extremes]] = field(default_factory=dict)
    first_epoch: float = math.inf
    last_epoch: float = -math.inf

    def absorb(self, other: _Stretch) -> None:
        """Take in what is known of the next stretch."""
        for split, values in other.splits.items():
            mine = self.splits.setdefault(split, {})
            for key, extremes in values.items():
                if key in mine:
                    mine[key].absorb(extremes)
                else:
                    mine[key] = extremes
        self.first_epoch = min(self.first_epoch, other.first_epoch)
        self.last_epoch = max(self.last_epoch, other.last_epoch)


class Thinner:
    """Takes the points of one attempt in the order of their numbers, and remembers as few as are wanted.

    Least and greatest, not every n-th or a mean: a single spike is what one looks for in a curve. Stretches double in width
    when they become too many, so that points can be added for ever and none is looked at twice.
    """

    def __init__(self, wanted: int, first: int = 1, epochs: Epochs | None = None) -> None:
        """Begin.

        Args:
            wanted: About how many points to keep of each split; between half and all of them are kept.
            first: No point has a lesser number.
            epochs: First and last epoch of interest; None for all.
        """
        self._limit = max(2, wanted // A_STRETCH)
        self._first = first
        self._epochs = epochs
        self._width = 1
        self._stretches: list[_Stretch] = []
        self._ends: dict[str, int] = {}

    def add(self, seq: int, data: str) -> None:
        """Look at a point, by its number and its JSON."""
        point = from_json(data)
        epoch, split = point["epoch"], point["split"]
        if self._epochs is not None and not self._epochs[0] <= epoch <= self._epochs[1]:
            return
        self._ends[split] = seq
        stretch = self._stretch(seq)
        stretch.first_epoch = min(stretch.first_epoch, epoch)
        stretch.last_epoch = max(stretch.last_epoch, epoch)
        known = stretch.splits.setdefault(split, {})
        for key, value in point["values"].items():
            extremes = known.get(key)
            if extremes is None:
                known[key] = _Extremes(value, seq, value, seq)
            elif value < extremes.least:
                extremes.least, extremes.least_seq = value, seq
            elif value > extremes.greatest:
                extremes.greatest, extremes.greatest_seq = value, seq

    def kept(self) -> set[int]:
        """Give the numbers of the points kept; the last of each split is among them."""
        numbers = set(self._ends.values())
        for stretch in self._stretches:
            for values in stretch.splits.values():
                for extremes in values.values():
                    numbers |= {extremes.least_seq, extremes.greatest_seq}
        return numbers

    def numbers_within(self, epochs: Epochs) -> tuple[int, int] | None:
        """Give the first and the last number that a point of these epochs can have; None where there is no such point."""
        places = [
            place
            for place, stretch in enumerate(self._stretches)
            if stretch.first_epoch <= epochs[1] and stretch.last_epoch >= epochs[0]
        ]
        if not places:
            return None
        return self._first + places[0] * self._width, self._first + (places[-1] + 1) * self._width - 1

    def _stretch(self, seq: int) -> _Stretch:
        while (place := (seq - self._first) // self._width) >= self._limit:
            self._double()
        while place >= len(self._stretches):
            self._stretches.append(_Stretch())
        return self._stretches[place]

    def _double(self) -> None:
        self._width *= 2
        for left, right in zip(self._stretches[::2], self._stretches[1::2], strict=False):
            left.absorb(right)
        self._stretches = self._stretches[::2]


class Digest:
    """What is known of a job's items up to a number: enough to tell its story without reading them again."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.lock = Lock()  # many viewers come at once, one of them reads
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self.seq = 0  # of the last item that was looked at
        self.others: list[int] = []  # states and artifacts, of all attempts, by their numbers
        self.items: dict[int, Numbered] = {}  # those of the last answer, by their numbers
        self.begin(0)

    def begin(self, attempt: int) -> None:
        """Forget the curves of former attempts."""
        self.attempt = attempt
        self.best: int | None = None  # evaluations, by their numbers
        self.last: int | None = None
        self.points = Thinner(self.wanted, first=self.seq + 1)

    def kept(self) -> list[int]:
        """Give the numbers of the items that tell the story, in order."""
        evaluations = [seq for seq in (self.best, self.last) if seq is not None]
        return sorted({*self.points.kept(), *self.others, *evaluations})


class Digests:
    """The digests of the jobs looked at last; a job that has none is read from its beginning."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, int], Digest] = OrderedDict()

    def of(self, job_id: str, wanted: int) -> Digest:
        """Give a job's digest, which its caller locks before use."""
        key = (job_id, wanted)
        with self._lock:
            digest = self._kept.get(key) or self._kept.setdefault(key, Digest(wanted))
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return digest
