"""Measures of small tables, worked out by hand, and the verdicts they lead to."""

from math import isnan

import pandas as pd
import pytest

from xaihelpers.experiments.failures import measures, rules

PATIENTS = 30


def marker_table(follows_text: bool = True) -> pd.DataFrame:
    """Linked answers by the text and looks there; balanced is always right and looks elsewhere."""
    parts = []
    for scheme in ("as trained", "swapped"):
        for network in ("linked", "balanced"):
            rows = pd.DataFrame({"index": range(PATIENTS)})
            rows["label"] = rows["index"] % 3
            text = (rows["label"] == 2) == (scheme == "as trained")
            fooled = text.map({True: 2, False: 0}) if follows_text else rows["label"]
            linked = network == "linked"
            rows["predicted"] = fooled if linked else rows["label"]
            rows["marker_area"] = 0.01
            rows["marker_covid"] = 0.08 if linked else 0.01
            rows["marker_answer"] = 0.08 if linked else 0.01
            rows["marker_label"] = 0.02
            rows["finding_label"] = 0.1 if linked else 0.2
            parts.append(rows.assign(network=network, scheme=scheme))
    table = pd.concat(parts, ignore_index=True)
    return pd.concat([table.assign(arch=arch) for arch in rules.PAIRS], ignore_index=True)


def attack_table(after: float) -> pd.DataFrame:
    rows = pd.DataFrame({"area": [0.1, 0.2], "energy_before": [0.5, 0.6]})
    rows = rows.assign(energy_after=after, energy_target=0.15, correlation=0.9, p_after=[1e-9, 0.1])
    return pd.concat([rows.assign(study=name) for name in rules.ATTACKED], ignore_index=True)


def failure_table() -> pd.DataFrame:
    return pd.DataFrame({"turned_own": [True] * 8 + [False] * 2, "turned_other": [False] * 10})


def test_c8_by_hand() -> None:
    found = measures.c8(marker_table())
    assert found["densenet121 linked marker ratio"].value == pytest.approx(8)
    assert found["small_vgg_gap balanced marker ratio"].value == pytest.approx(1)
    # as trained two thirds are right (2 for COVID, 0 for Normal); swapped none is
    assert found["densenet121 linked accuracy lost when swapped"].value == pytest.approx(2 / 3)
    assert found["small_vgg_gap balanced accuracy lost when swapped"].value == 0
    assert found["densenet121 linked marker ratio"].n == PATIENTS // 3
    assert rules.c8(found) == "depends"


def test_c14_by_hand() -> None:
    found = measures.c14(marker_table())
    assert found["small_vgg_gap marker ratio, linked less balanced"].value == pytest.approx(7)
    assert found["small_vgg_gap images that tell"].value == 1
    assert found["small_vgg_gap finding energy, balanced less linked"].value == pytest.approx(0.1)
    assert rules.c14(found) == "confirmed"
    assert rules.c14(measures.c14(marker_table(follows_text=False))) == "not testable here"


@pytest.mark.parametrize(("after", "kept"), [(0.55, 1.0), (0.15, 0.0), (0.35, 0.5)])
def test_c13_by_hand(after: float, kept: float) -> None:
    found = measures.c13(attack_table(after))
    assert found["scenes energy kept"].value == pytest.approx(kept)
    assert found["fundus over the answer"].value == pytest.approx(after - 0.15)
    assert found["chest_xray probability"].value == pytest.approx(0.05, rel=1e-6)
    assert rules.c13(found) == "not testable here"  # the median is not below 1e-6


def test_c15_by_hand() -> None:
    found = measures.c15(failure_table(), marker_table())
    assert found["natural: turned, own less other map"].value == pytest.approx(0.8)
    assert found["planted: points to the text"].value == 1
    assert found["planted: points to the text"].n == PATIENTS * 2 // 3 * len(rules.PAIRS)
    assert rules.c15(found) == "confirmed"


def test_without_planted_failures_there_is_no_measure() -> None:
    found = measures.c15(failure_table(), marker_table(follows_text=False))
    assert isnan(found["planted: points to the text"].value)
