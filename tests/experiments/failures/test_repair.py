"""Blurring what a map points to: equal areas, untouched rest, and a failure with a known cause."""

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.failures.repair import blurred, failure_rows, hottest


def test_the_hottest_share_has_the_same_size_in_every_map() -> None:
    heat = torch.rand(3, 10, 10, generator=torch.Generator().manual_seed(0))
    heat[1], heat[2] = 0.0, 1.0  # ties
    mask = hottest(heat, 0.1)
    assert mask.flatten(1).sum(dim=1).tolist() == [10, 10, 10]
    assert heat[0][mask[0]].min() >= heat[0][~mask[0]].max()
    assert mask[1, 0].all()  # reading order


def test_a_share_outside_0_to_1_is_refused() -> None:
    with pytest.raises(EvaluationError, match="must lie between 0 and 1"):
        hottest(torch.rand(1, 4, 4), 1.0)


def test_only_the_mask_is_blurred() -> None:
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, 20:40, 20:40] = True
    soft = blurred(images, mask)
    changed = (soft != images).any(dim=1)
    assert not changed[~mask].any()
    inside = soft[:, :, 20:40, 20:40].float()
    assert inside.std() < 0.2 * images[:, :, 20:40, 20:40].float().std()


class Bright(nn.Module):
    """Class 1 if some 8 px cell is bright, class 0 otherwise: a spot is the cause of the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Sequential(nn.AvgPool2d(8), nn.ReLU())
        self.threshold = nn.Parameter(torch.tensor(0.5))

    def forward(self, images: Tensor) -> Tensor:
        bright = (self.cells(images)[:, 0] - self.threshold).relu().sum(dim=(1, 2))
        return torch.stack([torch.full_like(bright, 0.5), bright], dim=1)


def test_a_planted_cause_is_found_and_blurred_away() -> None:
    """A bright spot makes the answer 1 where the truth is 0; only its own map points to it."""
    images = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    for i, (top, left) in enumerate([(24, 0), (24, 48), (48, 0), (48, 48)]):
        images[i, :, top : top + 8, left : left + 8] = 255
    rows = failure_rows(Bright().eval(), "cells", images, torch.zeros(4, dtype=torch.int64))
    assert (rows["answer"] == 1).all()
    assert rows["turned_own"].all()
    assert not rows["turned_other"].any()
    assert (rows["p_answer"] > rows["p_label"]).all()


@pytest.mark.filterwarnings(
    "ignore::xaihelpers.errors.ExplainWarning"
)  # nothing to see in the dark
def test_right_answers_and_single_failures_are_refused() -> None:
    dark = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(EvaluationError, match="answered rightly"):
        failure_rows(Bright().eval(), "cells", dark, labels)
    with pytest.raises(EvaluationError, match="at least two"):
        failure_rows(Bright().eval(), "cells", dark[:1], labels[:1])
