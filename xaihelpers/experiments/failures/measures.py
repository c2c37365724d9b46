"""From the tables of failures and attacks to the measures that the rules of C13 and C15 read."""

from __future__ import annotations

import pandas as pd

from xaihelpers.claims.types import Measure, measure_or_nan
from xaihelpers.experiments.failures.attacked import energy_kept
from xaihelpers.experiments.marker.measures import planted
from xaihelpers.metrics.intervals import bootstrap_interval, paired_difference


def c13(attacks: pd.DataFrame) -> dict[str, Measure]:
    """What an attack leaves of the true class's map, for every attacked network."""
    measures: dict[str, Measure] = {}
    for study, rows in attacks.groupby("study", sort=False):
        area, before, after, answer = (
            rows[column].to_numpy()
            for column in ("area", "energy_before", "energy_after", "energy_target")
        )
        intervals = {
            "energy kept": bootstrap_interval(area, before, after, statistic=energy_kept),
            "over the answer": paired_difference(after, answer),
            "energy before": bootstrap_interval(before),
            "energy after": bootstrap_interval(after),
            "correlation": bootstrap_interval(rows["correlation"].dropna()),
        }
        measures |= {
            f"{study} {name}": Measure.of(interval) for name, interval in intervals.items()
        }
        measures[f"{study} probability"] = Measure(rows["p_after"].median(), n=len(rows))
        measures[f"{study} area"] = Measure(area.mean(), n=len(rows))
    return measures


def c15(failures: pd.DataFrame, marker: pd.DataFrame) -> dict[str, Measure]:
    """Whether maps point to what made the networks fail."""
    own, other = (failures[f"turned_{name}"].astype(float) for name in ("own", "other"))
    caused = planted(marker)
    points = (caused["marker_answer"] > caused["marker_label"]).astype(float)
    return {
        "natural: turned, own less other map": Measure.of(paired_difference(own, other)),
        "natural: turned by the own map": Measure.of(bootstrap_interval(own)),
        "natural: turned by the other map": Measure.of(bootstrap_interval(other)),
        "planted: points to the text": measure_or_nan(bootstrap_interval, points),
    }
