"""From tables of maps to the measures that the rules of C1 to C6 and C19 read.

What cannot be measured on the data at hand (no lesion masks, fewer than two images, one network
alone) is NaN, and the claim is then not testable here. Each claim in `claims` lists the names that
it expects. The ledger shows the first measure in short, so the one that says most stands first.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import nan

import pandas as pd

from xaihelpers.claims.types import Measure, measure_or_nan
from xaihelpers.experiments.retinopathy import corner_causes, corner_tables
from xaihelpers.experiments.retinopathy.claims import GUESSED, NETWORKS
from xaihelpers.metrics.factorial import Outcomes
from xaihelpers.metrics.intervals import bootstrap_interval
from xaihelpers.study import mean_of, paired

Scores = Mapping[str, pd.DataFrame]  # network -> rows of `study.score_maps`
GRIDS = {  # what is compared: VGG19's layer, EfficientNet-B0's layer
    "7 x 7": ("last", "last"),
    "14 x 14": ("stage4", "stage4"),
    "native (14 x 14 and 7 x 7)": ("stage4", "last"),
}


def _roles(table: pd.DataFrame) -> list[str]:
    return [str(role) for role in table["layer"].unique() if role != "-"]


def _absent(scores: Scores, *names: str) -> dict[str, Measure]:
    """NaN for the measures of networks that there is no table of."""
    absent = [arch for arch in NETWORKS if arch not in scores]
    return {f"{arch} {name}": Measure(nan) for arch in absent for name in names}


def c1(scores: Scores) -> dict[str, Measure]:
    """Likeness of Grad-CAM++ to Grad-CAM at every layer."""
    names = {"correlation": "pearson_quarter", "overlap": "top_iou_quarter"}
    measures = {}
    for arch, table in scores.items():
        for role, (name, column) in product(_roles(table), names.items()):
            where = {"layer": role, "method": "grad_cam_plus_plus"}
            measures[f"{arch} {role} {name}"] = measure_or_nan(mean_of, table, column, **where)
    return measures | _absent(scores, *(f"last {name}" for name in names))


def _xgrad_less_grad(table: pd.DataFrame, role: str, column: str) -> Measure:
    one, other = ({"layer": role, "method": m} for m in ("xgrad_cam", "grad_cam"))
    return measure_or_nan(paired, table, column, one, other)


def c2(scores: Scores) -> dict[str, Measure]:
    """Excess of XGrad-CAM outside the retina at every layer; its lift at the last."""
    measures = {}
    for arch, table in scores.items():
        for role in _roles(table):
            measures[f"{arch} {role} excess"] = _xgrad_less_grad(table, role, "outside")
        columns = [
            table[(table["layer"] == layer) & (table["method"] == method)].set_index("image")
            for layer, method in (("last", "xgrad_cam"), ("-", "uniform"))
        ]
        lift = (columns[0]["outside"] / columns[1]["outside"]).dropna()
        measures[f"{arch} last lift"] = measure_or_nan(bootstrap_interval, lift)
    return dict(sorted(measures.items(), key=_largest_excess))


def _largest_excess(item: tuple[str, Measure]) -> float:
    name, measure = item
    return -measure.value if name.endswith("excess") and measure.known else 1.0


def c3(causes: Mapping[tuple[str, str], Outcomes]) -> dict[str, Measure]:
    """Whole effect on the energy outside, and each suspect's share of it, per suspect tensor.

    Args:
        causes: outcomes by tensor and figure; empty where the retina's edge is not known.
    """
    if not causes:
        return {f"every tensor: {name}": Measure(nan) for name in ("whole effect", *GUESSED)}
    measures = {}
    for (tensor, outcome), outcomes in causes.items():
        if outcome != "energy":
            continue
        for factor in sorted(corner_causes.FACTORS, key=lambda f: f not in GUESSED):
            measures[f"{tensor}: {factor}"] = measure_or_nan(
                corner_tables.share_of_whole, outcomes, factor
            )
        measures[f"{tensor}: whole effect"] = measure_or_nan(corner_tables.whole_effect, outcomes)
    return measures


def c4(scores: Scores) -> dict[str, Measure]:
    """Shape of VGG19's Grad-CAM less EfficientNet-B0's, on the images that both have seen."""
    both = pd.concat([table.assign(network=arch) for arch, table in scores.items()])
    both = both[both["method"] == "grad_cam"]
    measures = {}
    for grid, (vgg, efficient) in GRIDS.items():
        one = {"network": "vgg19", "layer": vgg}
        other = {"network": "efficientnet_b0", "layer": efficient}
        for name, column in (("area above half", "half"), ("entropy", "entropy")):
            measures[f"{grid}: {name}"] = measure_or_nan(paired, both, column, one, other)
    return measures


def c5(scores: Scores, random: Scores) -> dict[str, Measure]:
    """Energy and pointing of Grad-CAM at the last layer over maps that cannot know.

    Args:
        scores: tables by network.
        random: the same tables from the same networks with random weights.
    """
    measures = {}
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
            measures[f"{arch} {name} over {rival}"] = measure_or_nan(
                paired, both, column, ours, where
            )
        measures[f"{arch} peak within 15 px"] = measure_or_nan(mean_of, both, "hit_15px", **ours)
    compared = [f"{name} over {rival}" for name in ("energy", "pointing") for rival in rivals]
    return measures | _absent(scores, *compared, "peak within 15 px")


def c6(steadiness: pd.DataFrame) -> dict[str, Measure]:
    """XGrad-CAM less Grad-CAM in roughness and stability; what eps does to the roughness.

    Args:
        steadiness: the table of `steadiness.steadiness`.
    """
    measures = {}
    named = steadiness.assign(eps=steadiness["eps"].fillna(0))  # Grad-CAM has none
    for role in _roles(named):
        grad = {"layer": role, "method": "grad_cam", "eps": 0}
        usual, least, most = (
            {"layer": role, "method": "xgrad_cam", "eps": eps} for eps in (1e-7, 1e-12, 1.0)
        )
        for name in ("stability", "variation"):
            measures[f"{role}: {name}"] = measure_or_nan(paired, named, name, usual, grad)
        by_image = [_rows(named, where)["variation"] for where in (most, least)]
        change = (by_image[0] / by_image[1] - 1).dropna()
        measures[f"{role}: eps"] = measure_or_nan(bootstrap_interval, change)
    return measures


def _rows(table: pd.DataFrame, where: Mapping[str, object]) -> pd.DataFrame:
    for name, value in where.items():
        table = table[table[name] == value]
    return table.set_index("image")


def c19(scores: Scores) -> dict[str, Measure]:
    """XGrad-CAM less Grad-CAM in energy in lesions and pointing, at every layer."""
    measures = {}
    for arch, table in scores.items():
        for role, (name, column) in product(
            _roles(table), (("energy", "energy"), ("pointing", "hit"))
        ):
            measures[f"{arch} {role}: {name}"] = _xgrad_less_grad(table, role, column)
    return measures
