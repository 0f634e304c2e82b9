"""JobSpec: what a trainer is told. Environment variables in, validated settings out, all mistakes named at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from contracts.base import Wire
from contracts.places import why_foreign, why_no_object, why_no_origin
from contracts.schema import ColumnType, Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

MODALITIES = ("image", "text", "tabular")
# Which branch of a model reads a column of each type; the types not named here are read by none
MODALITY_OF = {
    ColumnType.IMAGE: "image",
    ColumnType.TEXT: "text",
    ColumnType.NUMERIC: "tabular",
    ColumnType.CATEGORICAL: "tabular",
    ColumnType.BOOLEAN: "tabular",
    ColumnType.DATETIME: "tabular",
}

# What a split column says of a row, in any case; rows it says anything else of are left out
TRAIN_WORDS = frozenset({"train", "training"})
VAL_WORDS = frozenset({"val", "valid", "validation", "dev"})


class InvalidSpec(ValueError):
    """Every problem found in a job's environment, one line each, with the variable's name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Asset(Wire):
    """One input: train_file (the CSV) or train_folder (its images; a prefix or a shard set)."""

    key: Literal["train_file", "train_folder"]
    s3_uri: str = Field(description="s3://bucket/key or file:///path")

    @field_validator("s3_uri")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if problem := why_no_object(value):
            raise ValueError(problem)
        return value


