"""Static sentence encoders: a table of tokens' vectors, of which a text's is the mean (model2vec, StaticEmbedding)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from trainer.models.multimodal import huggingface
from trainer.models.multimodal.sentences import SentenceEncoder, saved_tokenizer, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

KIND = "static"
# What model2vec and sentence-transformers call the table
MODEL2VEC, EMBEDDING = "embeddings", "embedding.weight"
MODEL2VEC_TOKENS = 512  # where its config does not say how many of a text are read
TEXTS_AT_A_TIME = 1024


class StaticEncoder(SentenceEncoder):
    """Needs no network: a text costs about what cutting it into tokens does."""

    LIBRARY = "tokenizers"
    EXTRA = "trainer-static-embeddings"

    def __init__(self, settings: dict[str, Any], tokenizer: str, table: torch.Tensor) -> None:
        """Put the parts together; ``load`` and ``from_saved`` are the ways to them.

        Args:
            settings: Besides those of every kind "unknown": the token that counts for nothing, or null.
            tokenizer: What tokenizer.json holds.
            table: (tokens, f), as precise as it was published.
        """
        super().__init__(settings, tokenizer)
        self._table = table
        self.features = table.shape[1]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder as either library writes it; see the base class."""
        root = folder / huggingface.STATIC if (folder / huggingface.STATIC).is_dir() else folder
        tokenizer = (root / huggingface.TOKENIZER).read_text(encoding="utf-8")
        state = load_file(root / huggingface.WEIGHTS)
        settings: dict[str, Any] = {"kind": KIND, "name": folder.name, "tokens": None, "unknown": None}
        if MODEL2VEC in state:
            config = huggingface.read_json(folder / huggingface.CONFIG)
            settings["tokens"] = config.get("max_length", MODEL2VEC_TOKENS)
            settings["unknown"] = _unknown(tokenizer)
        encoder = cls(settings, tokenizer, _table(state))
        encoder._check_vocabulary(len(encoder._table))
        return encoder

    @classmethod
    def from_saved(cls, settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the base class."""
        return cls(settings, saved_tokenizer(arrays), torch.from_numpy(np.array(arrays["table"])))

    def weights(self) -> dict[str, NDArray[Any]]:
        """See the base class."""
        return {"table": self._table.numpy()}

    def describe(
        self,
        texts: Sequence[str],
        device: torch.device,  # noqa: ARG002 - means are taken faster than they go to a GPU and back
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Give vectors of texts in their order, by the CPU; one without any token that is known gets 0."""
        table = self._table.float()
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            some = list(texts[start : start + TEXTS_AT_A_TIME])
            ids = [
                [token for token in encoding.ids if token != self._settings["unknown"]]
                for encoding in self._tokenizer.encode_batch_fast(some, add_special_tokens=False)
            ]
            ends = np.cumsum([0, *map(len, ids)])
            tokens = torch.tensor([token for own in ids for token in own], dtype=torch.long)
            # each bag is summed by itself, in its tokens' order: the same bits in any company
            means = functional.embedding_bag(
                tokens, table, torch.from_numpy(ends), mode="mean", include_last_offset=True
            )
            yield np.arange(start, start + len(some)), scaled(means.numpy())


def is_static(folder: Path) -> bool:
    """Tell whether a folder holds such a table, by what its makers say of it."""
    if (folder / huggingface.STATIC).is_dir():
        return True
    modules = huggingface.read_json(folder / huggingface.MODULES)
    if modules and str(modules[0].get("type")).endswith(".StaticEmbedding"):
        return True
    return bool(huggingface.read_json(folder / huggingface.CONFIG).get("model_type") == "model2vec")


def _table(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Give one row for each token: of published arrays, where several tokens may share one and each may weigh its own."""
    table = state.get(MODEL2VEC, state.get(EMBEDDING))
    if table is None:
        raise ValueError(f"{huggingface.WEIGHTS} holds neither {MODEL2VEC} nor {EMBEDDING}")
    if table.dim() != 2 or not table.numel():  # noqa: PLR2004 - rows and columns
        raise ValueError(f"the table in {huggingface.WEIGHTS} has the shape {tuple(table.shape)}")
    if MODEL2VEC in state and "mapping" in state:
        table = table[state["mapping"].long()]
    if MODEL2VEC in state and "weights" in state:
        if len(state["weights"]) != len(table):
            raise ValueError(
                f"{huggingface.WEIGHTS} weighs {len(state['weights'])} tokens, its table has {len(table)}"
            )
        table = table.float() * state["weights"].float().unsqueeze(1)
    if not torch.isfinite(table).all():
        raise ValueError("its vectors are no finite numbers")
    # numpy has no bfloat16
    return (table.float() if table.dtype == torch.bfloat16 else table).contiguous()


def _unknown(tokenizer: str) -> int | None:
    """Give the token that stands for what a tokenizer does not know; model2vec leaves it out."""
    model = json.loads(tokenizer)["model"]
    if model.get("unk_token") is None:
        number: int | None = model.get("unk_id")
        return number
    vocabulary: dict[str, int] = model["vocab"]
    return vocabulary.get(model["unk_token"])
