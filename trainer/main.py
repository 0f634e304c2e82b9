"""The process: reads its job, runs it, reports how it ended, and exits with the code of that end."""

from __future__ import annotations

import argparse
import gc
import logging
import math
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from contracts.callback import Outcome
from contracts.job import InvalidSpec, JobSpec
from contracts.places import why_not_resolved
from contracts.redaction import hide
from trainer import log as logs
from trainer import objects, tracing
from trainer.errors import (
    EXIT_CANCELLED,
    EXIT_DATA,
    EXIT_INTERRUPTED,
    EXIT_MEMORY,
    EXIT_MODEL,
    EXIT_OK,
    EXIT_SPEC,
    EXIT_STORE,
    EXIT_UNEXPECTED,
    Cancelled,
    DataError,
    ModelError,
    StoreError,
    lacking_memory,
)
from trainer.lent import LentCredentials
from trainer.models import catalogue
from trainer.patience import Patience
from trainer.settings import Settings, job_environment
from trainer.stops import Stops

if TYPE_CHECKING:
    from trainer.checkpoint import Checkpoints
    from trainer.reporter import HttpReporter, Reporter, SilentReporter
    from trainer.tracing import Trace

log = logging.getLogger(__name__)

OBJECTS_PER_COLLECTION = 50_000


