"""What every sentence encoder does: texts become vectors of one length, by weights that are not trained here."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from trainer.errors import DataError
from trainer.models.multimodal.huggingface import TOKENIZER, WEIGHTS, make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray


class SentenceEncoder(ABC):
    """Turns texts into vectors of length sqrt(f), so that an entry is about as large as an image network's.

    A text's vector is the same bits in any company.
    """

    LIBRARY: ClassVar[str]  # optional; what reading and using an encoder of this kind needs
    EXTRA: ClassVar[str]  # of this package, which brings it
    features: int  # f

    def __init__(self, settings: dict[str, Any], tokenizer: str) -> None:
        """Take what all kinds have.

        Args:
            settings: JSON: "kind", "name", "tokens" (most that are read of a text, null for all), and the kind's own.
            tokenizer: What tokenizer.json holds.
        """
        self.name: str = settings["name"]
        self._settings = settings
        self._json = tokenizer
        self._tokenizer = make_tokenizer(tokenizer, settings["tokens"])

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder that holds an encoder of this kind; anything may be raised where it is broken."""

    @classmethod
    @abstractmethod
    def from_saved(cls, settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the encoder again from what ``to_json`` and ``arrays`` gave."""

    @abstractmethod
    def describe(
        self, texts: Sequence[str], device: torch.device
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Give vectors of texts, some at a time, in any order.

        Yields:
            Positions of some texts, (n,), and their vectors, (n, f).
        """

    @abstractmethod
    def weights(self) -> dict[str, NDArray[Any]]:
        """Give what was learnt, by name."""

    @classmethod
    def require_library(cls, name: str) -> None:
        """Do nothing where the library is there; it is not imported, which may take seconds.

        Args:
            name: The encoder's.

        Raises:
            LibraryMissing: It is not there.
        """
        if importlib.util.find_spec(cls.LIBRARY) is None:
            raise LibraryMissing(
                f"the sentence encoder {name} needs the extra {cls.EXTRA} (pip install 'triptych[{cls.EXTRA}]')"
            )

    def to_json(self) -> dict[str, Any]:
        """Give the part of it that is no array."""
        return self._settings

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give its weights, and its tokenizer's JSON as bytes: it may be some megabytes."""
        return self.weights() | {"tokenizer": np.frombuffer(self._json.encode(), np.uint8)}

    def digest(self) -> str:
        """Tell this encoder from all others, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(self._settings, sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _check_vocabulary(self, rows: int) -> None:
        # on a GPU a token beyond the table would end the process
        known = 1 + max(self._tokenizer.get_vocab().values(), default=-1)
        if known > rows:
            raise ValueError(f"{TOKENIZER} knows {known} tokens, {WEIGHTS} {rows}")


class LibraryMissing(DataError):
    """An encoder is there, but not the library that it needs."""


def saved_tokenizer(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Give the tokenizer's JSON out of what ``SentenceEncoder.arrays`` gave."""
    return arrays["tokenizer"].tobytes().decode()


def scaled(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring vectors, (n, f), to length sqrt(f); 0 stays 0."""
    # row by row in numpy: torch reduces a single row in another order than one of many
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    found: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
    return found * np.float32(vectors.shape[1] ** 0.5)
