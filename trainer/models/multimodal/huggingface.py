"""The layout in which sentence encoders are published: the files that are read, and tokenizers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
NEEDED = (CONFIG, TOKENIZER, WEIGHTS)
# What the sentence-transformers library writes: what an encoder is made of, how long a text may be, how tokens become one
# vector; and where it may put a table of tokens' vectors
MODULES, TOKENIZER_CONFIG, LENGTH, POOLING, STATIC = (
    "modules.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "0_StaticEmbedding",
)
FILES = (
    *NEEDED,
    MODULES,
    TOKENIZER_CONFIG,
    LENGTH,
    POOLING,
    f"{STATIC}/{TOKENIZER}",
    f"{STATIC}/{WEIGHTS}",
)


def lacking(folder: Path) -> list[str]:
    """Name the files without which a folder holds no encoder of any kind."""
    if (folder / STATIC).is_dir():
        needed = [f"{STATIC}/{TOKENIZER}", f"{STATIC}/{WEIGHTS}"]
    else:
        # a table of vectors has nothing to configure
        needed = [TOKENIZER, WEIGHTS] if (folder / MODULES).is_file() else [*NEEDED]
    return [name for name in needed if not (folder / name).is_file()]


def read_json(file: Path) -> Any:
    """Give what a JSON file holds, an empty object where there is none.

    Raises:
        ValueError: It is not JSON.
    """
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error


def make_tokenizer(tokenizer: str, most: int | None) -> Any:
    """Make a tokenizer of what TOKENIZER holds, which does not pad.

    Args:
        tokenizer: The JSON.
        most: Tokens after which a text is cut; None: never.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - only for jobs with an encoder

    made = Tokenizer.from_str(tokenizer)
    made.no_padding()
    if most is None:
        made.no_truncation()
    else:
        made.enable_truncation(most)
    return made
