"""Hashes the n-grams of many texts at once, without a step of Python for each: 2**20 buckets of words, as many of characters.

Words are runs of letters, digits and underscores, or single other signs; they count alone and in pairs. Characters count in
windows of two to five that do not reach across a space, the spaces around a word included (scikit-learn's "char_wb").
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BITS = 20
BUCKETS = 1 << BITS
WINDOWS = (2, 3, 4, 5)
BLOCK = 500_000  # characters hashed at a time, about 100 MB
SIGN, WORD, SPACE = 0, 1, 2
# Of a polynomial modulo 2**64; odd, and with bits all over
BASE = np.uint64(0x9E3779B97F4A7C15)
PAIR = np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True)
class Bags:
    """Features of varying number for each row, laid end to end: a sparse matrix, without scipy's tenth of a second to import."""

    features: NDArray[np.int64]  # (entries,)
    weights: NDArray[np.float32]  # (entries,)
    offsets: NDArray[np.int64]  # (rows + 1,): where each row's entries begin

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each entry, shape (entries,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


def count_ngrams(texts: Sequence[str]) -> Iterator[tuple[Bags, Bags]]:
    """Count the n-grams of each text, some texts at a time, in their order.

    Yields:
        Counts of the words' buckets and of the characters', one row for each of some texts.
    """
    for block in _blocks(texts):
        codes, rows = _join(block)
        kinds = _kinds(codes)
        yield (
            _count(*_words(codes, rows, kinds), len(block)),
            _count(*_windows(codes, rows, kinds), len(block)),
        )


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    ends = np.cumsum([len(text) for text in texts])
    cuts = np.unique(np.searchsorted(ends, np.arange(BLOCK, ends[-1] if len(ends) else 0, BLOCK), "right"))
    for begin, end in pairwise([0, *cuts.tolist(), len(texts)]):
        if begin < end:
            yield texts[begin:end]


def _join(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Give the code points of all texts, with a space before, between and behind them, and the text each is of."""
    lower = [text.lower() for text in texts]
    joined = np.frombuffer(f" {' '.join(lower)} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.array([len(text) + 1 for text in lower], np.int64)
    rows = np.repeat(np.arange(len(texts)), lengths)
    return joined.astype(np.uint64), np.concatenate([rows[:1], rows])


def _kinds(codes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    places = codes.astype(np.int64)
    present = np.flatnonzero(np.bincount(places))
    table = np.zeros(present[-1] + 1, np.uint8)
    table[present] = [_kind(chr(code)) for code in present]
    return table[places]


def _kind(character: str) -> int:
    if character.isspace():
        return SPACE
    return WORD if character.isalnum() or character == "_" else SIGN


def _words(
    codes: NDArray[np.uint64], rows: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    begins = np.flatnonzero((kinds != SPACE) & ~((kinds == WORD) & (np.roll(kinds, 1) == WORD)))
    if not len(begins):
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    places = np.arange(len(codes)) - np.repeat(np.append(0, begins), np.diff([0, *begins, len(codes)]))
    # what follows a word up to the next one counts for nothing
    powers = np.cumprod(np.full(places.max() + 1, BASE))
    hashes = np.add.reduceat(
        np.where(kinds == SPACE, np.uint64(0), (codes + np.uint64(1)) * powers[places]), begins
    )
    of = rows[begins]
    pairs = np.flatnonzero(of[1:] == of[:-1])
    return (
        np.concatenate([of, of[pairs]]),
        np.concatenate([_mix(hashes), _mix(hashes[pairs] * PAIR + hashes[pairs + 1])]),
    )


def _windows(
    codes: NDArray[np.uint64], rows: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    space = kinds == SPACE
    codes = np.where(space, np.uint64(ord(" ")), codes)
    kept = ~(space & np.roll(space, 1))
    kept[0] = True
    codes, rows, space = codes[kept], rows[kept], space[kept]
    spaces = np.concatenate([[0], np.cumsum(space)])
    of, hashes = [], []
    sums = np.zeros_like(codes)
    for size in range(1, WINDOWS[-1] + 1):
        count = len(codes) - size + 1
        if count <= 0:
            break
        sums = sums[:count] * BASE + codes[size - 1 :] + np.uint64(1)
        if size not in WINDOWS:
            continue
        inside = spaces[size - 1 : size - 1 + count] - spaces[1 : count + 1]  # all but the ends
        both = space[:count] & space[size - 1 :] if size == WINDOWS[0] else np.False_
        begins = np.flatnonzero((inside == 0) & ~both)
        of.append(rows[begins + 1 if size > WINDOWS[0] else begins + space[begins]])
        hashes.append(_mix(sums[begins] + np.uint64(size)))
    if not of:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    return np.concatenate(of), np.concatenate(hashes)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all others, and keep as many as tell buckets apart (splitmix64: Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(64 - BITS)


def _count(rows: NDArray[np.int64], buckets: NDArray[np.uint64], count: int) -> Bags:
    keys, counts = np.unique((rows << BITS) | buckets.astype(np.int64), return_counts=True)
    offsets = np.searchsorted(keys, np.arange(count + 1) << BITS)
    return Bags(keys & (BUCKETS - 1), counts.astype(np.float32), offsets)
