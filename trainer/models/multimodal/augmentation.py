"""Small random changes of training images, a whole batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

MAX_SHIFT, MAX_SCALE, MAX_TURN = 0.08, 0.12, 0.12  # shares of the image's side, of its size, and radians
MAX_LIGHT, MAX_CONTRAST = 0.15, 0.15  # of the range -1..1, and of the contrast
FAIR = 0.5


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed."""

    flip: bool

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Shift, scale, turn and light each image by its own small amount, shape kept (n, 3, s, s)."""
        rows, device = len(pixels), pixels.device
        turn = _spread(rows, MAX_TURN, device)
        scale = 1 + _spread(rows, MAX_SCALE, device)
        shift = (torch.rand(rows, 2, device=device) * 2 - 1) * 2 * MAX_SHIFT
        cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
        mirror = torch.ones(rows, device=device)
        if self.flip:
            mirror[torch.rand(rows, device=device) < FAIR] = -1
        theta = torch.stack(
            [
                torch.stack([cos * mirror, -sin, shift[:, 0]], 1),
                torch.stack([sin * mirror, cos, shift[:, 1]], 1),
            ],
            1,
        )
        grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
        moved = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
        contrast = 1 + _spread(rows, MAX_CONTRAST, device)
        return moved * contrast.view(-1, 1, 1, 1) + _spread(rows, MAX_LIGHT, device).view(-1, 1, 1, 1)


def _spread(rows: int, most: float, device: torch.device) -> torch.Tensor:
    return (torch.rand(rows, device=device) * 2 - 1) * most
