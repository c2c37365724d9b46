"""Where a picture lies in the network's input, and how a map is laid back onto it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xaihelpers.cams.maps import upsample
from xaihelpers.show.picture.geometry import Geometry


def test_an_unchanged_picture_gets_the_map_that_upsampling_gives() -> None:
    heat = torch.rand(1, 7, 5)
    laid = Geometry.of(56, 45).to_picture(heat[0].numpy())
    np.testing.assert_allclose(laid, upsample(heat, (56, 45))[0], atol=1e-6)


def test_a_point_follows_resize_crop_and_padding_by_hand() -> None:
    geometry = Geometry.of(300, 400).resized(150, 200).cropped(10, 20, 128, 128)
    assert geometry.to_input(100, 100) == (40, 30)
    padded = geometry.padded(left=3, top=5, right=1, bottom=2)
    assert padded.size == (135, 132)
    assert padded.to_input(100, 100) == (45, 33)


def test_outside_the_crop_there_is_no_heat_and_inside_it_is_where_it_was() -> None:
    geometry = Geometry.of(40, 60).cropped(10, 20, 20, 20)
    assert geometry.seen() == (10, 20, 30, 40)
    heat = np.arange(1, 401, dtype=np.float32).reshape(20, 20)
    laid = geometry.to_picture(heat)
    np.testing.assert_allclose(laid[10:30, 20:40], heat)
    assert laid.sum() == heat.sum()


def test_padding_is_cut_off_again() -> None:
    geometry = Geometry.of(20, 30).padded(left=0, top=5, right=0, bottom=5)
    heat = np.random.default_rng(0).random((30, 30), dtype=np.float32)
    np.testing.assert_allclose(geometry.to_picture(heat), heat[5:25], rtol=1e-6)
    assert geometry.seen() == (0, 0, 20, 30)


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(-20, 20), st.integers(-20, 20)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_a_laid_map_has_the_pictures_size_and_never_leaves_the_maps_range(
    picture: tuple[int, int],
    resized: tuple[int, int],
    corner: tuple[int, int],
    grid: tuple[int, int],
) -> None:
    geometry = Geometry.of(*picture).resized(*resized).cropped(*corner, *resized)
    heat = np.random.default_rng(0).random(grid, dtype=np.float32)
    laid = geometry.to_picture(heat)
    assert laid.shape == picture
    assert laid.min() >= 0
    assert laid.max() <= heat.max() * (1 + 1e-6)


@pytest.mark.parametrize("cells", [1, 2, 7])
def test_a_flat_map_stays_flat(cells: int) -> None:
    laid = Geometry.of(33, 21).resized(64, 64).to_picture(np.ones((cells, cells), np.float32))
    np.testing.assert_allclose(laid, 1, rtol=1e-6)
