"""What comes before the first step: which image networks serve, images decoded, every row encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from trainer.errors import DataError
from trainer.models.multimodal.backbones import TORCHVISION
from trainer.models.multimodal.batches import put, to_pixels
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.presets import Architecture
from trainer.models.multimodal.pretrained import find_weights, load_pretrained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded, Shapes
    from trainer.models.multimodal.images import ImageCache
    from trainer.models.multimodal.network import Network
    from trainer.models.multimodal.params import Params
    from trainer.models.multimodal.presets import Settings
    from trainer.results import TrainParams

PRETRAINED_SIZE = 224  # pixels that torchvision's weights were trained on
DEFAULT_SIZE = 64


class Frozen(nn.ModuleDict):
    """Image networks that are not trained; what they give of an image is computed once."""

    def describe(self, cache: ImageCache, device: torch.device) -> None:
        """Fill the cache's fixed features, side by side in this dictionary's order."""
        if not len(self) or not len(cache.pixels):
            return
        self.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's own hint lacks it

        def of(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode():
                pixels = to_pixels(put(images, device))
                both = torch.cat([backbone(pixels).float() for backbone in self.values()], dim=1)
                features: NDArray[np.float32] = both.cpu().numpy()
            return features

        cache.describe(of)


@dataclass(frozen=True)
class Prepared:
    """Everything that the networks of a training share."""

    device: torch.device
    features: Features
    cache: ImageCache
    encoded: Encoded  # every row
    shapes: Shapes
    architecture: Architecture
    frozen: Frozen
    pretrained: nn.Module | None  # what the trained backbone starts from
    notes: list[str]

    def initialise(self, network: Network, train_rows: NDArray[np.int64]) -> None:
        """Put into a new network what it does not learn by steps: pretrained weights, the scale of fixed features."""
        if network.image is None:
            return
        if self.pretrained is not None and network.image.backbone is not None:
            network.image.backbone.load_state_dict(self.pretrained.state_dict())
        if network.image.standardise is not None:
            shown = np.concatenate([numbers[train_rows].ravel() for numbers in self.encoded.image_numbers])
            shown = np.unique(shown[shown >= 0])
            network.image.standardise.fit(torch.from_numpy(self.encoded.fixed[shown]))


def prepare(params: TrainParams[Params], settings: Settings, device: torch.device) -> Prepared:
    """Choose image networks, decode images, fit encoders on the training rows and encode all rows.

    Raises:
        DataError: Pretrained weights are required and cannot be had, or a file of them is not what its name says.
    """
    data, notes = params.data, []
    backbone, frozen, start = settings.backbone, Frozen(), None
    has_images = any(column.modality == "image" for column in data.columns)
    found = _find_pretrained(params, settings, device) if has_images else None
    if found is not None:
        name, loaded = found
        finetune = device.type == "cuda" if settings.finetune is None else settings.finetune
        if finetune:
            backbone, start = name, loaded
        else:
            backbone, frozen[name] = "none", loaded
        notes.append(f"images: pretrained {name}, {'trained further' if finetune else 'as it is'}")
    elif backbone == "auto":
        backbone = "small"
    if has_images and found is None:
        notes.append(f"images: {backbone} network from scratch, no pretrained weights")
    architecture = Architecture(
        width=settings.width,
        members=settings.members,
        dropout=settings.dropout,
        modality_dropout=settings.modality_dropout,
        text_dropout=settings.text_dropout,
        backbone=backbone,
        frozen=tuple(frozen),
    )

    size = settings.image_size or (PRETRAINED_SIZE if found else DEFAULT_SIZE)
    features = Features.fit(
        data.frame[data.split.train],
        data.columns,
        image_size=size,
        text_features=settings.text_features,
        text_max_chars=settings.text_max_chars,
    )
    folder = params.workdir / "cache"
    cache, broken = features.decode(data.frame, data.images, folder, params.reporter.progress)
    if broken:
        notes.append(f"{len(broken)} images cannot be decoded and count as missing, e.g. {broken[0]}")
    frozen.describe(cache, device)
    encoded = features.encode(data.frame, cache)
    shapes = features.shapes(encoded)
    return Prepared(device, features, cache, encoded, shapes, architecture, frozen, start, notes)


def _find_pretrained(
    params: TrainParams[Params], settings: Settings, device: torch.device
) -> tuple[str, nn.Module] | None:
    spec, wanted = params.spec, settings.backbone
    if spec.pretrained == "none":
        return None
    if not spec.pretrained_uri:
        why = "PRETRAINED_URI is not set"
    elif wanted != "auto" and wanted not in TORCHVISION:
        why = f"there are no weights for backbone {wanted!r}"
    else:
        folder = params.workdir / "inputs" / "pretrained"
        found = find_weights(spec.pretrained_uri, wanted, device.type, folder)
        if found is not None:
            return found[0], load_pretrained(*found)
        why = f"{spec.pretrained_uri} holds no weights for backbone {wanted!r}"
    if spec.pretrained == "required":
        raise DataError(f"PRETRAINED is required, but {why}; known are {', '.join(TORCHVISION)}")
    return None
