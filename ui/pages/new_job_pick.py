"""The first step of a new job where no data set is named: find one, or go and upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import Dash, Input, Output, ctx, html

from client import Api, ApiError
from ui import wording
from ui.pages.lists import page_count, pages
from ui.parts import Node, attributes, card, empty, failure, heading, link_button, name, state_badge

if TYPE_CHECKING:
    from client.types import DatasetPage, DatasetSummary

PAGE_SIZE = 25


def pick(api: Api) -> Node:
    """Give the page."""
    found = api.datasets(page_size=PAGE_SIZE)
    upload = link_button("Upload data", "/datasets", primary=not found["total"], icon_name="upload")
    if not found["total"]:
        text = "A job needs a data set: a CSV, and the images it names."
        return html.Div([heading("New job"), card(empty("Upload data first", text, upload))])
    return html.Div(
        [
            heading("New job", actions=[upload]),
            card(
                dmc.TextInput(
                    id="pick-search",
                    label="Search by name",
                    debounce=300,
                    inputProps={"type": "search", "maxLength": 300},
                    className="search",
                ),
                html.Div(_list(found, ""), id="pick-list", **attributes(aria_live="polite")),
                pages(page_count(found["total"], PAGE_SIZE), "pick-page"),
                title="Which data set?",
            ),
        ]
    )


def register(app: Dash, api: Api) -> None:
    """Search and turn pages."""

    @app.callback(
        Output("pick-list", "children"),
        Output("pick-page", "total"),
        Output("pick-page", "value"),
        Input("pick-search", "value"),
        Input("pick-page", "value"),
        prevent_initial_call=True,
    )
    def _find(search: str | None, page: int | None) -> tuple[Node, int, int]:
        wanted = 1 if ctx.triggered_id == "pick-search" else page or 1
        try:
            found = api.datasets(page=wanted, page_size=PAGE_SIZE, search=search or "")
        except ApiError as error:
            return failure(error), 1, 1
        return _list(found, search or ""), page_count(found["total"], PAGE_SIZE), wanted


def _list(found: DatasetPage, search: str) -> Node:
    if not found["items"]:
        return html.P(f"No name holds “{wording.isolated(search)}”.", className="quiet")
    return html.Ul([_item(dataset) for dataset in found["items"]], className="pick-list")


def _item(dataset: DatasetSummary) -> Node:
    size = f"{wording.plural(dataset['rows'], 'row')}, {wording.plural(dataset['n_columns'], 'column')}"
    rejected = dataset["state"] == "rejected"
    useless = rejected or (dataset["state"] == "ready" and not dataset["rows"])
    # one that cannot be used leads to the page that says why
    href = f"/datasets/{dataset['id']}" if useless else f"/jobs/new?dataset={dataset['id']}"
    return html.Li(
        [
            dmc.Anchor(name(dataset["name"]), href=href, className="row-link"),
            state_badge("rejected") if rejected else html.Span(size, className="quiet pick-size"),
        ]
    )
