"""The four classifiers with random weights, in the state a trained network would be in."""

import copy
from collections.abc import Callable
from functools import cache

import pytest
import torch
import torchvision
from torch import Tensor, nn

from xaihelpers import networks

# architecture -> last and middle layer whose output no in-place operation follows
LAYERS = {
    "vgg19": ("features.36", "features.18"),
    "efficientnet_b0": ("features.8", "features.4"),
    "densenet121": ("features.denseblock4", "features.denseblock3"),
    "resnet50": ("layer4", "layer2"),
}


@cache
def build(arch: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A five-class network whose batch norms know their inputs' statistics."""
    if dtype != torch.float32:
        return copy.deepcopy(build(arch)).to(dtype)
    torch.manual_seed(0)
    if arch == "vgg19":
        model = networks.build("vgg19", 5)
    else:
        model = getattr(torchvision.models, arch)(num_classes=5)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 64, 64))
    return model.eval()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `arch, layer, count` sees each network, depth and batch size."""
    if {"arch", "layer", "count"} <= set(metafunc.fixturenames):
        cases = [
            pytest.param(arch, layer, count, id=f"{arch}-{layer}-{count}")
            for arch, layers in LAYERS.items()
            for layer in layers
            for count in (1, 4)
        ]
        metafunc.parametrize(("arch", "layer", "count"), cases)


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    return build


@pytest.fixture
def pictures() -> Callable[[int], Tensor]:
    def make(count: int) -> Tensor:
        return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(3))

    return make


@pytest.fixture
def error() -> Callable[[Tensor, Tensor], float]:
    """Largest absolute difference as a share of the largest absolute value."""

    def relative(result: Tensor, expected: Tensor) -> float:
        return float((result - expected).abs().max() / expected.abs().max())

    return relative
