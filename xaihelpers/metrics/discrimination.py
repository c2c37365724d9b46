"""Does a map follow the question? Two objects, asked for one after the other.

Maps are `(N, H, W)` float, finite and not negative; masks are `(N, H, W)` bool.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xaihelpers.metrics.localization import check_maps, energy_in_mask


def share_on_asked(heat: Tensor, asked: Tensor, other: Tensor) -> Tensor:
    """Of the heat on two objects, the share on the one that was asked for: -> (N,) in [0, 1].

    Heat beside both does not count: this is about which object, not about how well it is hit. A
    map with no heat on either says nothing, which is 1/2.
    """
    wanted, unwanted = energy_in_mask(heat, asked), energy_in_mask(heat, other)
    total = wanted + unwanted
    return torch.where(total > 0, wanted / total.clamp_min(torch.finfo(heat.dtype).tiny), 0.5)


def switch(first_heat: Tensor, second_heat: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """How far the heat moves with the question: (N, H, W) each -> (N,) in [-1, 1].

    `share_on_asked` of the first object's map plus that of the second's, minus 1. A map that
    ignores the question gets exactly 0, whatever it shows; one that lies on the asked object alone
    gets 1; one that always shows the other, -1.

    Args:
        first_heat: (N, H, W), the map for the first object.
        second_heat: (N, H, W), the map for the second object.
        first: (N, H, W) bool, the first object.
        second: (N, H, W) bool, the second object.
    """
    return (
        share_on_asked(first_heat, first, second) + share_on_asked(second_heat, second, first) - 1
    )


def half_energy_area(heat: Tensor) -> Tensor:
    """Smallest share of the pixels that holds half of a map's sum: (N, H, W) -> (N,) in (0, 1].

    Small is fine-grained. NaN for an all-zero map.
    """
    check_maps(heat)
    values = heat.flatten(1).double().sort(dim=1, descending=True).values
    gathered = values.cumsum(dim=1)
    needed = (gathered < gathered[:, -1:] / 2).sum(dim=1) + 1
    return torch.where(gathered[:, -1] > 0, needed / values.shape[1], torch.nan)
