"""Profiles a table: reads it once in bounded memory and says what is in every column.

The blocks come from polars' CSV parser and are asked by polars expressions, several columns at a time. pyarrow's
`open_csv` streams as well, but polars is needed here anyway for parsing and hashing strings, and one well-kept
library is easier to carry into the trainer's image than two.

A second pass is made only where the format guessed from the first rows turns out wrong further down (a day above 12
in the month's place, say), and then only over those columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import ColumnProfile, ColumnType, DatasetSchema
from tabular.blocks import BLOCK_BYTES
from tabular.dialect import detect_dialect
from tabular.errors import Unreadable
from tabular.evidence import Evidence, evidence_of
from tabular.findings import findings_about
from tabular.formats import Guess
from tabular.imagecolumn import ImageTally, choose_image_columns, may_be_images
from tabular.images import ImageIndex
from tabular.reader import Header, read_header, scan
from tabular.roles import rank_targets, suggest_role
from tabular.statistics import statistics_of
from tabular.tally import COLUMNS_BUDGET, ColumnTally
from tabular.verdict import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from contracts.schema import Dialect, TargetCandidate
    from tabular.formats import Guess
    from tabular.rulebook import Verdict

_BLOCK_BYTES = BLOCK_BYTES
_HEAD_BYTES = 1 << 20
_UNUSED_EXAMPLES = 20
_LEAST_BUDGET = 16 << 10


def profile_table(
    path: Path,
    *,
    files: Collection[str] = (),
    max_rows: int | None = None,
    max_columns: int | None = None,
    dialect: Dialect | None = None,
    progress: Callable[[int], None] | None = None,
) -> DatasetSchema:
    """Say what a delimited file holds.

    Args:
        path: The file.
        files: Relative paths of the uploaded files, among which image columns are matched.
        max_rows: Look only at this many rows, for an answer at once; the result then says it is not complete.
        max_columns: Refuse a table that has more: each costs some kilobytes and a millisecond.
        dialect: How to read the file; detected if None.
        progress: Told the number of bytes read so far, after every block.

    Raises:
        Unreadable: The file is empty, no table, or has too many columns.
    """
    dialect = dialect or detect_dialect(path)
    header = read_header(path, dialect)
    if max_columns is not None and len(header.names) > max_columns:
        raise Unreadable(
            f"The table has {len(header.names):,} columns, the last named {header.names[-1][:60]!r}; "
            f"at most {max_columns:,} are taken (MAX_COLUMNS)."
        )
    index = ImageIndex(files)
    budget = max(_LEAST_BUDGET, COLUMNS_BUDGET // len(header.names))
    sweep = _Sweep([ColumnTally(name, budget, index) for name in header.names], max_rows, progress)
    sweep.run(path, dialect)
    tallies = _corrected(sweep, path, dialect, index, budget)
    facts = [evidence_of(tally, position) for position, tally in enumerate(tallies)]
    images = _image_tallies(tallies, facts, index)
    columns = [(one, decide(one, images.get(one.name))) for one in facts]
    return _schema(dialect, header, sweep, columns, images, index)


class _Sweep:
    """One pass over the file."""

    def __init__(
        self, tallies: Sequence[ColumnTally], max_rows: int | None, progress: Callable[[int], None] | None
    ) -> None:
        self.tallies = tallies
        self.rows = self.ragged = 0
        self.complete = True
        self._max_rows = max_rows
        self._progress = progress

    def run(self, path: Path, dialect: Dialect) -> None:
        """Feed every block to the tallies."""
        block_bytes = _BLOCK_BYTES if self._max_rows is None else _HEAD_BYTES
        for batch in scan(path, dialect, block_bytes=block_bytes):
            frame = batch.frame
            if self._max_rows is not None and self.rows + frame.height > self._max_rows:
                frame = frame.head(self._max_rows - self.rows)
                self.complete = False
            self.ragged += batch.ragged
            if frame.height:
                self._feed(frame)
            if self._progress is not None:
                self._progress(batch.bytes_read)
            if not self.complete:
                return

    def _feed(self, frame: pl.DataFrame) -> None:
        self.rows += frame.height
        wanted = [tally.name for tally in self.tallies]
        keys = [f"c{number}" for number in range(len(wanted))]
        stripped = frame.select(
            pl.col(name).str.strip_chars().alias(key) for name, key in zip(wanted, keys, strict=True)
        )
        prepared = [
            expression
            for key, tally in zip(keys, self.tallies, strict=True)
            if tally.large
            for expression in tally.preparations(key)
        ]
        if prepared:
            stripped = stripped.with_columns(prepared)
        asked: list[pl.Expr] = []
        for key, tally in zip(keys, self.tallies, strict=True):
            if tally.large:
                asked += tally.expressions(key, f"{key}:")
            else:
                asked.append(pl.col(key).value_counts(name="rows").implode().alias(f"{key}:counts"))
        answers = {answer.name: answer for answer in stripped.lazy().select(asked).collect().get_columns()}
        for key, tally in zip(keys, self.tallies, strict=True):
            tally.rows += frame.height
            if tally.large:
                tally.absorb(answers, f"{key}:", frame.height)
            else:
                tally.count_values(tuple(entry.values()) for entry in answers[f"{key}:counts"].to_list()[0])


def _corrected(
    sweep: _Sweep, path: Path, dialect: Dialect, index: ImageIndex, budget: int
) -> list[ColumnTally]:
    """Read again the columns whose format, judged by what all rows showed, is another than the first rows told."""
    again: dict[str, Guess] = {}
    for tally in sweep.tallies:
        better = tally.better_guess()
        if better is not None:
            again[tally.name] = better
    if not again or not sweep.complete:
        return list(sweep.tallies)
    second = _Sweep([ColumnTally(name, budget, index, forced) for name, forced in again.items()], None, None)
    second.run(path, dialect)
    replaced = {tally.name: tally for tally in second.tallies}
    return [replaced.get(tally.name, tally) for tally in sweep.tallies]


def _image_tallies(
    tallies: Sequence[ColumnTally], facts: Sequence[Evidence], index: ImageIndex
) -> dict[str, ImageTally]:
    found: dict[str, ImageTally] = {}
    for tally, one in zip(tallies, facts, strict=True):
        if tally.images is not None:
            found[tally.name] = tally.images
        elif not tally.large and may_be_images(tally.counts, index):
            found[tally.name] = ImageTally(index)
            found[tally.name].absorb(
                {value: rows for value, rows in tally.counts.items() if value in one.strings}
            )
    chosen = choose_image_columns(found)
    return {name: tally for name, tally in found.items() if name in chosen}


def _schema(
    dialect: Dialect,
    header: Header,
    sweep: _Sweep,
    columns: list[tuple[Evidence, Verdict]],
    images: dict[str, ImageTally],
    index: ImageIndex,
) -> DatasetSchema:
    targets = rank_targets(columns)
    profiles = [_profile(facts, verdict, images.get(facts.name), targets) for facts, verdict in columns]
    used: set[str] = set().union(*(tally.used for tally in images.values()))
    unused = [file for file in index.files if file not in used] if images else []
    return DatasetSchema(
        dialect=dialect,
        rows=sweep.rows,
        complete=sweep.complete,
        columns=profiles,
        targets=targets,
        findings=findings_about(profiles, header, sweep.rows, sweep.ragged, len(unused)),
        unused_files=len(unused),
        unused_file_examples=unused[:_UNUSED_EXAMPLES],
        ragged_rows=sweep.ragged,
    )


def _profile(
    facts: Evidence, verdict: Verdict, images: ImageTally | None, targets: Sequence[TargetCandidate]
) -> ColumnProfile:
    suggestion = suggest_role(facts, verdict, targets)
    return ColumnProfile(
        name=facts.name,
        position=facts.position,
        type=verdict.type,
        rule=verdict.rule,
        why=verdict.why,
        figures={key: round(float(value), 6) for key, value in verdict.figures.items()},
        disagreeing=[value[:200] for value in verdict.disagreeing],
        disagreeing_count=verdict.disagreeing_count,
        role=suggestion.role,
        role_why=suggestion.why,
        rows=facts.rows,
        missing=facts.missing,
        missing_tokens=sorted(facts.tokens),
        distinct=facts.distinct,
        number_format=facts.guess.number if verdict.type is ColumnType.NUMERIC else None,
        datetime_format=facts.guess.moment if verdict.type is ColumnType.DATETIME else None,
        leading_zeros=facts.leading_zeros > 0,
        statistics=statistics_of(facts, verdict.type),
        images=images.result() if images is not None else None,
    )
