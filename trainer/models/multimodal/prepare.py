"""What comes before the first step: which pretrained networks serve, images decoded, every row encoded once."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from contracts.callback import Phase
from trainer.errors import DataError
from trainer.models.multimodal.backbones import TORCHVISION
from trainer.models.multimodal.batches import put, to_pixels
from trainer.models.multimodal.branches import Standardise
from trainer.models.multimodal.encoders import read_encoder
from trainer.models.multimodal.features import NO_VECTORS, Features
from trainer.models.multimodal.presets import Architecture
from trainer.models.multimodal.pretrained import find_encoder, find_weights, load_pretrained
from trainer.models.multimodal.sentences import LibraryMissing
from trainer.models.multimodal.texts import build_text_cache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded, Shapes
    from trainer.models.multimodal.images import ImageCache
    from trainer.models.multimodal.network import Network
    from trainer.models.multimodal.params import Params
    from trainer.models.multimodal.presets import Settings
    from trainer.models.multimodal.sentences import SentenceEncoder
    from trainer.models.multimodal.texts import TextCache
    from trainer.results import TrainParams

PRETRAINED_SIZE = 224  # pixels that torchvision's weights were trained on
DEFAULT_SIZE = 64
SCALED_BY = 20_000  # texts at most, evenly among all; their vectors' mean and spread are the column's


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
    encoder: SentenceEncoder | None
    texts: TextCache
    pretrained: nn.Module | None  # what the trained backbone starts from
    notes: list[str]

    def digest(self) -> str:
        """Tell the weights that were not trained here, and what they are used for, from all others, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(asdict(self.architecture)).encode())
        for part in (self.frozen, self.pretrained):
            for name, tensor in part.state_dict().items() if part is not None else ():
                digest.update(name.encode())
                digest.update(tensor.cpu().numpy().tobytes())
        if self.encoder is not None:
            digest.update(self.encoder.digest().encode())
        return digest.hexdigest()

    def initialise(self, network: Network, train_rows: NDArray[np.int64]) -> None:
        """Put into a new network what it does not learn by steps: pretrained weights, the scale of fixed features."""
        encoded, image = self.encoded, network.image
        if image is not None and self.pretrained is not None and image.backbone is not None:
            image.backbone.load_state_dict(self.pretrained.state_dict())
        if image is not None and image.standardise is not None:
            shown = np.concatenate([numbers[train_rows].ravel() for numbers in encoded.image_numbers])
            shown = np.unique(shown[shown >= 0])
            image.standardise.fit(torch.from_numpy(encoded.fixed[shown]))
        for branch, numbers, missing in zip(
            network.texts, encoded.sentence_numbers, encoded.no_text, strict=True
        ):
            if isinstance(branch.standardise, Standardise):
                shown = np.unique(numbers[train_rows][~missing[train_rows]])
                some = shown[:: math.ceil(len(shown) / SCALED_BY) or 1]
                branch.standardise.fit(torch.from_numpy(encoded.sentences[some]))


def prepare(params: TrainParams[Params], settings: Settings, device: torch.device) -> Prepared:
    """Choose pretrained networks, decode images, fit encoders on the training rows and encode all rows.

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
    encoder = None
    if any(column.modality == "text" for column in data.columns):
        encoder, used = _find_encoder(params, has_images=has_images)
        notes.append(used)
    architecture = Architecture(
        width=settings.width,
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
    texts = NO_VECTORS
    if encoder is not None:
        params.reporter.phase(Phase.PREPARING, f"describing texts by {encoder.name}")
        texts = build_text_cache(
            features.texts(data.frame), encoder, folder, device, params.reporter.progress
        )
    encoded = features.encode(data.frame, cache, texts)
    shapes = features.shapes(encoded)
    return Prepared(
        device, features, cache, encoded, shapes, architecture, frozen, encoder, texts, start, notes
    )


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


def _find_encoder(params: TrainParams[Params], *, has_images: bool) -> tuple[SentenceEncoder | None, str]:
    """Give the sentence encoder that serves, if any, and a note of it.

    Encoders are an addition to n-grams: where images start from pretrained weights, a job that requires those may do without.
    """
    spec, place = params.spec, None
    without = "text: n-grams from scratch, no sentence encoder"
    if spec.pretrained == "none":
        return None, without
    if not spec.pretrained_uri:
        why = "PRETRAINED_URI is not set"
    else:
        place, why = find_encoder(spec.pretrained_uri, params.workdir / "inputs" / "pretrained")
        if place is not None:
            try:
                encoder = read_encoder(place)
            except LibraryMissing as missing:
                why = str(missing)
            else:
                return encoder, f"text: sentence encoder {encoder.name} as it is, beside n-grams"
    if spec.pretrained == "required" and (place is not None or not has_images):
        raise DataError(f"PRETRAINED is required, but {why}")
    return None, f"{without} ({why})" if spec.pretrained_uri else without
