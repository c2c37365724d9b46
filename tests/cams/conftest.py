"""Tiny networks with fixed weights, and images for them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


class SmallNet(nn.Module):
    """Two stages with batch norm and in-place ReLU, dropout, a linear head on average pooling."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(True))
        self.last = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.last(self.stem(images))
        return self.head(self.drop(features.mean((2, 3))))


@pytest.fixture
def small_net() -> Callable[[], SmallNet]:
    """Makes equal networks, in evaluation mode."""

    def make() -> SmallNet:
        torch.manual_seed(1)
        net = SmallNet().eval()
        with torch.no_grad():
            for buffer in (net.stem[1].running_mean, net.stem[1].running_var):
                buffer.uniform_(0.5, 1.5)
        return net

    return make


@pytest.fixture
def net(small_net: Callable[[], SmallNet]) -> SmallNet:
    return small_net()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(2))


def plain_gradients(
    model: nn.Module, images: Tensor, layer: nn.Module, score: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Activations and gradients as a textbook has it: everything recorded, nothing clever."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    handle = layer.register_forward_hook(keep)
    with torch.enable_grad():
        total = score(model(images)).sum()
        handle.remove()
        (gradient,) = torch.autograd.grad(total, kept)
    return kept[0].detach(), gradient


@pytest.fixture
def reference() -> Callable[..., tuple[Tensor, Tensor]]:
    return plain_gradients
