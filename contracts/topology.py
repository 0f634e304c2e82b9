"""The whole choreography on one page: which queues hear of which event."""

from __future__ import annotations

from typing import Final

API: Final = "api"
SCHEMA: Final = "ingest.schema"
STAGING: Final = "ingest.staging"
LAUNCHER: Final = "launcher"
METRICS: Final = "metrics"
PREDICTOR: Final = "predictor"

TOPOLOGY: Final[dict[str, tuple[str, ...]]] = {
    "dataset.uploaded.v1": (SCHEMA, STAGING),
    "dataset.schema_detected.v1": (API,),
    "dataset.schema_failed.v1": (API,),
    "dataset.staging_progressed.v1": (API,),
    "dataset.staged.v1": (API,),
    "dataset.staging_failed.v1": (API,),
    "dataset.deleted.v1": (STAGING,),
    "job.launch_requested.v1": (LAUNCHER, METRICS),
    "job.cancel_requested.v1": (LAUNCHER,),
    "job.launched.v1": (API, METRICS),
    "job.started.v1": (API,),
    "job.silent.v1": (LAUNCHER,),
    "job.finished.v1": (API, LAUNCHER, METRICS),
    "job.lost.v1": (API, METRICS),
    "job.ended.v1": (METRICS,),
    "job.deleted.v1": (METRICS,),
    "prediction.requested.v1": (PREDICTOR,),
    "prediction.finished.v1": (API,),
    "work.abandoned.v1": (API, METRICS),
}

QUEUES: Final = (API, SCHEMA, STAGING, LAUNCHER, METRICS, PREDICTOR)
