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

from xaihelpers.cams.engine.forward import ForwardPass, run_forward
from xaihelpers.cams.engine.inputs import check_images
from xaihelpers.cams.engine.modes import undisturbed
from xaihelpers.cams.hooks import find_layer, in_this_thread, unwrap
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
    """Compute |y - sum_ij M_ij| / |y| per image: 0 where the map adds up to the score.

    Args:
        model: the network.
        images: (N, 3, H, W) floating point, normalised as the network expects.
        layer: dotted name or module. It must run once.
        target: None for the predicted class, one class index, or one per image.
        methods: names in `METHODS`.

    Returns:
        Method -> (N,), at least 0, without unit.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> conservation_error(net, torch.rand(2, 3, 8, 8), "0", 0)["hires_cam"].max() < 1e-4
        tensor(True)
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
    """Compute sum_k |d_k - m_k| / sum_k |d_k| per image.

    d_k = y - y(A without channel k), m_k = the sum of channel k's part of the raw map.

    Args:
        model: see `conservation_error`.
        images: see `conservation_error`.
        layer: see `conservation_error`.
        target: see `conservation_error`.
        methods: see `conservation_error`.
        chunk: see `channel_drops`.

    Returns:
        Method -> (N,), at least 0, without unit.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> sensitivity_error(net, torch.rand(2, 3, 8, 8), "0", 0)["xgrad_cam"].max() < 1e-4
        tensor(True)
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
    """Compute activations, gradients and class logits.

    Args:
        model: see `conservation_error`.
        images: see `conservation_error`.
        layer: see `conservation_error`.
        target: see `conservation_error`.

    Returns:
        A (N, K, *S), G (N, K, *S) and y (N,), all detached.

    Raises:
        ExplainError: as `explain`, or the layer did not run exactly once.

    Example:
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> [tuple(t.shape) for t in activations_and_gradients(net, torch.rand(1, 3, 4, 4), "1")]
        [(1, 4, 2, 2), (1, 4, 2, 2), (1,)]
    """
    model = unwrap(model)
    name, _ = find_layer(model, layer)
    check_images(model, images)

    def score(output: Any) -> Tensor:
        return scores(logit(target), output, len(images))

    def finish(done: ForwardPass) -> tuple[Tensor, Tensor, Tensor]:
        (activations,) = (tap.activations for tap in done.taps)
        ((_, gradients),) = done.gradients()[0]
        return activations, gradients[0], done.score.detach()

    with undisturbed(model, images.device.type):
        return run_forward(model, images, [name], score, finish)


def channel_shares(method: Method, activations: Tensor, gradients: Tensor) -> Tensor:
    """Compute what each channel adds to the sum of the raw map.

    Every method here is a sum over channels whose weights depend on that channel alone, so a
    channel is explained as if it were an image of one channel.

    Args:
        method: maps activations and gradients to a raw map.
        activations: (N, K, *S).
        gradients: (N, K, *S).

    Returns:
        (N, K).

    Example:
        >>> ones = torch.ones(1, 2, 2, 2)
        >>> channel_shares(METHODS["hires_cam"], ones, ones)
        tensor([[4., 4.]])
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
    """Compute y - y(A without channel k) for every channel.

    The layers before `layer` see one image per pass, and those after it `chunk` copies, against
    which a skip connection around the layer broadcasts. Where that fails, all see the copies.

    Args:
        model: see `conservation_error`.
        images: see `conservation_error`.
        layer: see `conservation_error`.
        target: see `conservation_error`.
        chunk: channels that are removed per pass. Memory grows with it, time falls.

    Returns:
        (N, K).

    Example:
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> channel_drops(net, torch.rand(2, 3, 8, 8), "1", 0).shape
        torch.Size([2, 4])
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

    handle = layer.register_forward_hook(in_this_thread(remove))
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
    """Compute what y has beside sum(G*A): each later bias times the score's gradient by it.

    XGrad-CAM, eq. 5: in a network that is piecewise linear after the layer (convolution, linear,
    ReLU, pooling, batch norm in evaluation mode), y = sum(G*A) + bias_terms exactly, provided
    every path to the score leads through the layer. With SiLU, ELU or GELU it does not hold.

    A batch norm is folded: it adds beta - mean * gamma / sqrt(var + eps). The sums are taken while
    the gradient passes by, so no further gradient is stored.

    Args:
        model: see `conservation_error`.
        images: see `conservation_error`.
        layer: see `conservation_error`.
        target: see `conservation_error`.

    Returns:
        (N,).

    Raises:
        ExplainError: a later module has a bias but is not affine (layer norm, group norm, ...),
            or as `activations_and_gradients`.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
        >>> terms = bias_terms(net, torch.rand(1, 1, 2, 2), "0", 1)
        >>> bool((terms - net[2].bias[1]).abs() < 1e-6)
        True
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
            stack.callback(module.register_forward_hook(in_this_thread(watch)).remove)
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
    """Shares of channels in which XGrad-CAM's division by sum_ij A^k_ij is unsound; (N,) in [0, 1].

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
        activations: (N, K, *S). Channels that are zero everywhere do not count.
        gradients: (N, K, *S).
        tolerance: |sum A| / sum |A| below which a channel counts as cancelling.

    Example:
        >>> activations = torch.tensor([[[[1.0, -2.0]], [[1.0, 2.0]]]])
        >>> denominator_report(activations, torch.ones_like(activations)).negative
        tensor([0.5000])
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
