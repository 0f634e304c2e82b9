"""The folder that is made of a wheel of WordLlama's is an encoder that trainers read."""

from __future__ import annotations

import zipfile

import numpy as np
from safetensors.numpy import load_file, save

from benchmarks import wordllama
from benchmarks.accuracy.contenders import Ours
from support.encoders import tiny_static, vectors_of
from trainer.models.multimodal.encoders import read_encoder


def test_the_wheels_weights_become_an_encoder_that_reads_texts_whole(tmp_path):
    place = tiny_static(tmp_path / "tiny", ["red", "blue"])
    table = load_file(place / "model.safetensors")["embeddings"]
    with zipfile.ZipFile(tmp_path / "wordllama.whl", "w") as wheel:
        wheel.writestr(wordllama.WEIGHTS, save({"embedding.weight": table.astype(np.float16)}))
        wheel.writestr(wordllama.TOKENIZER, (place / "tokenizer.json").read_bytes())
    wordllama.main([str(tmp_path / "wordllama.whl"), str(tmp_path / "weights" / "wordllama")])
    encoder = read_encoder(tmp_path / "weights" / "wordllama")
    assert encoder.to_json()["tokens"] is None
    found = vectors_of(encoder, ["red", "red " * 600 + "blue"])
    assert np.isfinite(found).all()
    assert not np.array_equal(found[0], found[1])


def test_runs_with_other_weights_are_kept_apart(tmp_path):
    plain, first, second = (
        Ours("ours", "multimodal", {}, weights).setup for weights in (None, tmp_path / "a", tmp_path / "b")
    )
    assert plain == {"model": "multimodal", "params": {}}
    assert plain != first != second
