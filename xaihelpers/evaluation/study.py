"""A whole data set through a network and its maps: one row per image and method."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from xaihelpers import cams, datasets, networks
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.evaluation import localization, prior_maps
from xaihelpers.evaluation.errors import EvaluationError
from xaihelpers.evaluation.intervals import bootstrap_interval

#: Maps that never look at the network: what a method has to beat.
BASELINES = ("centre_gaussian", "uniform")


def finding_mask(masks: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    """Union of the named masks: {name: (N, H, W) bool} -> (N, H, W) bool.

    Raises:
        EvaluationError: a name is not among the data set's masks.
    """
    missing = [name for name in names if name not in masks]
    if missing or not names:
        raise EvaluationError(f"no mask {missing or names}; this data set has {sorted(masks)}")
    return torch.stack([masks[name] for name in names]).any(dim=0)


def map_scores(
    model: nn.Module,
    data: ImageDataset,
    layer: str,
    methods: Sequence[str],
    mask_names: Sequence[str],
    batch_size: int = 16,
    progress: bool = True,
) -> pd.DataFrame:
    """Prediction, energy in the finding and pointing hit: one row per image and method.

    The class asked about is the network's own answer. `energy` and `hit` are NaN where the image
    shows no finding, which is everywhere in a data set without masks. Columns: name, label,
    predicted, method, energy, hit, empty, area (share of the image that the mask covers). The
    baselines of `BASELINES` are rows like any other method.

    Raises:
        EvaluationError: the data set has masks, but not those that `mask_names` asks for.
    """
    rows: list[pd.DataFrame] = []
    starts = range(0, len(data), batch_size)
    for start in tqdm(starts, desc=f"{data.name} maps", leave=False, disable=not progress):
        indices = range(start, min(start + batch_size, len(data)))
        images, labels, masks = datasets.batch(data, indices)
        size = (images.shape[-2], images.shape[-1])
        no_mask = torch.zeros(len(images), *size, dtype=torch.bool)
        mask = finding_mask(masks, mask_names) if masks else no_mask
        found = cams.explain(model, networks.normalize(images), layer, methods=methods)
        heats = {name: found.maps[name] for name in methods}
        heats |= {name: getattr(prior_maps, name)(len(images), size) for name in BASELINES}
        absent = ~mask.flatten(1).any(dim=1)
        rows += [
            pd.DataFrame(
                {
                    "name": [f"{data.name}/{data.split}/{index:05d}" for index in indices],
                    "label": labels,
                    "predicted": found.logits.argmax(dim=1),
                    "method": name,
                    "energy": _unless(absent, localization.energy_in_mask(heat, mask)),
                    "hit": _unless(absent, localization.pointing_hit(heat, mask)),
                    "empty": localization.is_empty(heat),
                    "area": mask.float().mean(dim=(1, 2)),
                }
            )
            for name, heat in heats.items()
        ]
    return pd.concat(rows, ignore_index=True)


def _unless(absent: Tensor, values: Tensor) -> Tensor:
    return values.float().masked_fill(absent, float("nan"))


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """A row per method: means with bootstrap 95 % intervals over the images that show a finding.

    `scores`: from `map_scores`. Columns: method, images (that show a finding), "energy in mask" and
    "pointing" ("-" where there is nothing to measure, a mean without interval where there is one
    image), "empty maps" (of all images).
    """
    rows = []
    for method, part in scores.groupby("method", sort=False):
        shown = part.dropna(subset=["energy"])
        rows.append(
            {
                "method": method,
                "images": len(shown),
                "energy in mask": _mean(shown["energy"]),
                "pointing": "-" if method == "uniform" else _mean(shown["hit"]),
                "empty maps": int(part["empty"].sum()),
            }
        )
    return pd.DataFrame(rows)


def _mean(values: pd.Series) -> str:
    if len(values) < 2:
        return f"{values.iloc[0]:.3f}" if len(values) else "-"
    return str(bootstrap_interval(values))
