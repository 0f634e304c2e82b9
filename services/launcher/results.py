"""Whether a trainer that told nothing has left a model: its artifacts are stored before its last word is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from runtime.errors import Transient
from runtime.storage import StoreRefused

if TYPE_CHECKING:
    from runtime.storage import ObjectStore

# Beside the artifacts: the launcher's copy of the output, and what an attempt that is cut short leaves
_NO_RESULTS: Final = {"log.txt", "checkpoint.pt"}


class Results:
    """The objects jobs/<job>/<attempt>/."""

    def __init__(self, store: ObjectStore) -> None:
        """Take the store that trainers write to."""
        self._store = store

    def are_stored(self, job_id: str, attempt: int) -> bool:
        """Tell whether an attempt has stored an artifact. Costs one list of a dozen objects.

        Raises:
            Transient: The store does not answer, or lets nobody look.
        """
        folder = f"jobs/{job_id}/{attempt}"
        try:
            names = [item.key.removeprefix(f"{folder}/") for item in self._store.list(folder)]
        except (StoreRefused, BotoCoreError, ClientError, OSError) as error:
            raise Transient(f"the object store does not tell what is under {folder}: {error}") from error
        return any(name not in _NO_RESULTS for name in names)
