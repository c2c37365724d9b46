"""Which grid a number of tokens stands for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

LIBRARIES = ("torchvision", "timm", "transformers", "open_clip")
PREFIXES = (0, 1, 2, 5)  # none; a class token; with a distillation token; with four registers


def token_grids(model: nn.Module, count: int, size: Sequence[int]) -> list[tuple[int, int, int]]:
    """List the grids (prefix tokens, height, width) that `count` tokens of an image can be.

    A grid has the image's proportions: one stride, rounded up or down, makes both of its sides.
    Tokens before the grid are allowed only for models of libraries that put them there.

    Args:
        model: the network; its own count of prefix tokens is believed.
        count: number of tokens.
        size: height and width of the images, in pixels.

    Example:
        >>> token_grids(nn.Identity(), 196, (224, 224))
        [(0, 14, 14)]
    """
    height, width = size
    allowed = prefixes(model)
    grids = set()
    for stride in range(1, min(height, width) + 1):
        for rows, columns in (
            (height // stride, width // stride),
            (-(-height // stride), -(-width // stride)),
        ):
            prefix = count - rows * columns
            if prefix in allowed and rows * columns > 1:
                grids.add((prefix, rows, columns))
    return sorted(grids)


def prefixes(model: nn.Module) -> tuple[int, ...]:
    """Numbers of tokens that may stand before the grid: the model's own, or those of its library.

    Example:
        >>> prefixes(nn.Identity())
        (0,)
    """
    known = False
    for module in model.modules():
        declared = getattr(module, "num_prefix_tokens", None)
        if isinstance(declared, int):
            return tuple(sorted({0, declared}))
        registers = getattr(getattr(module, "config", None), "num_register_tokens", None)
        if isinstance(registers, int):
            return tuple(sorted({0, 1 + registers}))
        known = known or type(module).__module__.split(".")[0] in LIBRARIES
    return PREFIXES if known else (0,)
