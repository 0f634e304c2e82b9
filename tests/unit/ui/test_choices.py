"""Choices that are found while somebody types."""

from __future__ import annotations

import pytest

from ui.choices import offered


def choice(value: str, label: str = "") -> dict[str, str]:
    return {"value": value, "label": label or value}


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        ([], ["a"], ["a"]),
        (["b"], ["a"], ["b", "a"]),
        (["b", "a"], ["a"], ["b", "a"]),
        (["a"], ["a", "b"], ["a", "b"]),
    ],
)
def test_the_new_ones_come_first_and_none_is_taken_away(
    found: list[str], known: list[str], expected: list[str]
):
    assert offered([*map(choice, found)], [*map(choice, known)]) == [*map(choice, expected)]


def test_where_nothing_is_new_all_stays_as_it_was():
    known = [choice("a", "a, just now"), choice("b")]
    assert offered([choice("b"), choice("a", "a, a minute ago")], known) == known