def main(arguments: list[str] | None = None) -> int:
    """Run one job and give the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    parser.add_argument("--env-file", type=Path, help="NAME=value lines; the real environment wins over them")
    options = parser.parse_args(arguments)
    _listen()
    try:
        environment = job_environment(options.env_file)
        settings, spec = _read(environment)
        lent = LentCredentials.parse(settings.object_credentials) if settings.object_credentials else None
    except InvalidSpec as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_SPEC
    except StoreError as error:
        sys.stderr.write(f"JOB_SPEC_URI: {error}\n")
        return EXIT_STORE
    hide([spec.callback_secret, *((lent.secret_key, lent.token) if lent else ())])
    ids: dict[str, str | int] = {"job_id": spec.job_id, "attempt": spec.attempt}
    if settings.world_size > 1:
        ids["rank"] = settings.rank
    if (
        not settings.process.first
    ):  # it ends when the first does; until then the others need it for every step
        _listen_no_more()
    if settings.triptych_request_id:
        ids["request_id"] = settings.triptych_request_id
    logs.configure(ids, level=settings.log_level, form=settings.log_format)
    if settings.job_spec_once and settings.process.count == 1:
        _remove_spec(settings.job_spec_uri)
    # From here on: the spec itself is read and removed as whoever the container is
    if lent is not None:
        objects.use(lent)
    trace = tracing.begin(spec, settings)
    stops = Stops()
    reporter = _reporter(spec, settings, trace, stops)
    objects.wait(Patience(settings.store_wait_seconds, reporter.message))
    if settings.max_seconds and settings.process.first:
        stops.after(settings.max_seconds)
    code = EXIT_CANCELLED  # unless the attempt gives its own
    try:
        with stops:
            code = _attempt(spec, settings, reporter, trace, stops)
    finally:
        # the largest of what lies in WORKDIR; unsent reports and artifacts that could not be uploaded stay
        for leftover in ("inputs", "cache"):
            shutil.rmtree(_workdir(spec, settings) / leftover, ignore_errors=True)
        _tell_the_rest(reporter, settings, code)
    trace.close("" if code == EXIT_OK else f"exit {code}")
    return code


def _read(environment: dict[str, str]) -> tuple[Settings, JobSpec]:
    problems: list[str] = []
    settings = spec = None
    try:
        settings = Settings.from_env(environment)
    except InvalidSpec as error:
        problems += error.problems
    try:
        spec = JobSpec.from_env(environment)
    except InvalidSpec as error:
        problems += error.problems
    if spec is not None and spec.api_base and (problem := why_not_resolved(spec.api_base)):
        problems.append(f"API_BASE: {problem}; reports never go there")
    if settings is None or spec is None or problems:
        raise InvalidSpec(problems)
    return settings, spec


def _remove_spec(uri: str) -> None:
    try:
        objects.remove(uri)
    except (DataError, StoreError) as error:
        log.warning("the job's settings stay where they were read: %s", error)


def _tell_the_rest(reporter: HttpReporter | SilentReporter, settings: Settings, code: int) -> None:
    """Wait for unsent reports: long, for the last one alone says where the model is, unless a stop allows seconds only."""

    def hurry(_number: int, _frame: object) -> None:
        reporter.hurry(settings.flush_seconds)

    if code in {EXIT_CANCELLED, EXIT_INTERRUPTED}:
        reporter.close(settings.flush_seconds)
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hurry)
    reporter.close(settings.final_flush_seconds)


def _reporter(spec: JobSpec, settings: Settings, trace: Trace, stops: Stops) -> HttpReporter | SilentReporter:
    from trainer.delivery import Delivery  # noqa: PLC0415 - httpx, after the spec is known to be right
    from trainer.reporter import HttpReporter, SilentReporter  # noqa: PLC0415
    from trainer.spool import Spool  # noqa: PLC0415

    if not spec.api_base or not settings.process.first:
        return SilentReporter()
    return HttpReporter(
        Spool(_workdir(spec, settings) / "spool", int(settings.spool_max_mb * 2**20)),
        Delivery(spec, trace=trace),
        attempt=spec.attempt,
        heartbeat_seconds=settings.heartbeat_seconds,
        over=stops.over,
    )


def _attempt(spec: JobSpec, settings: Settings, reporter: Reporter, trace: Trace, stops: Stops) -> int:
    from trainer.checkpoint import Checkpoints  # noqa: PLC0415 - as in _reporter
    from trainer.pipeline import run_job  # noqa: PLC0415 - as in _reporter

    workdir = _workdir(spec, settings)
    checkpoints = Checkpoints(
        workdir,
        spec.resume_from,
        spec.destination,
        # the first process keeps the state of all
        save_seconds=settings.checkpoint_seconds if settings.process.first else math.inf,
        store_seconds=settings.checkpoint_store_seconds,
    )
    try:
        model = catalogue.find(spec.model, catalogue.folders(settings.models_path))
        params = model.params(spec.model_params)
        metrics, artifacts = run_job(spec, model, params, reporter, workdir, checkpoints, settings, trace)
    except Cancelled:
        _listen_no_more()  # it would cut the checkpoint off
        ending = stops.ending
        reason = ending.reason + (_kept(checkpoints) if ending.keep else "")
        return _end(reporter, ending.outcome, reason, ending.code)
    except KeyboardInterrupt:
        return _end(reporter, Outcome.CANCELLED, "interrupted from the keyboard", EXIT_INTERRUPTED)
    except StoreError as error:
        _listen_no_more()  # as above
        return _end(reporter, Outcome.FAILED, f"{error}{_kept(checkpoints)}", EXIT_STORE, passing=True)
    except Exception as error:  # noqa: BLE001 - logged there
        return _fail(reporter, error)
    _listen_no_more()  # as in _end
    log.info("succeeded: %s", ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    reporter.final(Outcome.SUCCEEDED, "", metrics, artifacts)
    return EXIT_OK


def _kept(checkpoints: Checkpoints) -> str:
    """Store what is trained so far, and give the words for it; none where there is nothing, or it cannot be stored."""
    try:
        kept = checkpoints.store()
    except (DataError, StoreError) as error:
        log.warning("the checkpoint is lost: %s", error)
        kept = False
    return "; the next attempt goes on from here" if kept else ""


def _fail(reporter: Reporter, error: Exception) -> int:
    """Tell what went wrong in a sentence; the log gets the traceback where the fault is in code, not in what it was given."""
    reason = str(error)
    if isinstance(error, InvalidSpec):
        sys.stderr.write(f"{error}\n")
        return _end(reporter, Outcome.FAILED, reason, EXIT_SPEC)
    if isinstance(error, DataError):
        return _end(reporter, Outcome.FAILED, reason, EXIT_DATA)
    if advice := lacking_memory(error):
        log.error("not enough memory", exc_info=error)
        return _end(reporter, Outcome.FAILED, advice, EXIT_MEMORY)
    if isinstance(error, ModelError):
        log.error("the model is broken", exc_info=error)
        return _end(reporter, Outcome.FAILED, reason, EXIT_MODEL)
    log.error("unexpected error", exc_info=error)
    last_line = traceback.format_exception_only(error)[-1].strip()
    return _end(reporter, Outcome.FAILED, last_line, EXIT_UNEXPECTED)


def _end(reporter: Reporter, outcome: Outcome, reason: str, code: int, *, passing: bool = False) -> int:
    _listen_no_more()  # it would cut the last report off
    log.error("%s: %s", outcome.value, reason)
    reporter.final(outcome, reason, passing=passing)
    return code


def _workdir(spec: JobSpec, settings: Settings) -> Path:
    """Give a folder of the process's own: two jobs on one machine may share WORKDIR, and so may torchrun's processes."""
    name = f"{spec.job_id}-{spec.attempt}"
    folder = Path(spec.workdir) / (name if settings.process.first else f"{name}-{settings.rank}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _listen(again_seconds: float = 2.0) -> None:
    """Raise Cancelled on SIGTERM, and again until it was heard.

    Python drops an exception that is raised within a weak reference's callback or a finalizer, of which each import has
    some: without the repetition a stop at that moment is lost, and the process killed without a checkpoint.
    """

    def cancel(_number: int, _frame: object) -> NoReturn:
        signal.setitimer(signal.ITIMER_REAL, again_seconds)
        raise Cancelled

    signal.signal(signal.SIGTERM, cancel)
    signal.signal(signal.SIGALRM, cancel)


def _listen_no_more() -> None:
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)


def run() -> NoReturn:
    """Run the process to its end."""
    # Imports make objects by the hundred thousand, of which none is garbage: looking for it took a tenth of the time until
    # the first step
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    # Read by OpenMP when torch is imported. Its threads otherwise spin while they wait for each other, which on CPUs shared
    # with other processes was measured to make small steps up to ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = main()
    except Cancelled:  # before or after the attempt itself
        code = EXIT_CANCELLED
    sys.stdout.flush()
    sys.stderr.flush()
    # leaves at once: a reporter that still waits for the service must not hold the process
    os._exit(code)
