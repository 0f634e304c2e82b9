"""The demo's data: real, mixed, and honest about its target."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from cli import demo_data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return demo_data.make(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def rows(made):
    with made[0].open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_script_has_letters_and_none_most_of_them(rows):
    counts = Counter(row["script"] for row in rows)
    assert set(counts) == set(demo_data.SCRIPTS.values())
    assert 1500 <= len(rows) <= 3000
    assert min(counts.values()) >= 25
    assert max(counts.values()) < 0.4 * len(rows)


def test_every_row_has_a_drawing_with_ink_inside_its_frame(made, rows):
    for row in rows:
        with Image.open(made[1] / row["drawing"]) as image:
            assert image.size == (64, 64)
            border = [image.getpixel((x, y)) for x in range(64) for y in (0, 63)]
            border += [image.getpixel((x, y)) for y in range(64) for x in (0, 63)]
            assert min(image.tobytes()) < 128, row
            assert min(border) == 255, row


def test_file_names_do_not_follow_the_order_of_scripts(rows):
    scripts = [row["script"] for row in rows]
    changes = sum(before != after for before, after in pairwise(scripts))
    assert [row["drawing"] for row in rows] == [f"{number:04d}.png" for number in range(len(rows))]
    assert changes > 0.7 * len(rows)


@pytest.mark.parametrize(
    "word", ["latin", "greek", "cyrillic", "arabic", "hebrew", "capital", "small", "letter", "syllabics"]
)
def test_no_name_says_its_script_or_case(rows, word):
    assert [row["letter_name"] for row in rows if word in row["letter_name"].split()] == []


@pytest.mark.parametrize(
    ("full", "own"),
    [
        ("LATIN SMALL LETTER TURNED H", "turned h"),
        ("CANADIAN SYLLABICS WEST-CREE PWOO", "pwoo"),
        ("CYRILLIC CAPITAL LETTER BYELORUSSIAN-UKRAINIAN I", "i"),
        ("ARABIC LETTER ALEF MAKSURA", "alef maksura"),
        ("LATIN LETTER SMALL CAPITAL Y", "y"),
    ],
)
def test_own_names(full, own):
    assert demo_data.own_name(full) == own


def test_the_same_again_and_only_once(made, tmp_path):
    again, _ = demo_data.make(tmp_path)
    assert again.read_bytes() == made[0].read_bytes()
    stamp = again.stat().st_mtime_ns
    assert demo_data.make(tmp_path)[0].stat().st_mtime_ns == stamp
    assert isinstance(again, Path)
