"""Does the score depend on what the map points at? Remove it, or keep only it, and ask again.

Images are `(N, C, H, W)` normalised for the network, maps `(N, H, W)` in [0, 1], targets `(N,)`
class indices. The score is the softmax probability of the target. Every function runs the network
in evaluation mode, without gradients, on the images' device, and leaves its flags as they were.

None of these figures says that a map is right. They can be gamed (a map that is one everywhere but
in one pixel loses nothing in `average_drop`), and what is shown to the network are pictures that it
has never seen (see `removal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.forward import evaluating
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.localization import check_maps
from xaihelpers.metrics.removal import NOISE, filling, impute

BATCH = 8  # images shown to the network at a time: on a CPU larger batches are slower per image
GPU_BATCH = 128


@dataclass(frozen=True, eq=False)
class Curve:
    """Score of each image while its pixels are removed or inserted in the order of a map.

    shares: (S + 1,) of the pixels changed, from 0 to 1. scores: (N, S + 1) probabilities.
    """

    shares: Tensor
    scores: Tensor

    @property
    def area(self) -> Tensor:
        """Area under each curve by trapezoids: (N,) in [0, 1]."""
        return torch.trapezoid(self.scores, self.shares, dim=1)

    @property
    def mean_fall(self) -> Tensor:
        """Mean fall below the first score over all points, (N,): what pixel flipping reports."""
        return (self.scores[:, :1] - self.scores).mean(dim=1)


@torch.no_grad()
def confidence(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    """Softmax probability of the target class: images (N, C, H, W) -> (N,)."""
    with evaluating(model):
        parts = [model(part).softmax(dim=1) for part in images.split(_batch_size(images))]
    return torch.cat(parts).gather(1, target.to(images.device)[:, None])[:, 0]


def _batch_size(images: Tensor) -> int:
    """How many images the network sees at a time on the images' device."""
    return BATCH if images.device.type == "cpu" else GPU_BATCH


def check_images(images: Tensor, heat: Tensor, target: Tensor) -> None:
    """Raise `EvaluationError` unless images, maps and targets belong together."""
    check_maps(heat)
    expected = (len(images), *images.shape[2:])
    if tuple(heat.shape) != expected or tuple(target.shape) != (len(images),):
        raise EvaluationError(
            f"images {tuple(images.shape)} need maps {expected} and targets ({len(images)},), "
            f"not {tuple(heat.shape)} and {tuple(target.shape)}"
        )


def removal_order(heat: Tensor) -> Tensor:
    """Place of each pixel in the order of removal, 0 = highest; ties go in reading order.

    (N, H, W) -> (N, H, W) int64. A flat map is therefore taken away line by line.
    """
    order = heat.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=heat.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view(heat.shape)


