"""Calls about predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.http import Calls, segment

if TYPE_CHECKING:
    from client.types import PredictedRows, Prediction, PredictionPage, PredictionWish


class PredictionCalls(Calls):
    """Answers of trained models."""

    def predict(self, wish: PredictionWish) -> Prediction:
        """Ask a job's model for some rows, or for those of a data set; a worker answers, `prediction` says when."""
        return self._create("/api/predictions/", wish, slow=True)

    def predictions(self, *, job: str, page_size: int | None = None) -> PredictionPage:
        """List a job's predictions, newest first."""
        return self._get("/api/predictions/", job=job, page_size=page_size)

    def prediction(self, prediction_id: str) -> Prediction:
        """Look up one prediction."""
        return self._get(f"/api/predictions/{segment(prediction_id)}/")

    def predicted_rows(self, prediction_id: str, *, limit: int) -> PredictedRows:
        """Give the first rows of a result."""
        return self._get(f"/api/predictions/{segment(prediction_id)}/rows/", limit=limit)
