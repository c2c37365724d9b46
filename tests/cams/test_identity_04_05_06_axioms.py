"""Identities 4, 5 and 6: conservation, sensitivity, and where XGrad-CAM is ill-posed."""

from functools import partial

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.cams.axioms import (
    activations_and_gradients,
    bias_terms,
    conservation_error,
    denominator_report,
    sensitivity_error,
)
from xaihelpers.cams.methods import grad_cam, hires_cam, xgrad_cam

TOLERANCE = 1e-10
TARGETS = [4, 1]
SOUND = ("grad_cam", "xgrad_cam", "hires_cam")


def relative(found: Tensor, expected: Tensor) -> float:
    assert expected.abs().max() > 0
    return float((found - expected).abs().max() / expected.abs().max())


def in_double(network: nn.Module) -> nn.Module:
    """Float64, evaluation mode, batch norms that shift and scale as trained ones do."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.double().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, dtype=torch.float64)


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    torch.manual_seed(0)
    return in_double(torchvision.models.resnet50(num_classes=5))


@pytest.fixture(scope="module")
def efficientnet_b0() -> nn.Module:
    torch.manual_seed(0)
    return in_double(torchvision.models.efficientnet_b0(num_classes=5))


def unexplained(network: nn.Module, images: Tensor, layer: str) -> float:
    """Largest |y - sum(G*A) - bias terms| / |y| of the batch."""
    activations, gradients, score = activations_and_gradients(network, images, layer, TARGETS)
    total = (activations * gradients).flatten(1).sum(1)
    rest = score - total - bias_terms(network, images, layer, TARGETS)
    return float((rest.abs() / score.abs()).max())


@pytest.mark.parametrize("layer", ["layer4", "layer3", "layer2", "maxpool", "bn1", "conv1"])
def test_identity_04_score_is_sum_of_gradient_times_activation_plus_bias_terms_in_resnet50(
    resnet50: nn.Module, images: Tensor, layer: str
) -> None:
    assert unexplained(resnet50, images, layer) < TOLERANCE


@pytest.mark.parametrize("layer", ["final_relu", "features", "features.denseblock3"])
def test_identity_04_holds_in_densenet121(images: Tensor, layer: str) -> None:
    network = in_double(networks.build("densenet121", 5))
    assert unexplained(network, images, layer) < TOLERANCE


def test_identity_04_bias_terms_are_not_negligible(resnet50: nn.Module, images: Tensor) -> None:
    _, _, score = activations_and_gradients(resnet50, images, "conv1", TARGETS)
    assert (bias_terms(resnet50, images, "conv1", TARGETS) / score).abs().min() > 0.1


@pytest.mark.parametrize("layer", ["features.4", "features.2"])
def test_identity_04_fails_for_silu(efficientnet_b0: nn.Module, images: Tensor, layer: str) -> None:
    assert unexplained(efficientnet_b0, images, layer) > 1e-3


def test_identity_04_fails_for_the_elu_of_vgg19_s_head(images: Tensor) -> None:
    assert unexplained(in_double(networks.build("vgg19", 5)), images, "features.36") > 1e-6


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 5),
    size=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_identity_04_xgrad_cam_and_hires_cam_sum_to_gradient_times_activation(
    channels: int, size: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, channels, *size)
    activations = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)
    gradients = torch.randn(shape, generator=generator, dtype=torch.float64)
    expected = (activations * gradients).flatten(1).sum(1)
    scale = (activations * gradients).abs().sum()
    for method in (partial(xgrad_cam, eps=0.0), hires_cam):
        total = method(activations, gradients).flatten(1).sum(1)
        assert (total - expected).abs().max() < TOLERANCE * scale


def test_identity_04_grad_cam_does_not_sum_to_gradient_times_activation(
    resnet50: nn.Module, images: Tensor
) -> None:
    activations, gradients, _ = activations_and_gradients(resnet50, images, "layer3", TARGETS)
    expected = (activations * gradients).flatten(1).sum(1)
    assert relative(grad_cam(activations, gradients).flatten(1).sum(1), expected) > 0.1


def small_relu_network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in ((3, 8), (8, 16), (16, 16)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)).double()


def test_identity_05_under_a_gap_head_three_methods_meet_sensitivity_exactly() -> None:
    images = torch.randn(8, 3, 12, 12, dtype=torch.float64)
    errors = sensitivity_error(small_relu_network(0), images, "5", 0, SOUND)
    assert errors["grad_cam"].max() < TOLERANCE
    assert errors["hires_cam"].max() < TOLERANCE
    assert errors["xgrad_cam"].max() < 1e-6  # its eps


def test_identity_05_under_a_gap_head_the_conservation_error_is_the_head_s_bias(
    resnet50: nn.Module, images: Tensor
) -> None:
    errors = conservation_error(resnet50, images, "layer4", TARGETS, SOUND)
    score = activations_and_gradients(resnet50, images, "layer4", TARGETS)[2]
    expected = resnet50.get_parameter("fc.bias").detach()[TARGETS].abs() / score.abs()
    assert relative(errors["grad_cam"], expected) < TOLERANCE
    assert relative(errors["hires_cam"], expected) < TOLERANCE
    assert relative(errors["xgrad_cam"], expected) < 1e-5  # its eps


def test_identity_05_positive_gradients_alone_break_both_axioms() -> None:
    methods = ("grad_cam_plus_plus", "layer_cam")
    images = torch.randn(8, 3, 12, 12, dtype=torch.float64)
    inputs = (small_relu_network(0), images, "5", 0, methods)  # what feeds GAP
    for errors in (sensitivity_error(*inputs), conservation_error(*inputs)):
        assert all(errors[name].min() > 0.1 for name in methods)


@pytest.mark.parametrize("seed", range(3))
def test_identity_05_at_any_layer_of_a_relu_network_conservation_errs_by_the_bias_terms(
    seed: int,
) -> None:
    network = small_relu_network(seed)
    images = torch.randn(16, 3, 12, 12, dtype=torch.float64)
    errors = conservation_error(network, images, "3", 0, SOUND)
    score = activations_and_gradients(network, images, "3", 0)[2]
    expected = bias_terms(network, images, "3", 0).abs() / score.abs()
    assert relative(errors["hires_cam"], expected) < TOLERANCE
    assert relative(errors["xgrad_cam"], expected) < 1e-5  # its eps
    assert relative(errors["grad_cam"], expected) > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_identity_05_xgrad_cam_and_hires_cam_err_equally_in_sensitivity_and_never_zero(
    seed: int,
) -> None:
    images = torch.randn(16, 3, 12, 12, dtype=torch.float64)
    errors = sensitivity_error(small_relu_network(seed), images, "3", 0, SOUND)
    assert relative(errors["xgrad_cam"], errors["hires_cam"]) < 1e-5  # eps
    assert errors["xgrad_cam"].min() > 0.01  # the score is only piecewise linear in a channel


def test_identity_06_the_weight_explodes_as_the_sum_of_activations_nears_zero() -> None:
    gradients = torch.tensor([[[2.0, 1.0]]], dtype=torch.float64)
    for delta in (1e-1, 1e-3, 1e-5):
        activations = torch.tensor([[[1.0, -1.0 + delta]]], dtype=torch.float64)
        # weight = (2 - 1 + delta) / delta, which is also the map's first cell
        cell = xgrad_cam(activations, gradients, eps=0.0)[0, 0].item()
        assert cell == pytest.approx((1 + delta) / delta, rel=1e-9)
        assert hires_cam(activations, gradients).abs().max() <= 2


def test_identity_06_a_negative_sum_turns_the_sign_of_the_weight() -> None:
    activations = torch.tensor([[[1.0, -2.0]]], dtype=torch.float64)
    gradients = torch.tensor([[[2.0, 0.0]]], dtype=torch.float64)  # only for the positive cell
    assert grad_cam(activations, gradients).tolist() == [[1.0, -2.0]]
    assert xgrad_cam(activations, gradients, eps=0.0).tolist() == [[-2.0, 4.0]]


def test_identity_06_one_channel_can_dominate_the_map() -> None:
    activations = torch.rand(1, 16, 4, 4, dtype=torch.float64)
    activations[0, 0] = torch.linspace(-1, 1, 16).view(4, 4).double() + 1e-6
    gradients = torch.rand(1, 16, 4, 4, dtype=torch.float64)
    assert denominator_report(activations, gradients).dominance.item() > 0.99
    assert denominator_report(activations.abs(), gradients).dominance.item() < 0.5


def test_identity_06_does_no_harm_where_the_gradient_is_constant_over_space(
    efficientnet_b0: nn.Module, images: Tensor
) -> None:
    activations, gradients, _ = activations_and_gradients(
        efficientnet_b0, images, "features.8", TARGETS
    )
    report = denominator_report(activations, gradients)
    assert report.negative.min() > 0.1  # SiLU's output is signed ...
    assert report.flipped.max() == 0  # ... yet no weight turns
    found = xgrad_cam(activations, gradients, eps=0.0)
    assert relative(found, hires_cam(activations, gradients)) < TOLERANCE


@pytest.mark.parametrize("layer", ["maxpool", "layer1", "layer2", "layer3", "layer4"])
def test_identity_06_cannot_happen_after_a_relu(
    resnet50: nn.Module, images: Tensor, layer: str
) -> None:
    report = denominator_report(*activations_and_gradients(resnet50, images, layer, TARGETS)[:2])
    assert report.negative.max() == 0
    assert report.cancelling.max() == 0
    assert report.flipped.max() < 1


@pytest.mark.parametrize("stage", range(8))
def test_identity_06_the_sum_is_negative_at_every_stage_of_efficientnet_b0(
    efficientnet_b0: nn.Module, images: Tensor, stage: int
) -> None:
    parts = activations_and_gradients(efficientnet_b0, images, f"features.{stage}", TARGETS)[:2]
    assert denominator_report(*parts).negative.min() > 0.1


def test_identity_06_the_sign_turns_after_efficientnet_b0_s_first_silu(
    efficientnet_b0: nn.Module, images: Tensor
) -> None:
    parts = activations_and_gradients(efficientnet_b0, images, "features.0", TARGETS)[:2]
    report = denominator_report(*parts)
    assert report.cancelling.min() > 0
    assert report.flipped.min() > 0.1
