"""What PRETRAINED_URI holds: weights of torchvision's networks by the names of their files, sentence encoders in sub-folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from trainer import objects
from trainer.errors import DataError
from trainer.models.multimodal import huggingface
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
    local = objects.fetch_folder(
        uri, folder, lambda _: None, lambda name: "/" not in name and name.endswith(SUFFIXES)
    )
    files = sorted(path for path in local.iterdir() if path.suffix in SUFFIXES)
    for name in PREFERRED[device] if wanted == "auto" else (wanted,):
        for file in files:
            if file.stem.split("-")[0] == name:
                return name, file
    return None


def find_encoder(uri: str, folder: Path) -> tuple[Path | None, str]:
    """Find a sentence encoder: the first sub-folder, by name, in the Hugging Face layout.

    Args:
        uri: file:// or s3:// folder.
        folder: Where s3:// objects are put.

    Returns:
        The sub-folder as a local one; or None, and why there is none.

    Raises:
        DataError: The folder cannot be read.
    """
    local = objects.fetch_folder(
        uri, folder, lambda _: None, lambda name: "/" in name and name.split("/", 1)[1] in huggingface.FILES
    )
    why = f"{uri} holds no folder with {', '.join(huggingface.NEEDED)}"
    for place in sorted(path for path in local.iterdir() if path.is_dir()):
        lacking = huggingface.lacking(place)
        if not lacking:
            return place, ""
        if huggingface.CONFIG not in lacking:
            why = f"{place.name} in {uri} lacks {' and '.join(lacking)}"
    return None, why


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
