"""Cells that would lead out of the data set, and cells that a spreadsheet would run."""

from __future__ import annotations

import csv
from types import SimpleNamespace
from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import ColumnType
from services.api import preview
from tabular.profile import profile_table
from trainer.cleaning import clean
from trainer.columns import Column
from trainer.inputs import LooseFiles
from trainer.newtable import NewTable
from trainer.tables import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGES = [f"photos/{n}.png" for n in range(20)]


def cell(value: str) -> Callable[[Path], str]:
    """What detection says of a cell among twenty good ones; preview, trainer and prediction must find nothing for it either."""

    def answer(folder: Path) -> str:
        root = folder / "files"
        (root / "photos").mkdir(parents=True)
        for name in IMAGES:
            (root / name).write_bytes(b"x")
        table = folder / "table.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [["photo", "label"], [value, "a"], *([name, "ab"[n % 2]] for n, name in enumerate(IMAGES))]
            )
        schema = profile_table(table, files=IMAGES)
        upload = SimpleNamespace(table=table, files=IMAGES)
        assert preview.head(upload, schema)["files"][0] == {"photo": None}
        column = Column(name="photo", modality="image", type=ColumnType.IMAGE, missing_tokens=[])
        images = LooseFiles(root)
        typed = clean(pl.DataFrame({"photo": [value]}), [column], images)
        assert typed["photo"].to_list() == [None]
        new = NewTable(table, [column], "label")
        for batch in new.batches(100):
            new.count_misfits(batch, clean(batch, [column], images))
        assert "1 of 21 values name no image file and count as missing" in new.closing_notes()[0]
        return next(finding.message for finding in schema.findings if finding.code == "missing-images")

    return answer


def exported(text: str) -> Callable[[Path], str]:
    def answer(folder: Path) -> str:
        write_csv(pl.DataFrame({"prediction": [text]}), folder / "out.csv")
        with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
            return f"`{list(csv.reader(file))[1][0]!r}`"

    return answer


CELLS = {
    "`../../etc/passwd`": cell("../../etc/passwd"),
    "`/etc/passwd`": cell("/etc/passwd"),
    "`/proc/self/environ`": cell("/proc/self/environ"),
    "`file:///etc/passwd`": cell("file:///etc/passwd"),
    "`file:///photos/1.png`, which is a name of the data set": cell("file:///photos/1.png"),
    "`s3://other/photos/1.png`, likewise": cell("s3://other/photos/1.png"),
    "`%2e%2e/%2e%2e/etc/passwd`": cell("%2e%2e/%2e%2e/etc/passwd"),
    "`%2e%2e/photos/1.png`": cell("%2e%2e/photos/1.png"),
    "`..%2f..%2fphotos/1.png`": cell("..%2f..%2fphotos/1.png"),
    "`..\\..\\windows\\win.ini`": cell("..\\..\\windows\\win.ini"),
    "`photos%5c1.png`": cell("photos%5c1.png"),
    "`photos/1.png#`": cell("photos/1.png#"),
    "`#`": cell("#"),
    "`photos/1.png%00.txt`": cell("photos/1.png%00.txt"),
    "`http://169.254.169.254/latest/meta-data/`": cell("http://169.254.169.254/latest/meta-data/"),
    "`http://[/1.png`": cell("http://[/1.png"),
    "`data:image/png;base64,AAAA`": cell("data:image/png;base64,AAAA"),
}
EXPORTS = {
    "a class `=1+1`": exported("=1+1"),
    "a class `+cmd`": exported("+cmd"),
    "a class `-2+3`": exported("-2+3"),
    "a class `@SUM(A1)`": exported("@SUM(A1)"),
    "a tab before a formula": exported("\t=1"),
    "a line feed before a formula": exported("\n=1"),
    "a full-width equals sign": exported("\uff1d1"),
    "the number `-1.5`": exported("-1.5"),
}
