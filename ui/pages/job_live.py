"""The parts of a job's page that live.js, charts.js and log.js fill in; React never touches what is inside."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from ui import wording
from ui.parts import Node, attributes, card

LOGARITHMIC = ("loss", "learning_rate")  # what may fall by orders of magnitude
CHARTS = (("loss", "Loss"), ("accuracy", "Accuracy"), ("macro_f1", "Macro F1"))
_COME = "Curves and the confusion matrix come here once it trains."
# Why there are no curves, by the job's state; live.js takes the words from here too
NO_CURVES = {
    "created": f"The job has not been started. {_COME}",
    "queued": f"The job waits for a free place. {_COME}",
    "launching": f"The trainer is being started. {_COME}",
    "running": f"The trainer has not come to its first step. {_COME}",
    "interrupted": "It was interrupted before a first point came.",
    "ended": "It ended before a first point came, so there are no curves.",
    "reconnecting": "They cannot be fetched now. This page keeps trying.",
}


def hidden_places(state: str) -> str:
    """Give the classes of the page that hide what a job in a state has none of yet; live.js takes them away and sets them again."""
    return "no-curves no-machine no-matrix" if state in {"created", "queued", "launching"} else ""


def progress(state: str) -> Node:
    """Show where the trainer is, unless there is none to wait for."""
    idle = state == "created" or state in wording.ENDED
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
            **attributes(
                aria_valuemin="0", aria_valuemax="100", aria_valuenow="0", aria_label="Progress of the phase"
            ),
        ),
        html.Div(
            [
                html.Span(id="live-message", className="quiet", dir="auto"),
                html.Span(id="live-system", className="quiet"),
            ],
            className="split",
        ),
        id="live-progress",
        className="progress-card idle" if idle else "progress-card",
    )


MORE_CHARTS = (("learning_rate", "Learning rate"), ("machine", "Machine"))
OVER = {"machine": "time"}  # the others are over epochs


def charts(state: str) -> Node:
    """Give the places of all charts, and what is said in their place as long as there are no points."""
    none = html.P(
        NO_CURVES.get("ended" if state in wording.ENDED else state, NO_CURVES["running"]),
        id="live-no-curves",
        className="quiet",
        **attributes(**{f"data_{each}": text for each, text in NO_CURVES.items()}),
    )
    return [
        card(none, title="Curves", className="curves-none"),
        html.Div([chart(key, title) for key, title in CHARTS], className="charts of-training"),
        html.Div([chart(key, title) for key, title in MORE_CHARTS], className="charts"),
    ]


def chart(key: str, title: str) -> Node:
    """Give the place of one chart."""
    log = html.Button(
        "log", type="button", className="chart-toggle", title="Logarithmic scale",
        **attributes(aria_pressed="false", aria_label=f"{title} on a logarithmic scale", data_log_scale=key),
    )  # fmt: skip
    return card(
        html.Div(
            id=f"chart-{key}",
            className="chart",
            role="group",
            **attributes(aria_label=f"{title} over {OVER.get(key, 'epochs')}"),
        ),
        title=title,
        aside=html.Div(
            [html.Span(id=f"chart-{key}-now", className="chart-now"), log if key in LOGARITHMIC else None],
            className="chart-aside",
        ),
        className="chart-card of-machine" if key == "machine" else "chart-card of-training",
    )


def matrix() -> Node:
    """Give the place of the confusion matrix."""
    return card(
        html.Div(id="live-matrix", className="matrix"),
        html.P("The first validation pass has not ended yet.", id="live-matrix-note", className="quiet"),
        title="Confusion matrix",
        aside=html.Button(
            "shares",
            id="matrix-shares",
            type="button",
            className="chart-toggle",
            title="Write shares of the true class",
            **attributes(aria_pressed="false"),
        ),
    )


def log() -> Node:
    """Give the place of the log's tail."""
    return card(
        html.Pre(
            "",
            id="live-log",
            className="log",
            tabIndex=0,
            role="log",
            dir="ltr",
            **attributes(aria_label="Log", aria_live="off"),
        ),
        html.P("", id="live-log-note", className="quiet"),
        title="Log",
        aside=dmc.Button("Refresh", id="live-log-refresh", size="xs", variant="default"),
        className="wide",
    )
