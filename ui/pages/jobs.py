"""Jobs: all of them, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import Dash, Input, Output, ctx, dcc, html

from ui import wording
from ui.api import Api, ApiError
from ui.pages.lists import jobs_table, page_count, pages
from ui.parts import Node, attributes, card, empty, failure, heading, link_button

if TYPE_CHECKING:
    from ui.routing import Query

PAGE_SIZE = 25
STATES = ("created", *wording.ACTIVE, *wording.ENDED)


def layout(api: Api, query: Query) -> Node:
    """Give the page; the query may hold a state and a data set's id."""
    state, dataset_id = query.get("state", ""), query.get("dataset", "")
    listed, count = _list(api, state, dataset_id, 1)
    choices = [{"value": "", "label": "any state"}]
    choices += [{"value": each, "label": wording.state(each)} for each in STATES]
    return html.Div(
        [
            heading(
                "Jobs",
                actions=[
                    link_button("Compare", "/jobs/compare"),
                    link_button("New job", "/jobs/new", primary=True),
                ],
            ),
            dcc.Store(id="jobs-changed"),
            dcc.Store(id="jobs-dataset", data=dataset_id),
            card(
                dmc.Select(
                    id="jobs-state",
                    label="State",
                    data=choices,
                    value=state,
                    allowDeselect=False,
                    className="search",
                ),
                html.Div(listed, id="jobs-list", **attributes(data_live_list="jobs-changed")),
                pages(count, "jobs-page"),
            ),
        ]
    )


def register(app: Dash, api: Api) -> None:
    """Filter, turn pages, and list anew when a followed job changes its state."""

    @app.callback(
        Output("jobs-list", "children"),
        Output("jobs-page", "total"),
        Output("jobs-page", "value"),
        Input("jobs-state", "value"),
        Input("jobs-page", "value"),
        Input("jobs-changed", "data"),
        Input("jobs-dataset", "data"),
        prevent_initial_call=True,
    )
    def _find(
        state: str | None, page: int | None, _changed: object, dataset_id: str
    ) -> tuple[Node, int, int]:
        wanted = 1 if ctx.triggered_id == "jobs-state" else page or 1
        try:
            return *_list(api, state or "", dataset_id, wanted), wanted
        except ApiError as error:
            return failure(error), 1, 1


def _list(api: Api, state: str, dataset_id: str, page: int) -> tuple[Node, int]:
    found = api.jobs(page=page, page_size=PAGE_SIZE, state=state, dataset_id=dataset_id)
    count = page_count(found["total"], PAGE_SIZE)
    if found["items"]:
        return jobs_table(found["items"]), count
    if state:
        return html.P(f"No job is {wording.state(state)}.", className="quiet"), count
    text = "A job trains one model on one data set."
    return empty("No jobs yet", text, link_button("New job", "/jobs/new", primary=True)), count
