"""Predict with a trained multimodal network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainer.models.multimodal.evaluation import choose_device, predict_logits
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.network import Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder


def predict(
    fitted: Mapping[str, Any],
    state: Mapping[str, NDArray[Any]],
    frame: pl.DataFrame,
    images: ImageFolder | None,
) -> NDArray[np.float32]:
    """Give each row's class probabilities, shape (rows, classes).

    Args:
        fitted: What training put into preprocessing.json.
        state: The weights by name.
        frame: The features, typed by ``trainer.cleaning.clean``.
        images: Where their images lie.
    """
    device = choose_device("auto")
    features = Features.from_json(fitted["features"])
    with tempfile.TemporaryDirectory() as folder:
        encoded, _ = features.encode(frame, images, Path(folder) / "images.npy")
        network = Network(features.shapes(encoded), fitted["width"], 0.0, 0.0, len(state["head.4.bias"]))
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        logits = predict_logits(network, encoded, np.arange(len(frame)), device)
    probabilities: NDArray[np.float32] = torch.softmax(logits, 1).numpy()
    return probabilities
