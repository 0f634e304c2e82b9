"""`triptych limits`: how full the platform is, and what it will remove."""

from __future__ import annotations

import typer  # noqa: TC002 - typer reads the annotations

from cli.output import moment, size
from cli.session import session_of


def limits(context: typer.Context) -> None:
    """Show every limit as it stands, and what the clean-up will remove; changes nothing."""
    session = session_of(context)
    answer = session.client.maintenance()
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("there are", "of at most", "", "set by"),
        (
            (
                _figure(each["used"], each["setting"]),
                _figure(each["most"], each["setting"]) if each["most"] else "any number",
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


def _figure(figure: int, setting: str) -> str:
    return size(figure) if setting.endswith("_BYTES") else str(figure)
