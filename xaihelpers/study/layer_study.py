"""Every layer and method over a data set: where the heat lies, its shape, whom it resembles.

One row per image, layer and method; `paired` and `mean_of` turn rows into figures with intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers import cams, datasets, networks
from xaihelpers.cams.maps import min_max, rectify, upsample
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, corners, localization, map_shape, prior_maps
from xaihelpers.metrics.intervals import Interval, bootstrap_interval
from xaihelpers.study.plan import BASELINES
from xaihelpers.study.rows import finding_mask

TOLERANCE = 15  # px around a finding that count as a hit, as in the published pointing game
REDUCED = 4  # maps are compared with each other at this fraction of their size


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network answered and what its maps are, for the first N images of a data set.

    Attributes:
        raw: (what the layer is called, method) -> signed maps (N, h, w) of the predicted class.
        predicted, labels: (N,) int64. size: height and width of the images.
    """

    raw: dict[tuple[str, str], Tensor]
    predicted: Tensor
    labels: Tensor
    size: tuple[int, int]

    def heat(self, layer: str, method: str, images: Sequence[int] | slice) -> Tensor:
        """ReLU, upsampling, min-max of the chosen images' maps: (n, H, W) in [0, 1]."""
        return min_max(upsample(rectify(self.raw[layer, method][images]), self.size))


def look(
    model: nn.Module,
    data: ImageDataset,
    layers: Mapping[str, str],
    methods: Sequence[str],
    count: int | None = None,
    batch_size: int = 8,
) -> Seen:
    """Run the network over the first `count` images (None: all), keep its raw maps.

    Args:
        layers: what a layer is called -> dotted name.
    """
    parts: list[dict[str, cams.Explanation]] = []
    end = min(count or len(data), len(data))
    for indices in torch.arange(end).split(batch_size):
        images, _, _ = datasets.batch(data, indices.tolist())
        shown = networks.normalize(images)
        parts.append(cams.explain_layers(model, shown, list(layers.values()), methods=methods))
    raw = {
        (role, method): torch.cat([part[name].raw[method] for part in parts])
        for role, name in layers.items()
        for method in methods
    }
    first = next(iter(layers.values()))
    predicted = torch.cat([part[first].logits.argmax(dim=1) for part in parts])
    height, width = parts[0][first].size
    return Seen(raw, predicted, torch.from_numpy(data.labels[:end]), (height, width))


def layer_scores(
    seen: Seen,
    data: ImageDataset,
    findings: Sequence[str] = (),
    alike: Sequence[str] = ("pearson", "top_iou"),
    batch_size: int = 16,
) -> pd.DataFrame:
    """Score every map of `seen` against the masks of its image.

    Args:
        findings: masks whose union is the thing to be found; without them `energy`, `hit` and
            `near` are NaN. Without a mask "retina", `outside` and `peak_outside` are.
        alike: figures of `agreement.AGREEMENTS`.

    Returns:
        Columns: image (index), label, predicted, layer, method, and per map:
        energy, hit, near: in the finding, peak on it, peak within 15 px of it (NaN without one).
        outside, peak_outside: energy and peak outside the retina. corner, peak_corner: in
        `corners.corner_triangles`. entropy, half, variation: see `map_shape`. Those of `alike`:
        likeness to the first method's map at the same layer (NaN for itself). empty.
        The maps that never look (`study.BASELINES`) stand under the layer "-".
    """
    rows = []
    reference = next(iter(seen.raw))[1]
    for part in torch.arange(len(seen.predicted)).split(batch_size):
        indices = part.tolist()
        _, labels, masks = datasets.batch(data, indices)
        finding = finding_mask(masks, findings) if findings else None
        heats = {key: seen.heat(*key, indices) for key in seen.raw}
        heats |= {("-", b): getattr(prior_maps, b)(len(indices), seen.size) for b in BASELINES}
        about = {"image": indices, "label": labels, "predicted": seen.predicted[part]}
        for (layer, method), heat in heats.items():
            scores = map_scores(heat, finding, masks.get("retina"))
            if layer != "-" and method != reference:
                scores |= likeness(heat, heats[layer, reference], alike)
            rows.append(pd.DataFrame({**about, "layer": layer, "method": method, **scores}))
    return pd.concat(rows, ignore_index=True)


def lift_by_kind(
    seen: Seen, data: ImageDataset, layer: str, method: str, kinds: Sequence[str]
) -> dict[str, np.ndarray]:
    """Energy in each kind of mask over the mask's share of the image; 1 is chance.

    Returns:
        kind -> one value per image that shows it; kinds shown by no image are left out.
    """
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for part in torch.arange(len(seen.predicted)).split(16):
        _, _, masks = datasets.batch(data, part.tolist())
        heat = seen.heat(layer, method, part.tolist())
        for kind in kinds:
            mask = masks[kind]
            shown = mask.flatten(1).any(dim=1)
            energy = localization.energy_in_mask(heat[shown], mask[shown]) if shown.any() else None
            if energy is not None:
                found[kind].append((energy / mask[shown].float().mean(dim=(1, 2))).numpy())
    return {kind: np.concatenate(values) for kind, values in found.items() if values}


def map_scores(
    heat: Tensor, finding: Tensor | None = None, retina: Tensor | None = None
) -> dict[str, Tensor]:
    """All figures of a batch of maps (N, H, W), each (N,); see `layer_scores`.

    Energies and peaks are those of `localization`, for all masks from one sum and one maximum.
    """
    localization.check_maps(heat)
    flat = heat.flatten(1)
    total, (highest, peak) = flat.sum(dim=1), flat.max(dim=1)
    empty = highest == 0

    def energy(mask: Tensor) -> Tensor:
        return (flat * mask.flatten(1)).sum(dim=1) / total.clamp_min(torch.finfo(flat.dtype).tiny)

    def hit(mask: Tensor) -> Tensor:
        return (mask.flatten(1).gather(1, peak[:, None])[:, 0] & ~empty).float()

    unknown = torch.full((len(heat),), torch.nan)
    scores = dict.fromkeys(("energy", "hit", "near", "outside", "peak_outside"), unknown)
    if finding is not None:
        absent = ~finding.flatten(1).any(dim=1)
        near = localization.pointing_hit(heat, finding, TOLERANCE).float()
        found = {"energy": energy(finding), "hit": hit(finding), "near": near}
        scores |= {name: value.masked_fill(absent, torch.nan) for name, value in found.items()}
    if retina is not None:
        scores |= {"outside": energy(~retina), "peak_outside": hit(~retina)}
    triangles = corners.corner_triangles((heat.shape[1], heat.shape[2])).expand(heat.shape)
    scores |= {"corner": energy(triangles), "peak_corner": hit(triangles)}
    scores["entropy"] = map_shape.entropy(heat)
    scores["half"] = map_shape.area_above_half(heat)
    scores["variation"] = map_shape.total_variation(heat)
    return scores | {"empty": empty}


def likeness(
    heat: Tensor, other: Tensor, figures: Sequence[str] = tuple(agreement.AGREEMENTS)
) -> dict[str, Tensor]:
    """Figures of `agreement.AGREEMENTS` of two batches of maps, at a quarter of their size.

    The cells behind them are larger than four pixels, so nothing is lost but time.
    """
    small = [min_max(F.avg_pool2d(maps[:, None], REDUCED)[:, 0]) for maps in (heat, other)]
    return {name: agreement.AGREEMENTS[name](*small) for name in figures}


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
