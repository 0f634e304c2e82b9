"""`triptych limits`: how full the platform is, and what it will remove."""

from __future__ import annotations

import typer  # noqa: TC002 - typer reads the annotations

from cli.output import moment, size
from cli.session import session_of


def limits(context: typer.Context) -> None:
    """Show every limit as it stands, and what the clean-up will remove; changes nothing."""
    session = session_of(context)
    answer = session.client.get("maintenance/")
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("there are", "of at most", "", "set by"),
        (
            (
                *(_shown(each[key], each["setting"], key) for key in ("used", "most")),
                each["counts"],
                each["setting"],
            )
            for each in answer["limits"]
        ),
    )
    session.output.line(
        f"{size(answer['free_bytes'])} are free where uploads arrive; {size(answer['min_free_bytes'])} stay so (MIN_FREE_BYTES)."
    )
    removals, total = answer["removals"], answer["removals_total"]
    if not total:
        session.output.line("Nothing is to be removed.")
        return
    session.output.line(f"To be removed, unless something refers to it by then ({total} in all):")
    session.output.table(
        ("what", "after", "why"), ((each["key"], moment(each["due_at"]), each["why"]) for each in removals)
    )


def _shown(figure: int, setting: str, which: str) -> str:
    if which == "most" and not figure:
        return "any number"
    return size(figure) if setting.endswith("_BYTES") else str(figure)
