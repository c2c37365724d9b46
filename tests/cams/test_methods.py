"""Golden maps worked out by hand, and what each formula promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from xaihelpers.cams import METHODS, methods
from xaihelpers.cams.engine import stacked
from xaihelpers.cams.engine.stacked import raw_maps

# Two channels on a 2x2 grid: S = sum(A) = 4 in both.
A = torch.tensor([[[[1.0, 0.0], [0.0, 3.0]], [[2.0, 2.0], [0.0, 0.0]]]])
G = torch.tensor([[[[1.0, 1.0], [1.0, 1.0]], [[-1.0, 0.0], [0.0, 2.0]]]])

BY_HAND = {
    # alpha = (4/4, 1/4)
    "grad_cam": [[1.5, 0.5], [0.0, 3.0]],
    # w = (4 * 1/(2 + 4*1), 2/(2 + 4*2)) = (2/3, 1/5)
    "grad_cam_plus_plus": [[2 / 3 + 0.4, 0.4], [0.0, 2.0]],
    # w = ((1 + 3)/4, -2/4)
    "xgrad_cam": [[0.0, -1.0], [0.0, 3.0]],
    # G*A = [[1, 0], [0, 3]] + [[-2, 0], [0, 0]]
    "hires_cam": [[-1.0, 0.0], [0.0, 3.0]],
    # the -1 is cut to 0
    "layer_cam": [[1.0, 0.0], [0.0, 3.0]],
}


def random_pair(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(shape, generator=generator, dtype=torch.float64)
    return activations, torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", METHODS)
def test_map_equals_the_one_worked_out_by_hand(name: str) -> None:
    expected = torch.tensor([BY_HAND[name]])
    torch.testing.assert_close(METHODS[name](A, G), expected, atol=1e-6, rtol=0)


def test_cam_sums_channels_with_the_weights_of_the_class() -> None:
    map_ = methods.cam(A, torch.tensor([[2.0, -1.0]]))
    assert map_.tolist() == [[[0.0, -2.0], [0.0, 6.0]]]


def test_counterfactual_is_grad_cam_of_the_negated_score() -> None:
    assert torch.equal(methods.counterfactual(A, G), -methods.grad_cam(A, G))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("grid", [(6,), (2, 3), (1, 3, 2)])
def test_the_number_of_spatial_dimensions_does_not_matter(name: str, grid: tuple[int, ...]) -> None:
    activations, gradients = random_pair((2, 3, 6))
    shaped = METHODS[name](activations.view(2, 3, *grid), gradients.view(2, 3, *grid))
    assert shaped.shape == (2, *grid)
    torch.testing.assert_close(shaped.flatten(1), METHODS[name](activations, gradients))


@pytest.mark.parametrize("name", METHODS)
def test_images_of_a_batch_do_not_mix(name: str) -> None:
    activations, gradients = random_pair((3, 4, 5, 5))
    alone = METHODS[name](activations[1:2], gradients[1:2])
    torch.testing.assert_close(METHODS[name](activations, gradients)[1:2], alone)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), channels=st.integers(1, 5), side=st.integers(1, 6))
def test_grad_cam_plus_plus_is_equation_19_literally(seed: int, channels: int, side: int) -> None:
    activations, gradients = random_pair((2, channels, side, side), seed)
    activations = activations.relu()
    total = activations.sum((2, 3), keepdim=True)
    a = gradients**2 / (2 * gradients**2 + total * gradients**3)
    weights = (a * gradients.relu()).sum((2, 3), keepdim=True)
    expected = (weights * activations).sum(1)
    result = methods.grad_cam_plus_plus(activations, gradients)
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-12)


def test_grad_cam_plus_plus_is_zero_where_no_gradient_is_positive() -> None:
    assert torch.count_nonzero(methods.grad_cam_plus_plus(A, -G.abs())) == 0
    assert torch.count_nonzero(methods.grad_cam_plus_plus(A, torch.zeros_like(G))) == 0


def test_grad_cam_plus_plus_needs_no_eps_for_vanishing_gradients() -> None:
    tiny = torch.full_like(A, 1e-20)
    # w = sum_ij G/2 = 2e-20 to first order, however small G is
    expected = 2e-20 * A.sum(1)
    torch.testing.assert_close(methods.grad_cam_plus_plus(A, tiny), expected, rtol=1e-5, atol=0)


def test_grad_cam_plus_plus_ignores_the_cells_at_the_pole_of_signed_activations() -> None:
    activations = torch.tensor([[[[-2.0, 0.0]]]])  # S = -2
    gradients = torch.tensor([[[[1.0, 0.5]]]])  # 2 + S*G = 0 and 1
    assert methods.grad_cam_plus_plus(activations, gradients).tolist() == [[[-1.0, 0.0]]]


def test_xgrad_cam_gives_a_dead_channel_no_weight() -> None:
    activations = torch.cat([A, torch.zeros(1, 1, 2, 2)], dim=1)
    gradients = torch.cat([G, torch.ones(1, 1, 2, 2)], dim=1)
    torch.testing.assert_close(methods.xgrad_cam(activations, gradients), methods.xgrad_cam(A, G))


def test_xgrad_cam_and_hires_cam_have_the_same_total() -> None:
    activations, gradients = random_pair((3, 4, 5, 5))
    xgrad = methods.xgrad_cam(activations.relu(), gradients, eps=0)
    hires = methods.hires_cam(activations.relu(), gradients)
    torch.testing.assert_close(xgrad.sum((1, 2)), hires.sum((1, 2)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("grid", [(7,), (5, 4), (2, 3, 4)])
def test_stacked_methods_equal_the_readable_ones(
    dtype: torch.dtype, tolerance: float, grid: tuple[int, ...]
) -> None:
    activations, gradients = (part.to(dtype) for part in random_pair((3, 6, *grid)))
    both = torch.stack([gradients, gradients.flip(0)])
    raw = raw_maps(activations.relu(), both, list(METHODS))
    for name, method in METHODS.items():
        for result, gradient in zip(raw[name], both, strict=True):
            expected = method(activations.relu(), gradient)
            assert result.dtype == dtype
            error = (result - expected).abs().max() / expected.abs().max()
            assert error <= tolerance, name


def test_large_batches_are_stacked_in_blocks_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    activations, gradients = random_pair((5, 4, 6, 6))
    whole = raw_maps(activations, gradients[None], list(METHODS))
    monkeypatch.setattr(stacked, "BLOCK", 2 * activations[0].numel())
    in_blocks = raw_maps(activations, gradients[None], list(METHODS))
    for name, maps in whole.items():
        torch.testing.assert_close(in_blocks[name], maps, rtol=0, atol=1e-12)


def test_half_precision_features_give_single_precision_maps() -> None:
    raw = raw_maps(A.bfloat16(), G.bfloat16()[None], ["grad_cam"])
    assert raw["grad_cam"].dtype == torch.float32


def test_a_method_added_to_the_table_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def gradient_only(activations: Tensor, gradients: Tensor) -> Tensor:
        return gradients.sum(dim=1)

    monkeypatch.setitem(METHODS, "gradient_only", gradient_only)
    monkeypatch.setitem(METHODS, "grad_cam", gradient_only)
    raw = raw_maps(A, G[None], ["gradient_only", "grad_cam"])
    assert torch.equal(raw["gradient_only"][0], G.sum(1))
    assert torch.equal(raw["grad_cam"][0], G.sum(1))
