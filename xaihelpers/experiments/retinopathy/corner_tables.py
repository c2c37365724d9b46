"""The suspects of `corner_causes` over a data set, as tables with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import cams, datasets, networks
from xaihelpers.cams.maps import rectify, upsample
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.retinopathy import corner_causes
from xaihelpers.experiments.retinopathy.corner_causes import FACTORS, Suspects
from xaihelpers.metrics.factorial import Outcomes
from xaihelpers.metrics.intervals import Interval, bootstrap_interval
from xaihelpers.study import Case, MapScorer, layer_tensors

#: Where a map's heat and its peak lie, and what is wrong with XGrad-CAM's weights at the layer.
PLACES = ("outside", "peak_outside")
ILLS = ("negative", "flipped", "dominance")
NOTHING, EVERYTHING = frozenset[str](), frozenset(FACTORS)


def causes(
    suspects: Suspects, data: ImageDataset, count: int, seed: int = 0, batch_size: int = 8
) -> dict[tuple[str, str], Outcomes]:
    """`corner_causes.outside_by_causes` of the first `count` images and their predicted classes.

    Returns:
        (suspect layer, "energy" or "peak") -> combination of factors -> (count,) in [0, 1].
    """
    parts: dict[tuple[str, str], list[Outcomes]] = {}
    for images, _, retina in _batches(data, count, batch_size):
        classes = networks.predict(suspects.model, images).argmax(dim=1)
        by_causes = corner_causes.outside_by_causes(suspects, images, retina, classes, seed)
        for key, outcomes in by_causes.items():
            parts.setdefault(key, []).append(outcomes)
    return {
        key: {chosen: np.concatenate([part[chosen] for part in several]) for chosen in several[0]}
        for key, several in parts.items()
    }


def whole_effect(outcomes: Outcomes) -> Interval:
    """The outcome with every factor on minus with none."""
    return bootstrap_interval(outcomes[EVERYTHING] - outcomes[NOTHING])


def share_of_whole(outcomes: Outcomes, factor: str) -> Interval:
    """The factor's mean Shapley share over the mean whole effect, images resampled together."""

    def ratio(share: np.ndarray, whole: np.ndarray) -> float:
        return float(share.mean() / whole.mean())

    share = corner_causes.divide(outcomes)[factor].share
    return bootstrap_interval(share, outcomes[EVERYTHING] - outcomes[NOTHING], statistic=ratio)


def explained(outcomes: Outcomes) -> pd.DataFrame:
    """A row per factor: its effect alone, last and as a Shapley share, largest share first.

    Each as `mean [low, high]` in the outcome's unit; `of the whole` is the share over the whole
    effect.
    """
    effects = corner_causes.divide(outcomes)
    ordered = sorted(effects.items(), key=lambda item: -item[1].share.mean())
    whole = whole_effect(outcomes).estimate
    rows = [
        {
            "suspect": name,
            "alone": str(bootstrap_interval(effect.alone)),
            "last": str(bootstrap_interval(effect.last)),
            "share": str(bootstrap_interval(effect.share)),
            "of the whole": f"{effect.share.mean() / whole:.0%}" if whole > 0 else "-",
        }
        for name, effect in ordered
    ]
    return pd.DataFrame(rows)


def grid_scores(
    model: nn.Module,
    data: ImageDataset,
    layer: str,
    sides: Sequence[int],
    count: int,
    batch_size: int = 8,
) -> pd.DataFrame:
    """Ordinary Grad-CAM of the same images shown at several sizes, so on grids of several sizes.

    Args:
        sides: of the images in pixels; maps are drawn at the data set's own size.

    Returns:
        Columns: image, layer (such as "96 px, 3 x 3"), method, outside, peak_outside.
    """
    rows = []
    for images, indices, retina in _batches(data, count, batch_size):
        case, scorer = Case(masks={"retina": retina}), MapScorer(PLACES)
        for side in sides:
            shown = networks.normalize(networks.metrics.shrink(images, side))
            raw = cams.explain(model, shown, layer).raw["grad_cam"]
            heat = upsample(rectify(raw), retina.shape[1:])
            values = scorer.scores(case, heat, "grad_cam")
            name = f"{side} px, {raw.shape[1]} x {raw.shape[2]}"
            rows.append(_rows(indices, name, "grad_cam", values))
    return pd.concat(rows, ignore_index=True)


def repair_scores(
    model: nn.Module,
    data: ImageDataset,
    layers: Mapping[str, str],
    count: int,
    batch_size: int = 8,
) -> pd.DataFrame:
    """XGrad-CAM as written and repaired, per image and layer, with what was wrong with it.

    Returns:
        Columns: image, layer, method (see `corner_causes.repairs`), outside (energy outside the
        retina), peak_outside, and of the layer: negative, flipped (shares of channels) and
        dominance (see `cams.axioms.denominator_report`).
    """
    rows = []
    for images, indices, retina in _batches(data, count, batch_size):
        classes = networks.predict(model, images).argmax(dim=1)
        inputs, scorer = networks.normalize(images), MapScorer((*PLACES, *ILLS))
        tensors = layer_tensors(model, inputs, list(layers.values()), classes)
        for role, layer in zip(layers, tensors, strict=True):
            case = Case(masks={"retina": retina}, tensors=layer)
            repaired = corner_causes.repairs(layer.activations, layer.gradients)
            for name, raw in repaired.items():
                values = scorer.scores(case, upsample(rectify(raw), retina.shape[1:]), name)
                rows.append(_rows(indices, role, name, values))
    return pd.concat(rows, ignore_index=True)


def _rows(
    indices: Sequence[int], layer: str, method: str, values: Mapping[str, Tensor]
) -> pd.DataFrame:
    return pd.DataFrame({"image": indices, "layer": layer, "method": method, **values})


def _batches(
    data: ImageDataset, count: int, batch_size: int
) -> list[tuple[Tensor, Sequence[int], Tensor]]:
    """Images (B, 3, H, W) uint8, their indices, retina masks (B, H, W) of the first `count`."""
    if count < 1 or "retina" not in data[0].masks:
        raise EvaluationError('the corners can only be judged on images with a mask "retina"')
    chosen = torch.arange(min(count, len(data))).split(batch_size)
    batches = []
    for part in chosen:
        images, _, masks = datasets.batch(data, part.tolist())
        batches.append((images, part.tolist(), masks["retina"]))
    return batches
