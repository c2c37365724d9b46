"""From the table of the marker experiment to the measures that the rules of C8 and C14 read."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from xaihelpers.claims.types import Measure
from xaihelpers.datasets.rendered import chest
from xaihelpers.experiments.marker.claims import PAIRS
from xaihelpers.metrics.intervals import bootstrap_interval, paired_difference

COVID = chest.CLASSES.index("COVID")


def _ratio(energy: np.ndarray, area: np.ndarray) -> float:
    return float(energy.mean() / area.mean())


def _ratio_difference(energy: np.ndarray, other: np.ndarray, area: np.ndarray) -> float:
    return float((energy.mean() - other.mean()) / area.mean())


def cases(table: pd.DataFrame, arch: str, network: str, scheme: str) -> pd.DataFrame:
    """One network's rows under one scheme, ordered by patient, with a column `right`."""
    keys = {"arch": arch, "network": network, "scheme": scheme}
    rows = table[(table[list(keys)] == list(keys.values())).all(axis=1)]
    return rows.sort_values("index", ignore_index=True).assign(
        right=lambda rows: (rows["predicted"] == rows["label"]).astype(float)
    )


def accuracy(table: pd.DataFrame, arch: str, network: str, scheme: str) -> Measure:
    """Accuracy of a network under a scheme."""
    return Measure.of(bootstrap_interval(cases(table, arch, network, scheme)["right"]))


def _lost(table: pd.DataFrame, arch: str, network: str) -> np.ndarray:
    """What swapping the text costs: 1, 0 or -1 for every patient."""
    trained, swapped = (cases(table, arch, network, s)["right"] for s in ("as trained", "swapped"))
    return (trained - swapped).to_numpy()


def _covid(table: pd.DataFrame, arch: str, network: str) -> pd.DataFrame:
    rows = cases(table, arch, network, "as trained")
    return rows[rows["label"] == COVID]


def c8(marker: pd.DataFrame) -> dict[str, Measure]:
    """Heat on the text and its use, for all networks."""
    measures: dict[str, Measure] = {}
    for arch, network in product(PAIRS, ("linked", "balanced")):
        rows = _covid(marker, arch, network)
        ratio = bootstrap_interval(rows["marker_covid"], rows["marker_area"], statistic=_ratio)
        measures[f"{arch} {network} marker ratio"] = Measure.of(ratio)
        lost = bootstrap_interval(_lost(marker, arch, network))
        measures[f"{arch} {network} accuracy lost when swapped"] = Measure.of(lost)
    return measures


def c14(marker: pd.DataFrame) -> dict[str, Measure]:
    """How the two networks of every architecture differ, patient by patient."""
    measures: dict[str, Measure] = {}
    for arch in PAIRS:
        linked, balanced = (_covid(marker, arch, network) for network in ("linked", "balanced"))
        heat = [rows["marker_covid"].to_numpy() for rows in (linked, balanced)]
        area = linked["marker_area"].to_numpy()
        intervals = {
            "accuracy lost, linked less balanced": paired_difference(
                _lost(marker, arch, "linked"), _lost(marker, arch, "balanced")
            ),
            "marker ratio, linked less balanced": bootstrap_interval(
                *heat, area, statistic=_ratio_difference
            ),
            "images that tell": bootstrap_interval((heat[0] > heat[1]).astype(float)),
            "finding energy, balanced less linked": paired_difference(
                balanced["finding_label"], linked["finding_label"]
            ),
        }
        measures |= {f"{arch} {name}": Measure.of(interval) for name, interval in intervals.items()}
    return measures


def planted(marker: pd.DataFrame) -> pd.DataFrame:
    """Failures with a known cause: a text made a linked network say COVID."""
    rows = pd.concat([cases(marker, arch, "linked", "swapped") for arch in PAIRS])
    return rows[(rows["label"] != COVID) & (rows["predicted"] == COVID)]
