"""Maps as segmentation: seed masks per class, and the mean IoU over a data set."""

from __future__ import annotations

import torch
from torch import Tensor

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.localization import check_maps


def seed_masks(heat: Tensor, present: Tensor, fraction: float = 0.2) -> Tensor:
    """Label every pixel from the maps of the classes known to be in the image.

    A class claims the pixels where its map reaches `fraction` of its own maximum; where several
    claim one, the one nearest its maximum wins; what nobody claims is background. The first step
    of Kolesnikov & Lampert 2016 (SEC, arXiv 1603.06098), without its saliency for the background.

    Args:
        heat: (N, C, H, W) float, not negative: one map per class.
        present: (N, C) bool, the image-level labels.
        fraction: of a map's own maximum, in [0, 1].

    Returns:
        (N, H, W) int64: 0 for background, c + 1 for class c.
    """
    if heat.ndim != 4 or present.shape != heat.shape[:2]:
        raise EvaluationError(
            f"heat must be (N, C, H, W) and present (N, C), not {tuple(heat.shape)} "
            f"and {tuple(present.shape)}"
        )
    check_maps(heat.flatten(0, 1))
    peak = heat.amax(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
    share = torch.where(present[:, :, None, None], heat / peak, 0)
    strongest, winner = share.max(dim=1)
    return torch.where((strongest >= fraction) & (strongest > 0), winner + 1, 0)


def confusion(labels: Tensor, truth: Tensor, num_classes: int) -> Tensor:
    """Pixels of each true class given each label, image by image: -> (N, C, C) int64.

    Rows are true classes. Sums over images are what `iou_of_confusion` takes, so that one count
    serves every resample of a bootstrap.

    Args:
        labels: (N, H, W) int64 in [0, num_classes), what was given.
        truth: (N, H, W) int64 in [0, num_classes).
        num_classes: background included.
    """
    if labels.shape != truth.shape:
        raise EvaluationError(
            f"labels {tuple(labels.shape)} and truth {tuple(truth.shape)} differ in shape"
        )
    pairs = (truth * num_classes + labels).flatten(1)
    counts = torch.zeros(len(pairs), num_classes**2, dtype=torch.int64, device=pairs.device)
    counts.scatter_add_(1, pairs, torch.ones_like(pairs))
    return counts.reshape(-1, num_classes, num_classes)


def iou_of_confusion(counts: Tensor) -> Tensor:
    """IoU of every class from pixel counts (C, C), rows true: -> (C,) float64.

    NaN for a class that neither owns nor was given a pixel (`nanmean` for the mean IoU).
    """
    counts = counts.double()
    both = counts.diagonal()
    return both / (counts.sum(dim=0) + counts.sum(dim=1) - both)


def class_iou(labels: Tensor, truth: Tensor, num_classes: int) -> Tensor:
    """IoU of every class over all pixels of a data set, as in PASCAL VOC: -> (num_classes,).

    Args:
        labels: (N, H, W) int64 in [0, num_classes), what was given; background is 0.
        truth: (N, H, W) int64 in [0, num_classes).
        num_classes: background included.

    Returns:
        float64; NaN for a class that neither predicts nor owns a pixel (`nanmean` for the mIoU).
    """
    return iou_of_confusion(confusion(labels, truth, num_classes).sum(dim=0))
