"""The layer to explain where none is named: the last one that still has a grid of cells."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.cams.hooks import unwrap
from xaihelpers.errors import LayerNotFoundError

POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Dropout2d)


class _LastGrid:
    """Listens to every module of a forward pass.

    Attributes:
        names: modules that gave out the last feature map (N, K, h, w) of more than one cell.
        tokens: whether a module gave out a sequence (N, T, K) after it.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.tokens = False
        self.calls: Counter[str] = Counter()
        self._last: Tensor | None = None

    def hear(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.calls[name] += 1
        if not isinstance(output, Tensor) or isinstance(module, POOLS):
            return
        if output.ndim == 3 and output.shape[1] > 1:
            self.tokens = True
        if output.ndim == 4 and min(output.shape[2:]) > 1:
            if output is not self._last:
                self._last, self.names, self.tokens = output, [], False
            self.names.append(name)


def last_grid_layer(model: nn.Module, inputs: Tensor) -> str:
    """Dotted name of the last layer with a grid, found by one forward pass.

    Args:
        model: runs in evaluation mode and is left as it was.
        inputs: (N, C, H, W), one image is enough.

    Raises:
        LayerNotFoundError: there is none, or what follows it works on tokens.
    """
    network, heard = unwrap(model), _LastGrid()
    handles = [
        module.register_forward_hook(partial(heard.hear, name))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.no_grad(), evaluating(network):
            network(inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    once = [name for name in heard.names if heard.calls[name] == 1]
    if not once or heard.tokens:
        why = "works on tokens" if heard.tokens else "has no layer with a grid that is used once"
        raise LayerNotFoundError(
            f"{type(network).__name__} {why}, so no layer can be suggested; pass layer=... "
            "(`[name for name, _ in model.named_modules()]` lists all)"
        )
    return min(once, key=len)
