"""Settings of the launcher."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from runtime.settings import Settings

Names = Annotated[tuple[str, ...], NoDecode]
# What depends on the back end: a process of this machine is cheap to look at, an API call is not
_BY_LAUNCHER: dict[str, dict[str, float]] = {
    "local": {"reconcile_seconds": 1, "max_running": 2, "lost_grace_seconds": 5, "log_seconds": 2},
    # DescribeTasks may not know a task yet that RunTask has just started
    "ecs": {"reconcile_seconds": 15, "max_running": 100, "lost_grace_seconds": 120, "log_seconds": 15},
}


class LauncherSettings(Settings):
    """The launcher's environment."""

    launcher: Literal["local", "ecs"] = Field(default="local", description="what runs trainers: local or ecs")
    trainer_api_base: str = Field(
        pattern=r"^https?://.+",
        description="origin of the platform as trainers reach it, e.g. http://gateway:8080",
    )
    callback_root_secret: SecretStr = Field(
        min_length=32,
        description="root of every job's callback secret, the metrics service's too; at least 32 characters",
    )
    pretrained_uri: str = Field(
        default="",
        pattern=r"^((s3|file)://.+)?$",
        description="folder of torchvision's weight files, and of a sentence encoder in a sub-folder, that trainers may use; empty: none",
    )
    max_running: int = Field(
        default=0, ge=0, description="most jobs that run at a time, others wait; 0: 2 (local), 100 (ecs)"
    )
    reconcile_seconds: float = Field(
        default=0, ge=0, description="pause between two looks at what runs; 0: 1 (local), 15 (ecs)"
    )
    report_grace_seconds: float = Field(
        default=5, ge=0, description="how long an exited trainer's own final report is waited for"
    )
    lost_grace_seconds: float = Field(
        default=0,
        ge=0,
        description="how long the provider may not know a job before it is lost; 0: 5 (local), 120 (ecs)",
    )
    linger_seconds: float = Field(
        default=60, gt=0, description="how long a trainer may live on after its final report"
    )
    launch_give_up_seconds: float = Field(
        default=3600, ge=0, description="how long a launch is tried while the provider has no capacity"
    )
    log_seconds: float = Field(
        default=0, ge=0, description="pause between two copies of the jobs' logs; 0: 2 (local), 15 (ecs)"
    )
    log_tail_bytes: int = Field(
        default=256 * 1024, ge=1024, description="most bytes of a job's log that are kept, from its end"
    )
    worker_concurrency: int = Field(default=2, ge=1, description="events handled at a time")

    runs_dir: Path | None = Field(
        default=None, validate_default=True, description="local: folder of the jobs' processes and their logs"
    )
    keep_runs_days: float = Field(
        default=7, ge=0, description="local: how long an ended job's folder in RUNS_DIR is kept; 0: for ever"
    )
    trainer_command: str = Field(
        default="",
        description="local: command line of the trainer; empty: python -m trainer of this installation",
    )
    stop_grace_seconds: float = Field(
        default=30,
        ge=0,
        description="local: time between SIGTERM and SIGKILL when a job is stopped; above FLUSH_SECONDS",
    )

    ecs_cluster: str = Field(default="", validate_default=True, description="ecs: cluster name or ARN")
    ecs_task_definition: str = Field(
        default="", validate_default=True, description="ecs: task definition, family:revision"
    )
    ecs_container: str = Field(default="trainer", description="ecs: the trainer's container in it")
    ecs_subnets: Names = Field(
        default=(), validate_default=True, description="ecs: subnets, with commas between"
    )
    ecs_security_groups: Names = Field(
        default=(), validate_default=True, description="ecs: security groups, with commas between"
    )
    ecs_assign_public_ip: bool = Field(
        default=False, description="ecs: true where subnets have no NAT gateway and no VPC endpoints"
    )
    ecs_capacity_provider: str = Field(
        default="", description="ecs: FARGATE_SPOT or another capacity provider; empty: launch type FARGATE"
    )

    @field_validator("ecs_subnets", "ecs_security_groups", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("runs_dir", "ecs_cluster", "ecs_task_definition", "ecs_subnets", "ecs_security_groups")
    @classmethod
    def _needed(cls, value: Any, info: ValidationInfo) -> Any:
        kind = "local" if info.field_name == "runs_dir" else "ecs"
        if not value and info.data.get("launcher") == kind:
            raise ValueError(f"is needed where LAUNCHER is {kind}")
        return value

    def effective(self, name: str) -> float:
        """Give a setting whose default depends on the back end."""
        return float(getattr(self, name)) or _BY_LAUNCHER[self.launcher][name]

    def command(self) -> list[str]:
        """Give the trainer's command line for processes of this machine."""
        # -P: modules come from where they are installed, never from the working folder
        return shlex.split(self.trainer_command) or [sys.executable, "-P", "-m", "trainer"]
