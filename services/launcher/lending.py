"""A back end whose trainers get access to objects for a while, each to its own, and newer access before it lapses."""

from __future__ import annotations

import hmac
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from runtime import log
from runtime.errors import Transient
from runtime.storage import StoreRefused
from services.launcher import runs
from services.launcher.backend import Backend, InDoubt, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.db import Database
    from runtime.storage import ObjectStore
    from services.launcher.backend import RunSpec, RunStatus
    from services.launcher.models import Run
    from services.launcher.trainer_role import TrainerRole

VARIABLE = "OBJECT_CREDENTIALS"
_log = logging.getLogger(__name__)


class LendingBackend(Backend):
    """Adds credentials to what a run is launched with, and passes every other call on."""

    def __init__(self, backend: Backend, role: TrainerRole, store: ObjectStore) -> None:
        """Take the back end, what makes credentials, and where newer ones are put."""
        self._backend = backend
        self._role = role
        self._store = store

    @property
    @override
    def name(self) -> str:
        return self._backend.name

    @override
    def launch(self, run: RunSpec) -> str:
        try:
            lent = self._role.lend(run.job_id, run.attempt, run.env, self._store.uri(news_key(run.env)))
        except (Transient, Refused) as error:
            if not run.in_doubt:
                raise
            # What was started before has its access, and that there is no more of it says nothing about it
            found = self.find(run)
            if found is None:
                raise InDoubt(str(error)) from error
            return found
        return self._backend.launch(replace(run, env={**run.env, VARIABLE: lent}))

    @override
    def find(self, run: RunSpec) -> str | None:
        try:
            return self._backend.find(run)
        except (Transient, Refused) as error:
            raise InDoubt(str(error)) from error

    def renew(self, env: dict[str, str]) -> None:
        """Put newer credentials where an attempt looks for them.

        Args:
            env: The attempt's environment, as it was launched with.

        Raises:
            Transient: STS or the store does not answer.
            Refused: One of them denies it.
        """
        key = news_key(env)
        lent = self._role.lend(env["JOB_ID"], int(env["ATTEMPT"]), env, self._store.uri(key))
        try:
            self._store.put_bytes(key, lent.encode(), content_type="application/json")
        except StoreRefused as error:
            raise Refused(str(error)) from error
        except (BotoCoreError, ClientError, OSError) as error:
            raise Transient(f"the object store does not take credentials: {error}") from error

    @override
    def status(self, handles: Sequence[str]) -> dict[str, RunStatus]:
        return self._backend.status(handles)

    @override
    def stop(self, handle: str, reason: str) -> None:
        self._backend.stop(handle, reason)

    @override
    def logs(self, handle: str, tail_bytes: int) -> list[str]:
        return self._backend.logs(handle, tail_bytes)

    @override
    def forget(self, job_id: str, attempt: int) -> None:
        self._backend.forget(job_id, attempt)
        try:
            self._store.delete_prefix(_folder(job_id, attempt))
        except StoreRefused as error:
            raise Refused(str(error)) from error
        except (BotoCoreError, ClientError, OSError) as error:
            raise Transient(f"the object store does not answer: {error}") from error


class Renewals:
    """Renews the credentials of all that runs. Several launchers may each do so: the last one counts, and any is good."""

    def __init__(
        self, db: Database, backend: LendingBackend, environment: Callable[[Run], dict[str, str]]
    ) -> None:
        """Take where runs are, what renews, and what makes a run's environment."""
        self._db = db
        self._backend = backend
        self._environment = environment

    def renew_all(self) -> None:
        """Renew each; one that cannot be is told of and tried again the next time."""
        with self._db.read() as session:
            found = runs.with_spec(session, self._backend.name)
        for run in found:
            with log.bound(**{**run.correlation, "job_id": run.job_id}):
                try:
                    self._backend.renew(self._environment(run))
                except (Transient, Refused) as error:
                    _log.warning("cannot renew a trainer's access", extra={"error": str(error)})


def news_key(env: Mapping[str, str]) -> str:
    """Name the object of an attempt's next credentials, which nobody guesses who does not hold the attempt's secret."""
    name = hmac.digest(env["CALLBACK_SECRET"].encode(), b"name of the credentials", "sha256").hex()
    return f"{_folder(env['JOB_ID'], int(env['ATTEMPT']))}/{name}.credentials.json"


def _folder(job_id: str, attempt: int) -> str:
    return f"specs/{job_id}/{attempt}"
