"""A sentence encoder that is not trained, from a folder in the Hugging Face layout or from a job's artifacts."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch.nn import functional

from trainer.errors import DataError
from trainer.features.saved import below, prefixed
from trainer.models.multimodal import huggingface
from trainer.models.multimodal.batches import put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

MOST_TOKENS = 512  # attention's cost grows with the square
# A text is padded to the first of these that it fits into: a seventh of the tokens is padding where lengths are spread evenly
LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
TOKENS_AT_A_TIME = 1024
TOKENIZED_AT_A_TIME = 1024


class SentenceEncoder:
    """Turns texts into vectors of length sqrt(f), so that an entry is about as large as an image network's.

    A text's vector is the same bits in any company: what it is padded to and how many are looked at together depend on its own
    length alone.
    """

    def __init__(self, settings: dict[str, Any], tokenizer: str, network: nn.Module) -> None:
        """Put the parts together; ``load`` and ``from_saved`` are the ways to them.

        Args:
            settings: "name", "config" (the network's), "pooling" (mean or cls), "tokens" (most in a text).
            tokenizer: What tokenizer.json holds.
            network: The encoder.
        """
        self.name: str = settings["name"]
        self._settings = settings
        self._json = tokenizer
        self._tokenizer = huggingface.make_tokenizer(tokenizer)
        self._tokenizer.enable_truncation(settings["tokens"])
        self._network = network.eval()
        self._padding: int = settings["config"].get("pad_token_id") or 0
        self.features: int = network.config.hidden_size  # type: ignore[union-attr, assignment]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder that holds ``NEEDED``, and perhaps others of ``FILES``, of huggingface.py.

        Raises:
            DataError: It holds no encoder that can be used.
        """
        try:
            config = huggingface.read_json(folder / huggingface.CONFIG)
            network = huggingface.read_network(folder, config)
            pooling = huggingface.read_json(folder / huggingface.POOLING)
            settings = {
                "name": folder.name,
                "config": config,
                "pooling": "cls" if pooling.get("pooling_mode_cls_token") else "mean",
                "tokens": min(
                    MOST_TOKENS,
                    huggingface.places(network),
                    huggingface.read_json(folder / huggingface.LENGTH).get("max_seq_length") or MOST_TOKENS,
                    int(
                        huggingface.read_json(folder / huggingface.TOKENIZER_CONFIG).get("model_max_length")
                        or MOST_TOKENS
                    ),
                ),
            }
            encoder = cls(settings, (folder / huggingface.TOKENIZER).read_text(encoding="utf-8"), network)
            encoder._try_out()
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"PRETRAINED_URI: {folder.name} holds no sentence encoder that can be used: {reason}"
            ) from error
        return encoder

    @classmethod
    def from_saved(cls, settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the encoder again from what ``to_json`` and ``arrays`` gave.

        Raises:
            DataError: The library it needs is not installed.
        """
        if not huggingface.is_installed():
            raise DataError(
                f"the model reads text by the sentence encoder {settings['name']}: install {huggingface.what_to_install()}"
            )
        network = huggingface.make_network(settings["config"])
        weights = {
            name: torch.from_numpy(np.array(array)) for name, array in below("network", arrays).items()
        }
        network.load_state_dict(weights)
        return cls(settings, arrays["tokenizer"].tobytes().decode(), network)

    def to_json(self) -> dict[str, Any]:
        """Give the part of it that is no array."""
        return self._settings

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give its weights, and its tokenizer's JSON as bytes: it may be some megabytes."""
        state = {
            name: tensor.cpu().contiguous().numpy() for name, tensor in self._network.state_dict().items()
        }
        return prefixed("network", state) | {"tokenizer": np.frombuffer(self._json.encode(), np.uint8)}

    def digest(self) -> str:
        """Tell this encoder from all others, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(self._settings, sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def describe(
        self, texts: Sequence[str], device: torch.device
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Give vectors of texts, some at a time, short texts first.

        Yields:
            Positions of some texts, (n,), and their vectors, (n, f).
        """
        self._network.to(device)
        tokens = self._tokenize(texts)
        buckets = np.searchsorted(LENGTHS, [len(own) for own in tokens])
        for bucket, upper in enumerate(LENGTHS):
            length = min(upper, self._settings["tokens"])
            members, size = np.flatnonzero(buckets == bucket), max(1, TOKENS_AT_A_TIME // length)
            for start in range(0, len(members), size):
                # always as many, the last ones filled up; see the class
                some = members[np.arange(start, start + size) % len(members)]
                vectors = self._vectors([tokens[number] for number in some], length, device)
                left = min(size, len(members) - start)
                yield some[:left], vectors[:left]

    def _tokenize(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        tokens: list[NDArray[np.int32]] = []
        for start in range(0, len(texts), TOKENIZED_AT_A_TIME):
            some = list(texts[start : start + TOKENIZED_AT_A_TIME])
            # a text of no token at all is one of padding
            tokens += [
                np.array(encoding.ids or [self._padding], np.int32)
                for encoding in self._tokenizer.encode_batch_fast(some)
            ]
        return tokens

    def _vectors(
        self, tokens: Sequence[NDArray[np.int32]], length: int, device: torch.device
    ) -> NDArray[np.float32]:
        ids = np.full((len(tokens), length), self._padding, np.int64)
        mask = np.zeros((len(tokens), length), np.int64)
        for number, own in enumerate(tokens):
            ids[number, : len(own)] = own
            mask[number, : len(own)] = 1
        with torch.inference_mode():
            seen = put(mask, device)
            states = self._network(input_ids=put(ids, device), attention_mask=seen).last_hidden_state.float()
            if self._settings["pooling"] == "cls":
                pooled = states[:, 0]
            else:
                pooled = (states * seen.unsqueeze(2)).sum(dim=1) / seen.sum(dim=1, keepdim=True)
            vectors: NDArray[np.float32] = (
                (functional.normalize(pooled, dim=1) * self.features**0.5).cpu().numpy()
            )
        return vectors

    def _try_out(self) -> None:
        known, embedded = (
            self._tokenizer.get_vocab_size(),
            self._network.get_input_embeddings().num_embeddings,  # type: ignore[operator]
        )
        if known > embedded:  # on a GPU such a token would end the process
            raise ValueError(
                f"{huggingface.TOKENIZER} knows {known} tokens, {huggingface.WEIGHTS} {embedded}"
            )
        longest = "a " * self._settings["tokens"]
        for _, vectors in self.describe(["a", longest], torch.device("cpu")):
            if not np.isfinite(vectors).all():
                raise ValueError("its vectors are no finite numbers")
