"""Maps that never looked at the image: what any method has to beat."""

from __future__ import annotations

import torch
from torch import Tensor


def centre_gaussian(count: int, size: tuple[int, int], spread: float = 0.25) -> Tensor:
    """A Gaussian in the middle of the image, 1 at its peak: -> (count, H, W) float32.

    `spread` is the standard deviation as a share of the side.
    """
    rows, columns = (((torch.arange(side) + 0.5) / side - 0.5) / spread for side in size)
    bump = torch.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / 2)
    return (bump / bump.max()).expand(count, *size)


def uniform(count: int, size: tuple[int, int]) -> Tensor:
    """The same value everywhere: -> (count, H, W) float32 ones.

    Its energy in a mask is the mask's share of the image. Its maximum is no single pixel, so it
    has no pointing score worth printing.
    """
    return torch.ones(count, *size)
