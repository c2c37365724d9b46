"""Every figure of a map under one name and one signature, so that a study can be asked for any set.

A score takes a `Case` (the images and what is known about them) and maps `(N, H, W)` in [0, 1], and
gives `(N,)` float32, NaN where there is nothing to measure: no finding in the image, or a flat map,
which puts no pixel before another. (An empty map that should point at a finding is a miss.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers.cams.maps import min_max
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, corners, faithfulness, localization, map_shape
from xaihelpers.study.case import Case, Prediction

STEPS = 5  # points of a deletion, insertion or pixel-flipping curve after the first
ROAD_SHARES = (0.3,)
QUARTER = 4  # pixels a side that are averaged before maps are compared at a quarter of their size

Compute = Callable[[Case, Tensor], Tensor]


@dataclass(frozen=True)
class Score:
    """A figure of a map.

    Attributes:
        compute: case and maps (N, H, W) -> (N,).
        higher_is_better: None where neither is.
        source: who defined it, or what it says.
        of: what it depends on: the map alone, the map and the layer's reference map, or the layer.
    """

    compute: Compute
    higher_is_better: bool | None
    source: str
    of: Literal["map", "pair", "layer"] = "map"


def _unknown(heat: Tensor) -> Tensor:
    return heat.new_full((len(heat),), torch.nan)


def _in_finding(compute: Callable[[Tensor, Tensor], Tensor]) -> Compute:
    def scored(case: Case, heat: Tensor) -> Tensor:
        if case.finding is None:
            return _unknown(heat)
        absent = ~case.finding.flatten(1).any(dim=1)
        return compute(heat, case.finding).float().masked_fill(absent, torch.nan)

    return scored


def _outside(compute: Callable[[Tensor, Tensor], Tensor]) -> Compute:
    def scored(case: Case, heat: Tensor) -> Tensor:
        retina = case.masks.get("retina")
        return _unknown(heat) if retina is None else compute(heat, ~retina).float()

    return scored


def _in_corners(compute: Callable[[Tensor, Tensor], Tensor]) -> Compute:
    def scored(case: Case, heat: Tensor) -> Tensor:
        triangles = corners.corner_triangles((heat.shape[1], heat.shape[2])).to(heat.device)
        return compute(heat, triangles.expand(heat.shape)).float()

    return scored


def _points(tolerance: float = 0) -> Callable[[Tensor, Tensor], Tensor]:
    def scored(heat: Tensor, mask: Tensor) -> Tensor:
        peak = heat.amax(dim=(1, 2))
        flat = (peak > 0) & (peak == heat.amin(dim=(1, 2)))
        hit = localization.pointing_hit(heat, mask, tolerance).float()
        return hit.masked_fill(flat, torch.nan)

    return scored


def _lift(heat: Tensor, mask: Tensor) -> Tensor:
    return localization.energy_in_mask(heat, mask) / mask.float().mean(dim=(1, 2))


def _alike(compute: Callable[[Tensor, Tensor], Tensor], quarter: bool = False) -> Compute:
    def scored(case: Case, heat: Tensor) -> Tensor:
        if case.reference is None:
            return _unknown(heat)
        pair = (case.reference, heat)
        return compute(*map(_shrunk, pair)) if quarter else compute(*pair)

    return scored


def _shrunk(heat: Tensor) -> Tensor:
    """A quarter of the size, stretched: cells are larger than four pixels, so only time is lost."""
    return min_max(F.avg_pool2d(heat[:, None], QUARTER)[:, 0])


def _of_layer(compute: Callable[..., Tensor]) -> Compute:
    return lambda case, heat: (
        _unknown(heat) if case.tensors is None else compute(case.tensors).to(heat)
    )


def _shape(compute: Callable[[Tensor], Tensor]) -> Compute:
    return lambda case, heat: compute(heat)


def _ordered(compute: Callable[[Prediction, Tensor], Tensor]) -> Compute:
    def scored(case: Case, heat: Tensor) -> Tensor:
        values = _unknown(heat)
        ordered = heat.amax(dim=(1, 2)) > heat.amin(dim=(1, 2))
        if bool(ordered.any()):
            values[ordered] = compute(case.prediction.part(ordered), heat[ordered])
        return values

    return scored


def _asked(about: Prediction, heat: Tensor) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    return about.model, about.inputs, heat, about.target


def _after(compute: Callable[[Tensor, Tensor], Tensor]) -> Compute:
    def scored(case: Case, heat: Tensor) -> Tensor:
        about = case.prediction
        return compute(about.probability, faithfulness.kept_confidence(*_asked(about, heat)))

    return scored


SCORES: dict[str, Score] = {
    "energy": Score(_in_finding(localization.energy_in_mask), True, "Wang 2020"),
    "lift": Score(_in_finding(_lift), True, "energy over the finding's share of the image"),
    "hit": Score(_in_finding(_points()), True, "Zhang 2016"),
    "hit_15px": Score(
        _in_finding(_points(localization.TOLERANCE)), True, "Zhang 2016, 15 px tolerance"
    ),
    "outside": Score(_outside(localization.energy_in_mask), False, "energy outside the retina"),
    "peak_outside": Score(_outside(_points()), False, "maximum outside the retina"),
    "corner": Score(_in_corners(localization.energy_in_mask), False, "energy in the corners"),
    "peak_corner": Score(_in_corners(_points()), False, "maximum in a corner"),
    "entropy": Score(_shape(map_shape.entropy), None, "Shannon, lower is sharper"),
    "half": Score(_shape(map_shape.area_above_half), None, "area above half the maximum"),
    "variation": Score(_shape(map_shape.total_variation), None, "Rudin 1992, lower is smoother"),
    "pearson": Score(_alike(agreement.pearson), True, "with the first method", "pair"),
    "spearman": Score(_alike(agreement.spearman), True, "with the first method", "pair"),
    "ssim": Score(_alike(agreement.ssim), True, "Wang 2004, with the first method", "pair"),
    "top_iou": Score(_alike(agreement.top_iou), True, "highest fifth, first method", "pair"),
    **{
        f"{name}_quarter": Score(_alike(compute, True), True, "at a quarter of the size", "pair")
        for name, compute in agreement.AGREEMENTS.items()
    },
    "deletion": Score(
        _ordered(lambda p, h: faithfulness.deletion(*_asked(p, h), steps=STEPS).area),
        False,
        "Petsiuk 2018, zero",
    ),
    "insertion": Score(
        _ordered(lambda p, h: faithfulness.insertion(*_asked(p, h), steps=STEPS).area),
        True,
        "Petsiuk 2018, blur",
    ),
    "flipping": Score(
        _ordered(lambda p, h: faithfulness.pixel_flipping(*_asked(p, h), steps=STEPS)),
        True,
        "Bach 2015, highest fifth, mean",
    ),
    "road": Score(
        _ordered(lambda p, h: faithfulness.road(*_asked(p, h), ROAD_SHARES, p.noise())),
        True,
        "Rong 2022",
    ),
    "drop": Score(_after(faithfulness.drop), False, "Chattopadhay 2018"),
    "increase": Score(_after(faithfulness.increase), True, "Chattopadhay 2018"),
    "negative_cells": Score(
        _of_layer(lambda t: (t.activations < 0).flatten(1).float().mean(dim=1)),
        None,
        "share of activations below 0",
        "layer",
    ),
    "negative": Score(
        _of_layer(lambda t: t.report.negative), None, "channels with a negative sum", "layer"
    ),
    "flipped": Score(
        _of_layer(lambda t: t.report.flipped), None, "XGrad-CAM weights of turned sign", "layer"
    ),
    "dominance": Score(
        _of_layer(lambda t: t.report.dominance), None, "largest channel's part", "layer"
    ),
}


def check_names(names: Sequence[str]) -> None:
    """Raise `EvaluationError` unless every name is one of `SCORES`."""
    if unknown := [name for name in names if name not in SCORES]:
        raise EvaluationError(f"no score {unknown[0]!r}; choose from {', '.join(SCORES)}")
