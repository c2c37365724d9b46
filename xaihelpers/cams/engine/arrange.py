"""Arrange the output of a layer as a grid: (N, channels, *S).

Convolutions give this layout. Transformers give tokens (N, T, K) or channels-last grids
(N, h, w, K). A grid is recognised by the type of the layer, by the proportions of the image, or by
the library that the model comes from. Whatever can be read in two ways is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from xaihelpers.cams.engine.tokens import token_grids
from xaihelpers.errors import LayoutError, NothingCapturedError

Arrange = Callable[[Tensor], Tensor]
ROUNDING = 2  # cells by which padding and strides may move a grid off the image's proportions


@dataclass(frozen=True)
class Arrangement:
    """How a layer's output becomes a grid.

    Attributes:
        words: the layout in words.
        apply: maps the output, or its gradient, to (N, K, *S); None leaves it as it is.
        prefix: tokens before those of the grid, such as the class token.
        size: what the grid covers, if that is not the spatial size of the images.
    """

    words: str
    apply: Arrange | None = None
    prefix: int = 0
    size: tuple[int, ...] | None = None

    def __call__(self, output: Tensor) -> Tensor:
        return output if self.apply is None else self.apply(output)


CHANNELS_FIRST = Arrangement("channels first")


def arrangement_of(
    model: nn.Module, layer: str, output: Tensor, images: Sequence[int]
) -> Arrangement:
    """Recognise the layout of a layer's output.

    Args:
        model: the network.
        layer: dotted name.
        output: what the layer gave.
        images: shape of the images, (N, channels, *S) or (N, *S).

    Raises:
        LayoutError: the output can be read in several ways, or in none.
        NothingCapturedError: the output is no feature map.
    """
    module = model.get_submodule(layer)
    shape, count, size = tuple(output.shape), images[0], tuple(images[2:]) or tuple(images[1:])
    if output.ndim == 3 and shape[0] != count and shape[1] == count:
        return _transposed(model, layer, output, images)
    if count == 1 and len(images) == 5 and output.ndim == 4 and shape[0] == images[1] > 1:
        frames = (images[1], *images[3:])
        return Arrangement("frames", lambda output: output.transpose(0, 1)[None], size=frames)
    if output.ndim < 3 or shape[0] != count:
        raise NothingCapturedError(_no_feature_map(model, layer, shape, count))
    if output.ndim == 3 and len(size) == 2 and not _is_channels_first(module):
        return token_arrangement(model, layer, shape, size)
    if output.ndim == len(size) + 2:
        clearly_first = _proportional(shape[2:], size)
        clearly_last = _proportional(shape[1:-1], size)
        if clearly_first and not clearly_last and not _is_channels_last(module):
            return CHANNELS_FIRST
        if clearly_last and not clearly_first and not _is_channels_first(module):
            return _channels_last()
    found = _by_evidence(model, layer, shape)
    if found is not CHANNELS_FIRST and len(images) == 3 == output.ndim and shape[1] == images[1]:
        return replace(found, size=(shape[1],))  # a sequence (N, T, features)
    return found


def _channels_last() -> Arrangement:
    """The arrangement of (N, *S, K)."""
    return Arrangement("channels last", lambda output: output.movedim(-1, 1))


def token_arrangement(
    model: nn.Module, layer: str, shape: tuple[int, ...], size: Sequence[int]
) -> Arrangement:
    """The arrangement of tokens (N, T, K), or of a flattened grid (N, K, T).

    Raises:
        LayoutError: the number of tokens fits no grid of the image's proportions, or several.
    """
    readings = []
    for prefix, height, width in token_grids(model, shape[1], size):
        words = f"{height} x {width} tokens" + (f" after {prefix} others" if prefix else "")
        readings.append(Arrangement(words, _tokens_to_grid(prefix, height, width), prefix))
    widths = set(_last_counts(list(model.modules())))
    are_tokens = shape[2] in widths and shape[1] not in widths
    for prefix, height, width in token_grids(model, shape[2], size):
        if prefix == 0 and not are_tokens:
            unflatten = _flat_to_grid(height, width)
            readings.append(Arrangement(f"a flattened {height} x {width} grid", unflatten))
    if len(readings) == 1:
        return readings[0]
    considered = " or ".join(reading.words for reading in readings) or "no grid of its proportions"
    raise LayoutError(
        f"layer {layer!r} gives shape {shape} for images of {tuple(size)}: {considered}; say which "
        "cells are where: arrange=lambda t: t[:, 1:].transpose(1, 2).unflatten(2, (height, width)) "
        "for tokens after one class token"
    )


def _tokens_to_grid(prefix: int, height: int, width: int) -> Arrange:
    return lambda output: output[:, prefix:].transpose(1, 2).unflatten(2, (height, width))


def _flat_to_grid(height: int, width: int) -> Arrange:
    return lambda output: output.unflatten(2, (height, width))


def _transposed(model: nn.Module, layer: str, output: Tensor, images: Sequence[int]) -> Arrangement:
    """Tokens first, then images: (T, N, K)."""
    inner = arrangement_of(model, layer, output.transpose(0, 1), images)
    words = f"tokens before images, {inner.words}"
    return replace(inner, words=words, apply=lambda output: inner(output.transpose(0, 1)))


def _proportional(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Whether one stride makes the grid of the image, up to rounding and padding."""
    if len(grid) == 1:
        return grid[0] <= size[0] + ROUNDING
    least = max(side / (cells + ROUNDING) for side, cells in zip(size, grid, strict=True))
    most = min(
        side / (cells - ROUNDING) if cells > ROUNDING else float("inf")
        for side, cells in zip(size, grid, strict=True)
    )
    return least <= most


