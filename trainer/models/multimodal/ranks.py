"""One training shared by the processes that torchrun started: each takes a part of every batch, all take the same steps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn

from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from trainer.settings import Process

SEEDS_APART = 1_000_003  # so that processes leave out other things of their rows


class Ranks:
    """The processes of a training; to one alone, every method gives back what it was given."""

    def __init__(self, process: Process, device: torch.device) -> None:
        self._process = process
        self._device = device
        self.shared = process.count > 1

    @classmethod
    @contextmanager
    def join(cls, process: Process, device: torch.device) -> Iterator[Ranks]:
        """Meet the other processes, at the address torchrun has put into the environment, and leave them at the end."""
        ranks = cls(process, device)
        if not ranks.shared:
            yield ranks
            return
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        try:
            yield ranks
        finally:
            distributed.destroy_process_group()

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give this process's part of some rows; parts differ by a row at most.

        Raises:
            DataError: There is not a row for everyone.
        """
        count = self._process.count
        if len(rows) < count:
            raise DataError(
                f"{count} processes cannot share {len(rows)} rows; raise BATCH_SIZE or start fewer processes"
            )
        return rows[self._process.number :: count]

    def connect(self, network: nn.Module) -> nn.Module:
        """Make backward passes give every process the mean of all gradients (DistributedDataParallel: Li et al. 2020).

        Batch normalisation takes its statistics over all processes on GPUs; torch has no such thing for CPUs, where each
        process goes by its own part of a batch.
        """
        if not self.shared:
            return network
        torch.manual_seed(torch.initial_seed() + SEEDS_APART * self._process.number)
        if self._device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return nn.parallel.DistributedDataParallel(network)

    def scale(self, own: int, all_rows: int) -> float:
        """Give what a mean over this process's rows is to be multiplied by, so that the mean over processes is that of all rows."""
        return own * self._process.count / all_rows

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Give the sum of all processes' values."""
        if not self.shared:
            return values
        values = values.clone()
        distributed.all_reduce(values)
        return values

    def gather(self, own: torch.Tensor, rows: int) -> torch.Tensor:
        """Give everyone's answers, shape (rows, …), from those to this process's share, on the CPU."""
        if not self.shared:
            return own
        every = torch.zeros(rows, *own.shape[1:], dtype=own.dtype, device=self._device)
        every[self._process.number :: self._process.count] = own.to(self._device)
        distributed.all_reduce(every)
        return every.cpu()

    def any(self, flag: bool) -> bool:  # noqa: FBT001 - the one thing it is about
        """Tell whether any process says so."""
        return flag if not self.shared else bool(self.total(torch.tensor(float(flag), device=self._device)))

    def of_first(self, value: Any) -> Any:
        """Give the first process's value."""
        if not self.shared:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0, device=self._device)
        return values[0]

    def align(self, network: nn.Module) -> None:
        """Give everyone the first process's buffers: statistics that each gathered on its own rows."""
        if self.shared:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)
