"""Tiny sentence encoders with random weights, in the Hugging Face layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from trainer.models.multimodal.backbones import import_torchvision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
PLACES = 40  # tokens that it has positions for
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
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel

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
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    own = {"vocab_size": len(vocabulary), "pad_token_id": 0, **SIZES, **OF_ITS_OWN.get(model_type, {})}
    torch.manual_seed(3)
    AutoModel.from_config(AutoConfig.for_model(model_type, **{**own, **changes})).save_pretrained(folder)
    return folder


def change_json(file: Path, **changes: Any) -> None:
    """Change top-level values of a JSON file, made where it is not there."""
    values = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**values, **changes}), encoding="utf-8")
