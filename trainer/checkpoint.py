"""A training's state between attempts: kept on disk, stored now and then and when it is stopped, taken up by the next attempt."""

from __future__ import annotations

import logging
import shutil
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from trainer import objects
from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

NAME = "checkpoint.pt"


class Checkpoints:
    """One training's state: ``save`` often, ``load`` once at the start."""

    def __init__(
        self,
        folder: Path,
        resume_from: Sequence[str],
        destination: str,
        *,
        save_seconds: float,
        store_seconds: float,
    ) -> None:
        """Keep states.

        Args:
            folder: Where this attempt's state is kept; one of a killed process on this machine is found there again.
            resume_from: URIs of the states that earlier attempts may have stored, latest first.
            destination: URI of the folder where this attempt's state is stored.
            save_seconds: Least time between two states kept: saving costs time, too.
            store_seconds: Least time between two of them stored: as much is lost with a machine that dies.
        """
        self._file = folder / NAME
        self._resume_from = resume_from
        self._destination = destination
        self._save_seconds = save_seconds
        self._store_seconds = store_seconds
        self._saved_at = self._stored_at = time.monotonic()
        self._storing = Lock()

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """Give the state of a training with the same fingerprint: of this attempt, else of an earlier one.

        Args:
            fingerprint: Of everything that decides the training; a state of another is left alone.

        Raises:
            StoreError: Nobody can say whether an earlier attempt has left one.
        """
        import torch  # noqa: PLC0415 - seconds to import, and not needed before

        for file in self._found():
            try:
                state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, training can begin anew
                log.warning("the checkpoint %s cannot be read, training begins anew: %s", file.name, error)
                continue
            if state.pop("fingerprint", None) == fingerprint:
                if file != self._file:
                    shutil.copyfile(file, self._file)  # ours from now on: the next attempt may find no other
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
        if self._saved_at - self._stored_at >= self._store_seconds and not self._storing.locked():
            self._stored_at = self._saved_at
            Thread(target=self._store_aside, name="checkpoint", daemon=True).start()

    def store(self) -> bool:
        """Put the state, where there is one, beside the attempt's artifacts; gives whether it did.

        Raises:
            DataError: It cannot be stored.
            StoreError: It cannot be stored now; this is not tried again.
        """
        with self._storing:
            if not self._file.is_file():
                return False
            # A name of its own: while it is read in parts, the next state must not take its place
            aside = self._file.with_suffix(".stored")
            aside.unlink(missing_ok=True)
            aside.hardlink_to(self._file)
            try:
                objects.put(aside, f"{self._destination}/{NAME}", patient=False)
            finally:
                aside.unlink()
            return True

    def _store_aside(self) -> None:
        try:
            self.store()
        except Exception as error:  # noqa: BLE001 - training goes on, and the next state may be stored
            log.warning("a checkpoint could not be stored: %s", error)

    def _found(self) -> Iterator[Path]:
        """Give the states there are, the latest first; an earlier attempt's is fetched only where it is needed."""
        if self._file.is_file():
            yield self._file
        for uri in self._resume_from:
            try:
                yield objects.fetch(uri, self._file.parent / "earlier")
            except DataError as error:
                log.info("no checkpoint of an earlier attempt: %s", error)
