"""From trained networks to a report and artifacts, and from those back to predictions."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainer import scores
from trainer.features.saved import prefixed
from trainer.models.multimodal.evaluation import predict_log_probabilities
from trainer.models.multimodal.network import Network
from trainer.results import Artifacts, EpochRecord, TrainingReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded
    from trainer.models.multimodal.params import Params
    from trainer.models.multimodal.prepare import Prepared
    from trainer.models.multimodal.presets import Settings
    from trainer.models.multimodal.state import Trained
    from trainer.results import TrainParams


def result(
    params: TrainParams[Params],
    settings: Settings,
    prepared: Prepared,
    trained: Sequence[Trained],
    history: list[EpochRecord],
) -> tuple[TrainingReport, Artifacts]:
    """Load the networks' best states and say what they are worth together."""
    data, val_rows = params.data, params.data.split.val
    networks = []
    for one in trained:
        network = Network(prepared.shapes, prepared.architecture, len(data.labels))
        network.load_state_dict(one.state)
        networks.append(network.to(prepared.device, memory_format=torch.channels_last))  # type: ignore[call-overload]

    def predict(frame: pl.DataFrame) -> NDArray[np.float32]:
        encoded = prepared.features.encode(frame, prepared.cache)
        return ensemble(networks, encoded, np.arange(len(encoded)), prepared.device)

    guesses = ensemble(networks, prepared.encoded, val_rows, prepared.device).argmax(axis=1)
    matrix = scores.confusion_matrix(data.target[val_rows], guesses, len(data.labels))
    notes = list(prepared.notes)
    ran = len(history)
    if math.isfinite(params.deadline) and ran < settings.epochs * settings.networks:
        notes.append(
            f"{len(trained)} of {settings.networks} networks, {ran} epochs in all (TIME_BUDGET, patience)"
        )
    report = TrainingReport.of_best(
        history,
        max(trained, key=lambda one: one.accuracy).epoch,
        matrix,
        data.labels,
        device=str(prepared.device),
        parameters=sum(parameter.numel() for network in networks for parameter in network.parameters()),
        notes=notes,
    )
    states = {str(number): one.state for number, one in enumerate(trained)}
    states["frozen"] = prepared.frozen.state_dict()
    artifacts = Artifacts(
        model_type="multimodal",
        state_dict={
            name: array
            for part, state in states.items()
            for name, array in prefixed(part, _arrays(state)).items()
        },
        id2label=dict(enumerate(data.labels)),
        preprocessing={
            "features": prepared.features.to_json(),
            "shapes": asdict(prepared.shapes),
            "architecture": asdict(prepared.architecture),
            "networks": len(networks),
        },
        predict=predict,
    )
    return report, artifacts


def _arrays(state: Mapping[str, torch.Tensor]) -> dict[str, NDArray[np.generic]]:
    return {name: tensor.cpu().contiguous().numpy() for name, tensor in state.items()}


def ensemble(
    networks: Sequence[Network], encoded: Encoded, rows: NDArray[np.int64], device: torch.device
) -> NDArray[np.float32]:
    """Give the mean of the networks' probabilities for some rows, in their order, shape (rows, classes)."""
    each = torch.stack([predict_log_probabilities(network, encoded, rows, device) for network in networks])
    probabilities: NDArray[np.float32] = each.exp().mean(dim=0).numpy()
    return probabilities
