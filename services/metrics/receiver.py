"""What becomes of a callback: it is checked, parsed, stored, and counted by its outcome."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from services.metrics.auth import HEADERS
from services.metrics.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.metrics.auth import Authenticator
    from services.metrics.flood import FloodGate
    from services.metrics.intake import Intake
    from services.metrics.measures import Measures

_WSGI_NAMES = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS}


class Receiver:
    """Takes callbacks as a WSGI server has them."""

    def __init__(
        self, authenticator: Authenticator, gate: FloodGate, intake: Intake, measures: Measures
    ) -> None:
        """Take the steps."""
        self._authenticator = authenticator
        self._gate = gate
        self._intake = intake
        self._measures = measures

    def receive(self, job_id: str, environ: Mapping[str, Any], raw: bytes) -> None:
        """Take a callback; on return it is committed.

        Args:
            job_id: The job in the request's path.
            environ: The WSGI environment, for the headers.
            raw: The request's body.

        Raises:
            Refused: It is not authentic.
            TooFast: The job sends too many.
            Invalid: The body is malformed, or names another attempt than the signature.
            Conflict: The attempt is over, or its job was deleted.
        """
        with self._measures.callback():
            headers = {name: environ[key] for name, key in _WSGI_NAMES.items() if key in environ}
            sender = self._authenticator.check(job_id, headers, raw, now=time.time())
            self._gate.admit(job_id)
            self._intake.accept(job_id, sender, parse(raw))
