"""Tables of a study: means by hand, what is left out, and paired comparisons."""

import numpy as np
import pandas as pd
import pytest

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import intervals
from xaihelpers.study import summaries


def rows(values: dict[str, list[float]]) -> pd.DataFrame:
    """Rows of one network and layer: method -> energies, image by image."""
    parts = [
        pd.DataFrame({"image": range(len(energies)), "method": name, "energy": energies})
        for name, energies in values.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(network="n", layer="last")


def test_a_mean_leaves_out_what_is_missing_and_says_how_many_there_were() -> None:
    table = summaries.mean_table(rows({"grad_cam": [0.2, np.nan, 0.4], "uniform": [np.nan] * 3}))
    assert table["method"].tolist() == ["grad_cam"]
    row = table.iloc[0]
    assert (row["n"], row["mean"]) == (2, pytest.approx(0.3))
    assert row["low"] <= row["mean"] <= row["high"]


def test_one_value_has_no_interval() -> None:
    row = summaries.mean_table(rows({"grad_cam": [0.2, np.nan]})).iloc[0]
    assert (row["n"], row["mean"]) == (1, 0.2)
    assert np.isnan(row["low"])
    assert summaries.wide(pd.DataFrame([row]))["energy"].tolist() == ["0.200"]


def test_the_wide_table_keeps_the_order_of_methods() -> None:
    means = summaries.mean_table(rows({"layer_cam": [0.1, 0.1], "grad_cam": [0.3, 0.3]}))
    wide = summaries.wide(means)
    assert wide["method"].tolist() == ["layer_cam", "grad_cam"]
    assert wide["energy"].tolist() == ["0.100 [0.100, 0.100]", "0.300 [0.300, 0.300]"]


def test_a_constant_gain_over_another_method_is_found_and_noise_is_not() -> None:
    base = np.random.default_rng(0).random(60)
    noise = np.random.default_rng(1).normal(0, 0.1, 60)
    table = summaries.paired_table(
        rows({"grad_cam": base, "better": base + 0.01, "same": base + noise}), "energy"
    ).set_index("method")
    assert table.loc["better", "difference"] == pytest.approx(0.01)
    assert table.loc["better", "p"] < 0.001
    assert table.loc["same", "p"] > 0.05
    assert "grad_cam" not in table.index


def test_images_without_a_value_in_one_of_two_methods_are_left_out() -> None:
    table = summaries.paired_table(
        rows({"grad_cam": [1, 2, np.nan, 4], "b": [1, 1, 9, 3]}), "energy"
    )
    assert table.iloc[0]["n"] == 3
    with pytest.raises(EvaluationError, match="no score 'hit'"):
        summaries.paired_table(rows({"grad_cam": [1, 2]}), "hit")


def test_a_sign_flip_test_of_four_images_by_hand() -> None:
    test = intervals.paired_test([1, 1, 1, 1], [0, 0, 0, 0])
    assert test.p == pytest.approx(2 / 16)  # all plus or all minus, of 16 ways to flip
    assert test.difference.estimate == 1


def test_holms_adjustment_by_hand() -> None:
    adjusted = intervals.holm([0.01, 0.04, 0.03, 0.5])
    assert adjusted.tolist() == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert intervals.holm([0.9, 0.8]).tolist() == [1, 1]


@pytest.fixture
def chosen() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": [0, 1, 2, 2, 1, 0],
            "method": ["a"] * 3 + ["b"] * 3,
            "energy": [1.0, 2.0, 4.0, 1.0, 1.0, np.nan],
        }
    )


def test_means_and_differences_are_taken_image_by_image(chosen: pd.DataFrame) -> None:
    assert summaries.mean_of(chosen, "energy", method="b").count == 2
    found = summaries.paired(chosen, "energy", {"method": "a"}, {"method": "b"})
    assert (found.estimate, found.count) == ((1 + 3) / 2, 2)


def test_a_choice_of_several_rows_per_image_is_refused(chosen: pd.DataFrame) -> None:
    with pytest.raises(EvaluationError, match="one row per image"):
        summaries.mean_of(chosen, "energy")
    with pytest.raises(EvaluationError, match="0 rows"):
        summaries.mean_of(chosen, "energy", method="c")


def test_an_interval_table_has_a_row_per_layer_and_method_and_says_where_nothing_is_known() -> None:
    table = pd.DataFrame(
        {"layer": ["last"] * 3, "method": ["cam"] * 3, "x": [1.0, 1.0, np.nan], "y": [np.nan] * 3}
    )
    (row,) = summaries.interval_table(table, ("x", "y")).to_dict("records")
    assert row == {
        "layer": "last",
        "method": "cam",
        "images": 3,
        "x": "1.000 [1.000, 1.000]",
        "y": "-",
    }
