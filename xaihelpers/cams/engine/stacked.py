"""Several methods at once: products and sums are shared, and no large temporary is made.

`xaihelpers.cams.methods` is the readable reference; the tests hold this module to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from xaihelpers.cams.methods import METHODS, xgrad_cam

BLOCK = 2**19  # numbers of a layer handled at once on a CPU; larger temporaries meet fresh memory

_REFERENCE = dict(METHODS)
_XGRAD_EPS: float = inspect.signature(xgrad_cam).parameters["eps"].default


def raw_maps(activations: Tensor, gradients: Tensor, methods: Sequence[str]) -> dict[str, Tensor]:
    """Compute the raw signed maps of several methods and scores.

    Args:
        activations: (N, K, *S).
        gradients: (C, N, K, *S), of C scores per image.
        methods: names in `METHODS`.

    Returns:
        Method -> (C, N, *S), in float64 if the arguments are float64, else in float32.

    Example:
        >>> ones = torch.ones(1, 2, 3, 3)
        >>> raw_maps(ones, ones[None], ["grad_cam", "hires_cam"])["hires_cam"].shape
        torch.Size([1, 1, 3, 3])
    """
    activations, gradients = (
        tensor.detach() if tensor.dtype == torch.float64 else tensor.detach().float()
        for tensor in (activations, gradients)
    )
    images = len(activations)
    if activations.device.type == "cpu":
        images = max(1, BLOCK // activations[0].numel())
    pairs = zip(activations.split(images), gradients.split(images, dim=1), strict=True)
    blocks = [_images(*pair, methods) for pair in pairs]
    return {name: torch.cat([block[name] for block in blocks], dim=1) for name in methods}


def _images(activations: Tensor, gradients: Tensor, methods: Sequence[str]) -> dict[str, Tensor]:
    """`raw_maps` of a few images, their channels handled a block at a time."""
    shared = {name for name in methods if METHODS[name] is _REFERENCE.get(name)}
    flat, flat_gradients = activations.flatten(2), gradients.flatten(3)
    channels = flat.shape[1]
    if flat.device.type == "cpu":
        channels = max(1, BLOCK // flat.shape[2])
    pairs = zip(flat.split(channels, dim=1), flat_gradients.split(channels, dim=2), strict=True)
    weights, maps = zip(*(_channels(*pair, shared) for pair in pairs), strict=True)
    raw = {name: sum(part[name] for part in maps) for name in maps[0]}
    if weights[0]:
        names = list(weights[0])
        # (N, M C, K) @ (N, K, Z): every method's and score's channel sum in one product
        stacked = torch.stack(
            [torch.cat([part[name] for part in weights], dim=2) for name in names]
        )
        product = stacked.permute(2, 0, 1, 3).flatten(1, 2) @ flat
        parts = product.unflatten(1, (len(names), len(gradients))).unbind(1)
        raw |= {name: part.transpose(0, 1) for name, part in zip(names, parts, strict=True)}
    raw = {name: part.unflatten(2, activations.shape[2:]) for name, part in raw.items()}
    for name in set(methods) - shared:
        raw[name] = torch.stack([METHODS[name](activations, part) for part in gradients])
    return raw


def _channels(
    activations: Tensor, gradients: Tensor, names: set[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights (C, N, K) and maps (C, N, Z) of some channels (N, K, Z) by themselves."""
    weights: dict[str, Tensor] = {}
    maps: dict[str, Tensor] = {}
    if "grad_cam" in names:
        weights["grad_cam"] = gradients.mean(dim=-1)
    if names & {"xgrad_cam", "grad_cam_plus_plus"}:
        total = activations.sum(dim=-1)
    if names & {"xgrad_cam", "hires_cam"}:
        products = gradients * activations
        if "hires_cam" in names:
            maps["hires_cam"] = products.sum(dim=2)
        if "xgrad_cam" in names:
            weights["xgrad_cam"] = products.sum(dim=-1) / (total + _XGRAD_EPS)
    if names & {"layer_cam", "grad_cam_plus_plus"}:
        positive = gradients.relu()
        if "layer_cam" in names:
            maps["layer_cam"] = (positive * activations).sum(dim=2)
        if "grad_cam_plus_plus" in names:
            weights["grad_cam_plus_plus"] = _alpha_sum(positive, total[..., None])
    return weights, maps


def _alpha_sum(positive: Tensor, total: Tensor) -> Tensor:
    """Sum over the cells of ReLU(G) / (2 + S ReLU(G)); `positive` is used up."""
    denominator = (total * positive).add_(2)
    if not (total < 0).any():
        return positive.div_(denominator).sum(dim=-1)
    defined = denominator.abs() > 8 * torch.finfo(denominator.dtype).eps
    return torch.where(defined, positive / denominator, 0).sum(dim=-1)
