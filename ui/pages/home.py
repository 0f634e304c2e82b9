"""Home: what runs now, what ended last, and what to do first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from client import Api, ApiError
from ui import wording
from ui.pages.lists import FOLLOWED, datasets_table, jobs_table, running_card
from ui.parts import Node, card, empty, failure, fingerprint, following, heading, link_button

if TYPE_CHECKING:
    from client.types import DatasetSummary, JobPage

LATEST = 5
CARDS = 6  # of what runs or waits; the rest is a link
MOVING = "launching,running"


def layout(api: Api) -> Node:
    """Give the page."""
    content = _content(api)
    return html.Div(
        [
            dcc.Store(id="home-changed"),
            dcc.Store(id="home-seen", data=fingerprint(content)),
            html.Div(content, id="home-content", **following("job,dataset", "home-changed")),
        ]
    )


def register(app: Dash, api: Api) -> None:
    """Show it anew when a job or a data set has changed."""

    @app.callback(
        Output("home-content", "children"),
        Output("home-seen", "data"),
        Input("home-changed", "data"),
        State("home-seen", "data"),
        prevent_initial_call=True,
    )
    def _again(_changed: object, seen: str) -> tuple[Node, str]:
        try:
            content = _content(api)
        except ApiError as error:
            content = failure(error, retry=True)
        if (now := fingerprint(content)) == seen:
            raise PreventUpdate
        return content, now


def _content(api: Api) -> Node:
    moving, queued = (api.jobs(state=state, page_size=CARDS) for state in (MOVING, "queued"))
    ended = api.jobs(order="ended", page_size=LATEST)["items"]
    datasets = api.datasets(page_size=LATEST)
    started = bool(moving["total"] or queued["total"] or ended)
    if not datasets["total"] and not started:
        return _welcome()
    return [
        heading("Home", actions=[link_button("Upload data", "/datasets", primary=True, icon_name="upload")]),
        _running(moving, queued) if started else _train_first(datasets["items"]),
        card(jobs_table(ended), title="Ended last", aside=link_button("All jobs", "/jobs"))
        if ended
        else None,
        card(
            datasets_table(datasets["items"]),
            title="Newest data sets",
            aside=link_button("All data sets", "/datasets"),
        ),
    ]


def _running(moving: JobPage, queued: JobPage) -> Node:
    shown = [*moving["items"], *queued["items"]][:CARDS]
    if not shown:
        return card(html.P("Nothing runs.", className="quiet"), title="Running now")
    cards = [running_card(job, followed=i < FOLLOWED) for i, job in enumerate(shown)]
    total = moving["total"] + queued["total"]
    words = f"{wording.whole(moving['total'])} running, {wording.whole(queued['total'])} queued"
    more = link_button("All of them", f"/jobs?state={','.join(wording.ACTIVE)}")
    return card(
        html.Div(cards, className="running-list"),
        html.Div([html.Span(words, className="quiet"), more], className="split")
        if total > len(shown)
        else None,
        title="Running now",
    )


def _train_first(datasets: list[DatasetSummary]) -> Node:
    usable = [dataset for dataset in datasets if dataset["state"] != "rejected"]
    target = f"/jobs/new?dataset={usable[0]['id']}" if usable else "/jobs/new"
    text = "Pick a data set, choose the column to predict, and press start."
    return card(empty("Train your first model", text, link_button("New job", target, primary=True)))


def _welcome() -> Node:
    steps = (
        ("1", "Upload", "A CSV, and the images it names: as files, a folder or a zip."),
        ("2", "Check", "See what each column was taken for, and why. Change what is wrong."),
        ("3", "Train", "Pick the column to predict, press start, and watch it learn."),
    )
    return [
        html.Div(
            [
                html.H1("Train a classifier on your table", className="hero-title"),
                html.P(
                    "Text, numbers, categories and images in one model. Your data stays on your machines.",
                    className="hero-text",
                ),
                html.Div(
                    link_button("Upload data", "/datasets", primary=True, icon_name="upload"),
                    className="actions",
                ),
                html.P(
                    [
                        "No data at hand? Run ",
                        html.Code("make demo"),
                        " in a terminal: it makes a data set and trains on it.",
                    ],
                    className="quiet",
                ),
            ],
            className="hero",
        ),
        html.Ol(
            [
                html.Li([html.Span(number, className="step-number"), html.H2(title), html.P(text)])
                for number, title, text in steps
            ],
            className="steps",
        ),
    ]
