"""What the routes work with, made once in app.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.paging import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.access.guard import Guard
    from runtime.db import Database
    from runtime.outbox import Outbox
    from runtime.paging import Page
    from runtime.storage import ObjectStore
    from services.api.catalogue import Catalogue
    from services.api.completion import Completion
    from services.api.files import Files
    from services.api.oidc import Provider
    from services.api.preflight import Checks
    from services.api.quotas import Quotas
    from services.api.settings import ApiSettings
    from services.api.uploads import Uploads


@dataclass(frozen=True)
class Context:
    """The api's collaborators.

    Attributes:
        db: The rows of the workspace that a request works in.
        provider: Where people may sign in, if anywhere.
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
    completion: Completion
    checks: Checks
    catalogue: Catalogue
    guard: Guard
    provider: Provider | None

    @property
    def limits(self) -> dict[str, int]:
        """Give what counts for jobs that name nothing else."""
        return {
            "max_retries": self.settings.job_max_retries,
            "max_idle_seconds": self.settings.job_max_idle_seconds,
        }

    def part(self, query: dict[str, Any]) -> Part:
        """Say which part of a list a query wants; its size is capped at the setting."""
        return Part(
            size=min(query["page_size"], self.settings.max_page_size),
            number=query["page"],
            cursor=query["cursor"],
            descending=query["direction"] == "desc",
        )


def listed(part: Part, page: Page, items: Sequence[Any] | None = None) -> dict[str, Any]:
    """Give a part of a list as the API shows it.

    Args:
        part: As it was asked for.
        page: What was found.
        items: Its items, if they are shown otherwise than they are.
    """
    return {
        "items": page.items if items is None else items,
        "total": page.total,
        "page": 1 if part.cursor else part.number,
        "page_size": part.size,
        "next_cursor": page.next_cursor,
    }
