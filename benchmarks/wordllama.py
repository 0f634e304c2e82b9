"""Writes the static sentence encoder that the PyPI wheel of WordLlama carries (MIT) as a folder for PRETRAINED_URI.

    pip download --no-deps --dest . wordllama==0.4.0.post1
    python -m benchmarks.wordllama wordllama-*.whl weights/wordllama
    python -m benchmarks.accuracy FOLDER... --pretrained weights

256 numbers for each of 32,000 tokens: token embeddings of large language models, trained further by its author so that
their mean tells sentences apart. The wheel is read, not installed.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.numpy import load, save_file

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHTS = "wordllama/weights/l2_supercat_256.safetensors"
TOKENIZER = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wordllama",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path, help="must not exist")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True)
    with zipfile.ZipFile(options.wheel) as wheel:
        table = load(wheel.read(WEIGHTS))["embedding.weight"]
        (options.folder / "tokenizer.json").write_bytes(wheel.read(TOKENIZER))
    save_file({"embeddings": table}, options.folder / "model.safetensors")
    # WordLlama itself reads texts whole
    config = {"model_type": "model2vec", "max_length": None}
    (options.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


if __name__ == "__main__":
    main()
