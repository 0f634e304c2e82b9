"""Where the files of an upload lie in the one object that its sender put into the object store, until they are staged.

The api leaves it in the upload's folder of the spool, where ingest finds it instead of the files themselves.
"""

from __future__ import annotations

from pydantic import Field

from contracts.base import Wire

STREAM_NAME = "stream.json"


class Span(Wire):
    """Where one file's bytes lie in the object."""

    offset: int = Field(ge=0)
    size: int = Field(ge=0, description="bytes")


class StreamIndex(Wire):
    """Every file of an upload, one after the other in one object."""

    version: int = 1
    key: str = Field(description="of the object, relative to the store")
    table: Span
    files: dict[str, Span] = Field(
        description="by relative paths with forward slashes, in the order of their bytes"
    )
