"""What an attack does to the answer and what it does to the map of the true class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import cams, networks
from xaihelpers.metrics.agreement import pearson
from xaihelpers.metrics.attacks import pgd
from xaihelpers.metrics.localization import energy_in_mask


def eight_bit(images: Tensor) -> Tensor:
    """[0, 1] -> the nearest picture that a file can hold, uint8.

    If `eps` is a whole number of grey levels and the clean image is 8-bit, the rounded image is
    still in the L-inf ball.
    """
    return (images * 255).round().to(torch.uint8)


def least_likely(logits: Tensor, present: Tensor | None = None) -> Tensor:
    """Class with the lowest logit in each row (N, C); `present` (N, C) bool marks classes to avoid.

    A class that can be seen in the image would not be a wrong answer.
    """
    if present is not None:
        logits = logits.masked_fill(present, float("inf"))
    return logits.argmin(dim=1)


def attack_rows(
    model: nn.Module,
    layer: str,
    images: Tensor,
    labels: Tensor,
    targets: Tensor,
    objects: Tensor,
    *,
    eps: float = 8 / 255,
    steps: int = 20,
) -> pd.DataFrame:
    """A row per image: attacked towards `targets` by PGD (L-inf), kept as an 8-bit picture.

    Columns: label, target, answer (after), p_before, p_after (probability of the true class),
    p_target (after), area (the object's share of the image), energy_before, energy_after (of the
    true class's Grad-CAM map in the object), energy_target (of the target's map there, after) and
    correlation (Pearson, of the true class's two maps; NaN if one is empty).

    Args:
        model: the network.
        layer: dotted name.
        images: (N, 3, H, W) uint8.
        labels: (N,) int64, the true classes.
        targets: (N,) int64, the classes to attack towards.
        objects: (N, H, W) bool, what the true class is about.
        eps: radius of the L-inf ball, in units of [0, 1].
        steps: of PGD.
    """
    moved = eight_bit(pgd(model, images / 255, targets, eps, steps=steps, targeted=True))
    before, after = (
        cams.explain_classes(model, networks.normalize(pictures), layer)
        for pictures in (images, moved)
    )
    every = torch.arange(len(images))
    was, now = (each.maps["grad_cam"][every, labels] for each in (before, after))
    other = after.maps["grad_cam"][every, targets]
    # In double precision: what is left of the true class is far below float32's usual digits.
    p_before, p_after = (each.logits.double().softmax(dim=1) for each in (before, after))
    return pd.DataFrame(
        {
            "label": labels,
            "target": targets,
            "answer": after.logits.argmax(dim=1),
            "p_before": p_before[every, labels],
            "p_after": p_after[every, labels],
            "p_target": p_after[every, targets],
            "area": objects.float().mean(dim=(1, 2)),
            "energy_before": energy_in_mask(was, objects),
            "energy_after": energy_in_mask(now, objects),
            "energy_target": energy_in_mask(other, objects),
            "correlation": pearson(was, now),
        }
    )


def energy_kept(area: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """Share of the energy above the object's area that is left: of means over images, each (N,).

    1: as before; 0: as much as an even map has.
    """
    return float((after.mean() - area.mean()) / (before.mean() - area.mean()))
