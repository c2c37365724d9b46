"""From the rows of a study to tables for readers: means with intervals, and paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.intervals import Interval, bootstrap_interval, holm, paired_test
from xaihelpers.study.plan import PRIORS
from xaihelpers.study.scores import SCORES


def mean_table(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Mean and bootstrap 95 % interval of every score: a row per network, layer, method, score.

    `n` counts the images with a value; where there are fewer than two, low and high are NaN. The
    rest (no finding, flat map) is left out of the mean.

    Args:
        rows: from `run_study`.
    """
    names = [name for name in SCORES if name in rows]
    table = []
    for group, part in rows.groupby(["network", "layer", "method"], sort=False):
        for name in names:
            values = part[name].dropna().to_numpy(float)
            row = dict(zip(("network", "layer", "method"), group, strict=True))
            row |= {"score": name, "higher is better": SCORES[name].higher_is_better}
            row |= {"n": len(values), "mean": values.mean() if len(values) else np.nan}
            row |= {"low": np.nan, "high": np.nan}
            if len(values) > 1:
                interval = bootstrap_interval(values, seed=seed)
                row |= {"mean": interval.estimate, "low": interval.low, "high": interval.high}
            table.append(row)
    return pd.DataFrame(table).dropna(subset=["mean"]).reset_index(drop=True)


def wide(means: pd.DataFrame, scores: Sequence[str] = ()) -> pd.DataFrame:
    """Methods down, scores across, cells as `0.123 [0.100, 0.150]`; "-" where nothing was measured.

    Args:
        means: from `mean_table`.
        scores: which, in which order; empty for all.
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

    Args:
        rows: from `run_study`.
        score: a column of scores.
        against: the method that is subtracted.

    Returns:
        Columns: network, layer, method, n, difference (method less `against`), low, high, p
        (sign-flip test, adjusted by Holm over the whole table).

    Raises:
        EvaluationError: the rows lack the score or the method.
    """
    if score not in rows or against not in set(rows["method"]):
        raise EvaluationError(f"the rows hold no score {score!r} or no method {against!r}")
    pairs = []
    for (network, layer), part in rows.groupby(["network", "layer"], sort=False):
        columns = part.pivot(index="image", columns="method", values=score)
        for method in part["method"].unique():
            pair = columns[[method, against]].dropna() if method != against else columns[:0]
            if len(pair) < 2:
                continue
            test = paired_test(pair[method], pair[against])
            row = {"network": network, "layer": layer, "method": method, "n": len(pair)}
            row |= {"difference": test.difference.estimate, "low": test.difference.low}
            pairs.append(row | {"high": test.difference.high, "p": test.p})
    table = pd.DataFrame(pairs)
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


def interval_table(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Mean with interval of some columns per layer and method, as `0.123 [0.100, 0.150]`.

    Args:
        rows: with columns layer and method, of one network.
        columns: what is averaged.

    Returns:
        Columns: layer, method, images (the number of rows), and `columns`, "-" where fewer than two
        values are known.
    """
    table = []
    for (layer, method), part in rows.groupby(["layer", "method"], sort=False):
        known = {column: part[column].dropna().astype(float) for column in columns}
        means = {
            column: str(bootstrap_interval(values)) if len(values) > 1 else "-"
            for column, values in known.items()
        }
        table.append({"layer": layer, "method": method, "images": len(part)} | means)
    return pd.DataFrame(table)


def mean_of(rows: pd.DataFrame, column: str, **where: object) -> Interval:
    """Mean of a column over images with its 95 % interval, over rows chosen by equality.

    `mean_of(rows, "outside", layer="last", method="xgrad_cam")`. NaN is left out; the interval's
    `count` says how many values remain.

    Raises:
        EvaluationError: several rows per image are chosen, or fewer than two values remain.
    """
    return bootstrap_interval(_by_image(rows, column, where).dropna())


def paired(
    rows: pd.DataFrame, column: str, one: Mapping[str, object], other: Mapping[str, object]
) -> Interval:
    """Mean difference of a column with its 95 % interval, image by image.

    Args:
        rows: from `run_study`.
        column: what is compared.
        one: column -> value: the rows to subtract from, one per image.
        other: column -> value: the rows that are subtracted. Images that lack one of the two are
            left out.

    Raises:
        EvaluationError: several rows per image are chosen, or fewer than two pairs remain.
    """
    first, second = _by_image(rows, column, one), _by_image(rows, column, other)
    return bootstrap_interval((first - second).dropna())


def _by_image(rows: pd.DataFrame, column: str, where: Mapping[str, object]) -> pd.Series:
    chosen = rows
    for name, value in where.items():
        chosen = chosen[chosen[name] == value]
    values = chosen.set_index("image")[column].astype(float)
    if values.empty or values.index.has_duplicates:
        raise EvaluationError(
            f"{dict(where)} chooses {len(values)} rows of {values.index.nunique()} images; "
            "choose exactly one row per image"
        )
    return values


def _mean(values: pd.Series) -> str:
    if len(values) < 2:
        return f"{values.iloc[0]:.3f}" if len(values) else "-"
    return str(bootstrap_interval(values))
