"""Settings of the api service and its worker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath

from services.api.oidc_settings import OidcSettings
from tabular.imagelimits import PILLOWS_OWN_LIMIT, ImageLimits

MIB = 1024**2
GIB = 1024**3


class ApiSettings(OidcSettings):
    """The api's environment."""

    spool_dir: Path = Field(description="folder shared with ingest where uploads wait until they are staged")
    max_upload_bytes: int = Field(
        default=20 * GIB, gt=0, description="largest upload, and largest request body"
    )
    max_files: int = Field(
        default=200_000, gt=0, description="most files in one upload, zip entries included"
    )
    max_unzipped_bytes: int = Field(default=50 * GIB, gt=0, description="most bytes a zip may unpack to")
    max_zip_ratio: int = Field(
        default=200, gt=1, description="most times its size that one zip entry may unpack to"
    )
    max_upload_folders: int = Field(
        default=32, gt=0, description="most folders that a file of an upload may lie below"
    )
    upload_chunk_bytes: int = Field(
        default=8 * MIB, gt=0, description="most bytes of one PATCH of a resumable upload"
    )
    session_hours: float = Field(default=168, gt=0, description="how long a browser stays signed in")
    direct_upload_bytes: int = Field(
        default=64 * MIB,
        ge=0,
        description="OBJECTS_URL=s3://…: uploads from so many bytes on go from their sender straight to S3; 0: none do",
    )
    direct_link_seconds: int = Field(
        default=3600,
        ge=60,
        le=7 * 86_400,
        description="how long an address is good for that takes one part of such an upload",
    )
    upload_hours: float = Field(
        default=48, gt=0, description="an upload that nothing was added to for so long is removed"
    )
    max_open_uploads: int = Field(
        default=100,
        ge=0,
        description="most resumable uploads of a workspace under way at a time; 0: no limit",
    )
    min_free_bytes: int = Field(
        default=512 * MIB,
        ge=0,
        description="uploads that would leave the spool's disk less than this are refused",
    )
    quota_active_jobs: int = Field(
        default=20_000, ge=0, description="most jobs of a workspace queued or running at a time; 0: no limit"
    )
    quota_created_jobs: int = Field(
        default=20_000, ge=0, description="most jobs of a workspace made and not started yet; 0: no limit"
    )
    quota_datasets: int = Field(
        default=100_000,
        ge=0,
        description="most data sets of a workspace, uploads under way among them; 0: no limit",
    )
    quota_bytes: int = Field(
        default=10 * 1024 * GIB, ge=0, description="most bytes that all of these may have; 0: no limit"
    )
    max_queued: int = Field(
        default=50_000,
        ge=0,
        description="messages waiting in a queue from which on requests that would add to it are refused; 0: no limit",
    )
    clean_seconds: float = Field(
        default=3600, gt=0, description="pause between two looks for objects that nothing refers to"
    )
    orphan_hours: float = Field(
        default=168,
        gt=0,
        description="objects that nothing refers to are removed once two looks so far apart found them so",
    )
    unfinished_hours: float = Field(
        default=24,
        gt=0,
        description="unfinished writes to the object store that nothing was added to for so long are removed",
    )
    keep_checkpoints_days: float = Field(
        default=30,
        ge=0,
        description="how long a job that failed or was stopped can go on from its checkpoint; 0: for ever",
    )
    keep_predictions_days: float = Field(
        default=0, ge=0, description="how long ended predictions are kept; 0: as long as their job"
    )
    keep_failed_uploads_days: float = Field(
        default=14,
        ge=0,
        description="how long the upload of a data set is kept that the platform gave up by its own fault, so that its dead letter can be requeued",
    )
    head_rows: int = Field(default=2000, ge=10, description="rows read for the instant answer to an upload")
    max_columns: int = Field(default=10_000, gt=0, description="most columns that a table may have")
    max_page_size: int = Field(default=200, ge=1, description="most items in one page of a list")
    max_image_pixels: int = Field(
        default=ImageLimits.pixels,
        gt=0,
        le=PILLOWS_OWN_LIMIT,
        description="largest image that is decoded, for a thumbnail or the checks before a job",
    )
    max_image_bytes: int = Field(
        default=ImageLimits.file_bytes, gt=0, description="largest image file decoded, likewise"
    )
    preflight_rows: int = Field(
        default=100_000, ge=1000, description="most rows that the checks before a job look at"
    )
    preflight_images: int = Field(default=500, ge=0, description="most images that they decode")
    preflight_seconds: float = Field(
        default=5, gt=0, description="time after which they leave the rest unchecked, and say so"
    )
    preflight_min_rows: int = Field(default=20, ge=1, description="fewer rows with a class are an error")
    max_json_bytes: int = Field(
        default=8 * MIB,
        gt=0,
        description="largest request in JSON, where nothing else is said; it is read into memory",
    )
    max_inline_bytes: int = Field(
        default=32 * 1024**2, gt=0, description="largest request for the prediction of rows that it holds"
    )
    max_inline_rows: int = Field(default=100, ge=1, description="most rows that such a request may hold")
    models_file: FilePath | None = Field(
        default=None,
        description="models on offer, as `python -m trainer.models.catalogue --out FILE` lists them; unset: those that ship",
    )
    launcher: Literal["local", "ecs", "kubernetes"] = Field(
        default="local",
        description="as the launcher has it; with ecs a job's cost is estimated before it starts",
    )
    fargate_usd_per_vcpu_hour: float = Field(
        default=0.04048,
        ge=0,
        description="ecs: price of a vCPU for an hour that estimates are made of; by default on demand, Linux on x86, us-east-1",
    )
    fargate_usd_per_gb_hour: float = Field(
        default=0.004445, ge=0, description="ecs: price of a GB of memory for an hour, likewise"
    )
    job_max_retries: int = Field(
        default=3,
        ge=0,
        le=20,
        description="how often a job that names no other number is tried again by itself, where it ended by nobody's fault",
    )
    job_max_idle_seconds: int = Field(
        default=900,
        ge=0,
        description="silence after which a running job that names no other time is stopped as hung; 0: never",
    )
    job_retry_seconds: float = Field(
        default=60,
        ge=0,
        description="pause before a job is tried again that found no capacity or lost it, or whose object store was away; doubles each time, up to half an hour",
    )
    idempotency_hours: float = Field(
        default=24, gt=0, description="how long the answer to a request with an Idempotency-Key is repeated"
    )
    idempotency_busy_seconds: float = Field(
        default=900,
        gt=0,
        description="such a request that has changed nothing for so long is given up, and may be sent again",
    )
    audit_keep_days: float = Field(
        default=365, ge=0, description="how long the audit log keeps an entry; 0: for ever"
    )
    max_webhooks: int = Field(default=20, ge=0, description="most webhooks of a workspace")
    webhook_hours: float = Field(
        default=24, gt=0, description="how long a webhook's message is tried, with pauses of 5 s up to 4 h"
    )
    webhook_timeout_seconds: float = Field(
        default=10, gt=0, le=120, description="longest wait for a webhook's receiver"
    )
    webhook_keep_days: float = Field(
        default=30, gt=0, description="how long messages that were delivered or given up are shown"
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="whether webhooks may go to private, local and metadata addresses, and over http; only where all users may reach them anyway",
    )
    web_workers: int = Field(default=1, ge=1, description="processes that answer HTTP")
    web_threads: int = Field(default=16, ge=1, description="requests each of them answers at a time")
    web_stop_seconds: int = Field(
        default=8, ge=1, le=300, description="time for requests at hand after SIGTERM"
    )
    worker_concurrency: int = Field(default=2, ge=1, description="events the api's worker handles at a time")

    @property
    def image_limits(self) -> ImageLimits:
        """How large an image may be that is decoded."""
        return ImageLimits(self.max_image_pixels, self.max_image_bytes)
