"""From trained networks to a report and artifacts, and from those back to predictions."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from contracts.callback import Phase
from trainer import scores
from trainer.features.saved import prefixed
from trainer.figures import log_loss
from trainer.models.multimodal.companions import ALONE, train_blend
from trainer.models.multimodal.evaluation import predict_log_probabilities
from trainer.models.multimodal.features import vector_column
from trainer.models.multimodal.network import Network
from trainer.results import Artifacts, TrainingReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.data import Data
    from trainer.models.multimodal.batches import Encoded
    from trainer.models.multimodal.params import Params
    from trainer.models.multimodal.prepare import Prepared
    from trainer.models.multimodal.presets import Settings
    from trainer.models.multimodal.state import Progress
    from trainer.results import TrainParams


def result(
    params: TrainParams[Params],
    settings: Settings,
    prepared: Prepared,
    progress: Progress,
) -> tuple[TrainingReport, Artifacts]:
    """Load the networks' best states and say what they are worth together."""
    trained, history = progress.done, progress.history
    data, val_rows = params.data, params.data.split.val
    networks = []
    for one in trained:
        network = Network(prepared.shapes, prepared.architecture, len(data.labels))
        network.load_state_dict(one.state)
        networks.append(network.to(prepared.device, memory_format=torch.channels_last))  # type: ignore[call-overload]

    own = ensemble(networks, prepared.encoded, val_rows, prepared.device)
    parts, guesses = ALONE, ALONE.answer(own, data.frame[val_rows])
    if settings.companions and params.process.first and time.monotonic() < params.deadline:
        params.reporter.phase(Phase.TRAINING, "a linear model and trees beside the networks")
        its = replace(params, data=_with_vectors(data, prepared))
        parts, guesses = train_blend(its, own, class_weights=settings.class_weights)

    def predict(frame: pl.DataFrame) -> NDArray[np.float32]:
        encoded = prepared.features.encode(frame, prepared.cache, prepared.texts)
        own = ensemble(networks, encoded, np.arange(len(encoded)), prepared.device)
        return parts.answer(own, prepared.features.with_vectors(frame, prepared.texts))

    notes = [*prepared.notes, *progress.notes]
    ran = len(history)
    if math.isfinite(params.deadline) and ran < settings.epochs * settings.networks:
        notes.append(
            f"{len(trained)} of {settings.networks} networks, {ran} epochs in all (TIME_BUDGET, patience)"
        )
    notes += parts.notes
    report = TrainingReport.of_best(
        history,
        min(trained, key=lambda one: one.loss).epoch,
        scores.confusion_matrix(data.target[val_rows], guesses.argmax(axis=1), len(data.labels)),
        data.labels,
        loss=log_loss(guesses, data.target[val_rows]),
        device=str(prepared.device),
        parameters=sum(parameter.numel() for network in networks for parameter in network.parameters()),
        notes=notes,
    )
    saved_companions, arrays = parts.to_saved()
    arrays = prefixed("companions", arrays) | prefixed("features", prepared.features.arrays())
    arrays |= prefixed("frozen", _arrays(prepared.frozen.state_dict()))
    encoder = prepared.encoder
    if encoder is not None:
        arrays |= prefixed("encoder", encoder.arrays())
    for number, one in enumerate(trained):
        arrays |= prefixed(str(number), _arrays(one.state))
    artifacts = Artifacts(
        model_type="multimodal",
        state_dict=arrays,
        id2label=dict(enumerate(data.labels)),
        preprocessing={
            "features": prepared.features.to_json(),
            "shapes": asdict(prepared.shapes),
            "architecture": asdict(prepared.architecture),
            "encoder": None if encoder is None else encoder.to_json(),
            "networks": len(networks),
            "companions": saved_companions,
            "weights": parts.weights,
        },
        predict=predict,
    )
    return report, artifacts


def _with_vectors(data: Data, prepared: Prepared) -> Data:
    """Give what companions train on: they see the encoder's vectors as well."""
    if prepared.encoder is None:
        return data
    added = [vector_column(column.name) for column in data.columns if column.modality == "text"]
    frame = prepared.features.with_vectors(data.frame, prepared.texts)
    return replace(data, columns=[*data.columns, *added], frame=frame)


def _arrays(state: Mapping[str, torch.Tensor]) -> dict[str, NDArray[np.generic]]:
    return {name: tensor.cpu().contiguous().numpy() for name, tensor in state.items()}


def ensemble(
    networks: Sequence[Network], encoded: Encoded, rows: NDArray[np.int64], device: torch.device
) -> NDArray[np.float32]:
    """Give the mean of the networks' probabilities for some rows, in their order, shape (rows, classes)."""
    each = torch.stack([predict_log_probabilities(network, encoded, rows, device) for network in networks])
    probabilities: NDArray[np.float32] = each.exp().mean(dim=0).numpy()
    return probabilities
