"""Does the score depend on what the map points at? Remove it, or keep only it, and ask again.

Images are `(N, C, H, W)` normalised for the network, maps `(N, H, W)` in [0, 1]. The target is that
of `explain`, the score the probability of a class or the value of a callable target: see
`model_score`, which is also where `link` is explained. Every function runs the network in
evaluation mode, without gradients, on the images' device, and leaves its flags as they were.

None of these figures says that a map is right. They can be gamed (a map that is one everywhere but
in one pixel loses nothing in the average drop), and what is shown to the network are pictures that
it has never seen (see `removal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xaihelpers.cams.targets import Target
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.localization import check_maps
from xaihelpers.metrics.model_score import (
    Link,
    ScoreReader,
    batch_size,
    confidence,
    score_reader,
)
from xaihelpers.metrics.removal import NOISE, filling, impute

__all__ = [
    "Curve",
    "confidence",
    "deletion",
    "drop",
    "increase",
    "insertion",
    "kept_confidence",
    "pixel_flipping",
    "removal_order",
    "road",
    "win_rate",
]


@dataclass(frozen=True, eq=False)
class Curve:
    """Score of each image while its pixels are removed or inserted in the order of a map.

    Attributes:
        shares: (S + 1,) of the pixels changed, from 0 to 1.
        scores: (N, S + 1), for a class probabilities.
    """

    shares: Tensor
    scores: Tensor

    @property
    def area(self) -> Tensor:
        """Area under each curve by trapezoids: (N,), for probabilities in [0, 1]."""
        return torch.trapezoid(self.scores, self.shares, dim=1)

    @property
    def mean_fall(self) -> Tensor:
        """Mean fall below the first score over all points, (N,): what pixel flipping reports."""
        return (self.scores[:, :1] - self.scores).mean(dim=1)


def check_images(images: Tensor, heat: Tensor) -> None:
    """Raise `EvaluationError` unless images and maps belong together."""
    check_maps(heat)
    expected = (len(images), *images.shape[2:])
    if tuple(heat.shape) != expected:
        raise EvaluationError(
            f"images {tuple(images.shape)} need maps {expected}, not {tuple(heat.shape)}"
        )


def removal_order(heat: Tensor) -> Tensor:
    """Position of each pixel in the order of removal, 0 = highest; ties go in reading order.

    (N, H, W) -> (N, H, W) int64. A flat map is therefore taken away line by line.

    Example:
        >>> removal_order(torch.tensor([[[0.0, 0.9], [0.5, 0.0]]])).tolist()
        [[[2, 0], [1, 3]]]
    """
    order = heat.flatten(1).argsort(dim=1, descending=True, stable=True)
    positions = torch.arange(order.shape[1], device=heat.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions).view(heat.shape)


def _curve(
    read: ScoreReader, start: Tensor, end: Tensor, heat: Tensor, steps: int, share: float = 1.0
) -> Curve:
    """Scores on the way from `start` to `end`, pixels exchanged from the highest of `heat` on."""
    if steps < 1:
        raise EvaluationError(f"steps is {steps}; a curve needs at least one")
    order, pixels, images = removal_order(heat)[:, None], heat[0].numel(), len(start)
    counts = [round(share * pixels * step / steps) for step in range(steps + 1)]
    limits = torch.tensor(counts, device=heat.device)
    every = torch.arange(images * len(counts), device=heat.device)
    scores = []  # never all (steps + 1) x N images at once
    for part in every.split(batch_size(start) if read.cuttable else images):
        which, exchanged = part % images, limits[part // images, None, None, None]
        shown = torch.where(order[which] < exchanged, end[which], start[which])
        scores.append(read(shown, which))
    joined = torch.cat(scores)
    return Curve(limits.to(joined) / pixels, joined.view(len(counts), images).T)


def deletion(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Target = None,
    steps: int = 20,
    replace: str = "zero",
    link: Link | None = None,
) -> Curve:
    """Take pixels away, the map's highest first. Small `area` is better.

    Petsiuk 2018 (RISE), arXiv 1806.07421, section 3.3 and algorithm 1; they replace by zero.

    Args:
        model: the network.
        images: (N, C, H, W), normalised.
        heat: (N, H, W) in [0, 1].
        target: as in `explain`; None is the class predicted for the whole image.
        steps: points of the curve after the first.
        replace: "zero", "mean" or "blur" (`removal.FILLINGS`).
        link: of a class index, see `model_score.linked`; None is softmax, sigmoid for one logit.

    Raises:
        EvaluationError: images, maps and settings do not belong together.
        TargetError: the target does not fit the network's output.

    Example:
        >>> model = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3, 2))
        >>> curve = deletion(model, torch.rand(5, 3, 4, 4), torch.rand(5, 4, 4), target=1, steps=4)
        >>> tuple(curve.scores.shape), tuple(curve.area.shape)
        ((5, 5), (5,))
    """
    check_images(images, heat)
    read = score_reader(model, images, target, link)
    return _curve(read, images, filling(replace)(images), heat, steps)


def insertion(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Target = None,
    steps: int = 20,
    replace: str = "blur",
    link: Link | None = None,
) -> Curve:
    """Bring pixels back, the map's highest first. Large `area` is better.

    Source and arguments as `deletion`.
    """
    check_images(images, heat)
    read = score_reader(model, images, target, link)
    return _curve(read, filling(replace)(images), images, heat, steps)


def pixel_flipping(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Target = None,
    share: float = 0.2,
    steps: int = 10,
    replace: str = "mean",
    link: Link | None = None,
) -> Tensor:
    """Mean fall of the score while the highest `share` of the pixels is flipped: (N,), big is good.

    Bach 2015 (PLOS ONE 10(7), e0130140) flips pixel by pixel; the area over the curve, averaged
    over its points, is that of Samek 2017 (arXiv 1509.06321). They flip to the opposite value or
    to noise; we replace.

    Args:
        share: of the pixels that are flipped in the end, in (0, 1].

    The other arguments are those of `deletion`.
    """
    check_images(images, heat)
    if not 0 < share <= 1:
        raise EvaluationError(f"share is {share}; it must lie in (0, 1]")
    read, end = score_reader(model, images, target, link), filling(replace)(images)
    return _curve(read, images, end, heat, steps, share).mean_fall


def kept_confidence(
    model: nn.Module,
    images: Tensor,
    heat: Tensor,
    target: Target = None,
    link: Link | None = None,
) -> Tensor:
    """Score of the explanation map, the image times the map: O of the Grad-CAM++ paper, (N,).

    The product is taken of the *normalised* image, as peers do, so that what the map leaves out
    becomes the mean colour of ImageNet, not black. Arguments as `deletion`.
    """
    check_images(images, heat)
    return score_reader(model, images, target, link)(images * heat[:, None])


def drop(before: Tensor, after: Tensor) -> Tensor:
    """max(0, Y - O) / Y per image; its mean is the average drop. Small is better.

    Chattopadhay 2018 (Grad-CAM++), arXiv 1710.11063, section on objective evaluation, metric (i).
    Relative to the score, unlike the `DropInConfidence` of the package grad-cam.

    Args:
        before: (N,) Y, score of the image: `confidence`.
        after: (N,) O, score of the explanation map: `kept_confidence`.

    Raises:
        EvaluationError: scores of unlike length, or not positive.

    Example:
        >>> drop(torch.tensor([1.0, 0.5]), torch.tensor([0.75, 0.7])).tolist()
        [0.25, 0.0]
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
        before: (N,) Y.
        first: (N,) O of the first method.
        second: (N,) O of the second method.
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
    target: Target = None,
    shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8),
    noise: Tensor | float = NOISE,
    link: Link | None = None,
) -> Tensor:
    """How much more the score suffers when the highest pixels go than when the lowest do: (N,).

    ROAD (Rong 2022, arXiv 2202.00449): removed pixels are imputed (`removal.impute`), so that the
    mask's outline tells nothing. Half the difference of scores, lowest removed (LeRF) less highest
    removed (MoRF), averaged over `shares` of removed pixels, as the package grad-cam combines
    them: for probabilities in [-0.5, 0.5], large is better, 0 for a map that says nothing.

    Args:
        shares: of the pixels that are removed.
        noise: as in `removal.impute`; fixed values (N, C, H, W) make a figure that repeats.

    The other arguments are those of `deletion`.
    """
    check_images(images, heat)
    read = score_reader(model, images, target, link)
    order, pixels = removal_order(heat), heat[0].numel()
    last = removal_order(heat.amax(dim=(1, 2), keepdim=True) - heat)
    both = []
    for positions in (last, order):
        scores = [
            read(impute(images, positions < round(share * pixels), noise)) for share in shares
        ]
        both.append(torch.stack(scores).mean(dim=0))
    return (both[0] - both[1]) / 2
