"""The multimodal network's parts, and whole trainings in this process on tables that go wrong in every way they can."""

from __future__ import annotations

import copy
import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from contracts.job import JobSpec
from support.trainer_jobs import COLOURS, job_env, png
from trainer.checkpoint import Checkpoints
from trainer.cleaning import clean
from trainer.columns import Column
from trainer.data import Data
from trainer.errors import DataError, ModelError
from trainer.features.saved import below
from trainer.inputs import LooseFiles
from trainer.models import catalogue
from trainer.models.multimodal import predict
from trainer.models.multimodal.backbones import TORCHVISION, build_backbone, import_torchvision
from trainer.models.multimodal.batches import Shuffle, gather
from trainer.models.multimodal.companions import blend, choose_weights
from trainer.models.multimodal.export import export
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.optimization import AdamWithSharedScale, Loss, choose_batch_size, class_weights
from trainer.models.multimodal.prepare import Frozen, Prepared
from trainer.models.multimodal.presets import PRESETS, Architecture, Settings
from trainer.reporter import SilentReporter
from trainer.results import TrainParams
from trainer.split import Split

QUICK = {
    "image_size": 16,
    "width": 16,
    "steps_per_epoch": 4,
    "text_features": 200,
    "companions": False,
}


def column(name, kind):
    modality = {"image": "image", "text": "text"}.get(kind, "tabular")
    return Column(name=name, type=kind, modality=modality)


def fit(folder, frame, columns, target, *, images=None, epochs=2, params=(), kept=Checkpoints, **spec):
    """Train on a typed frame, every fourth row held out, and give the report, artifacts and what was trained on."""
    rows = np.arange(len(frame))
    split = Split(rows[rows % 4 != 0], rows[rows % 4 == 0])
    labels = sorted(set(target))
    codes = np.array([labels.index(value) for value in target])
    data = Data(columns, frame, images, labels, codes, split, rows, [])
    job = JobSpec.from_env(job_env(folder, EPOCHS=str(epochs), **spec))
    model = catalogue.find("multimodal")
    settings = model.params({**QUICK, **dict(params)})
    checkpoints = kept(folder, [], "", save_seconds=60, store_seconds=math.inf)
    trained = TrainParams(job, settings, data, SilentReporter(), folder, checkpoints, math.inf)
    return *model.load_train()(trained), data


def predicted(artifacts, frame, images):
    return predict.predict(artifacts.preprocessing, artifacts.state_dict, frame, images)


