"""From a raw map to a heat map, one visible step each: ReLU, then upsampling, then min-max.

The order matters: ReLU after upsampling, or min-max before it, gives other pictures. A box around
the largest component is an evaluation step and stands in `xaihelpers.metrics.localization`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from xaihelpers.errors import InputError

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def rectify(raw: Tensor) -> Tensor:
    """Apply ReLU: keep what speaks for the score.

    Args:
        raw: signed maps of any shape.

    Returns:
        The same shape, values in [0, inf).

    Example:
        >>> import torch
        >>> rectify(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return raw.relu()


def upsample(heat: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate linearly in one, two or three spatial dimensions.

    Cell centres are matched (`align_corners=False`). In two dimensions this is what `cv2.resize`
    does.

    Args:
        heat: (N, *S).
        size: the new spatial size, one number per dimension.

    Returns:
        (N, *size).

    Raises:
        InputError: the map and `size` have different numbers of spatial dimensions.

    Example:
        >>> import torch
        >>> upsample(torch.tensor([[0.0, 1.0]]), [4])
        tensor([[0.0000, 0.2500, 0.7500, 1.0000]])
    """
    if heat.ndim - 1 != len(size) or len(size) not in _MODES:
        raise InputError(
            f"a map of shape {tuple(heat.shape)} cannot be resized to {tuple(size)}; "
            "give as many sizes as the map has dimensions after the first, one to three (`size=`)"
        )
    mode = _MODES[len(size)]
    return F.interpolate(heat[:, None], tuple(size), mode=mode, align_corners=False)[:, 0]


def min_max(heat: Tensor) -> Tensor:
    """Stretch each map to [0, 1] by its own minimum and maximum; a flat map becomes all zero.

    Args:
        heat: (N, *S).

    Returns:
        The same shape, values in [0, 1].

    Example:
        >>> import torch
        >>> min_max(torch.tensor([[2.0, 3.0, 4.0]]))
        tensor([[0.0000, 0.5000, 1.0000]])
    """
    spatial = tuple(range(1, heat.ndim))
    low, high = heat.amin(spatial, keepdim=True), heat.amax(spatial, keepdim=True)
    span = high - low
    rounding = 4 * torch.finfo(heat.dtype).eps * torch.maximum(low.abs(), high.abs())
    is_flat = span <= rounding  # interpolation makes a constant map vary in its last bits
    return torch.where(is_flat, 0, (heat - low) / span.where(span > 0, 1)).clamp(0, 1)


def threshold(heat: Tensor, fraction: float) -> Tensor:
    """Mark the cells of each map that reach a fraction of its maximum.

    Zhou 2016 takes 0.2 and Selvaraju 2017 takes 0.15 of the maximum.

    Args:
        heat: (N, *S), values in [0, inf).
        fraction: of the maximum, in [0, 1].

    Returns:
        Bool of the same shape; no cell of an all-zero map is marked.

    Example:
        >>> import torch
        >>> threshold(torch.tensor([[0.1, 0.2, 1.0]]), 0.2)
        tensor([[False,  True,  True]])
    """
    peak = heat.amax(tuple(range(1, heat.ndim)), keepdim=True)
    return (heat >= fraction * peak) & (peak > 0)
