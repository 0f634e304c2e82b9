"""Layers that hold k models which share most of their weights (TabM: Gorishniy et al. 2025; BatchEnsemble: Wen et al. 2020)."""

from __future__ import annotations

import torch
from torch import nn


class EnsembleLinear(nn.Module):
    """k linear layers over one weight matrix, each with its own scales of inputs and outputs and its own bias."""

    def __init__(self, members: int, inputs: int, outputs: int, *, diverse: bool) -> None:
        """Make the layer.

        Args:
            members: k.
            inputs: Numbers in.
            outputs: Numbers out.
            diverse: Start with random signs on the inputs, so that members differ from the start; for the first layer.
        """
        super().__init__()
        self.weight = nn.Linear(inputs, outputs, bias=False).weight
        signs = torch.randint(0, 2, (members, inputs)) * 2.0 - 1 if diverse and members > 1 else None
        self.scale_in = nn.Parameter(torch.ones(members, inputs) if signs is None else signs)
        self.scale_out = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, k, inputs), or (n, 1, inputs) for the same input to all, to (n, k, outputs)."""
        y: torch.Tensor = torch.matmul(x * self.scale_in, self.weight.T) * self.scale_out + self.bias
        return y


class SeparateLinear(nn.Module):
    """k linear layers that share nothing: the members' last."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, k, inputs) to (n, k, outputs)."""
        y: torch.Tensor = torch.einsum("nki,kio->nko", x, self.weight) + self.bias
        return y
