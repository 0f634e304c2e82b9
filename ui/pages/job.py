"""One job. The server gives the frame and what the API keeps; live.js fills in what the event stream pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from client import Api, ApiError
from ui import findings, schema_form, wording
from ui.pages import job_live, job_result
from ui.pages.job_settings import LISTED, flat_settings
from ui.pages.new_job_request import titles
from ui.parts import (
    JSON,
    Node,
    attributes,
    card,
    facts,
    failure,
    heading,
    link_button,
    name,
    state_badge,
    when,
)

if TYPE_CHECKING:
    from client.types import JobDetail


def layout(api: Api, job_id: str) -> Node:
    """Give the page."""
    job = api.job(job_id)
    result = job_result.result(api, job)
    return html.Div(
        [
            # live.js opens the stream when this is set; a new attempt sets it again
            dcc.Store(id="live-job", data={"id": job_id, "attempt": job["attempt"], "state": job["state"]}),
            dcc.Store(id="job-changed"),
            dcc.Store(id="job-matrix", data=result.matrix),
            html.Div(id="job-matrix-shown", hidden=True),
            html.Div(id="live-mounted", hidden=True),
            heading(name(job["name"]), about=_about(job), actions=_actions(job)),
            # gets the focus when the job is cancelled
            html.Div(
                _state(job),
                id="job-state",
                className="job-state",
                tabIndex=-1,
                **attributes(aria_live="polite"),
            ),
            html.Div(id="job-action-error"),
            findings.kept(job["findings"]),
            job_live.progress(job["state"]),
            *job_live.charts(job["state"]),
            html.Div(result.figures, id="job-figures"),
            html.Div([job_live.matrix(), html.Div(result.report, id="job-report")], className="result"),
            html.Div(result.insight, id="job-insight"),
            html.Div(result.artifacts, id="job-artifacts"),
            html.Div(
                [
                    html.Div(html.Div(_details(job), id="job-details"), className="wide"),
                    job_live.log(),
                ],
                className="job-bottom",
            ),
        ],
        id="job-page",
        className=job_live.hidden_places(job["state"]),
    )


def _about(job: JobDetail) -> Node:
    return [
        dmc.Anchor(name(job["dataset_name"]), href=f"/datasets/{job['dataset_id']}"),
        f" · {job['model']} · predicts ",
        name(job["target"] or "–"),
        " · created ",
        when(job["created_at"]),
    ]


def _actions(job: JobDetail) -> list[Node]:
    shown = visible_actions(job["state"])
    return [
        html.Div(
            link_button("Try it", f"/jobs/{job['id']}/try", primary=True),
            id="job-try",
            style=_shown(shown["try"]),
        ),
        link_button("Compare", f"/jobs/compare?jobs={job['id']}"),
        link_button("New job like this", f"/jobs/new?from={job['id']}"),
        dmc.Button("Start", id="job-start-now", style=_shown(shown["start"])),
        dmc.Button("Retry", id="job-retry", style=_shown(shown["retry"])),
        html.Div(_cancel(), id="job-cancel-place", style=_shown(shown["cancel"])),
    ]


def _cancel() -> list[Node]:
    """Give the button that cancels, and what it asks first; cancel.js shows one of the two."""
    return [
        dmc.Button("Cancel job", id="job-cancel-ask", color="red", variant="outline"),
        html.Div(
            [
                html.Span("Cancel this job?"),
                dmc.Button("Keep it", id="job-cancel-not", variant="default"),
                dmc.Button("Yes, cancel", id="job-cancel", color="red", variant="outline"),
            ],
            id="job-cancel-sure",
            className="actions",
            hidden=True,
            role="group",
            **attributes(aria_label="Cancel this job?"),
        ),
    ]


def visible_actions(state: str) -> dict[str, bool]:
    """Say which buttons make sense in a state."""
    return {
        "start": state == "created",
        "retry": state in wording.RETRYABLE,
        "cancel": state in wording.ACTIVE,
        "try": state == "succeeded",
    }


def _shown(visible: bool) -> dict[str, str]:  # noqa: FBT001 - it is the only argument
    return {} if visible else {"display": "none"}


def _state(job: JobDetail) -> Node:
    attempt = None
    if job["attempt"] > 1:
        attempt = html.Span(
            f"attempt {job['attempt']} of {job['last_attempt']}",
            className="quiet",
            title=f"What ends by nobody's fault is tried again by itself, up to attempt {job['last_attempt']}.",
        )
    return [
        state_badge(job["state"], size="lg"),
        html.Span(job["reason"] or "", className="reason", dir="auto"),
        attempt,
        html.Span("connecting…", id="live-connection", className="connection", role="status"),
    ]


def _details(job: JobDetail) -> Node:
    return [job_result.timeline(job), _settings(job)]


def _settings(job: JobDetail) -> Node:
    features = job["settings"].get("feature_columns") or []
    types = job["settings"].get("column_types") or {}
    words = titles()
    pairs: list[tuple[str, Node]] = [
        (words.get(key) or schema_form.title(key), name(str(value)))
        for key, value in flat_settings(job).items()
        if key not in LISTED
    ]
    listed = [
        html.Li(
            [name(column), html.Span(f" {types[column]}", className="quiet") if column in types else None]
        )
        for column in features
    ]
    return card(
        facts(
            [
                ("launcher", job["launcher"] or "–"),
                ("id at the launcher", name(str(job["handle"] or "–"))),
                *pairs,
            ]
        ),
        html.Details(
            [
                html.Summary(f"{wording.plural(len(features), 'column')} to learn from"),
                html.Ul(listed, className="column-names"),
            ]
        )
        if listed
        else None,
        title="Settings",
    )


def register(app: Dash, api: Api) -> None:
    """Start, cancel and retry; show anew what the API keeps when the stream says that it changed."""
    actions = {
        "job-start-now": ("start", api.start_job),
        "job-retry": ("retry", api.retry_job),
        "job-cancel": ("cancel", api.cancel_job),
    }

    @app.callback(
        Output("job-action-error", "children"),
        Output("live-job", "data"),
        Output("job-changed", "data", allow_duplicate=True),
        Input("job-start-now", "n_clicks"),
        Input("job-retry", "n_clicks"),
        Input("job-cancel", "n_clicks"),
        State("live-job", "data"),
        prevent_initial_call=True,
        running=[
            (Output(button, "disabled"), True, False)
            for button in ("job-start-now", "job-retry", "job-cancel")
        ],
    )
    def _act(_start: Any, _retry: Any, _cancel: Any, live: JSON) -> tuple[Node, Any, Any]:
        pressed = str(ctx.triggered_id)
        if pressed not in actions or not ctx.triggered[0]["value"]:
            return no_update, no_update, no_update
        action, act = actions[pressed]
        try:
            job = act(live["id"])
        except ApiError as error:
            return failure(error), no_update, no_update
        stream = {"id": job["id"], "attempt": job["attempt"], "state": job["state"]}
        # the stream of an ended job is closed: a retry opens it again
        return None, stream if action == "retry" else no_update, f"{action} {job['attempt']} {job['state']}"

    @app.callback(
        Output("job-state", "children"),
        Output("job-figures", "children"),
        Output("job-report", "children"),
        Output("job-insight", "children"),
        Output("job-artifacts", "children"),
        Output("job-matrix", "data"),
        Output("job-details", "children"),
        Output("job-start-now", "style"),
        Output("job-retry", "style"),
        Output("job-cancel-place", "style"),
        Output("job-try", "style"),
        Input("job-changed", "data"),
        State("live-job", "data"),
        prevent_initial_call=True,
    )
    def _again(_changed: Any, live: JSON) -> tuple[Any, ...]:
        try:
            job = api.job(live["id"])
        except ApiError as error:
            return (no_update, failure(error), *[no_update] * 9)
        if job["state"] in wording.ENDED and (job["state"], job["attempt"]) == (
            live["state"],
            live["attempt"],
        ):
            return (
                no_update,
            ) * 11  # it had ended when the page was made: drawing it anew would fold what was unfolded
        result = job_result.result(api, job)
        shown = visible_actions(job["state"])
        styles = [_shown(shown[action]) for action in ("start", "retry", "cancel", "try")]
        parts = (result.figures, result.report, result.insight, result.artifacts, result.matrix)
        return _state(job), *parts, _details(job), *styles

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "mountJob"),
        Output("live-mounted", "children"),
        Input("live-job", "data"),
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "showFinalMatrix"),
        Output("job-matrix-shown", "children"),
        Input("job-matrix", "data"),
    )
