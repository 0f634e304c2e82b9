"""What the checks before a training found: in the answer of the REST API, with the job, in the browser, in a terminal."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from contracts.base import Wire

MOST_EXAMPLES = 5


class Severity(StrEnum):
    """What a finding means for the job."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Code(StrEnum):
    """Every kind of finding; the names are what a request ignores by."""

    TARGET_MISSING = "target-missing"
    ONE_CLASS = "one-class"
    TOO_MANY_CLASSES = "too-many-classes"
    TOO_FEW_ROWS = "too-few-rows"
    FEW_VALIDATION_ROWS = "few-validation-rows"
    SINGLE_ROW_CLASSES = "single-row-classes"
    RARE_CLASSES = "rare-classes"
    IMBALANCE = "imbalance"
    SPLIT_COLUMN = "split-column"
    SPLIT_CLASSES = "split-classes"
    DUPLICATE_ROWS = "duplicate-rows"
    DUPLICATES_ACROSS_SPLIT = "duplicates-across-split"
    CONFLICTING_ROWS = "conflicting-rows"
    TARGET_LEAK = "target-leak"
    STRONG_FEATURE = "strong-feature"
    BLANKS_TELL_CLASS = "blanks-tell-class"
    CLASS_NAMED_IN_TEXT = "class-named-in-text"
    IMAGES_MISSING = "images-missing"
    IMAGES_BROKEN = "images-broken"
    IMAGE_FOLDER_TELLS_CLASS = "image-folder-tells-class"
    SAMPLED = "sampled"


class PreflightFinding(Wire):
    """One thing to know before a training is paid for. An error stops it, unless it is overridable and ignored."""

    code: Code
    severity: Severity
    message: str = Field(description="what is so, with its figures, and what to do about it")
    columns: list[str] = Field(default_factory=list)
    rows: list[int] = Field(
        default_factory=list,
        max_length=MOST_EXAMPLES,
        description="where it shows, e.g.; 1 is the first row below the header, blank rows do not count; "
        "empty where only parts of a table were read",
    )
    values: list[str] = Field(
        default_factory=list, max_length=MOST_EXAMPLES, description="values it shows in"
    )
    overridable: bool = Field(default=False, description="whether an error can be ignored by its code")
    ignored: bool = Field(default=False, description="whether it was")

    @property
    def stops(self) -> bool:
        """Whether no job may be made."""
        return self.severity is Severity.ERROR and not self.ignored


class Preflight(Wire):
    """The whole answer, errors first."""

    version: int = 1
    rows: int = Field(ge=0, description="rows looked at")
    rows_in_table: int | None = Field(default=None, ge=0, description="None where not all were counted yet")
    images: int = Field(default=0, ge=0, description="images decoded")
    findings: list[PreflightFinding] = Field(default_factory=list)

    @property
    def stopping(self) -> list[PreflightFinding]:
        """The findings for which no job may be made."""
        return [finding for finding in self.findings if finding.stops]
