"""Advisory locks are the platform's own: no two share a number, and nobody takes one that is not listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime import locks

ROOT = Path(locks.__file__).parents[1]
_TAKES = "_lock(:key)"


def test_no_two_locks_share_a_number():
    numbers = [value for name, value in vars(locks).items() if name.isupper()]
    assert len(numbers) > 1
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    "path",
    [
        path
        for room in ("runtime", "services")
        for path in (ROOT / room).rglob("*.py")
        if _TAKES in path.read_text("utf-8")
    ],
    ids=lambda path: path.stem,
)
def test_every_lock_that_is_taken_is_a_listed_one(path):
    text = path.read_text("utf-8")
    assert len(re.findall(r"pg_\w*advisory\w*\(", text)) == len(re.findall(r'"key": locks\.[A-Z]+}', text))
