"""Weights for torchvision's networks from a folder, by the names torchvision gives its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from trainer import objects
from trainer.errors import DataError
from trainer.models.multimodal.backbones import torchvision_network, without_head

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

# What is taken first where a folder holds several and none is asked for: the better one that the device can bear
PREFERRED = {
    "cpu": (
        "efficientnet_b0",
        "mobilenet_v3_large",
        "resnet18",
        "mobilenet_v3_small",
        "resnet50",
        "convnext_tiny",
    ),
    "cuda": (
        "convnext_tiny",
        "resnet50",
        "efficientnet_b0",
        "resnet18",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
    ),
}
SUFFIXES = (".safetensors", ".pth", ".pt")


def find_weights(uri: str, wanted: str, device: str, folder: Path) -> tuple[str, Path] | None:
    """Find weights in a folder.

    Args:
        uri: file:// or s3:// folder.
        wanted: A network of torchvision's, or "auto".
        device: "cpu" or "cuda".
        folder: Where s3:// objects are put.

    Returns:
        The network's name and the file, which is named like ``resnet18-f37072fd.pth`` or ``resnet18.safetensors``; None
        where the folder holds none that fits.

    Raises:
        DataError: The folder cannot be read.
    """
    local = objects.fetch_folder(uri, folder, lambda _: None)
    files = sorted(path for path in local.iterdir() if path.suffix in SUFFIXES)
    for name in PREFERRED[device] if wanted == "auto" else (wanted,):
        for file in files:
            if file.stem.split("-")[0] == name:
                return name, file
    return None


def load_pretrained(name: str, file: Path) -> nn.Module:
    """Make one of torchvision's networks with the weights of a file, without its classifying layer.

    Raises:
        DataError: The file does not hold that network's weights.
    """
    try:
        # weights alone are read: a pickle that holds code is refused
        state: dict[str, Any] = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, weights_only=True, map_location="cpu")
        )
        network = torchvision_network(name)
        network.load_state_dict(state)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"PRETRAINED_URI: {file.name} does not hold the weights of {name}: {reason}"
        ) from error
    return without_head(network)
