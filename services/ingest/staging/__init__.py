"""Copies an uploaded data set from the spool to the object store."""

from __future__ import annotations

from services.ingest.staging.stage import Limits, Staged, stage, unstage

__all__ = ["Limits", "Staged", "stage", "unstage"]
