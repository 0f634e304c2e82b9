"""Shows what the checks before a training found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import html

from contracts.preflight import Severity
from ui.parts import Node, attributes, message, name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from client.types import Finding

# Pressed, it starts the job and ignores the codes that its id names
ANYWAY = "train-anyway"
OFFERED = 3  # columns of a finding that can be left out from where it is shown


def stops(findings: Sequence[Finding]) -> bool:
    """Whether no job may be made with them."""
    return any(_stops(one) for one in findings)


def refused(findings: Sequence[Finding], ticked: Mapping[str, int]) -> Node:
    """Show the findings that stopped a job, with what can be done about it.

    Args:
        findings: All of the checks.
        ticked: Columns that it was to learn from, and their places in the form.
    """
    return _column([_stopping("The job was not started", findings, ticked), *_rest(findings, ticked)])


def _stopping(title: str, findings: Sequence[Finding], ticked: Mapping[str, int]) -> Node:
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
    return message("error", title, [_list(stopping, ticked), anyway])


def checked(findings: Sequence[Finding], ticked: Mapping[str, int]) -> Node:
    """Show what a check found that made no job; arguments as for `refused`."""
    if stops(findings):
        first = _stopping("This stops the training", findings, ticked)
    else:
        nothing = None if findings else "The checks found nothing to tell."
        first = message("info", "Nothing stops this training", nothing)
    return _column([first, *_rest(findings, ticked)])


def kept(findings: Sequence[Finding]) -> Node:
    """Show the findings that a job was started with; nothing where there are none."""
    ignored = [one for one in findings if one["ignored"]]
    shown = (
        [message("error", "Started in spite of this", _list(ignored, {}), urgent=False)] if ignored else []
    )
    return _column([*shown, *_rest(findings, {})]) if findings else None


def _stops(finding: Finding) -> bool:
    return finding["severity"] == Severity.ERROR.value and not finding["ignored"]


def _rest(findings: Sequence[Finding], ticked: Mapping[str, int]) -> list[Node]:
    titles = {Severity.WARNING: "Worth a look", Severity.INFO: "Good to know"}
    groups = []
    for severity, title in titles.items():
        some = [one for one in findings if one["severity"] == severity.value]
        if some:
            groups.append(message(severity.value, title, _list(some, ticked), urgent=False))
    return groups


def _list(findings: Sequence[Finding], ticked: Mapping[str, int]) -> Node:
    return html.Ul(
        [html.Li([one["message"], _rows(one), _ways_out(one, ticked)], dir="auto") for one in findings],
        className="plain-list",
    )


def _ways_out(finding: Finding, ticked: Mapping[str, int]) -> Node:
    """Offer to untick the columns that a finding is about; wizard.js does it."""
    buttons = [
        html.Button(
            ["Leave ", name(column), " out"],
            type="button",
            className="link-button leave-out",
            **attributes(data_leave_out=str(ticked[column])),
        )
        for column in finding["columns"]
        if column in ticked and finding["severity"] != Severity.INFO.value
    ]
    return html.Div(buttons[:OFFERED], className="actions") if buttons else None


def _rows(finding: Finding) -> Node:
    if not finding["rows"]:
        return None
    numbers = ", ".join(map(str, finding["rows"]))  # not in groups: 1,043 would read as two rows
    rows = "rows" if len(finding["rows"]) > 1 else "row"
    return html.Span(f" For example {rows} {numbers}.", className="quiet")


def _column(parts: list[Node]) -> Node:
    return html.Div(parts, className="findings")
