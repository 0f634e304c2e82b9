"""Encoded rows as tensors, and batches gathered from them without a step of Python for each row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from trainer.features.ngrams import Bags


@dataclass(frozen=True)
class Shapes:
    """What decides the size of a network."""

    image_columns: int
    fixed: int  # features of an image that are not trained
    text_features: list[int]  # n-grams of each text column
    reals: int
    cardinalities: list[int]  # levels of each embedded column, missing and unknown included
    sentence: int = 0  # features of a text that are not trained; artifacts of before there were any say none


@dataclass(frozen=True)
class Encoded:
    """All rows of a table, encoded; the first axis counts rows."""

    pixels: NDArray[np.uint8]  # (images, size, size, 3)
    fixed: NDArray[np.float32]  # (images, f): what is known of each image before training; f may be 0
    image_numbers: list[NDArray[np.int64]]  # of each image column: (rows, most in one cell), padded with -1
    texts: list[Bags]
    no_text: list[NDArray[np.bool_]]  # of each text column: where it is missing, shape (rows,)
    sentences: NDArray[
        np.float32
    ]  # (texts, f): what a sentence encoder says of each distinct text; f may be 0
    sentence_numbers: list[NDArray[np.int64]]  # of each text column: (rows,), any where it is missing
    reals: NDArray[np.float32]  # (rows, f)
    codes: NDArray[np.int64]  # (rows, embedded columns)

    def __len__(self) -> int:
        return len(self.reals)


@dataclass(frozen=True)
class Text:
    """One text column of some rows: bags laid end to end."""

    features: torch.Tensor  # (entries,)
    offsets: torch.Tensor  # (rows + 1,)
    weights: torch.Tensor  # (entries,)
    missing: torch.Tensor  # (rows,), bool
    sentence: torch.Tensor  # (rows, f): a sentence encoder's vectors; f may be 0


@dataclass(frozen=True)
class Batch:
    """Some rows on the device."""

    pixels: (
        torch.Tensor
    )  # (images, 3, size, size), -1..1; at least one image, so that no layer sees an empty batch
    fixed: torch.Tensor  # (images, f)
    owners: (
        torch.Tensor
    )  # (images,): row * image columns + column; rows * image columns for an image of no row
    texts: list[Text]
    reals: torch.Tensor  # (rows, real features)
    codes: torch.Tensor  # (rows, embedded columns)


def gather(
    encoded: Encoded,
    rows: NDArray[np.int64],
    device: torch.device,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Batch:
    """Put some rows on the device, their images augmented where training wants it."""
    numbers, owners = _images_of(encoded.image_numbers, rows)
    pixels = to_pixels(put(encoded.pixels[numbers], device))
    return Batch(
        pixels=pixels if augment is None or not encoded.image_numbers else augment(pixels),
        fixed=put(encoded.fixed[numbers], device),
        owners=put(owners, device),
        texts=[
            _text_of(bags, missing, encoded.sentences[numbers[rows]], rows, device)
            for bags, missing, numbers in zip(
                encoded.texts, encoded.no_text, encoded.sentence_numbers, strict=True
            )
        ],
        reals=put(encoded.reals[rows], device),
        codes=put(encoded.codes[rows], device),
    )


def put(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy an array to the device; to a GPU from memory it can read by itself, so that nobody waits for the copy."""
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def to_pixels(raw: torch.Tensor) -> torch.Tensor:
    """Turn decoded images (n, s, s, 3) into (n, 3, s, s) in -1..1, channels last in memory: what convolutions are fastest on."""
    return raw.permute(0, 3, 1, 2).to(torch.float32).mul_(2 / 255).sub_(1)


class Shuffle:
    """All rows in random order, anew for each epoch; a state of it taken within an epoch leads to the batches that are left."""

    def __init__(self, rows: NDArray[np.int64], size: int, seed: int) -> None:
        """Hand out rows in batches of nearly equal size, at most ``size``."""
        self._rows = rows
        self.steps = math.ceil(len(rows) / size)  # in an epoch
        self._random = np.random.default_rng(seed)
        self._before = self._random.bit_generator.state  # as the epoch was begun
        self._taken = 0  # batches of this epoch

    def epoch(self) -> Iterator[NDArray[np.int64]]:
        """Give an epoch's batches, or what is left of them."""
        self._before = self._random.bit_generator.state
        for batch in np.array_split(self._random.permutation(self._rows), self.steps)[self._taken :]:
            self._taken += 1
            yield batch
        self._before, self._taken = self._random.bit_generator.state, 0

    def state_dict(self) -> dict[str, Any]:
        """Give what ``load_state_dict`` takes."""
        return {"random": self._before, "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._random.bit_generator.state = self._before = state["random"]
        self._taken = state["taken"]


def in_order(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Give all rows in batches of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _images_of(
    columns: list[NDArray[np.int64]], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    numbers, owners = [], []
    for column, table in enumerate(columns):
        of_rows = table[rows]
        row, place = np.nonzero(of_rows >= 0)
        numbers.append(of_rows[row, place])
        owners.append(row * len(columns) + column)
    found = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
    if not len(found):
        return np.zeros(1, np.int64), np.array([len(rows) * len(columns)])
    return found, np.concatenate(owners)


def _text_of(
    bags: Bags,
    missing: NDArray[np.bool_],
    sentence: NDArray[np.float32],
    rows: NDArray[np.int64],
    device: torch.device,
) -> Text:
    begins = bags.offsets[rows]
    lengths = bags.offsets[rows + 1] - begins
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    entries = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    return Text(
        put(bags.features[entries], device),
        put(offsets, device),
        put(bags.weights[entries], device),
        put(missing[rows], device),
        put(sentence, device),
    )
