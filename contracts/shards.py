"""The layout of a staged image folder: plain objects under a prefix, or tar shards with an index for many small files.

A folder is a shard set exactly when it holds an object named INDEX_NAME.
"""

from __future__ import annotations

from pydantic import Field

from contracts.base import Wire

INDEX_NAME = "shards.json"


class Shard(Wire):
    """One tar file of the set."""

    name: str = Field(description="object name under the folder, e.g. shard-00000.tar")
    size: int = Field(ge=0, description="bytes")
    sha256: str


class Entry(Wire):
    """Where one file's bytes lie, so that a ranged read needs no tar parser."""

    shard: int = Field(ge=0, description="position in ShardIndex.shards")
    offset: int = Field(ge=0, description="of the first content byte in the tar")
    size: int = Field(ge=0, description="bytes")


class ShardIndex(Wire):
    """Every file of a shard set by its relative path with forward slashes."""

    version: int = 1
    shards: list[Shard]
    files: dict[str, Entry]
