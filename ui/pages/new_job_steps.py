"""The steps of a new job. All of them stay on the page, so that going back loses nothing; wizard.js shows one at a time."""

from __future__ import annotations

from dash import html

from ui.parts import Node, attributes

STEPS = {"columns": "Columns", "model": "Model", "training": "Training", "review": "Review and start"}


def step_of(field: str) -> str:
    """Give the step in which a field of the API's body is set."""
    if field in {"target", "feature_columns", "column_types"} or field.startswith("column_types."):
        return "columns"
    if field == "name":
        return "review"
    return "model" if field == "model" or field.startswith("params.") else "training"


def link(step: str) -> Node:
    """Make a link to a step."""
    return html.A(STEPS[step], href=f"#{step}")


def navigation() -> Node:
    """List the steps, each a link."""
    items = [
        html.Li(
            html.A(
                [
                    html.Span(str(number), className="step-number", **attributes(aria_hidden="true")),
                    html.Span(title),
                ],
                href=f"#{key}",
                className="step-link",
                **attributes(data_step=key),
            )
        )
        for number, (key, title) in enumerate(STEPS.items(), start=1)
    ]
    return html.Nav(html.Ol(items, className="step-list"), **attributes(aria_label="Steps"))


def step(key: str, *children: Node) -> Node:
    """Make a step, with links to the one before and the one after."""
    keys = list(STEPS)
    place = keys.index(key)
    before = keys[place - 1] if place else None
    after = keys[place + 1] if place + 1 < len(keys) else None
    ways = [
        html.A(f"Back: {STEPS[before]}", href=f"#{before}", className="link-button")
        if before
        else html.Span(),
        html.A(f"Next: {STEPS[after]}", href=f"#{after}", className="link-button primary") if after else None,
    ]
    return html.Section(
        [*children, html.Div(ways, className="step-ways")],
        id=f"step-{key}",
        className="step shown" if not place else "step",
        **attributes(aria_label=STEPS[key]),
    )
