"""What the predictor does on each event of its queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.events import PredictionFinished, PredictionRequested

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from contracts.prediction import PredictionAnswer, PredictionTask
    from runtime.bus import Work


def handlers(
    predict: Callable[[str, PredictionTask], PredictionAnswer],
) -> dict[str, Callable[[Any, Work], None]]:
    """Give the handlers of the queue predictor.

    Args:
        predict: Does a task with the model at a URI; see ``Models.predict``.
    """

    def requested(event: PredictionRequested, work: Work) -> None:
        answer = predict(event.artifacts, event.task)
        with work.finish() as session:
            work.outbox.emit(
                session,
                PredictionFinished(
                    prediction_id=event.prediction_id,
                    reason=answer.error,
                    uri=None if answer.error else event.task.out,
                    size=answer.size,
                    rows=answer.rows,
                    notes=answer.notes,
                ),
            )

    return {PredictionRequested.NAME: requested}
