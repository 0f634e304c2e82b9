from __future__ import annotations

import csv
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmarks.accuracy import pictures, reference
from benchmarks.accuracy.features import Dense, ImageBlock, Wide
from benchmarks.accuracy.kinds import _basis
from benchmarks.accuracy.sheet import Reader
from contracts.schema import ColumnType
from support.trainer_jobs import tiny_dataset

TYPES = {
    "picture": ColumnType.IMAGE,
    "remark": ColumnType.TEXT,
    "weight": ColumnType.NUMERIC,
    "origin": ColumnType.CATEGORICAL,
    "seen": ColumnType.DATETIME,
}


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize("kind", ["linear", "svm", "trees"])
def test_texts_with_quotes_and_line_breaks_stay_one_row(tmp_path, kind):
    words = {"a": 'she said "yes, of course"\nand went', "b": 'it\'s a no, "never"\nagain'}
    rows = [[words["ab"[n % 2]], "ab"[n % 2], "val" if n % 5 == 0 else "train"] for n in range(60)]
    job = {
        "kind": kind,
        "fit_table": str(write(tmp_path / "fit.csv", [["text", "label", "side"], *rows])),
        "test_table": str(write(tmp_path / "test.csv", [["text"], [words["a"]], [words["b"]], [words["a"]]])),
        "side": "side",
        "target": "label",
        "types": {"text": "text"},
        "images": None,
        "folder": str(tmp_path),
    }
    reference.fit(job)
    reference.predict(job)
    probabilities = np.load(tmp_path / "test.npy")
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 0]
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)


@pytest.mark.parametrize("kind", ["linear", "svm", "trees"])
def test_images_alone_are_enough(tmp_path, kind):
    folder = tiny_dataset(tmp_path)
    raw = pl.read_csv(folder / "table.csv", infer_schema=False).select("picture", "label")
    side = pl.Series("side", ["val" if n % 5 == 0 else "train" for n in range(raw.height)])
    raw.with_columns(side).write_csv(tmp_path / "fit.csv")
    raw.select("picture").write_csv(tmp_path / "test.csv")
    job = {
        "kind": kind,
        "fit_table": str(tmp_path / "fit.csv"),
        "test_table": str(tmp_path / "test.csv"),
        "side": "side",
        "target": "label",
        "types": {"picture": "image"},
        "images": str(folder / "images"),
        "folder": str(tmp_path),
    }
    reference.fit(job)
    reference.predict(job)
    assert json.loads((tmp_path / "chosen.json").read_text())
    found = np.array(sorted({"red", "green", "blue"}))[np.load(tmp_path / "test.npy").argmax(axis=1)]
    assert (found == raw["label"].to_numpy()).mean() > 0.7


def test_features_of_all_kinds_are_finite_and_missing_values_allowed(tmp_path):
    folder = tiny_dataset(tmp_path)
    raw = pl.read_csv(folder / "table.csv", infer_schema=False)
    reader = Reader(folder / "table.csv", TYPES, folder / "images")
    train, blank = reader.read(raw.head(60)), reader.read(raw.head(2).clear(2))
    assert (
        np.isnan(train.images["picture"]["gradients"]).any(axis=1).sum() == 4
    )  # the rows that name gone.png
    wide = Wide(reader, train.table).fit(train).transform(train, 1.0)
    assert wide.shape[0] == 60
    assert np.isfinite(wide.data).all()
    dense = Dense(reader, train.table).fit(train)
    assert dense.transform(train).shape == (60, dense.transform(blank).shape[1])


def test_the_rows_of_an_image_block_have_length_one_on_average_and_missing_ones_none():
    chance = np.random.default_rng(0)
    kinds = {
        name: chance.normal(size=(50, 300)).astype(np.float32) for name in ("gradients", "pixels", "colours")
    }
    for values in kinds.values():
        values[7] = np.nan
    found = ImageBlock(kinds).transform(kinds)
    assert not found[7].any()
    lengths = (np.delete(found, 7, axis=0) ** 2).sum(axis=1)
    assert lengths.mean() == pytest.approx(1 + 0.3**2 + 0.3**2, rel=1e-3)


@pytest.mark.parametrize("features", [20, 500])
def test_the_linear_model_finds_the_same_in_the_span_of_few_rows(features):
    def random(rows, seed):
        return sparse.random(rows, features, 0.2, random_state=seed, format="csr")

    rows, others = random(60, 0), random(40, 1)
    classes = np.arange(60) % 3
    basis = _basis(rows)
    assert basis.shape == (features, min(features, 60))
    model = LogisticRegression(C=10, max_iter=5_000, tol=1e-8)
    plain = model.fit(rows, classes).predict_proba(others)
    turned = model.fit(rows @ basis, classes).predict_proba(others @ basis)
    assert turned == pytest.approx(plain, abs=1e-4)


def test_gradients_tell_the_direction_of_an_edge():
    upright, flat = (np.zeros((1, 64, 64, 3), np.float32) for _ in range(2))
    upright[:, :, 32:] = 1
    flat[:, 32:] = 1
    across, down = (pictures.gradients(picture).reshape(-1, 9).sum(axis=0) for picture in (upright, flat))
    # orientations are bins of 20 degrees: an edge between left and right has its slope at 0, on the border of the first
    # and the last bin; one between top and bottom at 90, in the middle one
    assert set(np.flatnonzero(across > 1e-3)) == {0, 8}
    assert set(np.flatnonzero(down > 1e-3)) == {4}


def test_transparent_pixels_are_white_and_colours_are_shares(tmp_path):
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("RGB", (30, 30), (255, 0, 0)).save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    read = pictures.read_pictures(["clear.png", "red.png", "broken.png", None], tmp_path)
    assert (read[0] == 1).all()
    assert np.isnan(read[2:]).all()
    white, red = pictures.colours(read[:2])
    assert white[63] == red[48] == 1  # 3 * 16 + 3 * 4 + 3, and 3 * 16
    assert (white[:64] ** 2).sum() == pytest.approx(1)
