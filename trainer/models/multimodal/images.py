"""Images decoded once, fitted into a square and kept as bytes in a memory-mapped file."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tabular.pictures import Undecodable
from trainer.cpu import cpu_limit
from trainer.decoding import decode_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder

log = logging.getLogger(__name__)

MAX_EXAMPLES = 5
DESCRIBED_AT_A_TIME = 128


class ImageCache:
    """Every image used, once.

    ``pixels`` has shape (images, size, size, 3), uint8, RGB; ``fixed`` (images, f), what is known of them without training.
    """

    def __init__(self, pixels: NDArray[np.uint8], numbers: dict[str, int], folder: Path) -> None:
        self.pixels = pixels
        self.fixed = np.zeros((len(pixels), 0), np.float32)
        self._numbers = numbers
        self._folder = folder

    def describe(self, describe: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
        """Fill ``fixed``, some images at a time, with the features that a function gives of decoded images."""
        for start in range(0, len(self.pixels), DESCRIBED_AT_A_TIME):
            # always as many, the last ones filled up, so that an image's features are the same bits in any company
            some = np.arange(start, start + DESCRIBED_AT_A_TIME) % len(self.pixels)
            features = describe(self.pixels[some])[: len(self.pixels) - start]
            if start == 0:
                shape = (len(self.pixels), features.shape[1])
                self.fixed = np.lib.format.open_memmap(
                    self._folder / "fixed.npy", mode="w+", dtype=np.float32, shape=shape
                )
            self.fixed[start : start + len(features)] = features

    def numbers(self, cells: Sequence[Sequence[str] | None]) -> NDArray[np.int64]:
        """Give the positions in ``pixels`` of each cell's readable images, padded with -1, shape (cells, most in one)."""
        found = [[self._numbers[path] for path in cell or () if path in self._numbers] for cell in cells]
        numbers = np.full((len(cells), max(map(len, found), default=0)), -1, dtype=np.int64)
        for row, positions in zip(numbers, found, strict=True):
            row[: len(positions)] = positions
        return numbers


def build_cache(
    paths: Sequence[str], images: ImageFolder, size: int, folder: Path, progress: Callable[[float], None]
) -> tuple[ImageCache, list[str]]:
    """Decode images into a cache; an image that cannot be decoded counts as missing.

    Args:
        paths: Distinct paths in the folder.
        images: The folder.
        size: Pixels of the square's side.
        folder: Where the cache lies; it may be larger than memory.
        progress: Told the share that is done, 0 to 1.

    Returns:
        The cache, and the paths that could not be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (max(1, len(paths)), size, size, 3)
    pixels = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    broken: list[str] = []

    def work(number: int) -> bool:
        try:
            pixels[number] = decode_file(images, paths[number], size)
        except Undecodable as error:
            if len(broken) < MAX_EXAMPLES:
                log.warning("image %s cannot be read: %s", paths[number], error)
            broken.append(paths[number])
            return False
        return True

    # the decoders release the interpreter's lock, so threads are enough
    with ThreadPoolExecutor(cpu_limit()) as pool:
        readable = []
        for number, fine in enumerate(pool.map(work, range(len(paths)))):
            readable.append(fine)
            if number % 256 == 0:
                progress(number / len(paths))
    numbers = {path: number for number, path in enumerate(paths) if readable[number]}
    return ImageCache(pixels, numbers, folder), sorted(broken)
