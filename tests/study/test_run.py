"""What a table of a data set through a network comes to: a row per method."""

import numpy as np
import pandas as pd

from xaihelpers import study


def test_the_summary_counts_findings_and_empty_maps_apart() -> None:
    scores = pd.DataFrame(
        {
            "method": ["grad_cam"] * 3,
            "energy": [np.nan, 0.0, 0.5],
            "hit": [np.nan, 0.0, 1.0],
            "empty": [True, True, False],
        }
    )
    row = study.method_table(scores).iloc[0]
    assert (row["images"], row["empty maps"]) == (2, 2)
    assert row["energy in mask"] == "0.250 [0.000, 0.500]"


def test_one_image_gives_a_mean_without_interval() -> None:
    scores = pd.DataFrame({"method": ["m"], "energy": [0.5], "hit": [1.0], "empty": [False]})
    assert study.method_table(scores).iloc[0]["pointing"] == "1.000"


def test_methods_come_before_the_maps_that_never_look() -> None:
    names = ["centre_gaussian", "xgrad_cam", "uniform", "grad_cam"]
    scores = pd.DataFrame({"method": names, "energy": 0.5, "hit": 1.0, "empty": False})
    table = study.method_table(scores)
    assert table["method"].tolist() == ["grad_cam", "xgrad_cam", *study.BASELINES]
    assert table["pointing"].tolist() == ["1.000", "1.000", "1.000", "-"]


def test_without_findings_there_is_nothing_to_average() -> None:
    scores = pd.DataFrame({"method": ["m"], "energy": [np.nan], "hit": [np.nan], "empty": [True]})
    row = study.method_table(scores).iloc[0]
    assert row.tolist() == ["m", 0, "-", "-", 1]
