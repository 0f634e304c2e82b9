"""Checks a job's data before the job is made: some rows of its table, and some of its images."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any

from contracts.preflight import Severity
from contracts.schema import ColumnType
from runtime.errors import Conflict, Invalid
from services.api.schemas import detected
from tabular.errors import Unreadable
from tabular.images import ImageIndex
from tabular.pictures import Undecodable, opened
from tabular.preflight.case import Plan, make_case
from tabular.preflight.examine import examine
from tabular.preflight.images import Decoded, files_of, image_cells
from tabular.sample import read_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from contracts.preflight import Preflight
    from services.api.files import Files
    from services.api.models import Dataset
    from services.api.settings import ApiSettings
    from tabular.imagelimits import ImageLimits
    from tabular.preflight.case import Case

_AT_A_TIME = 2  # each may take some hundred MB
_KEPT = 256  # answers, of some kB each
_IMAGES_AT_A_TIME = 8
_DECODED_SIDE = 64  # pixels; lets a JPEG be decoded at a fraction of its size, and still to its end


class Checks:
    """The checks, over the files of data sets."""

    def __init__(self, files: Files, settings: ApiSettings) -> None:
        self._files = files
        self._settings = settings
        self._room = BoundedSemaphore(_AT_A_TIME)
        self._keeping = Lock()
        self._answers: dict[tuple[str, str, str], Preflight] = {}

    def run(self, dataset: Dataset, target: str, settings: dict[str, Any]) -> Preflight:
        """Look at a job's data; takes seconds, so call it outside of any transaction.

        The review of a job and its making ask the same, and so do jobs that differ in how they train: what was found to its
        end is kept, for a data set's files never change.

        Args:
            dataset: What to train on.
            target: The column to predict.
            settings: As `specs.settle` gives them.

        Raises:
            Conflict: The data set was rejected.
            Invalid: Its table cannot be read.
            NotFound: Its files are not where the data set says; look it up again, they may just have been staged.
        """
        if dataset.state == "rejected":
            raise Conflict(f"The data set was rejected: {dataset.schema_reason or dataset.staging_reason}")
        plan = self._plan(target, settings)
        question = (
            dataset.id,
            dataset.schema_state,
            repr(plan),
        )  # the state: a part was detected at first, then all
        if (kept := self._answers.get(question)) is not None:
            return kept
        with self._room:
            end = time.monotonic() + self._settings.preflight_seconds
            try:
                case = self._case(dataset, plan)
            except Unreadable as error:
                raise Invalid(f"The table cannot be read: {error}") from None
            half = time.monotonic() + (end - time.monotonic()) / 2
            decoded = self._decode(dataset, case, lambda: time.monotonic() > half)
            in_time = time.monotonic() <= half
            found = examine(case, decoded, lambda: time.monotonic() > end)
        if in_time and time.monotonic() <= end:
            self._keep(question, found)
        return found

    def _keep(self, question: tuple[str, str, str], found: Preflight) -> None:
        with self._keeping:
            self._answers[question] = found
            if len(self._answers) > _KEPT:
                del self._answers[next(iter(self._answers))]  # the oldest

    def _plan(self, target: str, settings: dict[str, Any]) -> Plan:
        return Plan(
            target=target,
            features={
                name: ColumnType(settings["column_types"][name]) for name in settings["feature_columns"]
            },
            split_column=settings.get("split_column"),
            validation_split=settings.get("validation_split", Plan.validation_split),
            min_rows=self._settings.preflight_min_rows,
        )

    def _case(self, dataset: Dataset, plan: Plan) -> Case:
        schema = detected(dataset)
        sample = read_sample(
            lambda start, length: self._files.read_table(dataset, start, length),
            dataset.table_bytes,
            schema.dialect,
            plan.columns,
            most_rows=self._settings.preflight_rows,
        )
        return make_case(plan, schema, sample)

    def _decode(self, dataset: Dataset, case: Case, out_of_time: Callable[[], bool]) -> Decoded:
        cells, left = image_cells(case, self._settings.preflight_images)
        if not cells:
            return Decoded(left=left)
        files = files_of(cells, ImageIndex(self._files.names(dataset)))

        def problem(file: str) -> str | None:
            if out_of_time():
                return None
            return why_undecodable(self._files.read(dataset, file), self._settings.image_limits)

        with ThreadPoolExecutor(_IMAGES_AT_A_TIME) as pool:
            tried = {
                file: why
                for file, why in zip(files, pool.map(problem, files), strict=True)
                if why is not None
            }
        broken = {file: why for file, why in tried.items() if why}
        return Decoded(len(tried), broken, left + len(files) - len(tried))


def why_undecodable(raw: bytes, limits: ImageLimits) -> str:
    """Say why an image file cannot be decoded; nothing where it can be.

    Args:
        raw: The file.
        limits: How large it may be.
    """
    try:
        with opened(raw, limits) as image:
            image.draft("RGB", (_DECODED_SIDE, _DECODED_SIDE))
            image.load()
    except Undecodable as error:
        return str(error)
    return ""


def settle(result: Preflight, ignore: Collection[str]) -> Preflight:
    """Mark the errors that the request ignores.

    Args:
        result: What was found.
        ignore: Codes; one of an error that cannot be overridden changes nothing.
    """
    findings = [
        finding.model_copy(update={"ignored": True})
        if finding.severity is Severity.ERROR and finding.overridable and finding.code in ignore
        else finding
        for finding in result.findings
    ]
    return result.model_copy(update={"findings": findings})


def refuse_errors(result: Preflight) -> None:
    """Let a job pass whose errors are all ignored.

    Raises:
        Invalid: With every finding as a member of the problem document.
    """
    stopping = result.stopping
    if not stopping:
        return
    final = [finding for finding in stopping if not finding.overridable]
    codes = sorted({finding.code.value for finding in stopping})
    advice = "" if final else f' To train all the same, send "ignore": {codes}.'.replace("'", '"')
    raise Invalid(
        "; ".join(finding.message for finding in stopping) + advice,
        findings=[finding.model_dump(mode="json") for finding in result.findings],
    )
