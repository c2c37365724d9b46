"""Does the map lie on the thing? Energy, pointing, boxes and the localisation error.

Maps are `(N, H, W)` float, finite and not negative (after ReLU and upsampling, see
`cams.maps`); masks are `(N, H, W)` bool; boxes are `(..., 4)` as `x0, y0, x1, y1` in pixels with
`x1`, `y1` one past the last pixel. An all-zero map has no evidence to score: it gets energy 0,
no hit and the empty box `(0, 0, 0, 0)`, never NaN; `is_empty` counts such maps, to be reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from xaihelpers.errors import EvaluationError

TOLERANCE = 15  # px around the thing that still count as a hit in the published pointing game


def check_maps(heat: Tensor, mask: Tensor | None = None) -> None:
    """Raise `EvaluationError` unless `heat` is a batch of maps (and `mask` fits it)."""
    if heat.ndim != 3 or 0 in heat.shape or not heat.is_floating_point():
        raise EvaluationError(
            f"heat must be float, (N, H, W) and not empty, not {heat.dtype} {tuple(heat.shape)}"
        )
    least, most = (bound.item() for bound in heat.detach().aminmax())  # NaN if there is one
    if not (math.isfinite(least) and math.isfinite(most)):
        raise EvaluationError("heat holds NaN or infinite values; every value must be finite")
    if least < 0:
        raise EvaluationError(
            f"heat holds negative values (least {least:.3g}); score the rectified map: "
            "cams.maps.rectify(raw)"
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape != heat.shape):
        raise EvaluationError(
            f"mask must be bool and {tuple(heat.shape)} like heat, "
            f"not {mask.dtype} {tuple(mask.shape)}"
        )


def is_empty(heat: Tensor) -> Tensor:
    """Which maps hold no positive value at all: (N, H, W) -> (N,) bool."""
    check_maps(heat)
    return heat.amax(dim=(1, 2)) == 0


def energy_in_mask(heat: Tensor, mask: Tensor) -> Tensor:
    """Share of the map's sum that lies inside the mask: (N, H, W) float and bool -> (N,) in [0, 1].

    Score-CAM's "energy-based pointing game" (arXiv 1910.01279). An all-zero map scores 0 (see
    `is_empty`), and so does an empty mask: leave images without the thing out of the mean.

    Example:
        >>> heat = torch.tensor([[[3.0, 1.0]]])
        >>> energy_in_mask(heat, torch.tensor([[[True, False]]])).item()
        0.75
    """
    check_maps(heat, mask)
    total = heat.sum(dim=(1, 2))
    inside = (heat * mask).sum(dim=(1, 2))
    return torch.where(total > 0, inside / total.clamp_min(torch.finfo(heat.dtype).tiny), 0)


def pointing_hit(heat: Tensor, mask: Tensor, tolerance: float = 0) -> Tensor:
    """Whether the map's maximum lies within `tolerance` pixels of the mask: -> (N,) bool.

    Zhang 2016 (arXiv 1608.00507). Distances are Euclidean. Of equal maxima the first in reading
    order counts. An all-zero map points nowhere: a miss.

    Args:
        heat: (N, H, W) float, not negative.
        mask: (N, H, W) bool.
        tolerance: in pixels; 0 asks for a maximum on the mask, the published figures use
            `TOLERANCE`.

    Example:
        >>> heat, mask = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)
        >>> heat[0, 0, 0], mask[0, 0, 2] = 1.0, True
        >>> pointing_hit(heat, mask).tolist(), pointing_hit(heat, mask, tolerance=2).tolist()
        ([False], [True])
    """
    check_maps(heat, mask)
    peak = heat.flatten(1).argmax(dim=1)
    if tolerance == 0:
        near = mask.flatten(1).gather(1, peak[:, None])[:, 0]
        return near & ~is_empty(heat)
    height, width = heat.shape[1:]
    rows = torch.arange(height, device=heat.device)[None, :, None] - (peak // width)[:, None, None]
    columns = torch.arange(width, device=heat.device)[None, None] - (peak % width)[:, None, None]
    near = rows**2 + columns**2 <= tolerance**2
    return (near & mask).flatten(1).any(dim=1) & ~is_empty(heat)


def boxes_of_components(heat: Tensor, fraction: float) -> list[Tensor]:
    """Boxes of the 8-connected regions where a map reaches `fraction` of its maximum.

    (N, H, W) -> N tensors (M_i, 4) int64 on the CPU, largest region (by area) first.
    """
    check_maps(heat)
    if not 0 <= fraction <= 1:
        raise EvaluationError(f"fraction is {fraction}; it must lie between 0 and 1")
    peak = heat.amax(dim=(1, 2), keepdim=True)
    reached = ((heat >= fraction * peak) & (peak > 0)).cpu().numpy().astype(np.uint8)
    boxes = []
    for image in reached:
        stats = cv2.connectedComponentsWithStats(image, connectivity=8)[2][1:]
        left, top, width, height, area = stats.T
        corners = np.stack([left, top, left + width, top + height], axis=1)
        boxes.append(torch.from_numpy(corners[np.argsort(-area, kind="stable")]).long())
    return boxes


def box_of_largest_component(heat: Tensor, fraction: float = 0.15) -> Tensor:
    """The Grad-CAM paper's box: the largest region above 15 % of the maximum, -> (N, 4) int64.

    arXiv 1610.02391, section 4.1. Empty maps get `(0, 0, 0, 0)`. On the CPU.
    """
    nothing = torch.zeros(1, 4, dtype=torch.int64)
    return torch.cat([torch.cat([b, nothing])[:1] for b in boxes_of_components(heat, fraction)])


def box_of_mask(mask: Tensor) -> Tensor:
    """Tight box around everything in a mask: (N, H, W) bool -> (N, 4) int64, empty: all zeros."""

    def ends(taken: Tensor) -> tuple[Tensor, Tensor]:
        first = taken.int().argmax(dim=1)
        last = taken.shape[1] - taken.flip(1).int().argmax(dim=1)
        return first, torch.where(taken.any(dim=1), last, 0)

    (top, bottom), (left, right) = ends(mask.any(dim=2)), ends(mask.any(dim=1))
    return torch.stack([left, top, right, bottom], dim=1)


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union, box by box: (..., 4) and (..., 4), broadcast -> (...) in [0, 1].

    Two empty boxes have IoU 0. For all pairs pass `boxes[:, None]` and `others[None]`.
    """
    overlap = torch.minimum(boxes[..., 2:], others[..., 2:]) - torch.maximum(
        boxes[..., :2], others[..., :2]
    )
    both = overlap.clamp_min(0).prod(dim=-1)
    either = sum((b[..., 2:] - b[..., :2]).prod(dim=-1) for b in (boxes, others)) - both
    return both / either.clamp_min(1)


