"""Scores dialect detection on a folder of awkward CSV files, and column types on data sets with known ones.

Run: python benchmarks/csv_zoo.py [DATA]    DATA holds csv-zoo/expected.json and <data set>/schema.json

A file is right if every property is. An encoding is right if it decodes the file to the same text; "latin-1" is read
as windows-1252, as the WHATWG Encoding Standard does (files labelled so hold letters in 0x80-0x9F).
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

from tabular.dialect import detect_dialect
from tabular.profile import profile_table
from tabular.reader import scan

DATA = Path(__file__).parents[1].parent / "shared" / "data"
PROPERTIES = ("delimiter", "quotechar", "bom", "has_header", "header_lines", "preamble_lines")
# What counts as right for the words of the data sets' own descriptions, tried from the top.
ACCEPTED = (
    (r"target", {"categorical", "boolean"}),
    (r"image", {"image"}),
    (r"id/text|text/id", {"identifier", "text"}),
    (r"id\b", {"identifier"}),
    (r"numeric.*mixed", {"numeric", "categorical"}),
    (r"numeric", {"numeric"}),
    (r"categorical", {"categorical"}),
    (r"boolean", {"boolean"}),
    (r"date", {"datetime"}),
    (r"text", {"text"}),
)


def accepted_types(words: str) -> set[str]:
    return next(types for pattern, types in ACCEPTED if re.match(pattern, words))


def same_text(raw: bytes, found: str, expected: str) -> bool:
    expected = "cp1252" if expected in {"latin-1", "iso-8859-1", "ascii"} else expected
    found = "cp1252" if found == "latin-1" else found
    return raw.decode(found, errors="replace") == raw.decode(expected, errors="replace")


def wrong_in(path: Path, expected: dict[str, object]) -> list[str]:
    dialect = detect_dialect(path)
    wrong = [
        f"{name} {getattr(dialect, name)!r} is {expected[name]!r}"
        for name in PROPERTIES
        if getattr(dialect, name) != expected[name]
    ]
    if not same_text(path.read_bytes(), dialect.encoding, str(expected["encoding"])):
        wrong.append(f"encoding {dialect.encoding} is {expected['encoding']}")
    batches = list(scan(path, dialect))
    for name, found in (
        ("n_rows", sum(batch.frame.height for batch in batches)),
        ("n_columns", batches[0].frame.width if batches else 0),
        ("ragged", any(batch.ragged for batch in batches)),
    ):
        if found != expected[name]:
            wrong.append(f"{name} {found} is {expected[name]}")
    return wrong


def score_files(zoo: Path) -> tuple[int, int]:
    """Print one line a file; give those right and all."""
    expected = json.loads((zoo / "expected.json").read_text())
    right = total = 0
    for name, properties in sorted(expected.items()):
        if not (zoo / name).exists():
            continue
        started = time.perf_counter()
        wrong = wrong_in(zoo / name, properties)
        total += 1
        right += not wrong
        print(
            f"{'right' if not wrong else 'WRONG':6}{time.perf_counter() - started:6.2f} s  {name}  {'; '.join(wrong)}"
        )
    return right, total


def score_columns(data: Path) -> tuple[int, int]:
    """Print the columns that are wrong, and the suggested target, of each data set; give those right and all."""
    right = total = 0
    for described in sorted(data.glob("*/schema.json")):
        folder = described.parent
        files = [str(file.relative_to(folder)) for file in (folder / "images").rglob("*") if file.is_file()]
        description = json.loads(described.read_text())
        started = time.perf_counter()
        schema = profile_table(folder / "metadata.csv", files=files)
        seconds = time.perf_counter() - started
        target = next((column.name for column in schema.columns if column.role.value == "target"), None)
        verdict = "right" if target == description["target"] else "WRONG"
        print(f"{folder.name}: {schema.rows} rows in {seconds:.2f} s; target suggested {target} ({verdict})")
        for name, words in description["types"].items():
            found = schema.column(name).type.value
            accepted = accepted_types(words)
            total += 1
            right += found in accepted
            print(
                f"  {'right' if found in accepted else 'WRONG'}  {name}: {words!r} accepts {sorted(accepted)}, found {found}"
            )
    return right, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    data = parser.parse_args().data
    files, all_files = score_files(data / "csv-zoo")
    columns, all_columns = score_columns(data)
    print(f"files right: {files} of {all_files} ({100 * files / max(1, all_files):.1f} %)")
    print(f"columns right: {columns} of {all_columns} ({100 * columns / max(1, all_columns):.1f} %)")


if __name__ == "__main__":
    main()
