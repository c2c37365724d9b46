"""A network, a data set and a recipe that train in a second."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from xaihelpers.networks import Augmentation, Cycle, Recipe


class ColourPatches(Dataset[tuple[Tensor, int]]):
    """Noise whose red, green or blue channel is raised: the class. `fail_at` breaks off a run."""

    def __init__(self, count: int, seed: int = 0, size: int = 16) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(count) % 3
        self.images = torch.randint(
            0, 100, (count, 3, size, size), generator=generator, dtype=torch.uint8
        )
        self.images[torch.arange(count), self.labels] += 60
        self.reads, self.fail_at = 0, -1

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        self.reads += 1
        if self.reads == self.fail_at:
            raise KeyboardInterrupt
        return self.images[i], int(self.labels[i])


@pytest.fixture
def patches() -> type[ColourPatches]:
    return ColourPatches


@pytest.fixture
def tiny() -> Callable[[], nn.Sequential]:
    """Makes the same small network with batch norm and dropout at every call."""

    def make() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(8, 3),
        )

    return make


@pytest.fixture
def recipe() -> Recipe:
    """Four epochs in two cycles, the image size growing within the first."""
    return Recipe(
        (Cycle(2e-2, (8, 16)), Cycle(5e-3, (16, 16))),
        batch_size=8,
        augmentation=Augmentation(degrees=3.0),
    )
