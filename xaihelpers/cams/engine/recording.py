"""Record what the gradient of features needs, and nothing for the gradient of weights.

torch keeps the input of every convolution and batch norm. For the gradient of a layer's features in
evaluation mode, a convolution needs its weights alone and a batch norm a factor per channel. At
early layers this saves a third of the peak memory (docs/method_cards.md). Outputs equal torch's to
the last bit, and gradients up to rounding: the gradient of a pointwise convolution is a matrix
product, on the cells that its stride has used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

LARGE = 2**18  # numbers; on less, calling a Python function costs more than it saves


@contextmanager
def lean_recording(modules: Iterable[nn.Module]) -> Iterator[None]:
    """In the block, usual convolutions and batch norms record no more than they need.

    Only for networks in evaluation mode whose parameters need no gradient, and only in this thread:
    in another one the modules record everything.

    Args:
        modules: all modules of a network.
    """
    changed, thread = [], get_ident()
    try:
        for module in modules:
            forward = _FORWARDS.get(type(module))
            if forward is not None and "forward" not in module.__dict__:
                module.__dict__["forward"] = partial(forward, thread, module)  # not slow setattr
                changed.append(module)
        yield
    finally:
        for module in changed:
            module.__dict__.pop("forward", None)


def _recorded(features: Tensor, thread: int) -> bool:
    """Whether this thread records a gradient of large contiguous features on a CPU."""
    return (
        features.requires_grad
        and get_ident() == thread
        and torch.is_grad_enabled()
        and features.device.type == "cpu"
        and features.ndim == 4
        and features.numel() >= LARGE
        and features.is_contiguous()
        and not torch.is_autocast_enabled("cpu")
    )


def _convolve(thread: int, layer: nn.Conv2d, features: Tensor) -> Tensor:
    plain = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if plain and _recorded(features, thread):
        return _Convolution.apply(features, layer)
    return nn.Conv2d.forward(layer, features)


def _normalise(thread: int, layer: nn.BatchNorm2d, features: Tensor) -> Tensor:
    variance = layer.running_var
    if variance is not None and layer.affine and not layer.training and _recorded(features, thread):
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
        unused = [  # cells at the far side that no window reached
            cells + 2 * padding - dilation * (kernel - 1) - 1 - (windows - 1) * stride
            for cells, windows, kernel, stride, padding, dilation in sides
        ]
        sizes = (layer.stride, layer.padding, unused, layer.groups, layer.dilation)
        return conv_transpose2d(gradient, weight, None, *sizes), None


def _pointwise(gradient: Tensor, weight: Tensor) -> Tensor:
    """(N, C, h, w) of (N, K, h, w) and (K, C, 1, 1): one matrix product per image."""
    count, channels, *cells = gradient.shape
    product = weight[:, :, 0, 0].t() @ gradient.reshape(count, channels, -1)
    return product.reshape(count, -1, *cells)


def _spread(gradient: Tensor, size: torch.Size, stride: tuple[int, ...]) -> Tensor:
    """The gradient on the cells that a stride has used, zero on the others."""
    down, right = stride
    if down == right == 1:
        return gradient
    spread = gradient.new_zeros(size)
    spread[:, :, ::down, ::right] = gradient
    return spread


class _BatchNorm(torch.autograd.Function):
    """Batch norm with fixed statistics: a factor per channel is all its gradient needs."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, layer: nn.BatchNorm2d, factor: Tensor) -> Tensor:
        ctx.factor = factor
        return nn.BatchNorm2d.forward(layer, features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.factor, None, None
