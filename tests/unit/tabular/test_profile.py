"""Whole profiles: streaming columns agree with exact ones, second passes, first rows only, limits."""

from __future__ import annotations

import random

import polars as pl
import pytest

from contracts.schema import ColumnType
from tabular import profile, reader, tally
from tabular.profile import profile_table
from tabular.sketches import Distinct, Sample

ROWS = 4000


@pytest.fixture
def path(tmp_path):
    rng = random.Random(11)
    frame = pl.DataFrame(
        {
            "id": [str(index) for index in range(ROWS)],
            "amount": [f"{rng.gauss(50, 10):.3f}" if index % 10 else "n/a" for index in range(ROWS)],
            "price": [
                f"${rng.randint(1, 99)},{rng.randint(100, 999)}.{rng.randint(10, 99)}" for _ in range(ROWS)
            ],
            "day": [f"{1 + index // 143:02d}/{rng.randint(1, 12):02d}/2020" for index in range(ROWS)],
            "text": [" ".join(rng.choices(["one", "two", "three", "four"], k=9)) for _ in range(ROWS)],
            "code": [f"{rng.getrandbits(40):010x}" for _ in range(ROWS)],
            "image": [f"img/{index % 900}.png" for index in range(ROWS)],
            "label": [rng.choice(["a", "b"]) for _ in range(ROWS)],
        }
    )
    file = tmp_path / "table.csv"
    frame.write_csv(file)
    return file


@pytest.fixture
def streaming(monkeypatch):
    """Make columns LARGE after 300 values and blocks small, as in a big file."""
    monkeypatch.setattr(tally, "EXACT_DISTINCT", 300)
    monkeypatch.setattr(profile, "_BLOCK_BYTES", 20_000)


FILES = [f"img/{index}.png" for index in range(1000)]


def test_a_streamed_profile_agrees_with_the_exact_one(path, streaming, monkeypatch):
    streamed = profile_table(path, files=FILES)
    monkeypatch.undo()
    exact = profile_table(path, files=FILES)
    assert streamed.rows == exact.rows == ROWS
    for one, other in zip(streamed.columns, exact.columns, strict=True):
        assert (one.name, one.type, one.missing, one.missing_tokens) == (
            other.name,
            other.type,
            other.missing,
            other.missing_tokens,
        )
        assert (one.datetime_format, one.number_format) == (other.datetime_format, other.number_format)
        assert one.distinct == pytest.approx(other.distinct, rel=0.25)
        assert one.statistics.minimum == other.statistics.minimum
        assert one.statistics.maximum == other.statistics.maximum
        assert one.statistics.latest == other.statistics.latest
        assert one.statistics.mean == pytest.approx(other.statistics.mean)
        assert one.statistics.std == pytest.approx(other.statistics.std)
        if other.statistics.median is not None:
            assert one.statistics.median == pytest.approx(other.statistics.median, rel=0.1)
        assert one.statistics.mean_length == pytest.approx(other.statistics.mean_length)
        assert one.images == other.images
    assert streamed.unused_files == exact.unused_files == 100
    assert streamed.column("image").images.matched == ROWS


def test_a_format_that_turns_out_wrong_further_down_is_read_again(tmp_path, streaming):
    days = [f"{1 + index % 12:02d}/{1 + index % 11:02d}/{2000 + index % 20}" for index in range(3000)]
    days += ["25/01/2020"] * 50
    path = tmp_path / "table.csv"
    path.write_text("day,n\n" + "".join(f"{day},{index % 5}.5\n" for index, day in enumerate(days)))
    column = profile_table(path).column("day")
    assert (column.type, column.datetime_format) == (ColumnType.DATETIME, "%d/%m/%Y")
    assert column.disagreeing_count == 0
    assert column.statistics.latest == "2020-01-25T00:00:00"
    assert column.rows == 3050


def test_the_first_rows_give_an_answer_that_says_it_is_not_complete(path):
    schema = profile_table(path, max_rows=100)
    assert (schema.rows, schema.complete) == (100, False)
    assert schema.column("amount").rows == 100
    assert profile_table(path, max_rows=ROWS + 1).complete is True


def test_progress_is_told_up_to_the_size_of_the_file(path, streaming):
    told = []
    profile_table(path, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == path.stat().st_size


def test_very_wide_tables_are_profiled(tmp_path):
    path = tmp_path / "table.csv"
    names = [f"f{index}" for index in range(2000)]
    path.write_text(
        "\n".join(
            [
                ",".join(names),
                *[",".join(str(row * index % 7) for index in range(2000)) for row in range(1, 4)],
            ]
        )
    )
    assert len(profile_table(path).columns) == 2000


@pytest.mark.parametrize("count", [10, 900, 50_000])
def test_distinct_values_are_counted_exactly_up_to_the_size_and_estimated_above(count):
    distinct = Distinct(1000)
    values = pl.Series([f"value {index}" for index in range(count)])
    for start in range(0, count, 4000):
        distinct.absorb(values[start : start + 5000].hash(seed=1))
    assert distinct.count == (count if count < 1000 else pytest.approx(count, rel=0.12))


def test_a_sample_holds_every_nth_value_however_the_stream_is_cut():
    samples = []
    for block in (1, 7, 64, 1000):
        sample = Sample(20)
        for start in range(0, 1000, block):
            values = list(range(start, min(1000, start + block)))
            sample.absorb(values[sample.offset() :: sample.stride], len(values))
        assert len(sample.values) <= 40
        steps = {later - earlier for earlier, later in zip(sample.values, sample.values[1:], strict=False)}
        samples.append((sample.stride, steps))
    assert all(steps == {stride} for stride, steps in samples)


def test_ragged_rows_are_found(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3\n4,5,6\n7,8\n")
    schema = profile_table(path)
    assert schema.ragged_rows == 2
    assert "ragged-rows" in {finding.code for finding in schema.findings}
    assert reader.read_table(path, schema.dialect).height == 4
