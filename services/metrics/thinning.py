"""Keeps of many points those that a curve is drawn by: in each stretch the least and the greatest of every value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.metrics.items import Numbered

A_STRETCH = 4  # points kept of a stretch, about: two values of training, least and greatest of each


class Thinner:
    """Takes the points of one attempt in the order of their numbers, one pass, and remembers as few as are wanted.

    Least and greatest, not every n-th or a mean: a single spike is what one looks for in a curve.
    """

    def __init__(self, wanted: int, last_seq: int, epochs: tuple[float, float] | None = None) -> None:
        """Begin.

        Args:
            wanted: About how many points to keep of each split.
            last_seq: No point has a greater number.
            epochs: First and last epoch of interest; None for all.
        """
        self._stretches = max(1, wanted // A_STRETCH)
        self._last_seq = max(1, last_seq)
        self._epochs = epochs
        self._least: dict[tuple[str, int, str], tuple[float, Numbered]] = {}
        self._greatest: dict[tuple[str, int, str], tuple[float, Numbered]] = {}
        self._ends: dict[str, Numbered] = {}

    def add(self, item: Numbered) -> None:
        """Look at a point."""
        data = json.loads(item.data)
        if self._epochs is not None and not self._epochs[0] <= data["epoch"] <= self._epochs[1]:
            return
        split, stretch = data["split"], self._stretch(item.seq, data["epoch"])
        self._ends[split] = item
        for key, value in data["values"].items():
            place = (split, stretch, key)
            if place not in self._least or value < self._least[place][0]:
                self._least[place] = (value, item)
            if place not in self._greatest or value > self._greatest[place][0]:
                self._greatest[place] = (value, item)

    def _stretch(self, seq: int, epoch: float) -> int:
        if self._epochs is None:
            return seq * self._stretches // self._last_seq
        first, last = self._epochs
        return int((epoch - first) / ((last - first) or 1.0) * self._stretches)

    def kept(self) -> list[Numbered]:
        """Give the points kept, in the order of their numbers; the last of each split is among them."""
        chosen = [item for extreme in (self._least, self._greatest) for _, item in extreme.values()]
        by_number = {item.seq: item for item in [*chosen, *self._ends.values()]}
        return [by_number[seq] for seq in sorted(by_number)]
