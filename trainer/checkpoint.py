"""A training's state between attempts: kept on disk while it trains, stored when it is stopped, taken up by the next attempt."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from trainer import objects
from trainer.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.job import JobSpec

log = logging.getLogger(__name__)

NAME = "checkpoint.pt"


class Checkpoints:
    """One training's state: ``save`` often, ``load`` once at the start."""

    def __init__(self, folder: Path, resume_from: str, save_seconds: float) -> None:
        """Keep states.

        Args:
            folder: Where this attempt's state is kept; one of a killed process on this machine is found there again.
            resume_from: URI of the state that an earlier attempt stored; empty where there is none.
            save_seconds: Least time between two states kept: saving costs time, too.
        """
        self._file = folder / NAME
        self._resume_from = resume_from
        self._save_seconds = save_seconds
        self._saved_at = time.monotonic()

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """Give the state of a training with the same fingerprint: of this attempt, else of an earlier one.

        Args:
            fingerprint: Of everything that decides the training; a state of another is left alone.
        """
        import torch  # noqa: PLC0415 - seconds to import, and not needed before

        for find in (
            lambda: self._file,
            self._fetched,
        ):  # an earlier attempt's is fetched only where it is needed
            file = find()
            if file is None or not file.is_file():
                continue
            try:
                state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, training can begin anew
                log.warning("the checkpoint %s cannot be read, training begins anew: %s", file.name, error)
                continue
            if state.pop("fingerprint", None) == fingerprint:
                return state
            log.warning(
                "the checkpoint is of another training (data, settings or seed differ): it is not used"
            )
        return None

    def due(self) -> bool:
        """Tell whether it is time to save again."""
        return time.monotonic() - self._saved_at >= self._save_seconds

    def save(self, state: dict[str, Any], fingerprint: str) -> None:
        """Keep a state on disk; plain values and tensors only."""
        import torch  # noqa: PLC0415 - as above

        partial = self._file.with_suffix(".partial")
        torch.save({**state, "fingerprint": fingerprint}, partial)
        partial.replace(self._file)
        self._saved_at = time.monotonic()

    def _fetched(self) -> Path | None:
        if not self._resume_from:
            return None
        try:
            return objects.fetch(self._resume_from, self._file.parent / "earlier")
        except DataError as error:
            log.info("no checkpoint of an earlier attempt: %s", error)
            return None


def store(folder: Path, spec: JobSpec) -> bool:
    """Put an attempt's state, where it has one, beside its artifacts; gives whether it did.

    Raises:
        DataError: It cannot be stored.
    """
    file = folder / NAME
    if not file.is_file():
        return False
    objects.put(file, f"{spec.destination}/{NAME}")
    return True
