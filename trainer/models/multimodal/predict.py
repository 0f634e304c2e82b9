"""Predict with trained multimodal networks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainer.features.saved import below
from trainer.models.multimodal.backbones import build_backbone
from trainer.models.multimodal.batches import Shapes
from trainer.models.multimodal.companions import blend, predict_companions
from trainer.models.multimodal.encoders import encoder_from_saved
from trainer.models.multimodal.evaluation import choose_device
from trainer.models.multimodal.features import NO_VECTORS, Features
from trainer.models.multimodal.network import Network
from trainer.models.multimodal.prepare import Frozen
from trainer.models.multimodal.presets import Architecture
from trainer.models.multimodal.result import ensemble
from trainer.models.multimodal.texts import build_text_cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder
    from trainer.models.multimodal.sentences import SentenceEncoder


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
    features = Features.from_saved(fitted["features"], below("features", state))
    networks, _ = load_networks(fitted, state)
    with tempfile.TemporaryDirectory() as folder:
        cache, _ = features.decode(frame, images, Path(folder))
        load_frozen(fitted, state).describe(cache, device)
        encoder = load_encoder(fitted, state)
        texts = (
            build_text_cache(features.texts(frame), encoder, Path(folder), device) if encoder else NO_VECTORS
        )
        encoded = features.encode(frame, cache, texts)
        placed = [network.to(device, memory_format=torch.channels_last) for network in networks]  # type: ignore[call-overload]
        own = ensemble(placed, encoded, np.arange(len(encoded)), device)
        seen = features.with_vectors(frame, texts)
    others = predict_companions(fitted["companions"], below("companions", state), seen, images, own.shape[1])
    return blend([own, *others], fitted["weights"])


def load_networks(
    fitted: Mapping[str, Any], state: Mapping[str, NDArray[Any]]
) -> tuple[list[Network], Shapes]:
    """Make the trained networks again, on the CPU, and say what shapes they take."""
    architecture, shapes = Architecture(**fitted["architecture"]), Shapes(**fitted["shapes"])
    networks = []
    for number in range(fitted["networks"]):
        own = _part(state, str(number))
        network = Network(shapes, architecture, len(own["output.bias"]))
        network.load_state_dict(own)
        networks.append(network)
    return networks, shapes


def load_frozen(fitted: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Frozen:
    """Make the image networks again that were not trained."""
    frozen = Frozen({name: build_backbone(name)[0] for name in fitted["architecture"]["frozen"]})
    frozen.load_state_dict(_part(state, "frozen"))
    return frozen


def load_encoder(fitted: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> SentenceEncoder | None:
    """Make the sentence encoder again, where there was one.

    Raises:
        LibraryMissing: The library it needs is not installed.
    """
    saved = fitted.get("encoder")  # artifacts of before there were any lack it
    return None if saved is None else encoder_from_saved(saved, below("encoder", state))


def _part(state: Mapping[str, NDArray[Any]], part: str) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in below(part, state).items()}
