"""Jobs: any of them found by name and state, the newest first or those that ended last. The address keeps what was looked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.exceptions import PreventUpdate

from client import Api, ApiError
from ui import wording
from ui.pages.lists import jobs_table, page_count, pages
from ui.parts import Node, card, empty, failure, fingerprint, following, heading, link_button, name

if TYPE_CHECKING:
    from ui.routing import Query

PAGE_SIZE = 25
UNDER_WAY = ",".join(wording.ACTIVE)
STATES = ("created", *wording.ACTIVE, *wording.ENDED)
CHOICES = (
    {"value": "", "label": "any state"},
    {"value": UNDER_WAY, "label": "under way"},
    *({"value": each, "label": wording.state(each)} for each in STATES),
)
ORDERS = ({"value": "", "label": "newest first"}, {"value": "ended", "label": "last ended first"})


@dataclass(frozen=True)
class Wanted:
    """What is looked for, as the address has it."""

    search: str = ""
    state: str = ""
    dataset: str = ""
    order: str = ""
    page: int = 1

    @property
    def address(self) -> str:
        """Give the address of this list."""
        given = {key: value for key, value in asdict(self).items() if value not in ("", 1)}
        return "/jobs" + (f"?{urlencode(given)}" if given else "")


def layout(api: Api, query: Query) -> Node:
    """Give the page; the query may hold a search, a state, a data set's id, an order and a page."""
    page = query.get("page", "")
    wanted = Wanted(
        query.get("search", ""),
        query.get("state", ""),
        query.get("dataset", ""),
        "ended" if query.get("order") == "ended" else "",
        max(1, int(page)) if page.isascii() and page.isdigit() else 1,
    )
    listed, count = _list(api, wanted)
    return html.Div(
        [
            heading(
                "Jobs",
                about=_about(api, wanted.dataset),
                actions=[
                    link_button("Compare", "/jobs/compare"),
                    link_button("New job", "/jobs/new", primary=True),
                ],
            ),
            dcc.Store(id="jobs-changed"),
            dcc.Store(id="jobs-seen", data=fingerprint(listed)),
            dcc.Store(id="jobs-dataset", data=wanted.dataset),
            dcc.Store(id="jobs-address"),
            html.Div(id="jobs-address-kept", hidden=True),
            card(
                html.Div(
                    [
                        dmc.TextInput(
                            id="jobs-search",
                            label="Search by name",
                            description="Of the job, or of its data set",
                            value=wanted.search,
                            debounce=300,
                            inputProps={"type": "search", "maxLength": 300},
                        ),
                        dmc.Select(
                            id="jobs-state",
                            label="State",
                            data=list(CHOICES),
                            value=wanted.state,
                            allowDeselect=False,
                        ),
                        dmc.Select(
                            id="jobs-order",
                            label="Order",
                            data=list(ORDERS),
                            value=wanted.order,
                            allowDeselect=False,
                        ),
                    ],
                    className="controls filters",
                ),
                html.Div(listed, id="jobs-list", **following("job", "jobs-changed")),
                pages(count, "jobs-page", wanted.page),
            ),
        ]
    )


def register(app: Dash, api: Api) -> None:
    """Search, filter, turn pages, and list anew when a job has changed."""

    @app.callback(
        Output("jobs-list", "children"),
        Output("jobs-page", "total"),
        Output("jobs-page", "value"),
        Output("jobs-address", "data"),
        Output("jobs-seen", "data"),
        Input("jobs-search", "value"),
        Input("jobs-state", "value"),
        Input("jobs-order", "value"),
        Input("jobs-page", "value"),
        Input("jobs-changed", "data"),
        Input("jobs-dataset", "data"),
        State("jobs-seen", "data"),
        prevent_initial_call=True,
    )
    def _find(
        search: str | None,
        state: str | None,
        order: str | None,
        page: int | None,
        _changed: object,
        dataset_id: str,
        seen: str,
    ) -> tuple[Node, int, int, str, str]:
        anew = ctx.triggered_id in {"jobs-search", "jobs-state", "jobs-order"}
        wanted = Wanted(search or "", state or "", dataset_id or "", order or "", 1 if anew else page or 1)
        try:
            listed, count = _list(api, wanted)
        except ApiError as error:
            return failure(error, again=wanted.address), 1, 1, wanted.address, ""
        if ctx.triggered_id == "jobs-changed" and fingerprint(listed) == seen:
            raise PreventUpdate
        return listed, count, wanted.page, wanted.address, fingerprint(listed)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "keepAddress"),
        Output("jobs-address-kept", "children"),
        Input("jobs-address", "data"),
        prevent_initial_call=True,
    )


def _about(api: Api, dataset_id: str) -> Node:
    if not dataset_id:
        return None
    dataset = api.dataset(dataset_id)
    of = dmc.Anchor(name(dataset["name"]), href=f"/datasets/{dataset['id']}")
    return ["of ", of, " · ", dmc.Anchor("show all jobs", href="/jobs")]


def _list(api: Api, wanted: Wanted) -> tuple[Node, int]:
    found = api.jobs(
        page=wanted.page,
        page_size=PAGE_SIZE,
        search=wanted.search,
        state=wanted.state,
        dataset_id=wanted.dataset,
        order=wanted.order,
    )
    count = page_count(found["total"], PAGE_SIZE)
    if found["items"]:
        total = html.P(wording.plural(found["total"], "job"), className="quiet", role="status")
        return [total, jobs_table(found["items"])], count
    if found["total"]:
        return html.P(
            f"There are only {wording.plural(count, 'page')}.", className="quiet", role="status"
        ), count
    if wanted.search or wanted.state or wanted.order:
        return html.P(_none(wanted), className="quiet", role="status"), count
    target = f"/jobs/new?dataset={wanted.dataset}" if wanted.dataset else "/jobs/new"
    text = "A job trains one model on one data set."
    return empty("No jobs yet", text, link_button("New job", target, primary=True)), count


def _none(wanted: Wanted) -> str:
    label = next((each["label"] for each in CHOICES if each["value"] == wanted.state), wanted.state)
    state = " and".join([f" is {label}"] * bool(wanted.state) + [" has ended"] * bool(wanted.order))
    named = (
        f" whose name, or whose data set's, holds “{wording.isolated(wanted.search)}”"
        if wanted.search
        else ""
    )
    return f"No job{named}{state}." if state else f"There is no job{named}."
