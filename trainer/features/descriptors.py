"""Images as vectors that need no training: oriented gradients, a colour histogram, a colour layout."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.pictures import Undecodable
from trainer.cpu import cpu_limit
from trainer.decoding import decode_file

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder

log = logging.getLogger(__name__)

SIZE = 64  # pixels images are fitted into
CELLS, BINS = 8, 9  # cells a side, and orientations in each: 576 numbers
CLIP = 0.2  # of a normalised gradient (Dalal and Triggs 2005)
EPSILON = 1e-3
SHADES = 4  # of each colour channel in the histogram: 64 numbers
PATCHES = 4  # a side, in the layout: 48 numbers
# Of a descriptor's three parts
LENGTHS = (CELLS**2 * BINS, SHADES**3, PATCHES**2 * 3)
PARTS = tuple(slice(end - length, end) for length, end in zip(LENGTHS, accumulate(LENGTHS), strict=True))
LENGTH = PARTS[-1].stop
BATCH = 32
MAX_EXAMPLES = 5


class ImageDescriptors:
    """Descriptors of a folder's images. Each file is decoded once, however often it is asked for; 2.7 kB are kept of it."""

    def __init__(self, images: ImageFolder | None) -> None:
        self._images = images
        self._numbers: dict[
            str, int
        ] = {}  # where each file's descriptor lies in the table; -1 for a broken file
        self._table = np.zeros((0, LENGTH), np.float32)

    @property
    def broken(self) -> list[str]:
        """Files that could not be decoded, sorted; they count as missing."""
        return sorted(path for path, number in self._numbers.items() if number < 0)

    def load(self, cells: pl.Series, progress: Callable[[float], None] = lambda _: None) -> None:
        """Decode and describe the files that are not there yet.

        Args:
            cells: Lists of paths in the folder, as ``trainer.cleaning.clean`` gives them; null is a missing image.
            progress: Told the share that is done, 0 to 1.
        """
        if self._images is None:
            return
        new = sorted(set(cells.explode().drop_nulls().unique()) - self._numbers.keys())
        batches = [new[begin : begin + BATCH] for begin in range(0, len(new), BATCH)]
        parts, begin = [self._table], len(self._table)
        # decoders and numpy release the interpreter's lock for most of their time, so threads are enough
        with ThreadPoolExecutor(cpu_limit()) as pool:
            for done, (readable, described) in enumerate(pool.map(self._describe, batches), start=1):
                self._numbers.update(dict.fromkeys(batches[done - 1], -1))
                self._numbers.update({path: number for number, path in enumerate(readable, begin)})
                parts.append(described)
                begin += len(described)
                progress(done / len(batches))
        self._table = np.concatenate(parts)

    def of(self, cells: pl.Series) -> NDArray[np.float32]:
        """Give the mean descriptor of each cell's readable images, shape (rows, 688); NaN where it has none."""
        self.load(cells)
        found = [
            [number for path in cell or () if (number := self._numbers.get(path, -1)) >= 0]
            for cell in cells.to_list()
        ]
        counts = np.array([len(numbers) for numbers in found], np.int64)
        total = np.zeros((len(cells), LENGTH), np.float32)
        for place in range(counts.max(initial=0)):
            rows = np.flatnonzero(counts > place)
            total[rows] += self._table[[found[row][place] for row in rows]]
        total[counts == 0] = np.nan
        return total / np.maximum(counts, 1).astype(np.float32)[:, None]

    def _describe(self, paths: list[str]) -> tuple[list[str], NDArray[np.float32]]:
        readable, pixels = [], []
        for path in paths:
            try:
                pixels.append(decode_file(self._images, path, SIZE))  # type: ignore[arg-type]  # load has looked
                readable.append(path)
            except Undecodable as error:
                log.warning("image %s cannot be read: %s", path, error)
        if not pixels:
            return [], np.zeros((0, LENGTH), np.float32)
        return readable, describe(np.stack(pixels))


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe images.

    Args:
        pixels: Shape (images, 64, 64, 3), RGB.

    Returns:
        Shape (images, 688): the three parts that ``PARTS`` tells apart, each of the order of 1.
    """
    shades = pixels // (256 // SHADES)
    colours = (shades * np.array([SHADES**2, SHADES, 1], np.uint8)).sum(axis=3, dtype=np.int64)
    images = np.arange(len(pixels))[:, None] * SHADES**3
    counts = np.bincount(
        (images + colours.reshape(len(pixels), -1)).ravel(), minlength=len(pixels) * SHADES**3
    )
    side = SIZE // PATCHES
    layout = pixels.reshape(-1, PATCHES, side, PATCHES, side, 3).mean(axis=(2, 4)) / 255
    described = np.empty((len(pixels), LENGTH), np.float32)
    described[:, PARTS[0]] = _oriented_gradients(pixels)
    # the square root of a histogram makes a plain dot product compare histograms well (Hellinger)
    described[:, PARTS[1]] = np.sqrt(counts.reshape(len(pixels), -1) / SIZE**2)
    described[:, PARTS[2]] = layout.reshape(len(pixels), -1)
    return described


def _oriented_gradients(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give histograms of oriented gradients, shape (images, 576).

    Dalal and Triggs 2005: square root of the intensity, the channel of the steepest gradient, unsigned orientations. Each
    cell is normalised by its four neighbourhoods and their mean is kept, as by Felzenszwalb et al. 2010, section 6: a
    third of the numbers, for at most 1.5 points of accuracy on two small sets of images.
    """
    light = np.sqrt(pixels.astype(np.float32) / 255)
    across, down = np.zeros_like(light), np.zeros_like(light)
    across[:, :, 1:-1] = light[:, :, 2:] - light[:, :, :-2]
    down[:, 1:-1] = light[:, 2:] - light[:, :-2]
    steepness = across**2 + down**2
    channel = steepness.argmax(axis=3)[..., None]
    across, down, steepness = (
        np.take_along_axis(values, channel, axis=3)[..., 0] for values in (across, down, steepness)
    )
    magnitude = np.sqrt(steepness)
    place = np.arctan2(down, across) % np.pi / np.pi * BINS  # votes go to the two nearest orientations
    lower = np.floor(place)
    share = place - lower
    first = lower.astype(np.int64) % BINS

    cell = np.arange(SIZE) // (SIZE // CELLS)
    cells = np.arange(len(pixels))[:, None, None] * CELLS**2 + cell[:, None] * CELLS + cell
    size = len(pixels) * CELLS**2 * BINS
    votes = np.bincount((cells * BINS + first).ravel(), (magnitude * (1 - share)).ravel(), size)
    votes += np.bincount((cells * BINS + (first + 1) % BINS).ravel(), (magnitude * share).ravel(), size)
    return _normalised(votes.reshape(-1, CELLS, CELLS, BINS)).reshape(len(pixels), -1)


def _normalised(cells: NDArray[Any]) -> NDArray[np.float32]:
    energy = np.pad((cells**2).sum(axis=3), ((0, 0), (1, 1), (1, 1)), mode="edge")
    blocks = energy[:, :-1, :-1] + energy[:, :-1, 1:] + energy[:, 1:, :-1] + energy[:, 1:, 1:]
    total = np.zeros_like(cells)
    for row in (0, 1):
        for column in (0, 1):
            norm = np.sqrt(blocks[:, row : row + CELLS, column : column + CELLS] + EPSILON)
            total += np.minimum(cells / norm[..., None], CLIP)
    return (total / 4).astype(np.float32)
