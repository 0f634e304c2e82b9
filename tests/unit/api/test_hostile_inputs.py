"""Hostile inputs: each gets the answer that docs/hostile-inputs.md promises, and never another one."""

from __future__ import annotations

import pytest

from support.hostile.page import PAGE, SECTIONS, row

LINES = frozenset(PAGE.read_text("utf-8").splitlines())
CASES = [
    pytest.param(name, case, id=f"{title}: {name}".encode("ascii", "backslashreplace").decode())
    for title, (_, cases) in SECTIONS.items()
    for name, case in cases.items()
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_it_gets_the_answer_of_the_page(name, case):
    assert row(name, case) in LINES


def test_the_page_tells_of_nothing_else():
    assert sum(line.startswith("| ") for line in LINES) == len(CASES) + 1  # the tables' own head
