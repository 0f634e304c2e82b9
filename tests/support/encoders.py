"""Tiny sentence encoders of both kinds with random weights, in the layouts in which they are published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file

from trainer.models.multimodal.backbones import import_torchvision
from trainer.models.multimodal.encoders import encoder_from_saved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.models.multimodal.sentences import SentenceEncoder

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
PLACES = 40  # tokens that it has positions for
STATIC_MODULE = "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding"
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": PLACES,
}
OF_ITS_OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 8},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "electra": {"embedding_size": 8},
}


def tiny_encoder(folder: Path, words: Sequence[str], model_type: str = "bert", **changes: Any) -> Path:
    """Write a random network and a tokenizer that knows some words, and ``##a`` to ``##z``, into a new folder.

    Args:
        folder: The encoder's.
        words: Words that are a token each.
        model_type: The network's kind.
        changes: To the network's config.
    """
    import_torchvision()  # as the trainer does, before transformers imports it
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True)
    own = {
        "vocab_size": write_tokenizer(folder / "tokenizer.json", words),
        "pad_token_id": 0,
        **SIZES,
        **OF_ITS_OWN.get(model_type, {}),
    }
    torch.manual_seed(3)
    AutoModel.from_config(AutoConfig.for_model(model_type, **{**own, **changes})).save_pretrained(folder)
    return folder


def tiny_static(folder: Path, words: Sequence[str], layout: str = "model2vec") -> Path:
    """Write a random table of 16 numbers a token, and the tokenizer of ``tiny_encoder``, into a new folder.

    Args:
        folder: The encoder's.
        words: Words that are a token each.
        layout: A library that writes it: model2vec, or sentence-transformers at the top or, as it did once, "nested".
    """
    root = folder / "0_StaticEmbedding" if layout == "nested" else folder
    root.mkdir(parents=True)
    tokens = write_tokenizer(root / "tokenizer.json", words)
    table = torch.randn(tokens, 16, generator=torch.Generator().manual_seed(3))
    name = "embeddings" if layout == "model2vec" else "embedding.weight"
    save_file({name: table}, root / "model.safetensors")
    if layout == "model2vec":
        change_json(folder / "config.json", model_type="model2vec", normalize=True)
    else:
        module = {"idx": 0, "path": "" if root == folder else root.name, "type": STATIC_MODULE}
        (folder / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    return folder


def write_tokenizer(file: Path, words: Sequence[str]) -> int:
    """Write a tokenizer that knows some words and letters; give how many tokens it knows."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = [f"{mark}{chr(code)}" for mark in ("", "##") for code in range(ord("a"), ord("z") + 1)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*SPECIAL, *letters, *words]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # as published ones are: to be cut and padded to a length of their makers' choice
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(file))
    return len(vocabulary)


def change_json(file: Path, **changes: Any) -> None:
    """Change top-level values of a JSON file, made where it is not there."""
    values = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**values, **changes}), encoding="utf-8")


def vectors_of(encoder: SentenceEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Give the texts' vectors in the texts' order."""
    found = np.full((len(texts), encoder.features), np.nan, np.float32)
    for numbers, vectors in encoder.describe(texts, torch.device("cpu")):
        found[numbers] = vectors
    return found


def again(encoder: SentenceEncoder) -> SentenceEncoder:
    """Make an encoder of what would be saved of it."""
    return encoder_from_saved(json.loads(json.dumps(encoder.to_json())), encoder.arrays())
