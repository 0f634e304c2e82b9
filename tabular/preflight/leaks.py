"""Looks for single columns that give the target away: finer labels, identifiers in the order of classes, telling blanks.

Only what names the class (nearly) always, on enough rows, is an error. A strong feature may be just what was hoped for,
and is a warning: no figure can tell whether a column is known when it is time to predict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from contracts.preflight import MOST_EXAMPLES, Code, PreflightFinding, Severity
from contracts.schema import ColumnType
from tabular.copies import copy_groups
from tabular.preflight.case import named, percent
from tabular.preflight.guess import VALUE, Guess, guess, guesses, named_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tabular.preflight.case import Case

MOST_ROWS = 20_000  # enough for a figure to the per cent; 5 to 30 ms a column
GIVEN_AWAY = 0.98  # of what the most frequent class leaves open
STRONG = 0.9
BLANKS = 0.9
COVERED = 0.5  # of the rows
ROWS_TO_STOP = 100
ROWS_A_VALUE = 5
ROWS_TO_TELL = 20
VALUES_A_CLASS = 3
NAMED_COVERED = 0.1
NAMED_SKILL = 0.5
NAMED_RIGHT = 0.75
_ADVICE = "If it is not known when it is time to predict, or is made from the target, leave it out."
_ADVICE_ON_THINGS = " If rows of one value are of the same thing, have a split column keep them on one side."


def check_leaks(case: Case, out_of_time: Callable[[], bool]) -> tuple[list[PreflightFinding], int]:
    """Check every feature.

    Args:
        case: What to look at.
        out_of_time: Asked before every column; the rest is left where it says so.

    Returns:
        The findings, and how many features were not looked at.
    """
    found: list[PreflightFinding] = []
    if case.classes.n_unique() < 2:  # noqa: PLR2004 - nothing to tell apart
        return found, 0
    features, classes = _distinct(case)
    for position, (name, kind) in enumerate(case.plan.features.items()):
        if out_of_time():
            return found, len(case.plan.features) - position
        found += _check(case, features[name], kind, classes)
    return found, 0


def _distinct(case: Case) -> tuple[pl.DataFrame, pl.Series]:
    """Leave copies out, which would make every column name the class, and take some of many rows."""
    groups = copy_groups(case.features)
    rows = pl.arange(case.features.height, eager=True)
    if groups is not None:
        rows = rows.filter(groups.is_first_distinct())
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, seed=0).sort()
    return case.features[rows], case.classes[rows]


def _check(case: Case, values: pl.Series, kind: ColumnType, classes: pl.Series) -> Iterator[PreflightFinding]:
    if kind is ColumnType.IMAGE:
        yield from _image_folder(values, classes)
        return
    best = max(
        guesses(values, kind, classes), key=lambda one: (one.covered >= COVERED, _gives_away(one), one.skill)
    )
    words = named_class(values, classes) if kind is ColumnType.TEXT else None
    if words is not None and words.covered >= COVERED and words.skill > best.skill:
        best = words
    if best.covered >= COVERED and best.skill >= STRONG and best.rows >= ROWS_TO_TELL:
        yield _telling(case, values, best)
        return
    yield from _blanks(values, classes)
    if words is not None and _names_classes(words):
        yield _naming(case, values.name, words)


def _gives_away(one: Guess) -> bool:
    supported = one.rows >= ROWS_TO_STOP and (one.by != VALUE or one.rows >= ROWS_A_VALUE * one.keys)
    return one.skill >= GIVEN_AWAY and supported


def _telling(case: Case, values: pl.Series, best: Guess) -> PreflightFinding:
    stops = _gives_away(best)
    most = values.drop_nulls().value_counts(sort=True)[values.name].head(MOST_EXAMPLES)
    verdict = "gives the target away" if stops else "alone nearly decides the target"
    # many values may be things of which there are several rows: two photographs of a product
    things = best.by == VALUE and best.keys > VALUES_A_CLASS * len(case.counts)
    return PreflightFinding(
        code=Code.TARGET_LEAK if stops else Code.STRONG_FEATURE,
        severity=Severity.ERROR if stops else Severity.WARNING,
        message=f"{values.name!r} {verdict}: {best.by} names {case.plan.target!r} right in {percent(best.right)} of {best.rows:,} rows, "
        f"where always the most frequent class is right in {percent(best.base)}. {_ADVICE}{_ADVICE_ON_THINGS if things else ''}",
        columns=[values.name],
        values=[str(value)[:100] for value in most],
        overridable=stops,
    )


def _blanks(values: pl.Series, classes: pl.Series) -> Iterator[PreflightFinding]:
    """Look for blanks that go by the class: some classes (nearly) always blank, the others (nearly) never."""
    blank = values.is_null()
    rows, blanks = len(blank), int(blank.sum())
    if min(blanks, rows - blanks) < ROWS_TO_TELL:
        return
    frame = (
        pl.DataFrame({"class": classes, "blank": blank})
        .group_by("class")
        .agg(pl.col("blank").sum(), rows=pl.len())
    )
    by_class = frame.select(pl.max_horizontal("blank", pl.col("rows") - pl.col("blank")).sum()).item() / rows
    base = max(blanks, rows - blanks) / rows
    if (by_class - base) / (1 - base) < BLANKS:
        return
    mostly = sorted(frame.filter(pl.col("blank") * 2 > pl.col("rows"))["class"].to_list())
    yield PreflightFinding(
        code=Code.BLANKS_TELL_CLASS,
        severity=Severity.WARNING,
        message=f"Whether {values.name!r} is blank goes by the class: it is so for {named(mostly)} and not for the others, "
        f"in {percent(by_class)} of {rows:,} rows. A model will look at the blank and not at what the classes differ in. {_ADVICE}",
        columns=[values.name],
        values=mostly[:MOST_EXAMPLES],
    )


def _names_classes(words: Guess) -> bool:
    enough = words.covered >= NAMED_COVERED and words.rows >= ROWS_TO_TELL
    return enough and words.right >= NAMED_RIGHT and words.skill >= NAMED_SKILL


def _naming(case: Case, column: str, words: Guess) -> PreflightFinding:
    return PreflightFinding(
        code=Code.CLASS_NAMED_IN_TEXT,
        severity=Severity.WARNING,
        message=f"In {words.rows:,} rows ({percent(words.covered)}) the text in {column!r} names a class of {case.plan.target!r}, "
        f"and in {percent(words.right)} of them the right one. If these words were written by someone who knew the class, leave the column out.",
        columns=[column],
    )


def _image_folder(values: pl.Series, classes: pl.Series) -> Iterator[PreflightFinding]:
    folders = values.str.replace_all("\\", "/", literal=True).str.extract(r"^(.*)/[^/]*$")
    telling = guess("its folder", folders, classes, folders.is_not_null())
    if telling.covered < COVERED or telling.skill < GIVEN_AWAY or telling.rows < ROWS_TO_TELL:
        return
    yield PreflightFinding(
        code=Code.IMAGE_FOLDER_TELLS_CLASS,
        severity=Severity.INFO,
        message=f"The folder in {values.name!r} names the class. That gives nothing away: of an image only its pixels are learnt from. "
        "Do not use the column as text.",
        columns=[values.name],
        values=folders.drop_nulls().unique(maintain_order=True).head(MOST_EXAMPLES).to_list(),
    )
