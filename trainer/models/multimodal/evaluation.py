"""The network on rows it is not trained on, and what the device is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainer.errors import DataError
from trainer.models.multimodal.batches import gather, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded

BATCH_ROWS = 256


def choose_device(wanted: str) -> torch.device:
    """Give the device: "auto" takes a GPU where there is one.

    Raises:
        DataError: A GPU is wanted and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DataError("MODEL_PARAMS: device is cuda but this machine has no GPU that torch can use")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def predict_logits(
    network: torch.nn.Module, encoded: Encoded, rows: NDArray[np.int64], device: torch.device
) -> torch.Tensor:
    """Give the logits of some rows, in their order, shape (rows, classes), on the CPU."""
    network.eval()
    with torch.inference_mode():
        parts = [network(gather(encoded, part, device)).float().cpu() for part in in_order(rows, BATCH_ROWS)]
    return torch.cat(parts)
