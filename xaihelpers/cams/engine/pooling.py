"""Max pooling as maxima of slices: the numbers torch gives, several times as fast on a CPU.

Only where no gradient is recorded, which `torch.maximum` would share between equal values, and
not for channels-last features, at which torch is quick itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair


@contextmanager
def quick_pools(modules: Iterable[nn.Module]) -> Iterator[None]:
    """In the block, those of the modules that are `MaxPool2d` run as maxima of slices."""
    pools = [module for module in modules if type(module) is nn.MaxPool2d and _fits(module)]
    try:
        for pool in pools:
            pool.forward = partial(_forward, pool)  # type: ignore[method-assign]
        yield
    finally:
        for pool in pools:
            pool.__dict__.pop("forward", None)


def _fits(pool: nn.MaxPool2d) -> bool:
    """Whether the pool is a usual one and nobody has replaced how it runs."""
    kernels, paddings = _pair(pool.kernel_size), _pair(pool.padding)
    return (
        "forward" not in pool.__dict__
        and not (pool.return_indices or pool.ceil_mode)
        and _pair(pool.dilation) == (1, 1)
        and all(2 * padding < kernel for kernel, padding in zip(kernels, paddings, strict=True))
    )


def _forward(pool: nn.MaxPool2d, features: Tensor) -> Tensor:
    usual = features.device.type == "cpu" and features.ndim == 4 and features.is_contiguous()
    if torch.is_grad_enabled() or not usual:
        return nn.MaxPool2d.forward(pool, features)
    sides = [*zip(*map(_pair, (pool.kernel_size, pool.stride, pool.padding)), strict=True)]
    cells = zip(features.shape[2:], sides, strict=True)
    if any(size + 2 * padding < kernel for size, (kernel, _, padding) in cells):
        return nn.MaxPool2d.forward(pool, features)  # which raises: no window fits
    for dimension, side in enumerate(sides, start=2):
        features = max_pool(features, dimension, *side)
    return features


def max_pool(features: Tensor, dimension: int, kernel: int, stride: int, padding: int) -> Tensor:
    """Maximum over windows along one dimension; cells outside the features do not count.

    Args:
        features: any shape.
        dimension: counted from 0.
        kernel: cells of a window, more than twice `padding`: its middle is never outside.
        stride: cells from one window to the next.
        padding: cells by which the first window begins before the features.
    """
    size = features.shape[dimension]
    last = (size + 2 * padding - kernel) // stride

    def cells(offset: int, first: int, final: int) -> Tensor:
        """Cell `offset` of windows `first` to `final`."""
        begin, end = (window * stride - padding + offset for window in (first, final))
        return features[(slice(None),) * dimension + (slice(begin, end + 1, stride),)]

    found = cells(padding, 0, last).clone()
    for offset in range(kernel):
        first = max(0, -((offset - padding) // stride))
        final = min(last, (size - 1 + padding - offset) // stride)
        if offset != padding and first <= final:
            inside = found.narrow(dimension, first, final - first + 1)
            torch.maximum(inside, cells(offset, first, final), out=inside)
    return found
