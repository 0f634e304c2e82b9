"""What the process is told besides its job: where the spec lies, how to log, how to report. Read once, from the environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.job import InvalidSpec
from tabular.imagelimits import PILLOWS_OWN_LIMIT, ImageLimits
from trainer import objects
from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Process:
    """Which of the processes that torchrun started for one training this is."""

    number: int = 0
    count: int = 1
    on_machine: int = 0  # its number among those of this machine, which is that of its GPU

    @property
    def first(self) -> bool:
        """Whether it is the one that reports, explains and uploads."""
        return self.number == 0


class Settings(BaseModel):
    """Field descriptions are the README's table; the variable is the name in capitals."""

    model_config = ConfigDict(frozen=True)

    job_spec_uri: str = Field(
        default="",
        description="s3://… or file:///… object with further variables, as JSON; the environment wins over it",
    )
    job_spec_once: bool = Field(
        default=False,
        description="true: remove that object once it is read, for it holds a secret; several processes leave it to the launcher",
    )
    object_credentials: str = Field(
        default="",
        repr=False,
        description="JSON; access to the job's objects for a while, and where newer lies; the launcher sets it",
    )
    log_format: Literal["json", "text"] = Field(default="json", description="json, or text for people")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level logged"
    )
    heartbeat_seconds: float = Field(default=5, gt=0, le=300, description="between signs of life")
    flush_seconds: float = Field(
        default=20, ge=0, le=600, description="how long a stop (SIGTERM) waits for unsent reports"
    )
    final_flush_seconds: float = Field(
        default=900,
        ge=0,
        le=86_400,
        description="how long an end of its own waits for them; a SIGTERM makes it FLUSH_SECONDS",
    )
    store_wait_seconds: float = Field(
        default=900,
        ge=0,
        le=86_400,
        description="how long an object store that does not answer is waited for, at each download and upload",
    )
    spool_max_mb: float = Field(
        default=256, gt=0, description="unsent reports kept on disk; further points are dropped"
    )
    max_seconds: float = Field(
        default=0,
        ge=0,
        description="seconds after which the process ends itself as timed out; 0: never. The launcher sets it to what the job may still run and five minutes",
    )
    checkpoint_seconds: float = Field(
        default=5, ge=0, le=3600, description="least time between two checkpoints kept on disk"
    )
    checkpoint_store_seconds: float = Field(
        default=300,
        ge=1,
        le=86_400,
        description="least time between two checkpoints stored beside the artifacts, for an attempt whose machine is lost",
    )
    explain_share: float = Field(
        default=0.25,
        ge=0,
        le=10,
        description="time to measure contributions, as a share of the training's, 10 s at least; 0: neither they nor the linear baseline",
    )
    explain_max_rows: int = Field(
        default=1000, ge=10, description="most validation rows shuffled to measure contributions"
    )
    explain_max_columns: int = Field(
        default=50, ge=1, description="most columns whose contribution is measured"
    )
    max_image_pixels: int = Field(
        default=ImageLimits.pixels,
        gt=0,
        le=PILLOWS_OWN_LIMIT,
        description="largest image decoded; a larger one counts as missing",
    )
    max_image_bytes: int = Field(
        default=ImageLimits.file_bytes, gt=0, description="largest image file decoded, likewise"
    )
    models_path: str = Field(
        default="", description="folders of further models, separated as in PATH; see docs/models.md"
    )
    model_layers_dir: Path = Field(
        default=Path("~/.cache/triptych/layers"),
        description="where what models require is installed, for the next job too",
    )
    rank: int = Field(default=0, ge=0, description="number of this process among torchrun's, which sets it")
    world_size: int = Field(default=1, ge=1, description="how many processes torchrun started, which sets it")
    local_rank: int = Field(
        default=0, ge=0, description="number among those of this machine; torchrun sets it"
    )
    triptych_request_id: str = Field(default="", description="correlation id that logs carry")
    otel_exporter_otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="origin of an OTLP/HTTP collector that gets the trainer's spans; the launcher sets it as it has it",
    )
    traceparent: str = Field(
        default="", description="trace that they belong to (W3C Trace Context); the launcher sets it"
    )

    @property
    def image_limits(self) -> ImageLimits:
        """How large an image may be that is decoded."""
        return ImageLimits(self.max_image_pixels, self.max_image_bytes)

    @property
    def process(self) -> Process:
        """Which of several processes this is."""
        return Process(self.rank, self.world_size, self.local_rank)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; unset and blank variables take their defaults.

        Raises:
            InvalidSpec: With every problem, each naming its variable.
        """
        values = {name: env[name.upper()] for name in cls.model_fields if env.get(name.upper(), "").strip()}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InvalidSpec(
                [f"{str(e['loc'][0]).upper()}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
            ) from None


def job_environment(env_file: Path | None) -> dict[str, str]:
    """Gather a job's variables: an env file, then the object at JOB_SPEC_URI, then the real environment, which wins.

    Args:
        env_file: Lines of ``NAME=value``; blank lines and lines that begin with # are skipped.

    Raises:
        InvalidSpec: The file or the object cannot be read or understood.
        StoreError: The object store does not answer.
    """
    variables = _read_env_file(env_file) if env_file else {}
    real = {name: value for name, value in os.environ.items() if value.strip()}
    uri = real.get("JOB_SPEC_URI") or variables.get("JOB_SPEC_URI")
    if uri:
        variables |= _read_spec_object(uri)
    return {**variables, **real}


def _read_env_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidSpec([f"--env-file: {path}: {error.strerror}"]) from None
    variables = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidSpec([f"--env-file: {path}: line {number} is not NAME=value"])
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        variables[name.strip()] = value[1:-1] if quoted else value
    return variables


def _read_spec_object(uri: str) -> dict[str, str]:
    try:
        document: Any = json.loads(objects.read(uri))
    except DataError as error:
        raise InvalidSpec([f"JOB_SPEC_URI: {error}"]) from None
    except ValueError as error:
        raise InvalidSpec([f"JOB_SPEC_URI: {uri} does not hold JSON: {error}"]) from None
    if not isinstance(document, dict):
        raise InvalidSpec([f"JOB_SPEC_URI: {uri} holds no JSON object of variables"])
    return {
        str(name): value if isinstance(value, str) else json.dumps(value) for name, value in document.items()
    }
