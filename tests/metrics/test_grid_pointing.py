"""The grid pointing game: shares worked out by hand, pictures dealt fairly, empty maps counted."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.grid_pointing import arrange, deal, positive_share, summary

# 4 x 4 px in 2 x 2 cells; the cells sum to 1+2+0+1 = 4, 3, 2 and 1: ten in all.
HEAT = torch.tensor(
    [
        [1.0, 2.0, 3.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 2.0, 0.5, 0.0],
        [0.0, 0.0, 0.0, 0.5],
    ]
)


@pytest.mark.parametrize(("cell", "share"), [(0, 0.4), (1, 0.3), (2, 0.2), (3, 0.1)])
def test_the_share_of_each_cell_by_hand(cell: int, share: float) -> None:
    assert positive_share(HEAT[None], [cell], n=2).item() == pytest.approx(share)


def test_each_map_of_a_batch_has_a_cell_of_its_own() -> None:
    heat = torch.stack([HEAT, HEAT.flip(0)])
    assert positive_share(heat, [0, 0], 2).tolist() == pytest.approx([0.4, 0.2])


def test_one_cell_holds_everything() -> None:
    assert positive_share(HEAT[None], [0], 1).item() == 1


def test_three_by_three_cells_are_numbered_in_reading_order() -> None:
    heat = torch.zeros(1, 6, 6)
    heat[0, 2, 5], heat[0, 5, 0] = 3.0, 1.0  # rows 2-3 and columns 4-5 are cell 5; cell 6 below
    assert [positive_share(heat, [cell], 3).item() for cell in (5, 6, 0)] == [0.75, 0.25, 0.0]


def test_an_even_map_scores_chance() -> None:
    assert positive_share(torch.ones(1, 6, 6), [4], 3).item() == pytest.approx(1 / 9)


def test_an_empty_map_points_nowhere_and_scores_nan() -> None:
    shares = positive_share(torch.stack([HEAT, torch.zeros(4, 4)]), [0, 0], 2)
    assert shares[0] == pytest.approx(0.4)
    assert math.isnan(shares[1])


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 4), side=st.integers(1, 5), seed=st.integers(0, 1000))
def test_the_shares_of_all_cells_add_up_to_one(n: int, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    heat = torch.rand(1, n * side, n * side, generator=generator, dtype=torch.float64) + 0.01
    shares = positive_share(heat.expand(n * n, -1, -1), range(n * n), n)
    assert shares.sum().item() == pytest.approx(1)


@pytest.mark.parametrize(("cells", "n"), [([0], 3), ([4], 2), ([-1], 2), ([0, 1], 2), ([0], 0)])
def test_cells_that_do_not_fit_are_refused(cells: list[int], n: int) -> None:
    with pytest.raises(EvaluationError, match="cell"):
        positive_share(HEAT[None], cells, n)


def test_a_map_with_negative_values_is_refused() -> None:
    with pytest.raises(EvaluationError, match="rectified"):
        positive_share(-HEAT[None], [0], 2)


def test_pictures_are_arranged_in_reading_order() -> None:
    pictures = torch.arange(4)[:, None, None, None].expand(4, 3, 2, 2)
    picture = arrange(pictures)
    assert picture.shape == (1, 3, 4, 4)
    assert picture[0, 0].tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2


@pytest.mark.parametrize("count", [0, 2, 5])
def test_a_number_of_pictures_that_is_no_square_is_refused(count: int) -> None:
    with pytest.raises(EvaluationError, match="1, 4, 9"):
        arrange(torch.zeros(count, 3, 2, 2))


def test_every_picture_is_used_once_before_any_is_used_again() -> None:
    grids = deal(list(range(12)), n=2, grids=6)
    used = [picture for grid in grids for picture in grid.pictures]
    assert sorted(used[:12]) == sorted(used[12:]) == list(range(12))


def test_classes_differ_within_a_grid() -> None:
    labels = np.repeat(np.arange(5), 4)
    for grid in deal(labels, n=2, grids=20):
        assert len(set(labels[list(grid.pictures)].tolist())) == 4


def test_a_draw_depends_on_its_seed_alone() -> None:
    labels = list(range(20))
    assert deal(labels, 2, 5, seed=3) == deal(labels, 2, 5, seed=3)
    assert deal(labels, 2, 5, seed=3) != deal(labels, 2, 5, seed=4)


def test_the_asked_cells_differ_and_lie_in_the_grid() -> None:
    for grid in deal(list(range(9)), n=3, grids=10, questions=4):
        assert len(set(grid.asked)) == 4
        assert set(grid.asked) <= set(range(9))


@pytest.mark.parametrize(("classes", "questions"), [(3, 2), (4, 5), (4, 0)])
def test_too_few_classes_or_too_many_questions_are_refused(classes: int, questions: int) -> None:
    with pytest.raises(EvaluationError, match="2 x 2 grids need 4 classes"):
        deal(list(range(classes)), 2, 1, questions)


def test_the_summary_averages_questions_then_grids_and_counts_empty_maps() -> None:
    rows = pd.DataFrame(
        {
            "grid": [0, 0, 1, 1, 2, 2],
            "layer": "last",
            "method": "grad_cam",
            "share": [0.2, 0.4, 0.8, math.nan, math.nan, math.nan],
        }
    )
    (row,) = summary(rows, n=2).to_dict("records")
    # grid 0: 0.3; grid 1: 0.8 from its one map; grid 2 has none
    assert row["mean"] == pytest.approx(0.55)
    assert (row["n"], row["questions"], row["empty"], row["chance"]) == (2, 6, 3, 0.25)
    assert (row["low"], row["high"]) == (pytest.approx(0.3), pytest.approx(0.8))


def test_a_summary_of_nothing_but_empty_maps_has_no_mean() -> None:
    rows = pd.DataFrame({"grid": [0], "layer": "l", "method": "m", "share": [math.nan]})
    (row,) = summary(rows, n=2).to_dict("records")
    assert math.isnan(row["mean"])
    assert row["empty"] == 1
