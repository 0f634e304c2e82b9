"""Encoded rows as tensors, and batches gathered from them without a step of Python for each row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainer.models.multimodal.text import Bags

MAX_SHIFT, MAX_SCALE, MAX_TURN = 0.08, 0.12, 0.12  # shares of the image's side, of its size, and radians


@dataclass(frozen=True)
class Shapes:
    """What decides the size of a network."""

    image_columns: int
    text_features: list[int]
    reals: int
    cardinalities: list[int]


@dataclass(frozen=True)
class Encoded:
    """All rows of a table, encoded; the first axis counts rows."""

    pixels: NDArray[np.uint8]  # (images, size, size, 3)
    image_numbers: NDArray[np.int64]  # (rows, image columns), -1 where missing
    texts: list[Bags]
    reals: torch.Tensor
    codes: torch.Tensor

    def __len__(self) -> int:
        return len(self.reals)


@dataclass(frozen=True)
class Batch:
    """Some rows on the device."""

    pixels: torch.Tensor  # (rows * image columns, 3, size, size), -1..1
    present: torch.Tensor  # (rows, image columns), bool
    texts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]  # features, offsets, weights
    reals: torch.Tensor
    codes: torch.Tensor


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed."""

    flip: bool

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Shift, scale and turn each image by its own small amount, shape kept (n, 3, s, s)."""
        rows, device = len(pixels), pixels.device
        turn = (torch.rand(rows, device=device) * 2 - 1) * MAX_TURN
        scale = 1 + (torch.rand(rows, device=device) * 2 - 1) * MAX_SCALE
        shift = (torch.rand(rows, 2, device=device) * 2 - 1) * 2 * MAX_SHIFT
        cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
        if self.flip:
            mirror = torch.where(torch.rand(rows, device=device) < 0.5, -1.0, 1.0)  # noqa: PLR2004 - a fair coin
        else:
            mirror = torch.ones(rows, device=device)
        theta = torch.stack(
            [
                torch.stack([cos * mirror, -sin, shift[:, 0]], 1),
                torch.stack([sin * mirror, cos, shift[:, 1]], 1),
            ],
            1,
        )
        grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
        return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def gather(
    encoded: Encoded, rows: NDArray[np.int64], device: torch.device, augmentation: Augmentation | None = None
) -> Batch:
    """Put some rows on the device, their images augmented where training wants it."""
    numbers = encoded.image_numbers[rows]
    # channels last, as they lie in the cache: the layout convolutions are fastest in
    raw = torch.from_numpy(encoded.pixels[np.maximum(numbers, 0).ravel()]).to(device)
    pixels = raw.permute(0, 3, 1, 2).to(torch.float32).mul_(2 / 255).sub_(1)
    if augmentation is not None and len(pixels):
        pixels = augmentation(pixels)
    index = torch.from_numpy(rows)
    return Batch(
        pixels=pixels,
        present=torch.from_numpy(numbers >= 0).to(device),
        texts=[tuple(part.to(device) for part in _gather_bags(bags, rows)) for bags in encoded.texts],  # type: ignore[misc]
        reals=encoded.reals[index].to(device),
        codes=encoded.codes[index].to(device),
    )


def shuffled(rows: NDArray[np.int64], size: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Give all rows in random order in batches of nearly equal size, at most ``size``."""
    yield from np.array_split(random.permutation(rows), math.ceil(len(rows) / size))


def in_order(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Give all rows in batches of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _gather_bags(bags: Bags, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    begins = bags.offsets[rows]
    lengths = bags.offsets[rows + 1] - begins
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    entries = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    return (
        torch.from_numpy(bags.features[entries]),
        torch.from_numpy(offsets),
        torch.from_numpy(bags.weights[entries]),
    )
