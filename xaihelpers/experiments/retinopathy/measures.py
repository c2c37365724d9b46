"""From tables of maps to the measures that the rules of the retinopathy study's claims read.

What cannot be measured on the data at hand (no lesion masks, fewer than two images) is NaN, and the
claim is then not testable here. Names of measures: see `retinopathy_rules`. The ledger shows the
first measure in short, so the one that says most stands first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from math import isfinite, nan
from typing import Any

import numpy as np
import pandas as pd

from xaihelpers.claims.types import Measure
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.retinopathy import corner_causes, corner_tables
from xaihelpers.metrics.factorial import Outcomes
from xaihelpers.metrics.intervals import Interval, bootstrap_interval
from xaihelpers.study.layer_study import mean_of, paired

Scores = Mapping[str, pd.DataFrame]  # network -> table of `layer_study.layer_scores`
GUESSED = ("small gradients", "noise")  # what the source took for the cause
GRIDS = {  # what is compared: VGG19's layer, EfficientNet-B0's layer
    "7 x 7": ("last", "last"),
    "14 x 14": ("stage4", "stage4"),
    "native (14 x 14 and 7 x 7)": ("stage4", "last"),
}


def measure(make: Callable[..., Interval], *arguments: Any, **options: Any) -> Measure:
    """The interval that `make` gives, as a measure; NaN where there are too few values for one."""
    try:
        found = make(*arguments, **options)
    except EvaluationError:
        return Measure(nan)
    if not all(map(isfinite, (found.estimate, found.low, found.high))):
        return Measure(nan)  # a share of an effect of 0
    return Measure(found.estimate, found.low, found.high, found.count)


def _roles(table: pd.DataFrame) -> list[str]:
    return [str(role) for role in table["layer"].unique() if role != "-"]


def c1(scores: Scores) -> dict[str, Measure]:
    """Likeness of Grad-CAM++ to Grad-CAM at every layer."""
    names = {"correlation": "pearson", "overlap": "top_iou"}
    found = {}
    for arch, table in scores.items():
        for role, (name, column) in product(_roles(table), names.items()):
            where = {"layer": role, "method": "grad_cam_plus_plus"}
            found[f"{arch} {role} {name}"] = measure(mean_of, table, column, **where)
    return found


def _xgrad_less_grad(table: pd.DataFrame, role: str, column: str) -> Measure:
    one, other = ({"layer": role, "method": m} for m in ("xgrad_cam", "grad_cam"))
    return measure(paired, table, column, one, other)


def c2(scores: Scores) -> dict[str, Measure]:
    """Excess of XGrad-CAM outside the retina at every layer; its lift at the last."""
    found = {}
    for arch, table in scores.items():
        for role in _roles(table):
            found[f"{arch} {role} excess"] = _xgrad_less_grad(table, role, "outside")
        columns = [
            table[(table["layer"] == layer) & (table["method"] == method)].set_index("image")
            for layer, method in (("last", "xgrad_cam"), ("-", "uniform"))
        ]
        lift = (columns[0]["outside"] / columns[1]["outside"]).dropna()
        found[f"{arch} last lift"] = measure(bootstrap_interval, lift)
    return dict(sorted(found.items(), key=_largest_excess))


def _largest_excess(item: tuple[str, Measure]) -> float:
    name, found = item
    return -found.value if name.endswith("excess") and found.known else 1.0


def c3(causes: Mapping[tuple[str, str], Outcomes]) -> dict[str, Measure]:
    """Whole effect on the energy outside, and each suspect's share of it, per suspect tensor."""
    found = {}
    for (tensor, outcome), outcomes in causes.items():
        if outcome != "energy":
            continue
        for factor in sorted(corner_causes.FACTORS, key=lambda f: f not in GUESSED):
            found[f"{tensor}: {factor}"] = measure(corner_tables.share_of_whole, outcomes, factor)
        found[f"{tensor}: whole effect"] = measure(corner_tables.whole_effect, outcomes)
    return found


