"""What the api publishes to Redis whenever something of a workspace has changed, for pages that show it.

A hint, not a record: who hears of it asks the API, and who may have missed one asks, too.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from contracts.base import Wire

CHANGES: Final = "changes"
Kind = Literal["dataset", "staging", "job", "prediction"]


class Change(Wire):
    """Something was made, changed or deleted."""

    kind: Kind = Field(
        description="staging: how far the files of a data set are stored, and nothing else of it"
    )
    id: str = Field(description="of the data set, job or prediction")


def channel(workspace_id: str) -> str:
    """Name the pub/sub channel of a workspace's changes."""
    return f"{CHANGES}:{workspace_id}"
