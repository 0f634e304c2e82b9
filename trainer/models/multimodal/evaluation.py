"""The device and its threads, the seeds, and the network on rows it is not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainer.cpu import cpu_limit
from trainer.errors import DataError
from trainer.models.multimodal.batches import gather, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded
    from trainer.models.multimodal.network import Network

BATCH_ROWS = 256


def choose_device(wanted: str) -> torch.device:
    """Give the device, "auto" being a GPU where there is one, and let torch use the CPUs this process may use.

    Raises:
        DataError: A GPU is wanted and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DataError("MODEL_PARAMS: device is cuda but this machine has no GPU that torch can use")
    torch.set_num_threads(min(cpu_limit(), torch.get_num_threads()))  # OMP_NUM_THREADS may say less
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def predict_log_probabilities(
    network: Network, encoded: Encoded, rows: NDArray[np.int64], device: torch.device
) -> torch.Tensor:
    """Give the log-probabilities of some rows, in their order, shape (rows, classes), on the CPU."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network.log_probabilities(gather(encoded, part, device)).cpu()
            for part in in_order(rows, BATCH_ROWS)
        ]
    return torch.cat(parts)
