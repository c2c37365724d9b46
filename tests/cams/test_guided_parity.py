"""Guided backpropagation and Guided Grad-CAM against Captum, and where Captum differs."""

import pytest
import torch
import torchvision
from captum.attr import GuidedBackprop, GuidedGradCam
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.cams.guided import guided_backprop, guided_grad_cam

pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU:UserWarning"),
    pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require:UserWarning"),
]

LAYERS = {"vgg19": ("features.36", "features.26"), "resnet50": ("layer4", "layer3")}


def _network(name: str) -> nn.Module:
    torch.manual_seed(1)
    network = networks.build(name, 5).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network


def _relative(found: Tensor, expected: Tensor) -> float:
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module", params=["vgg19", "resnet50"])
def case(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Tensor, list[int]]:
    return request.param, _network(request.param), torch.randn(4, 3, 64, 64), [3, 2, 3, 1]


def test_guided_backprop_is_bit_identical_to_captum(
    case: tuple[str, nn.Module, Tensor, list[int]],
) -> None:
    _, network, images, targets = case
    expected = GuidedBackprop(network).attribute(images, targets)
    assert expected.abs().max() > 0
    assert torch.equal(guided_backprop(network, images, targets), expected)


@pytest.mark.parametrize("depth", [0, 1], ids=["last", "middle"])
@pytest.mark.parametrize("count", [1, 4])
def test_guided_grad_cam_is_bit_identical_to_captum(
    case: tuple[str, nn.Module, Tensor, list[int]], depth: int, count: int
) -> None:
    name, network, images, targets = case
    layer = LAYERS[name][depth]
    peer = GuidedGradCam(network, network.get_submodule(layer))
    expected = peer.attribute(images[:count], targets[:count], interpolate_mode="bilinear")
    assert expected.abs().max() > 0
    found = guided_grad_cam(network, images[:count], layer, targets[:count])
    assert torch.equal(found, expected)


def test_captum_misses_a_functional_relu_and_ours_does_not() -> None:
    # torchvision's calls F.relu between its features and the pooling; all other ReLUs are modules
    torch.manual_seed(1)
    network = torchvision.models.densenet121(num_classes=5).eval()
    images = torch.randn(1, 3, 64, 64)
    peer = GuidedBackprop(network).attribute(images, 2)
    with_module = nn.Sequential(
        network.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.classifier
    )
    assert torch.equal(guided_backprop(network, images, 2), guided_backprop(with_module, images, 2))
    assert torch.equal(
        GuidedBackprop(with_module).attribute(images, 2), guided_backprop(network, images, 2)
    )
    assert _relative(peer, guided_backprop(network, images, 2)) > 0.1


def test_relu6_is_bit_identical_to_captums_relu_where_no_unit_reaches_6() -> None:
    """Captum hooks `nn.ReLU` alone; below 6 a ReLU6 is a ReLU."""
    torch.manual_seed(1)
    small = [nn.Conv2d(3, 8, 3), nn.ReLU6(), nn.Conv2d(8, 8, 3, 2), nn.ReLU6(inplace=True)]
    ours = nn.Sequential(*small, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    theirs = nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.ReLU6) else layer for layer in ours))
    images, targets = torch.randn(3, 3, 20, 20), [1, 3, 0]
    assert ours[:4](images).max() < 6
    expected = GuidedBackprop(theirs).attribute(images, targets)
    assert expected.abs().max() > 0
    assert torch.equal(guided_backprop(ours, images, targets), expected)
    assert GuidedBackprop(ours).attribute(images, targets).lt(0).any()  # the plain gradient
    assert not torch.equal(GuidedBackprop(ours).attribute(images, targets), expected)
