"""The device and its threads, the seeds, and the network on rows it is not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainer.cpu import cpu_limit
from trainer.errors import DataError
from trainer.models.multimodal.batches import gather, in_order
from trainer.settings import Process

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded
    from trainer.models.multimodal.network import Network
    from trainer.models.multimodal.ranks import Ranks

BATCH_ROWS = 256
ALONE = Process()


def choose_device(wanted: str, process: Process = ALONE) -> torch.device:
    """Give the device, "auto" being a GPU where there is one, and let torch use the CPUs this process may use.

    Args:
        wanted: "auto", "cpu" or "cuda".
        process: Of several on one machine, each takes the GPU of its number.

    Raises:
        DataError: A GPU is wanted and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DataError("MODEL_PARAMS: device is cuda but this machine has no GPU that torch can use")
    torch.set_num_threads(min(cpu_limit(), torch.get_num_threads()))  # OMP_NUM_THREADS may say less
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted, process.on_machine if wanted == "cuda" else 0)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Tell whether training multiplies in bfloat16: half the bytes, and the range of float32, so that no loss need be scaled."""
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


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


def predict_together(
    network: Network, encoded: Encoded, rows: NDArray[np.int64], device: torch.device, ranks: Ranks
) -> torch.Tensor:
    """Give the same, each process of a training having asked its own copy of the network for its share of the rows."""
    ranks.align(network)
    return ranks.gather(predict_log_probabilities(network, encoded, ranks.share(rows), device), len(rows))