def mask_iou(mask: Tensor, other: Tensor) -> Tensor:
    """Intersection over union, image by image: two (N, H, W) bool -> (N,); both empty: 0."""
    if mask.dtype != torch.bool or other.dtype != torch.bool or mask.shape != other.shape:
        raise EvaluationError(
            f"masks must be bool and of one shape, not {mask.dtype} {tuple(mask.shape)} "
            f"and {other.dtype} {tuple(other.shape)}"
        )
    both = (mask & other).sum(dim=(1, 2))
    return both / (mask | other).sum(dim=(1, 2)).clamp_min(1)


def localization_hit(
    logits: Tensor,
    labels: Tensor,
    boxes: Tensor,
    truth: Tensor,
    top: int = 1,
    iou: float = 0.5,
) -> Tensor:
    """Whether class and box are both right, as in table 1 of the Grad-CAM paper: -> (N,) bool.

    An image counts when its label is among the `top` highest logits *and* the box of the map for
    that label overlaps the true box with at least `iou`. Boxes of other classes cannot match, so
    only the map of the label is needed, for top-5 too. With `top >= C` the class cannot be wrong.

    Args:
        logits: (N, C).
        labels: (N,) int64, the true classes.
        boxes: (N, 4), from the map of the *label* (see `box_of_largest_component`).
        truth: (N, 4), or (N, M, 4) where M boxes are right (pad with zeros).
        top: how many of the highest logits may name the class.
        iou: overlap that a box must reach.
    """
    if not len(logits) == len(labels) == len(boxes) == len(truth):
        raise EvaluationError(
            "logits, labels, boxes and truth must count the same images, not "
            f"{len(logits)}, {len(labels)}, {len(boxes)} and {len(truth)}"
        )
    leading = logits.topk(min(top, logits.shape[1]), dim=1).indices
    right_class = (leading == labels[:, None]).any(dim=1)
    several = truth if truth.ndim == 3 else truth[:, None]
    right_box = (box_iou(boxes[:, None], several) >= iou).any(dim=1)
    return right_class & right_box.to(right_class.device)


