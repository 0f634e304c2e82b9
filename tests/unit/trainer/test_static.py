"""Static sentence encoders: both libraries' layouts, the mean of a text's own tokens, broken tables told."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from support.encoders import again, change_json, tiny_encoder, tiny_static, vectors_of
from trainer.errors import DataError
from trainer.models.multimodal.encoders import read_encoder
from trainer.models.multimodal.pretrained import find_encoder

WORDS = ["red", "green", "blue", "thing", "of", "colour"]
LAYOUTS = ["model2vec", "sentence-transformers", "nested"]
UNKNOWN = 1


@pytest.fixture
def folder(tmp_path):
    return tiny_static(tmp_path / "pretrained" / "tiny", WORDS)


def change_table(folder, change):
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)


def mean(table, *tokens):
    """Give the mean of some rows, brought to the length of all vectors, 4 for 16 numbers."""
    own = table[list(tokens)].mean(dim=0)
    return (own / own.norm() * 4).numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_and_read_without_the_library_of_transformers(tmp_path, monkeypatch, layout):
    monkeypatch.setitem(sys.modules, "transformers", None)
    folder = tiny_static(tmp_path / "pretrained" / "tiny", WORDS, layout)
    assert find_encoder(f"file://{folder.parent}", tmp_path) == (folder, "")
    encoder = read_encoder(folder)
    texts = ["red thing", "", "blue " * 100]
    found = vectors_of(encoder, texts)
    assert np.square(found).mean(axis=1) == pytest.approx([1, 0, 1], abs=1e-5)
    assert np.array_equal(found, vectors_of(again(encoder), texts))
    assert encoder.digest() == again(encoder).digest()


@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_a_texts_vector_is_the_mean_of_its_own_tokens_and_only_one_library_counts_unknown_ones(
    tmp_path, layout
):
    folder = tiny_static(tmp_path / "tiny", WORDS, layout)
    (table,) = load_file(folder / "model.safetensors").values()
    encoder = read_encoder(folder)
    red, green = (encoder._tokenizer.token_to_id(word) for word in WORDS[:2])
    found = vectors_of(encoder, ["red green red", "red \N{SNOWMAN}"])
    assert found[0] == pytest.approx(mean(table, red, green, red), abs=1e-5)
    known = [red] if layout == "model2vec" else [red, UNKNOWN]
    assert found[1] == pytest.approx(mean(table, *known), abs=1e-5)


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.int8])
def test_a_table_of_another_precision_is_read_and_saved_as_it_is(folder, precision):
    change_table(folder, lambda state: {name: (array * 9).to(precision) for name, array in state.items()})
    encoder, texts = read_encoder(folder), ["red thing of colour"]
    (table,) = load_file(folder / "model.safetensors").values()
    tokens = [encoder._tokenizer.token_to_id(word) for word in texts[0].split()]
    found = vectors_of(encoder, texts)
    assert found[0] == pytest.approx(mean(table.float(), *tokens), abs=1e-5)
    assert np.array_equal(vectors_of(again(encoder), texts), found)
    kept = encoder.weights()["table"].dtype.name
    assert kept == {torch.bfloat16: "float32"}.get(precision, str(precision).removeprefix("torch."))


def test_tokens_may_share_a_vector_and_weigh_their_own(folder):
    (table,) = load_file(folder / "model.safetensors").values()
    tokens = len(table)
    state = {
        "embeddings": table[:5].contiguous(),
        "mapping": torch.arange(tokens, dtype=torch.int32) % 5,
        "weights": torch.linspace(0.1, 2, tokens, dtype=torch.float64),
    }
    save_file(state, folder / "model.safetensors")
    encoder = read_encoder(folder)
    red, thing = encoder._tokenizer.token_to_id("red"), encoder._tokenizer.token_to_id("thing")
    weighed = state["embeddings"][state["mapping"].long()] * state["weights"].float()[:, None]
    assert vectors_of(encoder, ["red thing"])[0] == pytest.approx(mean(weighed, red, thing), abs=1e-5)


@pytest.mark.parametrize(("said", "read"), [({}, 512), ({"max_length": 7}, 7), ({"max_length": None}, 600)])
def test_a_text_is_cut_where_its_makers_say(folder, said, read):
    change_json(folder / "config.json", **said)
    encoder = read_encoder(folder)
    fits, longer, shorter = ("red " * count + "blue" for count in (read - 1, read, read - 2))
    found = vectors_of(encoder, [fits, longer, shorter, "red"])
    assert not np.array_equal(found[0], found[2])
    # its last word is not read: red alone is left
    assert np.allclose(found[1], found[3]) == (read < 600)


def table(change):
    return lambda folder: change_table(folder, change)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (table(lambda s: {"other": s["embeddings"]}), "holds neither embeddings nor embedding.weight"),
        (table(lambda s: {"embeddings": s["embeddings"][:50]}), "tokenizer.json knows 62 tokens, model.safetensors 50"),
        (table(lambda s: {"embeddings": s["embeddings"][0]}), r"the table in model.safetensors has the shape \(16,\)"),
        (table(lambda s: {"embeddings": s["embeddings"][:, :0]}), r"has the shape \(62, 0\)"),
        (table(lambda s: {"embeddings": s["embeddings"] * float("nan")}), "vectors are no finite numbers"),
        (table(lambda s: {**s, "mapping": torch.full((62,), 99)}), "index 99 is out of bounds"),
        (table(lambda s: {**s, "weights": torch.ones(9)}), "model.safetensors weighs 9 tokens, its table has 62"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"pickled"), "header"),
        (lambda folder: (folder / "tokenizer.json").write_bytes(b"{"), "EOF|Expecting"),
        (lambda folder: (folder / "config.json").write_bytes(b"{"), "config.json: Expecting"),
        (lambda folder: (folder / "modules.json").write_bytes(b"["), "modules.json: Expecting"),
    ],
)  # fmt: skip
def test_a_broken_encoder_is_told(folder, spoil, said):
    spoil(folder)
    with pytest.raises(
        DataError, match=f"PRETRAINED_URI: tiny holds no sentence encoder that can be.*{said}"
    ):
        read_encoder(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_that_lacks_a_file_says_which(tmp_path, layout, name):
    folder = tiny_static(tmp_path / "pretrained" / "tiny", WORDS, layout)
    inside = f"0_StaticEmbedding/{name}" if layout == "nested" else name
    (folder / inside).unlink()
    found, why = find_encoder(f"file://{folder.parent}", tmp_path)
    assert found is None
    assert why.startswith("tiny in ")
    assert why.endswith(f" lacks {inside}")


@pytest.mark.long
def test_a_transformer_as_sentence_transformers_writes_it_is_taken_for_none(tmp_path):
    folder = tiny_encoder(tmp_path / "pretrained" / "tiny", WORDS)
    (folder / "modules.json").write_text('[{"path": "", "type": "sentence_transformers.models.Transformer"}]')
    assert read_encoder(folder).to_json()["kind"] == "transformer"
