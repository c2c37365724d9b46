"""What is measured around an attack: 8-bit pictures, targets, rows, and the share that is kept."""

import numpy as np
import pytest
import torch
from torch import nn

from xaihelpers import networks
from xaihelpers.experiments.failures import attacked
from xaihelpers.metrics.attacks import pgd


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).mean(dim=(2, 3)))


def pictures() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=generator)


def test_rounding_to_8_bits_stays_in_the_ball() -> None:
    images = pictures()
    labels = torch.zeros(6, dtype=torch.int64)
    moved = attacked.eight_bit(pgd(Tiny(), images / 255, labels, 3 / 255, steps=4))
    assert moved.dtype == torch.uint8
    assert (moved.int() - images.int()).abs().max() == 3


def test_the_least_likely_class_that_is_not_in_the_picture() -> None:
    logits = torch.tensor([[3.0, -2.0, -1.0], [0.0, 1.0, 2.0]])
    assert attacked.least_likely(logits).tolist() == [1, 0]
    present = torch.tensor([[False, True, False], [False, False, False]])
    assert attacked.least_likely(logits, present).tolist() == [2, 0]


def test_rows_tell_before_from_after() -> None:
    model, images = Tiny().eval(), pictures()
    labels = networks.predict(model, images).argmax(dim=1)
    objects = torch.zeros(6, 32, 32, dtype=torch.bool)
    objects[:, :16] = True
    rows = attacked.attack_rows(
        model, "body", images, labels, (labels + 1) % 4, objects, eps=30 / 255, steps=10
    )
    assert (rows["area"] == 0.5).all()
    assert (rows["p_after"] < rows["p_before"]).all()
    assert (rows["p_target"] > rows["p_after"]).all()
    assert rows["answer"].equals(rows["target"])
    energies = rows[["energy_before", "energy_after", "energy_target"]].to_numpy()
    assert ((energies >= 0) & (energies <= 1)).all()
    assert (rows["correlation"].dropna() <= 1).all()


def test_a_radius_of_zero_changes_nothing() -> None:
    model, images = Tiny().eval(), pictures()
    labels = networks.predict(model, images).argmax(dim=1)
    objects = torch.ones(6, 32, 32, dtype=torch.bool)
    rows = attacked.attack_rows(model, "body", images, labels, labels, objects, eps=0.0, steps=1)
    assert rows["p_before"].equals(rows["p_after"])
    assert rows["energy_before"].equals(rows["energy_after"])
    assert rows["correlation"].dropna().to_numpy() == pytest.approx(1)


def test_the_share_kept_is_one_as_before_and_zero_where_the_map_is_even() -> None:
    area, before = np.array([0.1, 0.3]), np.array([0.5, 0.7])
    assert attacked.energy_kept(area, before, before) == pytest.approx(1)
    assert attacked.energy_kept(area, before, area) == pytest.approx(0)
    assert attacked.energy_kept(area, before, np.array([0.3, 0.5])) == pytest.approx(0.5)
