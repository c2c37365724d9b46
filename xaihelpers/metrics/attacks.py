"""Adversarial images: FGSM and PGD, towards a class or away from one, within an L-inf or L2 ball.

The images are float (N, 3, H, W) in [0, 1] and stay there; `standardize` is what the networks see.
The attacks stand in the pixels, so `eps` is in units of [0, 1]: 8 / 255 is eight grey levels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers.cams.engine.modes import undisturbed
from xaihelpers.errors import EvaluationError
from xaihelpers.networks.classifiers import MEAN, STD

NORMS = ("linf", "l2")
TINY = 1e-12  # a gradient shorter than this has no direction

Gradient = Callable[[Tensor], Tensor]


def standardize(images: Tensor) -> Tensor:
    """[0, 1] -> what the networks take; for 8-bit images the same as `networks.normalize`."""
    mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std


def fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    norm: str = "linf",
    targeted: bool = False,
    batch_size: int = 16,
) -> Tensor:
    """Fast gradient sign method: one step of length `eps` up the loss (arXiv 1412.6572).

    L-inf: x + eps sign(g); L2: x + eps g / |g|, where g is the gradient of the cross-entropy.
    Arguments and errors as `pgd`.
    """
    return pgd(
        model,
        images,
        labels,
        eps,
        steps=1,
        step_size=eps,
        norm=norm,
        targeted=targeted,
        batch_size=batch_size,
    )


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    steps: int = 20,
    step_size: float | None = None,
    norm: str = "linf",
    targeted: bool = False,
    generator: torch.Generator | None = None,
    batch_size: int = 16,
) -> Tensor:
    """Projected gradient descent (Madry and others 2018, arXiv 1706.06083, section 2.1).

    `steps` steps of `step_size` along the gradient's sign (L-inf) or direction (L2), each followed
    by the projection onto the ball of radius `eps` around the image and onto [0, 1]. The model runs
    in evaluation mode and is left as it was.

    Args:
        images: (N, 3, H, W) float in [0, 1], on the model's device.
        labels: (N,) int64: the true classes, whose loss rises; if `targeted` the wanted classes,
            whose loss falls.
        eps: radius in units of [0, 1]; for "l2" of the whole image, not per pixel.
        step_size: by default 2.5 eps / steps, which can reach every part of the ball.
        generator: draws a random start in the ball; None starts at the image.

    Returns:
        Images like `images`, detached: the last ones, whether or not the answer has changed.

    Raises:
        EvaluationError: images, labels or settings that are none of these.
    """
    _check(images, labels, eps, steps, step_size, norm)
    step = 2.5 * eps / steps if step_size is None else step_size
    starts = images if generator is None else _random_start(images, eps, norm, generator)
    parts = []
    with undisturbed(model, images.device.type), torch.enable_grad():
        for clean, moved, wanted in zip(
            *(t.detach().split(batch_size) for t in (images, starts, labels)), strict=True
        ):
            gradient = partial(_gradient, model, labels=wanted, targeted=targeted)
            parts.append(_climb(gradient, clean, moved, eps, step, steps, norm))
    return torch.cat(parts)


def _climb(
    gradient: Gradient, clean: Tensor, moved: Tensor, eps: float, step: float, steps: int, norm: str
) -> Tensor:
    """`steps` projected steps from `moved` within the ball around `clean`."""
    for _ in range(steps):
        moved = project(moved + step * direction(gradient(moved), norm), clean, eps, norm)
    return moved


def _gradient(model: nn.Module, moved: Tensor, labels: Tensor, targeted: bool) -> Tensor:
    """Gradient of the loss, or of minus the loss towards the wanted classes, by the pixels."""
    leaf = moved.detach().requires_grad_()
    logits = model(standardize(leaf))
    if int(labels.max()) >= logits.shape[1]:
        raise EvaluationError(
            f"label {int(labels.max())} is none of the model's {logits.shape[1]} classes"
        )
    loss = F.cross_entropy(logits, labels, reduction="sum")
    (gradient,) = torch.autograd.grad(-loss if targeted else loss, leaf)
    return gradient


def direction(gradient: Tensor, norm: str) -> Tensor:
    """The step of length 1 that raises a linear score most: g's sign, or g / |g|_2."""
    if norm == "linf":
        return gradient.sign()
    return gradient / _length(gradient).clamp_min(TINY)


def project(moved: Tensor, clean: Tensor, eps: float, norm: str) -> Tensor:
    """The nearest images in the ball of radius `eps` around `clean`, then cut to [0, 1].

    The cut moves each pixel towards `clean`, which lies in [0, 1], and so stays in the ball.
    """
    change = moved - clean
    if norm == "linf":
        change = change.clamp(-eps, eps)
    else:
        change = change * (eps / _length(change).clamp_min(TINY)).clamp_max(1)
    return (clean + change).clamp(0, 1)


def _length(change: Tensor) -> Tensor:
    """Euclidean length of each image's change, (N, 1, 1, 1)."""
    return change.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def _random_start(images: Tensor, eps: float, norm: str, generator: torch.Generator) -> Tensor:
    """Uniformly within the ball (and [0, 1]), drawn on the generator's device."""
    draw: dict[str, Any] = {"generator": generator, "device": generator.device}
    if norm == "linf":
        change = (2 * torch.rand(images.shape, **draw) - 1) * eps
    else:
        towards = direction(torch.randn(images.shape, **draw), norm)
        radius = torch.rand(len(images), 1, 1, 1, **draw) ** (1 / images[0].numel())
        change = eps * radius * towards
    return project(images + change.to(images), images, eps, norm)


def _check(
    images: Tensor, labels: Tensor, eps: float, steps: int, step_size: float | None, norm: str
) -> None:
    """Raise `EvaluationError` for arguments that `pgd` cannot use."""
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise EvaluationError(f"images must be (N, 3, H, W), not {tuple(images.shape)}")
    if not images.is_floating_point() or not bool(((images >= 0) & (images <= 1)).all()):
        raise EvaluationError(
            f"images must be floating point in [0, 1], not {images.dtype} in "
            f"[{float(images.min()):.3g}, {float(images.max()):.3g}]; divide 8-bit images by 255"
        )
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1] or int(labels.min()) < 0:
        raise EvaluationError(
            f"labels must be int64 class indices, one for each of the {len(images)} images, "
            f"not {labels.dtype} {tuple(labels.shape)}"
        )
    if norm not in NORMS:
        raise EvaluationError(f"unknown norm {norm!r}: use one of {', '.join(NORMS)}")
    if eps < 0 or steps < 1 or (step_size is not None and step_size <= 0 < eps):
        raise EvaluationError(
            "eps must not be negative, steps at least 1 and step_size above 0, "
            f"not eps={eps}, steps={steps}, step_size={step_size}"
        )
