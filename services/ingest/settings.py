"""Settings of the ingest workers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from runtime.settings import Settings


class IngestSettings(Settings):
    """The environment of both ingest workers."""

    spool_dir: Path = Field(description="folder shared with the api where uploads wait until they are staged")
    schema_concurrency: int = Field(
        default=1, ge=1, description="tables profiled at a time; each may take 400 MB"
    )
    staging_concurrency: int = Field(default=2, ge=1, description="data sets staged at a time")
    progress_seconds: float = Field(
        default=1.0, gt=0, description="least time between two reports of staging progress"
    )
    shard_from_files: int = Field(
        default=256, ge=2, description="from so many files on, small ones go into tar shards"
    )
    shard_below_bytes: int = Field(default=1 << 20, gt=0, description="files are small below this mean size")
    shard_bytes: int = Field(default=64 << 20, ge=1 << 20, description="size from which a shard is closed")
