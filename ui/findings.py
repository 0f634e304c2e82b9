"""Shows what the checks before a training found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import html

from contracts.preflight import Severity
from ui import wording
from ui.parts import Node, message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import Finding

# Pressed, it starts the job and ignores the codes that its id names
ANYWAY = "train-anyway"


def refused(findings: Sequence[Finding]) -> Node:
    """Show the findings that stopped a job, with the choice to train anyway where there is one."""
    stopping = [one for one in findings if _stops(one)]
    codes = ",".join(
        sorted({one["code"] for one in stopping} | {one["code"] for one in findings if one["ignored"]})
    )
    anyway: Node = None
    if all(one["overridable"] for one in stopping):
        button = dmc.Button(
            "Train anyway", id={"part": ANYWAY, "codes": codes}, size="xs", variant="outline", color="red"
        )
        anyway = html.Div(button, className="actions")
    return _column([message("error", "The job was not started", [_list(stopping), anyway]), *_rest(findings)])


def checked(findings: Sequence[Finding]) -> Node:
    """Show what a check found that made no job."""
    stopping = [one for one in findings if _stops(one)]
    first = (
        message("error", "This stops the training", _list(stopping))
        if stopping
        else message(
            "info", "Nothing stops this training", None if findings else "The checks found nothing to tell."
        )
    )
    return _column([first, *_rest(findings)])


def kept(findings: Sequence[Finding]) -> Node:
    """Show the findings that a job was started with; nothing where there are none."""
    ignored = [one for one in findings if one["ignored"]]
    shown = [message("error", "Started in spite of this", _list(ignored), urgent=False)] if ignored else []
    return _column([*shown, *_rest(findings)]) if findings else None


def _stops(finding: Finding) -> bool:
    return finding["severity"] == Severity.ERROR.value and not finding["ignored"]


def _rest(findings: Sequence[Finding]) -> list[Node]:
    titles = {Severity.WARNING: "Worth a look", Severity.INFO: "Good to know"}
    groups = []
    for severity, title in titles.items():
        some = [one for one in findings if one["severity"] == severity.value]
        if some:
            groups.append(message(severity.value, title, _list(some), urgent=False))
    return groups


def _list(findings: Sequence[Finding]) -> Node:
    return html.Ul(
        [html.Li([one["message"], _rows(one)], dir="auto") for one in findings], className="plain-list"
    )


def _rows(finding: Finding) -> Node:
    if not finding["rows"]:
        return None
    numbers = ", ".join(map(wording.whole, finding["rows"]))
    rows = "rows" if len(finding["rows"]) > 1 else "row"
    return html.Span(f" For example {rows} {numbers}.", className="quiet")


def _column(parts: list[Node]) -> Node:
    return html.Div(parts, className="findings")
