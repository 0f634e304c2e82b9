"""Strings to values, as the trainer uses it."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.schema import NumberFormat
from tabular.parse import is_missing, parse_boolean, parse_datetime, parse_numeric


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        (None, " 1.5 ", 1.5),
        (None, "1e3", 1000.0),
        (None, "(5)", -5.0),
        (None, "nan", None),
        (None, "inf", None),
        (None, "", None),
        (None, "1,5", None),
        (NumberFormat(decimal=","), "1,5", 1.5),
        (NumberFormat(decimal=","), "1.5", None),
        (NumberFormat(thousands=","), "1,234,567.5", 1234567.5),
        (NumberFormat(thousands=","), "12,34", None),
        (NumberFormat(decimal=",", thousands="."), "-1.234,5", -1234.5),
        (NumberFormat(decimal=",", thousands=" "), "1\u00a0234,5", 1234.5),
        (NumberFormat(prefix="$", thousands=","), "-$1,234", -1234.0),
        (NumberFormat(prefix="€"), "€ 7", 7.0),
        (NumberFormat(suffix="%"), "7.5 %", 7.5),
        (NumberFormat(suffix="kg"), "7", 7.0),
        (NumberFormat(suffix="kg"), "7 lb", None),
    ],
)
def test_numbers(form, text, value):
    assert parse_numeric(pl.Series(["1", text]), form)[1] == value


def test_missing_tokens_are_no_numbers():
    assert parse_numeric(pl.Series(["1", "-99"]), None, ["-99"]).to_list() == [1.0, None]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.sampled_from([",", "."]))
def test_every_number_written_in_a_format_is_read_back(values, decimal):
    thousands = "." if decimal == "," else ","
    swap = str.maketrans(",.", thousands + decimal)
    written = [f"{value:,.3f} kg".translate(swap) for value in values]
    form = NumberFormat(decimal=decimal, thousands=thousands, suffix="kg")
    assert parse_numeric(pl.Series(written), form).to_list() == pytest.approx(values, abs=1e-3)


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("%d/%m/%Y", "02/03/2020", datetime(2020, 3, 2)),  # noqa: DTZ001  columns hold naive UTC
        ("%d/%m/%Y", "02/03/20", None),
        ("%m/%d/%y %H:%M", "03/02/20 10:30", datetime(2020, 3, 2, 10, 30)),  # noqa: DTZ001
        ("iso8601", "2020-03-02", datetime(2020, 3, 2)),  # noqa: DTZ001
        ("iso8601", "2020-03", datetime(2020, 3, 1)),  # noqa: DTZ001
        ("iso8601", "2020-03-02 10:30", datetime(2020, 3, 2, 10, 30)),  # noqa: DTZ001
        ("iso8601", "2020-03-02T10:30:00.5Z", datetime(2020, 3, 2, 10, 30, 0, 500000)),  # noqa: DTZ001
        ("iso8601", "2020-03-02T10:30:00+0330", datetime(2020, 3, 2, 7)),  # noqa: DTZ001
        ("iso8601", "2020-03-02T10:30:00-03", datetime(2020, 3, 2, 13, 30)),  # noqa: DTZ001
        ("iso8601", "2020-13-02", None),
        ("iso8601", "soon", None),
    ],
)
def test_moments(form, text, value):
    assert parse_datetime(pl.Series([text]), form).to_list() == [value]


def test_truth_values():
    assert parse_boolean(pl.Series(["Yes", "no", " TRUE ", "0", "1.0", "maybe", "", None])).to_list() == [
        True, False, True, False, True, None, None, None,
    ]  # fmt: skip


def test_missing():
    values = pl.Series(["x", "", "  ", None, "NA", " NA "])
    assert is_missing(values, ["NA"]).to_list() == [False, True, True, True, True, True]
