"""Identities 1 and 2: under global average pooling (GAP) and a linear head the methods coincide."""

from collections.abc import Callable
from functools import partial

import pytest
import sympy
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.cams import explain
from xaihelpers.cams.axioms import activations_and_gradients
from xaihelpers.cams.maps import min_max, rectify
from xaihelpers.cams.methods import cam, grad_cam, hires_cam, layer_cam, xgrad_cam

TOLERANCE = 1e-10


def relative(found: Tensor, expected: Tensor) -> float:
    assert expected.abs().max() > 0
    return float((found - expected).abs().max() / expected.abs().max())


def in_double(network: nn.Module) -> nn.Module:
    """Float64, evaluation mode, batch-norm statistics as after training rather than 0 and 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.double().eval()


def tiny() -> nn.Module:
    layers = [nn.Conv2d(3, 6, 3), nn.SiLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()]
    return nn.Sequential(
        nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )


# what feeds GAP, and the linear layer behind it
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "tiny": (tiny, "0", "3"),
    "resnet50": (partial(torchvision.models.resnet50, num_classes=5), "layer4", "fc"),
    "efficientnet_b0": (
        partial(torchvision.models.efficientnet_b0, num_classes=5),
        "features.8",
        "classifier.1",
    ),
    "efficientnet_lite0": (partial(networks.build, "efficientnet_lite0", 5), "bn2", "classifier"),
    "densenet121 after its ReLU": (
        partial(networks.build, "densenet121", 5),
        "final_relu",
        "classifier",
    ),
}
TARGETS = [4, 1]

Case = tuple[nn.Module, Tensor, str, nn.Linear]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    build, layer, head = NETWORKS[request.param]
    network = in_double(build())
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    return network, images, layer, network.get_submodule(head)  # type: ignore[return-value]


def test_identity_01_the_gradient_under_gap_and_a_linear_head_by_symbols() -> None:
    w, bias = sympy.symbols("w1:3"), sympy.Symbol("b")
    a = [sympy.MatrixSymbol(f"A{k}", 2, 2).as_explicit() for k in (1, 2)]
    y = sum(w[k] * sum(a[k]) / 4 for k in (0, 1)) + bias
    assert all(sympy.simplify(y.diff(cell) - w[k] / 4) == 0 for k in (0, 1) for cell in a[k])
    alpha = [sum(y.diff(cell) for cell in a[k]) / 4 for k in (0, 1)]
    grad_cam_map = alpha[0] * a[0] + alpha[1] * a[1]
    cam_map = w[0] * a[0] + w[1] * a[1]
    assert sympy.simplify(grad_cam_map - cam_map / 4) == sympy.zeros(2, 2)


def test_identity_01_cam_is_grad_cam_times_z_by_hand() -> None:
    activations = torch.tensor([[[[1.0, 2.0], [0.0, 1.0]], [[4.0, 0.0], [2.0, 2.0]]]])
    weights = torch.tensor([[2.0, -1.0]])
    gradients = (weights / 4)[:, :, None, None].expand(1, 2, 2, 2)
    expected = torch.tensor([[[-2.0, 4.0], [-2.0, 0.0]]])
    assert torch.equal(cam(activations, weights), expected)
    assert torch.equal(grad_cam(activations, gradients), expected / 4)


def test_identity_01_cam_is_grad_cam_times_z(case: Case) -> None:
    network, images, layer, head = case
    activations, _, _ = activations_and_gradients(network, images, layer, TARGETS)
    cells = activations.shape[2:].numel()
    expected = cam(activations, head.weight.detach()[TARGETS])
    found = explain(network, images, layer, target=TARGETS).raw["grad_cam"]
    assert relative(found * cells, expected) < TOLERANCE


def test_identity_01_cam_and_grad_cam_are_equal_after_min_max(case: Case) -> None:
    network, images, layer, head = case
    activations, gradients, _ = activations_and_gradients(network, images, layer, TARGETS)
    class_map = cam(activations, head.weight.detach()[TARGETS])
    found, expected = (
        min_max(rectify(raw)) for raw in (grad_cam(activations, gradients), class_map)
    )
    assert (found - expected).abs().max() < TOLERANCE


def test_identity_01_the_gradient_is_the_head_s_weight_over_z_everywhere(case: Case) -> None:
    network, images, layer, head = case
    _, gradients, _ = activations_and_gradients(network, images, layer, TARGETS)
    cells = gradients.shape[2:].numel()
    expected = (head.weight.detach()[TARGETS] / cells)[:, :, None, None].expand_as(gradients)
    assert relative(gradients, expected) < TOLERANCE


def test_identity_01_fails_before_densenet_s_relu() -> None:
    network = in_double(networks.build("densenet121", 5))
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    activations, gradients, _ = activations_and_gradients(network, images, "features", TARGETS)
    weights = network.get_submodule("classifier").get_parameter("weight").detach()[TARGETS]
    cells = activations.shape[2:].numel()
    assert (activations < 0).any()
    assert relative(grad_cam(activations, gradients) * cells, cam(activations, weights)) > 0.1


def test_identity_02_hires_cam_is_grad_cam_under_a_gap_head(case: Case) -> None:
    network, images, layer, _ = case
    activations, gradients, _ = activations_and_gradients(network, images, layer, TARGETS)
    assert relative(hires_cam(activations, gradients), grad_cam(activations, gradients)) < TOLERANCE


def test_identity_02_xgrad_cam_is_grad_cam_under_a_gap_head(case: Case) -> None:
    network, images, layer, _ = case
    activations, gradients, _ = activations_and_gradients(network, images, layer, TARGETS)
    live = activations.flatten(2).abs().sum(2) > 0
    assert live.any(0).sum() > 1
    # dead channels would be 0/0 without eps; they add nothing to any map
    filled = activations + (~live)[:, :, None, None]
    found = xgrad_cam(filled, gradients * live[:, :, None, None], eps=0.0)
    assert relative(found, grad_cam(activations, gradients)) < TOLERANCE


def test_identity_02_eps_moves_xgrad_cam_by_less_than_a_millionth_where_a_is_positive() -> None:
    activations = torch.rand(2, 6, 4, 4, dtype=torch.float64)
    gradients = torch.randn(2, 6, 1, 1, dtype=torch.float64).expand_as(activations)
    difference = relative(xgrad_cam(activations, gradients), grad_cam(activations, gradients))
    assert 0 < difference < 1e-6


def test_identity_02_methods_part_at_an_earlier_layer() -> None:
    network = in_double(torchvision.models.resnet50(num_classes=5))
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    parts = activations_and_gradients(network, images, "layer3", TARGETS)[:2]
    maps = [method(*parts) for method in (grad_cam, xgrad_cam, hires_cam, layer_cam)]
    for i, first in enumerate(maps):
        for second in maps[:i]:
            assert relative(first, second) > 0.1


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 6),
    size=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_identities_01_and_02_hold_in_one_two_and_three_dimensions(
    channels: int, size: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, channels, *size)
    activations = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)
    activations.requires_grad_()
    weights = torch.randn(2, channels, generator=generator, dtype=torch.float64)
    score = (activations.flatten(2).mean(2) * weights).sum()
    (gradients,) = torch.autograd.grad(score, activations)
    expected = cam(activations.detach(), weights) / torch.Size(size).numel()
    no_eps = partial(xgrad_cam, eps=0.0)
    scale = (activations.detach().amax() * weights.abs().amax()).item()
    for method in (grad_cam, hires_cam, no_eps):
        difference = (method(activations.detach(), gradients) - expected).abs().max()
        assert difference < TOLERANCE * scale
