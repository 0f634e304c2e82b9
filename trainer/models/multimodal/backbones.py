"""What turns an image into features: a small residual network from scratch, or one of torchvision's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from types import ModuleType

# Features that torchvision's networks hand to their last layer
TORCHVISION = {
    "convnext_tiny": 768,
    "efficientnet_b0": 1280,
    "mobilenet_v3_large": 960,
    "mobilenet_v3_small": 576,
    "resnet18": 512,
    "resnet50": 2048,
}
IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHANNELS = {"small": 16, "medium": 32}
_KEPT: list[Any] = []  # torch forgets an operator's definition with the library object that made it


class Residual(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016), halving height and width where stride is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = functional.relu(self.first_norm(self.first(x)), inplace=True)
        y = self.second_norm(self.second(y))
        shortcut: torch.Tensor = self.shortcut(x)
        return functional.relu(y + shortcut, inplace=True)


class SmallResNet(nn.Sequential):
    """Ten layers, for training from scratch on a CPU; (n, 3, s, s) to (n, 8 * channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(3, channels, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            Residual(channels, channels, 1),
            Residual(channels, 2 * channels, 2),
            Residual(2 * channels, 4 * channels, 2),
            Residual(4 * channels, 8 * channels, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


class ImageNetScale(nn.Module):
    """From -1..1 to the scale that torchvision's weights were trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(IMAGENET_SPREAD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale pixels, shape kept."""
        scaled: torch.Tensor = ((x + 1) / 2 - self.mean) / self.spread  # type: ignore[operator]
        return scaled


def build_backbone(name: str) -> tuple[nn.Module, int]:
    """Make a backbone with random weights.

    Args:
        name: "small", "medium" or a key of TORCHVISION.

    Returns:
        The backbone, and how many features it gives of an image.
    """
    if name in CHANNELS:
        return SmallResNet(CHANNELS[name]), 8 * CHANNELS[name]
    return without_head(torchvision_network(name)), TORCHVISION[name]


def torchvision_network(name: str) -> nn.Module:
    """Make one of torchvision's networks whole, with random weights."""
    network: nn.Module = getattr(import_torchvision().models, name)(weights=None)
    return network


def without_head(network: nn.Module) -> nn.Module:
    """Take the classifying layer off one of torchvision's networks, so that it maps pixels in -1..1 to features, (n, f)."""
    if hasattr(network, "fc"):
        network.fc = nn.Identity()
    elif isinstance(network.classifier, nn.Sequential) and not isinstance(
        network.classifier[0], (nn.Linear, nn.Dropout)
    ):
        network.classifier[-1] = nn.Identity()  # convnext: a norm and a flattening come before
    else:
        network.classifier = nn.Identity()
    return nn.Sequential(ImageNetScale(), network)


def import_torchvision() -> ModuleType:
    """Import torchvision; beside a torch for CPUs its wheel, built for CUDA, misses two operators that must be declared first.

    Its classification networks need neither.
    """
    try:
        import torchvision  # noqa: PLC0415 - half a second, and only for its networks
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _KEPT.append(library)
        import torchvision  # noqa: PLC0415
    module: ModuleType = torchvision
    return module
