"""What is done to a raw map, step by step."""

import cv2
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaihelpers.cams import InputError, maps


def test_rectify_keeps_the_positive_part() -> None:
    assert maps.rectify(torch.tensor([[[-1.0, 2.0]]])).tolist() == [[[0.0, 2.0]]]


def test_min_max_stretches_every_image_by_its_own_range() -> None:
    heat = torch.tensor([[[1.0, 3.0], [2.0, 1.0]], [[0.0, 100.0], [25.0, 0.0]]])
    expected = [[[0.0, 1.0], [0.5, 0.0]], [[0.0, 1.0], [0.25, 0.0]]]
    assert maps.min_max(heat).tolist() == expected


@pytest.mark.parametrize("value", [0.0, -2.0, 7.0])
def test_min_max_of_a_flat_map_is_zero_and_not_nan(value: float) -> None:
    assert torch.count_nonzero(maps.min_max(torch.full((1, 3, 3), value))) == 0


@settings(deadline=None, max_examples=50)
@given(scale=st.floats(1e-30, 1e30), seed=st.integers(0, 10**6))
def test_min_max_reaches_0_and_1_at_any_scale(scale: float, seed: int) -> None:
    heat = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(seed)) * scale
    stretched = maps.min_max(heat)
    assert stretched.amin((1, 2)).tolist() == [0, 0]
    assert stretched.amax((1, 2)).tolist() == [1, 1]


def test_upsample_equals_opencv() -> None:
    heat = torch.rand(1, 7, 7)
    expected = cv2.resize(heat[0].numpy(), (224, 160), interpolation=cv2.INTER_LINEAR)
    result = maps.upsample(heat, (160, 224))
    torch.testing.assert_close(result[0], torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(8,), (8, 6), (8, 6, 4)])
def test_upsample_takes_one_two_and_three_dimensions(size: tuple[int, ...]) -> None:
    heat = torch.full((2, *(2 for _ in size)), 0.5)
    assert torch.equal(maps.upsample(heat, size), torch.full((2, *size), 0.5))


def test_upsample_refuses_a_size_of_other_dimensions() -> None:
    with pytest.raises(InputError, match="as many sizes"):
        maps.upsample(torch.zeros(1, 7, 7), (8,))


def test_relu_before_upsampling_is_not_relu_after_it() -> None:
    raw = torch.tensor([[[-1.0, 1.0]]])
    before = maps.upsample(maps.rectify(raw), (1, 4))
    after = maps.rectify(maps.upsample(raw, (1, 4)))
    assert before.tolist() == [[[0.0, 0.25, 0.75, 1.0]]]
    assert after.tolist() == [[[0.0, 0.0, 0.5, 1.0]]]


def test_threshold_is_a_share_of_the_maximum() -> None:
    heat = torch.tensor([[[0.0, 1.0], [2.0, 10.0]]])
    assert maps.threshold(heat, 0.2).tolist() == [[[False, False], [True, True]]]


def test_threshold_finds_nothing_in_a_zero_map() -> None:
    assert not maps.threshold(torch.zeros(1, 3, 3), 0.15).any()