def localization_error(
    logits: Tensor, labels: Tensor, heat: Tensor, truth: Tensor, fraction: float = 0.15
) -> dict[str, float]:
    """Table 1's four figures, as shares in [0, 1]: class and localisation error, top-1 and top-5.

    Args:
        logits: (N, C).
        labels: (N,) int64, the true classes.
        heat: (N, H, W), the maps of the *labels*.
        truth: true boxes, as in `localization_hit`.
        fraction: of the maximum, above which a region counts.
    """
    boxes = box_of_largest_component(heat, fraction)
    everything = torch.zeros_like(boxes)
    everything[:, 2:] = 1
    errors = {}
    for top in (1, 5):
        named = localization_hit(logits, labels, everything, everything, top)
        located = localization_hit(logits, labels, boxes, truth.cpu(), top)
        errors[f"class_top{top}"] = 1 - float(named.double().mean())
        errors[f"localization_top{top}"] = 1 - float(located.double().mean())
    return errors


def iou_by_threshold(heat: Tensor, truth: Tensor, thresholds: Sequence[float]) -> Tensor:
    """IoU of the largest component's box with the true box at each threshold: -> (T, N).

    The paper's box (`box_of_largest_component`) at other fractions than its 15 %, image by image,
    so that a threshold can be chosen on some images and judged on others.

    Args:
        heat: (N, H, W).
        truth: (N, 4).
        thresholds: T fractions of the maximum, in [0, 1].
    """
    if len(truth) != len(heat):
        raise EvaluationError(f"{len(heat)} maps but true boxes for {len(truth)} images")
    boxes = [box_of_largest_component(heat, fraction) for fraction in thresholds]
    return torch.stack([box_iou(each, truth.cpu()) for each in boxes])


@dataclass(frozen=True)
class ThresholdCurve:
    """Box accuracy over thresholds; `max_box_acc` is MaxBoxAccV2 (mean over IoUs of the best)."""

    thresholds: Tensor  # (T,) fractions of the maximum
    ious: Tensor  # (D,)
    accuracy: Tensor  # (D, T) share of images

    @property
    def max_box_acc(self) -> float:
        """Mean over the IoU levels of the best accuracy over thresholds, in [0, 1]."""
        return float(self.accuracy.amax(dim=1).mean())


def threshold_curve(
    heat: Tensor,
    truth: Sequence[Tensor] | Tensor,
    thresholds: Sequence[float] | None = None,
    ious: Sequence[float] = (0.3, 0.5, 0.7),
) -> ThresholdCurve:
    """Share of images with a good box, for every threshold: how much 15 % flatters or hurts.

    As MaxBoxAccV2 (Choe 2020, arXiv 2007.04178): the best match between the boxes of *all*
    regions and all true boxes. `truth` is (N, 4), or N tensors (M_i, 4). The class plays no part.
    """
    steps = torch.arange(100) / 100 if thresholds is None else torch.tensor(thresholds)
    if len(truth) != len(heat):
        raise EvaluationError(f"{len(heat)} maps but true boxes for {len(truth)} images")
    best = torch.zeros(len(steps), len(heat))
    for t, fraction in enumerate(steps.tolist()):
        for n, boxes in enumerate(boxes_of_components(heat, fraction)):
            pairs = box_iou(boxes[:, None], truth[n].cpu().reshape(1, -1, 4))
            best[t, n] = pairs.max() if pairs.numel() else 0
    levels = torch.tensor(ious)
    return ThresholdCurve(steps, levels, (best >= levels[:, None, None]).float().mean(dim=2))
