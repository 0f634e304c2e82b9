"""The first rows of an upload, as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.schema import ColumnType
from tabular.images import ImageIndex
from tabular.reader import read_head

if TYPE_CHECKING:
    from contracts.schema import DatasetSchema
    from services.api.intake import Upload

ROWS = 50
_LONGEST_CELL = 2000  # characters; a preview shows the rest as …


def head(upload: Upload, detected: DatasetSchema) -> dict[str, Any]:
    """Read the first rows of an upload.

    Returns:
        JSON of {"columns": names, "rows": cells as text or None, "files": for each row, {image column: file or None}}.
    """
    frame = read_head(upload.table, detected.dialect, rows=ROWS)
    rows = [[_cut(cell) for cell in row] for row in frame.rows()]
    index = ImageIndex(upload.files)
    images = [column.name for column in detected.columns if column.type is ColumnType.IMAGE]
    positions = {name: frame.columns.index(name) for name in images}
    files = [{name: _file(index, row[at]) for name, at in positions.items()} for row in rows]
    return {"columns": frame.columns, "rows": rows, "files": files}


def _cut(cell: str | None) -> str | None:
    return cell if cell is None or len(cell) <= _LONGEST_CELL else cell[:_LONGEST_CELL] + "…"


def _file(index: ImageIndex, cell: str | None) -> str | None:
    match = index.match(cell) if cell else None
    return match.path if match else None
