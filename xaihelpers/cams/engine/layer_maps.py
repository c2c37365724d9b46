"""From the activations and gradients of a layer to its raw maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xaihelpers.cams.engine.forward import ForwardPass, LayerUse
from xaihelpers.cams.engine.stacked import raw_maps
from xaihelpers.errors import NothingCapturedError

CLASS_BUFFER = 2**25  # numbers held at once in the gradients of all classes


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """Raw maps of a layer.

    Attributes:
        raw: method -> (V, N, *S), or (V, N, uses, *S) if the uses are kept apart.
        uses: how often the layer ran.
        size: what the maps cover, if that is not the spatial size of the images.
    """

    raw: dict[str, Tensor]
    uses: int
    size: tuple[int, ...] | None


def layer_maps(done: ForwardPass, methods: Sequence[str], apart: bool) -> list[LayerMaps]:
    """Compute the maps of every tapped layer.

    Args:
        done: a forward pass whose score is (N,).
        methods: names in `METHODS`.
        apart: whether to keep the uses of a layer apart; otherwise their maps are summed.

    Raises:
        NothingCapturedError: a layer is used on grids of different sizes.
    """
    return [
        LayerMaps(_combined(uses, methods, apart), len(uses), layouts[0].size)
        for uses, layouts in zip(done.gradients(), done.layouts, strict=True)
    ]


def class_maps(done: ForwardPass, methods: Sequence[str]) -> LayerMaps:
    """Compute the maps of every column of the score, in blocks of classes that fit.

    Args:
        done: a forward pass with one tapped layer, whose score is (N, C).
        methods: names in `METHODS`.
    """
    count, class_count = done.score.shape
    size = max(tensor.numel() for tap in done.taps for tensor in tap.tensors)
    rows = torch.eye(class_count, dtype=done.score.dtype, device=done.score.device)
    blocks = []
    for block in rows.split(max(1, CLASS_BUFFER // size)):
        (uses,) = done.gradients(block[:, None].expand(-1, count, -1))
        blocks.append(_combined(uses, methods, apart=False))
    raw = {name: torch.cat([block[name] for block in blocks]) for name in methods}
    return LayerMaps(raw, len(uses), done.layouts[0][0].size)


def _combined(uses: Sequence[LayerUse], methods: Sequence[str], apart: bool) -> dict[str, Tensor]:
    """Raw maps of a layer, summed over its uses or with an axis for them."""
    grids = {tuple(use.activations.shape[2:]) for use in uses}
    if len(grids) > 1:
        raise NothingCapturedError(
            f"the layer is used on grids of different sizes {sorted(grids)}, whose maps cannot be "
            "summed; name a layer that is used once"
        )
    with torch.autocast(uses[0].activations.device.type, enabled=False):
        maps = [raw_maps(use.activations, use.gradients, methods) for use in uses]
    if apart:
        return {name: torch.stack([part[name] for part in maps], dim=2) for name in methods}
    total = maps[0]
    for other in maps[1:]:
        total = {name: total[name] + other[name] for name in methods}
    return total