def _curve(
    model: nn.Module,
    start: Tensor,
    end: Tensor,
    heat: Tensor,
    target: Tensor,
    steps: int,
    share: float = 1.0,
) -> Curve:
    """Scores on the way from `start` to `end`, pixels exchanged from the highest of `heat` on."""
    if steps < 1:
        raise EvaluationError(f"steps is {steps}; a curve needs at least one")
    order, pixels, images = removal_order(heat)[:, None], heat[0].numel(), len(start)
    counts = [round(share * pixels * step / steps) for step in range(steps + 1)]
    limits = torch.tensor(counts, device=heat.device)
    parts = []
    every = torch.arange(images * len(counts), device=heat.device)
    for part in every.split(_batch_size(start)):  # never all (steps + 1) x N images at once
        which, exchanged = part % images, limits[part // images, None, None, None]
        shown = torch.where(order[which] < exchanged, end[which], start[which])
        parts.append(confidence(model, shown, target[which.to(target.device)]))
    scores = torch.cat(parts)
    return Curve(limits.to(scores) / pixels, scores.view(len(counts), images).T)


def deletion(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Tensor,
    steps: int = 20,
    replace: str = "zero",
) -> Curve:
    """Take pixels away, the map's highest first. Small `area` is better.

    Petsiuk 2018 (RISE), arXiv 1806.07421, section 3.3 and algorithm 1; they replace by zero.

    Args:
        replace: "zero", "mean" or "blur" (`removal.FILLINGS`).
    """
    check_images(images, heat, target)
    return _curve(model, images, filling(replace)(images), heat, target, steps)


def insertion(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Tensor,
    steps: int = 20,
    replace: str = "blur",
) -> Curve:
    """Bring pixels back, the map's highest first. Large `area` is better. Source as `deletion`."""
    check_images(images, heat, target)
    return _curve(model, filling(replace)(images), images, heat, target, steps)


def pixel_flipping(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Tensor,
    share: float = 0.2,
    steps: int = 10,
    replace: str = "mean",
) -> Tensor:
    """Mean fall of the score while the highest `share` of the pixels is flipped: (N,), big is good.

    Bach 2015 (PLOS ONE 10(7), e0130140) flips pixel by pixel; the area over the curve, averaged
    over its points, is that of Samek 2017 (arXiv 1509.06321). They flip to the opposite value or
    to noise; we replace.
    """
    check_images(images, heat, target)
    if not 0 < share <= 1:
        raise EvaluationError(f"share is {share}; it must lie in (0, 1]")
    end = filling(replace)(images)
    return _curve(model, images, end, heat, target, steps, share).mean_fall


def kept_confidence(model: nn.Module, images: Tensor, heat: Tensor, target: Tensor) -> Tensor:
    """Score of the explanation map, the image times the map: O of the Grad-CAM++ paper, (N,).

    The product is taken of the *normalised* image, as peers do, so that what the map leaves out
    becomes the mean colour of ImageNet, not black.
    """
    check_images(images, heat, target)
    return confidence(model, images * heat[:, None], target)


def drop(before: Tensor, after: Tensor) -> Tensor:
    """max(0, Y - O) / Y per image; its mean is the average drop. Small is better.

    Chattopadhay 2018 (Grad-CAM++), arXiv 1710.11063, section on objective evaluation, metric (i).
    Relative to the score, unlike the `DropInConfidence` of the package grad-cam.

    Args:
        before: (N,) Y, probability of the class for the image. after: (N,) O, `kept_confidence`.
    """
    _check_scores(before, after)
    return (before - after).clamp_min(0) / before


def increase(before: Tensor, after: Tensor) -> Tensor:
    """1 where Y < O, per image; its mean is the increase in confidence. Large is better.

    Source as `drop`, metric (ii).
    """
    _check_scores(before, after)
    return (before < after).to(before.dtype)


def win_rate(before: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """1 where the first map's drop is smaller than the second's, per image. Large is better.

    Source as `drop`, metric (iii). Ties are no win for either: two rates may sum to less than 1.

    Args:
        before: (N,) Y. first, second: (N,) O of the two methods.
    """
    return (drop(before, first) < drop(before, second)).to(before.dtype)


def _check_scores(before: Tensor, after: Tensor) -> None:
    if before.shape != after.shape or before.ndim != 1:
        raise EvaluationError(
            f"scores must be (N,) of the same images, not {tuple(before.shape)} "
            f"and {tuple(after.shape)}"
        )
    if bool((before <= 0).any()) or bool((after < 0).any()):
        raise EvaluationError(
            "drop and increase are relative to the score, so scores must be positive: pass "
            "probabilities, not logits"
        )


def road(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Tensor,
    shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8),
    noise: Tensor | float = NOISE,
) -> Tensor:
    """How much more the score suffers when the highest pixels go than when the lowest do: (N,).

    ROAD (Rong 2022, arXiv 2202.00449): removed pixels are imputed (`removal.impute`), so that the
    mask's outline tells nothing. Half the difference of scores, lowest removed (LeRF) less highest
    removed (MoRF), averaged over `shares` of removed pixels, as the package grad-cam combines
    them: in [-0.5, 0.5], large is better, 0 for a map that says nothing.

    Args:
        noise: as in `removal.impute`; fixed values (N, C, H, W) make a figure that repeats.
    """
    check_images(images, heat, target)
    order, pixels = removal_order(heat), heat[0].numel()
    last = removal_order(heat.amax(dim=(1, 2), keepdim=True) - heat)
    both = []
    for places in (last, order):
        scores = [
            confidence(model, impute(images, places < round(share * pixels), noise), target)
            for share in shares
        ]
        both.append(torch.stack(scores).mean(dim=0))
    return (both[0] - both[1]) / 2
