"""Pieces that several pages are made of: badges, headings, messages, empty states."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
import httpx
from dash import html
from plotly.utils import PlotlyJSONEncoder

from client import ApiError, Away, Refused
from ui import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

Node = Any  # what Dash takes as children: components, text, lists of them
JSON = dict[str, Any]  # what Dash passes on as it is: choices of a select, ids of controls, what a page keeps


def name(text: str, **props: Any) -> Node:
    """Show a name someone gave: any length, any script, in its own direction."""
    return html.Span(text, dir="auto", className="name", title=text, **props)


def following(what: str, store_id: str) -> JSON:
    """Give the attributes of what is shown anew when something changes.

    Args:
        what: Kinds of changes, as "job,dataset", or one thing with its id, as "dataset 3f2b…"; changes.js reads it.
        store_id: The Store whose value changes then, for the callback that shows it anew.
    """
    return attributes(data_follow=what, data_tells=store_id)


def fingerprint(node: Node) -> str:
    """Give what tells whether something looks as before: to show it anew would take the focus and the selection away."""
    return hashlib.sha256(json.dumps(node, cls=PlotlyJSONEncoder).encode()).hexdigest()[:16]


def attributes(**values: str) -> dict[str, Any]:
    """Make aria and data attributes, whose names are no Python names: aria_label becomes aria-label."""
    return {key.replace("_", "-"): value for key, value in values.items()}


def icon(which: str) -> Node:
    """Show one of assets/icons.css; it says nothing to a screen reader."""
    return html.Span(className=f"icon icon-{which}", **attributes(aria_hidden="true"))


def link_button(text: str, href: str, *, primary: bool = False, icon_name: str | None = None) -> Node:
    """Make a link that looks like a button."""
    shown = [icon(icon_name), text] if icon_name else text
    kind = "link-button primary" if primary else "link-button"
    return dmc.Anchor(shown, href=href, className=kind, underline="never")


def state_badge(state: str, **props: Any) -> Node:
    """Show a state in its colour; the word is what counts."""
    return dmc.Badge(
        wording.state(state),
        color=wording.STATE_COLORS.get(state, "gray"),
        variant="light",
        radius="sm",
        className="badge",
        **props,
    )


def heading(title: Node, *, actions: Sequence[Node] = (), about: Node = None) -> Node:
    """Make the top of a page: its one h1, what it is about, and what can be done."""
    return html.Div(
        [
            html.Div([dmc.Title(title, order=1, className="page-title"), html.Div(about, className="about")]),
            html.Div(list(actions), className="actions"),
        ],
        className="page-heading",
    )


def card(*children: Node, title: str | None = None, aside: Node = None, **props: Any) -> Node:
    """Make a card, with a heading where it has a title."""
    head = (
        html.Div([dmc.Title(title, order=2, className="card-title"), aside], className="card-head")
        if title
        else None
    )
    given = {"className": f"card {props.pop('className', '')}".strip(), **props}
    return html.Section([head, *children], **given)


def message(level: str, title: Node, detail: Node = None, *, urgent: bool | None = None) -> Node:
    """Say that something is so.

    Args:
        level: error, warning or info.
        title: It in a few words.
        detail: More, and what to do.
        urgent: Whether a screen reader interrupts to say it; by default for errors.
    """
    role = "alert" if (level == "error" if urgent is None else urgent) else "status"
    return html.Div([html.Strong(title), html.Div(detail)], className=f"message {level}", role=role)


_TITLES = {
    403: "Not allowed",
    404: "Not found",
    409: "Not possible now",
    422: "Not accepted",
    429: "Full at the moment",
    507: "No room left",
}


def failure(error: ApiError, *, retry: bool = False, back: str = "", again: str = "") -> Node:
    """Say what the API answered instead of what was asked for, and what to do now.

    Args:
        error: What was raised.
        retry: Whether to offer asking again.
        back: An address to go to instead, for what does not exist.
        again: An address to load anew, where the page has been changed since it was asked for.
    """
    actions: list[Node] = []
    if isinstance(error, Refused) and error.signed_out:
        # signed_out.js makes the link one that leads back to this page
        actions.append(
            html.A(
                "Sign in",
                href="/sign-in",
                className="link-button primary",
                **attributes(data_sign_in="true"),
            )
        )
        title = "You are signed out"
        detail: list[Node] = [html.P(str(error))]
    elif isinstance(error, Away):
        hint = "Nothing is lost. See that it runs, then try again."
        detail = [html.P(str(error)), html.P(hint)]
        title = "The platform does not answer"
    else:
        status = error.status if isinstance(error, Refused) else 0
        title = _TITLES.get(status, "That did not work")
        detail = [html.P(str(error))]
        if status == httpx.codes.NOT_FOUND and back:
            retry, again = False, ""
            actions.append(link_button("Back to the list", back))
    if retry:
        actions.append(dmc.Button("Try again", id={"part": "retry", "index": 0}, variant="default"))
    if again:
        # not Dash's own link: to it the address may be the one that is shown
        actions.append(html.A("Try again", href=again, className="link-button"))
    return message("error", title, [*detail, html.Div(actions, className="actions") if actions else None])


def empty(title: str, text: Node, *actions: Node) -> Node:
    """Say that there is nothing here yet, and what to do about it."""
    return html.Div(
        [
            dmc.Title(title, order=2, className="empty-title"),
            html.P(text),
            html.Div(list(actions), className="actions"),
        ],
        className="empty",
    )


def facts(pairs: Sequence[tuple[str, Node]]) -> Node:
    """List names and values."""
    return html.Dl(
        [html.Div([html.Dt(term), html.Dd(value)]) for term, value in pairs],
        className="facts",
    )


def table(
    header: Sequence[str | Node],
    rows: Sequence[Sequence[Node]],
    label: str,
    *,
    numeric: Sequence[int] = (),
    stacked: bool = False,
) -> Node:
    """Make a table that scrolls sideways by itself where it is too wide.

    Args:
        header: One heading a column.
        rows: Cells.
        label: What the table shows, for screen readers.
        numeric: Positions of the columns that are set flush right.
        stacked: Show each row as a block, with the headings beside the cells, where the screen is narrow.
    """

    def side(position: int) -> str:
        return "number" if position in numeric else ""

    return html.Div(
        html.Table(
            [
                html.Thead(
                    html.Tr([html.Th(text, className=side(i), scope="col") for i, text in enumerate(header)])
                ),
                html.Tbody(
                    [
                        html.Tr(
                            [
                                html.Td(
                                    cell,
                                    className=side(i),
                                    **(attributes(data_label=header[i]) if stacked else {}),
                                )
                                for i, cell in enumerate(row)
                            ]
                        )
                        for row in rows
                    ]
                ),
            ],
            className="table stacked" if stacked else "table",
        ),
        className="table-scroll",
        role="region",
        tabIndex=0,
        **attributes(aria_label=label),
    )


def when(text: str | None) -> Node:
    """Show a time as its distance, with the exact one on hover."""
    return html.Time(wording.ago(text), dateTime=text or "", title=wording.clock(text) if text else "")


def progress(value: float, label: str) -> Node:
    """Show a bar, value in per cent."""
    return dmc.Progress(value=value, size="sm", radius="xl", **attributes(aria_label=label))
