"""Measures of small tables, worked out by hand, and the verdicts they lead to."""

from math import isnan

import pandas as pd
import pytest

from tests.cases.marker_case import PATIENTS, marker_table
from xaihelpers.experiments.failures import measures
from xaihelpers.experiments.failures.claims import ATTACKED, C13, C15
from xaihelpers.experiments.marker.claims import PAIRS


def attack_table(after: float) -> pd.DataFrame:
    rows = pd.DataFrame({"area": [0.1, 0.2], "energy_before": [0.5, 0.6]})
    rows = rows.assign(energy_after=after, energy_target=0.15, correlation=0.9, p_after=[1e-9, 0.1])
    return pd.concat([rows.assign(study=name) for name in ATTACKED], ignore_index=True)


def failure_table() -> pd.DataFrame:
    return pd.DataFrame({"turned_own": [True] * 8 + [False] * 2, "turned_other": [False] * 10})


@pytest.mark.parametrize(("after", "kept"), [(0.55, 1.0), (0.15, 0.0), (0.35, 0.5)])
def test_c13_by_hand(after: float, kept: float) -> None:
    found = measures.c13(attack_table(after))
    assert found["scenes energy kept"].value == pytest.approx(kept)
    assert found["fundus over the answer"].value == pytest.approx(after - 0.15)
    assert found["chest_xray probability"].value == pytest.approx(0.05, rel=1e-6)
    assert C13.judge(found) == "not testable here"  # the median is not below 1e-6


def test_c15_by_hand() -> None:
    found = measures.c15(failure_table(), marker_table())
    assert found["natural: turned, own less other map"].value == pytest.approx(0.8)
    assert found["planted: points to the text"].value == 1
    assert found["planted: points to the text"].n == PATIENTS * 2 // 3 * len(PAIRS)
    assert C15.judge(found) == "confirmed"


def test_without_planted_failures_there_is_no_measure() -> None:
    found = measures.c15(failure_table(), marker_table(follows_text=False))
    assert isnan(found["planted: points to the text"].value)
