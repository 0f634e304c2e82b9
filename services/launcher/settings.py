"""Settings of the launcher."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from contracts.places import why_no_origin
from runtime.settings import PublishSettings

Names = Annotated[tuple[str, ...], NoDecode]
# From JSON, whose mistakes are reported like any other
Labels = Annotated[dict[str, str], NoDecode]
Tolerations = Annotated[tuple[dict[str, str | int], ...], NoDecode]
_REVISION = re.compile(
    r"(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/)?[A-Za-z0-9_-]{1,255}:[1-9][0-9]*", re.ASCII
)
# What depends on the back end: a process of this machine is cheap to look at, an API call is not
_BY_LAUNCHER: dict[str, dict[str, float]] = {
    "local": {"reconcile_seconds": 1, "max_running": 2, "lost_grace_seconds": 5, "log_seconds": 2},
    # DescribeTasks may not know a task yet that RunTask has just started
    "ecs": {"reconcile_seconds": 15, "max_running": 100, "lost_grace_seconds": 120, "log_seconds": 15},
    "kubernetes": {"reconcile_seconds": 10, "max_running": 100, "lost_grace_seconds": 60, "log_seconds": 15},
}


class LauncherSettings(PublishSettings):
    """The launcher's environment."""

    launcher: Literal["local", "ecs", "kubernetes"] = Field(
        default="local", description="what runs trainers: local, ecs or kubernetes"
    )
    trainer_api_base: str = Field(
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
    trainer_role_arn: str = Field(
        default="",
        pattern=r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/.+)?$",
        description="role that the launcher assumes for each attempt, narrowed to the attempt's own objects; empty: trainers use what access they find",
    )
    trainer_role_seconds: int = Field(
        default=3600,
        ge=1800,
        le=43_200,
        description="how long such access is good for before it is renewed; AWS allows a launcher that has itself assumed a role 3600",
    )
    max_running: int = Field(
        default=0,
        ge=0,
        description="most jobs that run at a time, others wait; 0: 2 (local), 100 (ecs, kubernetes)",
    )
    reconcile_seconds: float = Field(
        default=0,
        ge=0,
        le=60,
        description="pause between two looks at what runs, at most 60; 0: 1 (local), 15 (ecs), 10 (kubernetes)",
    )
    report_grace_seconds: float = Field(
        default=5, ge=0, description="how long an exited trainer's own final report is waited for"
    )
    lost_grace_seconds: float = Field(
        default=0,
        ge=0,
        description="how long the provider may not know a job, which is not heard either, before it is lost; 0: 5 (local), 120 (ecs), 60 (kubernetes)",
    )
    linger_seconds: float = Field(
        default=60, gt=0, description="how long a trainer may live on after its final report"
    )
    launch_give_up_seconds: float = Field(
        default=3600,
        ge=0,
        description="how long a launch is tried while the provider has no capacity or denies access, and how long a job may be pending there",
    )
    log_seconds: float = Field(
        default=0,
        ge=0,
        description="pause between two copies of the jobs' logs; 0: 2 (local), 15 (ecs, kubernetes)",
    )
    provider_calls: int = Field(
        default=8,
        ge=1,
        le=64,
        description="launches at a time; as many ended jobs are settled, and logs copied, at a time",
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
    trainer_nice: int = Field(
        default=0, ge=0, le=19, description="local: niceness of trainers, so that services go before them"
    )
    trainer_cpu_seconds: int = Field(
        default=0,
        ge=0,
        description="local: processor time after which a trainer's process is ended (RLIMIT_CPU), of all its threads together; 0: no limit",
    )
    trainer_address_space_mb: int = Field(
        default=0,
        ge=0,
        description="local: address space of a trainer's process (RLIMIT_AS), MiB, of which torch takes several times the memory it uses; 0: no limit",
    )
    stop_grace_seconds: float = Field(
        default=30,
        ge=0,
        description="local, kubernetes: time between SIGTERM and SIGKILL when a job is stopped; above FLUSH_SECONDS",
    )

    ecs_cluster: str = Field(default="", validate_default=True, description="ecs: cluster name or ARN")
    ecs_task_definition: str = Field(
        default="",
        validate_default=True,
        description="ecs: task definition, family:revision or its ARN; a family alone is refused, for it may change between two tries",
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

    ecs_events_queue_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="ecs: SQS queue that EventBridge puts `ECS Task State Change` events into, which hasten looks; empty: none",
    )

    kubernetes_namespace: str = Field(
        default="", validate_default=True, description="kubernetes: namespace of the Jobs"
    )
    kubernetes_image: str = Field(
        default="", validate_default=True, description="kubernetes: image that trains when it is run"
    )
    kubernetes_kubeconfig: Path | None = Field(
        default=None,
        description="kubernetes: file with cluster and credentials; unset: those of the launcher's pod",
    )
    kubernetes_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="kubernetes: when nodes fetch the image"
    )
    kubernetes_image_pull_secrets: Names = Field(
        default=(), description="kubernetes: Secrets for the image's registry, with commas between"
    )
    kubernetes_service_account: str = Field(
        default="",
        description="kubernetes: service account of the trainers' pods, e.g. for access to objects; empty: the namespace's default",
    )
    kubernetes_env_secrets: Names = Field(
        default=(),
        description="kubernetes: Secrets of which every key becomes a variable of the trainers, e.g. AWS_ACCESS_KEY_ID; with commas between",
    )
    kubernetes_node_selector: Labels = Field(
        default={}, description='kubernetes: labels that nodes must have, as JSON {"name": "value"}'
    )
    kubernetes_tolerations: Tolerations = Field(
        default=(), description="kubernetes: taints that nodes may have, as a JSON list of tolerations"
    )
    kubernetes_user: int = Field(
        default=10001,
        ge=0,
        description="kubernetes: id of the trainers' user and group; 0: the image's or the cluster's choice, which must not be root",
    )
    kubernetes_disk_gb: int = Field(
        default=20,
        ge=1,
        description="kubernetes: disk of a job for inputs, artifacts and temporary files, GiB",
    )
    kubernetes_keep_seconds: int = Field(
        default=43_200,
        ge=600,
        description="kubernetes: how long ended Jobs are kept, at most how long the launcher may be away without losing how they ended",
    )
    kubernetes_start_seconds: float = Field(
        default=300,
        ge=0,
        description="kubernetes: how long a job may have something wrong (image, Secret, policy) that keeps it from starting",
    )

    @field_validator(
        "ecs_subnets",
        "ecs_security_groups",
        "kubernetes_image_pull_secrets",
        "kubernetes_env_secrets",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("kubernetes_node_selector", "kubernetes_tolerations", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("trainer_api_base")
    @classmethod
    def _origin(cls, value: str) -> str:
        if problem := why_no_origin(value):
            raise ValueError(problem)
        return value

    @field_validator("ecs_task_definition")
    @classmethod
    def _fixed(cls, value: str) -> str:
        if value and not _REVISION.fullmatch(value):
            raise ValueError(
                f"{value!r} names no revision; family:revision or its ARN is allowed, e.g. trainer:7"
            )
        return value

    @field_validator(
        "runs_dir",
        "ecs_cluster",
        "ecs_task_definition",
        "ecs_subnets",
        "ecs_security_groups",
        "kubernetes_namespace",
        "kubernetes_image",
    )
    @classmethod
    def _needed(cls, value: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name)
        kind = "local" if name == "runs_dir" else name.partition("_")[0]
        if not value and info.data.get("launcher") == kind:
            raise ValueError(f"is needed where LAUNCHER is {kind}")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.launcher == "ecs" and not self.objects_url.startswith("s3://"):
            raise ValueError(
                "OBJECTS_URL must be s3://… where LAUNCHER is ecs: its tasks read and write there"
            )
        return self

    @model_validator(mode="after")
    def _lends(self) -> Self:
        if not self.trainer_role_arn:
            return self
        if not self.objects_url.startswith("s3://"):
            raise ValueError("OBJECTS_URL must be s3://… where TRAINER_ROLE_ARN is set: it is a role of AWS")
        # What waited longer for room would begin with access that is about to lapse, and could not fetch newer
        if self.launcher != "local" and self.launch_give_up_seconds > self.trainer_role_seconds / 2:
            raise ValueError(
                f"LAUNCH_GIVE_UP_SECONDS ({self.launch_give_up_seconds:g}) must be at most half of TRAINER_ROLE_SECONDS"
                f" ({self.trainer_role_seconds}) where TRAINER_ROLE_ARN is set"
            )
        return self

    def effective(self, name: str) -> float:
        """Give a setting whose default depends on the back end."""
        return float(getattr(self, name)) or _BY_LAUNCHER[self.launcher][name]

    def command(self) -> list[str]:
        """Give the trainer's command line for processes of this machine."""
        # -P: modules come from where they are installed, never from the working folder
        return shlex.split(self.trainer_command) or [sys.executable, "-P", "-m", "trainer"]
