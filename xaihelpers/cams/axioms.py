"""The two axioms of XGrad-CAM (Fu 2020, arXiv 2008.02312) as numbers, for every method.

Symbols: A (N, K, *S) the layer's activations, G = dy/dA, y (N,) the class logit, M (N, *S) the raw
map. *Conservation*: the map sums to the score. *Sensitivity*: a channel's share of the map is the
drop of the score when that channel is removed. `bias_terms` is what stands between y and sum(G*A)
in a ReLU network; `denominator_report` is where XGrad-CAM's weights are ill-posed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from xaihelpers.cams.engine.forward import Pass, check_images, run, undisturbed
from xaihelpers.cams.hooks import find_layer, unwrap
from xaihelpers.cams.methods import METHODS
from xaihelpers.cams.targets import ClassIndex, class_indices, logit, scores
from xaihelpers.errors import ExplainError

Method = Callable[[Tensor, Tensor], Tensor]


def conservation_error(
    model: nn.Module,
    images: Tensor,
    layer: str | nn.Module,
    target: ClassIndex = None,
    methods: Sequence[str] = tuple(METHODS),
) -> dict[str, Tensor]:
    """|y - sum_ij M_ij| / |y| per image (conservation): 0 where the map adds up to the score.

    Args:
        images: (N, 3, H, W) floating point, normalised as the network expects.
        target: predicted class (None), one class index, or one per image.
        methods: names in `METHODS`.

    Returns:
        name -> (N,), at least 0, without unit.
    """
    activations, gradients, score = activations_and_gradients(model, images, layer, target)
    totals = {name: METHODS[name](activations, gradients).flatten(1).sum(1) for name in methods}
    return {name: (score - total).abs() / score.abs() for name, total in totals.items()}


def sensitivity_error(
    model: nn.Module,
    images: Tensor,
    layer: str | nn.Module,
    target: ClassIndex = None,
    methods: Sequence[str] = tuple(METHODS),
    chunk: int = 64,
) -> dict[str, Tensor]:
    """sum_k |d_k - m_k| / sum_k |d_k| per image (sensitivity).

    d_k = y - y(A without channel k), m_k = the sum of channel k's part of the raw map.

    Args and returns as `conservation_error`; `chunk` as `channel_drops`.
    """
    activations, gradients, _ = activations_and_gradients(model, images, layer, target)
    drops = channel_drops(model, images, layer, target, chunk)
    shares = {name: channel_shares(METHODS[name], activations, gradients) for name in methods}
    return {
        name: (drops - share).abs().sum(1) / drops.abs().sum(1) for name, share in shares.items()
    }


def activations_and_gradients(
    model: nn.Module, images: Tensor, layer: str | nn.Module, target: ClassIndex = None
) -> tuple[Tensor, Tensor, Tensor]:
    """A (N, K, *S), G (N, K, *S) and the class logits y (N,), all detached.

    Raises:
        LayerNotFoundError, InputError, TargetError, NothingCapturedError: as `explain`; the layer
            must run exactly once.
    """
    model = unwrap(model)
    name, _ = find_layer(model, layer)
    check_images(model, images)

    def score(output: Any) -> Tensor:
        return scores(logit(target), output, len(images))

    def finish(done: Pass) -> tuple[Tensor, Tensor, Tensor]:
        (activations,) = (tap.activations for tap in done.taps)
        ((_, gradients),) = done.gradients()[0]
        return activations, gradients[0], done.score.detach()

    with undisturbed(model, images.device.type):
        return run(model, images, [name], score, finish)


def channel_shares(method: Method, activations: Tensor, gradients: Tensor) -> Tensor:
    """What each channel adds to the sum of the raw map, (N, K).

    Every method here is a sum over channels whose weights depend on that channel alone, so a
    channel is explained as if it were an image of one channel.
    """
    count, channels = activations.shape[:2]
    alone = (part.flatten(0, 1)[:, None] for part in (activations, gradients))
    return method(*alone).flatten(1).sum(1).view(count, channels)


def channel_drops(
    model: nn.Module,
    images: Tensor,
    layer: str | nn.Module,
    target: ClassIndex = None,
    chunk: int = 64,
) -> Tensor:
    """y - y(A without channel k) for every channel, (N, K).

    Args:
        chunk: channels removed per pass; memory grows with it, time falls.

    The layers before `layer` see one image per pass and the ones after it `chunk` copies, which a
    skip connection around the layer broadcasts against; where that fails, all see the copies.
    """
    activations, _, score = activations_and_gradients(model, images, layer, target)
    model = unwrap(model)
    _, module = find_layer(model, layer)
    channels = torch.arange(activations.shape[1], device=images.device)
    with torch.no_grad(), undisturbed(model, images.device.type):
        classes = class_indices(target, model(images)).tolist()
        without = [
            torch.cat(
                [_logits_without(model, module, image, part) for part in channels.split(chunk)]
            )[:, index]
            for image, index in zip(images.split(1), classes, strict=True)
        ]
    return score[:, None] - torch.stack(without)


def _logits_without(model: nn.Module, layer: nn.Module, image: Tensor, gone: Tensor) -> Tensor:
    """Logits (k, C) of one image, in row i of which the layer's channel gone[i] is zero."""

    def remove(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        copies = output.expand(len(gone), *output.shape[1:]).clone()
        copies[torch.arange(len(gone)), gone] = 0
        return copies

    handle = layer.register_forward_hook(remove)
    try:
        try:
            logits = model(image)
            if len(logits) == len(gone):
                return logits
        except RuntimeError:  # what runs beside the layer does not broadcast (a concatenation)
            pass
        return model(image.expand(len(gone), *image.shape[1:]))
    finally:
        handle.remove()


def bias_terms(
    model: nn.Module, images: Tensor, layer: str | nn.Module, target: ClassIndex = None
) -> Tensor:
    """What y has beside sum(G*A): each later bias times the score's gradient by it, (N,).

    XGrad-CAM, eq. 5: in a network that is piecewise linear after the layer (convolution, linear,
    ReLU, pooling, batch norm in evaluation mode), y = sum(G*A) + bias_terms exactly, provided
    every path to the score leads through the layer. With SiLU, ELU or GELU it does not hold.

    A batch norm is folded: it adds beta - mean * gamma / sqrt(var + eps). The sums are taken while
    the gradient passes by, so no further gradient is stored.

    Raises:
        ExplainError: a later module has a bias but is not affine (layer norm, group norm, ...).
        And as `activations_and_gradients`.
    """
    model = unwrap(model)
    _, own = find_layer(model, layer)
    total = torch.zeros(len(images), device=images.device, dtype=torch.float64)

    def watch(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        constant = _constant(module) if _recorded(output) else None
        if constant is not None:
            axis = -1 if isinstance(module, nn.Linear) else 1
            output.register_hook(lambda gradient: _add(total, gradient.movedim(axis, -1), constant))

    later = [module for module in model.modules() if module is not own]
    with ExitStack() as stack:
        for module in later:
            stack.callback(module.register_forward_hook(watch).remove)
        _, _, score = activations_and_gradients(model, images, layer, target)
    return total.to(score.dtype)


def _recorded(output: Any) -> bool:
    return isinstance(output, Tensor) and output.requires_grad


def _add(total: Tensor, gradient: Tensor, constant: Tensor) -> None:
    """Add sum(gradient * constant) of every image; the last axis of `gradient` is the channel."""
    total += (gradient.flatten(1, -2).sum(1) if gradient.ndim > 2 else gradient) @ constant


def _constant(module: nn.Module) -> Tensor | None:
    """What a module adds to its linear part, one number per channel; None if nothing."""
    if isinstance(module, _BatchNorm):
        if module.running_mean is None or module.running_var is None:
            raise ExplainError("a batch norm without running statistics is not affine")
        scale = (module.running_var + module.eps).rsqrt()
        scale = scale if module.weight is None else module.weight * scale
        shift = -module.running_mean * scale
        return (shift if module.bias is None else shift + module.bias).detach()
    bias = getattr(module, "bias", None)
    if not isinstance(bias, Tensor):
        return None
    if not isinstance(module, (nn.Linear, _ConvNd)):
        raise ExplainError(
            f"{type(module).__name__} has a bias but is not affine, so the score does not split "
            "into sum(G*A) and bias terms; name a layer after it"
        )
    return bias.detach()


@dataclass(frozen=True)
class DenominatorReport:
    """How sound XGrad-CAM's division by sum_ij A^k_ij is; each (N,), in [0, 1].

    Attributes:
        negative: share of the live channels whose sum is negative, which turns the weight's sign.
        cancelling: share whose |sum| is below `tolerance` of its sum of absolute values.
        flipped: share whose weight has the opposite sign of Grad-CAM's (the mean gradient).
        dominance: largest channel's part of sum_k |w_k| sum_ij |A^k_ij|.
    """

    negative: Tensor
    cancelling: Tensor
    flipped: Tensor
    dominance: Tensor


def denominator_report(
    activations: Tensor, gradients: Tensor, tolerance: float = 0.05
) -> DenominatorReport:
    """Count the channels in which XGrad-CAM's weight is ill-posed (signed activations).

    Args:
        activations, gradients: (N, K, *S). Channels that are zero everywhere are left out.
        tolerance: |sum A| / sum |A| below which a channel counts as cancelling.
    """
    values, slopes = activations.flatten(2), gradients.flatten(2)
    total, size = values.sum(2), values.abs().sum(2)
    live = size > 0
    weights = (values * slopes).sum(2) / total.where(total != 0, torch.inf)
    weighed = weights.abs() * size

    def share(which: Tensor) -> Tensor:
        return (which & live).to(values.dtype).sum(1) / live.sum(1).clamp(min=1)

    return DenominatorReport(
        negative=share(total < 0),
        cancelling=share(total.abs() < tolerance * size),
        flipped=share(weights * slopes.sum(2) < 0),
        dominance=weighed.amax(1) / weighed.sum(1).where(weighed.sum(1) > 0, 1),
    )
