from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ui import wording

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (612_345, "612 kB"),
        (45_000_000, "45.0 MB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_sizes_use_decimal_units(count, written):
    assert wording.size(count) == written


@pytest.mark.parametrize(
    ("count", "noun", "written"),
    [
        (1, "file", "1 file"),
        (3, "file", "3 files"),
        (1, "class", "1 class"),
        (0, "other class", "0 other classes"),
    ],
)
def test_plurals(count, noun, written):
    assert wording.plural(count, noun) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(None, "–"), (-3, "0 s"), (42.4, "42 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds, written):
    assert wording.duration(seconds) == written


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (None, "–"),
        ("2026-11-23T11:59:30+00:00", "just now"),
        ("2026-11-23T13:00:00+00:00", "just now"),  # this machine's clock is behind
        ("2026-11-23T11:30:00Z", "30 min ago"),
        ("2026-11-23T09:30:00", "2 h ago"),  # without a zone it is UTC
        ("2026-11-23T12:30:00+02:00", "1 h ago"),
        ("2026-11-20T12:00:00Z", "3 d ago"),
        ("2026-01-05T12:00:00Z", "2026-01-05"),
    ],
)
def test_times_are_written_as_distances(at, written):
    assert wording.ago(at, NOW) == written


@pytest.mark.parametrize(
    ("at", "written"), [(None, "–"), ("2026-11-23T12:30:05+02:00", "2026-11-23 10:30:05 UTC")]
)
def test_times_in_full_are_in_one_order_and_zone(at, written):
    assert wording.clock(at) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (3.0, "3"),
        (0.123456, "0.1235"),
        (12345, "12,345"),
        (1e-5, "1e-5"),
        (2e12, "2e12"),
        (-3.25e-10, "-3.25e-10"),
    ],
)
def test_numbers_keep_four_digits(value, written):
    assert wording.number(value) == written


@pytest.mark.parametrize(
    ("value", "signed", "written"),
    [
        (-0.314, True, "−0.31"),
        (0.314, True, "+0.31"),
        (-0.004, True, "0.00"),
        (0.0, True, "0.00"),
        (1.25, False, "1.25"),
    ],
)
def test_what_rounds_to_nothing_has_no_sign(value, signed, written):
    assert wording.fixed(value, 2, signed=signed) == written


@pytest.mark.parametrize(
    ("share", "digits", "written"),
    [
        (None, 1, "–"),
        (0, 0, "0\u202f%"),
        (0.001, 0, "<1\u202f%"),
        (0.0001, 1, "<0.1\u202f%"),
        (0.3333, 1, "33.3\u202f%"),
        (1, 0, "100\u202f%"),
    ],
)
def test_a_small_share_is_not_written_as_none(share, digits, written):
    assert wording.percent(share, digits) == written


def test_every_state_of_a_job_has_a_colour():
    states = {"created", *wording.ACTIVE, *wording.ENDED}
    assert states <= set(wording.STATE_COLORS)
    assert set(wording.RETRYABLE) < set(wording.ENDED)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("%Y-%m-%d", "year-month-day, like 2026-03-25"),
        ("%d.%m.%y", "day.month.two-digit year, like 25.03.26"),
        ("%b %d, %Y", "month's name day, year, like Mar 25, 2026"),
        (
            "%d/%m/%Y %H:%M:%S%#z",
            "day/month/year hour:minute:secondzone, like 25/03/2026 14:05:09+0000",
        ),
        ("iso8601", "ISO 8601, like 2026-03-25 or 2026-03-25T14:05:09Z"),
    ],
)
def test_a_date_format_is_told_in_words_and_shown(pattern, told):
    assert wording.date_format(pattern) == told
