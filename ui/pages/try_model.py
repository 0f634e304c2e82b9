"""Try a trained model: a row from a form, or a whole data set; the answer comes from a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import dash_mantine_components as dmc
from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from client import Api, ApiError
from contracts.schema import ColumnType
from ui import wording
from ui.choices import search_choices
from ui.pages import try_form, try_result
from ui.parts import JSON, Node, attributes, card, empty, failure, heading, link_button, name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client.types import DatasetPreview, EffectiveColumn, PredictionWish
    from ui.routing import Query


class Example(TypedDict):
    """A row to fill the form in with."""

    row: Mapping[str, str | None]
    pictures: Mapping[str, str | None]


NO_EXAMPLE: Example = {"row": {}, "pictures": {}}
EXAMPLES = 20
OFFERED = 50  # data sets to choose from at a time, newest first; a search finds the others
EARLIER = 10


def layout(api: Api, job_id: str, query: Query) -> Node:
    """Give the page; the query may name a prediction to show."""
    job = api.job(job_id)
    title = "Try the model"
    if job["state"] != "succeeded":
        text = f"This job is {wording.state(job['state'])}; only one that succeeded leaves a model."
        return [
            heading(title),
            card(empty("There is no model yet", text, link_button("To the job", f"/jobs/{job_id}"))),
        ]
    schema, preview = api.schema(job["dataset_id"]), api.preview(job["dataset_id"], rows=EXAMPLES)
    columns = try_form.columns_of(job, schema)
    examples = _examples(preview)
    asked = query.get("prediction")
    return html.Div(
        [
            dcc.Store(id="try-job", data=job_id),
            dcc.Store(id="try-columns", data=columns),
            dcc.Store(id="try-examples", data=examples),
            # predict.js watches the prediction that is put here and says when it has ended
            dcc.Store(id="try-asked", data={"id": asked} if asked else None),
            dcc.Store(id="try-ended"),
            html.Div(id="try-watched", hidden=True),
            heading(
                title,
                about=[
                    "of ",
                    dmc.Anchor(name(job["name"]), href=f"/jobs/{job_id}"),
                    " · predicts ",
                    name(job["target"]),
                ],
            ),
            html.Div(
                [
                    html.Div(
                        [_form(columns, examples), _table(api, job_id, query.get("dataset"))],
                        className="try-questions",
                    ),
                    html.Div(
                        [
                            html.Div("", id="try-state", className="quiet", role="status"),
                            html.Div(_nothing(), id="try-result"),
                            card(
                                html.Div(_earlier(api, job_id), id="try-earlier"),
                                title="Predictions so far",
                            ),
                        ],
                        className="try-answers",
                        role="region",
                        tabIndex=0,  # it scrolls by itself
                        **attributes(aria_label="Answers"),
                    ),
                ],
                className="try",
            ),
        ]
    )


def _examples(preview: DatasetPreview) -> list[Example]:
    """Give the first rows with the thumbnails of their images."""
    return [
        {"row": dict(zip(preview["columns"], row, strict=True)), "pictures": pictures}
        for row, pictures in zip(preview["rows"], preview["thumbnails"], strict=True)
    ]


def _form(columns: list[EffectiveColumn], examples: list[Example]) -> Node:
    first = examples[0] if examples else NO_EXAMPLE
    choices = [{"value": str(place), "label": f"row {place}"} for place in range(len(examples))]
    return card(
        html.Div(try_form.fields(columns, first["row"], first["pictures"]), id="try-fields"),
        html.Div(id="try-error"),
        html.Div(dmc.Button("Predict", id="try-go"), className="actions"),
        title="One row",
        aside=dmc.Select(
            id="try-example",
            data=[*choices, {"value": "", "label": "nothing"}],
            value="0" if examples else "",
            allowDeselect=False,
            size="xs",
            label="Filled in with",
            className="try-example",
        ),
    )


def _table(api: Api, job_id: str, chosen: str | None) -> Node:
    choices = _choices(api, "")
    return card(
        html.P(
            [
                "Columns are found by their names; one that is absent counts as missing. ",
                dmc.Anchor("Upload another table", href=f"/datasets?then=/jobs/{job_id}/try"),
            ],
            className="quiet",
        ),
        html.Div(
            [
                dmc.Select(
                    id="try-dataset",
                    label="Data set",
                    data=choices,
                    value=chosen if any(each["value"] == chosen for each in choices) else None,
                    searchable=True,
                    searchValue="",
                    nothingFoundMessage="There is none by that name",
                    placeholder="choose one",
                ),
                dmc.Checkbox(
                    id="try-contributions", label="Say what each kind of data contributed (takes longer)"
                ),
            ],
            className="stack-form",
        ),
        html.Div(id="try-table-error"),
        html.Div(dmc.Button("Predict all rows", id="try-table-go", variant="default"), className="actions"),
        title="A whole table",
    )


def _choices(api: Api, search: str) -> list[JSON]:
    found = api.datasets(page_size=OFFERED, search=search)["items"]
    return [
        {"value": each["id"], "label": f"{each['name']} ({wording.plural(each['rows'], 'row')})"}
        for each in found
        if each["state"] != "rejected"
    ]


def _nothing() -> Node:
    text = "The model's answer is shown here: the class, the probability of each, and what spoke for it."
    return card(html.P(text, className="quiet"), title="Prediction")


def _earlier(api: Api, job_id: str) -> Node:
    return try_result.earlier(api.predictions(job=job_id, page_size=EARLIER)["items"], job_id)


def register(app: Dash, api: Api) -> None:
    """Fill in an example, ask for a prediction, and show its end."""
    _register_questions(app, api)
    search_choices(app, "try-dataset", lambda typed: _choices(api, typed))
    _register_answer(app, api)


def _register_questions(app: Dash, api: Api) -> None:
    @app.callback(
        Output("try-fields", "children"),
        Input("try-example", "value"),
        State("try-columns", "data"),
        State("try-examples", "data"),
        prevent_initial_call=True,
    )
    def _fill(place: str, columns: list[EffectiveColumn], examples: list[Example]) -> Node:
        example = examples[int(place)] if place else NO_EXAMPLE
        return try_form.fields(columns, example["row"], example["pictures"])

    @app.callback(
        Output("try-asked", "data", allow_duplicate=True),
        Output("try-error", "children"),
        Output({"form": "try-note", "field": ALL}, "children", allow_duplicate=True),
        Input("try-go", "n_clicks"),
        State({"form": "try", "field": ALL}, "value"),
        State({"form": "try-image", "field": ALL}, "contents"),
        State({"form": "try-image", "field": ALL}, "filename"),
        State({"form": "try-note", "field": ALL}, "id"),
        State("try-example", "value"),
        State("try-columns", "data"),
        State("try-examples", "data"),
        State("try-job", "data"),
        prevent_initial_call=True,
        running=[(Output("try-go", "loading"), True, False)],
    )
    def _ask(
        clicks: int | None,
        _typed: list[str],
        _sent: list[str],
        _files: list[str],
        beside: list[JSON],
        place: str,
        columns: list[EffectiveColumn],
        examples: list[Example],
        job_id: str,
    ) -> tuple[Any, Node, list[Any]]:
        if not clicks:
            return no_update, no_update, [no_update] * len(beside)
        typed, sent, files = (
            {each["id"]["field"]: each.get("value") for each in some} for some in ctx.states_list[:3]
        )
        # what was said of a file that was not taken stays until another one is
        kept = {column["name"] for column in columns if column["type"] == ColumnType.IMAGE.value}
        said = try_form.problems(columns, typed)
        notes = [no_update if each["field"] in kept else said.get(each["field"]) for each in beside]
        if said:
            told = html.P("See what is said beside the fields.", className="field-error", role="alert")
            return no_update, told, notes
        example = (examples[int(place)] if place else NO_EXAMPLE)["row"]
        row, images = try_form.row_of(columns, example, typed, sent, files)
        wish: PredictionWish = {"job_id": job_id, "rows": [row], "images": images, "contributions": True}
        asked, problem = _asked(api, wish)
        return {**asked, "of_form": True} if problem is None else asked, problem, notes

    @app.callback(
        Output("try-asked", "data", allow_duplicate=True),
        Output("try-table-error", "children"),
        Input("try-table-go", "n_clicks"),
        State("try-dataset", "value"),
        State("try-contributions", "checked"),
        State("try-job", "data"),
        prevent_initial_call=True,
        running=[(Output("try-table-go", "loading"), True, False)],
    )
    def _ask_all(
        clicks: int | None, dataset_id: str | None, contributions: Any, job_id: str
    ) -> tuple[Any, Node]:
        if not clicks:
            return no_update, no_update
        if not dataset_id:
            return no_update, html.P("Choose a data set first.", className="field-error", role="alert")
        return _asked(api, {"job_id": job_id, "dataset_id": dataset_id, "contributions": bool(contributions)})

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "showPicture"),
        Output({"form": "try-picture", "field": MATCH}, "src"),
        Output({"form": "try-picture", "field": MATCH}, "data-empty"),
        Input({"form": "try-image", "field": MATCH}, "contents"),
        prevent_initial_call=True,
    )


def _asked(api: Api, wish: PredictionWish) -> tuple[Any, Node]:
    """Ask for a prediction; give what to watch, and what went wrong."""
    try:
        return {"id": api.predict(wish)["id"]}, None
    except ApiError as error:
        return no_update, failure(error)


def _register_answer(app: Dash, api: Api) -> None:
    @app.callback(
        Output("try-result", "children"),
        Output("try-earlier", "children"),
        Output({"form": "try-note", "field": ALL}, "children"),
        Input("try-ended", "data"),
        State("try-job", "data"),
        State("try-asked", "data"),
        State("try-columns", "data"),
        State({"form": "try-note", "field": ALL}, "id"),
        prevent_initial_call=True,
    )
    def _show(
        prediction_id: str,
        job_id: str,
        asked: JSON | None,
        columns: list[EffectiveColumn],
        beside: list[JSON],
    ) -> tuple[Node, Node, list[Any]]:
        try:
            prediction = api.prediction(prediction_id)
            found = None
            if prediction["state"] == "succeeded":
                found = api.predicted_rows(prediction_id, limit=try_result.SHOWN_ROWS)
            # an earlier prediction's notes are of another row than the form's
            of_form = asked == {"id": prediction_id, "of_form": True}
            told = try_form.notes_beside(columns, prediction["notes"]) if of_form else {}
            notes = [told.get(each["field"]) for each in beside]
            return try_result.result(prediction, found), _earlier(api, job_id), notes
        except ApiError as error:
            return failure(error), no_update, [no_update] * len(beside)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "watchPrediction"),
        Output("try-watched", "children"),
        Input("try-asked", "data"),
    )
