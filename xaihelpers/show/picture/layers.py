"""Layers to explain where none is named: the last one of each grid of cells."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.cams.hooks import unwrap
from xaihelpers.errors import LayerNotFoundError

Grid = tuple[int, int]
POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Dropout2d)


class _Grids:
    """Listens to every module of a forward pass.

    Attributes:
        names: grid (h, w) -> modules that gave out the last feature map (N, K, h, w) of it, inner
            ones first; grids in the order in which they were last used.
        tokens: whether a module gave out a sequence (N, T, K) after the last of them.
        calls: how often each module ran.
    """

    def __init__(self) -> None:
        self.names: dict[Grid, list[str]] = {}
        self.tokens = False
        self.calls: Counter[str] = Counter()
        self._last: Tensor | None = None

    def hear(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.calls[name] += 1
        if not isinstance(output, Tensor) or isinstance(module, POOLS):
            return
        if output.ndim == 3 and output.shape[1] > 1:
            self.tokens = True
        if output.ndim != 4 or min(output.shape[2:]) < 2:
            return
        grid = (int(output.shape[2]), int(output.shape[3]))
        if output is not self._last:
            self.names.pop(grid, None)
            self._last, self.tokens = output, False
        self.names.setdefault(grid, []).append(name)

    def layers(self) -> dict[Grid, str]:
        """The outermost module of each grid that ran once, the last grid first."""
        chosen = {}
        for grid, names in reversed(self.names.items()):
            if once := [name for name in names if self.calls[name] == 1]:
                chosen[grid] = min(once, key=len)
        return chosen


def _listen(model: nn.Module, inputs: Tensor) -> tuple[_Grids, Any]:
    """What one forward pass in evaluation mode tells, and its output."""
    network, heard = unwrap(model), _Grids()
    handles = [
        module.register_forward_hook(partial(heard.hear, name))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.no_grad(), evaluating(network):
            output = network(inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not heard.layers() or heard.tokens:
        why = "works on tokens" if heard.tokens else "has no layer with a grid that is used once"
        raise LayerNotFoundError(
            f"{type(network).__name__} {why}, so no layer can be suggested; pass layer=... "
            "(`[name for name, _ in model.named_modules()]` lists all)"
        )
    return heard, output


def last_grid_layer(model: nn.Module, inputs: Tensor) -> str:
    """Dotted name of the last layer with a grid, found by one forward pass.

    Args:
        model: runs in evaluation mode and is left as it was.
        inputs: (N, C, H, W), one image is enough.

    Raises:
        LayerNotFoundError: there is none, or what follows it works on tokens.
    """
    heard, _ = _listen(model, inputs)
    return next(iter(heard.layers().values()))


def grid_layers(model: nn.Module, inputs: Tensor) -> tuple[dict[str, str], int]:
    """The last layer of each grid, and the number of logits.

    Args:
        model: runs in evaluation mode and is left as it was.
        inputs: (N, C, H, W), one image is enough.

    Returns:
        "last" and "14x14", "28x28" ... -> dotted name, coarse to fine; the number of logits.

    Raises:
        LayerNotFoundError: there is none, or what follows it works on tokens.
    """
    heard, output = _listen(model, inputs)
    last, *others = heard.layers().items()
    roles = {"last": last[1]}
    for (height, width), name in sorted(others):
        roles[f"{height}x{width}"] = name
    return roles, int(output.shape[1])
