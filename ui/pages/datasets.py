"""Data sets: upload one, find one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.exceptions import PreventUpdate

from client import Api, ApiError
from ui.pages.lists import datasets_table, page_count, pages, way_back
from ui.parts import Node, attributes, card, failure, fingerprint, following, heading

if TYPE_CHECKING:
    from ui.routing import Query

PAGE_SIZE = 25


def layout(api: Api, query: Query) -> Node:
    """Give the page; the query may hold a search."""
    search = query.get("search", "")
    listed, count = _list(api, search, 1)
    return html.Div(
        [
            heading("Data sets"),
            dcc.Store(id="datasets-changed"),
            dcc.Store(id="datasets-seen", data=fingerprint(listed)),
            way_back(query, "Upload the table whose rows are to be predicted", "Back to the model"),
            # upload_panel.js fills it, and keeps an upload going when its page is left
            card(html.Div(id="upload-panel"), html.Div(id="upload-ready", hidden=True), title="Upload"),
            card(
                dmc.TextInput(
                    id="datasets-search",
                    label="Search by name",
                    value=search,
                    debounce=300,
                    inputProps={"type": "search"},
                    className="search",
                ),
                html.Div(
                    listed,
                    id="datasets-list",
                    **attributes(aria_live="polite"),
                    **following("dataset", "datasets-changed"),
                ),
                pages(count, "datasets-page"),
                title="All data sets",
            ),
        ]
    )


def register(app: Dash, api: Api) -> None:
    """Search, turn pages, list anew when a data set has changed, and hand the upload panel to its script."""

    @app.callback(
        Output("datasets-list", "children"),
        Output("datasets-page", "total"),
        Output("datasets-page", "value"),
        Output("datasets-seen", "data"),
        Input("datasets-search", "value"),
        Input("datasets-page", "value"),
        Input("datasets-changed", "data"),
        State("datasets-seen", "data"),
        prevent_initial_call=True,
    )
    def _find(
        search: str | None, page: int | None, _changed: object, seen: str
    ) -> tuple[Node, int, int, str]:
        wanted = 1 if ctx.triggered_id == "datasets-search" else page or 1
        try:
            listed, count = _list(api, search or "", wanted)
        except ApiError as error:
            return failure(error), 1, 1, ""
        if ctx.triggered_id == "datasets-changed" and fingerprint(listed) == seen:
            raise PreventUpdate
        return listed, count, wanted, fingerprint(listed)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "mountUpload"),
        Output("upload-ready", "children"),
        Input("upload-panel", "id"),
        State("location", "pathname"),
    )


def _list(api: Api, search: str, page: int) -> tuple[Node, int]:
    found = api.datasets(page=page, page_size=PAGE_SIZE, search=search)
    count = page_count(found["total"], PAGE_SIZE)
    if found["items"]:
        return datasets_table(found["items"]), count
    text = (
        f"No name holds “{search}”." if search else "Nothing here yet. Your first upload will be listed here."
    )
    return html.P(text, className="quiet", dir="auto"), count
