"""Dead letters: which of them may be requeued, what to do instead for the others, and what their subjects say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.events import DatasetUploaded, JobLaunchRequested, PredictionRequested
from contracts.topology import LAUNCHER, PREDICTOR, SCHEMA
from runtime import deliveries
from runtime.errors import Conflict
from runtime.outbox import DEAD
from services.api import datasets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from runtime.deliveries import Seen, Stuck
    from runtime.outbox import Outbox

_UPLOAD_AGAIN = "The data set is rejected because of it, and its upload is removed: upload it again."
# What work.abandoned.v1 ends for good (Handlers.work_abandoned). Requeued, a launch would run a trainer for a job that
# has failed, and its end would come too late to count; all other events are news or chores, right however late.
_INSTEAD = {
    (
        JobLaunchRequested.NAME,
        LAUNCHER,
    ): "The job has failed because of it: run it again by POST /api/training_jobs/{subject}/retry/.",
    (
        PredictionRequested.NAME,
        PREDICTOR,
    ): "The prediction has failed because of it: ask for it again by POST /api/predictions/.",
}


def instead(delivery: Seen, spool_dir: Path) -> str | None:
    """Say what to do instead of a requeue, or None where the delivery is not dead or may be requeued.

    Args:
        delivery: The delivery.
        spool_dir: Where uploads lie that are kept.
    """
    if delivery.state != DEAD:
        return None
    if delivery.event == DatasetUploaded.NAME:
        return None if (spool_dir / delivery.subject).exists() else _UPLOAD_AGAIN
    advice = _INSTEAD.get((delivery.event, delivery.queue))
    return advice and advice.format(subject=delivery.subject)


def words_of(stuck: Sequence[Stuck]) -> str | None:
    """Say for the owner of a data set, job or prediction what of it does not get on; None where all does."""
    return "; ".join(map(_words_of, stuck)) or None


def _words_of(item: Stuck) -> str:
    if item.dead:
        return f"{item.event} was given up, an operator can requeue it (dead letter {item.id}): {item.reason}"
    return f"waits for the store or a disk since {item.since:%Y-%m-%d %H:%M} UTC, and goes on by itself: {item.reason}"


def requeue(session: Session, outbox: Outbox, delivery_id: int, spool_dir: Path) -> Seen:
    """Give a dead delivery another three tries; a second call, or one for a delivery that is not dead, changes nothing.

    Of an upload, the track that had failed with it begins anew.

    Args:
        session: A write transaction.
        outbox: Wakes the relay.
        delivery_id: The delivery.
        spool_dir: Where uploads lie that are kept.

    Raises:
        NotFound: There is none by that number.
        Conflict: Giving it up has ended what it was about; the text says what to do.
    """
    delivery = deliveries.get(session, delivery_id)
    if advice := instead(delivery, spool_dir):
        raise Conflict(f"This delivery cannot be requeued. {advice}")
    if delivery.state == DEAD and delivery.event == DatasetUploaded.NAME:
        datasets.reopen(session, delivery.subject, "schema" if delivery.queue == SCHEMA else "staging")
    deliveries.requeue(session, outbox, delivery_id)
    return deliveries.get(session, delivery_id)
