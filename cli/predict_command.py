"""`triptych predict`: a trained model's answers for a new table, as a CSV."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import waiting
from cli.errors import CommandFailed
from cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from client import Client
    from client.types import Prediction, PredictionWish

_POLL_SECONDS = 0.5


def predict(
    context: typer.Context,
    job: str,
    table: Annotated[
        Path | None, typer.Argument(metavar="CSV", help="A new table; or give --dataset.")
    ] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR|ZIP", help="The table's images.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="ID", help="A data set that is there already.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="CSV", help="Where the answers go.")] = Path("predictions.csv"),
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Name the most probable classes instead of giving all.")
    ] = None,
    *,
    contributions: Annotated[
        bool, typer.Option("--contributions", help="Say what each kind of data contributed.")
    ] = False,
) -> None:
    """Predict a table with the model of a job that succeeded."""
    session = session_of(context)
    client, output = session.client, session.output
    if (table is None) == (dataset is None):
        raise CommandFailed("Give either a CSV or --dataset ID.")
    if not out.parent.is_dir() or out.is_dir():  # told before the work, not after it
        raise CommandFailed(f"--out {out} is not a file in a folder that there is.")
    client.job(job)  # a wrong id is told before the upload
    if table is not None:
        dataset = waiting.upload(client, output, table, images)["id"]
        waiting.until_ready(client, output, str(dataset))
    wish: PredictionWish = {"job_id": job, "dataset_id": dataset, "contributions": contributions}
    if top_k is not None:
        wish["top_k"] = top_k
    asked = client.predict(wish)
    output.say(f"Prediction {asked['id']}: {client.url}/jobs/{job}/try?prediction={asked['id']}")
    ended = until_ended(client, asked["id"])
    if ended["state"] == "failed":
        raise CommandFailed(f"There is no prediction: {ended['reason']}")
    for note in ended["notes"]:
        output.say(f"note: {note}")
    with output.transfer() as progress:
        task = progress.add_task(out.name, total=ended["size"])
        client.download_predictions(ended["id"], out, partial(progress.advance, task))
    if output.as_json:
        output.json({**ended, "path": str(out)})
    else:
        output.line(f"{ended['rows']} rows in {out}")


def until_ended(
    client: Client, prediction_id: str, pause: Callable[[float], object] = time.sleep
) -> Prediction:
    """Wait for a prediction's end."""
    while True:
        prediction = client.prediction(prediction_id)
        if prediction["state"] in {"succeeded", "failed"}:
            return prediction
        pause(_POLL_SECONDS)
