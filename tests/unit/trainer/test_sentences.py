"""Frozen sentence encoders: found in PRETRAINED_URI, the same vector for a text in any company, trained on, saved with the model."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import socket
import subprocess
import sys

import boto3
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from support.encoders import PLACES, again, change_json, tiny_encoder, tiny_static, vectors_of
from support.trainer_jobs import train
from trainer.checkpoint import Checkpoints
from trainer.errors import DataError, ModelError
from trainer.features.saved import below
from trainer.models.multimodal import companions, predict
from trainer.models.multimodal.batches import gather
from trainer.models.multimodal.encoders import read_encoder
from trainer.models.multimodal.export import export
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.pretrained import find_encoder
from trainer.models.multimodal.state import Running
from trainer.models.multimodal.texts import build_text_cache
from trainer.models.multimodal.transformer import LENGTHS
from trainer.models.multimodal.transformer_network import ARCHITECTURES
from trainer.reporter import SilentReporter

CPU = torch.device("cpu")
WORDS = ["red", "green", "blue", "thing", "of", "colour"]
QUICK = {"width": 16, "steps_per_epoch": 4, "text_features": 200, "companions": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("encoders") / "tiny", WORDS)


@pytest.fixture
def folder(made, tmp_path):
    """A tiny transformer to spoil, alone in its folder."""
    return shutil.copytree(made, tmp_path / "pretrained" / "tiny")


@pytest.fixture(params=["transformer", "static"])
def either(request, tmp_path):
    """An encoder of each kind in turn, alone in its folder."""
    if request.param == "static":
        return tiny_static(tmp_path / "pretrained" / "tiny", WORDS)
    return request.getfixturevalue("folder")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# Each takes a second or two to build; one of them shows the way
@pytest.mark.parametrize(
    "model_type",
    [ARCHITECTURES[0], *(pytest.param(name, marks=pytest.mark.long) for name in ARCHITECTURES[1:])],
)
def test_every_architecture_is_read_and_made_again_without_the_network(tmp_path, no_network, model_type):
    encoder = read_encoder(tiny_encoder(tmp_path / model_type, WORDS, model_type))
    texts = ["red thing", "", "a word that is not known", "blue " * 100]
    found = vectors_of(encoder, texts)
    assert np.square(found).mean(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert not np.allclose(found[0], found[3])
    assert np.array_equal(found, vectors_of(again(encoder), texts))
    assert encoder.digest() == again(encoder).digest()


def test_a_texts_vector_is_the_mean_of_its_own_tokens_alone(folder):
    from transformers import AutoModel

    encoder, text = read_encoder(folder), "red thing of colour"
    tokens = torch.tensor([encoder._tokenizer.encode(text).ids])
    network = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        own = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
    for kind, pooled in (("mean", own.mean(dim=1)), ("cls", own[:, 0])):
        change_json(folder / "1_Pooling" / "config.json", pooling_mode_cls_token=kind == "cls")
        expected = torch.nn.functional.normalize(pooled).numpy() * 4
        assert vectors_of(read_encoder(folder), [text]) == pytest.approx(expected, abs=1e-5)


def test_a_texts_vector_is_the_same_bits_in_any_company(either):
    chance, encoder = random.Random(1), read_encoder(either)
    texts = [" ".join(chance.choices(WORDS, k=chance.randrange(1, PLACES))) for _ in range(300)]
    together = vectors_of(encoder, texts)
    assert np.array_equal(vectors_of(again(encoder), texts), together)
    chance.shuffle(order := list(range(300)))
    assert np.array_equal(vectors_of(encoder, [texts[number] for number in order]), together[order])
    for number in range(20):
        assert np.array_equal(vectors_of(encoder, [texts[number]])[0], together[number])


@pytest.mark.parametrize(
    ("name", "said", "tokens"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 9}, 9),
        ("sentence_bert_config.json", {"max_seq_length": None}, PLACES),
        ("sentence_bert_config.json", {"max_seq_length": 4096}, PLACES),
        ("tokenizer_config.json", {"model_max_length": 7}, 7),
        ("tokenizer_config.json", {"model_max_length": 10**30}, PLACES),
    ],
)
def test_a_text_is_cut_to_what_the_encoder_was_made_for(folder, name, said, tokens):
    change_json(folder / name, **said)
    encoder = read_encoder(folder)
    fits, too_long = "red " * (tokens - 2), "red " * (tokens - 2) + "blue"
    shorter = "red " * (tokens - 3)
    found = vectors_of(encoder, [fits, too_long, shorter])
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_padding_never_exceeds_what_the_network_has_positions_for(tmp_path):
    # 40 places lie between two of the lengths that texts are padded to
    assert PLACES not in LENGTHS
    encoder = read_encoder(tiny_encoder(tmp_path / "tiny", WORDS))
    assert np.isfinite(vectors_of(encoder, ["red " * 100])).all()


def without(name):
    return lambda folder: (folder / name).unlink()


def config(**changes):
    return lambda folder: change_json(folder / "config.json", **changes)


def weights(change):
    def spoil(folder):
        file = folder / "model.safetensors"
        save_file(change(load_file(file)), file, {"format": "pt"})

    return spoil


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (written("config.json", b"no json"), "Expecting value"),
        (written("tokenizer.json", b"{}"), "no sentence encoder that can be used"),
        (written("model.safetensors", b"pickled"), "no sentence encoder that can be used"),
        (config(model_type="gpt2"), "model_type 'gpt2' in config.json is none of albert, bert"),
        (config(model_type=None), "model_type None"),
        (config(hidden_size=24), "no sentence encoder that can be used"),
        (config(num_hidden_layers=3), "model.safetensors lacks 16 arrays, e.g. encoder.layer.2"),
        (config(vocab_size=20), "no sentence encoder that can be used"),
        (weights(lambda state: {n: a * float("nan") for n, a in state.items()}), "vectors are no finite numbers"),
    ],
)  # fmt: skip
def test_a_broken_encoder_is_told(folder, spoil, said):
    spoil(folder)
    with pytest.raises(DataError, match=f"PRETRAINED_URI: tiny holds.*{said}"):
        read_encoder(folder)


def test_a_tokenizer_that_knows_more_tokens_than_the_network_is_told(folder, tmp_path):
    more = tiny_encoder(tmp_path / "more", [*WORDS, "another"])
    shutil.copy(more / "tokenizer.json", folder)
    with pytest.raises(DataError, match=r"tokenizer.json knows 63 tokens, model.safetensors 62"):
        read_encoder(folder)


def test_code_that_comes_with_an_encoder_is_not_run(folder):
    (folder / "evil.py").write_text("raise SystemExit('run')\n")
    change_json(
        folder / "config.json",
        auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},
        attn_implementation="somebody/kernels",
        _attn_implementation="somebody/kernels",
        use_kernels=True,
    )
    assert vectors_of(read_encoder(folder), ["red"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "holds no folder with config.json, tokenizer.json, model.safetensors"),
        (without("config.json"), "holds no folder with"),
        (without("tokenizer.json"), "tiny in .* lacks tokenizer.json"),
        (without("model.safetensors"), "tiny in .* lacks model.safetensors"),
    ],
)
def test_a_folder_without_an_encoder_says_why(folder, spoil, said, tmp_path):
    uri = f"file://{folder.parent}"
    assert find_encoder(uri, tmp_path) == (folder, "")
    spoil(folder)
    found, why = find_encoder(uri, tmp_path)
    assert found is None
    assert re.search(said, why)


def test_of_an_s3_folder_only_the_encoders_files_are_fetched(tmp_path, s3_url):
    here = tmp_path / "pretrained"
    tiny_encoder(here / "tiny", WORDS)
    tiny_static(here / "table", WORDS, "nested")
    client = boto3.client("s3")
    wanted = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
    for name in wanted:
        client.upload_file(str(here / name), "test-bucket", f"p/{name}")
    for name in (
        "resnet18.pth",
        "tiny/pytorch_model.bin",
        "tiny/onnx/model.onnx",
        "table/0_StaticEmbedding/old.bin",
    ):
        client.put_object(Bucket="test-bucket", Key=f"p/{name}", Body=b"big")
    there = tmp_path / "there"
    found, _ = find_encoder(f"{s3_url}/p", there)
    assert sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()) == wanted
    assert {read_encoder(found).name, read_encoder(there / "tiny").name} == {"table", "tiny"}


def write_table(folder, rows):
    folder.mkdir(exist_ok=True)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


TYPES = {"remark": "text", "other": "text", "kind": "categorical", "size": "numeric"}


def learn(folder, pretrained, *, columns=("remark",), params=(), **env):
    given = {name: TYPES[name] for name in columns} | {"label": "categorical"}
    return train(
        folder,
        MODEL="multimodal",
        MODEL_PARAMS=json.dumps({**QUICK, **dict(params)}),
        FEATURE_COLUMNS=json.dumps(list(columns)),
        COLUMN_TYPES=json.dumps(given),
        PRETRAINED_URI=f"file://{pretrained}" if pretrained else "",
        **env,
    )


@pytest.fixture
def colours(tmp_path):
    """Rows of two texts, some missing, and a category."""
    chance, rows = random.Random(5), []
    for number in range(90):
        label = ["red", "green", "blue"][number % 3]
        said = f"{label} {chance.choice(WORDS[3:])}" if number % 7 else ""
        other = f"thing of {chance.randrange(1000)}" if number % 5 else ""
        rows.append({"remark": said, "other": other, "kind": label[0], "size": number, "label": label})
    return write_table(tmp_path / "colours", rows)


def test_training_tells_the_encoder_and_another_process_predicts_the_same(colours, either, no_network):
    columns = ("remark", "other", "kind")
    data, report, artifacts = learn(colours, either.parent, columns=columns, params={"networks": 2})
    assert "text: sentence encoder tiny as it is, beside n-grams" in report.notes
    shutil.rmtree(either)  # the artifacts are enough
    val = data.frame[data.split.val]
    fitted = json.loads(json.dumps(artifacts.preprocessing))
    assert np.array_equal(artifacts.predict(val), predict.predict(fitted, artifacts.state_dict, val, None))
    one = val[:1]
    alone = predict.predict(fitted, artifacts.state_dict, one, None)
    assert alone == pytest.approx(artifacts.predict(one), abs=1e-6)


@pytest.mark.long
def test_companions_see_the_vectors_too(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(companions, "NAMES", ("linear_baseline",))  # trees take long to grow
    place = tiny_static(tmp_path / "pretrained" / "tiny", WORDS).parent
    columns = ("remark", "other", "kind")
    data, _, artifacts = learn(colours, place, columns=columns, params={"companions": True})
    fitted = json.loads(json.dumps(artifacts.preprocessing))
    seen = [column["name"] for column in fitted["companions"]["linear_baseline"]["features"]["columns"]]
    assert sorted(seen) == sorted([*columns, "remark\x1fvector", "other\x1fvector"])
    val = data.frame[data.split.val]
    assert np.array_equal(artifacts.predict(val), predict.predict(fitted, artifacts.state_dict, val, None))


def test_a_table_whose_texts_are_all_missing_is_predicted_by_the_learnt_code(colours, either):
    data, _, artifacts = learn(colours, either.parent)
    nothing = data.frame.clear(5)
    found = predict.predict(artifacts.preprocessing, artifacts.state_dict, nothing, None)
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=0) == pytest.approx(np.zeros(3), abs=1e-6)


def test_a_column_without_any_text_breaks_nothing(tmp_path, either):
    rows = [{"remark": "", "size": number, "label": "ab"[number % 2]} for number in range(40)]
    data, report, artifacts = learn(
        write_table(tmp_path / "t", rows), either.parent, columns=("remark", "size")
    )
    assert np.isfinite(report.history[-1].val_loss)
    new = data.frame.with_columns(remark=data.frame["remark"].fill_null("a text after all"))
    assert np.isfinite(predict.predict(artifacts.preprocessing, artifacts.state_dict, new, None)).all()


def test_texts_are_described_as_far_as_they_are_read(tmp_path, folder):
    rows = [{"remark": f"{'red thing':<12}{number}", "label": "ab"[number % 2]} for number in range(40)]
    data, _, artifacts = learn(
        write_table(tmp_path / "t", rows), folder.parent, params={"text_max_chars": 10}
    )
    saved = Features.from_saved(artifacts.preprocessing["features"], below("features", artifacts.state_dict))
    assert saved.texts(data.frame).to_list() == ["red thing "]


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.long
def test_the_exported_program_takes_the_encoders_vectors(colours, tmp_path, used):
    place = tiny_static(tmp_path / "pretrained" / "tiny", WORDS).parent if used else None
    data, _, artifacts = learn(colours, place, columns=("remark", "kind"))
    program = export(artifacts.preprocessing, artifacts.state_dict).module()
    saved = Features.from_saved(artifacts.preprocessing["features"], below("features", artifacts.state_dict))
    cache, _ = saved.decode(data.frame, None, tmp_path / "again")
    encoder = predict.load_encoder(artifacts.preprocessing, artifacts.state_dict)
    assert (encoder is not None) == used
    vectors = [build_text_cache(saved.texts(data.frame), encoder, tmp_path / "again", CPU)] if encoder else []
    encoded = saved.encode(data.frame, cache, *vectors)
    for rows in (np.arange(len(data.frame)), np.array([7, 8, 8])):
        batch = gather(encoded, rows, CPU)
        texts = [tuple(vars(text).values()) for text in batch.texts]
        given = program(batch.pixels, batch.fixed, batch.owners, texts, batch.reals, batch.codes)
        assert given.detach().numpy() == pytest.approx(artifacts.predict(data.frame[rows]), abs=1e-6)


@pytest.mark.long
def test_what_only_the_encoder_knows_is_learnt(tmp_path):
    """Words of random letters, each in one row alone: n-grams cannot know that half of them mean one thing, the encoder does."""
    chance = random.Random(2)
    words = list(dict.fromkeys("".join(chance.choices("abcdefgh", k=7)) for _ in range(240)))
    rows = [{"remark": word, "label": "ab"[number % 2]} for number, word in enumerate(words)]
    place = tiny_encoder(tmp_path / "pretrained" / "thesaurus", words)

    def mean_one_thing(state):
        table = state["embeddings.word_embeddings.weight"]
        for number in range(len(words)):
            table[len(table) - len(words) + number] = table[4 + number % 2] + 0.004 * torch.randn(16)
        return state

    torch.manual_seed(4)
    weights(mean_one_thing)(place)
    folder = write_table(tmp_path / "t", rows)
    params = {"steps_per_epoch": 20, "width": 32}
    _, report, _ = learn(folder, place.parent, params=params, EPOCHS="8")
    assert report.metrics["accuracy"] > 0.95
    _, report, _ = learn(folder, place.parent, params=params, EPOCHS="8", PRETRAINED="none")
    assert report.metrics["accuracy"] < 0.7


class StopsInEpochThree(SilentReporter):
    def point(self, split, _step, epoch, *_):
        if split == "val" and epoch == 3:
            raise OSError("stopped")


@pytest.mark.long
def test_a_stopped_training_goes_on_with_the_same_encoder_alone(colours, either, tmp_path, monkeypatch):
    _, _, whole = learn(colours, either.parent, EPOCHS="5")
    monkeypatch.setattr(Checkpoints, "due", lambda _: True)
    restored, restore = [], Running.load_state_dict
    monkeypatch.setattr(Running, "load_state_dict", lambda *given: [restore(*given), restored.append(1)])

    def stop():
        with pytest.raises(ModelError, match="stopped"):
            learn(colours, either.parent, EPOCHS="5", reporter=StopsInEpochThree())

    stop()
    _, _, resumed = learn(colours, either.parent, EPOCHS="5")
    assert restored
    assert {name: array.tobytes() for name, array in resumed.state_dict.items()} == {
        name: array.tobytes() for name, array in whole.state_dict.items()
    }
    (colours / "checkpoint.pt").unlink()
    stop()
    restored.clear()
    weights(lambda state: {name: -array for name, array in state.items()})(either)
    learn(colours, either.parent, EPOCHS="5")
    learn(colours, None, EPOCHS="5")
    assert not restored


def test_without_an_encoder_not_a_number_changes(colours, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    texts = {}
    for kind, (place, pretrained) in {
        "unset": (None, "auto"), "empty": (tmp_path / "empty", "auto"), "none": (folder.parent, "none"),
    }.items():  # fmt: skip
        _, report, artifacts = learn(colours, place, columns=("remark", "size"), PRETRAINED=pretrained)
        assert any(
            note.startswith("text: n-grams from scratch, no sentence encoder") for note in report.notes
        )
        assert artifacts.preprocessing["encoder"] is None
        texts[kind] = {name: array.tobytes() for name, array in artifacts.state_dict.items()}
    assert texts["unset"] == texts["empty"] == texts["none"]
    assert not [name for name in texts["unset"] if "join" in name or "encoder" in name]


@pytest.mark.parametrize(
    ("place", "spoil", "said"),
    [
        ("", None, "PRETRAINED_URI is not set"),
        ("nowhere", None, "nowhere does not exist"),
        ("pretrained", without("tokenizer.json"), "tiny in .* lacks tokenizer.json"),
        ("pretrained", shutil.rmtree, "holds no folder with config.json"),
    ],
)
def test_a_required_encoder_that_cannot_be_had_is_told(colours, folder, place, spoil, said):
    if spoil:
        spoil(folder)
    with pytest.raises(DataError, match=said):
        learn(colours, folder.parents[1] / place if place else None, PRETRAINED="required")


def test_a_job_without_texts_needs_no_encoder(colours, tmp_path):
    _, report, _ = learn(colours, tmp_path / "nowhere", columns=("size",), PRETRAINED="required")
    assert not any(note.startswith("text") for note in report.notes)


@pytest.mark.parametrize(
    ("make", "library", "extra"),
    [
        (tiny_encoder, "transformers", "trainer-sentences"),
        (tiny_static, "tokenizers", "trainer-static-embeddings"),
    ],
)
def test_where_the_library_is_missing_a_note_or_an_error_says_what_to_install(
    colours, tmp_path, monkeypatch, make, library, extra
):
    place = make(tmp_path / "pretrained" / "tiny", WORDS).parent
    data, _, artifacts = learn(colours, place)
    monkeypatch.setitem(sys.modules, library, None)
    said = rf"the sentence encoder tiny needs the extra {extra} \(pip install 'triptych\[{extra}\]'\)"
    _, report, plain = learn(colours, place)
    assert any(re.search(said, note) for note in report.notes)
    assert plain.preprocessing["encoder"] is None
    with pytest.raises(DataError, match=f"PRETRAINED is required, but {said}"):
        learn(colours, place, PRETRAINED="required")
    with pytest.raises(DataError, match=said):
        predict.predict(artifacts.preprocessing, artifacts.state_dict, data.frame, None)


def test_nothing_of_the_library_is_imported_where_no_encoder_is_used(colours):
    script = (
        "import json, sys, pathlib; from support.trainer_jobs import train; "
        "train(pathlib.Path(sys.argv[1]), MODEL='multimodal', FEATURE_COLUMNS='remark', EPOCHS='1', MODEL_PARAMS=sys.argv[2], "
        "COLUMN_TYPES=json.dumps({'remark': 'text', 'label': 'categorical'})); "
        "print(sorted({'transformers', 'tokenizers', 'huggingface_hub', 'torchvision'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(colours), json.dumps(QUICK)],
        env={"PYTHONPATH": ":".join(sys.path)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout.splitlines()[-1] == "[]"
