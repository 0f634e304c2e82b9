"""Settings of the metrics service and of its worker."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from runtime.web_settings import WebSettings


class MetricsSettings(WebSettings):
    """What the metrics processes read from the environment."""

    callback_root_secret: SecretStr = Field(
        min_length=32, description="root of every job's callback secret; at least 32 characters"
    )
    callback_root_secret_previous: SecretStr | None = Field(
        default=None, min_length=32, description="the root before, still accepted while it is being replaced"
    )
    callback_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="secret of the fixed token for jobs this platform did not launch; unset: they are refused",
    )
    callback_leeway_seconds: int = Field(
        default=300, ge=1, description="how far a trainer's clock may be from ours"
    )
    callback_max_ttl_seconds: int = Field(
        default=86_400, ge=60, description="furthest expiry of a token accepted, from now"
    )
    callback_grace_seconds: int = Field(
        default=300, ge=0, description="how long after a job's end its late reports are still taken"
    )
    max_body_bytes: int = Field(default=1 << 20, ge=1024, description="largest callback body")
    callbacks_per_second: float = Field(
        default=20,
        ge=0,
        description="callbacks of one job that one process takes a second for long, further ones get 429; 0: any number",
    )
    callbacks_burst: int = Field(
        default=200, ge=1, description="callbacks of one job that may come at once, after a pause"
    )

    max_items_per_job: int = Field(
        default=5_000_000,
        ge=0,
        description="a job that has so many points and evaluations keeps no further ones; 0: any number",
    )

    silent_seconds: float = Field(
        default=60,
        gt=0,
        le=600,
        description="a running job that is not heard for so long is told to be silent; above HEARTBEAT_SECONDS and the 40 s a trainer may take to try again",
    )

    history_max_items: int = Field(
        default=10_000, ge=1, le=100_000, description="most items in one answer of GET /api/metrics/"
    )

    history_kept_jobs: int = Field(
        default=16, ge=1, le=1000, description="jobs whose thinned curves are remembered; about 2 MB each"
    )

    events_keep_alive_seconds: float = Field(
        default=15.0,
        gt=0,
        le=60,
        description="between two keep-alives of a stream, each with a look at the database and at the viewer's key",
    )
    events_poll_seconds: float = Field(
        default=2.0, gt=0, le=60, description="between two looks at the database while Redis is away"
    )
    events_page_items: int = Field(
        default=1000, ge=1, le=10_000, description="items a stream reads from the database at a time"
    )
    events_buffer_bytes: int = Field(
        default=256 * 1024,
        ge=1024,
        description="live items kept for a slow stream; beyond it the stream reads the database",
    )
    events_max_streams: int = Field(
        default=224, ge=1, description="open streams in one process; further ones get 503"
    )
    events_send_timeout_seconds: int = Field(
        default=30, ge=1, le=600, description="a viewer that takes nothing for so long is cut off"
    )

    metrics_threads: int = Field(
        default=256, ge=2, le=4096, description="threads in one process; each open stream holds one"
    )
    metrics_processes: int = Field(default=1, ge=1, le=64, description="processes that serve HTTP")
    metrics_database_connections: int = Field(
        default=10,
        ge=1,
        le=100,
        description="PostgreSQL connections kept by one process; as many again under load",
    )
    metrics_stop_seconds: int = Field(
        default=8, ge=1, le=300, description="time for requests at hand after SIGTERM"
    )
    metrics_worker_threads: int = Field(
        default=2, ge=1, le=64, description="deliveries the worker handles at a time"
    )

    @model_validator(mode="after")
    def _keep_threads_for_callbacks(self) -> Self:
        if self.events_max_streams >= self.metrics_threads:
            raise ValueError(
                f"EVENTS_MAX_STREAMS ({self.events_max_streams}) must be less than METRICS_THREADS"
                f" ({self.metrics_threads}): streams must leave threads to callbacks"
            )
        return self

    @property
    def callback_roots(self) -> tuple[str, ...]:
        """The root secrets in force, the present one first."""
        roots = (self.callback_root_secret, self.callback_root_secret_previous)
        return tuple(root.get_secret_value() for root in roots if root is not None)
