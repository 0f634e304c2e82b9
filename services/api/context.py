"""What the routes work with, made once in app.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.access.guard import Guard
    from runtime.db import Database
    from runtime.outbox import Outbox
    from runtime.storage import ObjectStore
    from services.api.catalogue import Catalogue
    from services.api.files import Files
    from services.api.preflight import Checks
    from services.api.quotas import Quotas
    from services.api.settings import ApiSettings
    from services.api.uploads import Uploads


@dataclass(frozen=True)
class Context:
    """The api's collaborators.

    Attributes:
        db: The rows of the workspace that a request works in.
        all_workspaces: The whole database; for keys, and for what operators see of the platform.
    """

    settings: ApiSettings
    db: Database
    all_workspaces: Database
    outbox: Outbox
    store: ObjectStore
    files: Files
    quotas: Quotas
    uploads: Uploads
    checks: Checks
    catalogue: Catalogue
    guard: Guard

    @property
    def limits(self) -> dict[str, int]:
        """Give what counts for jobs that name nothing else."""
        return {
            "max_retries": self.settings.job_max_retries,
            "max_idle_seconds": self.settings.job_max_idle_seconds,
        }

    def page_size(self, asked: int) -> int:
        """Cap a page's size at the setting."""
        return min(asked, self.settings.max_page_size)
