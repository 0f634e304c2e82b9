"""Predictions with trained models: ask for one, look up, list, and follow it to its end.

waiting (for its data set) → running → succeeded | failed. The last two are final.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, select, update

from contracts.events import PredictionRequested
from contracts.prediction import PredictionTask
from contracts.schema import ColumnType, Dialect
from runtime.db import now
from runtime.errors import Conflict, NotFound
from runtime.paging import Order
from services.api import changes
from services.api.models import Job, Prediction
from services.api.schemas import detected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from contracts.events import PredictionFinished
    from contracts.schema import ColumnProfile
    from runtime.outbox import Outbox
    from runtime.paging import Page, Part
    from runtime.storage import ObjectStore
    from services.api.models import Dataset

OPEN = ("waiting", "running")
STATES = (*OPEN, "succeeded", "failed")
_BY_CREATION = Order("created", Prediction.created_at, Prediction.id)
_HEAD_BYTES = 8 << 20  # of a result, from which its first rows are shown


def folder(job_id: str, prediction_id: str) -> str:
    """Give the key under which everything of a prediction lies; it goes when its job does."""
    return f"jobs/{job_id}/predictions/{prediction_id}"


def result_key(prediction: Prediction) -> str:
    """Give the key of a prediction's CSV."""
    return f"{folder(prediction.job_id, prediction.id)}/predictions.csv"


def check_model(job: Job) -> None:
    """Refuse a job that has no model.

    Raises:
        Conflict: It has not succeeded.
    """
    if job.state != "succeeded":
        raise Conflict(f"Only the model of a job that succeeded can predict; this one is {job.state}.")


def read_by_model(job: Job, dataset: Dataset) -> list[ColumnProfile]:
    """Give the columns that a job's model reads, with the types it was told.

    Args:
        job: The job.
        dataset: Its data set.
    """
    types = job.settings["column_types"]
    return [
        column.model_copy(update={"type": ColumnType(types[column.name])})
        for column in detected(dataset).columns
        if column.name in job.settings["feature_columns"]
    ]


def create(
    session: Session,
    job: Job,
    *,
    prediction_id: str,
    dataset: Dataset | None,
    name: str,
    top_k: int | None,
    contributions: bool,
) -> Prediction:
    """Record a prediction.

    Raises:
        Conflict: The job has no model, or the data set was rejected.
    """
    check_model(job)
    if dataset is not None and dataset.state == "rejected":
        raise Conflict(f"The data set was rejected: {dataset.schema_reason or dataset.staging_reason}")
    prediction = Prediction(
        id=prediction_id,
        workspace_id=job.workspace_id,
        job_id=job.id,
        dataset_id=dataset.id if dataset else None,
        name=name[:300],
        state="waiting",
        top_k=top_k,
        contributions=contributions,
    )
    session.add(prediction)
    session.flush()
    return prediction


def request(
    session: Session,
    outbox: Outbox,
    store: ObjectStore,
    prediction: Prediction,
    *,
    table: str,
    images: str | None,
    dialect: Dialect,
) -> None:
    """Ask for a prediction whose table is in the store.

    Args:
        session: A write transaction.
        outbox: For the event.
        store: Where everything lies.
        prediction: It is waiting.
        table: URI of the table.
        images: URI of the images' folder.
        dialect: How the table is written.
    """
    job = session.get_one(Job, prediction.job_id)
    prediction.state = "running"
    outbox.emit(
        session,
        PredictionRequested(
            prediction_id=prediction.id,
            artifacts=store.uri(f"jobs/{job.id}/{job.attempt}"),
            task=PredictionTask(
                table=table,
                images=images,
                dialect=dialect,
                out=store.uri(result_key(prediction)),
                top_k=prediction.top_k,
                contributions=prediction.contributions,
            ),
        ),
    )


def request_where_settled(session: Session, outbox: Outbox, store: ObjectStore, dataset: Dataset) -> None:
    """Ask for the predictions that wait for a data set once it is ready; end them where it was rejected."""
    for prediction in session.scalars(
        select(Prediction).where(Prediction.dataset_id == dataset.id, Prediction.state == "waiting")
    ):
        if dataset.state == "ready":
            request(
                session,
                outbox,
                store,
                prediction,
                table=dataset.train_file or "",
                images=dataset.train_folder,
                dialect=detected(dataset).dialect,
            )
        elif dataset.state == "rejected":
            reason = dataset.schema_reason or dataset.staging_reason
            fail(session, prediction.id, f"The data set was rejected: {reason}")


def get(session: Session, prediction_id: str) -> Prediction:
    """Look one up.

    Raises:
        NotFound: There is none by that id.
    """
    prediction = session.get(Prediction, prediction_id)
    if prediction is None:
        raise NotFound(f"There is no prediction {prediction_id!r}.")
    return prediction


def page(session: Session, *, job_id: str | None, state: str | None, part: Part) -> Page:
    """List predictions by when they were asked for.

    Raises:
        Invalid: The cursor is none.
    """
    query = select(Prediction)
    if job_id:
        query = query.where(Prediction.job_id == job_id)
    if state:
        query = query.where(Prediction.state == state)
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = session.scalars(_BY_CREATION.cut(query, part)).all()
    return _BY_CREATION.page(rows, total, part, lambda row: (row.created_at, row.id))


def finish(session: Session, event: PredictionFinished) -> None:
    """End a prediction as the predictor says; one that has ended, or was deleted, stays so."""
    if event.reason:
        fail(session, event.prediction_id, event.reason)
    else:
        _end(session, event.prediction_id, "succeeded", rows=event.rows, size=event.size, notes=event.notes)


def fail(session: Session, prediction_id: str, reason: str) -> None:
    """End a prediction without a result."""
    _end(session, prediction_id, "failed", reason=reason)


def _end(session: Session, prediction_id: str, state: str, **values: object) -> None:
    workspace = session.scalar(
        update(Prediction)
        .where(Prediction.id == prediction_id, Prediction.state.in_(OPEN))
        .values(state=state, finished_at=now(), **values)
        .returning(Prediction.workspace_id)
    )
    if workspace is not None:
        changes.note_row(session, "prediction", workspace, prediction_id)


def forget(session: Session, dataset_id: str, job_ids: Sequence[str]) -> None:
    """Delete the predictions of jobs that go, and take a data set that goes out of those it was predicted in."""
    session.execute(sql_delete(Prediction).where(Prediction.job_id.in_(job_ids)))
    of_dataset = Prediction.dataset_id == dataset_id
    for prediction_id in session.scalars(
        select(Prediction.id).where(of_dataset, Prediction.state == "waiting")
    ):
        fail(session, prediction_id, "The data set was deleted.")
    session.execute(update(Prediction).where(of_dataset).values(dataset_id=None))


def head(store: ObjectStore, prediction: Prediction, rows: int) -> dict[str, list[str] | list[list[str]]]:
    """Read the first rows of a result.

    Returns:
        "columns" and "rows", cells as the CSV has them; fewer where very many columns make them long.

    Raises:
        Conflict: There is no result, yet or ever.
    """
    if prediction.state != "succeeded":
        raise Conflict(f"The prediction has no rows; it is {prediction.state}.")
    raw = store.get_bytes(result_key(prediction), 0, _HEAD_BYTES)
    if len(raw) == _HEAD_BYTES:
        raw = raw[: raw.rfind(b"\n")]
    lines = csv.reader(io.StringIO(raw.decode("utf-8", "ignore"), newline=""))
    columns = next(lines, [])
    return {"columns": columns, "rows": [row for row, _ in zip(lines, range(rows), strict=False)]}
