"""Roughness and stability of maps, with and without noise, at several eps."""

import pytest
import torch
from torch import nn

from xaihelpers.experiments.retinopathy.steadiness import steadiness


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    layers = (nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(8, 3)).eval()


def test_the_same_image_gives_the_same_map_and_noise_does_not(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (3, 3, 32, 32), generator=generator, dtype=torch.uint8)
    classes = model(images.float() / 255).argmax(dim=1)
    still, moved = (
        steadiness(model, images, {"raw": "0"}, classes, eps=(1e-7,), deviation=deviation)
        for deviation in (0.0, 30.0)
    )
    seen = still.dropna(subset="stability")
    assert len(seen) > 0
    assert seen["stability"].to_numpy() == pytest.approx(1)
    assert (moved["stability"].dropna() < 0.9999).all()


def test_behind_average_pooling_small_eps_changes_nothing(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    table = steadiness(
        model, images, {"last": "1"}, torch.zeros(4, dtype=torch.int64), (1e-9, 1e-7)
    )
    assert len(table) == 4 * 3
    plain = table[table["method"] == "grad_cam"]
    assert plain["eps"].isna().all()
    for _, part in table[table["method"] == "xgrad_cam"].groupby("eps"):
        assert part["variation"].to_numpy() == pytest.approx(
            plain["variation"].to_numpy(), rel=1e-4, nan_ok=True
        )