def _is_channels_first(module: nn.Module) -> bool:
    pooling = type(module).__module__ == "torch.nn.modules.pooling"
    return pooling or isinstance(module, (_ConvNd, _NormBase, nn.GroupNorm))


def _is_channels_last(module: nn.Module) -> bool:
    normalises_last = isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1
    plain = type(module).forward is nn.LayerNorm.forward
    return (normalises_last and plain) or isinstance(
        module, (nn.Linear, nn.RNNBase, nn.MultiheadAttention)
    )


def _by_evidence(model: nn.Module, layer: str, shape: tuple[int, ...]) -> Arrangement:
    """Decide by the layer's type, then by what counts of channels the network has."""
    module = model.get_submodule(layer)
    if _is_channels_first(module):
        return CHANNELS_FIRST
    if _is_channels_last(module):
        return _channels_last()
    modules = list(model.modules())
    if not any(_is_channels_last(part) and not isinstance(part, nn.Linear) for part in modules):
        return CHANNELS_FIRST
    is_first = shape[1] in set(_first_counts(modules))
    is_last = shape[-1] in set(_last_counts(modules))
    if is_first != is_last:
        return CHANNELS_FIRST if is_first else _channels_last()
    raise LayoutError(
        f"layer {layer!r} gives shape {shape}, where channels may be the {shape[1]} in front or "
        f"the {shape[-1]} at the end; say which: arrange=lambda t: t (in front), or "
        "arrange=lambda t: t.movedim(-1, 1)"
    )


def _first_counts(modules: Sequence[nn.Module]) -> Iterator[int]:
    for module in modules:
        if isinstance(module, _ConvNd):
            yield module.out_channels
        elif isinstance(module, _NormBase):
            yield module.num_features


def _last_counts(modules: Sequence[nn.Module]) -> Iterator[int]:
    for module in modules:
        if isinstance(module, nn.RNNBase):
            yield module.hidden_size * (2 if module.bidirectional else 1)
        elif _is_channels_last(module) and isinstance(module, nn.LayerNorm):
            yield module.normalized_shape[-1]


def _no_feature_map(model: nn.Module, layer: str, shape: tuple[int, ...], count: int) -> str:
    bare = not any(isinstance(module, (_ConvNd, nn.LayerNorm)) for module in model.modules())
    hint = "the network has no convolution" if bare else "name one before the pooling"
    if len(shape) >= 3 and count > 1 and shape[0] % count == 0:
        hint = (
            "if these are frames or windows of the images, arrange them: "
            f"arrange=lambda t: t.unflatten(0, ({count}, -1)).movedim(1, 2)"
        )
    return (
        f"layer {layer!r} gives shape {shape} for {count} images, "
        f"not a feature map ({count}, channels, height, width); {hint}"
    )


def given_arrangement(arrange: Arrange, output: Tensor, count: int, layer: str) -> Arrangement:
    """Check the user's arrangement on an output.

    Raises:
        LayoutError: it gives something other than (N, K, *S).
    """
    grid = arrange(output.detach())
    if not isinstance(grid, Tensor) or grid.ndim < 3 or len(grid) != count:
        given = tuple(grid.shape) if isinstance(grid, Tensor) else type(grid).__name__
        raise LayoutError(
            f"arrange made {given} of the output {tuple(output.shape)} of layer {layer!r}; "
            f"expected ({count}, channels, height, width)"
        )
    return Arrangement("as given", arrange)


def arranged_gradients(arrangement: Arrangement, gradients: Tensor) -> Tensor:
    """Arrange gradients (V, *shape of the output) as (V, N, K, *S)."""
    if arrangement.apply is None:
        return gradients
    return torch.stack([arrangement(gradient) for gradient in gradients])
