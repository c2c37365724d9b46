"""Recording that keeps what the gradient of features needs, and nothing for that of weights.

torch keeps the input of every convolution and batch norm. For the gradient of a layer's features in
evaluation mode a convolution needs its weights alone, and batch norm a factor per channel: about
half the memory, fresh pages of which cost as much as the arithmetic on them. Outputs are torch's to
the last bit and gradients up to rounding: a pointwise convolution is undone by a matrix product,
on the cells it has seen where it has a stride; torch makes that gradient of all cells twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

LARGE = 2**18  # numbers; on less, calling a Python function costs more than it saves


@contextmanager
def lean_recording(modules: Iterable[nn.Module]) -> Iterator[None]:
    """In the block, usual convolutions and batch norms record no more than they need.

    For networks in evaluation mode whose parameters' gradients nobody asks for.
    """
    changed = []
    try:
        for module in modules:
            forward = _FORWARDS.get(type(module))
            if forward is not None and "forward" not in module.__dict__:
                module.__dict__["forward"] = partial(forward, module)  # quicker than setattr
                changed.append(module)
        yield
    finally:
        for module in changed:
            module.__dict__.pop("forward", None)


def _recorded(features: Tensor) -> bool:
    """Whether a gradient of large contiguous features is being recorded on a CPU."""
    return (
        features.requires_grad
        and torch.is_grad_enabled()
        and features.device.type == "cpu"
        and features.ndim == 4
        and features.numel() >= LARGE
        and features.is_contiguous()
        and not torch.is_autocast_enabled("cpu")
    )


def _convolve(layer: nn.Conv2d, features: Tensor) -> Tensor:
    plain = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if plain and _recorded(features):
        return _Convolution.apply(features, layer)
    return nn.Conv2d.forward(layer, features)


def _normalise(layer: nn.BatchNorm2d, features: Tensor) -> Tensor:
    variance = layer.running_var
    if variance is not None and layer.affine and not layer.training and _recorded(features):
        factor = layer.weight.detach() / (variance + layer.eps).sqrt()
        return _BatchNorm.apply(features, layer, factor[:, None, None])
    return nn.BatchNorm2d.forward(layer, features)


_FORWARDS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv2d: _convolve,
    nn.BatchNorm2d: _normalise,
}


class _Convolution(torch.autograd.Function):
    """A convolution that remembers its weights and the size of its input."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, layer: nn.Conv2d) -> Tensor:
        ctx.layer, ctx.weight, ctx.size = layer, layer.weight.detach(), features.shape
        return nn.Conv2d.forward(layer, features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layer, weight = ctx.layer, ctx.weight
        if layer.kernel_size == (1, 1) and layer.padding == (0, 0) and layer.groups == 1:
            return _spread(_pointwise(gradient, weight), ctx.size, layer.stride), None
        sides = zip(
            ctx.size[2:],
            gradient.shape[2:],
            *(layer.kernel_size, layer.stride, layer.padding, layer.dilation),
            strict=True,
        )
        unseen = [  # cells at the far side that no window reached
            cells + 2 * padding - dilation * (kernel - 1) - 1 - (windows - 1) * stride
            for cells, windows, kernel, stride, padding, dilation in sides
        ]
        sizes = (layer.stride, layer.padding, unseen, layer.groups, layer.dilation)
        return conv_transpose2d(gradient, weight, None, *sizes), None


def _pointwise(gradient: Tensor, weight: Tensor) -> Tensor:
    """(N, C, h, w) of (N, K, h, w) and (K, C, 1, 1): one matrix product per image."""
    count, channels, *cells = gradient.shape
    product = weight[:, :, 0, 0].t() @ gradient.reshape(count, channels, -1)
    return product.reshape(count, -1, *cells)


def _spread(gradient: Tensor, size: torch.Size, stride: tuple[int, ...]) -> Tensor:
    """The gradient on the cells that a stride has seen, zero on the others."""
    down, right = stride
    if down == right == 1:
        return gradient
    found = gradient.new_zeros(size)
    found[:, :, ::down, ::right] = gradient
    return found


class _BatchNorm(torch.autograd.Function):
    """Batch norm with fixed statistics: a factor per channel is all its gradient needs."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, layer: nn.BatchNorm2d, factor: Tensor) -> Tensor:
        ctx.factor = factor
        return nn.BatchNorm2d.forward(layer, features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.factor, None, None
