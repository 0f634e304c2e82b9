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
        moved = functional.grid_sample(
            pixels, _grid(theta, pixels.shape[2]), padding_mode="border", align_corners=False
        )
        # in place, and back to channels last: new memory and the other layout would cost as much as the sampling
        moved.mul_(1 + _spread(rows, MAX_CONTRAST, device).view(-1, 1, 1, 1))
        moved.add_(_spread(rows, MAX_LIGHT, device).view(-1, 1, 1, 1))
        return moved.contiguous(memory_format=torch.channels_last)


def _grid(theta: torch.Tensor, side: int) -> torch.Tensor:
    """Give torch's ``affine_grid`` of square images, (n, s, s, 2), at a thirtieth of its cost on a CPU."""
    centres = (torch.arange(side, device=theta.device) * 2 + 1) / side - 1
    across = theta[:, :, None, None, 0] * centres.view(1, 1, 1, side)
    down = theta[:, :, None, None, 1] * centres.view(1, 1, side, 1)
    return (across + (down + theta[:, :, None, None, 2])).permute(0, 2, 3, 1)


def _spread(rows: int, most: float, device: torch.device) -> torch.Tensor:
    return (torch.rand(rows, device=device) * 2 - 1) * most
