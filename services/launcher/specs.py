"""Environments of trainers as objects: for providers that show a container's variables to others, or have little room for them.

The trainer gets the object's address as JOB_SPEC_URI and reads it under its own access to the store. The last part of the
name cannot be guessed, so a trainer that may read objects but not list them reads no other job's; with JOB_SPEC_ONCE the
trainer removes the object as soon as it has read it (docs/adr/0020-specs-as-objects.md).
"""

from __future__ import annotations

import hmac
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from runtime.errors import Transient
from runtime.storage import Corrupt, StoreRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.storage import ObjectStore
    from services.launcher.backend import RunSpec


class SpecObjects:
    """Objects specs/<job>/<attempt>/<name>.json, outside of jobs/, which the api serves from."""

    def __init__(self, store: ObjectStore) -> None:
        """Take the store that trainers read from."""
        self._store = store

    def put(self, run: RunSpec) -> dict[str, str]:
        """Store a run's environment, its secret with it; a repeat stores the same object.

        Returns:
            The few variables that the trainer needs instead, none of them secret.

        Raises:
            Transient: The store does not answer, or denies access, which no job can help.
        """
        name = hmac.digest(run.env["CALLBACK_SECRET"].encode(), b"name of the spec object", "sha256").hex()
        key = f"{_folder(run.job_id, run.attempt)}/{name}.json"
        with _explained():
            self._store.put_bytes(key, json.dumps(dict(run.env)).encode(), content_type="application/json")
        return {
            "JOB_ID": run.job_id,  # for people: the object has it too
            "ATTEMPT": str(run.attempt),
            "JOB_SPEC_URI": self._store.uri(key),
            "JOB_SPEC_ONCE": "true",
        }

    def remove(self, job_id: str, attempt: int) -> None:
        """Remove an attempt's object, if there is one.

        Raises:
            Transient: As above.
        """
        with _explained():
            self._store.delete_prefix(_folder(job_id, attempt))


def _folder(job_id: str, attempt: int) -> str:
    return f"specs/{job_id}/{attempt}"


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (StoreRefused, BotoCoreError, ClientError, Boto3Error, Corrupt, OSError) as error:
        raise Transient(f"the object store does not take the job's settings: {error}") from error
