"""Gathers how the values of one column find their image files."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from contracts.schema import ImageMatch
from tabular.images import ImageIndex, is_image_name, split_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMED = 0.8
FOUND = 0.9
_EXAMPLES = 20
_TRIED = 300


class ImageTally:
    """Running counts of the matches of one column."""

    def __init__(self, index: ImageIndex) -> None:
        """Count against the files of an index, which may be empty."""
        self._index = index
        self.looked_up = len(index) > 0
        self.rows = self.named = self.matched = self.missing = 0
        self.missing_examples: list[str] = []
        self.forgiven: Counter[str] = Counter()
        self.used: set[str] = set()

    @property
    def named_share(self) -> float:
        """Share of the values that end like image files."""
        return self.named / self.rows if self.rows else 0.0

    @property
    def found_share(self) -> float:
        """Share of the values whose files are all there."""
        return self.matched / self.rows if self.rows else 0.0

    def absorb(self, counted: Mapping[str, int]) -> None:
        """Add values that are not blank with their rows."""
        for value, rows in counted.items():
            self.rows += rows
            if names_images(value):
                self.named += rows
            if not self.looked_up:
                continue
            found, missing = self._index.match_all(value)
            self.used.update(match.path for match in found)
            if missing or not found:
                self.missing += rows
                self._show(value)
            else:
                self.matched += rows
                for reason in {reason for match in found for reason in match.forgiven}:
                    self.forgiven[reason] += rows

    def _show(self, value: str) -> None:
        """Keep the first examples in sorted order, whatever the order in which they come."""
        if len(self.missing_examples) < _EXAMPLES or value < self.missing_examples[-1]:
            insort(self.missing_examples, value)
            del self.missing_examples[_EXAMPLES:]

    def result(self) -> ImageMatch | None:
        """Give the counts, or None where there were no files to look among."""
        if not self.looked_up:
            return None
        return ImageMatch(
            matched=self.matched,
            missing=self.missing,
            missing_examples=self.missing_examples,
            forgiven=dict(sorted(self.forgiven.items())),
        )


def names_images(cell: str) -> bool:
    """Tell whether a cell ends like one or several names of image files."""
    return is_image_name(cell) or all(is_image_name(part) for part in split_cell(cell))


def may_be_images(counted: Mapping[str, int], index: ImageIndex) -> bool:
    """Tell from some values whether a column is worth matching: by their endings, or because nearly all are files."""
    tried = list(islice(sorted(filter(None, counted)), _TRIED))
    if not tried:
        return False
    if sum(map(names_images, tried)) >= NAMED * len(tried):
        return True
    if not index.images or len(tried) < min(index.images, 2):
        return False
    return sum(index.match(value) is not None for value in tried) >= FOUND * len(tried)


def choose_image_columns(tallies: Mapping[str, ImageTally]) -> set[str]:
    """Give the columns that are images.

    Columns that write the ending decide. Values without ending (an id that happens to be the file's name) count only
    where no column does, and then only the column that uses most files.
    """
    named = {
        column
        for column, tally in tallies.items()
        if tally.named_share >= NAMED and (tally.matched or not _all_addresses(tally))
    }
    if named:
        return named
    found = {column: tally for column, tally in tallies.items() if tally.found_share >= FOUND}
    if not found:
        return set()
    return {max(found, key=lambda column: len(found[column].used))}


def _all_addresses(tally: ImageTally) -> bool:
    """Tell whether what is missing are web addresses: pictures elsewhere, not uploaded files."""
    return bool(tally.missing_examples) and all("://" in value for value in tally.missing_examples)