def c4(scores: Scores) -> dict[str, Measure]:
    """Shape of VGG19's Grad-CAM less EfficientNet-B0's, on the images that both have seen."""
    both = pd.concat([table.assign(network=arch) for arch, table in scores.items()])
    both = both[both["method"] == "grad_cam"]
    found = {}
    for grid, (vgg, efficient) in GRIDS.items():
        one = {"network": "vgg19", "layer": vgg}
        other = {"network": "efficientnet_b0", "layer": efficient}
        for name, column in (("area above half", "half"), ("entropy", "entropy")):
            found[f"{grid}: {name}"] = measure(paired, both, column, one, other)
    return found


def c5(scores: Scores, random: Scores) -> dict[str, Measure]:
    """Energy and pointing of Grad-CAM at the last layer over maps that cannot know.

    random: the same tables from the same networks with random weights.
    """
    found = {}
    ours = {"source": "network", "layer": "last", "method": "grad_cam"}
    rivals: dict[str, dict[str, object]] = {
        "centre": {"source": "network", "layer": "-", "method": "centre_gaussian"},
        "random weights": {"source": "random", "layer": "last", "method": "grad_cam"},
    }
    for arch in scores:
        sources = {"network": scores[arch], "random": random[arch]}
        both = pd.concat([table.assign(source=name) for name, table in sources.items()])
        for (name, column), (rival, where) in product(
            (("energy", "energy"), ("pointing", "hit")), rivals.items()
        ):
            found[f"{arch} {name} over {rival}"] = measure(paired, both, column, ours, where)
        found[f"{arch} peak within 15 px"] = measure(mean_of, both, "near", **ours)
    return found


def c6(steadiness: pd.DataFrame) -> dict[str, Measure]:
    """XGrad-CAM less Grad-CAM in roughness and stability; what eps does to the roughness.

    steadiness: from `steadiness.steadiness`.
    """
    found = {}
    named = steadiness.assign(eps=steadiness["eps"].fillna(0))  # Grad-CAM has none
    for role in _roles(named):
        grad = {"layer": role, "method": "grad_cam", "eps": 0}
        usual, least, most = (
            {"layer": role, "method": "xgrad_cam", "eps": eps} for eps in (1e-7, 1e-12, 1.0)
        )
        for name in ("stability", "variation"):
            found[f"{role}: {name}"] = measure(paired, named, name, usual, grad)
        by_image = [_rows(named, where)["variation"] for where in (most, least)]
        change = (by_image[0] / by_image[1] - 1).dropna()
        found[f"{role}: eps"] = measure(bootstrap_interval, change)
    return found


def _rows(table: pd.DataFrame, where: Mapping[str, object]) -> pd.DataFrame:
    for name, value in where.items():
        table = table[table[name] == value]
    return table.set_index("image")


def c18(heads: pd.DataFrame) -> dict[str, Measure]:
    """Accuracy of the fully connected and the project's head less that of the linear one.

    heads: `c18_heads.csv`, with one text of ones and zeros per network in `hits`. Seeds are
    averaged per test image, images resampled.
    """
    found = {}
    for setting, rows in heads.groupby("setting"):
        right = {
            head: np.mean([np.array(list(text), dtype=float) for text in part["hits"]], axis=0)
            for head, part in rows.groupby("head")
        }
        for name, head in (("fully connected", "fully_connected"), ("project", "project")):
            if head in right and "gap_linear" in right:
                cost = right[head] - right["gap_linear"]
                found[f"{setting}: {name} minus gap linear"] = measure(bootstrap_interval, cost)
    return found


def c19(scores: Scores) -> dict[str, Measure]:
    """XGrad-CAM less Grad-CAM in energy in lesions and pointing, at every layer."""
    found = {}
    for arch, table in scores.items():
        for role, (name, column) in product(
            _roles(table), (("energy", "energy"), ("pointing", "hit"))
        ):
            found[f"{arch} {role}: {name}"] = _xgrad_less_grad(table, role, column)
    return found
