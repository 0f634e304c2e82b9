"""Every shipped model, trained as the platform does it, predicts in new company what it predicted in training, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from support.trainer_jobs import job_env, tiny_dataset
from trainer.models import catalogue
from trainer.predict import main, predict_table

SMALL = {"image_size": 16, "width": 32}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name == "multimodal" else pytest.mark.long)
        for name in catalogue.names()
    ],
)
def trained(request, tmp_path_factory):
    """A folder with table.csv, images/ and out/, of one model."""
    folder = tiny_dataset(tmp_path_factory.mktemp(request.param), rows=300)
    known = catalogue.find(request.param).params_class.model_fields
    params = {name: value for name, value in SMALL.items() if name in known}
    env = job_env(folder, MODEL=request.param, MODEL_PARAMS=json.dumps(params), EXPLAIN_SHARE="0")
    subprocess.run([sys.executable, "-m", "trainer"], env=env, check=True, capture_output=True)
    return folder


@pytest.fixture
def told(trained):
    """Rows and probabilities of validation_predictions.csv, bit for bit."""
    return in_bits(pl.read_csv(trained / "out" / "validation_predictions.csv"))


def in_bits(table):
    names = [name for name in table.columns if name.startswith("p(")]
    return {
        row["row"]: np.array([row[name] for name in names], np.float32).tobytes()
        for row in table.iter_rows(named=True)
    }


def part_of(folder, rows):
    """Write some rows of the table, in the order given."""
    lines = (folder / "table.csv").read_text().splitlines()
    path = folder / "part.csv"
    path.write_text("\n".join([lines[0], *(lines[row + 1] for row in rows)]) + "\n")
    return path


def test_another_process_gives_the_same_bits_for_the_whole_table(trained, told):
    arguments = [
        "--artifacts",
        f"file://{trained}/out",
        "--table",
        f"{trained}/table.csv",
        "--images",
        f"{trained}/images",
    ]
    command = [sys.executable, "-m", "trainer.predict", *arguments, "--out", f"{trained}/predictions.csv"]
    subprocess.run(command, check=True)
    whole = pl.read_csv(trained / "predictions.csv")
    assert len(whole) == 300
    again = in_bits(whole)
    assert {row: again[row] for row in told} == told


@pytest.mark.parametrize("company", ["backwards", "alone", "two batches"])
def test_the_company_of_a_row_does_not_matter(trained, told, monkeypatch, company):
    rows = {"backwards": [*told][::-1], "alone": [next(iter(told))], "two batches": [*told]}[company]
    monkeypatch.setattr("trainer.predict.BATCH_ROWS", 37 if company == "two batches" else 4096)
    table, _ = predict_table(trained / "out", part_of(trained, rows), trained / "images")
    again = in_bits(table)
    assert [again[number] for number in range(len(rows))] == [told[row] for row in rows]


def test_contributions_change_no_bit_of_the_predictions(trained, told):
    table, _ = predict_table(trained / "out", trained / "table.csv", trained / "images", contributions=True)
    again = in_bits(table)
    assert {row: again[row] for row in told} == told
    names = [name for name in table.columns if name.startswith("contribution(")]
    assert names == ["contribution(image)", "contribution(text)", "contribution(tabular)"]
    assert np.isfinite(table.select(names).to_numpy()).all()


def test_the_most_probable_classes_are_those_of_the_whole_list(trained):
    arguments = [
        "--artifacts",
        str(trained / "out"),
        "--table",
        str(trained / "table.csv"),
        "--images",
        str(trained / "images"),
    ]
    out = trained / "top.csv"
    assert main([*arguments, "--top-k", "2", "--out", str(out)]) == 0
    top = pl.read_csv(out)
    every, _ = predict_table(trained / "out", trained / "table.csv", trained / "images")
    assert top.columns == ["row", "prediction", "probability", "prediction_2", "probability_2"]
    assert top["prediction"].to_list() == every["prediction"].to_list()
    second = np.sort(every.select("p(blue)", "p(green)", "p(red)").to_numpy(), axis=1)[:, -2]
    assert top["probability_2"].to_numpy().astype(np.float32).tobytes() == second.tobytes()


def test_without_its_images_and_one_column_a_table_is_predicted_and_it_is_said(trained):
    lines = (trained / "table.csv").read_text().splitlines()
    path = trained / "less.csv"
    path.write_text("\n".join(line.split(",", 1)[1] for line in lines[:5]) + "\n")
    table, notes = predict_table(trained / "out", path)
    assert len(table) == 4
    assert notes == [
        "column 'picture' is not in the table: its values count as missing",
        "no folder of images is given: every image counts as missing",
    ]
