"""From the table of heads to the measures that the rule of C18 reads."""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd

from xaihelpers.claims.types import Measure, measure_or_nan
from xaihelpers.metrics.intervals import bootstrap_interval


def c18(heads: pd.DataFrame) -> dict[str, Measure]:
    """Accuracy of the fully connected and the project's head less that of the linear one.

    Seeds are averaged per test image, and images are resampled.

    Args:
        heads: `c18_heads.csv`, with one text of ones and zeros per network in `hits`; NaN is
            measured where it is empty.
    """
    if heads.empty:
        return {"every setting: fully connected minus gap linear": Measure(nan)}
    measures = {}
    for setting, rows in heads.groupby("setting"):
        right = {
            head: np.mean([np.array(list(text), dtype=float) for text in part["hits"]], axis=0)
            for head, part in rows.groupby("head")
        }
        for name, head in (("fully connected", "fully_connected"), ("project", "project")):
            if head in right and "gap_linear" in right:
                cost = measure_or_nan(bootstrap_interval, right[head] - right["gap_linear"])
                measures[f"{setting}: {name} minus gap linear"] = cost
    return measures
