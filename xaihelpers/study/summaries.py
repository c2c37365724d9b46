"""From the rows of a study to tables for readers: means with intervals, and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.intervals import bootstrap_interval, holm, paired_test
from xaihelpers.study.plan import PRIORS
from xaihelpers.study.scores import SCORES


def mean_table(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Mean and bootstrap 95 % interval of every score: a row per network, layer, method, score.

    `n` counts the images with a value; where there are fewer than two, low and high are NaN. The
    rest (no finding, flat map) is left out of the mean.

    Args:
        rows: from `study.run`.
    """
    names = [name for name in SCORES if name in rows]
    found = []
    for place, part in rows.groupby(["network", "layer", "method"], sort=False):
        for name in names:
            values = part[name].dropna().to_numpy(float)
            row = dict(zip(("network", "layer", "method"), place, strict=True))
            row |= {"score": name, "higher is better": SCORES[name].higher_is_better}
            row |= {"n": len(values), "mean": values.mean() if len(values) else np.nan}
            row |= {"low": np.nan, "high": np.nan}
            if len(values) > 1:
                interval = bootstrap_interval(values, seed=seed)
                row |= {"mean": interval.estimate, "low": interval.low, "high": interval.high}
            found.append(row)
    return pd.DataFrame(found).dropna(subset=["mean"]).reset_index(drop=True)


def wide(means: pd.DataFrame, scores: Sequence[str] = ()) -> pd.DataFrame:
    """Methods down, scores across, cells as `0.123 [0.100, 0.150]`; "-" where nothing was measured.

    Args:
        means: from `mean_table`. scores: which, in which order; default: all.
    """
    table = means.copy()
    table["text"] = [
        f"{mean:.3f}" if np.isnan(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"
        for mean, low, high in zip(table["mean"], table["low"], table["high"], strict=True)
    ]
    index = ["network", "layer", "method"]
    order = table[index].drop_duplicates()
    pivoted = table.pivot(index=index, columns="score", values="text")
    columns = list(scores) or [name for name in SCORES if name in pivoted]
    return pivoted.reindex(pd.MultiIndex.from_frame(order))[columns].fillna("-").reset_index()


def paired_table(rows: pd.DataFrame, score: str, against: str = "grad_cam") -> pd.DataFrame:
    """Every method against one, image by image, at the same layer.

    Columns: network, layer, method, n, difference (method less `against`), low, high, p (sign-flip
    test, adjusted by Holm over the whole table).

    Raises:
        EvaluationError: the rows lack the score or the method.
    """
    if score not in rows or against not in set(rows["method"]):
        raise EvaluationError(f"the rows hold no score {score!r} or no method {against!r}")
    found = []
    for (network, layer), part in rows.groupby(["network", "layer"], sort=False):
        columns = part.pivot(index="image", columns="method", values=score)
        for method in part["method"].unique():
            pair = columns[[method, against]].dropna() if method != against else columns[:0]
            if len(pair) < 2:
                continue
            test = paired_test(pair[method], pair[against])
            row = {"network": network, "layer": layer, "method": method, "n": len(pair)}
            row |= {"difference": test.difference.estimate, "low": test.difference.low}
            found.append(row | {"high": test.difference.high, "p": test.p})
    table = pd.DataFrame(found)
    return table.assign(p=holm(table["p"])) if len(table) else table


def method_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per method: means with bootstrap 95 % intervals over the images that show a finding.

    Args:
        rows: from `run_study`, of one network and layer. Prior maps come last.

    Returns:
        Columns: method, images (that show a finding), "energy in mask" and "pointing" ("-" where
        there is nothing to measure, a mean without interval where there is one image), "empty maps"
        (of all images).
    """
    table = []
    methods = rows["method"].unique()
    for method in sorted(methods, key=lambda name: (name in PRIORS, name)):
        part = rows[rows["method"] == method]
        shown = part.dropna(subset=["energy"])
        table.append(
            {
                "method": method,
                "images": len(shown),
                "energy in mask": _mean(shown["energy"]),
                "pointing": "-" if method == "uniform" else _mean(shown["hit"]),
                "empty maps": int(part["empty"].sum()),
            }
        )
    return pd.DataFrame(table)


def _mean(values: pd.Series) -> str:
    if len(values) < 2:
        return f"{values.iloc[0]:.3f}" if len(values) else "-"
    return str(bootstrap_interval(values))
