"""Image features as one made them before deep learning: gradients, colours, small pixels."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 64
ORIENTATIONS = 9
CELL = 8
SMALL = 16
LEVELS = 4  # of each colour channel in the histogram
QUARTERS = 2  # the colour histogram is taken in 2 x 2 parts


def read_pictures(paths: Sequence[str | None], folder: Path) -> NDArray[np.float32]:
    """Read images, each fitted into a square on white.

    Args:
        paths: In the folder; None for a missing image.
        folder: Where they lie.

    Returns:
        RGB in 0 to 1, shape (n, SIDE, SIDE, 3); NaN for an image that is missing or cannot be read.
    """

    def read(path: str | None) -> NDArray[np.float32]:
        try:
            return _fitted((folder / path).read_bytes()) if path else _nothing()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return _nothing()

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read, paths)))


def _nothing() -> NDArray[np.float32]:
    return np.full((SIDE, SIDE, 3), np.nan, np.float32)


def _fitted(raw: bytes) -> NDArray[np.float32]:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(raw))).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB")
    square = ImageOps.pad(image, (SIDE, SIDE), Image.Resampling.BICUBIC, color=(255, 255, 255))
    return np.asarray(square, dtype=np.float32) / 255


def gradients(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal and Triggs 2005), shape (n, 7 * 7 * 36).

    Of each pixel the channel with the steepest slope counts; cells have 8 x 8 pixels, blocks 2 x 2 cells, normalised by L2-Hys.
    """
    down = np.zeros_like(pictures)
    across = np.zeros_like(pictures)
    down[:, 1:-1] = pictures[:, 2:] - pictures[:, :-2]
    across[:, :, 1:-1] = pictures[:, :, 2:] - pictures[:, :, :-2]
    size = np.hypot(down, across)
    steepest = size.argmax(axis=3)[..., None]
    size = np.take_along_axis(size, steepest, 3)[..., 0]
    turn = np.arctan2(np.take_along_axis(down, steepest, 3), np.take_along_axis(across, steepest, 3))[..., 0]
    place = (turn % np.pi) * (ORIENTATIONS / np.pi) - 0.5
    low = np.floor(place)
    part = place - low
    count, cells = len(pictures), SIDE // CELL
    histogram = np.empty((count, cells, cells, ORIENTATIONS), np.float32)
    for number in range(ORIENTATIONS):  # a pixel votes for the two nearest orientations
        votes = np.where(low % ORIENTATIONS == number, 1 - part, 0) + np.where(
            (low + 1) % ORIENTATIONS == number, part, 0
        )
        tiles = (votes * size).reshape(count, cells, CELL, cells, CELL)
        histogram[..., number] = tiles.sum(axis=(2, 4))
    blocks = np.concatenate(
        [histogram[:, a : cells - 1 + a, b : cells - 1 + b] for a in (0, 1) for b in (0, 1)], axis=3
    )
    blocks = np.minimum(_unit(blocks), 0.2)
    return _unit(blocks).reshape(count, -1)


def colours(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of colour shares (Hellinger), in the whole picture and in its quarters; shape (n, 5 * 64)."""
    codes = np.minimum(np.nan_to_num(pictures) * LEVELS, LEVELS - 1).astype(np.int64) @ [LEVELS**2, LEVELS, 1]
    half = SIDE // QUARTERS
    parts = [codes[:, a : a + half, b : b + half] for a in range(0, SIDE, half) for b in range(0, SIDE, half)]
    shares = [
        np.stack([np.bincount(row, minlength=LEVELS**3) for row in part.reshape(len(part), -1)])
        / part[0].size
        for part in [codes, *parts]
    ]
    return np.sqrt(np.concatenate(shares, axis=1)).astype(np.float32)


def small_pixels(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 4 x 4 pixels; shape (n, 16 * 16 * 3)."""
    step = SIDE // SMALL
    tiles = pictures.reshape(len(pictures), SMALL, step, SMALL, step, 3)
    return tiles.mean(axis=(2, 4)).reshape(len(pictures), -1)


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values / np.sqrt((values**2).sum(axis=-1, keepdims=True) + 1e-6)