@pytest.fixture
def pictures(tmp_path):
    """A folder of images of three colours, and one file that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in COLOURS.items():
        (folder / f"{name}.png").write_bytes(png(colour))
    (folder / "broken.png").write_bytes(b"not an image")
    return LooseFiles(folder)


TARGET = ["red", "green", "blue", "red", "green", "blue", "red", "green"] * 4
OTHERS = ["green", "blue", "red"] * 11


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric", [None] * 32),
        ("numeric", [7.0] * 32),
        ("numeric", [math.inf, -math.inf, 1e308, None] * 8),
        ("categorical", [None] * 32),
        ("categorical", ["same"] * 32),
        ("categorical", [f"only once {number}" for number in range(32)]),
        ("text", [None] * 32),
        ("text", ["same words"] * 32),
        ("datetime", [None] * 32),
        ("boolean", [None] * 32),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[0]),
)
def test_a_column_that_tells_nothing_breaks_neither_training_nor_prediction(tmp_path, kind, values):
    types = {"numeric": pl.Float64, "datetime": pl.Datetime}
    frame = pl.DataFrame({"x": values}, schema={"x": types.get(kind, pl.String)})
    report, artifacts, _ = fit(tmp_path, frame, [column("x", kind)], TARGET)
    probabilities = predicted(artifacts, frame, None)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(32), abs=1e-5)
    assert math.isfinite(report.history[-1].val_loss)


@pytest.fixture
def diverging(monkeypatch):
    """Make the loss no number after some optimizer steps, of which these trainings take three an epoch."""

    def after(steps):
        taken = itertools.count()

        def loss(logits, truth):
            value = torch.nn.functional.cross_entropy(logits, truth)
            return value * math.nan if next(taken) >= steps else value

        monkeypatch.setattr(Loss, "of", lambda *_: loss)

    return after


@pytest.mark.parametrize(
    ("steps", "epochs", "network"),
    [(7, 2, 1), (10, 3, 2), (13, 4, 2)],
    ids=["in the first network", "in the second one's first epoch", "in its second one"],
)
def test_a_loss_that_is_no_number_ends_a_network_with_its_best_state_and_a_note(
    tmp_path, diverging, caplog, steps, epochs, network
):
    diverging(steps)
    frame = pl.DataFrame({"x": [float(number % 8) for number in range(32)]})
    more = {"params": {"networks": 2}, "epochs": 3}
    report, artifacts, _ = fit(tmp_path, frame, [column("x", "numeric")], TARGET, **more)
    assert len(report.history) == epochs
    note = next(note for note in report.notes if f"the loss of network {network} is nan" in note)
    assert note.endswith("try a lower LEARNING_RATE")
    assert note in caplog.text
    assert np.isfinite(predicted(artifacts, frame, None)).all()


def test_a_loss_that_is_no_number_from_the_start_is_told_with_what_to_do(tmp_path, diverging):
    diverging(1)
    frame = pl.DataFrame({"x": [float(number % 8) for number in range(32)]})
    with pytest.raises(DataError, match="the loss of network 1 is nan in epoch 1; try a lower LEARNING_RATE"):
        fit(tmp_path, frame, [column("x", "numeric")], TARGET)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_several_columns_of_every_modality_and_several_images_a_cell(tmp_path, pictures, precision):
    raw = pl.DataFrame(
        {
            "front": [f"{first}.png;{second}.png" for first, second in zip(TARGET, OTHERS, strict=False)],
            "back": [f"{name}.png" if number % 3 else "broken.png" for number, name in enumerate(TARGET)],
            "title": [f"a {name} thing" for name in TARGET],
            "note": ["short"] * 32,
            "size": [str(number) for number in range(32)],
            "day": ["2024-05-01"] * 32,
        }
    )
    kinds = {
        "front": "image",
        "back": "image",
        "title": "text",
        "note": "text",
        "size": "numeric",
        "day": "datetime",
    }
    columns = [column(name, kind) for name, kind in kinds.items()]
    frame = clean(raw, columns, pictures)
    assert frame["front"].to_list()[0] == ["red.png", "green.png"]
    report, artifacts, data = fit(
        tmp_path, frame, columns, TARGET, images=pictures, epochs=15, params={"precision": precision}
    )
    assert report.metrics["accuracy"] == 1.0
    assert any("1 images cannot be decoded" in note and "broken.png" in note for note in report.notes)
    val = data.frame[data.split.val]
    assert np.array_equal(artifacts.predict(val), predicted(artifacts, val, pictures))


def test_rows_and_whole_tables_without_any_image_are_predicted(tmp_path, pictures):
    columns = [column("front", "image")]
    cells = [None if number % 5 == 0 else [f"{name}.png"] for number, name in enumerate(TARGET)]
    frame = pl.DataFrame({"front": cells}, schema={"front": pl.List(pl.String)})
    _, artifacts, _ = fit(tmp_path, frame, columns, TARGET, images=pictures)
    for folder in (None, pictures):
        nothing = predicted(
            artifacts, frame.with_columns(front=pl.lit(None, dtype=pl.List(pl.String))), folder
        )
        assert np.ptp(nothing, axis=0) == pytest.approx(np.zeros(3), abs=1e-6), (
            "every row has the learnt missing code"
        )


def test_an_unseen_category_and_an_unseen_word_are_predicted(tmp_path):
    columns = [column("kind", "categorical"), column("words", "text")]
    frame = pl.DataFrame({"kind": TARGET, "words": TARGET})
    _, artifacts, _ = fit(tmp_path, frame, columns, TARGET)
    new = predicted(
        artifacts, pl.DataFrame({"kind": ["violet", None], "words": ["qqq", None]}, schema=frame.schema), None
    )
    assert np.isfinite(new).all()


@pytest.mark.parametrize(
    "params", [{"focal": 2.0}, {"class_weights": True}, {"scheduler": "cosine"}, {"preset": "best"}]
)
def test_every_way_to_train_ends_with_probabilities(tmp_path, params):
    frame = pl.DataFrame({"x": [float(len(name)) for name in TARGET]})
    _, artifacts, _ = fit(tmp_path, frame, [column("x", "numeric")], TARGET, params=params)
    assert artifacts.predict(frame).sum(axis=1) == pytest.approx(np.ones(32), abs=1e-5)


def test_a_value_of_ones_own_wins_over_the_presets():
    spec = JobSpec.model_construct(epochs=3, learning_rate=None, batch_size=None)
    params = catalogue.find("multimodal").params({"preset": "fast", "width": 72, "augment": False})
    settings = Settings.of(spec, params)
    assert settings == replace(PRESETS["fast"], epochs=3, width=72, augment=False)


def test_the_focal_loss_dwells_on_hard_rows():
    logits, truth = torch.tensor([[4.0, 0.0], [0.0, 0.5]]), torch.tensor([0, 0])
    plain, focal = (Loss(None, 0.0, exponent) for exponent in (0.0, 2.0))
    sure, unsure = (
        float(focal(logits[i : i + 1], truth[:1]) / plain(logits[i : i + 1], truth[:1])) for i in (0, 1)
    )
    assert sure < 0.01
    assert unsure > 0.3


@pytest.mark.parametrize(
    ("rows", "wanted", "steps", "size"),
    [(1000, 64, 30, 33), (90, 64, 30, 8), (10_000, 64, 30, 64), (90, 64, 0, 64)],
)
def test_small_tables_get_smaller_batches(rows, wanted, steps, size):
    assert choose_batch_size(rows, wanted, steps) == size


def test_class_weights_have_mean_one_over_the_rows():
    classes = np.array([0] * 90 + [1] * 10)
    weights = class_weights(classes, 2)
    assert weights[1] > weights[0]
    assert float(weights[torch.tensor(classes)].mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["small", "medium", "mobilenet_v3_small", "resnet18", "convnext_tiny"])
def test_a_backbone_gives_as_many_features_as_it_says(name):
    backbone, features = build_backbone(name)
    with torch.inference_mode():
        assert backbone.eval()(torch.rand(2, 3, 64, 64) * 2 - 1).shape == (2, features)


def weights_of(folder, name, *, suffix):
    torch.manual_seed(1)
    network = getattr(import_torchvision().models, name)(weights=None)
    folder.mkdir()
    torch.save(network.state_dict(), folder / f"{name}-0123abcd{suffix}")
    return folder


def test_other_weights_from_elsewhere_make_another_training():
    def digest(frozen=None, start=None, **architecture):
        own = {
            "width": 8,
            "dropout": 0.1,
            "modality_dropout": 0,
            "text_dropout": 0,
            "backbone": "none",
            "frozen": (),
        }
        parts = dict.fromkeys(("device", "features", "cache", "encoded", "shapes", "encoder", "texts"))
        prepared = Prepared(
            **parts,
            architecture=Architecture(**own | architecture),
            frozen=Frozen({"net": frozen} if frozen else {}),
            pretrained=start,
            notes=[],
        )
        return prepared.digest()

    one, other = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    other.load_state_dict(one.state_dict())
    assert digest(one) == digest(other)
    nn.init.constant_(other.bias, 0.5)
    made = [digest(), digest(one), digest(other), digest(start=one), digest(start=other), digest(width=9)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("finetune", [False, True])
def test_pretrained_weights_of_a_folder_are_used_and_told(tmp_path, pictures, finetune):
    uri = f"file://{weights_of(tmp_path / 'weights', 'mobilenet_v3_small', suffix='.pth')}"
    frame = pl.DataFrame({"front": [[f"{name}.png"] for name in TARGET]})
    report, artifacts, data = fit(
        tmp_path,
        frame,
        [column("front", "image")],
        TARGET,
        images=pictures,
        params={"finetune": finetune},
        PRETRAINED_URI=uri,
    )
    assert any("pretrained mobilenet_v3_small" in note for note in report.notes)
    val = data.frame[data.split.val]
    assert np.array_equal(artifacts.predict(val), predicted(artifacts, val, pictures))


@pytest.mark.parametrize(
    ("env", "params", "said"),
    [
        ({"PRETRAINED": "required"}, {}, "PRETRAINED_URI is not set"),
        ({"PRETRAINED": "required", "PRETRAINED_URI": "file:///nowhere"}, {}, "file:///nowhere does not exist"),
        ({"PRETRAINED": "required", "PRETRAINED_URI": "here"}, {"backbone": "resnet50"}, "no weights for backbone 'resnet50'"),
        ({"PRETRAINED": "required", "PRETRAINED_URI": "here"}, {"backbone": "small"}, "there are no weights for backbone 'small'"),
        ({"PRETRAINED_URI": "wrong"}, {}, "does not hold the weights of resnet18"),
    ],
)  # fmt: skip
def test_weights_that_cannot_be_had_are_told(tmp_path, pictures, env, params, said):
    (tmp_path / "here").mkdir()
    (tmp_path / "wrong").mkdir()
    torch.save({"x": torch.zeros(1)}, tmp_path / "wrong" / "resnet18-00.pth")
    env = {
        name: f"file://{tmp_path}/{value}" if value in {"here", "wrong"} else value
        for name, value in env.items()
    }
    frame = pl.DataFrame({"front": [[f"{name}.png"] for name in TARGET]})
    with pytest.raises(DataError, match=said):
        fit(tmp_path, frame, [column("front", "image")], TARGET, images=pictures, params=params, **env)


def test_weights_are_not_looked_for_where_they_are_not_wanted(tmp_path, pictures):
    frame = pl.DataFrame({"front": [[f"{name}.png"] for name in TARGET]})
    report, _, _ = fit(
        tmp_path,
        frame,
        [column("front", "image")],
        TARGET,
        images=pictures,
        PRETRAINED="none",
        PRETRAINED_URI="file:///nowhere",
    )
    assert any("no pretrained weights" in note for note in report.notes)
    assert set(TORCHVISION) <= set(
        catalogue.find("multimodal").params_class.model_json_schema()["properties"]["backbone"]["anyOf"][0][
            "enum"
        ]
    )


def test_the_exported_program_gives_the_same_probabilities_for_any_number_of_rows(tmp_path, pictures):
    columns = [column("front", "image"), column("words", "text"), column("size", "numeric")]
    cells = [
        None if number % 5 == 0 else [f"{name}.png"] * (1 + number % 2) for number, name in enumerate(TARGET)
    ]
    frame = pl.DataFrame(
        {"front": cells, "words": TARGET, "size": [float(number) for number in range(32)]},
        schema_overrides={"front": pl.List(pl.String)},
    )
    _, artifacts, _ = fit(tmp_path, frame, columns, TARGET, images=pictures, params={"networks": 2})
    torch.export.save(export(artifacts.preprocessing, artifacts.state_dict), tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()

    features = Features.from_saved(
        artifacts.preprocessing["features"], below("features", artifacts.state_dict)
    )
    cache, _ = features.decode(frame, pictures, tmp_path / "again")
    predict.load_frozen(artifacts.preprocessing, artifacts.state_dict).describe(cache, torch.device("cpu"))
    encoded = features.encode(frame, cache)
    for rows in (np.arange(32), np.array([3, 4]), np.array([1, 1, 0])):
        batch = gather(encoded, rows, torch.device("cpu"))
        texts = [tuple(vars(text).values()) for text in batch.texts]
        given = program(batch.pixels, batch.fixed, batch.owners, texts, batch.reals, batch.codes)
        assert given.detach().numpy() == pytest.approx(artifacts.predict(frame[rows]), abs=1e-6)


def steps_of_an_ngram_seen_always_and_one_seen_once(make_optimizer):
    bag = nn.EmbeddingBag(2, 3, mode="sum")
    optimizer = make_optimizer(bag)
    before = bag.weight.detach().clone()
    for step in range(20):
        optimizer.zero_grad()
        bag(torch.tensor([[0, 1]] if step == 0 else [[0]])).sum().backward()
        optimizer.step()
    return (before - bag.weight.detach()).mean(dim=1).tolist()


def test_an_ngram_seen_once_takes_a_shorter_step_than_one_seen_always():
    always, once = steps_of_an_ngram_seen_always_and_one_seen_once(
        lambda bag: AdamWithSharedScale(nn.ModuleList([bag, nn.Linear(1, 1)]), 0.1, 0)
    )
    assert 0 < once < always / 5
    always, once = steps_of_an_ngram_seen_always_and_one_seen_once(
        lambda bag: torch.optim.AdamW(bag.parameters(), 0.1, weight_decay=0)
    )
    assert once > always / 5, "what it is there to prevent"


def test_the_optimizer_goes_on_from_its_state():
    def steps(network, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            network(torch.tensor([[0, 1], [2, 2]])).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    first = nn.Sequential(nn.EmbeddingBag(3, 4, mode="sum"), nn.Linear(4, 2))
    optimizer = AdamWithSharedScale(first, 0.1, 0.01)
    steps(first, optimizer, 3)
    second = copy.deepcopy(first)
    resumed = AdamWithSharedScale(second, 0.1, 0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for network, its in ((first, optimizer), (second, resumed)):
        steps(network, its, 3)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_optimizers_do_without_the_compiler():
    script = (
        "import sys, torch; from torch import nn; "
        "from trainer.models.multimodal.optimization import AdamWithSharedScale; "
        "network = nn.Linear(2, 2); optimizer = AdamWithSharedScale(network, 0.1, 0); optimizer.zero_grad(); "
        "network(torch.ones(1, 2)).sum().backward(); optimizer.step(); sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


SURE, HALF, WRONG = [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]


def test_independent_evidence_adds_up_in_a_blend():
    likely = np.array([[0.8, 0.2]], np.float32)
    assert blend([likely, likely], [1, 1])[0, 0] == pytest.approx(0.64 / 0.68, abs=1e-6)
    assert blend([likely], [1]) == pytest.approx(likely, abs=1e-6)
    certain = np.array([[1.0, 0.0]], np.float32)
    assert np.isfinite(blend([certain, 1 - certain], [1, 1])).all()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([SURE, WRONG], lambda weights: weights[0] > 0.5 and weights[1] == 0),
        ([WRONG, SURE], lambda weights: 0 < weights[0] < 0.1 < weights[1]),
        ([SURE, SURE], lambda weights: weights[0] == pytest.approx(weights[1], abs=1e-3)),
        ([HALF, SURE, HALF], lambda weights: weights[1] > max(weights[0], weights[2])),
    ],
)
def test_a_blend_weighs_what_explains_the_validation_rows(parts, expected):
    rows = [np.tile(np.array(part, np.float32), (40, 1)) for part in parts]
    assert expected(choose_weights(rows, np.zeros(40, np.int64)))


def test_companions_join_in_and_another_process_blends_the_same(tmp_path, pictures):
    columns = [column("front", "image"), column("title", "text"), column("size", "numeric")]
    frame = pl.DataFrame(
        {
            "front": [[f"{name}.png"] for name in TARGET],
            "title": [f"a {name} thing" for name in TARGET],
            "size": [float(number) for number in range(32)],
        }
    )
    report, artifacts, _ = fit(tmp_path, frame, columns, TARGET, images=pictures, params={"companions": True})
    assert any(note.startswith("weights of the blend: networks") for note in report.notes)
    assert artifacts.preprocessing["companions"]
    assert np.array_equal(artifacts.predict(frame), predicted(artifacts, frame, pictures))
    with pytest.raises(DataError, match='"companions": false'):
        export(artifacts.preprocessing, artifacts.state_dict)


class Stopped(Exception):
    """The machine is taken away."""


def stopped_after(saves):
    """Make checkpoints that are kept after every step, and whose training ends with the given one."""

    class Kept(Checkpoints):
        left = saves

        def due(self):
            return True

        def save(self, state, fingerprint):
            super().save(state, fingerprint)
            Kept.left -= 1
            if not Kept.left:
                raise Stopped

    return Kept


@pytest.mark.parametrize(
    "saves", [2, 3, 4, 13], ids=["within an epoch", "at its end", "between two", "in the second network"]
)
def test_a_training_stopped_anywhere_goes_on_with_the_same_curve(tmp_path, saves):
    frame = pl.DataFrame({"x": np.arange(32.0), "words": ["red dot", "green dot", "blue dot", "grey"] * 8})
    columns = [column("x", "numeric"), column("words", "text")]
    settings = {"params": {"networks": 2, "steps_per_epoch": 3, "text_dropout": 0.1}, "epochs": 3}
    (tmp_path / "whole").mkdir()
    whole, artifacts, _ = fit(tmp_path / "whole", frame, columns, TARGET, **settings)
    with pytest.raises(ModelError, match="Stopped"):
        fit(tmp_path, frame, columns, TARGET, **settings, kept=stopped_after(saves))
    resumed, again, _ = fit(tmp_path, frame, columns, TARGET, **settings)
    untimed = {"seconds"}
    assert [record.model_dump(exclude=untimed) for record in resumed.history] == [
        record.model_dump(exclude=untimed) for record in whole.history
    ]
    assert all(np.array_equal(again.state_dict[name], value) for name, value in artifacts.state_dict.items())


def test_what_is_left_of_an_epoch_is_what_had_not_been_taken():
    first = Shuffle(np.arange(10), 3, seed=7)
    begun = first.epoch()
    taken = [next(begun), next(begun)]
    second = Shuffle(np.arange(10), 3, seed=8)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    left = list(second.epoch())
    assert sorted(np.concatenate([*taken, *left])) == list(range(10))
    assert len(left) == 2
    assert [list(rows) for rows in begun] == [list(rows) for rows in left]
    assert [list(rows) for rows in first.epoch()] == [list(rows) for rows in second.epoch()]
