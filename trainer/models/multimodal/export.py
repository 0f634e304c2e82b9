"""The networks as one program of torch.export: from encoded rows to probabilities, without this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from trainer.errors import DataError
from trainer.models.multimodal.batches import Batch, Text
from trainer.models.multimodal.predict import load_networks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Shapes
    from trainer.models.multimodal.network import Network

EXAMPLE_ROWS, EXAMPLE_IMAGES = 3, 5  # numbers that nothing else has, so that no size is taken for a constant


class Program(nn.Module):
    """The mean of the networks' probabilities, of tensors alone."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(
        self,
        pixels: torch.Tensor,
        fixed: torch.Tensor,
        owners: torch.Tensor,
        texts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]],
        reals: torch.Tensor,
        codes: torch.Tensor,
    ) -> torch.Tensor:
        """Map a batch, see ``Batch`` and ``Text``, to probabilities (rows, classes)."""
        batch = Batch(pixels, fixed, owners, [Text(*text) for text in texts], reals, codes)
        each = [cast("Network", network).log_probabilities(batch).exp() for network in self.networks]
        return torch.stack(each).mean(dim=0)


def export(fitted: Mapping[str, Any], state: Mapping[str, NDArray[np.generic]]) -> ExportedProgram:
    """Export trained networks.

    Args:
        fitted: What training put into preprocessing.json.
        state: The weights by name.

    Returns:
        The program; any number of rows and of images from 2 on can be given to it, and any number of n-grams. torch.export
        would make a program for 1 its own constant, so a single row is given twice.

    Raises:
        DataError: The model has companions.
    """
    if fitted["companions"]:
        names = " and ".join(fitted["companions"])
        raise DataError(
            f"the model's answers are blended with those of {names}, of which no program can be made; "
            'train it with MODEL_PARAMS {"companions": false}'
        )
    networks, shapes = load_networks(fitted, state)
    program = Program([network.cpu().eval() for network in networks]).eval()
    size = fitted["features"]["image_size"]
    rows, images = Dim("rows", min=2), Dim("images", min=2)
    texts = [Dim(f"ngrams_{number}", min=0) for number, _ in enumerate(shapes.text_features)]
    offsets = [rows + 1 for _ in texts]
    dynamic = {
        "pixels": {0: images},
        "fixed": {0: images},
        "owners": {0: images},
        "texts": [
            ({0: ngrams}, {0: ends}, {0: ngrams}, {0: rows}, {0: rows})
            for ngrams, ends in zip(texts, offsets, strict=True)
        ],
        "reals": {0: rows},
        "codes": {0: rows},
    }
    return torch.export.export(program, _example(shapes, size), dynamic_shapes=dynamic)


def _example(shapes: Shapes, size: int) -> tuple[Any, ...]:
    entries = 4
    text = (
        torch.zeros(entries, dtype=torch.long),
        torch.tensor([0, 1, 2, entries]),
        torch.ones(entries),
        torch.zeros(EXAMPLE_ROWS, dtype=torch.bool),
        torch.zeros(EXAMPLE_ROWS, shapes.sentence),
    )
    return (
        torch.zeros(EXAMPLE_IMAGES, 3, size, size).contiguous(memory_format=torch.channels_last),
        torch.zeros(EXAMPLE_IMAGES, shapes.fixed),
        torch.zeros(EXAMPLE_IMAGES, dtype=torch.long),
        [text for _ in shapes.text_features],
        torch.zeros(EXAMPLE_ROWS, shapes.reals),
        torch.zeros(EXAMPLE_ROWS, len(shapes.cardinalities), dtype=torch.long),
    )
