"""All workspaces, and a form for another with its first key; for whoever operates the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from client import Api, ApiError
from ui.pages.account_keys import shown_once
from ui.parts import Node, attributes, card, failure, message, name, table, when

if TYPE_CHECKING:
    from client.types import KeyWish

FIRST: KeyWish = {"name": "first key", "scopes": ["read", "write", "admin"], "expires_at": None}


def section(api: Api) -> Node:
    """Show the workspaces and the form."""
    return card(
        html.P("What is in one workspace does not exist for the others.", className="quiet"),
        html.Div(_table(api), id="workspaces-list", **attributes(aria_live="polite")),
        html.Div(
            [
                dmc.Title("Make a workspace", order=3, className="form-title"),
                dmc.TextInput(
                    id="workspace-name",
                    label="Name",
                    description="Its first key is made along with it",
                    inputProps={"maxLength": 100},
                    className="search",
                ),
                html.Div(dmc.Button("Make workspace", id="workspace-make"), className="actions"),
                html.Div(id="workspace-made", className="made"),
            ],
            className="key-form",
        ),
        title="Workspaces",
    )


def _table(api: Api) -> Node:
    rows = [
        [html.Div(name(one["name"]), className="cell-name"), html.Code(one["id"]), when(one["created_at"])]
        for one in api.workspaces()["items"]
    ]
    return table(("Name", "Id", "Made"), rows, "Workspaces", stacked=True)


def register(app: Dash, api: Api) -> None:
    """Make workspaces."""

    @app.callback(
        Output("workspace-made", "children"),
        Output("workspaces-list", "children"),
        Output("workspace-name", "value"),
        Output("workspace-name", "error"),
        Input("workspace-make", "n_clicks"),
        State("workspace-name", "value"),
        prevent_initial_call=True,
        running=[(Output("workspace-make", "loading"), True, False)],
    )
    def _make(_clicks: int | None, title: str | None) -> tuple[Any, ...]:
        wanted = (title or "").strip()
        if not wanted:
            return None, no_update, no_update, "Give it a name."
        try:
            made = api.make_workspace(wanted)
        except ApiError as error:
            return failure(error), no_update, no_update, None
        try:
            shown = shown_once(api.make_key({**FIRST, "workspace": made["id"]}), " of ", name(wanted))
        except ApiError as error:
            shown = _without_key(made["id"], error)
        return shown, _anew(api), "", None


def _anew(api: Api) -> Node:
    try:
        return _table(api)
    except ApiError as error:
        return failure(error, again="/account")


def _without_key(workspace: str, error: ApiError) -> Node:
    command = f"triptych keys create first --workspace {workspace}"
    words = html.P(["The workspace is there. A key for it: ", html.Code(command)])
    return message("error", "Its first key was not made", [html.P(str(error)), words])
