"""Settings of the api service and its worker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath

from runtime.settings import Settings

MIB = 1024**2
GIB = 1024**3


class ApiSettings(Settings):
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
    upload_chunk_bytes: int = Field(
        default=8 * MIB, gt=0, description="most bytes of one PATCH of a resumable upload"
    )
    upload_hours: float = Field(
        default=48, gt=0, description="an upload that nothing was added to for so long is removed"
    )
    max_open_uploads: int = Field(default=100, ge=1, description="most resumable uploads under way at a time")
    head_rows: int = Field(default=2000, ge=10, description="rows read for the instant answer to an upload")
    max_page_size: int = Field(default=200, ge=1, description="most items in one page of a list")
    max_image_pixels: int = Field(
        default=50_000_000, gt=0, description="largest image a thumbnail is made of"
    )
    preflight_rows: int = Field(
        default=100_000, ge=1000, description="most rows that the checks before a job look at"
    )
    preflight_images: int = Field(default=500, ge=0, description="most images that they decode")
    preflight_seconds: float = Field(
        default=5, gt=0, description="time after which they leave the rest unchecked, and say so"
    )
    preflight_min_rows: int = Field(default=20, ge=1, description="fewer rows with a class are an error")
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
        description="pause before a job is tried again that found no capacity or lost it; doubles each time, up to half an hour",
    )
    web_workers: int = Field(default=1, ge=1, description="processes that answer HTTP")
    web_threads: int = Field(default=16, ge=1, description="requests each of them answers at a time")
    web_stop_seconds: int = Field(
        default=8, ge=1, le=300, description="time for requests at hand after SIGTERM"
    )
    worker_concurrency: int = Field(default=2, ge=1, description="events the api's worker handles at a time")
