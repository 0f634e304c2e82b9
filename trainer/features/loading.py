"""A job's images described before anything else, in a phase of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from contracts.callback import Phase

if TYPE_CHECKING:
    from trainer.features.descriptors import ImageDescriptors
    from trainer.results import TrainParams


def load_images(params: TrainParams[Any]) -> tuple[ImageDescriptors, list[str]]:
    """Decode and describe every image that a job's rows name.

    Returns:
        The descriptors, and notes for a person.
    """
    data, reporter = params.data, params.reporter
    descriptors = data.descriptors
    names = [column.name for column in data.columns if column.modality == "image"]
    if not names:
        return descriptors, []
    reporter.phase(Phase.PREPARING, "decoding and describing images")
    descriptors.load(pl.concat([data.frame[name] for name in names]), reporter.progress)
    reporter.phase(Phase.TRAINING)
    if not descriptors.broken:
        return descriptors, []
    broken = descriptors.broken
    return descriptors, [f"{len(broken)} images cannot be decoded and count as missing, e.g. {broken[0]}"]
