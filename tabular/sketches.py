"""Samples and distinct counts of a stream, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

_HASH_RANGE = 2**64


@dataclass
class Sample:
    """Every n-th value of a stream; n doubles whenever the sample is full, so the memory is bounded."""

    size: int
    values: list[Any] = field(default_factory=list)
    stride: int = 1
    _skip: int = 0

    def offset(self) -> int:
        """Give the position in the next block at which sampling goes on."""
        return self._skip

    def absorb(self, taken: list[Any], block_rows: int) -> None:
        """Add what was taken of a block of some rows, from `offset` on in steps of `stride`."""
        self.values.extend(taken)
        self._skip = (self._skip - block_rows) % self.stride
        self._thin()

    def continue_after(self, rows: int, stride: int) -> None:
        """Go on behind rows of which every `stride`-th was absorbed as if it were a block of its own."""
        self.stride *= stride
        self._skip = -rows % self.stride

    def _thin(self) -> None:
        while len(self.values) > 2 * self.size:
            if len(self.values) % 2:
                self._skip += self.stride  # the next one would stand right behind the last that is kept
            self.values = self.values[::2]
            self.stride *= 2


@dataclass
class Distinct:
    """Counts distinct values: exactly up to `size`, above it by the size-th smallest of their hashes."""

    size: int
    hashes: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.UInt64))

    @property
    def threshold(self) -> int:
        """Hashes above this one are not needed any more."""
        return int(self.hashes[-1]) if self.hashes.len() >= self.size else _HASH_RANGE - 1

    def absorb(self, hashes: pl.Series) -> None:
        """Add the hashes of a block's values."""
        merged = pl.concat([self.hashes, hashes]).unique().sort()
        self.hashes = merged.head(self.size)

    @property
    def count(self) -> int:
        """The number of distinct values; an estimate (about 1/sqrt(size) off) above `size`."""
        if self.hashes.len() < self.size:
            return self.hashes.len()
        return round((self.size - 1) * _HASH_RANGE / max(1, int(self.hashes[-1])))
