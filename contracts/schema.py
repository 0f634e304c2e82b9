"""What was found in an uploaded table: dialect, columns, roles, image matches. Written by ingest, read by everyone."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from contracts.base import Wire


class ColumnType(StrEnum):
    """The eight types a column can have."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TEXT = "text"
    IMAGE = "image"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    IDENTIFIER = "identifier"
    CONSTANT = "constant"


class Role(StrEnum):
    """What a column is suggested for."""

    FEATURE = "feature"
    TARGET = "target"
    LEAVE_OUT = "leave_out"


class Dialect(Wire):
    """How the bytes of a file become a table (compare RFC 4180, and W3C CSV on the Web dialects)."""

    encoding: str = Field(description="Python codec name, e.g. utf-8, cp1252, utf-16")
    bom: bool = False
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quotechar: str | None = Field(default='"', max_length=1)
    escapechar: str | None = Field(default=None, max_length=1)
    doublequote: bool = True
    skip_initial_space: bool = Field(
        default=False, description="blanks behind a delimiter are no part of the cell"
    )
    preamble_lines: int = Field(
        default=0, ge=0, description="lines above the header (or above the data) to skip"
    )
    has_header: bool = True
    header_lines: int = Field(default=1, ge=0)


class NumberFormat(Wire):
    """How a numeric column writes its numbers."""

    decimal: str = Field(default=".", description="'.' or ','")
    thousands: str | None = Field(
        default=None, description="separator removed before parsing, e.g. ',' '.' ' '"
    )
    prefix: str = Field(default="", description="unit or currency in front of every value, e.g. '$'")
    suffix: str = Field(default="", description="unit behind every value, e.g. '%' or 'kg'")


class ImageMatch(Wire):
    """How the values of one image column found their files."""

    matched: int = Field(ge=0, description="rows whose value names an uploaded file")
    missing: int = Field(ge=0, description="rows whose value names none")
    missing_examples: list[str] = Field(default_factory=list, description="at most 20 values without a file")
    forgiven: dict[str, int] = Field(
        default_factory=dict,
        description="rows matched only by forgiving something: case, slashes, extension, folder",
    )


class Bin(Wire):
    """One bar of a histogram: lower edge (inclusive), upper edge, rows."""

    low: float
    high: float
    count: int


class ValueCount(Wire):
    """One frequent value and its rows."""

    value: str
    count: int


class Statistics(Wire):
    """Figures of a column over all rows; those that make no sense for its type are None or empty."""

    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    median: float | None = None
    earliest: str | None = Field(default=None, description="ISO 8601, datetime columns")
    latest: str | None = None
    mean_length: float | None = Field(default=None, description="characters, over non-missing values")
    max_length: int | None = None
    histogram: list[Bin] = Field(
        default_factory=list, description="numeric: values; text: lengths in characters"
    )
    top_values: list[ValueCount] = Field(default_factory=list, description="at most 50, most frequent first")


class ColumnProfile(Wire):
    """One column's verdict with its evidence."""

    name: str = Field(description="unique name; duplicates and blanks in the header are made unique")
    position: int = Field(ge=0)
    type: ColumnType
    rule: str = Field(description="short name of the rule that fired, e.g. 'numbers-with-decimals'")
    why: str = Field(description="the verdict in a sentence with its figures, for a person")
    figures: dict[str, float] = Field(default_factory=dict, description="the numbers the rule looked at")
    disagreeing: list[str] = Field(
        default_factory=list, description="at most 10 values that do not fit the type"
    )
    disagreeing_count: int = 0
    role: Role = Role.FEATURE
    role_why: str = ""
    rows: int = Field(ge=0)
    missing: int = Field(ge=0, description="rows that are blank or hold a missing-value token")
    missing_tokens: list[str] = Field(
        default_factory=list, description="non-blank tokens that count as missing here"
    )
    distinct: int = Field(ge=0, description="distinct non-missing values (an estimate above 10,000)")
    number_format: NumberFormat | None = None
    datetime_format: str | None = Field(default=None, description="strptime format, or 'iso8601'")
    leading_zeros: bool = False
    statistics: Statistics = Statistics()
    images: ImageMatch | None = None


class TargetCandidate(Wire):
    """A column that could be what to predict."""

    column: str
    confidence: float = Field(ge=0, le=1)
    why: str
    classes: int = Field(ge=2)


class Finding(Wire):
    """Something about the data a person should know: 'error' stops training, 'warning' does not."""

    level: str = Field(pattern="^(error|warning|info)$")
    code: str
    message: str
    column: str | None = None


class DatasetSchema(Wire):
    """The whole verdict on one table."""

    version: int = 1
    dialect: Dialect
    rows: int = Field(ge=0, description="data rows with at least one non-blank cell")
    complete: bool = Field(description="False where only the first rows were read so far")
    columns: list[ColumnProfile]
    targets: list[TargetCandidate] = Field(default_factory=list, description="best first")
    findings: list[Finding] = Field(default_factory=list)
    unused_files: int = 0
    unused_file_examples: list[str] = Field(default_factory=list)
    ragged_rows: int = Field(default=0, description="rows with more or fewer cells than the header")

    def column(self, name: str) -> ColumnProfile:
        """Give the profile of a column by its name.

        Raises:
            KeyError: No column has that name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
