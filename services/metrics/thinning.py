"""Keeps of many points those that a curve is drawn by: in each stretch the least and the greatest of every value."""

from __future__ import annotations

from pydantic_core import from_json  # twice as fast as json's

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
        self._least: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._greatest: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._ends: dict[str, int] = {}

    def add(self, seq: int, data: str) -> None:
        """Look at a point, by its number and its JSON."""
        point = from_json(data)
        epoch = point["epoch"]
        if self._epochs is not None and not self._epochs[0] <= epoch <= self._epochs[1]:
            return
        split, stretch = point["split"], self._stretch(seq, epoch)
        self._ends[split] = seq
        least, greatest = self._least, self._greatest
        for key, value in point["values"].items():
            place = (split, stretch, key)
            if place not in least:
                least[place] = greatest[place] = (value, seq)
            elif value < least[place][0]:
                least[place] = (value, seq)
            elif value > greatest[place][0]:
                greatest[place] = (value, seq)

    def kept(self) -> set[int]:
        """Give the numbers of the points kept; the last of each split is among them."""
        extremes = {seq for some in (self._least, self._greatest) for _, seq in some.values()}
        return extremes | set(self._ends.values())

    def _stretch(self, seq: int, epoch: float) -> int:
        if self._epochs is None:
            return seq * self._stretches // self._last_seq
        first, last = self._epochs
        return int((epoch - first) / ((last - first) or 1.0) * self._stretches)
