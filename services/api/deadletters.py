"""Dead letters: which of them may be requeued, and what to do instead for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.events import DatasetUploaded, JobLaunchRequested, PredictionRequested
from contracts.topology import LAUNCHER, PREDICTOR, SCHEMA, STAGING
from runtime import deliveries
from runtime.errors import Conflict
from runtime.outbox import DEAD

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from runtime.deliveries import Seen
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
    (DatasetUploaded.NAME, SCHEMA): _UPLOAD_AGAIN,
    (DatasetUploaded.NAME, STAGING): _UPLOAD_AGAIN,
}


def instead(delivery: Seen) -> str | None:
    """Say what to do instead of a requeue, or None where the delivery is not dead or may be requeued."""
    advice = _INSTEAD.get((delivery.event, delivery.queue)) if delivery.state == DEAD else None
    return advice and advice.format(subject=delivery.subject)


def requeue(session: Session, outbox: Outbox, delivery_id: int) -> Seen:
    """Give a dead delivery another three tries; a second call, or one for a delivery that is not dead, changes nothing.

    Raises:
        NotFound: There is none by that number.
        Conflict: Giving it up has ended what it was about; the text says what to do.
    """
    if advice := instead(deliveries.get(session, delivery_id)):
        raise Conflict(f"This delivery cannot be requeued. {advice}")
    deliveries.requeue(session, outbox, delivery_id)
    return deliveries.get(session, delivery_id)
