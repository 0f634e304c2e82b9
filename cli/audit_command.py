"""`triptych audit`: who changed what on the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import moment
from cli.session import session_of

if TYPE_CHECKING:
    from client.types import AuditEntry


def audit(
    context: typer.Context,
    who: Annotated[str | None, typer.Option(help="Only what this caller did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, e.g. training_jobs.start.")] = None,
    about: Annotated[str | None, typer.Option(help="Only about this, e.g. training_jobs/ID.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only done, refused or failed ones.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on, e.g. 2026-03-01T08:00:00Z.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most entries.")] = 50,
) -> None:
    """List who changed what, and who was refused to; the latest first."""
    session = session_of(context)
    entries: list[AuditEntry] = []
    cursor = None
    while len(entries) < limit:
        page = session.client.audit(
            who=who,
            action=action,
            object_=about,
            outcome=outcome,
            since=since,
            page_size=min(limit, 200),
            cursor=cursor,
        )
        entries += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    entries = entries[:limit]
    if session.output.as_json:
        session.output.json(entries)
        return
    session.output.table(
        ("when", "who", "action", "about", "outcome", "request"),
        (
            (
                moment(entry["at"]),
                entry["who"] or "",
                entry["action"],
                entry["object"],
                entry["outcome"],
                entry["request_id"],
            )
            for entry in entries
        ),
    )
