"""The environment of a trainer: what the api wants trained, and what only the launcher knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.callback import derive_secret

if TYPE_CHECKING:
    from services.launcher.models import Run

_MARGIN_SECONDS = (
    300  # for the launcher to come first: it looks at least once a minute, and its word says more
)


@dataclass(frozen=True)
class Environments:
    """Makes environments.

    Attributes:
        api_base: Origin of the platform as trainers reach it.
        pretrained_uri: Folder of weights that trainers may start from; empty for none.
        root_secret: What each attempt's callback secret is derived from; it stays here.
        log_format: json or text.
        log_level: Least level logged.
    """

    api_base: str
    pretrained_uri: str
    root_secret: str = field(repr=False)
    log_format: str
    log_level: str

    def of(self, run: Run) -> dict[str, str]:
        """Give the variables of a run's trainer, but for what its back end adds (WORKDIR, access to objects)."""
        request_id = run.correlation.get("request_id")
        return {
            **run.spec,
            "JOB_ID": run.job_id,
            "ATTEMPT": str(run.attempt),
            "API_BASE": self.api_base,
            "CALLBACK_SECRET": derive_secret(self.root_secret, run.job_id, run.attempt),
            "LOG_FORMAT": self.log_format,
            "LOG_LEVEL": self.log_level,
            **({"MAX_SECONDS": _left(run)} if run.max_seconds else {}),
            **({"PRETRAINED_URI": self.pretrained_uri} if self.pretrained_uri else {}),
            **({"TRIPTYCH_REQUEST_ID": request_id} if request_id else {}),
        }


def _left(run: Run) -> str:
    """Give the seconds after which a trainer ends itself, where no launcher lives to end it."""
    return f"{max(0.0, run.max_seconds - run.ran_seconds) + _MARGIN_SECONDS:.0f}"
