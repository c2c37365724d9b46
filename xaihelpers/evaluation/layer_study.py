"""Every layer and method over a data set: where the heat lies, its shape, whom it resembles.

One row per image, layer and method; `paired` and `mean_of` turn rows into figures with intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers import cams, datasets, networks
from xaihelpers.cams.maps import min_max
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.evaluation import agreement, corners, localization, map_shape, prior_maps
from xaihelpers.evaluation.errors import EvaluationError
from xaihelpers.evaluation.intervals import Interval, bootstrap_interval
from xaihelpers.evaluation.study import BASELINES, finding_mask

TOLERANCE = 15  # px around a finding that count as a hit, as in the published pointing game
REDUCED = 4  # maps are compared with each other at this fraction of their size


def layer_scores(
    model: nn.Module,
    data: ImageDataset,
    layers: Mapping[str, str],
    methods: Sequence[str],
    findings: Sequence[str] = (),
    batch_size: int = 8,
) -> pd.DataFrame:
    """Score the maps of the predicted class at several layers.

    Args:
        layers: what a layer is called in the table -> dotted name. findings: masks whose union is
            the thing to be found; without them `energy`, `hit` and `near` are NaN. Where the data
            have no mask "retina", `outside` and `peak_outside` are NaN.

    Returns:
        Columns: image (index), label, predicted, layer, method, and per map:
        energy, hit, near: in the finding, peak on it, peak within 15 px of it (NaN without one).
        outside, peak_outside: energy and peak outside the retina. corner, peak_corner: in
        `corners.corner_triangles`. entropy, half, variation: see `map_shape`. pearson, spearman,
        ssim, top_iou: likeness to the first method's map at the same layer (NaN for itself). empty.
        The maps that never look (`study.BASELINES`) stand under the layer "-".
    """
    rows = []
    for start in range(0, len(data), batch_size):
        indices = range(start, min(start + batch_size, len(data)))
        images, labels, masks = datasets.batch(data, indices)
        size = (images.shape[-2], images.shape[-1])
        found = cams.explain_layers(
            model, networks.normalize(images), list(layers.values()), methods=methods
        )
        logits = next(iter(found.values())).logits
        about = {"image": list(indices), "label": labels, "predicted": logits.argmax(dim=1)}
        finding = finding_mask(masks, findings) if findings else None
        drawn = {(role, m): found[name].maps[m] for role, name in layers.items() for m in methods}
        drawn |= {("-", b): getattr(prior_maps, b)(len(images), size) for b in BASELINES}
        for (role, method), heat in drawn.items():
            scores = map_scores(heat, finding, masks.get("retina"))
            first = drawn.get((role, methods[0]), heat)
            scores |= {} if first is heat else likeness(heat, first)
            rows.append(pd.DataFrame({**about, "layer": role, "method": method, **scores}))
    return pd.concat(rows, ignore_index=True)


def map_scores(
    heat: Tensor, finding: Tensor | None = None, retina: Tensor | None = None
) -> dict[str, Tensor]:
    """All figures of a batch of maps (N, H, W), each (N,); see `layer_scores`."""
    unknown = torch.full((len(heat),), torch.nan)
    scores = dict.fromkeys(("energy", "hit", "near", "outside", "peak_outside"), unknown)
    if finding is not None:
        absent = ~finding.flatten(1).any(dim=1)
        scores["energy"] = localization.energy_in_mask(heat, finding)
        scores["hit"] = localization.pointing_hit(heat, finding).float()
        scores["near"] = localization.pointing_hit(heat, finding, TOLERANCE).float()
        for name in ("energy", "hit", "near"):
            scores[name] = scores[name].masked_fill(absent, torch.nan)
    if retina is not None:
        scores["outside"] = localization.energy_in_mask(heat, ~retina)
        scores["peak_outside"] = localization.pointing_hit(heat, ~retina).float()
    triangles = corners.corner_triangles((heat.shape[1], heat.shape[2])).expand(heat.shape)
    scores["corner"] = localization.energy_in_mask(heat, triangles)
    scores["peak_corner"] = localization.pointing_hit(heat, triangles).float()
    scores["entropy"] = map_shape.entropy(heat)
    scores["half"] = map_shape.area_above_half(heat)
    scores["variation"] = map_shape.total_variation(heat)
    scores["empty"] = localization.is_empty(heat)
    return scores


def likeness(heat: Tensor, other: Tensor) -> dict[str, Tensor]:
    """`agreement.AGREEMENTS` of two batches of maps (N, H, W), at a quarter of their size.

    The cells behind them are larger than four pixels, so nothing is lost but time.
    """
    small = [min_max(F.avg_pool2d(maps[:, None], REDUCED)[:, 0]) for maps in (heat, other)]
    return {name: figure(*small) for name, figure in agreement.AGREEMENTS.items()}


def mean_of(table: pd.DataFrame, column: str, **where: object) -> Interval:
    """Mean of a column over images with its 95 % interval, over rows chosen by equality.

    `mean_of(table, "outside", layer="last", method="xgrad_cam")`. NaN rows are left out; the
    interval's `count` says how many remain.

    Raises:
        EvaluationError: fewer than two values remain.
    """
    return bootstrap_interval(_column(table, column, where).dropna())


def paired(
    table: pd.DataFrame, column: str, one: Mapping[str, object], other: Mapping[str, object]
) -> Interval:
    """Mean difference of a column, rows of `one` minus rows of `other`, image by image.

    Images that lack one of the two are left out.
    """
    first, second = _column(table, column, one), _column(table, column, other)
    return bootstrap_interval((first - second).dropna())


def _column(table: pd.DataFrame, column: str, where: Mapping[str, object]) -> pd.Series:
    chosen = table
    for name, value in where.items():
        chosen = chosen[chosen[name] == value]
    values = chosen.set_index("image")[column].astype(float)
    if values.empty or values.index.has_duplicates:
        raise EvaluationError(
            f"{dict(where)} chooses {len(values)} rows of {values.index.nunique()} images; "
            "choose exactly one row per image"
        )
    return values