class JobSpec(Wire):
    """Settings of one training run. Field descriptions are the README's table; the variable is the name in capitals."""

    model: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="what to train: a name of the catalogue (GET /api/models/)",
    )
    job_id: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$", description="names the job in callbacks and artifact paths"
    )
    attempt: int = Field(default=1, ge=1, description="which try at the job this is")
    s3_bucket: str = Field(default="", description="bucket for artifacts, under jobs/<JOB_ID>/<ATTEMPT>/")
    artifacts_uri: str = Field(
        default="", description="where artifacts go instead of S3_BUCKET: s3://… or file:///…"
    )
    assets: list[Asset] = Field(description='JSON list of {"key","s3_uri"}; ASSETS_JSON is an alias')
    asset_places: list[str] = Field(
        default_factory=list,
        description="s3://bucket, s3://bucket/prefix or file:///folder, one or a JSON list: where inputs may lie besides the platform's own part of "
        "the bucket that takes the artifacts",
    )
    api_base: str = Field(
        default="", description="origin of the platform, e.g. http://gateway:8080; empty: report to no one"
    )
    callback_secret: str = Field(
        default="", repr=False, description="signs callbacks; derived per job and attempt"
    )
    callback_ttl: int = Field(
        default=900, ge=10, le=86_400, description="seconds a callback token is good for"
    )
    workdir: str = Field(default="/tmp/trainer", description="where inputs, the spool and artifacts are kept")  # noqa: S108 - the documented default
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="passes over the training rows; unset: as the model's preset says",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=10, description="peak learning rate; unset: as the model's preset says"
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="rows in one optimizer step; unset: as the model's preset says",
    )
    time_budget: float | None = Field(
        default=None,
        gt=0,
        le=30 * 86_400,
        title="Time budget, seconds",
        description="seconds after which training ends cleanly, with the best state so far; unset: no limit",
        json_schema_extra={"unset": "no limit"},
    )
    validation_split: float = Field(default=0.2, gt=0, lt=1, description="share of rows held out")
    split_column: str | None = Field(
        default=None,
        description="column whose values say train or val, instead of a random split",
        json_schema_extra={"unset": "none"},
    )
    target_col: str = Field(min_length=1, description="column to predict")
    feature_columns: list[str] = Field(
        default_factory=list, description="JSON list or comma list; empty: every column with a modality"
    )
    modality_columns: dict[str, list[str]] = Field(
        default_factory=dict,
        description='JSON {"image": […], "text": […], "tabular": […]}; by default from COLUMN_TYPES',
    )
    column_types: dict[str, ColumnType] = Field(
        default_factory=dict, description='JSON {"column": "numeric"|…}; by default detected from the file'
    )
    dialect: Dialect | None = Field(default=None, description="JSON; by default detected from the file")
    model_params: dict[str, Any] = Field(default_factory=dict, description="JSON; the model's own parameters")
    pretrained: Literal["auto", "none", "required"] = Field(
        default="auto",
        title="Ready-trained networks",
        description="networks that are trained already, for images and texts; auto: those that the platform has, if any; "
        "required: fail without any for the images or, in a job without images, for the texts",
    )
    pretrained_uri: str = Field(
        default="",
        description="s3://… or file:///… folder of torchvision's weight files by their own names, and of a sentence encoder in a sub-folder",
    )
    resume_from: list[str] = Field(
        default_factory=list,
        description="s3://… or file:///… checkpoints of earlier attempts, one or a JSON list, latest first; the first that fits is taken up",
    )
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, title="Random seed", description="of the split and of training"
    )
    eval_steps: int = Field(
        default=1,
        ge=1,
        title="Validation interval",
        description="epochs from one validation pass, which measures the model on the rows held out, to the next",
    )

    @field_validator("api_base")
    @classmethod
    def _http(cls, value: str) -> str:
        if value and (problem := why_no_origin(value)):
            raise ValueError(problem)
        return value.rstrip("/")

    @field_validator("artifacts_uri", "pretrained_uri")
    @classmethod
    def _object_uri(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"s3", "file"}:
            raise ValueError(f"{value!r} is not an s3:// or file:// URI")
        return value.rstrip("/")

    @field_validator("asset_places")
    @classmethod
    def _places(cls, value: list[str]) -> list[str]:
        for place in value:
            if (
                urlsplit(place).scheme not in {"s3", "file"}
                or not urlsplit(place).netloc + urlsplit(place).path
            ):
                raise ValueError(f"{place!r} is not an s3:// or file:// URI")
        return value

    @field_validator("resume_from")
    @classmethod
    def _object_uris(cls, value: list[str]) -> list[str]:
        return [cls._object_uri(uri) for uri in value]

    @field_validator("modality_columns")
    @classmethod
    def _modalities(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        unknown = sorted(set(value) - set(MODALITIES))
        if unknown:
            raise ValueError(f"unknown modality {unknown[0]!r}; allowed are {', '.join(MODALITIES)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        keys = [asset.key for asset in self.assets]
        if keys.count("train_file") != 1:
            raise ValueError('ASSETS must hold exactly one {"key": "train_file", …}')
        if keys.count("train_folder") > 1:
            raise ValueError('ASSETS may hold at most one {"key": "train_folder", …}')
        if not self.artifacts_uri and not self.s3_bucket:
            raise ValueError("S3_BUCKET or ARTIFACTS_URI must say where artifacts go")
        for what, uri in (
            *((asset.key, asset.s3_uri) for asset in self.assets),
            *(("RESUME_FROM", uri) for uri in self.resume_from),
        ):
            if problem := why_foreign(uri, self.destination, self.asset_places):
                raise ValueError(
                    f"{what}: {problem}" if what == "RESUME_FROM" else f"ASSETS: {what}: {problem}"
                )
        if self.api_base and not self.callback_secret:
            raise ValueError("CALLBACK_SECRET is needed to report to API_BASE")
        if self.target_col in self.feature_columns:
            raise ValueError(f"TARGET_COL {self.target_col!r} is also in FEATURE_COLUMNS")
        return self

    @property
    def destination(self) -> str:
        """URI under which artifacts are put, without a trailing slash."""
        return self.artifacts_uri or f"s3://{self.s3_bucket}/jobs/{self.job_id}/{self.attempt}"

    def asset(self, key: str) -> str | None:
        """Give the URI of an input, or None where the job has none by that key."""
        return next((asset.s3_uri for asset in self.assets if asset.key == key), None)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read a spec from environment variables; unset and blank ones take their defaults.

        Raises:
            InvalidSpec: With every problem, each naming its variable.
        """
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, field in cls.model_fields.items():
            raw = env.get(name.upper(), "")
            if name == "assets":
                raw = raw or env.get("ASSETS_JSON", "")
            if not raw.strip():
                if field.is_required():
                    problems[name] = f"{name.upper()}: is required ({field.description})"
                continue
            try:
                values[name] = _decode(name, raw)
            except ValueError as error:
                problems[name] = f"{name.upper()}: {error}"
        try:
            spec = cls.model_validate(values)
        except ValidationError as error:
            found = [
                _explain(entry)
                for entry in error.errors()
                if not entry["loc"] or entry["loc"][0] not in problems
            ]
            raise InvalidSpec([*problems.values(), *found]) from None
        if problems:
            raise InvalidSpec(list(problems.values()))
        return spec

    def to_env(self) -> dict[str, str]:
        """Write the spec as environment variables, leaving out what equals its default."""
        env = {}
        for name, value in self.model_dump(mode="json", exclude_defaults=True, exclude_none=True).items():
            env[name.upper()] = (
                value
                if isinstance(value, str)
                else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            )
        return env


_JSON = {"assets", "modality_columns", "column_types", "dialect", "model_params"}
_INTEGERS = {"attempt", "callback_ttl", "epochs", "batch_size", "seed", "eval_steps"}


def _decode(name: str, raw: str) -> Any:
    if name in _JSON:
        return _json(raw)
    if name in {"resume_from", "asset_places"}:
        return _json(raw) if raw.lstrip().startswith("[") else [raw.strip()]
    if name == "feature_columns":
        return (
            _json(raw)
            if raw.lstrip().startswith("[")
            else [part.strip() for part in raw.split(",") if part.strip()]
        )
    # int() takes 1_000, blanks and full-width digits, so digits are asked for first
    if name in _INTEGERS and not (raw.strip().isascii() and raw.strip().isdigit()):
        raise ValueError(f"{raw!r} is not a whole number")
    return raw.strip() if name != "target_col" else raw


def _json(raw: str) -> Any:
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos + 1}") from None


def _explain(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    where = [str(part) for part in error["loc"]]
    if not where:
        return message
    inside = f" (at {'.'.join(where[1:])})" if where[1:] else ""
    got = "" if isinstance(error["input"], dict) else f", got {error['input']!r}"
    return f"{where[0].upper()}: {message}{inside}{got}"
