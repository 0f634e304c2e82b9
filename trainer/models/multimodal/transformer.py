"""Sentence encoders that are transformers: a text's vector is the mean of its tokens' last states, or the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from trainer.features.saved import below, prefixed
from trainer.models.multimodal import huggingface
from trainer.models.multimodal.batches import put
from trainer.models.multimodal.sentences import SentenceEncoder, saved_tokenizer, scaled
from trainer.models.multimodal.transformer_network import make_network, places, read_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

KIND = "transformer"
MOST_TOKENS = 512  # attention's cost grows with the square
# A text is padded to the first of these that it fits into: a seventh of the tokens is padding where lengths are spread evenly
LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
TOKENS_AT_A_TIME = 1024
TOKENIZED_AT_A_TIME = 1024


class TransformerEncoder(SentenceEncoder):
    """A network, asked about texts of about one length together.

    What a text is padded to and how many are looked at together depend on its own length alone: hence the same bits in any
    company.
    """

    LIBRARY = "transformers"
    EXTRA = "trainer-sentences"

    def __init__(self, settings: dict[str, Any], tokenizer: str, network: nn.Module) -> None:
        """Put the parts together; ``load`` and ``from_saved`` are the ways to them.

        Args:
            settings: Besides those of every kind "config" (the network's) and "pooling" (mean or cls).
            tokenizer: What tokenizer.json holds.
            network: The encoder.
        """
        super().__init__(settings, tokenizer)
        self._network = network.eval()
        self._padding: int = settings["config"].get("pad_token_id") or 0
        self.features: int = network.config.hidden_size  # type: ignore[union-attr, assignment]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder that holds ``NEEDED``, and perhaps others of ``FILES``, of huggingface.py; see the base class."""
        config = huggingface.read_json(folder / huggingface.CONFIG)
        network = read_network(folder, config)
        pooling = huggingface.read_json(folder / huggingface.POOLING)
        settings = {
            "kind": KIND,
            "name": folder.name,
            "config": config,
            "pooling": "cls" if pooling.get("pooling_mode_cls_token") else "mean",
            "tokens": min(
                MOST_TOKENS,
                places(network),
                huggingface.read_json(folder / huggingface.LENGTH).get("max_seq_length") or MOST_TOKENS,
                int(
                    huggingface.read_json(folder / huggingface.TOKENIZER_CONFIG).get("model_max_length")
                    or MOST_TOKENS
                ),
            ),
        }
        encoder = cls(settings, (folder / huggingface.TOKENIZER).read_text(encoding="utf-8"), network)
        encoder._try_out()
        return encoder

    @classmethod
    def from_saved(cls, settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the base class."""
        network = make_network(settings["config"])
        weights = {
            name: torch.from_numpy(np.array(array)) for name, array in below("network", arrays).items()
        }
        network.load_state_dict(weights)
        return cls(settings, saved_tokenizer(arrays), network)

    def weights(self) -> dict[str, NDArray[Any]]:
        """See the base class."""
        state = self._network.state_dict().items()
        return prefixed("network", {name: tensor.cpu().contiguous().numpy() for name, tensor in state})

    def describe(
        self, texts: Sequence[str], device: torch.device
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Give vectors of texts, short texts first; see the base class."""
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
            return scaled(pooled.cpu().numpy())

    def _try_out(self) -> None:
        self._check_vocabulary(self._network.get_input_embeddings().num_embeddings)  # type: ignore[operator]
        longest = "a " * self._settings["tokens"]
        for _, vectors in self.describe(["a", longest], torch.device("cpu")):
            if not np.isfinite(vectors).all():
                raise ValueError("its vectors are no finite numbers")
