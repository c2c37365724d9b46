"""Heat where nothing is: corners, what lies outside the retina, and where a cell really sits."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from xaihelpers.errors import EvaluationError


def corner_triangles(size: tuple[int, int]) -> Tensor:
    """The four corners that the slanted tangents of the inscribed ellipse cut off: (H, W) bool.

    They cover 17.2 % of the image (3 - 2 sqrt 2), and a disc that fills the image never reaches
    into them.
    """
    rows, columns = ((torch.arange(side) + 0.5) / side * 2 - 1 for side in size)
    return rows.abs()[:, None] + columns.abs()[None] > math.sqrt(2)


def place(heat: Tensor, size: tuple[int, int], first: float, step: float) -> Tensor:
    """Linear interpolation of cells at their own centres: (N, h, w) -> (N, *size).

    `cams.maps.upsample` spreads the cells evenly over the image. In networks that halve the grid by
    a padded convolution of stride 2 (EfficientNet, ResNet, DenseNet's stem) they sit half a cell
    further up and left; beyond the outermost centres the border value goes on.

    Args:
        heat: (N, h, w), one value per cell.
        size: height and width of the image, in pixels.
        first: centre of the first cell in pixels, counted from 0 at the first pixel's centre.
        step: distance of neighbouring centres in pixels.
    """
    if heat.ndim != 3 or step <= 0:
        raise EvaluationError(
            f"heat must be (N, h, w) and step positive, not {tuple(heat.shape)} and {step}"
        )
    axes = []
    for cells, side in zip(heat.shape[1:], size, strict=True):
        cell = (torch.arange(side, dtype=heat.dtype, device=heat.device) - first) / step
        axes.append((2 * cell + 1) / cells - 1)  # grid_sample's coordinate of a cell's index
    rows, columns = axes
    grid = torch.stack(torch.broadcast_tensors(columns[None], rows[:, None]), dim=-1)
    grid = grid.expand(len(heat), *grid.shape)
    return F.grid_sample(heat[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
