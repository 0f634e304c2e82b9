"""One job. The server gives the frame and what the API keeps; live.js fills in what the event stream pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
import plotly
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.fingerprint import build_fingerprint

from ui import wording
from ui.api import Api, ApiError
from ui.pages import job_result
from ui.parts import Node, card, facts, failure, heading, link_button, name, state_badge, when

if TYPE_CHECKING:
    from ui.api import JSON

CHARTS = (("loss", "Loss"), ("accuracy", "Accuracy"), ("macro_f1", "Macro F1"))


def layout(api: Api, job_id: str) -> Node:
    """Give the page."""
    job = api.job(job_id)
    result = job_result.result(api, job)
    return html.Div(
        [
            # live.js opens the stream when this is set; a new attempt sets it again
            dcc.Store(id="live-job", data={"id": job_id, "attempt": job["attempt"], "state": job["state"]}),
            dcc.Store(id="job-changed"),
            html.Div(id="live-mounted", hidden=True),
            heading(name(job["name"]), about=_about(job), actions=_actions(job)),
            html.Div(_state(job), id="job-state", className="job-state", **{"aria-live": "polite"}),
            html.Div(id="job-action-error"),
            _progress(),
            html.Div([_chart(key, title) for key, title in CHARTS], className="charts"),
            html.Div(result.figures, id="job-figures"),
            html.Div([_matrix(), html.Div(result.report, id="job-report")], className="result"),
            html.Div(result.artifacts, id="job-artifacts"),
            html.Div(
                [
                    html.Div(html.Div(_details(job), id="job-details"), className="wide"),
                    _log(),
                ],
                className="job-bottom",
            ),
        ],
        id="job-page",
        **{"data-plotly": _plotly_address()},
    )


def _plotly_address() -> str:
    # with a fingerprint Dash lets browsers keep it; charts.js loads it only where there is a chart
    file = build_fingerprint("package_data/plotly.min.js", plotly.__version__, 0)
    return f"/_dash-component-suites/plotly/{file}"


def _about(job: JSON) -> Node:
    return [
        dmc.Anchor(name(job["dataset_name"]), href=f"/datasets/{job['dataset_id']}"),
        f" · {job['model']} · predicts ",
        name(job["target"] or "–"),
        " · created ",
        when(job["created_at"]),
    ]


def _actions(job: JSON) -> list[Node]:
    shown = visible_actions(job["state"])
    return [
        link_button("New job on this data", f"/jobs/new?dataset={job['dataset_id']}"),
        dmc.Button("Start", id="job-start-now", style=_shown(shown["start"])),
        dmc.Button("Retry", id="job-retry", style=_shown(shown["retry"])),
        dmc.Button("Cancel job", id="job-cancel", color="red", variant="outline", style=_shown(shown["cancel"])),
    ]


def visible_actions(state: str) -> dict[str, bool]:
    """Say which buttons make sense in a state."""
    return {
        "start": state == "created",
        "retry": state in wording.RETRYABLE,
        "cancel": state in wording.ACTIVE,
    }


def _shown(visible: bool) -> dict[str, str]:  # noqa: FBT001 - it is the only argument
    return {} if visible else {"display": "none"}


def _state(job: JSON) -> Node:
    attempt = html.Span(f"attempt {job['attempt']}", className="quiet") if job["attempt"] > 1 else None
    return [
        state_badge(job["state"], size="lg"),
        html.Span(job["reason"] or "", className="reason", dir="auto"),
        attempt,
        html.Span("connecting…", id="live-connection", className="connection", role="status"),
    ]


def _progress() -> Node:
    return card(
        html.Div(
            [
                html.Strong("Waiting for the trainer", id="live-phase"),
                html.Span(id="live-eta", className="quiet"),
            ],
            className="split",
        ),
        html.Div(
            html.Div(id="live-bar-fill", className="follow-fill"),
            id="live-bar",
            className="follow-bar",
            role="progressbar",
            **{"aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0", "aria-label": "Progress of the phase"},
        ),
        html.Div(
            [html.Span(id="live-message", className="quiet", dir="auto"), html.Span(id="live-system", className="quiet")],
            className="split",
        ),
        id="live-progress",
        className="progress-card",
    )


def _chart(key: str, title: str) -> Node:
    return card(
        html.Div(id=f"chart-{key}", className="chart", role="img", **{"aria-label": f"{title} over epochs"}),
        title=title,
        aside=html.Span(id=f"chart-{key}-now", className="chart-now"),
        className="chart-card",
    )


def _matrix() -> Node:
    return card(
        html.Div(id="live-matrix", className="matrix"),
        html.P("The first validation pass has not ended yet.", id="live-matrix-note", className="quiet"),
        title="Confusion matrix",
    )


def _details(job: JSON) -> Node:
    return [job_result.timeline(job), _settings(job)]


def _settings(job: JSON) -> Node:
    settings = dict(job["settings"])
    features, types = settings.pop("feature_columns", None) or [], settings.pop("column_types", None) or {}
    params, resources = settings.pop("params", None) or {}, settings.pop("resources", None) or {}
    plain = {key: value for key, value in {**settings, **params, **resources}.items() if value is not None}
    pairs: list[tuple[str, Node]] = [(key.replace("_", " "), name(str(value))) for key, value in plain.items()]
    listed = [html.Li([name(column), html.Span(f" {types[column]}", className="quiet") if column in types else None]) for column in features]
    return card(
        facts([("launcher", job.get("launcher") or "–"), ("handle", name(str(job.get("handle") or "–"))), *pairs]),
        html.Details([html.Summary(f"{len(features)} columns to learn from"), html.Ul(listed, className="column-names")]) if listed else None,
        title="Settings",
    )


def _log() -> Node:
    return card(
        html.Pre("", id="live-log", className="log", tabIndex=0, role="log", dir="ltr", **{"aria-label": "Log", "aria-live": "off"}),
        html.P("", id="live-log-note", className="quiet"),
        title="Log",
        aside=dmc.Button("Refresh", id="live-log-refresh", size="xs", variant="default"),
        className="wide",
    )


def register(app: Dash, api: Api) -> None:
    """Start, cancel and retry; show anew what the API keeps when the stream says that it changed."""

    @app.callback(
        Output("job-action-error", "children"),
        Output("live-job", "data"),
        Output("job-changed", "data", allow_duplicate=True),
        Input("job-start-now", "n_clicks"),
        Input("job-retry", "n_clicks"),
        Input("job-cancel", "n_clicks"),
        State("live-job", "data"),
        prevent_initial_call=True,
        running=[(Output(button, "disabled"), True, False) for button in ("job-start-now", "job-retry", "job-cancel")],
    )
    def _act(_start: Any, _retry: Any, _cancel: Any, live: JSON) -> tuple[Node, Any, Any]:
        action = {"job-start-now": "start", "job-retry": "retry", "job-cancel": "cancel"}.get(str(ctx.triggered_id))
        if action is None or not ctx.triggered[0]["value"]:
            return no_update, no_update, no_update
        try:
            job = api.act_on_job(live["id"], action)
        except ApiError as error:
            return failure(error), no_update, no_update
        stream = {"id": job["id"], "attempt": job["attempt"], "state": job["state"]}
        # the stream of an ended job is closed: a retry opens it again
        return None, stream if action == "retry" else no_update, f"{action} {job['attempt']} {job['state']}"

    @app.callback(
        Output("job-state", "children"),
        Output("job-figures", "children"),
        Output("job-report", "children"),
        Output("job-artifacts", "children"),
        Output("job-details", "children"),
        Output("job-start-now", "style"),
        Output("job-retry", "style"),
        Output("job-cancel", "style"),
        Input("job-changed", "data"),
        State("live-job", "data"),
        prevent_initial_call=True,
    )
    def _again(_changed: Any, live: JSON) -> tuple[Any, ...]:
        try:
            job = api.job(live["id"])
        except ApiError as error:
            return (no_update, failure(error), *[no_update] * 6)
        result = job_result.result(api, job)
        shown = visible_actions(job["state"])
        styles = [_shown(shown[action]) for action in ("start", "retry", "cancel")]
        return _state(job), result.figures, result.report, result.artifacts, _details(job), *styles

    app.clientside_callback(
        ClientsideFunction("triptych", "mountJob"), Output("live-mounted", "children"), Input("live-job", "data")
    )
