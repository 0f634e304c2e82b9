"""Routes of predictions with trained models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.events import PredictionRequested
from contracts.topology import API, PREDICTOR
from runtime import deliveries, log
from runtime.arguments import Blueprint
from runtime.errors import Conflict, Invalid
from services.api import datasets, inline, jobs, predictions
from services.api.context import listed
from services.api.deadletters import words_of
from services.api.downloads import FILE, LOCATION, send
from services.api.files import look_twice
from services.api.routes_datasets import full_disk_is
from services.api.wire import errors as wire_errors
from services.api.wire import predictions as wire_predictions
from tabular.images import ImageIndex

if TYPE_CHECKING:
    from flask import Response

    from runtime.storage import ObjectStore
    from services.api.context import Context
    from services.api.models import Prediction


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "predictions", __name__, url_prefix="/api/predictions", description="What trained models say of rows"
    )
    db = context.db

    @routes.post("/")
    @routes.arguments(wire_predictions.PredictionWish)
    @routes.response(202, wire_predictions.Prediction)
    @routes.alt_response(409, schema=wire_errors.Problem, description="The job has no model")
    @routes.alt_response(422, schema=wire_errors.Problem, description="A column or image is not one")
    @routes.alt_response(429, schema=wire_errors.Problem, description="Too many wait; see Retry-After")
    def create(wish: dict[str, Any]) -> Prediction:
        """Predict rows sent along, or all rows of a data set, which may still be on its way."""
        if (wish["rows"] is None) == (wish["dataset_id"] is None):
            raise Invalid("Give either `rows` or `dataset_id`.")
        context.quotas.admit_event(PredictionRequested.NAME)
        return _of_dataset(context, wish) if wish["rows"] is None else _of_rows(context, wish)

    @routes.get("/")
    @routes.arguments(wire_predictions.PredictionQuery, location="query")
    @routes.response(200, wire_predictions.PredictionPage)
    def list_predictions(query: dict[str, Any]) -> dict[str, Any]:
        """List predictions."""
        part = context.part(query)
        with db.read() as session:
            return listed(
                part, predictions.page(session, job_id=query["job"], state=query["state"], part=part)
            )

    @routes.get("/<prediction_id>/")
    @routes.response(200, wire_predictions.Prediction)
    def show(prediction_id: str) -> dict[str, Any]:
        """Show how far a prediction is."""
        with db.read() as session:
            prediction = predictions.get(session, prediction_id)
            is_open = prediction.state in predictions.OPEN
            stuck = deliveries.stuck(session, prediction_id, (API, PREDICTOR)) if is_open else []
            columns = {column.key: getattr(prediction, column.key) for column in prediction.__table__.columns}
            return {**columns, "reason": prediction.reason or words_of(stuck)}

    @routes.get("/<prediction_id>/rows/")
    @routes.arguments(wire_predictions.RowsQuery, location="query")
    @routes.response(200, wire_predictions.PredictedRows)
    @routes.alt_response(409, schema=wire_errors.Problem, description="It has not succeeded")
    def show_rows(query: dict[str, Any], prediction_id: str) -> dict[str, Any]:
        """Show the first rows of a result."""
        with db.read() as session:
            prediction = predictions.get(session, prediction_id)
        return predictions.head(context.store, prediction, query["limit"])

    @routes.get("/<prediction_id>/predictions.csv")
    @routes.alt_response(200, schema=FILE, content_type="application/octet-stream", success=True)
    @routes.alt_response(302, description="The file is at Location", headers=LOCATION, success=True)
    @routes.alt_response(409, schema=wire_errors.Problem, description="It has not succeeded")
    def result(prediction_id: str) -> Response:
        """Download a result: a CSV with a line for each row."""
        with db.read() as session:
            prediction = predictions.get(session, prediction_id)
        if prediction.state != "succeeded":
            raise Conflict(f"The prediction has no result; it is {prediction.state}.")
        return send(context.store, predictions.result_key(prediction), "predictions.csv", prediction.size)

    return routes


def _of_dataset(context: Context, wish: dict[str, Any]) -> Prediction:
    with log.bound(job_id=wish["job_id"]), context.db.write() as session:
        job = jobs.get(session, wish["job_id"])
        # Locked: were it to become ready right now, neither side would see the other's change
        dataset = datasets.get(session, wish["dataset_id"], lock=True)
        prediction = predictions.create(
            session,
            job,
            prediction_id=datasets.new_id(),
            dataset=dataset,
            name=dataset.name,
            top_k=wish["top_k"],
            contributions=wish["contributions"],
        )
        predictions.request_where_settled(session, context.outbox, context.store, dataset)
        session.flush()
        return prediction


def _of_rows(context: Context, wish: dict[str, Any]) -> Prediction:
    if len(wish["rows"]) > context.settings.max_inline_rows:
        raise Invalid(
            f"{len(wish['rows'])} rows are more than the {context.settings.max_inline_rows} that a request may hold; "
            "upload them as a data set and give its `dataset_id`."
        )
    table = look_twice(lambda: _laid_out(context, wish))
    # Into the store before anything is recorded: of a request that breaks off here, only objects are left, which go with the job
    prediction_id = datasets.new_id()
    folder = predictions.folder(wish["job_id"], prediction_id)
    with full_disk_is("There is no room for these rows on the server; nothing of them was kept."):
        _put(context.store, folder, table)
    with log.bound(job_id=wish["job_id"]), context.db.write() as session:
        prediction = predictions.create(
            session,
            jobs.get(session, wish["job_id"]),
            prediction_id=prediction_id,
            dataset=None,
            name=f"{len(wish['rows'])} rows" if len(wish["rows"]) > 1 else "1 row",
            top_k=wish["top_k"],
            contributions=wish["contributions"],
        )
        predictions.request(
            session,
            context.outbox,
            context.store,
            prediction,
            table=context.store.uri(f"{folder}/table.csv"),
            images=context.store.uri(f"{folder}/images") if table.images else None,
            dialect=inline.DIALECT,
        )
        session.flush()
        return prediction


def _put(store: ObjectStore, folder: str, table: inline.InlineTable) -> None:
    try:
        store.put_bytes(f"{folder}/table.csv", table.csv, content_type="text/csv")
        for name, image in table.images.items():
            store.put_bytes(f"{folder}/images/{name}", image)
    except OSError:  # a full disk, which what is there already should not fill further
        store.delete_prefix(folder)
        raise


def _laid_out(context: Context, wish: dict[str, Any]) -> inline.InlineTable:
    with context.db.read() as session:
        job = jobs.get(session, wish["job_id"])
        predictions.check_model(job)
        dataset = datasets.get(session, job.dataset_id)
        columns = predictions.read_by_model(job, dataset)
    return inline.lay_out(
        wish["rows"],
        wish["images"],
        columns,
        lambda: ImageIndex(context.files.names(dataset)),
        lambda path: context.files.read(dataset, path),
    )
