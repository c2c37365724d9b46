"""Shape of a map: figures worked out by hand, free of scale, NaN where there is no map."""

import math

import pytest
import torch
from torch import Tensor

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import map_shape

FIGURES = (map_shape.entropy, map_shape.area_above_half, map_shape.total_variation)


def spot(values: list[list[float]]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def test_entropy_is_zero_for_one_pixel_one_for_a_flat_map_and_by_hand_between() -> None:
    one, two = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    one[0, 1, 2] = 3.0
    two[0, 0, :2] = 1.0  # log 2 / log 16
    heat = torch.cat([one, two, torch.ones(1, 4, 4, dtype=torch.float64)])
    assert map_shape.entropy(heat).tolist() == pytest.approx([0, 0.25, 1])


def test_area_above_half_counts_the_pixels_that_reach_half_of_the_maximum() -> None:
    assert map_shape.area_above_half(spot([[0, 1], [2, 4]])).tolist() == [0.5]


def test_total_variation_is_the_sum_of_steps_per_unit_of_heat() -> None:
    # rows: |1 - 0| + |1 - 2|, columns: |2 - 0| + |1 - 1|, heat: 4
    assert map_shape.total_variation(spot([[0, 1], [2, 1]])).tolist() == [(1 + 1 + 2 + 0) / 4]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_does_not_depend_on_the_scale(figure) -> None:
    heat = torch.rand(3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(figure(heat), figure(1e-6 * heat), rtol=1e-12)


@pytest.mark.parametrize("figure", FIGURES)
def test_an_empty_map_has_no_shape(figure) -> None:
    heat = torch.zeros(2, 3, 3)
    heat[1, 1, 1] = 1.0
    values = figure(heat).tolist()
    assert math.isnan(values[0])
    assert not math.isnan(values[1])


@pytest.mark.parametrize("figure", FIGURES)
def test_a_signed_map_is_refused(figure) -> None:
    with pytest.raises(EvaluationError, match="negative"):
        figure(-torch.ones(1, 2, 2))
