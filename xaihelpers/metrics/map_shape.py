"""The shape of a map, whatever it lies on: how spread out, how sharp, how rough.

Maps are `(N, H, W)` float, finite and not negative (after ReLU and upsampling). Every figure is
free of the map's scale. An all-zero map has no shape: it gets NaN, to be left out and counted
(`localization.is_empty`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from xaihelpers.metrics.localization import check_maps


def entropy(heat: Tensor) -> Tensor:
    """Shannon entropy of the map read as a distribution over pixels: (N, H, W) -> (N,) in [0, 1].

    Divided by log(H W), its largest value: 0 is one pixel, 1 is a flat map. Lower is sharper.
    """
    check_maps(heat)
    share = heat.flatten(1) / heat.sum(dim=(1, 2))[:, None]
    return -torch.xlogy(share, share).sum(dim=1) / math.log(heat[0].numel())


def area_above_half(heat: Tensor) -> Tensor:
    """Share of the pixels that reach half of the map's maximum: (N, H, W) -> (N,) in (0, 1].

    Lower is sharper. Of one straight ridge it is the relative full width at half maximum.
    """
    check_maps(heat)
    peak = heat.amax(dim=(1, 2), keepdim=True)
    reached = (heat >= peak / 2).to(heat.dtype).mean(dim=(1, 2))
    return torch.where(peak[:, 0, 0] > 0, reached, torch.nan)


def total_variation(heat: Tensor) -> Tensor:
    """Sum of the steps between neighbours over the map's sum: (N, H, W) -> (N,), at least 0.

    Anisotropic: vertical plus horizontal absolute differences (Rudin, Osher & Fatemi 1992). Lower
    is smoother. Per unit of heat, so that a small map is not smooth for being small.
    """
    check_maps(heat)
    steps = heat.diff(dim=1).abs().sum(dim=(1, 2)) + heat.diff(dim=2).abs().sum(dim=(1, 2))
    return steps / heat.sum(dim=(1, 2))
