from __future__ import annotations

import csv

import numpy as np
import polars as pl
import pytest

from trainer.inference import Predictions
from trainer.tables import prediction_table, write_csv

LABELS = ["a", "b", "c"]


def predictions(*rows, best=None):
    probabilities = np.array(rows, np.float32)
    return Predictions(np.array(best) if best else probabilities.argmax(axis=1), probabilities)


def test_every_class_has_its_probability():
    table = prediction_table(np.array([4, 9]), predictions([0.2, 0.5, 0.3], [0.6, 0.3, 0.1]), LABELS)
    assert table.columns == ["row", "prediction", "probability", "p(a)", "p(b)", "p(c)"]
    assert table.row(0) == pytest.approx((4, "b", 0.5, 0.2, 0.5, 0.3))
    assert table.row(1)[:2] == (9, "a")


@pytest.mark.parametrize(
    ("top_k", "row"),
    [
        (1, (4, "b", 0.5)),
        (2, (4, "b", 0.5, "c", 0.3)),
        (3, (4, "b", 0.5, "c", 0.3, "a", 0.2)),
        (9, (4, "b", 0.5, "c", 0.3, "a", 0.2)),
    ],
)
def test_the_most_probable_classes_are_named_in_order(top_k, row):
    table = prediction_table(np.array([4]), predictions([0.2, 0.5, 0.3]), LABELS, top_k)
    assert table.row(0) == pytest.approx(row)
    assert table.columns[3:5] == (["prediction_2", "probability_2"] if top_k > 1 else [])


def test_the_predicted_class_stays_first_where_rounding_made_two_equal():
    table = prediction_table(np.array([0]), predictions([0.5, 0.5, 0.0], best=[1]), LABELS, 2)
    assert table.row(0) == (0, "b", 0.5, "a", 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd",
        "-rm",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "=",
        "-",
        "-1-2",
        "+1 2",
        "--1",
        "\n=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
    ],
)
def test_what_a_spreadsheet_would_run_is_made_text(tmp_path, text):
    write_csv(pl.DataFrame({"x": [text]}), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["x"], [f"'{text}"]]


@pytest.mark.parametrize(
    "text", ["-1", "+5", "-1.5e-3", "-.5", "plain", "a=b", "1", "", "'quoted", 'x,"y"\nz']
)
def test_numbers_and_plain_text_stay_as_they_are(tmp_path, text):
    write_csv(pl.DataFrame({"x": [text], "y": ["end"]}), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == [text, "end"]


def test_columns_of_numbers_keep_their_sign_and_every_bit(tmp_path):
    values = np.array([-0.1, 1e-30, 0.333333343], np.float32)
    write_csv(pl.DataFrame({"x": values, "label": ["-a", "b", "c"]}), tmp_path / "out.csv")
    read = pl.read_csv(tmp_path / "out.csv")
    assert read["x"].to_numpy().astype(np.float32).tobytes() == values.tobytes()
    assert read["label"][0] == "'-a"


def test_missing_text_stays_empty(tmp_path):
    write_csv(pl.DataFrame({"x": [None, "a"], "n": [1, 2]}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "x,n\n,1\na,2\n"
