"""The switch of a map with the question, by hand and at its extremes."""

import pytest
import torch

from xaihelpers.metrics import discrimination, map_shape

FIRST = torch.tensor([[True, False, False, False]])[None]
SECOND = torch.tensor([[False, True, True, False]])[None]


def heat(*values: float) -> torch.Tensor:
    return torch.tensor([[list(values)]], dtype=torch.float32)


def test_the_share_leaves_out_what_lies_beside_both() -> None:
    share = discrimination.share_on_asked(heat(3.0, 1.0, 0.0, 96.0), FIRST, SECOND)
    assert share.tolist() == pytest.approx([3 / 4])


def test_a_map_without_heat_on_either_says_nothing() -> None:
    for nothing in (heat(0, 0, 0, 5.0), heat(0, 0, 0, 0)):
        assert discrimination.share_on_asked(nothing, FIRST, SECOND).tolist() == [0.5]


@pytest.mark.parametrize(
    ("of_first", "of_second", "expected"),
    [
        (heat(1, 0, 0, 9), heat(0, 1, 1, 9), 1.0),  # each on its own object
        (heat(0, 1, 0, 0), heat(1, 0, 0, 0), -1.0),  # each on the other
        (heat(8, 1, 1, 0), heat(8, 1, 1, 0), 0.0),  # deaf to the question
        (heat(3, 1, 0, 0), heat(1, 1, 0, 0), 0.25),  # 3/4 + 1/2 - 1
    ],
)
def test_the_switch_by_hand(of_first, of_second, expected: float) -> None:
    found = discrimination.switch(of_first, of_second, FIRST, SECOND)
    assert found.tolist() == pytest.approx([expected])


def test_the_switch_is_zero_for_any_map_that_ignores_the_question() -> None:
    heats = torch.rand(20, 8, 8)
    first = torch.rand(20, 8, 8) > 0.7
    second = (torch.rand(20, 8, 8) > 0.7) & ~first
    found = discrimination.switch(heats, heats, first, second)
    torch.testing.assert_close(found, torch.zeros(20), atol=1e-6, rtol=0)


def test_the_switch_does_not_depend_on_scale_or_on_which_is_first() -> None:
    one, other, first, second = torch.rand(4, 6, 5, 5)
    masks = (first > 0.6, (second > 0.6) & ~(first > 0.6))
    found = discrimination.switch(one, other, *masks)
    torch.testing.assert_close(found, discrimination.switch(7 * one, 0.1 * other, *masks))
    torch.testing.assert_close(found, discrimination.switch(other, one, *masks[::-1]))


def test_half_of_the_heat_lies_in_the_fewest_brightest_pixels() -> None:
    assert discrimination.half_energy_area(heat(1, 5, 3, 1)).tolist() == [0.25]
    assert discrimination.half_energy_area(heat(1, 1, 1, 1)).tolist() == [0.5]
    assert discrimination.half_energy_area(heat(0, 0, 0, 0)).isnan().all()


def test_a_finer_map_has_the_smaller_half_energy_area() -> None:
    distance = torch.arange(33.0) - 16
    wide, narrow = (torch.exp(-((distance[:, None] ** 2 + distance**2) / s)) for s in (90, 15))
    heats = torch.stack([narrow, wide])
    area = discrimination.half_energy_area(heats)
    assert area[0] < area[1]
    assert map_shape.area_above_half(heats)[0] < map_shape.area_above_half(heats)[1]
