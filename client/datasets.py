"""Calls about data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.http import Calls, segment

if TYPE_CHECKING:
    from client.types import DatasetColumns, DatasetDetail, DatasetPage, DatasetPreview, SchemaChange


class DatasetCalls(Calls):
    """Data sets: tables and their images."""

    def datasets(
        self, *, page: int | None = None, page_size: int | None = None, search: str = ""
    ) -> DatasetPage:
        """List data sets, newest first; `search` is part of the name."""
        return self._get("/api/datasets/", page=page, page_size=page_size, search=search)

    def dataset(self, dataset_id: str) -> DatasetDetail:
        """Look up one data set."""
        return self._get(f"/api/datasets/{segment(dataset_id)}/")

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a data set with its files and its ended jobs."""
        self._delete(f"/api/datasets/{segment(dataset_id)}/")

    def preview(self, dataset_id: str, *, rows: int) -> DatasetPreview:
        """Give its first rows, at most 50."""
        return self._get(f"/api/datasets/{segment(dataset_id)}/preview/", rows=rows)

    def schema(self, dataset_id: str) -> DatasetColumns:
        """Give its columns: what was detected, the overrides, and the outcome."""
        return self._get(f"/api/datasets/{segment(dataset_id)}/schema/")

    def change_schema(self, dataset_id: str, change: SchemaChange) -> DatasetColumns:
        """Override types and roles of columns, or choose the target."""
        return self._patch(f"/api/datasets/{segment(dataset_id)}/schema/", change)
