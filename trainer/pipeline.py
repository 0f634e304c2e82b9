"""One job from its inputs to its uploaded artifacts, a step a line."""

from __future__ import annotations

import logging
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.callback import Phase
from trainer.tracing import NoTrace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contracts.callback import ArtifactInfo
    from contracts.job import JobSpec
    from trainer.checkpoint import Checkpoints
    from trainer.models.catalogue import ModelParams
    from trainer.models.model import Model
    from trainer.reporter import Reporter
    from trainer.settings import Settings
    from trainer.tracing import Trace

log = logging.getLogger(__name__)


def run_job(
    spec: JobSpec,
    model: Model,
    params: ModelParams,
    reporter: Reporter,
    workdir: Path,
    checkpoints: Checkpoints,
    settings: Settings,
    trace: Trace | None = None,
) -> tuple[dict[str, float], list[ArtifactInfo]]:
    """Train one model.

    Args:
        spec: The job.
        model: What to train.
        params: Its parameters.
        reporter: Told of everything.
        workdir: A folder of this attempt's own.
        checkpoints: Where the model keeps its state, and finds that of an earlier attempt.
        settings: Say where to install what the model requires, and how much may be spent on explaining it.
        trace: Told of each phase.

    Returns:
        The metrics of the best state, and the uploaded artifacts.

    Raises:
        DataError: The inputs cannot be trained on.
        ModelError: The model is broken.
        StoreError: The object store did not answer for longer than it is waited for.
    """
    # imported here, so that a mistake in the spec shows at once: polars, numpy and torch take seconds
    from trainer.artifacts import upload, write_artifacts  # noqa: PLC0415
    from trainer.data import prepare  # noqa: PLC0415
    from trainer.inputs import fetch_inputs  # noqa: PLC0415
    from trainer.results import TrainParams  # noqa: PLC0415

    process = settings.process
    if not process.first and not params.SHARED:
        return {}, []
    deadline = time.monotonic() + spec.time_budget if spec.time_budget else math.inf
    durations: dict[str, float] = {}
    trace = trace or NoTrace()
    with _phase(Phase.DOWNLOADING, reporter, durations, trace):
        inputs = fetch_inputs(spec, workdir / "inputs", reporter.progress, settings.image_limits)
    with _phase(Phase.PREPARING, reporter, durations, trace):
        data = prepare(spec, inputs)
        for note in data.notes:
            log.info("%s", note)
        model.install(settings.model_layers_dir)
        train = model.load_train()
    with _phase(Phase.TRAINING, reporter, durations, trace):
        everything = TrainParams(spec, params, data, reporter, workdir, checkpoints, deadline, process)
        report, artifacts = train(everything)
    if not process.first:
        return report.metrics, []
    with _phase(Phase.EXPLAINING, reporter, durations, trace):
        from trainer.explain import Limits, explain  # noqa: PLC0415 - what the first step need not wait for

        explanation = explain(
            artifacts,
            data,
            seed=spec.seed,
            limits=Limits(settings.explain_share, settings.explain_max_rows, settings.explain_max_columns),
            training_seconds=durations[Phase.TRAINING],
            progress=reporter.progress,
        )
    with _phase(Phase.UPLOADING, reporter, durations, trace):
        from trainer.report import write_report  # noqa: PLC0415 - as before

        folder = workdir / "artifacts"
        write_artifacts(artifacts, data, spec.target_col, explanation, folder)
        metrics = dict(report.metrics)
        with explanation.part("the report"):
            metrics = write_report(spec, params, inputs, data, report, explanation, durations, folder)
        uploaded = upload(folder, spec.destination, reporter.progress)
    return metrics, uploaded


@contextmanager
def _phase(phase: Phase, reporter: Reporter, durations: dict[str, float], trace: Trace) -> Iterator[None]:
    reporter.phase(phase)
    started = time.monotonic()
    with trace.phase(phase.value):
        yield
    durations[phase.value] = time.monotonic() - started
