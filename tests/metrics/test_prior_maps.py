"""Maps that never asked the network: what they show, and the bound that no map exceeds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import sobel_h, sobel_v
from torch import Tensor

from xaihelpers.cams.maps import upsample
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import prior_maps
from xaihelpers.metrics.localization import energy_in_mask


def test_edges_of_a_step_lie_along_it() -> None:
    images = torch.zeros(1, 3, 6, 6)
    images[..., 3:] = 7
    expected = torch.zeros(6, 6)
    expected[:, 2:4] = 1
    assert torch.equal(prior_maps.edges(images)[0], expected)


def test_edges_equal_scikit_images_sobel_up_to_scale() -> None:
    image = torch.rand(1, 3, 20, 20)
    grey = image.mean(dim=1)[0].numpy()
    size = torch.from_numpy((sobel_h(grey) ** 2 + sobel_v(grey) ** 2) ** 0.5)
    inner = slice(1, -1)  # they treat the outermost pixels in another way
    ours = prior_maps.edges(image)[0][inner, inner].flatten()
    stacked = torch.stack([ours.double(), size[inner, inner].flatten().double()])
    assert float(stacked.corrcoef()[0, 1]) == pytest.approx(1, abs=1e-6)


def test_edges_know_no_scale_and_a_flat_image_has_none() -> None:
    image = torch.randint(0, 255, (2, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(prior_maps.edges(image), prior_maps.edges(image.float() / 255))
    assert not prior_maps.edges(torch.full((1, 3, 8, 8), 9.0)).any()
    with pytest.raises(EvaluationError, match=r"must be \(N, C, H, W\)"):
        prior_maps.edges(torch.rand(3, 8, 8))


def blobs(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 30, 30, generator=generator) > 0.97


def test_the_bound_by_trying_every_cell() -> None:
    mask = blobs(0)
    single = torch.eye(35).view(-1, 5, 7)
    heats = upsample(single, (30, 30))
    tried = [energy_in_mask(heats, one.expand(35, -1, -1)).max() for one in mask]
    torch.testing.assert_close(prior_maps.best_possible(mask, (5, 7)), torch.stack(tried))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(1, 1), (3, 4), (7, 7)]))
def test_no_map_of_the_grid_exceeds_the_bound(seed: int, grid: tuple[int, int]) -> None:
    mask = blobs(seed)
    cells = torch.rand(3, *grid, generator=torch.Generator().manual_seed(seed)) ** 8
    reached = energy_in_mask(upsample(cells, (30, 30)), mask)
    assert (reached <= prior_maps.best_possible(mask, grid) + 1e-5).all()


def test_the_bound_of_one_cell_is_the_masks_share_and_of_a_fine_grid_is_all() -> None:
    mask = blobs(1)
    torch.testing.assert_close(
        prior_maps.best_possible(mask, (1, 1)), mask.float().mean(dim=(1, 2))
    )
    torch.testing.assert_close(prior_maps.best_possible(mask, (30, 30)), torch.ones(3))
    assert prior_maps.best_possible(torch.zeros_like(mask), (7, 7)).tolist() == [0, 0, 0]


def test_the_bound_wants_masks() -> None:
    with pytest.raises(EvaluationError, match="mask must be bool"):
        prior_maps.best_possible(torch.ones(1, 8, 8), (2, 2))
