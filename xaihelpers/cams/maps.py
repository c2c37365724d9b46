"""What is done to a raw map, one visible step each: ReLU, then upsampling, then min-max.

The order matters: ReLU after upsampling, or min-max before it, gives other pictures. A box around
the largest component is an evaluation step and stands in `xaihelpers.metrics.localization`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from xaihelpers.errors import InputError

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def rectify(raw: Tensor) -> Tensor:
    """ReLU: keep what speaks for the score. Any shape; values in [0, inf)."""
    return raw.relu()


def upsample(heat: Tensor, size: Sequence[int]) -> Tensor:
    """Linear interpolation (N, *S) -> (N, *size) in one, two or three spatial dimensions.

    Cell centres are matched (`align_corners=False`), which for two dimensions is what
    `cv2.resize` does.

    Raises:
        InputError: the map and `size` have different numbers of spatial dimensions.
    """
    if heat.ndim - 1 != len(size) or len(size) not in _MODES:
        raise InputError(
            f"a map of shape {tuple(heat.shape)} cannot be resized to {tuple(size)}; "
            "give as many sizes as the map has dimensions after the first, one to three"
        )
    mode = _MODES[len(size)]
    return F.interpolate(heat[:, None], tuple(size), mode=mode, align_corners=False)[:, 0]


def min_max(heat: Tensor) -> Tensor:
    """Stretch each map (N, *S) to [0, 1] by its own minimum and maximum; a flat one becomes 0."""
    spatial = tuple(range(1, heat.ndim))
    low, high = heat.amin(spatial, keepdim=True), heat.amax(spatial, keepdim=True)
    span = high - low
    return ((heat - low) / span.where(span > 0, 1)).clamp(0, 1)


def threshold(heat: Tensor, fraction: float) -> Tensor:
    """Cells of each map (N, *S) that reach `fraction` of its maximum; bool, none in a zero map.

    Zhou 2016 takes 0.2 and Selvaraju 2017 takes 0.15 of the maximum.
    """
    peak = heat.amax(tuple(range(1, heat.ndim)), keepdim=True)
    return (heat >= fraction * peak) & (peak > 0)
