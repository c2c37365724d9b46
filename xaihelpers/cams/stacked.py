"""Several methods at once: their weights share sums and one matrix product.

`xaihelpers.cams.methods` is the readable reference; the tests hold this module to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from xaihelpers.cams.methods import METHODS, grad_cam, grad_cam_plus_plus, xgrad_cam

BLOCK = 2**20  # numbers of a layer handled at once on a CPU; larger temporaries meet fresh memory

_XGRAD_EPS: float = inspect.signature(xgrad_cam).parameters["eps"].default


def _mean_gradient(activations: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean(dim=-1)


def _positive_gradient(activations: Tensor, gradients: Tensor) -> Tensor:
    positive = gradients.relu()
    denominator = 2 + activations.sum(dim=-1, keepdim=True) * positive
    defined = denominator.abs() > 8 * torch.finfo(denominator.dtype).eps
    return torch.where(defined, positive / denominator, 0).sum(dim=-1)


def _activation_weighted_gradient(activations: Tensor, gradients: Tensor) -> Tensor:
    # dot products as matrix products: the element-wise product is never stored
    products = (gradients[..., None, :] @ activations[..., None])[..., 0, 0]
    return products / (activations.sum(dim=-1) + _XGRAD_EPS)


_CHANNEL_WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "grad_cam": _mean_gradient,
    "grad_cam_plus_plus": _positive_gradient,
    "xgrad_cam": _activation_weighted_gradient,
}
_REFERENCE = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "xgrad_cam": xgrad_cam,
}


def raw_maps(activations: Tensor, gradients: Tensor, methods: Sequence[str]) -> dict[str, Tensor]:
    """Raw signed maps of several methods and scores.

    Args:
        activations: (N, K, *S).
        gradients: (C, N, K, *S), of C scores per image.
        methods: names in `METHODS`.

    Returns:
        Method -> (C, N, *S), in float32 or, if that is what came in, float64.
    """
    activations, gradients = (
        tensor.detach() if tensor.dtype == torch.float64 else tensor.detach().float()
        for tensor in (activations, gradients)
    )
    images = len(activations)
    if activations.device.type == "cpu":
        images = max(1, BLOCK // activations[0].numel())
    pairs = zip(activations.split(images), gradients.split(images, dim=1), strict=True)
    blocks = [_block(*pair, methods) for pair in pairs]
    return {name: torch.cat([block[name] for block in blocks], dim=1) for name in methods}


def _block(activations: Tensor, gradients: Tensor, methods: Sequence[str]) -> dict[str, Tensor]:
    """`raw_maps` of images whose temporaries fit in memory that is at hand."""
    flat, flat_gradients = activations.flatten(2), gradients.flatten(3)
    weighted = [name for name in methods if METHODS[name] is _REFERENCE.get(name)]
    raw: dict[str, Tensor] = {}
    if weighted:
        weights = [_CHANNEL_WEIGHTS[name](flat, flat_gradients) for name in weighted]
        # (N, M C, K) @ (N, K, Z): every method's and score's channel sum in one product
        stacked = torch.stack(weights).permute(2, 0, 1, 3)
        product = stacked.flatten(1, 2) @ flat
        shape = (len(flat), len(weighted), len(gradients), *activations.shape[2:])
        for name, maps in zip(weighted, product.view(shape).unbind(1), strict=True):
            raw[name] = maps.transpose(0, 1)
    for name in methods:
        if name not in raw:
            raw[name] = torch.stack([METHODS[name](activations, part) for part in gradients])
    return raw
