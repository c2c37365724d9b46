"""The maps of many images in memory, for chapters that draw and score the same maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import cams, datasets, networks
from xaihelpers.cams.maps import min_max, rectify, upsample
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.study.case import Case
from xaihelpers.study.plan import BASELINES
from xaihelpers.study.rows import MapScorer, finding_mask, prior_map
from xaihelpers.study.scores import SCORES

#: Where a map lies, its shape, and how like the first method's it is.
LAYER_SCORES = (
    *("energy", "hit", "hit_15px", "outside", "peak_outside", "corner", "peak_corner"),
    *("entropy", "half", "variation", "pearson_quarter", "top_iou_quarter"),
)
#: The layer of maps that belong to none.
NO_LAYER = "-"


@dataclass(frozen=True, eq=False)
class DatasetMaps:
    """What a network answered and what its maps are, for the first N images of a data set.

    Attributes:
        raw: (role of the layer, method) -> signed maps (N, h, w) of the predicted class.
        predicted: (N,) int64.
        size: height and width of the images.
    """

    raw: dict[tuple[str, str], Tensor]
    predicted: Tensor
    size: tuple[int, int]

    def heat(self, layer: str, method: str, images: Sequence[int] | slice) -> Tensor:
        """ReLU, upsampling, min-max of the chosen images' maps: (n, H, W) in [0, 1]."""
        return min_max(upsample(rectify(self.raw[layer, method][images]), self.size))


def compute_maps(
    model: nn.Module,
    data: ImageDataset,
    layers: Mapping[str, str],
    methods: Sequence[str],
    count: int | None = None,
    batch_size: int = 8,
) -> DatasetMaps:
    """Explain the predicted class of the first images of a data set.

    Args:
        model: a classifier.
        data: the images.
        layers: role -> dotted name.
        methods: names in `cams.METHODS`.
        count: how many images; None for all.
        batch_size: images at a time.
    """
    parts: list[dict[str, cams.Explanation]] = []
    for indices in torch.arange(min(count or len(data), len(data))).split(batch_size):
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
    return DatasetMaps(raw, predicted, (height, width))


def score_maps(
    maps: DatasetMaps,
    data: ImageDataset,
    masks: Sequence[str] = (),
    scores: Sequence[str] = LAYER_SCORES,
    batch_size: int = 16,
) -> pd.DataFrame:
    """Score maps that are in memory, with the scores of `run_study`.

    Args:
        maps: from `compute_maps`; agreement is measured with the first method of the layer.
        data: the same data set.
        masks: names of the masks whose union is the finding; empty for data without masks.
        scores: names in `SCORES`; those that run the network again are not possible here.
        batch_size: images at a time.

    Returns:
        A row per image, layer and method. Columns: image (index), label, predicted, layer, method,
        empty, and one per score, NaN where there is nothing to measure. `BASELINES` stand once,
        under the layer `NO_LAYER`.
    """
    tables = []
    for indices, images, labels, known in _batches(data, len(maps.predicted), batch_size):
        finding = finding_mask(known, masks) if masks else None
        case, scorer = Case(finding, known), MapScorer(scores)
        about = {"image": indices, "label": labels, "predicted": maps.predicted[indices]}
        first: dict[str, Tensor] = {}
        for layer, method in maps.raw:
            heat = maps.heat(layer, method, indices)
            here = case.at(first.setdefault(layer, heat))
            values = scorer.scores(here, heat, method)
            tables.append(pd.DataFrame({**about, "layer": layer, "method": method, **values}))
        for name in BASELINES:
            values = scorer.scores(case, prior_map(name, images), name)
            tables.append(pd.DataFrame({**about, "layer": NO_LAYER, "method": name, **values}))
    return without_own(pd.concat(tables, ignore_index=True), next(iter(maps.raw))[1])


def without_own(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The rows with NaN for a map's agreement with itself, which is 1 and says nothing.

    Args:
        rows: with columns method and some of `SCORES`.
        reference: the method that agreement is measured with.
    """
    pairs = [name for name in rows if name in SCORES and SCORES[name].of == "pair"]
    return rows.assign(**{name: rows[name].mask(rows["method"] == reference) for name in pairs})


def priors_once(rows: pd.DataFrame, priors: Sequence[str] = BASELINES) -> pd.DataFrame:
    """Rows of `run_study` of one network with prior maps once, under the layer `NO_LAYER`.

    Args:
        rows: from `run_study`.
        priors: which prior maps. Their agreement with a layer's map is left out, as they have no
            layer.
    """
    blind = rows["method"].isin(priors)
    once = rows[blind].drop_duplicates(["image", "method"]).assign(layer=NO_LAYER)
    pairs = [name for name in rows if name in SCORES and SCORES[name].of == "pair"]
    return pd.concat([rows[~blind], once.assign(**dict.fromkeys(pairs, np.nan))], ignore_index=True)


def lift_by_kind(
    maps: DatasetMaps, data: ImageDataset, layer: str, method: str, kinds: Sequence[str]
) -> dict[str, np.ndarray]:
    """Energy in each kind of mask over the mask's share of the image; 1 is chance.

    Args:
        maps: from `compute_maps`.
        data: the same data set.
        layer: role of the layer.
        method: of these maps.
        kinds: names of masks.

    Returns:
        kind -> one value per image that shows it; kinds shown by no image are left out.
    """
    lifts: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for indices, _, _, masks in _batches(data, len(maps.predicted), 16):
        heat = maps.heat(layer, method, indices)
        for kind in kinds:
            values = SCORES["lift"].compute(Case(masks[kind]), heat)
            lifts[kind].append(values[~values.isnan()].numpy())
    joined = {kind: np.concatenate(values) for kind, values in lifts.items()}
    return {kind: values for kind, values in joined.items() if len(values)}


def _batches(
    data: ImageDataset, count: int, size: int
) -> Iterator[tuple[list[int], Tensor, Tensor, dict[str, Tensor]]]:
    """Indices, images, labels and masks of the first `count` images, `size` at a time."""
    for part in torch.arange(count).split(size):
        yield part.tolist(), *datasets.batch(data, part.tolist())
