"""Identity 3: where Grad-CAM++'s closed form comes from, where it is wrong, what it amounts to."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

from xaihelpers.cams.axioms import activations_and_gradients
from xaihelpers.cams.methods import cam, grad_cam_plus_plus

TOLERANCE = 1e-10
Score = Callable[[Tensor], Tensor]


def relative(found: Tensor, expected: Tensor) -> float:
    assert expected.abs().max() > 0
    return float((found - expected).abs().max() / expected.abs().max())


def head(activation: Callable[[Tensor], Tensor]) -> Score:
    """A (2, 2, 2), two channels of four cells -> linear -> activation -> linear -> one number."""
    generator = torch.Generator().manual_seed(3)
    first = torch.randn(16, 8, generator=generator, dtype=torch.float64) / 2
    last = torch.randn(16, generator=generator, dtype=torch.float64) / 4
    return lambda activations: last @ activation(first @ activations.flatten())


def gradient(score: Score, activations: Tensor) -> Tensor:
    point = activations.detach().requires_grad_()
    return torch.autograd.grad(score(point), point)[0]


def own_derivatives(score: Score, activations: Tensor) -> tuple[Tensor, Tensor]:
    """Second and third derivative by each single cell, by nested automatic differentiation."""
    point = activations.detach().requires_grad_()
    (first,) = torch.autograd.grad(score(point), point, create_graph=True)
    second, third = torch.zeros(2, point.numel(), dtype=point.dtype)
    for cell, slope in enumerate(first.flatten()):
        (curvature,) = torch.autograd.grad(slope, point, create_graph=True)
        (change,) = torch.autograd.grad(curvature.flatten()[cell], point, retain_graph=True)
        second[cell], third[cell] = curvature.flatten()[cell].detach(), change.flatten()[cell]
    return second.view_as(point), third.view_as(point)


def weights_by_definition(score: Score, activations: Tensor) -> Tensor:
    """w_k = sum_ij a_ij ReLU(G_ij) with a = d2Y / (2 d2Y + sum(A) d3Y), Y = exp(y), G = dy/dA."""
    second, third = own_derivatives(lambda point: score(point).exp(), activations)
    alpha = second / (2 * second + activations.sum((1, 2), keepdim=True) * third)
    return (alpha * gradient(score, activations).relu()).sum((1, 2))


def weights_in_closed_form(score: Score, activations: Tensor) -> Tensor:
    """The package's w_k: each channel as an image of its own, whose map is w_k A^k."""
    slopes = gradient(score, activations)
    alone = grad_cam_plus_plus(activations[:, None], slopes[:, None])  # each channel an image
    return alone.sum((1, 2)) / activations.sum((1, 2))


ACTIVATIONS = torch.rand(2, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_identity_03_closed_form_equals_nested_autograd_for_a_relu_head() -> None:
    expected = weights_by_definition(head(F.relu), ACTIVATIONS)
    assert relative(weights_in_closed_form(head(F.relu), ACTIVATIONS), expected) < TOLERANCE


@pytest.mark.parametrize("activation", [F.silu, F.elu], ids=["SiLU", "ELU"])
def test_identity_03_closed_form_is_wrong_for_a_curved_head(
    activation: Callable[[Tensor], Tensor],
) -> None:
    expected = weights_by_definition(head(activation), ACTIVATIONS)
    error = relative(weights_in_closed_form(head(activation), ACTIVATIONS), expected)
    assert error > 0.01


def test_identity_03_derivatives_of_exp_y_are_powers_of_the_gradient_for_a_relu_head() -> None:
    score = head(F.relu)
    second, third = own_derivatives(lambda point: score(point).exp(), ACTIVATIONS)
    slopes, height = gradient(score, ACTIVATIONS), score(ACTIVATIONS).exp()
    assert relative(second, height * slopes**2) < TOLERANCE
    assert relative(third, height * slopes**3) < TOLERANCE


def test_identity_03_the_logit_s_own_second_derivative_is_zero_for_a_relu_head() -> None:
    hessian = torch.autograd.functional.hessian(head(F.relu), ACTIVATIONS)
    assert torch.equal(hessian, torch.zeros_like(hessian))


@pytest.mark.parametrize("activation", [F.silu, F.elu], ids=["SiLU", "ELU"])
def test_identity_03_the_logit_s_own_second_derivative_is_not_zero_for_a_curved_head(
    activation: Callable[[Tensor], Tensor],
) -> None:
    hessian = torch.autograd.functional.hessian(head(activation), ACTIVATIONS)
    assert hessian.abs().max() > 1e-3


def test_identity_03_under_a_gap_head_it_only_reweights_the_channels() -> None:
    activations = torch.rand(3, 6, 4, 5, dtype=torch.float64)
    slope = torch.randn(3, 6, dtype=torch.float64) / 20
    gradients = slope[:, :, None, None].expand_as(activations)
    weights = 20 * slope.relu() / (2 + slope * activations.sum((2, 3)))
    found = grad_cam_plus_plus(activations, gradients)
    assert relative(found, cam(activations, weights)) < TOLERANCE


@pytest.mark.parametrize("layer", ["layer3", "layer2"])
def test_identity_03_it_is_close_to_grad_cam_with_positive_gradients(layer: str) -> None:
    network = torchvision.models.resnet50(num_classes=5).double().eval()
    images = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    activations, gradients, _ = activations_and_gradients(network, images, layer)
    ours = grad_cam_plus_plus(activations, gradients).flatten(1)
    positive = cam(activations, gradients.relu().mean((2, 3))).flatten(1)
    for first, second in zip(ours, positive, strict=True):
        assert torch.corrcoef(torch.stack([first, second]))[0, 1] > 0.99
