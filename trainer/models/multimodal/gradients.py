"""Hand-made image features: histograms of oriented gradients, of colours, and a tiny copy of the image."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

CELL = 8  # pixels of a cell's side
TURNS = 9  # orientations told apart, over half a turn
SIDE = 64  # images are brought to this size first
COLOUR_BINS = 8
GRID = 2  # colours are counted in each quarter of the image
TINY = 8
EPSILON = 1e-3
FEATURES = (SIDE // CELL - 1) ** 2 * 4 * TURNS + GRID**2 * 3 * COLOUR_BINS + 3 * TINY**2


class Gradients(nn.Module):
    """HOG (Dalal and Triggs 2005) beside coarse colours; nothing to train, (n, 3, s, s) in -1..1 to (n, FEATURES)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Describe images."""
        x = pixels
        if x.shape[2] != SIDE:
            x = functional.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = (x + 1) / 2
        return torch.cat(
            [_orientations(x), _colours(x), functional.adaptive_avg_pool2d(x, TINY).flatten(1)], dim=1
        )


def _orientations(x: torch.Tensor) -> torch.Tensor:
    padded = functional.pad(x.sqrt(), (1, 1, 1, 1), mode="replicate")  # gamma, as the paper advises
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    strength, channel = (across**2 + down**2).max(dim=1, keepdim=True)  # of the channel where it is strongest
    across, down = across.gather(1, channel), down.gather(1, channel)
    size = strength.sqrt()
    turn = torch.remainder(torch.atan2(down, across) / torch.pi, 1.0) * TURNS
    below = turn.floor()
    share = turn - below
    bins = torch.zeros(x.shape[0], TURNS, SIDE, SIDE, dtype=x.dtype, device=x.device)
    bins.scatter_add_(1, below.long() % TURNS, size * (1 - share))
    bins.scatter_add_(1, (below.long() + 1) % TURNS, size * share)
    cells = functional.avg_pool2d(bins, CELL)
    blocks = functional.unfold(cells, 2).transpose(1, 2)  # (n, blocks, 4 * TURNS)
    blocks = blocks / (blocks.norm(dim=2, keepdim=True) + EPSILON)
    blocks = blocks.clamp(max=0.2)
    flat: torch.Tensor = (blocks / (blocks.norm(dim=2, keepdim=True) + EPSILON)).flatten(1)
    return flat


def _colours(x: torch.Tensor) -> torch.Tensor:
    bins = (x * COLOUR_BINS).long().clamp(0, COLOUR_BINS - 1)
    shares = [
        functional.adaptive_avg_pool2d((bins == number).to(x.dtype), GRID) for number in range(COLOUR_BINS)
    ]
    return torch.stack(shares, dim=2).flatten(1).sqrt()
