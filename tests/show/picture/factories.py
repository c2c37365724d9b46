"""Networks that the shell opens by name in tests."""

import torch
from torch import Tensor, nn
from torchvision import transforms

from xaihelpers.errors import DataError


class Tiny(nn.Module):
    """A convolution, the mean over cells, three logits; fixed weights."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.cells = nn.Conv2d(3, 4, 3, stride=2)
        self.head = nn.Linear(4, 3)
        for parameter in self.parameters():
            parameter.data = torch.rand(parameter.shape, generator=generator) - 0.3

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.cells(images).relu().mean(dim=(2, 3)))


TRANSFORM = transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])


def alone() -> nn.Module:
    return Tiny()


def complete() -> tuple[nn.Module, list[str], transforms.Compose]:
    return Tiny(), ["cat", "dog", "tabby"], TRANSFORM


def nothing() -> int:
    return 3


def fails() -> nn.Module:
    raise DataError("no data today")


def breaks() -> nn.Module:
    raise RuntimeError("broken")
