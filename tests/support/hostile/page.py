"""docs/hostile-inputs.md: every hostile input with the answer it gets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.hostile import contents, places, values, zips

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Cases = Mapping[str, Callable[[Path], str]]

PAGE = Path(__file__).parents[3] / "docs/hostile-inputs.md"
HEAD = """# Hostile inputs

What a stranger may send, and the answer in the words that the person sees. The tables are made by running each input
(`tests/support/hostile`); `tests/unit/api/test_hostile_inputs.py` fails where an answer changes. Limits are smaller there than by
default, so that the inputs are small; [configuration](reference/configuration.md) has every limit with its default.

"""
SECTIONS: dict[str, tuple[str, Cases]] = {
    "Names of files": (
        "Of multipart parts, of uploads in chunks, and of a zip's entries. Refused with 422; nothing of the upload is kept.",
        zips.NAMES,
    ),
    "Zips": (
        (
            "Unpacked entry by entry; bytes, entries and ratio are counted while reading, over all zips of an upload. Refused with 422, "
            "with the entry named; nothing of the upload is kept."
        ),
        zips.ZIPS,
    ),
    "Tables": (
        "What a file is, is told by its first bytes, not by its name. Refused with 422, or read with findings.",
        contents.TABLES,
    ),
    "Images": (
        (
            "An image that cannot be decoded is a finding about that file (`images-broken`) before a job, a note of the job's report and of a "
            "prediction, and counts as missing; it never ends either. An upload is not refused for it: of 50,000 downloaded pictures a few "
            "are error pages. Uploaded files are never sent to a browser as they are, only as thumbnails made anew."
        ),
        contents.IMAGES,
    ),
    "Cells of an image column": (
        (
            "A cell means a file of its own data set's list, or none; nothing is opened to find out. Each case is asked of detection, of the "
            "preview, of the trainer and of prediction. Forgiven are only spellings of a file that is there: other slashes, case, "
            "extension, folders in front, plain `..` in front, and http(s) addresses, which are never fetched."
        ),
        values.CELLS,
    ),
    "Formulas in exported CSVs": (
        "`predictions.csv` and `validation_predictions.csv`, the only tables that the platform writes for people. The answer is the cell.",
        values.EXPORTS,
    ),
    "API_BASE": ("Where a trainer reports to. Exit code 64 before anything is read or sent.", places.BASES),
    "Reports on their way": ("", places.REPORTS),
    "ASSETS": (
        "What a trainer reads; here its results go to `s3://ours/triptych/jobs/j1/1`. Exit code 64.",
        places.ASSETS,
    ),
}
TAIL = """
## Uploads straight to S3

An address takes one part: its number, its length and its CRC-32 are signed, for `DIRECT_LINK_SECONDS`. S3 refuses other bytes, another
length and another time; moto, against which the tests run, verifies none of these, so the tests read them off the address. The api
counts parts by S3's own list, and only those of the right size; nothing becomes a data set before all are there. Zips come through
the spool.

## What is not promised

- Text may be split by a spreadsheet that takes `;` for the separator; a formula behind one is not seen.
- A name that resolves to another address after the trainer has looked it up is not caught.
- Bytes that ingest reads from S3 are not checked against the parts' checksums again, other than by their number.
- What a decoder itself gets wrong is its authors' to mend; decoding runs in the trainer's and the api's own processes.
"""


def escaped(text: str) -> str:
    """Make a cell of a Markdown table of a text, control characters visible."""
    visible = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return visible.replace("|", "\\|").replace("<", "&lt;")


def answer_of(case: Callable[[Path], str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return escaped(case(Path(folder)))


def row(name: str, case: Callable[[Path], str]) -> str:
    return f"| {escaped(name)} | {answer_of(case)} |"


def rendered() -> str:
    parts = []
    for title, (words, cases) in SECTIONS.items():
        rows = "\n".join(row(name, case) for name, case in cases.items())
        parts.append(
            f"## {title}\n\n{words}\n\n| input | answer |\n|---|---|\n{rows}\n".replace("\n\n\n", "\n")
        )
    return HEAD + "\n".join(parts) + TAIL
